/**
 * Rotate: f32 [batch, heads, places, size], in whose rows pairs (a, b) of channels become (cos·a − sin·b, sin·a + cos·b): channel i of the first `half`
 * ones beside channel i + half, or neighbours. What is behind the pairs stays.
 */
export enum RotateStep {
  input = 1,
  output,
  /** f32 [batch or 1, places, half]. */
  cosines,
  sines,
  batch,
  heads,
  places,
  size,
  half,
  /** Elements from the angles of one batch to those of the next; 0: all have the same. */
  angleStride,
  /** 1: channels 2i and 2i + 1 are a pair. */
  interleaved,
  length,
}
