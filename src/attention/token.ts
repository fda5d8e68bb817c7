import { clamp, maximum, rdiv } from "../fixed-point/arithmetic.ts";
import { gridPoint, gridSize } from "./checks.ts";

/** s of the token model: every number is an integer count of halves. */
const S = 2;

/**
 * A one-layer, one-head transformer of width d in which every intermediate is rounded to Q_{p,2}. Weight matrices are multiples of the
 * identity; all numbers are integers in units of 1/2.
 */
export interface TokenLayer {
  /** Bits of every number: |k| ≤ 2^p − 1 units. */
  readonly p: number;
  /** Embedding of the last token, whose output is read. */
  readonly cls: readonly number[];
  /** W_Q is this multiple of the identity, in units of 1/2. */
  readonly query: number;
  /** W_K, likewise. */
  readonly key: number;
  /** W_V, likewise. */
  readonly value: number;
  /** W_O, likewise. */
  readonly output: number;
}

/** Every intermediate of one evaluation, integers in units of 1/2; tokens in the order A, B, CLS. */
export interface TokenTrace {
  /** Of the three tokens, d integers each. */
  readonly embeddings: readonly (readonly number[])[];
  /** Score of CLS's query with each key. */
  readonly scores: readonly number[];
  /** exp(score − largest score), rounded. */
  readonly exp: readonly number[];
  /** Sum of `exp`, saturated. */
  readonly denominator: number;
  /** exp / denominator, rounded. */
  readonly weights: readonly number[];
  /** Output of the head after the output matrix. */
  readonly attention: readonly number[];
  /** CLS plus attention: what the readout sees. */
  readonly hidden: readonly number[];
}

/** Runs the attention of a layer on the embeddings of A and B. */
export function attend(layer: TokenLayer, a: readonly number[], b: readonly number[]): TokenTrace {
  const limit = maximum(layer.p);
  const linear = (w: number, x: readonly number[]) => x.map((v) => clamp(rdiv(w * v, S), limit));
  const embeddings = [a, b, layer.cls];
  const query = linear(layer.query, layer.cls);
  const values = embeddings.map((x) => linear(layer.value, x));
  const scores = embeddings.map((x) => {
    const key = linear(layer.key, x);
    return clamp(rdiv(dot(query, key), S), limit);
  });
  const top = Math.max(...scores);
  const exp = scores.map((z) => clamp(expHalves(top - z), limit));
  const denominator = clamp(
    exp.reduce((sum, e) => sum + e, 0),
    limit,
  );
  const weights = exp.map((e) => clamp(rdiv(e * S, denominator), limit));
  const mixed = layer.cls.map((_, c) => {
    const sum = values.reduce((total, v, i) => total + weights[i]! * v[c]!, 0);
    return clamp(rdiv(sum, S), limit);
  });
  const attention = linear(layer.output, mixed);
  const hidden = attention.map((o, c) => clamp(layer.cls[c]! + o, limit));
  return { embeddings, scores, exp, denominator, weights, attention, hidden };
}

/**
 * round(2·exp(−k/2)) for k ≥ 0, exactly: 2·exp(−1/2) = 1.213…, 2·exp(−1) = 0.735…, 2·exp(−3/2) = 0.446…, and falling, so that no value
 * lies near a half.
 */
function expHalves(k: number): number {
  return k === 0 ? 2 : k <= 2 ? 1 : 0;
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, v, i) => sum + v * y[i]!, 0);
}

/** One evaluation of Γ, with the readout. */
export interface TokenEvaluation extends TokenTrace {
  /** 1 − Σ|hidden| in units of 1/2, by ReLU neurons of weight ±1. */
  readonly readout: number;
  /** readout ≥ 1 unit: the layer says that the symbols are equal. */
  readonly equal: boolean;
}

/**
 * Γ_{p,d} of the token model: N = (2^{p+1} − 1)^d symbols, input (A_i, B_j, CLS), answer 1[i = j]. Computed exactly by the layer below
 * with p bits; by nothing that embeds each symbol in p − 1 bits per coordinate and width d.
 */
export interface TokenGamma {
  /** Tells the two models apart. */
  readonly kind: "token";
  /** Bits of a number without its sign, 2…16: |k| ≤ 2^p − 1. */
  readonly p: number;
  /** Width of the embeddings, 1…64. */
  readonly d: number;
  /** Scale: numbers are integers in units of 1/s. */
  readonly s: 2;
  /** N, the number of symbols. */
  readonly alphabet: bigint;
  /** K = (2^p − 1)^d, the embeddings that p − 1 bits leave. */
  readonly capacityBelow: bigint;
  /** N − K + 1: wrong answers, of the N² inputs, that p − 1 bits force on every layer, depth and readout. */
  readonly leastWrongBelow: bigint;
  /** The p-bit layer that computes Γ. */
  readonly layer: TokenLayer;
  /** The function and the layer in sentences, with the numbers of this p and d. */
  readonly definition: string;
  /** What the separation does not say, with the numbers of this p and d. */
  readonly caveat: string;
  /** Embedding of A_index: the grid point. B_index is embedded as its negative. */
  symbol(index: number): number[];
  /** Runs the layer on (A_i, B_j, CLS), given the grid points i and j. */
  evaluate(i: readonly number[], j: readonly number[]): TokenEvaluation;
}

/** See `gamma`. */
export function tokenGamma(p: number, d: number): TokenGamma {
  const layer: TokenLayer = { p, cls: new Array<number>(d).fill(0), query: 0, key: S, value: S, output: S };
  const alphabet = gridSize(p, d);
  const capacityBelow = gridSize(p - 1, d);
  return {
    kind: "token",
    p,
    d,
    s: S,
    alphabet,
    capacityBelow,
    leastWrongBelow: alphabet - capacityBelow + 1n,
    layer,
    definition:
      `Inputs (A_i, B_j, CLS) over ${alphabet} symbols, the points of {-${maximum(p)}..${maximum(p)}}^${d} in units of 1/2; the answer is 1 when i = j. ` +
      "emb(A_i) = i, emb(B_j) = -j, emb(CLS) = 0; W_Q = 0, W_K = W_V = W_O = identity: all scores are 0, all weights round to 1/2, the head's output is " +
      "round((i - j)/2), which is 0 only for i = j because ties round away from zero; the readout is 1 unit minus the sum of |output|.",
    caveat:
      `Bits and width are exchangeable: what counts is d·log2|Q|, here ${d}·log2(${2 * maximum(p) + 1}). With width ${2 * d} instead of ${d}, ${p - 1} bits are enough again ` +
      `(${gridSize(p - 1, 2 * d)} embeddings for ${alphabet} symbols).`,
    symbol: (index) => gridPoint(index, p, d),
    evaluate: (i, j) => {
      const trace = attend(
        layer,
        i,
        j.map((v) => (v === 0 ? 0 : -v)),
      );
      const readout = clamp(1 - trace.hidden.reduce((sum, h) => sum + Math.max(0, h) + Math.max(0, -h), 0), maximum(p));
      return { ...trace, readout, equal: readout >= 1 };
    },
  };
}
