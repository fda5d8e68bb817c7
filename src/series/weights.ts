import { isRecord, shown, wrongKind } from "../core/index.ts";
import { type Shape, sizeOf } from "../tensor/index.ts";
import { type DigitSystem, isSigned, largestTail, radixOf } from "./digits.ts";

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

/** The weights of a fused operand, each s·(Q − zero) rounded once to f32, in the order of the tensor. */
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

/** @throws TypeError unless it has what series have */
export function checkWeights(series: unknown): void {
  if (!isRecord(series) || !Array.isArray(series["planes"]) || !(series["scales"] instanceof Float32Array))
    throw wrongKind("series", "a series as `expand` gives it", series);
}

/**
 * The digits of term `i`, i16 [rows][columns], without weight, zero points and outliers.
 *
 * @throws RangeError when the term has not been loaded
 */
export function digitsOf(series: WeightSeries, i: number): Int16Array {
  const bits = termBits(series, i);
  const plane = planeOf(series, i);
  const rest = 32 - bits;
  const signed = isSigned(series.digits, i);
  const out = new Int16Array(series.rows * series.columns);
  for (let e = 0, bit = 0; e < out.length; e++, bit += bits) {
    const at = bit >>> 3;
    const top = ((plane[at]! | (plane[at + 1]! << 8)) >> (bit & 7)) << rest;
    out[e] = signed ? top >> rest : top >>> rest;
  }
  return out;
}

/** The plane of term `i`; RangeError when it has not been loaded. */
export function planeOf({ planes }: WeightSeries, i: number): Uint8Array {
  const plane = planes[i];
  if (plane === undefined) throw new RangeError(`"term" expected integer in 0..${planes.length - 1}, got ${i}`);
  return plane;
}
