import { type Cell, cellOf, multiplier } from "./cells.ts";
import type { Format } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** A weighted sum of activation values relative to the resting value a(−M): Σ weight·(a(z) − a(−M)). */
export type Terms = readonly { readonly z: number; readonly weight: number }[];

/**
 * For every wanted cell a short sum Σ w·(a(z) − a(−M)) in it, |w| ≤ `limit`: one term where there is one, else breadth first. Memoized.
 *
 * @param unit weights are multiples of this: s for binary weights, 1 otherwise
 */
export function representer(format: Format, limit: number, unit: number): (cell: Cell) => Steps<Terms | undefined> {
  const { table, m } = format;
  const byDelta = new Map<number, number>();
  for (let z = -m; z <= m; z++) {
    const delta = table[z + m]! - table[0]!;
    if (delta !== 0 && !byDelta.has(delta)) byDelta.set(delta, z);
  }
  const memo = new Map<string, Terms | undefined>();
  return function* (cell) {
    const key = `${cell.lo} ${cell.hi}`;
    if (!memo.has(key))
      memo.set(key, single(cell, byDelta, limit, unit) ?? (yield* search(cell, byDelta, limit, unit, format)));
    return memo.get(key);
  };
}

function single({ lo, hi }: Cell, byDelta: Map<number, number>, limit: number, unit: number): Terms | undefined {
  if (lo <= 0 && hi >= 0) return [];
  let best: { z: number; weight: number } | undefined;
  for (const [delta, z] of byDelta) {
    const v = multiplier(delta * unit, lo, hi);
    if (v === undefined || Math.abs(v * unit) > limit) continue;
    if (best === undefined || Math.abs(v * unit) < Math.abs(best.weight)) best = { z, weight: v * unit };
  }
  return best === undefined ? undefined : [best];
}

/** Breadth first over sums; the steps are a few multiples of each difference, ±1 among them, so that whatever gcds allow is found. */
function* search(
  { lo, hi }: Cell,
  byDelta: Map<number, number>,
  limit: number,
  unit: number,
  { m, s }: Format,
): Steps<Terms | undefined> {
  const most = Math.floor(limit / unit);
  const weights = [...new Set([1, 2, Math.floor(most / 2), most].filter((w) => w >= 1 && w <= most))].flatMap((w) => [
    w,
    -w,
  ]);
  const bound =
    Math.max(Math.abs(Number.isFinite(lo) ? lo : hi), Math.abs(Number.isFinite(hi) ? hi : lo)) + 2 * m * Math.max(m, s);
  const from = new Map<number, { before: number; z: number; weight: number } | undefined>([[0, undefined]]);
  let frontier = [0];
  while (frontier.length > 0 && from.size < 4e5) {
    const next: number[] = [];
    for (const sum of frontier) {
      yield;
      for (const [delta, z] of byDelta) {
        for (const w of weights) {
          const reached = sum + w * unit * delta;
          if (Math.abs(reached) > bound || from.has(reached)) continue;
          from.set(reached, { before: sum, z, weight: w * unit });
          if (reached >= lo && reached <= hi) return trace(from, reached);
          next.push(reached);
        }
      }
    }
    frontier = next;
  }
  return undefined;
}

function trace(from: Map<number, { before: number; z: number; weight: number } | undefined>, sum: number): Terms {
  const terms: { z: number; weight: number }[] = [];
  for (let at = from.get(sum); at !== undefined; at = from.get(at.before)) terms.push({ z: at.z, weight: at.weight });
  return terms;
}

/** The cell of an output k when the output bias is `bias`: what the sum before the bias must lie in. */
export function cellBeside(k: number, bias: number, { m, s }: Format): Cell {
  const { lo, hi } = cellOf(k, m, s);
  return { lo: lo - s * bias, hi: hi - s * bias };
}

/** The most frequent value. */
export function background(values: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < values.length; i++) counts.set(values[i]!, (counts.get(values[i]!) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
