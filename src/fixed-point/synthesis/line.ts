import { clamp, rdiv } from "../arithmetic.ts";
import type { Cell } from "./cells.ts";
import { multiplier } from "./cells.ts";
import type { Format } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** Neurons a(clamp(round(b + w·t))) of one linear form t and their coefficients v. */
export interface LineFit {
  readonly units: readonly { readonly w: number; readonly bias: number; readonly v: number }[];
  /** Σ v·unit + offset lies in every point's cell. */
  readonly offset: number;
  /** Copies that the coefficients need. */
  readonly copies: number;
}

/** Points that a candidate is followed for. */
const LOOKAHEAD = 12;
/** Slopes that are tried per direction and point. */
const SLOPES = 160;

/**
 * Fits a function of one integer t by one hidden layer, from left to right: each new neuron is constant before the first point that is not yet
 * right and puts that one right; among all slopes, offsets and directions the one is taken that settles the most points after it per copy.
 * A saturating neuron of slope w has three free numbers (where it starts, how steep, its coefficient), so that a random table needs fewer
 * than one neuron per entry, and a smooth one far fewer.
 *
 * @param ts ascending
 * @param cells where the sum must lie at each of them
 * @param maxWeight |w| at most
 * @returns undefined where some point cannot be reached
 */
export function* fitLine(
  ts: readonly number[],
  cells: readonly Cell[],
  maxWeight: number,
  format: Format,
): Steps<LineFit | undefined> {
  const forward = yield* sweep(ts, cells, maxWeight, format);
  const mirrored = yield* sweep(ts.map((t) => -t).reverse(), [...cells].reverse(), maxWeight, format);
  if (mirrored === undefined || (forward !== undefined && forward.copies <= mirrored.copies)) return forward;
  return { ...mirrored, units: mirrored.units.map(({ w, bias, v }) => ({ w: -w, bias, v })) };
}

function* sweep(
  ts: readonly number[],
  cells: readonly Cell[],
  maxWeight: number,
  format: Format,
): Steps<LineFit | undefined> {
  const { m, s, table } = format;
  const at = (w: number, bias: number, t: number): number => table[clamp(rdiv(s * bias + w * t, s), m) + m]!;
  const start = startOf(cells[0]!, s);
  const sums = new Array<number>(ts.length).fill(start);
  const units: { w: number; bias: number; v: number }[] = [];
  let offset = start;
  let copies = 0;
  for (let i = 0; i < ts.length; i++) {
    const { lo, hi } = cells[i]!;
    if (sums[i]! >= lo && sums[i]! <= hi) continue;
    const best = i === 0 ? undefined : yield* choose(i, ts, cells, sums, maxWeight, format);
    if (best === undefined) return undefined;
    const rest = at(best.w, best.bias, ts[i - 1]!);
    for (let j = i; j < ts.length; j++) sums[j]! += best.v * (at(best.w, best.bias, ts[j]!) - rest);
    offset -= best.v * rest;
    copies += Math.ceil(Math.abs(best.v) / m);
    units.push(best);
    if (copies > (64 + 4 * s) * ts.length) return undefined;
  }
  return { units, offset, copies };
}

/** The multiple of s of least size in the cell, so that a bias can carry it. */
function startOf({ lo, hi }: Cell, s: number): number {
  if (lo <= 0 && hi >= 0) return 0;
  const v = multiplier(s, lo, hi);
  return v === undefined ? (lo > 0 ? lo : hi) : v * s;
}

/** Largest change of one neuron from a plateau within one step of t. */
function steepest({ table, low, high, m, s }: Format, maxWeight: number): number {
  const reach = Math.max(1, Math.ceil(maxWeight / s));
  let most = 1;
  for (let k = 1; k <= reach; k++) {
    most = Math.max(most, Math.abs(table[clamp(low + k, m) + m]! - table[0]!));
    most = Math.max(most, Math.abs(table[clamp(high - k, m) + m]! - table[2 * m]!));
  }
  return most;
}

function* choose(
  i: number,
  ts: readonly number[],
  cells: readonly Cell[],
  sums: readonly number[],
  maxWeight: number,
  format: Format,
): Steps<{ w: number; bias: number; v: number } | undefined> {
  const { m, s, table, low, high } = format;
  // Local names: this is the innermost loop of synthesis.
  const [divide, limit] = [rdiv, clamp];
  const lo = cells[i]!.lo - sums[i]!;
  const hi = cells[i]!.hi - sums[i]!;
  const t = ts[i]!;
  const last = Math.min(ts.length, i + LOOKAHEAD);
  let best: { w: number; bias: number; v: number } | undefined;
  // What one copy can mend at the next wrong point.
  const jump = m * steepest(format, maxWeight);
  let bestValue = 0;
  let bestGap = 0;
  for (let step = Math.max(1, Math.floor(maxWeight / SLOPES)), size = maxWeight; size >= 1; size -= step) {
    for (const w of [size, -size]) {
      yield;
      // Before the point the neuron must still sit on the end where its slope begins.
      const plateau = w > 0 ? low : high;
      const rest = table[(w > 0 ? -m : m) + m]!;
      const direction = Math.sign(w);
      let bias = plateau - divide(w * ts[i - 1]!, s) + 2 * direction;
      while (direction * (divide(s * bias + w * ts[i - 1]!, s) - plateau) > 0) bias -= direction;
      for (; ; bias -= direction) {
        const z = divide(s * bias + w * t, s);
        if (direction * (z - plateau) <= 0) break;
        const delta = table[limit(z, m) + m]! - rest;
        if (delta === 0) continue;
        const v = multiplier(delta, lo, hi);
        if (v === undefined) continue;
        const copies = Math.ceil(Math.abs(v) / m);
        let j = i + 1;
        let gap = 0;
        for (; j < last; j++) {
          const sum = sums[j]! + v * (table[limit(divide(s * bias + w * ts[j]!, s), m) + m]! - rest);
          gap = sum < cells[j]!.lo ? cells[j]!.lo - sum : sum > cells[j]!.hi ? sum - cells[j]!.hi : 0;
          if (gap > 0) break;
        }
        const value = (j - i) / (copies + gap / jump);
        if (best === undefined || value > bestValue || (value === bestValue && gap < bestGap)) {
          best = { w, bias, v };
          bestValue = value;
          bestGap = gap;
        }
      }
    }
  }
  return best;
}
