/** Integers from a seed, the same on every engine (xorshift32). */
export function randomIntegers(seed: number): (low: number, high: number) => number {
  let x = (seed * 2654435761) | 1;
  return (low, high) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return low + ((x >>> 0) % (high - low + 1));
  };
}

/** A table Q^d → Q with every entry drawn at random. */
export function randomTable(p: number, d: number, seed: number): Int32Array {
  const m = 2 ** p - 1;
  const random = randomIntegers(seed);
  return Int32Array.from({ length: (2 * m + 1) ** d }, () => random(-m, m));
}
