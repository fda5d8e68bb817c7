import { normalNumbers, uniformNumbers } from "../../tensor/index.ts";

/**
 * Shapes of weights: light tails to heavy ones, made without a logarithm or a power, whose last bits depend on the engine. `power κ` is u/(1 − |u|)^(1/κ) of a
 * uniform u: its tail falls like x^−κ.
 */
export const SHAPES = [
  "constant",
  "uniform",
  "gaussian",
  "bimodal",
  "laplace",
  "power 8",
  "power 4",
  "power 2",
  "power 1",
  "one of 1e6",
] as const;

export type Shape = (typeof SHAPES)[number];

export function samplesOf(shape: Shape, count: number, seed: number): Float32Array {
  const uniform = uniformNumbers(seed);
  const normal = normalNumbers(uniform);
  const power = (roots: number): number => {
    const u = 2 * uniform() - 1;
    let rest = 1 - Math.abs(u) + 2 ** -40;
    for (let i = 0; i < roots; i++) rest = Math.sqrt(rest);
    return u / rest;
  };
  const makers: Record<Shape, (i: number) => number> = {
    constant: () => 1,
    uniform: () => 2 * uniform() - 1,
    gaussian: normal,
    bimodal: () => (uniform() < 0.5 ? -1 : 1) + 0.1 * normal(),
    laplace: () => (uniform() < 0.5 ? -1 : 1) * exponential(uniform),
    "power 8": () => power(3),
    "power 4": () => power(2),
    "power 2": () => power(1),
    "power 1": () => power(0),
    "one of 1e6": (i) => (i === 0 ? 1e6 : normal()),
  };
  return Float32Array.from({ length: count }, (_, i) => makers[shape](i));
}

/** An exponential number by comparisons alone (von Neumann 1951): whole steps until a run of falling numbers has odd length. */
function exponential(uniform: () => number): number {
  for (let whole = 0; ; whole++) {
    const first = uniform();
    let [last, length] = [first, 1];
    for (let next = uniform(); next < last; next = uniform()) {
      last = next;
      length++;
    }
    if (length % 2 === 1) return whole + first;
  }
}
