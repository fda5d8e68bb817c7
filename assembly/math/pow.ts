// pow in f64 arithmetic: the f32 result is the correctly rounded one but for rare ties (largest error 1.19 ulp, which
// is that of x·x·x): log2 of the base as 2·atanh of (m − 1)/(m + 1), then 2^t by its Taylor series. IEEE 754 pow for the special cases, which are done a lane at a time.
import { add, clamped, div, exponent, ifMore, k, mul, nearest, scale, significand, sub } from "./double/lane";

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
  else if (ASC_FEATURE_SIMD) r = f32x4.extract_lane(pow__simd(f32x4.splat(a), f32x4.splat(y)), 0);
  else r = <f32>positive<f64>(<f64>a, <f64>y);
  return x < 0 && odd ? -r : r;
}

/** Whether `pow__simd` has four powers: those of positive numbers that take the logarithm, or a root. */
export function arePositive__simd(x: v128, y: v128): bool {
  const special = v128.or(f32x4.eq(f32x4.abs(y), f32x4.splat(1)), v128.or(f32x4.eq(y, f32x4.splat(2)), f32x4.eq(y, f32x4.splat(3))));
  const finite = v128.and(f32x4.lt(x, f32x4.splat(Infinity)), f32x4.lt(f32x4.abs(y), f32x4.splat(Infinity)));
  return i32x4.all_true(v128.andnot(v128.and(f32x4.gt(x, f32x4.splat(0)), finite), special));
}

/** Four powers: 28 ns each by the lane, 8 together; both pairs in one function, for which the engine makes the constants once (15 without). */
export function pow__simd(x: v128, y: v128): v128 {
  const root = f32x4.eq(y, f32x4.splat(0.5));
  const roots = f32x4.sqrt(x);
  if (i32x4.all_true(root)) return roots;
  const low = positive<v128>(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y));
  const high = positive<v128>(f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1)), f64x2.promote_low_f32x4(v128.shuffle<i64>(y, y, 1, 1)));
  return v128.bitselect(roots, v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2), root);
}

/** a^y of positive finite f32 and finite y. */
@inline
function positive<T>(a: T, y: T): T {
  return power2<T>(mul<T>(log2<T>(a), y));
}

/** log2 of a positive finite f32; error below 1e-14. */
@inline
function log2<T>(a: T): T {
  const m = significand<T>(a); // every f32 is normal in f64
  // No branch: it would go either way as often.
  const n = mul<T>(m, ifMore<T>(m, 1.4142135623730951, 0.5, 1));
  const e = add<T>(exponent<T>(a), ifMore<T>(m, 1.4142135623730951, 1, 0));
  const s = div<T>(sub<T>(n, k<T>(1)), add<T>(n, k<T>(1))); // |s| < 0.1716
  const z = mul<T>(s, s);
  let p = k<T>(1.0 / 15);
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 13));
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 11));
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 9));
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 7));
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 5));
  p = add<T>(mul<T>(p, z), k<T>(1.0 / 3));
  return add<T>(e, mul<T>(add<T>(s, mul<T>(mul<T>(s, z), p)), k<T>(2.8853900817779268))); // 2/ln 2
}

/** 2^t, kept within the range where f32 overflows or vanishes anyway. */
@inline
function power2<T>(x: T): T {
  const t = clamped<T>(x, -200, 200);
  const n = nearest<T>(t);
  const r = mul<T>(sub<T>(t, n), k<T>(0.6931471805599453));
  let p = k<T>(1.0 / 3628800);
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 362880));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 40320));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 5040));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 720));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 120));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 24));
  p = add<T>(mul<T>(p, r), k<T>(1.0 / 6));
  p = add<T>(mul<T>(p, r), k<T>(0.5));
  p = add<T>(mul<T>(p, r), k<T>(1));
  p = add<T>(mul<T>(p, r), k<T>(1));
  return mul<T>(p, scale<T>(n));
}
