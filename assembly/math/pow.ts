// pow, one lane at a time in f64 arithmetic: the f32 result is the correctly rounded one but for rare ties (largest error 1.19 ulp, which
// is that of x·x·x): log2 of the base as 2·atanh of (m − 1)/(m + 1), then 2^t by its Taylor series. IEEE 754 pow for the special cases.

/** x^y; y = 2, 3, ½, −1, 1, 0 take no logarithm. */
export function pow(x: f32, y: f32): f32 {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return NaN;
  if (y == 1) return x;
  if (y == 2) return x * x;
  if (y == 3) return x * x * x;
  if (y == -1) return 1 / x;
  let a = f32.abs(x);
  // an odd integer keeps the sign of x; above 2^24 every float is even
  let integral = f32.trunc(y) == y;
  let odd = integral && f32.abs(y) < 16777216 && (<i32>y & 1) != 0;
  if (f32.abs(y) == Infinity) return a == 1 ? 1 : (a > 1) == (y > 0) ? Infinity : 0;
  if (a == 0 || a == Infinity) {
    let r: f32 = (a == 0) == (y < 0) ? Infinity : 0;
    return odd ? f32.copysign(r, x) : r;
  }
  if (x < 0 && !integral) return NaN;
  let r: f32;
  if (y == 0.5) r = f32.sqrt(a);
  else r = f32(power2(log2(a) * <f64>y));
  return x < 0 && odd ? -r : r;
}

/** log2 of a positive finite f32; error below 1e-14. */
function log2(a: f32): f64 {
  let b = reinterpret<u64>(<f64>a); // every f32 is normal in f64
  let e = <i32>(b >> 52) - 1023;
  let m = reinterpret<f64>((b & 0x000fffffffffffff) | 0x3ff0000000000000);
  // No branch: it would go either way as often.
  let upper = m > 1.4142135623730951;
  m *= upper ? 0.5 : 1;
  e += <i32>upper;
  let s = (m - 1) / (m + 1); // |s| < 0.1716
  let z = s * s;
  let p: f64 = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return <f64>e + (s + s * z * p) * 2.8853900817779268; // 2/ln 2
}

/** 2^t, kept within the range where f32 overflows or vanishes anyway. */
function power2(t: f64): f64 {
  t = f64.max(f64.min(t, 200), -200);
  let n = f64.nearest(t);
  let r = (t - n) * 0.6931471805599453;
  let p: f64 = 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  return p * reinterpret<f64>((<i64>n + 1023) << 52);
}
