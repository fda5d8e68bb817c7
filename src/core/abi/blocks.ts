/**
 * A product of f32 [rows, depth] by weights of 2, 4 or 8 bits that have a scale and a zero point per block of the depth, in two steps, both on integers.
 * Compiled twice, see opcode.ts.
 *
 * QuantizeBlocks: rows become vectors of i16, in parts of at most 128 values with a scale each that is a power of two, x ≈ scale·X. With one plane X has 16 bits, and
 * |x − scale·X| ≤ 2^−16 of the next power of two above the largest |x| of the part. With two, X = 2^16·X1 + X0 has 31: no more is lost than the last bits of f32.
 * A part that holds NaN or infinity has the scale NaN.
 */
export enum QuantizeBlocksStep {
  /** f32 [rows, depth]. */
  input = 1,
  /**
   * [rows, planes] vectors of `stride` bytes: i16 values, the depth rounded up to 16, whose excess is 0, then an f32 scale per part. 16 values lie in the order
   * in which the kernel unpacks so many weights: those of the lowest bits of all bytes first.
   */
  output,
  rows,
  depth,
  /** Values of a part: 16, 32, 64 or 128. */
  part,
  /** 1 or 2; the one with the high bits first. */
  planes,
  /** Of a weight. */
  bits,
  stride,
  length,
}

/**
 * BlockProduct: f32 [rows, columns]. A weight is w = (q − zero)·scale; a column has ⌈depth / blockSize⌉ blocks of blockSize·bits / 8 bytes each, the lowest bits of a
 * byte first. S, the sum of a part, is exact; out = Σ f32(S)·(scale·scaleX) + bias, four sums that are added last, as assembly/gemm/blocks.ts says.
 */
export enum BlockProductStep {
  /** What QuantizeBlocks wrote. */
  input = 1,
  /** Bytes [columns, blocks, blockSize·bits / 8]. */
  weights,
  /** f32 [columns, blocks]. */
  scales,
  /** `bits` bits each, the lowest of a byte first, and every column begins a byte; or 0: 2^(bits − 1) for all. */
  zeros,
  /** f32 [columns], or 0. */
  bias,
  output,
  rows,
  planes,
  depth,
  columns,
  /** A multiple of `part`. */
  blockSize,
  part,
  bits,
  /** Bytes of a vector. */
  stride,
  length,
}
