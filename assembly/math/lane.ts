// One f32 or four, or one f64: every function of this folder is written once over T = f32, v128 or f64, and the compiler drops the other
// branches. f32 and v128 are the same IEEE single operations in the same order, so the scalar and simd builds agree bit for bit.
// min and max are WebAssembly's: a NaN operand gives NaN, −0 < +0.

@inline export function k<T>(x: f64): T {
  if (isVector<T>()) return f32x4.splat(<f32>x);
  return x as T;
}
@inline export function notANumber<T>(): T {
  if (isVector<T>()) return i32x4.splat(0x7fc00000);
  if (sizeof<T>() == 8) return reinterpret<f64>(0x7ff8000000000000) as T;
  return reinterpret<f32>(0x7fc00000) as T;
}
@inline export function add<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.add(a, b);
  return a + b;
}
@inline export function sub<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.sub(a, b);
  return a - b;
}
@inline export function mul<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.mul(a, b);
  return a * b;
}
@inline export function div<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.div(a, b);
  return a / b;
}
@inline export function min<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.min(a, b);
  if (sizeof<T>() == 8) return f64.min(a, b) as T;
  return f32.min(a, b) as T;
}
@inline export function max<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.max(a, b);
  if (sizeof<T>() == 8) return f64.max(a, b) as T;
  return f32.max(a, b) as T;
}
/** a, or the bound when a is above it; a NaN stays. One instruction, where min is eight. */
@inline export function atMost<T>(a: T, bound: T): T {
  if (isVector<T>()) return f32x4.pmin(a, bound);
  return bound < a ? bound : a;
}
/** a, or the bound when a is below it; a NaN stays. */
@inline export function atLeast<T>(a: T, bound: T): T {
  if (isVector<T>()) return f32x4.pmax(a, bound);
  return a < bound ? bound : a;
}
@inline export function abs<T>(a: T): T {
  if (isVector<T>()) return f32x4.abs(a);
  if (sizeof<T>() == 8) return f64.abs(a) as T;
  return f32.abs(a) as T;
}
@inline export function neg<T>(a: T): T {
  if (isVector<T>()) return f32x4.neg(a);
  return -a as T;
}
/** −|a|: one instruction in SIMD, where the two are six. */
@inline export function negativeAbs<T>(a: T): T {
  if (isVector<T>()) return v128.or(a, i32x4.splat(0x80000000));
  return neg<T>(abs<T>(a));
}
@inline export function sqrt<T>(a: T): T {
  if (isVector<T>()) return f32x4.sqrt(a);
  if (sizeof<T>() == 8) return f64.sqrt(a) as T;
  return f32.sqrt(a) as T;
}
@inline export function ceil<T>(a: T): T {
  if (isVector<T>()) return f32x4.ceil(a);
  if (sizeof<T>() == 8) return f64.ceil(a) as T;
  return f32.ceil(a) as T;
}
@inline export function floor<T>(a: T): T {
  if (isVector<T>()) return f32x4.floor(a);
  if (sizeof<T>() == 8) return f64.floor(a) as T;
  return f32.floor(a) as T;
}
/** Half to even. */
@inline export function nearest<T>(a: T): T {
  if (isVector<T>()) return f32x4.nearest(a);
  if (sizeof<T>() == 8) return f64.nearest(a) as T;
  return f32.nearest(a) as T;
}
/** a < b ? x : y */
@inline export function ifLess<T>(a: T, b: T, x: T, y: T): T {
  if (isVector<T>()) return v128.bitselect(x, y, f32x4.lt(a, b));
  return a < b ? x : y;
}
/** a == b ? x : y */
@inline export function ifEqual<T>(a: T, b: T, x: T, y: T): T {
  if (isVector<T>()) return v128.bitselect(x, y, f32x4.eq(a, b));
  return a == b ? x : y;
}
/** |a| with the sign bit of b. */
@inline export function copysign<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.bitselect(b, a, i32x4.splat(0x80000000));
  if (sizeof<T>() == 8) return f64.copysign(a, b) as T;
  return f32.copysign(a, b) as T;
}
/** 2^n for integral n in −126…127: added to 1.5·2^23 + 127, n + 127 stands in the low bits. Something for a NaN. */
@inline export function power2<T>(n: T): T {
  if (isVector<T>()) return i32x4.shl(f32x4.add(n, f32x4.splat(12583039)), 23);
  return reinterpret<f32>(reinterpret<i32>((n as f32) + 12583039) << 23) as T;
}
/** The biased exponent field of a positive x, as a float. */
@inline export function exponentField<T>(x: T): T {
  if (isVector<T>()) return f32x4.convert_i32x4_s(i32x4.shr_u(x, 23));
  return <f32>(reinterpret<i32>(x) >>> 23) as T;
}
/** x with its exponent replaced: in [1/2, 1). */
@inline export function mantissa<T>(x: T): T {
  if (isVector<T>()) return v128.or(v128.and(x, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000));
  return reinterpret<f32>((reinterpret<i32>(x) & 0x007fffff) | 0x3f000000) as T;
}
