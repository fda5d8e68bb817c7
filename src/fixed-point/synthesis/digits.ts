import { type Cell, cellOf } from "./cells.ts";
import type { Format } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/**
 * How an output value is put together from the activations of the neurons of one row. `single`: one neuron, for the identity, whose z is the value.
 * Else pairs with opposite weights: Σ weight·(a(c) − a(c')), where only differences of activation values count.
 */
export interface Digits {
  readonly single: boolean;
  readonly weights: readonly number[];
  /** `codes[value + M][digit]` = [c, c']. */
  readonly codes: readonly (readonly (readonly [number, number])[])[];
}

/** Pairs at most: 2^16 differs from every value of Q. */
const MAX_PAIRS = 17;

export function singleDigits({ table, m, s }: Format): Digits | undefined {
  if (s > m || table.some((value, i) => value !== i - m)) return undefined;
  return { single: true, weights: [s], codes: Array.from(table, (value) => [[value, value] as const]) };
}

/** The fewest pairs, found greedily, whose sums reach the cell of every value. */
export function* pairDigits(format: Format): Steps<Digits | undefined> {
  const { m, s } = format;
  const gaps = yield* gapCodes(format);
  const cells = Array.from({ length: 2 * m + 1 }, (_, i) => cellOf(i - m, m, s));
  const candidates =
    m <= 64 ? Array.from({ length: m }, (_, i) => i + 1) : [1, 2, 3, s, Math.floor(s / 2), Math.floor(m / 2), m];
  let sums = new Map<number, (readonly [number, number])[]>([[0, []]]);
  const weights: number[] = [];
  for (let pair = 0; pair < MAX_PAIRS; pair++) {
    let best: { weight: number; sums: Map<number, (readonly [number, number])[]>; covered: number } | undefined;
    for (const weight of candidates) {
      if (weight < 1 || weight > m) continue;
      const next = yield* extend(sums, gaps, weight, s * (m + 1) + 2 * m * weight);
      const covered = yield* count(next, cells);
      if (best === undefined || covered > best.covered) best = { weight, sums: next, covered };
      if (covered === cells.length) break;
    }
    weights.push(best!.weight);
    sums = best!.sums;
    if (best!.covered === cells.length)
      return { single: false, weights, codes: yield* mapSteps(cells, (cell) => codeOf(sums, cell)) };
  }
  return undefined;
}

/** For every difference a(c) − a(c') the pair that stays nearest the middle between the two plateaus. */
function* gapCodes({ table, m, low, high }: Format): Steps<Map<number, readonly [number, number]>> {
  const reach = (c: number): number => Math.max(c - low, high - c);
  // One z per activation value suffices.
  const byValue = new Map<number, number>();
  for (let z = -m; z <= m; z++) {
    const known = byValue.get(table[z + m]!);
    if (known === undefined || reach(z) < reach(known)) byValue.set(table[z + m]!, z);
  }
  const gaps = new Map<number, readonly [number, number]>();
  for (const [a, c] of byValue) {
    yield;
    for (const [b, other] of byValue) {
      const known = gaps.get(a - b);
      const worst = Math.max(reach(c), reach(other));
      if (known === undefined || worst < Math.max(reach(known[0]), reach(known[1]))) gaps.set(a - b, [c, other]);
    }
  }
  return gaps;
}

function* extend(
  sums: Map<number, (readonly [number, number])[]>,
  gaps: Map<number, readonly [number, number]>,
  weight: number,
  bound: number,
): Steps<Map<number, (readonly [number, number])[]>> {
  const next = new Map<number, (readonly [number, number])[]>();
  for (const [sum, codes] of sums) {
    yield;
    for (const [gap, code] of gaps) {
      const reached = sum + weight * gap;
      if (Math.abs(reached) <= bound && !next.has(reached)) next.set(reached, [...codes, code]);
    }
  }
  return next;
}

function* count(sums: Map<number, unknown>, cells: readonly Cell[]): Steps<number> {
  let total = 0;
  for (const cell of cells) {
    yield;
    if (sumIn(sums, cell) !== undefined) total++;
  }
  return total;
}

function* codeOf<T>(sums: Map<number, T>, cell: Cell): Steps<T> {
  yield;
  return sums.get(sumIn(sums, cell)!)!;
}

/** The sum of least size in the cell. */
function sumIn(sums: Map<number, unknown>, { lo, hi }: Cell): number | undefined {
  let best: number | undefined;
  for (const sum of sums.keys()) {
    if (sum >= lo && sum <= hi && (best === undefined || Math.abs(sum) < Math.abs(best))) best = sum;
  }
  return best;
}
