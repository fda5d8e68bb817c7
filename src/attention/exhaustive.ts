import { maximum } from "../fixed-point/arithmetic.ts";
import { certify, type UpdateTable } from "./certify.ts";
import { integerIn } from "./checks.ts";
import { attend } from "./token.ts";

/** What went through every one-bit model at p = 2, d = 1. */
export interface Exhaustion {
  /** Models that were tried. */
  readonly models: number;
  /** Models with a collision; all of them. */
  readonly colliding: number;
}

/** Every embedding of the seven symbols of Γ_{2,1} in one bit, 3^7 = 2187 of them. */
export function exhaustEmbeddings(): Exhaustion {
  let colliding = 0;
  const models = 3 ** 7;
  for (let m = 0; m < models; m++) {
    const embedding = Array.from({ length: 7 }, (_, i) => [(Math.floor(m / 3 ** i) % 3) - 1]);
    if (certify({ embedding }, { p: 2, d: 1 }).collision !== undefined) colliding++;
  }
  return { models, colliding };
}

/**
 * Every position-dependent update rule of one bit for the strings of at most three tokens of Γ_{2,1}: each of the six (position, symbol)
 * pairs adds one of {−1, 0, 1} × {0, 1} to numerator and denominator, 6^6 = 46,656 machines.
 */
export function exhaustMachines(): Exhaustion {
  let colliding = 0;
  const models = 6 ** 6;
  for (let m = 0; m < models; m++) {
    const entry = (i: number) => {
      const choice = Math.floor(m / 6 ** i) % 6;
      return { numerator: [(choice % 3) - 1], denominator: Math.floor(choice / 3) };
    };
    const update: UpdateTable = [0, 1, 2].map((position) => [entry(2 * position), entry(2 * position + 1)]);
    if (certify({ update }, { p: 2, d: 1, kind: "accumulator" }).collision !== undefined) colliding++;
  }
  return { models, colliding };
}

/** The most right answers that codes of too few values allow, found without the counting argument. */
export interface BestCount {
  /** N², inputs. */
  readonly pairs: number;
  /** The most that any embedding of A, any embedding of B and any readout of the two codes get right. */
  readonly correct: number;
  /** Classes of symbols in the best embedding of A. */
  readonly classes: readonly number[];
}

/**
 * Searches all embeddings of `symbols` A-symbols and B-symbols into `codes` codes, with every Boolean readout of a pair of codes.
 *
 * Only the sizes of A's classes matter; a code of B together with the readout is a Boolean column over A's codes, so that the search is over all
 * sets of `codes` columns, each B-symbol taking the best.
 *
 * @param symbols 1…16
 * @param codes 1…4
 */
export function bestCount(symbols: number, codes: number): BestCount {
  integerIn("symbols", symbols, 1, 16);
  integerIn("codes", codes, 1, 4);
  let best: BestCount = { pairs: symbols ** 2, correct: -1, classes: [] };
  for (const classes of partitions(symbols, codes)) {
    const code = classes.flatMap((size, c) => new Array<number>(size).fill(c));
    // right[column][b]: answers of this column that are right for symbol b.
    const right = Array.from({ length: 2 ** codes }, (_, column) =>
      code.map((_, b) => code.reduce((sum, c, a) => sum + Number(((column >> c) & 1) === Number(a === b)), 0)),
    );
    for (const columns of multisets(2 ** codes, codes)) {
      let correct = 0;
      for (let b = 0; b < symbols; b++) correct += Math.max(...columns.map((column) => right[column]![b]!));
      if (correct > best.correct) best = { pairs: symbols ** 2, correct, classes };
    }
  }
  return best;
}

/** Non-increasing sizes, `parts` of them (zeros allowed), that sum up to `sum`. */
function partitions(sum: number, parts: number, most = sum): number[][] {
  if (parts === 0) return sum === 0 ? [[]] : [];
  const all: number[][] = [];
  for (let first = Math.min(sum, most); first >= 0; first--) {
    for (const rest of partitions(sum - first, parts - 1, first)) all.push([first, ...rest]);
  }
  return all;
}

/** Sets of `count` numbers below `n`, repetition allowed. */
function multisets(n: number, count: number, from = 0): number[][] {
  if (count === 0) return [[]];
  const all: number[][] = [];
  for (let first = from; first < n; first++) {
    for (const rest of multisets(n, count - 1, first)) all.push([first, ...rest]);
  }
  return all;
}

/**
 * The tables hidden(A's code, B's code) that one-bit attention computes at all, over every choice of CLS and of scalar W_Q, W_K, W_V, W_O: the
 * whole class at p = 1, d = 1.
 */
export function oneBitTables(): string[] {
  const values = [-1, 0, 1];
  const tables = new Set<string>();
  for (const cls of values) {
    for (let m = 0; m < 81; m++) {
      const weight = (i: number) => (Math.floor(m / 3 ** i) % 3) - 1;
      const layer = { p: 1, cls: [cls], query: weight(0), key: weight(1), value: weight(2), output: weight(3) };
      tables.add(values.flatMap((a) => values.map((b) => attend(layer, [a], [b]).hidden[0]! + 0)).join());
    }
  }
  return [...tables].sort();
}

/** The embedding that attains the count: every symbol but the first K − 1 shares one code. */
export function tightEmbedding(p: number): number[][] {
  const limit = maximum(p - 1);
  return Array.from({ length: 2 * maximum(p) + 1 }, (_, i) => [Math.min(i - limit, limit)]);
}
