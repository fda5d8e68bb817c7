import { maximum } from "../fixed-point/arithmetic.ts";
import { certify } from "./certify.ts";
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

/** The machines of one class, and the least wrong answers that any of them gives under its best readout. */
export interface LeastWrong {
  /** How many there are, all of which were run. */
  readonly machines: number;
  /** Of the 49 canonical inputs of Γ_{2,1}. */
  readonly wrong: number;
}

/** Every saturating one-bit machine of Γ_{2,1} that knows no positions: ±e_1 each add one of {−1, 0, 1} × {0, 1}, 36 of them. */
export function exhaustMachines(): LeastWrong {
  let wrong = Number.POSITIVE_INFINITY;
  const entry = (choice: number) => ({ numerator: [(choice % 3) - 1], denominator: Math.floor(choice / 3) });
  for (let m = 0; m < 36; m++) {
    const update = [[entry(m % 6), entry(Math.floor(m / 6))]];
    const certificate = certify({ update }, { p: 2, d: 1, kind: "accumulator", positions: "free" });
    wrong = Math.min(wrong, Number(certificate.wrong));
  }
  return { machines: 36, wrong };
}

/**
 * Every finite automaton over {+, −} with `states` states, all reachable, up to the names of the states: what a machine that knows no positions can be, rounding
 * or not. Γ_{2,1} needs 7 states; fewer err on 7 − states + 1 inputs at least, and some on no more.
 *
 * @param states 1…6 (1, 12, 216, 5,248, 160,675, 5,931,540 automata)
 */
export function exhaustAutomata(states: number): LeastWrong {
  integerIn("states", states, 1, 6);
  // targets[2q + letter], filled in order; a state is numbered when it is first reached, so that every automaton appears once.
  const targets = new Int8Array(2 * states);
  let machines = 0;
  let wrong = Number.POSITIVE_INFINITY;
  const fill = (slot: number, reached: number): void => {
    if (slot === 2 * reached) {
      if (reached < states) return;
      machines++;
      wrong = Math.min(wrong, leastWrongOf(targets));
      return;
    }
    for (let target = 0; target < Math.min(reached + 1, states); target++) {
      targets[slot] = target;
      fill(slot + 1, Math.max(reached, target + 1));
    }
  };
  fill(0, 1);
  return { machines, wrong };
}

/** Of the 49 inputs (u, v), by final state the smaller of those with u + v = 0 and the others. */
function leastWrongOf(targets: Int8Array): number {
  const equal = new Int8Array(targets.length / 2);
  const unequal = new Int8Array(targets.length / 2);
  const read = (state: number, count: number): number => {
    for (let i = Math.abs(count); i > 0; i--) state = targets[2 * state + Number(count < 0)]!;
    return state;
  };
  for (let u = -3; u <= 3; u++) {
    const state = read(0, u);
    for (let v = -3; v <= 3; v++) {
      const final = read(state, v);
      if (u + v === 0) equal[final]!++;
      else unequal[final]!++;
    }
  }
  return equal.reduce((sum, count, q) => sum + Math.min(count, unequal[q]!), 0);
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
  integerIn("p", p, 2, 16);
  const limit = maximum(p - 1);
  return Array.from({ length: 2 * maximum(p) + 1 }, (_, i) => [Math.min(i - limit, limit)]);
}
