import { isRecord, shown, wrongKind } from "../core/index.ts";
import { type Shape, sizeOf } from "../tensor/index.ts";
import { type DigitSystem, isSigned, LARGEST_WIDTH, largestTail, radixOf } from "./digits.ts";

/** Outliers on the lattice of their row: what Q exceeds the digits by. */
export interface SparsePart {
  /** row·columns + column, ascending. */
  readonly indices: Uint32Array;
  /** Integers to add to Q. */
  readonly values: Int16Array;
}

/**
 * A weight tensor as a series: w ≈ s_r · (Q − zero_r), Q = Σ_i D_i · B^(k−i), digits most significant first.
 * Rows are output channels; the elements of a row keep the order of the tensor (OHWI for a channels-last convolution,
 * K for a MatMul weight [K, N], whose rows are its columns).
 *
 * The fused operand Q − zero always fits i16: that is where a zero point is applied, so that kernels need no row sum of the
 * activations for it.
 */
export interface WeightSeries {
  /** Name of the initializer. */
  readonly name: string;
  /** Of the initializer. */
  readonly shape: Shape;
  /** Axis of the output channels in `shape`. */
  readonly axis: number;
  /** Output channels. */
  readonly rows: number;
  /** Elements of one row. */
  readonly columns: number;
  /** X: bits of one digit. */
  readonly bits: number;
  /** k: terms of the whole series. */
  readonly terms: number;
  /** Bits of a digit of the last term, where they are fewer: seven bits are digits of 4 + 3. Signed digits only. */
  readonly lastBits?: number;
  /** Which integers a term may take. */
  readonly digits: DigitSystem;
  /** s: the finest scale of each row, f32. */
  readonly scales: Float32Array;
  /** Integer zero point of each row on the finest lattice; absent when all are 0. */
  readonly zeros?: Int32Array;
  /** Outliers; present from the first term on. */
  readonly sparse?: SparsePart;
  /** Digit planes, most significant first; each packs rows·columns digits of X bits, little-endian within bytes. Shorter than `terms` while loading. */
  readonly planes: readonly Uint8Array[];
  /** Largest Σ|Q − zero| of a row over all prefixes of the series: what the accumulator width is proved from. */
  readonly largestL1: number;
  /**
   * Largest of Σ(Q − zero)⁺ and Σ(Q − zero)⁻ of a row, over all prefixes. An n-bit activation with zero point spans −a … b with
   * a + b = 2^n − 1, therefore |Σ (Q − zero)(q − z)| ≤ largestSum · (2^n − 1) whatever the zero points.
   */
  readonly largestSum: number;
}

/** Bytes of one digit plane. */
export function planeBytes(rows: number, columns: number, bits: number): number {
  return Math.ceil((rows * columns * bits) / 8);
}

/** Digits of `bits` bits as a plane. */
export function packDigits(digits: Int16Array, bits: number): Uint8Array {
  const plane = new Uint8Array(Math.ceil((digits.length * bits) / 8));
  const mask = (1 << bits) - 1;
  for (let e = 0, bit = 0; e < digits.length; e++, bit += bits) {
    const word = (digits[e]! & mask) << (bit & 7);
    plane[bit >> 3] = plane[bit >> 3]! | word;
    if (word > 255) plane[(bit >> 3) + 1] = word >> 8;
  }
  return plane;
}

/** How the digits of a series are cut. */
export type Cut = Pick<WeightSeries, "bits" | "terms" | "lastBits">;

/** Bits of a digit of term `i`, counted from 0. */
export function termBits({ bits, terms, lastBits = bits }: Cut, i: number): number {
  return i === terms - 1 ? lastBits : bits;
}

/** n: bits of all digits of a weight together. */
export function widthOf({ bits, terms, lastBits = bits }: Cut): number {
  return bits * (terms - 1) + lastBits;
}

/** The least Q that the digits of all terms, or of the first few, may make. */
export function lowestOf(series: Cut & Pick<WeightSeries, "digits">): number {
  const { bits, terms, lastBits, digits } = series;
  if (digits === "unsigned") return 0;
  return digits === "mixed" ? -(2 ** (widthOf(series) - 1)) : -largestTail(bits, terms, digits, lastBits);
}

/** B^(k−i) of term `i`, counted from 0: what one unit of its digits is worth on the finest lattice. */
export function termWeight(series: Cut & Pick<WeightSeries, "digits">, i: number): number {
  const { bits, terms, digits } = series;
  if (i === terms - 1) return 1;
  return radixOf(termBits(series, terms - 1), digits) * radixOf(bits, digits) ** (terms - 2 - i);
}

/**
 * Adds term `i` to a fused operand: D_i · B^(k−i), and the zero points and outliers with term 0. Adding terms 0 … n−1 to zeros gives
 * `fuse(series, n)`: this is how a session refines in place.
 *
 * @param out - integers [rows][columns]
 * @throws RangeError when the term has not been loaded
 */
export function addTerm(series: WeightSeries, i: number, out: Int16Array | Int32Array | Float64Array): void {
  const { rows, columns, zeros, sparse } = series;
  const bits = termBits(series, i);
  const plane = series.planes[i];
  if (plane === undefined) throw new RangeError(`"term" expected integer in 0..${series.planes.length - 1}, got ${i}`);
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

/** The same of the fused operand. */
export function scaled(series: WeightSeries, fused: Int16Array): Float32Array {
  const { rows, scales, shape, axis } = series;
  const values = new Float32Array(fused.length);
  const inner = sizeOf(shape.slice(axis + 1));
  const between = (rows - 1) * inner;
  for (let r = 0, e = 0; r < rows; r++) {
    const scale = scales[r]!;
    // As `fromRows`, without another pass: a session does this to all weights before its first run.
    for (let to = r * inner; to < values.length; to += between) {
      for (const end = to + inner; to < end; to++) values[to] = scale * fused[e++]!;
    }
  }
  return values;
}

/** Throws TypeError for what is no series, RangeError unless the first `terms` terms are there. */
export function checkTerms(series: WeightSeries, terms: number): void {
  checkWeights(series);
  if (!Number.isInteger(terms) || terms < 1 || terms > series.planes.length) {
    throw new RangeError(`"terms" expected integer in 1..${series.planes.length}, got ${shown(terms)}`);
  }
}

function loadedTerms(series: WeightSeries): number {
  checkWeights(series);
  return series.planes.length;
}

/** @throws TypeError unless it has what series have */
export function checkWeights(series: unknown): void {
  if (!isRecord(series) || !Array.isArray(series["planes"]) || !(series["scales"] instanceof Float32Array))
    throw wrongKind("series", "a series as `expand` gives it", series);
}

/** The digits of term `i`, i16 [rows][columns], without weight, zero points and outliers. */
export function digitsOf(series: WeightSeries, i: number): Int16Array {
  const out = new Int16Array(series.rows * series.columns);
  const { zeros: _zeros, sparse: _sparse, ...plain } = series;
  const bits = termBits(series, i);
  // A view of a series makes its planes when it is asked for them, which a copy of its fields has not.
  addTerm({ ...plain, planes: series.planes, bits, terms: i + 1, lastBits: bits }, i, out);
  return out;
}

/** The elements of a tensor as contiguous rows along `axis`; the tensor's own array when they already are. */
export function toRows(data: Float32Array, shape: Shape, axis: number): Float32Array {
  const rows = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  if (outer === 1) return data;
  const result = new Float32Array(data.length);
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      const from = (o * rows + r) * inner;
      for (let i = 0; i < inner; i++) result[at++] = data[from + i]!;
    }
  }
  return result;
}

/** Puts rows back where `toRows` took them from. */
export function fromRows<T extends Float32Array | Float64Array>(data: T, shape: Shape, axis: number): T {
  const rows = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  if (outer === 1) return data;
  const result = data.slice() as T;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      const to = (o * rows + r) * inner;
      for (let i = 0; i < inner; i++) result[to + i] = data[at++]!;
    }
  }
  return result;
}
