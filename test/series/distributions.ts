/** Seeded samples of the distributions that the theory speaks of; host transcendentals are fine, nothing here reaches an output. */
export const DISTRIBUTIONS = {
  uniform: (random: () => number) => 2 * random() - 1,
  gaussian: (random: () => number) => gaussian(random),
  laplace: (random: () => number) => -Math.log(1 - random()) * (random() < 0.5 ? -1 : 1),
  bimodal: (random: () => number) => (random() < 0.5 ? -1 : 1) + 0.1 * gaussian(random),
  student3: (random: () => number) =>
    gaussian(random) / Math.sqrt((gaussian(random) ** 2 + gaussian(random) ** 2 + gaussian(random) ** 2) / 3),
  cauchy: (random: () => number) => gaussian(random) / gaussian(random),
} as const;

/** `count` samples. */
export function samples(distribution: keyof typeof DISTRIBUTIONS, count: number, seed = 1): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length: count }, () => DISTRIBUTIONS[distribution](random));
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Mulberry32: 0 … 1. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
