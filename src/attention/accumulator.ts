import { clamp, maximum, rdiv } from "../fixed-point/arithmetic.ts";
import { gridPoint, gridSize } from "./checks.ts";

/** A token ±e_axis of the accumulator model's alphabet. */
export interface Step {
  /** 0…d−1. */
  readonly axis: number;
  readonly sign: 1 | -1;
}

/** State of streaming attention: what is kept between two tokens, integers in units of 1/s. */
export interface State {
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
  readonly readout: number;
  /** The machine says that the counts of x and y cancel. */
  readonly equal: boolean;
}

/**
 * Γ_{p,d} of the accumulator model: alphabet {+e_j, −e_j}, input x | y | CLS, answer 1[u(x) + u(y) = 0], where u counts signed
 * occurrences per axis and every |u_j| of x and of y is at most 2^p − 1 (a promise on the inputs).
 */
export interface AccumulatorGamma {
  readonly kind: "accumulator";
  readonly p: number;
  readonly d: number;
  /** Scale 2^(p−1): numbers are integers in units of 1/s. */
  readonly s: number;
  /** (2^{p+1} − 1)^d: vectors of counts that a prefix may have. */
  readonly rows: bigint;
  /** (2^p − 1)^d · 2^(p−1): states of p − 1 bits. */
  readonly statesBelow: bigint;
  /** rows > statesBelow: p − 1 bits are impossible. */
  readonly separates: boolean;
  /** The least d for which they are, at this p; d ≥ p − 1 always suffices. */
  readonly leastDimension: number;
  /** The same when the state also keeps a running maximum of the scores; d ≥ 2p − 1 always suffices. */
  readonly leastDimensionWithMaximum: number;
  /** Wrong answers among the rows² canonical inputs that p − 1 bits force: max(0, rows − statesBelow + 1), 0 when not `separates`. */
  readonly leastWrongBelow: bigint;
  readonly definition: string;
  readonly caveat: string;
  /** Vector of counts number `index` of the rows. */
  counts(index: number): number[];
  /** Streams x, y and CLS through the p-bit accumulators. */
  evaluate(x: readonly Step[], y: readonly Step[]): AccumulatorEvaluation;
}

/** The shortest string with counts u: axis by axis. */
export function canonicalString(u: readonly number[]): Step[] {
  return u.flatMap((count, axis) => new Array<Step>(Math.abs(count)).fill({ axis, sign: count < 0 ? -1 : 1 }));
}

/** States that b bits leave: numerators in Q_b^d, a denominator in Q_b that is not negative. */
export function stateCount(bits: number, d: number): bigint {
  return gridSize(bits, d) * 2n ** BigInt(bits);
}

/** See `gamma`. */
export function accumulatorGamma(p: number, d: number): AccumulatorGamma {
  const limit = maximum(p);
  const s = 2 ** (p - 1);
  const rows = gridSize(p, d);
  const statesBelow = stateCount(p - 1, d);
  const separates = rows > statesBelow;
  const leastDimension = least(p, 1n);
  return {
    kind: "accumulator",
    p,
    d,
    s,
    rows,
    statesBelow,
    separates,
    leastDimension,
    leastDimensionWithMaximum: least(p, 2n ** BigInt(p) - 1n),
    leastWrongBelow: separates ? rows - statesBelow + 1n : 0n,
    definition:
      `Inputs x | y | CLS over the tokens +e_1, -e_1, .., +e_${d}, -e_${d}; every count is at most ${limit}; the answer is 1 when the signed counts of x and y cancel. ` +
      `Scores are 0, values are one unit of 1/${s}; numerators and denominator are rounded to ${p} bits after every token; numerator/denominator rounds to 0 only for a numerator of 0, ` +
      `because ${s}/${limit} > 1/2.`,
    caveat:
      "The tokens themselves need one bit; what is counted is the state that streaming (flash) attention keeps. " +
      `A wider value dimension with the same alphabet buys the bits back; at p = ${p} the separation needs d ≥ ${leastDimension}` +
      (separates ? "." : `, so at d = ${d} it is not proved: ${statesBelow} states for ${rows} counts.`),
    counts: (index) => gridPoint(index, p, d),
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

/** The least d with (2^{p+1} − 1)^d > (2^p − 1)^d · 2^(p−1) · factor. */
function least(p: number, factor: bigint): number {
  for (let d = 1; ; d++) if (gridSize(p, d) > stateCount(p - 1, d) * factor) return d;
}
