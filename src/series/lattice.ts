import { type DigitSystem, LARGEST_WIDTH, largestQ, largestTail, nearestEven, radixOf, rangeOf } from "./digits.ts";
import type { ExpandedRows } from "./kernels.ts";
import { log2 } from "./log2.ts";
import { packDigits } from "./weights.ts";

/** Largest |Q − zero| of a fused operand: it must fit i16. */
const LARGEST_FUSED = 32767;

/** A row's lattice: w ≈ scale·(Q − zero). */
export interface Lattice {
  /** s, the step, in units of the weights; 0 only for a row of zeros. */
  readonly scale: number;
  /** The integer Q that stands for the weight 0. */
  readonly zero: number;
}

/**
 * The lattice of a row with least and largest element `least` and `largest`, with the integer zero point that uses all B^k values of the digit
 * system, and of 0 stays exact: s = (largest − least)/(B^k − 2), rounded up to f32, zero = Q_low − nearest(least/s). Rounding is monotone and
 * |nearest(a) − nearest(b)| ≤ |a − b| + 1, so every Q fits. Q − zero, of the prefixes too, fits an int16 because s ≥ absmax/(32767 − tail).
 *
 * @example
 * rowLattice(0, 1, 4, 2, "signed"); // { scale: 1/254, zero: -136 }
 */
export function rowLattice(least: number, largest: number, bits: number, terms: number, digits: DigitSystem): Lattice {
  const absmax = Math.max(Math.abs(least), Math.abs(largest));
  if (absmax === 0) return { scale: 0, zero: 0 };
  const [low] = rangeOf(bits, terms, digits);
  if (least === largest) return { scale: absmax, zero: low + 1 };
  const values = radixOf(bits, digits) ** terms;
  const operand = LARGEST_FUSED - largestTail(bits, terms - 1, digits);
  const scale = upToFloat32(Math.max((largest - least) / (values - 2), absmax / operand, 2 ** -126));
  return { scale, zero: low - nearestEven(least / scale) };
}

/** Bits that a zero point is worth: log2 of the symmetric scale over the one of `rowLattice`. */
export function zeroPointGain(
  least: number,
  largest: number,
  bits: number,
  terms: number,
  digits: DigitSystem,
): number {
  const { scale } = rowLattice(least, largest, bits, terms, digits);
  const absmax = Math.max(Math.abs(least), Math.abs(largest));
  return scale === 0 ? 0 : log2(absmax / largestQ(bits, terms, digits) / scale);
}

/** A zero point that gains less is not worth its four bytes and the loss of ±0's symmetry. */
const LEAST_GAIN = 0.1;

/**
 * The lattice of a row beyond 16 bits: the least power of two s with absmax ≤ Q_max·s. Then w/s, s·Q and every prefix are exact in f64, which
 * an f32 scale times a 32-bit integer is not; and s·Q = w for every w whose lowest set bit is worth at least s.
 */
export function wideLattice(absmax: number, bits: number, terms: number, digits: DigitSystem): Lattice {
  const zero = digits === "unsigned" ? Math.floor((2 ** (bits * terms) - 1) / 2) : 0;
  if (absmax === 0) return { scale: 0, zero };
  const most = digits === "unsigned" ? zero : largestQ(bits, terms, digits);
  let scale = 1;
  while (absmax > most * scale) scale *= 2;
  while (scale > 2 ** -149 && absmax <= most * (scale / 2)) scale /= 2;
  return { scale, zero };
}

/**
 * Expands rows in f64: series with zero points in any digit system, and series beyond 16 bits. Only analysis needs them this way; what runs is
 * expanded by the kernels.
 *
 * @returns undefined when a weight is NaN or infinite
 */
export function latticeRows(
  data: Float32Array,
  rows: number,
  columns: number,
  options: { readonly bits: number; readonly terms: number; readonly digits: DigitSystem; readonly perTensor: boolean },
): ExpandedRows | undefined {
  if (!data.every(Number.isFinite)) return undefined;
  const { bits, terms, digits, perTensor } = options;
  const wide = bits * terms > LARGEST_WIDTH;
  const latticeOf = (from: number, to: number): Lattice => {
    let [least, largest] = [data[from] ?? 0, data[from] ?? 0];
    for (let e = from; e < to; e++) {
      least = Math.min(least, data[e]!);
      largest = Math.max(largest, data[e]!);
    }
    const absmax = Math.max(-least, largest);
    if (wide) return wideLattice(absmax, bits, terms, digits);
    if (digits === "unsigned" || least === largest || zeroPointGain(least, largest, bits, terms, digits) > LEAST_GAIN) {
      return rowLattice(least, largest, bits, terms, digits);
    }
    return { scale: upToFloat32(absmax / largestQ(bits, terms, digits)), zero: 0 };
  };
  const whole = perTensor ? latticeOf(0, data.length) : undefined;
  const lattices = Array.from({ length: rows }, (_, r) => whole ?? latticeOf(r * columns, (r + 1) * columns));
  const wideQ = new Float64Array(data.length);
  let [squaredError, squaredWeights] = [0, 0];
  for (let e = 0; e < data.length; e++) {
    const { scale, zero } = lattices[Math.floor(e / columns)]!;
    const q = scale > 0 ? nearestEven(data[e]! / scale) : 0;
    wideQ[e] = q + zero;
    squaredError += (data[e]! - scale * q) ** 2;
    squaredWeights += data[e]! ** 2;
  }
  const zeros = Int32Array.from(lattices, ({ zero }) => zero);
  const planes: Uint8Array[] = [];
  const sums = { l1: 0, side: 0 };
  for (let term = terms - 1; term >= 0; term--) {
    measure(wideQ, zeros, columns, radixOf(bits, digits) ** (terms - 1 - term), sums);
    planes.unshift(peel(wideQ, bits, digits, term === 0));
  }
  return {
    scales: Float32Array.from(lattices, ({ scale }) => scale),
    ...(zeros.some((z) => z !== 0) ? { zeros } : {}),
    planes,
    ...{ largestL1: sums.l1, largestSum: sums.side, squaredError, squaredWeights },
  };
}

/** Largest Σ|P − zero| and one-sided sum of a row of prefixes P = q·weight. */
function measure(
  q: Float64Array,
  zeros: Int32Array,
  columns: number,
  weight: number,
  sums: { l1: number; side: number },
): void {
  zeros.forEach((zero, r) => {
    let [positive, negative] = [0, 0];
    for (let e = r * columns; e < (r + 1) * columns; e++) {
      const value = q[e]! * weight - zero;
      if (value > 0) positive += value;
      else negative -= value;
    }
    sums.l1 = Math.max(sums.l1, positive + negative);
    sums.side = Math.max(sums.side, positive, negative);
  });
}

/** Takes the last digit off every value and packs it; leaves the quotients. */
function peel(q: Float64Array, bits: number, digits: DigitSystem, top: boolean): Uint8Array {
  const radix = radixOf(bits, digits);
  const shift = digits === "signed" ? radix / 2 : digits === "odd" ? (radix - 1) / 2 : 0;
  const plane = Int16Array.from(q, (value, e) => {
    const quotient = top ? 0 : Math.floor((value + shift) / radix);
    q[e] = quotient;
    return value - quotient * radix;
  });
  return packDigits(plane, bits);
}

/** The least f32 that is not below `x`. */
function upToFloat32(x: number): number {
  const rounded = Math.fround(x);
  if (rounded >= x) return rounded;
  const word = new Uint32Array(Float32Array.of(rounded).buffer);
  word[0] = word[0]! + 1;
  return new Float32Array(word.buffer)[0]!;
}
