/** Digit systems as the expansion kernels know them; what they mean is told in src/series/digits.ts. Compiled twice, see opcode.ts. */
export enum Digits {
  Signed = 0,
  Odd = 1,
  Mixed = 2,
  Unsigned = 3,
}
