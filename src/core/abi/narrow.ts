/** Narrow: operands as Quantize wrote them under at most 8 bits, in int8 as ConvU7 wants them. Compiled twice, see opcode.ts. */
export enum NarrowStep {
  /** i16 [units][inBytes / 2]. */
  input = 1,
  /** i8 [units][outBytes]; what the input does not have is 0. */
  output,
  /** Groups of all pixels. */
  units,
  /** A multiple of 4, at most twice `outBytes`. */
  inBytes,
  /** A multiple of 4. */
  outBytes,
  length,
}
