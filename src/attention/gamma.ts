import { checkHolds, checkList, checkOptions, randomIntegers, wrongKind } from "../core/index.ts";
import { type AccumulatorGamma, accumulatorGamma } from "./accumulator.ts";
import { integerIn } from "./checks.ts";
import { type TokenGamma, tokenGamma } from "./token.ts";
import { POSITIONS, type Positions } from "./words.ts";

/** What the bits are counted in: the embedding of a token, or the state of streaming attention. */
export type Kind = "token" | "accumulator";

/** An instance of Γ_{p,d}; `kind` tells of which model. */
export type Gamma = TokenGamma | AccumulatorGamma;

/**
 * The equality function Γ_{p,d} and the one-layer softmax transformer of p bits that computes it, in integers.
 *
 * Two exact separations between p and p − 1 bits; the question is that of "Every Bit Counts" (arXiv 2602.02707), the constructions and proofs are
 * given in docs/attention.md. `token`: each symbol is embedded in p-bit numbers. `accumulator`: tokens are tiny, the running numerator and
 * denominator of streaming attention have p bits.
 *
 * @param p bits of a number without its sign, 2…16: the integers −(2^p − 1)…2^p − 1 in units of 1/s
 * @param d width of the embedding or of the value vector, 1…64
 * @param options `kind`, default `token`; `positions` of `accumulator`: the class of machines that the statements about p − 1 bits are about, default `free`
 * @returns the instance: sizes, weights, and `evaluate`, which returns every intermediate
 * @throws TypeError, RangeError for p, d or kind outside their ranges
 * @example
 * const g = gamma(2, 1);
 * if (g.kind === "token") console.log(g.evaluate([1], [1]).equal, g.evaluate([1], [2]).equal); // true false
 */
export function gamma(p: number, d: number, options?: { kind?: "token" }): TokenGamma;
export function gamma(p: number, d: number, options: { kind: "accumulator"; positions?: Positions }): AccumulatorGamma;
export function gamma(p: number, d: number, options?: { kind?: Kind; positions?: Positions }): Gamma;
export function gamma(p: number, d: number, options: { kind?: Kind; positions?: Positions } = {}): Gamma {
  checkOptions(options);
  integerIn("p", p, 2, 16);
  integerIn("d", d, 1, 64);
  const { kind = "token", positions = "free" } = options;
  if (!POSITIONS.includes(positions)) {
    throw new RangeError(`"positions" expected "free" or "known", got ${JSON.stringify(positions)}`);
  }
  if (kind === "token") return tokenGamma(p, d);
  if (kind === "accumulator") return accumulatorGamma(p, d, positions);
  throw new RangeError(`"kind" expected "token" or "accumulator", got ${JSON.stringify(kind)}`);
}

/** What `verifyGamma` found. */
export interface GammaVerification {
  /** Pairs that were evaluated. */
  readonly pairs: number;
  /** Pairs for which the layer's answer is not Γ's. */
  readonly wrong: number;
  /** The first of them, as grid points or counts. */
  readonly counterexample?: readonly [readonly number[], readonly number[]];
}

/** Pairs that `verifyGamma` is willing to go through: a minute or so. */
const MOST_PAIRS = 2 ** 26;

/**
 * Compares the p-bit layer with Γ on all pairs of symbols (of strings of its class, for the accumulator model).
 *
 * @param options.samples evaluates that many random pairs instead, half of them equal or nearly so
 * @param options.seed seed of those, default 1
 * @throws RangeError when there are more than 2^26 pairs and no `samples`
 * @example
 * verifyGamma(gamma(3, 2)); // { pairs: 50625, wrong: 0 }
 */
export function verifyGamma(g: Gamma, options: { samples?: number; seed?: number } = {}): GammaVerification {
  checkGamma(g);
  checkOptions(options);
  const size = g.kind === "token" ? g.alphabet : g.rows;
  if (options.samples !== undefined)
    return verifySamples(g, integerIn("samples", options.samples, 1, MOST_PAIRS), options.seed ?? 1);
  if (size * size > MOST_PAIRS) {
    throw new RangeError(`"samples" expected for Γ with ${size} symbols: all ${size * size} pairs would take too long`);
  }
  const points = Array.from({ length: Number(size) }, (_, i) => (g.kind === "token" ? g.symbol(i) : g.counts(i)));
  for (const point of points) checkList(g.kind === "token" ? "g.symbol(i)" : "g.counts(i)", point);
  const decide = decider(g);
  let wrong = 0;
  let counterexample: GammaVerification["counterexample"];
  for (const i of points) {
    for (const j of points) {
      if (decide(i, j) === (i === j)) continue;
      wrong++;
      counterexample ??= [i, j];
    }
  }
  return { pairs: points.length ** 2, wrong, ...(counterexample && { counterexample }) };
}

function checkGamma(g: unknown): void {
  checkHolds("g", "what gamma gives", g);
  const given = g as Record<string, unknown>;
  for (const name of given["kind"] === "token" ? ["symbol", "evaluate"] : ["counts", "word", "evaluate"])
    if (typeof given[name] !== "function") throw wrongKind(`g.${name}`, "a function", given[name]);
}

/** The layer's answer to "i = j?"; for the accumulator model j stands for a second string with the opposite counts. */
function decider(g: Gamma): (i: readonly number[], j: readonly number[]) => boolean {
  if (g.kind === "token") return (i, j) => g.evaluate(i, j).equal;
  return (i, j) => g.evaluate(g.word(i), g.word(j.map((v) => 0 - v))).equal;
}

function verifySamples(g: Gamma, samples: number, seed: number): GammaVerification {
  const random = randomIntegers(seed);
  const most = 2 ** g.p - 1;
  const decide = decider(g);
  // Padded strings have counts of one parity: there coordinates change by 2.
  const even = g.kind === "accumulator" && g.positions === "known";
  const draw = (): number[] => {
    const u = Array.from({ length: g.d }, () => random(-most, most));
    if (even && (u.reduce((sum, v) => sum + v, 0) - g.d) % 2 !== 0) u[0]! += u[0]! === most ? -1 : 1;
    return u;
  };
  let wrong = 0;
  let counterexample: GammaVerification["counterexample"];
  for (let n = 0; n < samples; n++) {
    const i = draw();
    let j = i.slice();
    if (n % 2 === 1) {
      const c = random(0, g.d - 1);
      const change = even ? [-2, 2][random(0, 1)]! : [-2, -1, 1, 2][random(0, 3)]!;
      // A change that leaves the range goes the other way.
      j[c] = Math.abs(j[c]! + change) > most ? j[c]! - change : j[c]! + change;
    } else if (n % 4 === 2) j = draw();
    if (decide(i, j) === i.every((v, c) => v === j[c])) continue;
    wrong++;
    counterexample ??= [i, j];
  }
  return { pairs: samples, wrong, ...(counterexample && { counterexample }) };
}
