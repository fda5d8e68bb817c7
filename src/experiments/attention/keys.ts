import { normalNumbers, uniformNumbers } from "../../tensor/index.ts";

/** n rows of d numbers with Euclidean norm 1. */
export function normalized(rows: Float32Array, d: number): Float32Array {
  for (let at = 0; at < rows.length; at += d) {
    const row = rows.subarray(at, at + d);
    const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    for (let c = 0; c < d; c++) row[c] = row[c]! / norm;
  }
  return rows;
}

/** Independent directions. */
export function randomKeys(n: number, d: number, seed: number): Float32Array {
  const next = normalNumbers(uniformNumbers(seed));
  return normalized(Float32Array.from({ length: n * d }, next), d);
}

/** `clusters` directions, and keys around them: noise of the given size relative to the direction. */
export function clusteredKeys(n: number, d: number, clusters: number, noise: number, seed: number): Float32Array {
  const next = normalNumbers(uniformNumbers(seed));
  const centres = Float32Array.from({ length: clusters * d }, next);
  const keys = Float32Array.from({ length: n * d }, (_, i) => {
    const cluster = Math.floor(i / d) % clusters;
    return centres[cluster * d + (i % d)]! + noise * next();
  });
  return normalized(keys, d);
}
