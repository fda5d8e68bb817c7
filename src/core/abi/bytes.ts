/**
 * Networks that are quantized when they come: bytes q, int8 where `signed` is 1 and uint8 where it is 0, stand for (q − zero)·scale; zero points are of the
 * type of the bytes. QuantizeBytes: q = clamp(nearestEven(x / scale) + zero), each operation rounded to f32, NaN is 0. DequantizeBytes:
 * (f32(q) − zero)·scale. Compiled twice, see opcode.ts.
 */
export enum BytesStep {
  /** [outer, channels, inner]: f32, or the bytes that are dequantized. */
  input = 1,
  /** The same shape: the bytes, or f32. */
  output,
  /** f32 [channels]. */
  scales,
  /** Bytes [channels], or 0: none. */
  zeros,
  signed,
  outer,
  channels,
  inner,
  length,
}

/**
 * PackBytes: the operand of an integer product from bytes: q − zero + 1 as i16, laid out as ConvStep wants it, and one entry of `ActivationParameters` for
 * all of it, whose zero point is 1 and whose scale is `scale`. Padding is real 0, and since the zero point is the same for all inputs, a layer's column
 * sums can hold a bias in integers: S = Σ Q·q' − 1·(ΣQ − bias).
 */
export enum PackBytesStep {
  /** Bytes [rows, groups·channels], dense. */
  input = 1,
  /** i16 pixels. */
  output,
  /** Bytes [points], or 0: none; row r has point r mod points. */
  zeros,
  points,
  signed,
  /** f32, or 0: 1. */
  scale,
  /** One entry. */
  parameters,
  rows,
  groups,
  channels,
  /** Bytes per pixel and per group of the output. */
  pixelStride,
  groupStride,
  length,
}

/**
 * PackWeights: the right operand of an integer product from bytes that are computed: panels of ConvI16 (assembly/layout.ts) of q − zero, their column sums, and
 * a scale of 1 for every column.
 */
export enum PackWeightsStep {
  /** Bytes; the strides are in elements. */
  input = 1,
  output,
  /** i32 and f32: row r of group g is entry g·entryStride + r. */
  columnSums,
  scales,
  /** Bytes [points], or 0: none; row r of group g has point (g·rows + r) mod points. */
  zeros,
  points,
  signed,
  groups,
  /** Output channels of a group. */
  rows,
  taps,
  /** Input channels of a group. */
  channels,
  groupStride,
  rowStride,
  tapStride,
  channelStride,
  entryStride,
  length,
}
