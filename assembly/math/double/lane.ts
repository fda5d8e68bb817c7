// One f64 or two: T = f64 or v128, as lane.ts has it for f32. The same IEEE double operations in the same order, so that both builds agree bit for bit.

@inline export function k<T>(x: f64): T {
  if (isVector<T>()) return f64x2.splat(x);
  return x as T;
}
@inline export function add<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.add(a, b);
  return a + b;
}
@inline export function sub<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.sub(a, b);
  return a - b;
}
@inline export function mul<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.mul(a, b);
  return a * b;
}
@inline export function div<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.div(a, b);
  return a / b;
}
@inline export function nearest<T>(a: T): T {
  if (isVector<T>()) return f64x2.nearest(a);
  return f64.nearest(a) as T;
}
/** a between two bounds; not of NaN. */
@inline export function clamped<T>(a: T, low: f64, high: f64): T {
  if (isVector<T>()) return f64x2.pmin(f64x2.pmax(a, f64x2.splat(low)), f64x2.splat(high));
  return f64.min(f64.max(a, low), high) as T;
}
/** a > bound ? yes : no. */
@inline export function ifMore<T>(a: T, bound: f64, yes: f64, no: f64): T {
  if (isVector<T>()) return v128.bitselect(f64x2.splat(yes), f64x2.splat(no), f64x2.gt(a, f64x2.splat(bound)));
  return (a > bound ? yes : no) as T;
}
/** The exponent of a positive normal number: below 2^52 an integer is the low bits of 2^52 and itself. */
@inline export function exponent<T>(a: T): T {
  if (isVector<T>()) return f64x2.sub(v128.or(i64x2.shr_u(a, 52), f64x2.splat(4503599627370496)), f64x2.splat(4503599627370496 + 1023));
  return <f64>(<i32>(reinterpret<u64>(a) >> 52) - 1023) as T;
}
/** The significand of a positive normal number, in [1, 2). */
@inline export function significand<T>(a: T): T {
  if (isVector<T>()) return v128.or(v128.and(a, i64x2.splat(0x000fffffffffffff)), f64x2.splat(1));
  return reinterpret<f64>((reinterpret<u64>(a) & 0x000fffffffffffff) | 0x3ff0000000000000) as T;
}
/** 2^n of an integer that leaves it normal. */
@inline export function scale<T>(n: T): T {
  if (isVector<T>()) return i64x2.shl(f64x2.add(n, f64x2.splat(4503599627370496 + 1023)), 52);
  return reinterpret<f64>((<i64>n + 1023) << 52) as T;
}
