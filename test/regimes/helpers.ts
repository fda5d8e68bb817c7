export { walk as lipschitzWalk } from "../../src/experiments/regimes/functions.ts";
export { uniformNumbers as random } from "../../src/tensor/index.ts";

import { type Dyadic, fromNumber } from "../../src/regimes/dyadic.ts";
import { encodePath, type Path } from "../../src/regimes/encode.ts";

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
