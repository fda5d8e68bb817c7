import { uniformNumbers } from "../../src/tensor/index.ts";

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
  const random = uniformNumbers(seed);
  return Float32Array.from({ length: count }, () => DISTRIBUTIONS[distribution](random));
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
