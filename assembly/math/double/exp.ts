// exp, expm1, the hyperbolic functions, sigmoid and softplus in f64: Taylor series after reduction by ln 2, in loops, because the modules should stay
// small and float64 is rare. Largest distance to V8's Math over 32,000 values of the whole line (test/program/double.test.ts): exp 1 ulp,
// sinh and cosh 2, tanh 3, sigmoid and softplus 2.
import { LN2_HIGH, LN2_LOW, log1p } from "./log";

const LOG2_E: f64 = 1.4426950408889634;

/** 2^n in two factors, so that neither leaves the normal range. */
@inline export function scaled(x: f64, n: i32): f64 {
  const half = n >> 1;
  return x * reinterpret<f64>(<u64>(half + 1023) << 52) * reinterpret<f64>(<u64>(n - half + 1023) << 52);
}

/** (e^r − 1 − r)/r² for |r| ≤ ln 2/2: next term below 2^−55. */
@inline function tail(r: f64): f64 {
  let q: f64 = 1;
  for (let k: f64 = 14; k > 2; k--) q = 1 + (r / k) * q;
  return 0.5 * q;
}

/** e^(x + low), |low| far below |x|; +inf above 709.79, 0 below −745.2. */
export function exp(x: f64, low: f64 = 0): f64 {
  if (x != x) return x;
  const t = f64.max(f64.min(x, 720), -760);
  const n = f64.nearest(t * LOG2_E);
  const high = t - n * LN2_HIGH;
  const r = high + (low - n * LN2_LOW);
  const rest = high - r + (low - n * LN2_LOW);
  return scaled(1 + (r + (rest + r * r * tail(r))), <i32>n);
}

/** e^x − 1 without cancellation near 0; −0 stays. */
export function expm1(x: f64): f64 {
  if (x != x || x == 0) return x;
  if (x > 40 || x < -40) return exp(x) - 1;
  const n = f64.nearest(x * LOG2_E);
  const high = x - n * LN2_HIGH;
  const r = high - n * LN2_LOW;
  const rest = high - r - n * LN2_LOW;
  const part = r + (rest + r * r * tail(r));
  const power = scaled(1, <i32>n);
  return power * part + (power - 1);
}

export function sinh(x: f64): f64 {
  const a = f64.abs(x);
  if (a > 40) {
    const half = exp(0.5 * a);
    return f64.copysign(0.5 * half * half, x);
  }
  const e = expm1(a);
  return f64.copysign(0.5 * (e + e / (e + 1)), x);
}

export function cosh(x: f64): f64 {
  const a = f64.abs(x);
  if (a > 40) {
    const half = exp(0.5 * a);
    return 0.5 * half * half;
  }
  const e = exp(a);
  return 0.5 * (e + 1 / e);
}

export function tanh(x: f64): f64 {
  const a = f64.abs(x);
  if (a > 22) return f64.copysign(1, x);
  const e = expm1(2 * a);
  return f64.copysign(a < 1 ? e / (e + 2) : 1 - 2 / (e + 2), x);
}

/** 1/(1 + e^−x), from e^−|x| so that small results keep their relative precision. */
export function sigmoid(x: f64): f64 {
  const e = exp(-f64.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|). */
export function softplus(x: f64): f64 {
  return (x < 0 ? 0 : x) + log1p(exp(-f64.abs(x)));
}
