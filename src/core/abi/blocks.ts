/**
 * BlockProduct: f32 [rows, depth] by weights of 2, 4 or 8 bits with a scale and a zero point per block of the depth → f32 [rows, columns]. A weight is
 * w = (q − zero)·scale; the sum of a block is scaled once. Column c has ⌈depth / blockSize⌉ blocks of blockSize·bits / 8 bytes each, the lowest bits of a byte
 * first. Compiled twice, see opcode.ts.
 */
export enum BlockProductStep {
  input = 1,
  /** Bytes [columns, blocks, blockSize·bits / 8]. */
  weights,
  /** f32 [columns, blocks]. */
  scales,
  /** Of the type that `zeroType` says, or 0: 2^(bits − 1) for all. */
  zeros,
  /** f32 [columns], or 0. */
  bias,
  output,
  rows,
  depth,
  columns,
  /** A multiple of 16. */
  blockSize,
  bits,
  /** `ZeroType`. */
  zeroType,
  length,
}

/** How zero points lie. */
export enum ZeroType {
  /** `bits` bits each, the lowest of a byte first; every column begins a byte. */
  packed,
  /** f32 [columns, blocks]. */
  float,
}
