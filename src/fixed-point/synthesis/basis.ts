import { type Axis, allows, amplification, levelsOf, neuronOn } from "./axis.ts";
import { multiplier } from "./cells.ts";
import { background } from "./represent.ts";
import type { Format, Sketch } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** A function of the level as terms over the basis layer and a bias: their sum is within half a unit of s·code[level]. */
export type Expression = { readonly terms: readonly (readonly [number, number])[]; readonly bias: number };

/**
 * Neurons at every level of an axis from which every function of the level is a sum: two per level, c and c' on it and saturated elsewhere, whose
 * difference is δ = a(c) − a(c') there and nothing anywhere else; one at either end where that is enough.
 *
 * @param range least and largest code that will be asked for
 */
export function* makeBasis(
  sketch: Sketch,
  axis: Axis,
  format: Format,
  range: readonly [number, number],
): Steps<((codes: readonly number[]) => Expression) | undefined> {
  const { m, s, table, low, high } = format;
  const { levels } = levelsOf(axis.values);
  const pair = yield* choosePair(axis, format, Math.max(Math.abs(range[0]), Math.abs(range[1])));
  if (pair === undefined) return undefined;
  const { delta, c, other } = pair;
  const factorFor = (z: number): number => amplification(axis, Math.max(z - low, high - z), s);
  const on = (level: number, z: number): number => neuronOn(sketch, axis, factorFor(z), levels[level]!, z, s);
  const left = table[0]!;
  const right = table.at(-1)!;
  // At the ends one side of the neuron is never seen, so that it is a pure step of height δ if some z has the right value.
  const find = (value: number): number | undefined => {
    for (let z = low; z <= high; z++) if (table[z + m] === value && allows(axis, factorFor(z), m)) return z;
    return undefined;
  };
  const lowest = right % s === 0 ? find(right - delta) : undefined;
  const highest = left % s === 0 ? find(left + delta) : undefined;
  return (codes) => {
    const start = chooseStart(codes, delta, format);
    const terms: [number, number][] = [];
    let bias = start;
    codes.forEach((code, level) => {
      const middle = s * (code - start);
      const slack = Math.ceil(s / 2) - 1;
      const v = multiplier(delta, middle - slack, middle + slack)!;
      if (v === 0) return;
      if (level === 0 && lowest !== undefined) {
        terms.push([on(level, lowest), -v]);
        bias += (v * right) / s;
      } else if (level === levels.length - 1 && highest !== undefined) {
        terms.push([on(level, highest), v]);
        bias -= (v * left) / s;
      } else {
        terms.push([on(level, c), v], [on(level, other), -v]);
      }
    });
    return { terms, bias };
  };
}

/** The code that the bias carries: the most frequent, unless that costs copies which the middle would save. */
function chooseStart(codes: readonly number[], delta: number, { m, s }: Format): number {
  const least = Math.min(...codes);
  const most = Math.max(...codes);
  const copies = (start: number): number => Math.ceil((s * Math.max(most - start, start - least)) / delta / m);
  const common = background(codes);
  const middle = Math.round((least + most) / 2);
  if (copies(common) <= 1) return common;
  if (copies(0) <= copies(middle)) return 0;
  return middle;
}

/** The pair with a difference δ ≥ 1 whose multiples come within half a unit of every s·code: fewest copies, then least amplification. */
function* choosePair(
  axis: Axis,
  format: Format,
  largest: number,
): Steps<{ delta: number; c: number; other: number } | undefined> {
  const { m, s, table, low, high } = format;
  const reach = (z: number): number => Math.max(z - low, high - z);
  const slack = Math.ceil(s / 2) - 1;
  const best = new Map<number, { c: number; other: number; reach: number }>();
  for (let c = low; c <= high; c++) {
    yield;
    for (let other = low; other <= high; other++) {
      const delta = table[c + m]! - table[other + m]!;
      if (delta <= 0) continue;
      const worst = Math.max(reach(c), reach(other));
      if (worst < (best.get(delta)?.reach ?? Number.POSITIVE_INFINITY)) best.set(delta, { c, other, reach: worst });
    }
  }
  let chosen: { delta: number; c: number; other: number } | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const [delta, { c, other, reach: worst }] of best) {
    yield;
    if (!allows(axis, amplification(axis, worst, s), m)) continue;
    let feasible = true;
    for (let code = 1; code <= 2 * largest && feasible; code++) {
      feasible = multiplier(delta, s * code - slack, s * code + slack) !== undefined;
    }
    const cost = Math.ceil((s * largest) / delta / m) * 1e6 + worst;
    if (feasible && cost < least) {
      least = cost;
      chosen = { delta, c, other };
    }
  }
  return chosen;
}
