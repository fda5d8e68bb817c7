// Series summed up in JavaScript, for who has no core at hand; sessions have theirs do it (src/program/fused.ts).
import { isSigned, LARGEST_WIDTH } from "./digits.ts";
import { checkTerms, checkWeights, planeOf, scaled, termBits, termWeight, type WeightSeries } from "./weights.ts";

/**
 * Adds term `i` to a fused operand: D_i · B^(k−i), and the zero points and outliers with term 0. Adding terms 0 … n−1 to zeros gives
 * `fuse(series, n)`. Digits are read and added in one pass: by way of `digitsOf` it takes two to three times as long (2^20 elements of 4 + 4 + 4 bits: 26 ms in place of 9).
 *
 * @param out - integers [rows][columns]
 * @throws RangeError when the term has not been loaded
 */
export function addTerm(series: WeightSeries, i: number, out: Int16Array | Int32Array | Float64Array): void {
  const { rows, columns, zeros, sparse } = series;
  const bits = termBits(series, i);
  const plane = planeOf(series, i);
  const weight = termWeight(series, i);
  const mask = (1 << bits) - 1;
  const sign = isSigned(series.digits, i) ? 1 << (bits - 1) : 0;
  const count = rows * columns;
  let done = 0;
  if (bits === 4) {
    // Two digits a byte, by far the most frequent, take half the time.
    for (; done < count - 1; done += 2) {
      const pair = plane[done >> 1]!;
      out[done] = out[done]! + (((pair & 15) ^ sign) - sign) * weight;
      out[done + 1] = out[done + 1]! + (((pair >> 4) ^ sign) - sign) * weight;
    }
  }
  let buffer = 0;
  let filled = 0;
  for (let e = done, at = (done * bits) >> 3; e < count; e++) {
    if (filled < bits) {
      buffer |= plane[at++]! << filled;
      filled += 8;
    }
    out[e] = out[e]! + (((buffer & mask) ^ sign) - sign) * weight;
    buffer >>= bits;
    filled -= bits;
  }
  if (i > 0) return;
  if (zeros !== undefined) {
    for (let r = 0, e = 0; r < rows; r++) for (const end = e + columns; e < end; e++) out[e] = out[e]! - zeros[r]!;
  }
  sparse?.indices.forEach((e, n) => {
    out[e] = out[e]! + sparse.values[n]!;
  });
}

/**
 * The first `terms` terms fused into one integer operand Q − zero on the finest lattice: w ≈ scale_r · fused. A product with it gives the
 * same integers as the products with the digits, shifted and added (FP=xINT, layer expansion).
 *
 * @param terms - terms to use, 1 … loaded; default all that are loaded
 * @returns i16 [rows][columns]
 * @throws RangeError for a series of more than 16 bits, whose operand is two of int16: see `fuseHalves`
 * @example
 * const { scales } = expansion;
 * fuse(expansion)[0] * scales[0]; // the first weight
 */
export function fuse(series: WeightSeries, terms: number = loadedTerms(series)): Int16Array {
  checkTerms(series, terms);
  const width = series.bits * series.terms;
  if (width > LARGEST_WIDTH) throw new RangeError(`"series" expected at most ${LARGEST_WIDTH} bits, got ${width}`);
  const out = new Int16Array(series.rows * series.columns);
  for (let i = 0; i < terms; i++) addTerm(series, i, out);
  return out;
}

/**
 * Q − zero of a series of 17 … 32 bits as two int16 operands, 2^16·high + low: W·A = 2^16·(high·A) + low·A, each an exact integer sum.
 *
 * @param terms - terms to use, 1 … loaded; default all that are loaded
 * @throws RangeError when a value does not fit, which of 32 bits only mixed and unsigned digits have
 */
export function fuseHalves(
  series: WeightSeries,
  terms: number = loadedTerms(series),
): {
  /** i16 [rows][columns]: what is left of the fused integers, over 2^16. */
  readonly high: Int16Array;
  /** i16 [rows][columns]: their lower 16 bits, as a signed number. */
  readonly low: Int16Array;
} {
  checkTerms(series, terms);
  const whole = new Float64Array(series.rows * series.columns);
  for (let i = 0; i < terms; i++) addTerm(series, i, whole);
  const low = Int16Array.from(whole, (q) => q % 2 ** 16);
  const high = Int16Array.from(whole, (q, e) => {
    const half = (q - low[e]!) / 2 ** 16;
    if (half < -(2 ** 15) || half >= 2 ** 15)
      throw new RangeError(`"series" expected values of two int16 halves, got ${q}`);
    return half;
  });
  return { high, low };
}

/** The weights that the loaded terms stand for, each s·(Q − zero) rounded once to f32, in the order of the tensor. */
export function dequantize(series: WeightSeries): Float32Array {
  return scaled(series, fuse(series));
}

function loadedTerms(series: WeightSeries): number {
  checkWeights(series);
  return series.planes.length;
}
