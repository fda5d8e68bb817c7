import { checkInteger, checkList } from "../core/index.ts";
import { maximum } from "../fixed-point/arithmetic.ts";
import { gridPoint, gridSize } from "./checks.ts";

/** A token ±e_axis of the accumulator model's alphabet. */
export interface Step {
  /** 0…d−1. */
  readonly axis: number;
  /** 1: the count of the axis grows, −1: it falls. */
  readonly sign: 1 | -1;
}

/**
 * What a machine of the accumulator model may know besides its state, which decides what counting proves.
 * `free`: the next state depends on state and token, the answer on the state, and nothing else: a finite automaton; attention without a positional code
 * whose last token does not know how long the input was. `known`: both may depend on the position, and so on the length, in any way (absolute, rotary, learned
 * positions); every `free` machine is one of these.
 */
export type Positions = "free" | "known";

export const POSITIONS: readonly Positions[] = ["free", "known"];

/** The shortest string with counts u: axis by axis. */
export function canonicalString(u: readonly number[]): Step[] {
  checkCounts(u);
  return u.flatMap((count, axis) => new Array<Step>(Math.abs(count)).fill({ axis, sign: count < 0 ? -1 : 1 }));
}

/** Strings of more tokens are none that anyone reads. */
const LONGEST = 2 ** 20;

function checkCounts(u: unknown): void {
  checkList("u", u);
  for (const count of u as unknown[]) checkInteger("u", count, -LONGEST, LONGEST);
}

/**
 * The canonical string of u, then pairs of opposite tokens on the first axis up to the length d·(2^p − 1) that all padded strings share; no running
 * count leaves ±(2^p − 1).
 *
 * @throws RangeError when Σu and d differ in parity: no string of that length has these counts
 */
export function paddedString(u: readonly number[], p: number): Step[] {
  checkInteger("p", p, 1, 16);
  const word = canonicalString(u);
  const padding = u.length * maximum(p) - word.length;
  if (padding < 0 || padding % 2 !== 0) {
    throw new RangeError(`"u" expected counts that a string of ${u.length * maximum(p)} tokens has, got ${u}`);
  }
  return [...word, ...Array.from({ length: padding }, (_, i) => paddingToken(u, i))];
}

/** Token i of the padding: the sign that leads back towards 0 first. */
export function paddingToken([first]: readonly number[], i: number): Step {
  return { axis: 0, sign: first! > 0 === (i % 2 === 0) ? -1 : 1 };
}

/** Vectors of counts among the inputs of a class: all N for canonical strings, for padded ones those of one parity, (N + 1)/2. */
export function rowsOf(positions: Positions, p: number, d: number): bigint {
  const all = gridSize(p, d);
  return positions === "free" ? all : (all + 1n) / 2n;
}

/** Vector number `index` of them. The side of the grid is odd, so that the parity of Σu alternates along the grid. */
export function countsAt(positions: Positions, index: number, p: number, d: number): number[] {
  return gridPoint(positions === "free" ? index : 2 * index, p, d);
}

/** The string with counts u among the inputs of a class. */
export function wordOf(positions: Positions, u: readonly number[], p: number): Step[] {
  return positions === "free" ? canonicalString(u) : paddedString(u, p);
}
