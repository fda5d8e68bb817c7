import { type Dyadic, fromNumber } from "../../src/regimes/dyadic.ts";
import { encodePath, type Path } from "../../src/regimes/encode.ts";

/** A seeded generator of 32-bit numbers (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 2^e + 1 samples of a 1-Lipschitz walk within [-1, 1] that changes its slope now and then; exact multiples of 2^-24. */
export function lipschitzWalk(seed: number, e: number): number[] {
  const next = random(seed);
  const limit = 2 ** (24 - e);
  let level = Math.floor((next() - 0.5) * 2 ** 24);
  let slope = next() < 0.5 ? -1 : 1;
  const values = [level / 2 ** 24];
  for (let k = 0; k < 2 ** e; k++) {
    if (next() < 0.15) slope = 2 * next() - 1;
    if (next() < 0.03) slope = next() < 0.5 ? -1 : 1;
    if (Math.abs(level + Math.trunc(slope * limit)) > 2 ** 24) slope = -slope;
    level += Math.trunc(slope * limit);
    values.push(level / 2 ** 24);
  }
  return values;
}

/** 1-Lipschitz functions on [0, 1] that are unkind to one construction or another. */
export const FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  zero: () => 0,
  one: () => 1,
  "minus one": () => -1,
  identity: (x) => x,
  falling: (x) => 1 - x,
  "not dyadic": (x) => x / 3,
  wave: (x) => Math.sin(6 * x) / 6,
  kink: (x) => Math.abs(x - 1 / 3) - 0.5,
  chirp: (x) => Math.sin(40 * x * x) / 80,
  zigzag: (x) => Math.abs(((x * 37) % 2) - 1) / 37 - 0.25,
};

export function nodes(f: (x: number) => number, n: number): Dyadic[] {
  return Array.from({ length: 2 ** n + 1 }, (_, k) => fromNumber(f(k / 2 ** n)));
}

export function lipschitzPath(f: (x: number) => number, n: number): Path {
  return encodePath(nodes(f, n), n);
}
