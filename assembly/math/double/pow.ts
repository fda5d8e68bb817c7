// pow in f64, for any exponent of float64 and int64. The logarithm is a sum of two f64 (about 2^−63 relative), so that e^(y·ln x) is within
// 1 ulp although y·ln x may be 700 (distance to V8's Math over 30,000 pairs: 1 ulp, test/program/double.test.ts).
import { exp } from "./exp";
import { exponentOf, LN2_HIGH, LN2_LOW, reduced } from "./log";

/** a·b − p, p the rounded product: Dekker's splitting of both factors. */
function error(a: f64, b: f64, p: f64): f64 {
  const ca = 134217729 * a;
  const cb = 134217729 * b;
  const ah = ca - (ca - a);
  const bh = cb - (cb - b);
  const al = a - ah;
  const bl = b - bh;
  return ah * bh - p + ah * bl + al * bh + al * bl;
}

/** x^(y + low), y + low odd or not: IEEE 754 pow for the special cases. */
function power(x: f64, y: f64, low: f64, integral: bool, odd: bool): f64 {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return NaN;
  let a = f64.abs(x);
  const negative = odd && f64.copysign(1, x) < 0;
  if (f64.abs(y) == Infinity) return a == 1 ? 1 : a > 1 == y > 0 ? Infinity : 0;
  if (a == 0 || a == Infinity) {
    const r: f64 = (a == 0) == y < 0 ? Infinity : 0;
    return negative ? -r : r;
  }
  if (x < 0 && !integral) return NaN;
  // beyond, the result has left the range of f64 whatever the base, unless it is ±1; and Dekker's product does not overflow
  const far = f64.abs(y) > 1e19;
  if (far) {
    y = f64.copysign(1e19, y);
    low = 0;
  }
  const subnormal = a < 2.2250738585072014e-308;
  if (subnormal) a *= 18014398509481984; // 2^54
  const n = <f64>(exponentOf(a) - (subnormal ? 54 : 0));
  const m = reduced(a);
  // s + t = (m − 1)/(m + 1)
  const f = m - 1;
  const u = m + 1;
  const s = f / u;
  const su = s * u;
  const t = (f - su - error(s, u, su) - s * (m - (u - 1))) / u;
  // ln m = 2(s + t)·(1 + z/3 + z²/5 + …), z = (s + t)²: the term z/3 in two parts, the rest in one
  const z = s * s;
  const zl = error(s, s, z) + 2 * s * t;
  const c = z * 0.3333333333333333;
  const cl = error(z, 0.3333333333333333, c) + z * 1.850371707708594e-17 + zl * 0.3333333333333333;
  let p: f64 = 0;
  for (let k: f64 = 27; k > 3; k -= 2) p = z * (p + 1 / k);
  const sc = s * c;
  const mantissa = s + sc;
  const mantissaLow = s - mantissa + sc + (error(s, c, sc) + s * (cl + z * p) + t * (1 + c));
  // ln x, normalized
  const h = n * LN2_HIGH;
  const w = n * LN2_LOW;
  const g = 2 * mantissa;
  const sum = h + g;
  const back = sum - h;
  const rest = h - (sum - back) + (g - back) + (2 * mantissaLow + w + n * -2.3407938865678234e-23);
  const high = sum + rest;
  const highLow = sum - high + rest;
  const product = y * high;
  let r: f64;
  if (f64.abs(product) > 800) r = product > 0 ? Infinity : 0;
  else r = exp(product, error(y, high, product) + y * highLow + low * high);
  return negative ? -r : r;
}

export function pow(x: f64, y: f64): f64 {
  const integral = f64.trunc(y) == y;
  // above 2^53 every f64 is even
  const odd = integral && f64.abs(y) < 9007199254740992 && (<i64>y & 1) != 0;
  return power(x, y, 0, integral, odd);
}

/** x^n for any int64: the parity and the last bits of an exponent above 2^53 count. */
export function powInteger(x: f64, n: i64): f64 {
  const y = <f64>n;
  // |n| may round up to 2^63, which is no int64
  const low = y >= 9223372036854775807 ? <f64>(n - i64.MAX_VALUE) - 1 : <f64>(n - <i64>y);
  return power(x, y, low, true, (n & 1) != 0);
}
