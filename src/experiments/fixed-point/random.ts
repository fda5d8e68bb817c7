import { randomIntegers } from "../../core/index.ts";

/** A table Q^d → Q with every entry drawn at random. */
export function randomTable(p: number, d: number, seed: number): Int32Array {
  const m = 2 ** p - 1;
  const random = randomIntegers(seed);
  return Int32Array.from({ length: (2 * m + 1) ** d }, () => random(-m, m));
}
