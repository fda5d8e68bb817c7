/**
 * StackDigits: from activations q of n ≤ 15 bits, as Quantize wrote them, the operands of a product that leaves pairs of terms out (series.md,
 * "Truncated sets executed exactly"): `slots` copies of every unit of `unitBytes` bytes side by side, each of them keeping some digits of q − z,
 *   v = ((q − z + H) & mask) + offset + z in int16,
 * H the sum of half of each digit's radix: q − z + H is what the digits, −2^(X−1) … 2^(X−1) − 1, add up to when each has its half added, so that a
 * digit is kept by a mask; the offset takes the halves of the kept ones out. The first digit takes what is left. The linear step subtracts z, so
 * that real 0, and padding, are 0 in every slot. Behind the words: for each slot the words of `DigitSlot`. Compiled twice, see opcode.ts.
 */
export enum StackDigitsStep {
  /** i16 [samples][units][unitBytes / 2]. */
  input = 1,
  /** i16 [samples][units][slots][unitBytes / 2]. */
  output,
  /** An entry per sample, see `ActivationParameters`. */
  parameters,
  samples,
  units,
  /** A multiple of 4. */
  unitBytes,
  /** H. */
  halves,
  slots,
  length,
}

export enum DigitSlot {
  mask = 0,
  offset,
  length,
}
