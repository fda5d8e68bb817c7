import { clamp, maximum, rdiv } from "../fixed-point/arithmetic.ts";
import { gridSize } from "./checks.ts";
import { countsAt, type Positions, rowsOf, type Step, wordOf } from "./words.ts";

/** State of streaming attention: what is kept between two tokens, integers in units of 1/s. */
export interface State {
  /** Sum of the values so far, one integer per axis, d of them. */
  readonly numerator: readonly number[];
  /** ≥ 0. */
  readonly denominator: number;
}

/** One evaluation of Γ of the accumulator model. */
export interface AccumulatorEvaluation {
  /** The state after each token, CLS last. */
  readonly states: readonly State[];
  /** numerator / denominator, rounded, units of 1/s. */
  readonly attention: readonly number[];
  /** 1 − Σ|attention| in units of 1/s; `equal` is readout ≥ 1. */
  readonly readout: number;
  /** The machine says that the counts of x and y cancel. */
  readonly equal: boolean;
}

/**
 * Γ_{p,d} of the accumulator model: alphabet {+e_j, −e_j}, input x | y | CLS, answer 1[u(x) + u(y) = 0], where u counts signed
 * occurrences per axis and every |u_j| of x and of y is at most 2^p − 1. x and y are canonical strings (`positions: "free"`) or padded ones (`"known"`), or any
 * whose running counts over xy stay within ±(2^p − 1): without that promise p bits overflow too.
 */
export interface AccumulatorGamma {
  /** Tells the two models apart. */
  readonly kind: "accumulator";
  /** Bits of a number without its sign, 2…16: |k| ≤ 2^p − 1. */
  readonly p: number;
  /** Width of the value vectors: number of axes of the alphabet, 1…64. */
  readonly d: number;
  /** Scale 2^(p−1): numbers are integers in units of 1/s. */
  readonly s: number;
  /** The class that `rows`, `separates` and `leastWrongBelow` are about. */
  readonly positions: Positions;
  /** Vectors of counts that a prefix may have: (2^{p+1} − 1)^d of canonical strings, half of them (rounded up) of padded ones. */
  readonly rows: bigint;
  /** (2^p − 1)^d · 2^(p−1): states of p − 1 bits. */
  readonly statesBelow: bigint;
  /** rows > statesBelow: p − 1 bits are impossible. */
  readonly separates: boolean;
  /** The least d for which they are, at this p, by class: d ≥ p − 1 always suffices without positions, d ≥ p with. */
  readonly leastDimension: Readonly<Record<Positions, number>>;
  /** The same when the state also keeps a running maximum of the scores: d ≥ 2p − 1, and d ≥ 2p. */
  readonly leastDimensionWithMaximum: Readonly<Record<Positions, number>>;
  /** Wrong answers among the rows² inputs that p − 1 bits force: max(0, rows − statesBelow + 1), 0 when not `separates`. */
  readonly leastWrongBelow: bigint;
  /** The function and the machine in sentences, with the numbers of this p and d. */
  readonly definition: string;
  /** What the separation does not say, with the numbers of this p and d. */
  readonly caveat: string;
  /** Vector of counts number `index` of the rows. */
  counts(index: number): number[];
  /** The string of the class with counts u. */
  word(u: readonly number[]): Step[];
  /** Streams x, y and CLS through the p-bit accumulators. */
  evaluate(x: readonly Step[], y: readonly Step[]): AccumulatorEvaluation;
}

/** States that b bits leave: numerators in Q_b^d, a denominator in Q_b that is not negative. */
export function stateCount(bits: number, d: number): bigint {
  return gridSize(bits, d) * 2n ** BigInt(bits);
}

/** See `gamma`. */
export function accumulatorGamma(p: number, d: number, positions: Positions): AccumulatorGamma {
  const limit = maximum(p);
  const s = 2 ** (p - 1);
  const rows = rowsOf(positions, p, d);
  const statesBelow = stateCount(p - 1, d);
  const separates = rows > statesBelow;
  const leastDimension = leastBoth(p, 1n);
  return {
    kind: "accumulator",
    p,
    d,
    s,
    positions,
    rows,
    statesBelow,
    separates,
    leastDimension,
    leastDimensionWithMaximum: leastBoth(p, 2n ** BigInt(p) - 1n),
    leastWrongBelow: separates ? rows - statesBelow + 1n : 0n,
    definition:
      `Inputs x | y | CLS over the tokens +e_1, -e_1, .., +e_${d}, -e_${d}; every count is at most ${limit}${positions === "known" ? `, x and y are padded to ${d * limit} tokens each` : ""}; the answer is 1 when the signed counts of x and y cancel. ` +
      `Scores are 0, values are one unit of 1/${s}; numerators and denominator are rounded to ${p} bits after every token; numerator/denominator rounds to 0 only for a numerator of 0, ` +
      `because ${s}/${limit} > 1/2.`,
    caveat:
      "The tokens themselves need one bit; what is counted is the state that streaming (flash) attention keeps. " +
      `A wider value dimension with the same alphabet buys the bits back. At p = ${p} the separation needs d ≥ ${leastDimension.free} for machines that do not know positions, ` +
      `d ≥ ${leastDimension.known} for those that do` +
      (separates
        ? "."
        : `; at d = ${d} counting proves nothing for this class: ${statesBelow} states for ${rows} counts.`),
    counts: (index) => countsAt(positions, index, p, d),
    word: (u) => wordOf(positions, u, p),
    evaluate: (x, y) => {
      let state: State = { numerator: new Array<number>(d).fill(0), denominator: 0 };
      const states: State[] = [];
      for (const token of [...x, ...y, undefined]) {
        const numerator = state.numerator.map((n, j) => (token?.axis === j ? clamp(n + token.sign, limit) : n));
        state = { numerator, denominator: clamp(state.denominator + s, limit) };
        states.push(state);
      }
      const attention = state.numerator.map((n) => clamp(rdiv(n * s, state.denominator), limit));
      const readout = clamp(1 - attention.reduce((sum, o) => sum + Math.max(0, o) + Math.max(0, -o), 0), limit);
      return { states, attention, readout, equal: readout >= 1 };
    },
  };
}

/** The least d with more counts than states of p − 1 bits, times `factor`, by class. */
function leastBoth(p: number, factor: bigint): Record<Positions, number> {
  const least = (positions: Positions): number => {
    for (let d = 1; ; d++) if (rowsOf(positions, p, d) > stateCount(p - 1, d) * factor) return d;
  };
  return { free: least("free"), known: least("known") };
}
