// log, log1p and the inverse hyperbolic functions in f64: ln(1 + f) = 2·atanh(f/(2 + f)) by its series. Largest distance to V8's Math over 32,000 values
// (test/program/double.test.ts): log and asinh 1 ulp, acosh and atanh 2.

/** ln 2 with 21 significant bits, so that n·LN2_HIGH is exact, and the rest. */
export const LN2_HIGH: f64 = 0.6931467056274414;
export const LN2_LOW: f64 = 4.7493250390316726e-7;

/** Exponent and significand in (√½, √2] of a positive finite x; the exponent comes back as the sum that log needs. */
@inline export function exponentOf(x: f64): i32 {
  const e = <i32>(reinterpret<u64>(x) >> 52) - 1023;
  return significand(x) > 1.4142135623730951 ? e + 1 : e;
}

@inline function significand(x: f64): f64 {
  return reinterpret<f64>((reinterpret<u64>(x) & 0x000fffffffffffff) | 0x3ff0000000000000);
}

/** x·2^−exponentOf(x), in (√½, √2]. */
@inline export function reduced(x: f64): f64 {
  const m = significand(x);
  return m > 1.4142135623730951 ? 0.5 * m : m;
}

/** ln(1 + f) − f for f in (√½ − 1, √2 − 1]. */
function bend(f: f64): f64 {
  const s = f / (2 + f);
  const z = s * s; // < 0.0295
  let p: f64 = 0;
  for (let k: f64 = 25; k > 1; k -= 2) p = z * (p + 1 / k);
  const square = 0.5 * f * f;
  return s * (square + 2 * p) - square;
}

/** −inf at ±0, NaN below 0. */
export function log(x: f64): f64 {
  if (x == 0) return -Infinity;
  if (!(x > 0)) return NaN;
  if (x == Infinity) return x;
  const subnormal = x < 2.2250738585072014e-308;
  if (subnormal) x *= 18014398509481984; // 2^54
  const n = <f64>(exponentOf(x) - (subnormal ? 54 : 0));
  const f = reduced(x) - 1;
  return n * LN2_HIGH + (f + (bend(f) + n * LN2_LOW));
}

/** ln(1 + x) without cancellation near 0; −0 stays. */
export function log1p(x: f64): f64 {
  if (x == 0) return x;
  if (x > -0.29 && x < 0.41) return x + bend(x);
  const u = 1 + x;
  // the rounding of 1 + x made good to first order
  if (u > 0 && u < Infinity) return log(u) + (x - (u - 1)) / u;
  return log(u);
}

export function asinh(x: f64): f64 {
  const a = f64.abs(x);
  if (a > 268435456) return f64.copysign(log(a) + 0.6931471805599453, x);
  const square = a * a;
  return f64.copysign(log1p(a + square / (1 + f64.sqrt(1 + square))), x);
}

/** NaN below 1. */
export function acosh(x: f64): f64 {
  if (x < 1) return NaN;
  if (x > 268435456) return log(x) + 0.6931471805599453;
  const t = x - 1;
  return log1p(t + f64.sqrt(t * (2 + t)));
}

/** ±inf at ±1, NaN beyond. */
export function atanh(x: f64): f64 {
  const a = f64.abs(x);
  return f64.copysign(0.5 * log1p((2 * a) / (1 - a)), x);
}
