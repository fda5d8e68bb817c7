import { normalNumbers, uniformNumbers } from "../../src/tensor/random.ts";

/** Distance of a key to its centre, as a part of the distances of centres. */
const CLOSE = 1 / 16;

/** Keys of a seed, n × d: normal ones, or normal ones close around some centres, which is what makes bits scarce. */
export function gaussianKeys(n: number, d: number, clusters: number, seed: number): Float32Array {
  const normal = normalNumbers(uniformNumbers(seed));
  const centres = Array.from({ length: clusters * d }, normal);
  return Float32Array.from({ length: n * d }, (_, i) => {
    if (clusters === 0) return normal();
    return centres[(Math.floor(i / d) % clusters) * d + (i % d)]! + normal() * CLOSE;
  });
}
