/**
 * A product of f32 [rows, depth] by weights of 2, 4 or 8 bits that have a scale and a zero point per block of the depth, in two steps, both on integers.
 * Compiled twice, see opcode.ts.
 *
 * QuantizeBlocks: rows become vectors of i16, in parts of some values with a scale each that is a power of two, x ≈ scale·X. With one plane X has 16 bits, and
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
  /** Values of a part, a multiple of 16. */
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
 * byte first. S, the sum of a block, is exact; out = Σ scaleX·Σ f32(S)·scale + bias, over parts and their blocks; the order is in assembly/gemm/blocks.ts.
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
  blockSize,
  /** The larger one of part and block size is a multiple of the other, and the smaller one at most 128: sums stay in int32. */
  part,
  bits,
  /** Bytes of a vector. */
  stride,
  /**
   * `slots` pieces of `scratchBytes`, for eight columns: each as i16, the depth rounded up to 16; the same as a panel; f32 scales [block][column]; f32 bias; and
   * f32 [2][4][8] for the sums of four vectors.
   */
  scratch,
  scratchBytes,
  slots,
  length,
}
