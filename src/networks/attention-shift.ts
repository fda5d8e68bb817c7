// How far quantized scores move the softmax and what the head gives: beside the flips of the preferred key, which near-ties exaggerate.
import { largestCode } from "../attention/collisions.ts";
import { exp } from "../fixed-point/elementary.ts";
import type { HeadSample } from "./attention-heads.ts";

/** Sums over queries. */
export interface Shift {
  queries: number;
  /** Σ of the total variation distance between the softmax weights, ½Σ|w − ŵ|, and the largest one. */
  variation: number;
  worst: number;
  /** Σ of squares of the error of the head's output, and of the output; 0 where values are not known. */
  error: number;
  size: number;
}

/** Products per sample and bit width: of longer sequences an even choice of queries is looked at. */
const MOST = 2 ** 20;

/**
 * Softmax weights that quantized keys and queries give: w·exp(scale·(q̂·k̂ − q·k)), normalized, so that masks and position biases are in it. Keys are
 * rounded with one scale per head and sequence, each query with its own.
 *
 * @returns undefined where the network does not tell its softmax weights or their scale
 */
export function softmaxShift(
  { width, tokens, keys, queries, weights, values, scale }: HeadSample,
  bits: number,
): Shift | undefined {
  if (scale === undefined) return undefined;
  const rows = queries.length / width;
  const most = Math.max(1, Math.floor(MOST / (tokens * width)));
  const every = Math.ceil(rows / most);
  const rounded = round(keys, bits);
  const sums: Shift = { queries: 0, variation: 0, worst: 0, error: 0, size: 0 };
  const valueWidth = values === undefined ? 0 : values.length / tokens;
  for (let row = 0; row < rows; row += every) {
    const query = queries.subarray(row * width, (row + 1) * width);
    const own = round(query, bits);
    const scores = new Float64Array(tokens);
    const moves = new Float64Array(tokens);
    for (let t = 0; t < tokens; t++) {
      let exact = 0;
      let quantized = 0;
      for (let c = 0; c < width; c++) {
        exact += query[c]! * keys[t * width + c]!;
        quantized += own[c]! * rounded[t * width + c]!;
      }
      scores[t] = scale * exact;
      moves[t] = scale * (quantized - exact);
    }
    const before =
      weights?.subarray(row * tokens, (row + 1) * tokens) ??
      normalized(
        scores.map(() => 1),
        scores,
      );
    const after = normalized(before, moves);
    let variation = 0;
    for (let t = 0; t < tokens; t++) variation += Math.abs(before[t]! - after[t]!) / 2;
    sums.queries++;
    sums.variation += variation;
    sums.worst = Math.max(sums.worst, variation);
    for (let c = 0; c < valueWidth; c++) {
      let output = 0;
      let error = 0;
      for (let t = 0; t < tokens; t++) {
        const value = values![t * valueWidth + c]!;
        output += before[t]! * value;
        error += (after[t]! - before[t]!) * value;
      }
      sums.error += error * error;
      sums.size += output * output;
    }
  }
  return sums;
}

/** Nearest multiples of the largest magnitude over the largest code, ties away from zero. */
function round(values: Float32Array, bits: number): Float64Array {
  const step = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) / largestCode(bits);
  if (step === 0) return new Float64Array(values.length);
  return Float64Array.from(values, (v) => Math.sign(v) * Math.floor(Math.abs(v) / step + 0.5) * step);
}

/** weights·exp(exponents), summing up to 1. */
function normalized(weights: ArrayLike<number>, exponents: Float64Array): Float64Array {
  let top = Number.NEGATIVE_INFINITY;
  for (let t = 0; t < exponents.length; t++) if (weights[t]! > 0) top = Math.max(top, exponents[t]!);
  const out = exponents.map((e, t) => (weights[t]! > 0 ? weights[t]! * exp(e - top) : 0));
  const sum = out.reduce((a, b) => a + b, 0);
  return out.map((w) => w / sum);
}
