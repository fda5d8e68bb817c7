/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers of unit variance: the sum of 12 uniform ones, less 6; the same on every machine. */
export function normal(random: () => number): () => number {
  return () => {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += random();
    return sum;
  };
}

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
  const next = normal(uniform(seed));
  return normalized(Float32Array.from({ length: n * d }, next), d);
}

/** `clusters` directions, and keys around them: noise of the given size relative to the direction. */
export function clusteredKeys(n: number, d: number, clusters: number, noise: number, seed: number): Float32Array {
  const next = normal(uniform(seed));
  const centres = Float32Array.from({ length: clusters * d }, next);
  const keys = Float32Array.from({ length: n * d }, (_, i) => {
    const cluster = Math.floor(i / d) % clusters;
    return centres[cluster * d + (i % d)]! + noise * next();
  });
  return normalized(keys, d);
}
