// What the tile loops of all kernels have in common, by the type T of the weights: f32 under f32 activations, i16 and i8 under i16 activations, u8 under i8
// activations: weights of 7 bits, 0…127, less an offset of their column (quads.ts), which the relaxed dot product takes: exact on every engine while one side has 7 bits.
// A word of depth is one f32, a pair of i16, or four i8; sums of floats take one rounding per multiplication and per addition, sums of integers are exact or wrap.

/** Whether this build has the kernels of T = u8: the relaxed one, and the scalar one as its reference. */
// @ts-ignore: decorator
@inline
export const HAS_QUADS: bool = ASC_FEATURE_RELAXED_SIMD || !ASC_FEATURE_SIMD;

/** Bytes of a panel per word of depth. */
@inline
export function wordBytes<T>(): usize {
  return sizeof<T>() == 1 && isSigned<T>() ? 16 : 32;
}

/** Weights of columns 0…3 and of columns 4…7 for one word of depth. */
@inline
export function left__simd<T>(panel: usize): v128 {
  if (sizeof<T>() == 1 && isSigned<T>()) return v128.load_ext<i8>(panel);
  return v128.load(panel);
}

@inline
export function right__simd<T>(panel: usize): v128 {
  if (sizeof<T>() == 1 && isSigned<T>()) return v128.load_ext<i8>(panel, 8);
  return v128.load(panel, 16);
}

/** sum + x·b, `x` the same word in every lane. */
@inline
export function mac__simd<T>(sum: v128, x: v128, b: v128): v128 {
  if (isFloat<T>()) return f32x4.add(sum, f32x4.mul(x, b));
  if (sizeof<T>() == 1 && !isSigned<T>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, b, sum);
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, b));
}

/** sum + x·b for the word at `x` and the weight of one column at `b`; S is f32 or i32. */
@inline
export function mac__scalar<T, S>(sum: S, x: usize, b: usize): S {
  if (isFloat<T>()) return <S>(<f32>sum + load<f32>(x) * load<f32>(b));
  if (sizeof<T>() == 1 && !isSigned<T>()) {
    const first = <i32>load<i8>(x) * <i32>load<u8>(b) + <i32>load<i8>(x, 1) * <i32>load<u8>(b, 1);
    return <S>(<i32>sum + first + <i32>load<i8>(x, 2) * <i32>load<u8>(b, 2) + <i32>load<i8>(x, 3) * <i32>load<u8>(b, 3));
  }
  return <S>(<i32>sum + <i32>load<i16>(x) * <i32>load<T>(b) + <i32>load<i16>(x, 2) * <i32>load<T>(b, sizeof<T>()));
}
