import type { Analysis } from "../analyze.ts";
import { gcd } from "../arithmetic.ts";
import { inputAt } from "../targets.ts";
import { cellOf } from "./cells.ts";
import { jointClasses } from "./classes.ts";
import type { Format } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** Residue classes times values that are searched for one that reaches every wanted value. */
const SEARCH = 2 ** 26;

/** A proof that no network can give a table. */
export interface Obstacle {
  /** One sentence, with the values or inputs. */
  readonly reason: string;
  /** Two inputs on which every network agrees and the table does not. */
  readonly unseparated?: readonly [readonly number[], readonly number[]];
}

/** Why no network can give the table, if that can be proved; undefined otherwise. */
export function* impossibility(
  f: ArrayLike<number>,
  d: number,
  format: Format,
  { universal, binaryUniversal, unseparated, g, reason }: Analysis,
  binary: boolean,
): Steps<Obstacle | undefined> {
  const { m, s, p } = format;
  if (binary && s > m) return { reason: `weights of ±1 are no numbers of this format: s = ${s} exceeds M = ${m}` };
  if (binary && !binaryUniversal) {
    const values = new Set(Array.from(f));
    if (g === 0 && values.size > 1) return { reason };
    // With weights ±1 nothing is rounded: sums for two inputs differ by Σ ±(a(x) − a(y)), a multiple of g.
    const inner = [...values].filter((value) => Math.abs(value) < m);
    const other = inner.find((value) => (value - inner[0]!) % g !== 0);
    if (other !== undefined) {
      return {
        reason: `with weights ±1 outputs that do not saturate differ by multiples of g = ${g}: ${inner[0]} and ${other} cannot both occur`,
      };
    }
  }
  if (universal) return undefined;
  const apart = (i: number, j: number): Obstacle => {
    const pair = [inputAt(i, p, d), inputAt(j, p, d)] as const;
    return {
      reason: `no neuron of the first layer tells the inputs (${pair[0]}) and (${pair[1]}) apart, whose values ${f[i]} and ${f[j]} differ`,
      unseparated: pair,
    };
  };
  if (g !== 0 && unseparated !== undefined) {
    const [x, y] = unseparated;
    const side = 2 * m + 1;
    for (let i = 0; i < f.length; i++) {
      if (i % 4096 === 0) yield;
      const input = inputAt(i, p, d);
      for (let axis = 0; axis < d; axis++) {
        if (input[axis] !== x) continue;
        const other = i + (y - x) * side ** (d - 1 - axis);
        // Where the other coordinates are not 0, they may tell the two apart all the same.
        if (f[i] !== f[other] && input.every((k, j) => j === axis || k === 0)) return apart(i, other);
      }
    }
    const joint = yield* jointClasses(d, format);
    const first = new Map<number, number>();
    for (let i = 0; joint !== undefined && i < f.length; i++) {
      if (i % 4096 === 0) yield;
      const lead = first.get(joint.labels[i]!) ?? i;
      if (f[lead] !== f[i]) return apart(lead, i);
      first.set(joint.labels[i]!, lead);
    }
  }
  return (yield* unreachable(new Set(Array.from(f)), format, g))
    ? { reason: `${reason}; no output bias reaches all ${new Set(Array.from(f)).size} values of the table` }
    : undefined;
}

/** Whether for every residue class of sums modulo g some wanted value is missed. */
function* unreachable(values: Set<number>, { m, s }: Format, g: number): Steps<boolean> {
  if (g === 0) return values.size > 1;
  const classes = g / gcd(g, s);
  if (classes * values.size > SEARCH) return false;
  for (let bias = 0; bias < classes; bias++) {
    if (bias % 64 === 0 || values.size > 1000) yield;
    const offset = (s * bias) % g;
    const all = [...values].every((value) => {
      const { lo, hi } = cellOf(value, m, s);
      if (!Number.isFinite(lo) || !Number.isFinite(hi)) return true;
      const r = (((hi - offset) % g) + g) % g;
      return hi - r >= lo;
    });
    if (all) return false;
  }
  return true;
}
