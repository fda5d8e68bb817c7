import type { Core } from "../core/index.ts";
import { type DigitSystem, digitsCode, largestQ, nearestEven } from "./digits.ts";
import { planeBytes, type SparsePart } from "./weights.ts";

/**
 * Candidates for a scale: absmax/q for q = Q_max … Q_max − min(128, ⌊Q_max/2⌋). Every m ≤ 128 has a multiple among these q (every
 * m ≤ Q_max/2 where Q_max is small), so that weights which already lie on a grid of at most 128 steps to a side, int8 weights above all,
 * are found exactly: −128 … 127 under three signed INT4 digits takes q = 1792 or 1905 of 1911.
 */
export const SCALE_WINDOW = 128;

export interface RowsOptions {
  readonly bits: number;
  readonly terms: number;
  readonly digits: DigitSystem;
  /** One scale for all rows. */
  readonly perTensor: boolean;
  /** Fraction of the weights kept in the sparse part. */
  readonly outliers: number;
}

/** What the kernels make of rows of weights. */
export interface ExpandedRows {
  readonly scales: Float32Array;
  readonly zeros?: Int32Array;
  readonly sparse?: SparsePart;
  readonly planes: readonly Uint8Array[];
  readonly largestL1: number;
  readonly largestSum: number;
  /** Σ(w − ŵ)² and Σw² over all rows. */
  readonly squaredError: number;
  readonly squaredWeights: number;
  /** Largest |w − ŵ|; absent: half of the largest scale. */
  readonly largestMiss?: number;
}

/**
 * Expands rows of finite weights in the core; the same bits in every build.
 *
 * @param data - f32 [rows][columns], contiguous
 * @returns undefined when a weight is NaN or infinite
 */
export function expandRows(
  core: Core,
  data: Float32Array,
  rows: number,
  columns: number,
  options: RowsOptions,
): ExpandedRows | undefined {
  const { bits, terms, digits, perTensor, outliers } = options;
  const blocks: number[] = [];
  const allocate = (bytes: number) => {
    const at = core.allocate(bytes);
    blocks.push(at);
    return at;
  };
  try {
    const { series } = core;
    const count = rows * columns;
    const [groups, length] = perTensor ? [1, count] : [rows, columns];
    const stride = planeBytes(rows, columns, bits);
    const weights = allocate(4 * count);
    const largest = allocate(4 * groups);
    const scale = allocate(4 * rows);
    const zero = allocate(4 * rows);
    const wide = allocate(4 * count);
    const errors = allocate(16 * rows);
    const planes = allocate(terms * stride);
    const sums = allocate(16);
    core.f32(weights, count).set(data);
    series.seriesLargest(weights, groups, length, largest);
    if (!core.f32(largest, groups).every(Number.isFinite)) return undefined;

    const q = largestQ(bits, terms, digits);
    const scales = core.f32(scale, rows);
    const zeros = core.i32(zero, rows);
    const unsigned = digits === "unsigned";
    if (unsigned) {
      asymmetric(data, groups, length, q, scales, zeros);
    } else {
      if (outliers > 0) trim(data, groups, length, outliers, q, core.f32(largest, groups));
      series.seriesScales(weights, groups, length, largest, q, Math.min(SCALE_WINDOW, q >> 1), scale);
    }
    if (perTensor) {
      scales.fill(scales[0] ?? 0);
      zeros.fill(zeros[0] ?? 0);
    }
    const zeroAt = unsigned ? zero : 0;
    const [low, high] = unsigned ? [0, q] : outliers > 0 ? [-LARGEST_FUSED, LARGEST_FUSED] : [-q, q];
    series.seriesQuantize(weights, scale, zeroAt, rows, columns, low, high, wide, errors);
    const sparse = outliers > 0 && !unsigned ? takeOverflow(core.i32(wide, count), q) : undefined;
    series.seriesSplit(wide, zeroAt, rows, columns, bits, terms, bits, digitsCode(digits), planes, stride, sums);

    const [l1 = 0, side = 0] = core.f64(sums, 2);
    const overflow = sparse === undefined ? 0 : sparse.values.reduce((sum, v) => sum + Math.abs(v), 0);
    const missed = core.f64(errors, 2 * rows);
    return {
      scales: scales.slice(),
      ...(unsigned && zeros.some((z) => z !== 0) ? { zeros: zeros.slice() } : {}),
      ...(sparse === undefined ? {} : { sparse }),
      planes: Array.from({ length: terms }, (_, i) => core.u8(planes + i * stride, stride).slice()),
      largestL1: l1 + overflow,
      largestSum: side + overflow,
      squaredError: missed.reduce((sum, v, i) => (i % 2 === 0 ? sum + v : sum), 0),
      squaredWeights: missed.reduce((sum, v, i) => (i % 2 === 1 ? sum + v : sum), 0),
    };
  } finally {
    for (const at of blocks) core.release(at);
  }
}

/** Largest |Q − zero| of a fused operand: it must fit i16. */
const LARGEST_FUSED = 32767;

/**
 * Scale and zero point from the range lo = min(0, min), hi = max(0, max): s = (hi − lo)/q, zero = nearest(−lo/s). When both ends round
 * away from 0, hi would not fit any more and would miss by more than s/2: then one step fewer is used.
 */
function asymmetric(
  data: Float32Array,
  rows: number,
  columns: number,
  q: number,
  scales: Float32Array,
  zeros: Int32Array,
): void {
  for (let r = 0; r < rows; r++) {
    let lo = 0;
    let hi = 0;
    for (let i = r * columns; i < (r + 1) * columns; i++) {
      lo = Math.min(lo, data[i]!);
      hi = Math.max(hi, data[i]!);
    }
    scales[r] = hi > lo ? Math.max((hi - lo) / q, 2 ** -126) : 0;
    const fits = (s: number) => s === 0 || nearestEven(-lo / s) + nearestEven(hi / s) <= q;
    if (!fits(scales[r]!)) scales[r] = (hi - lo) / (q - 1);
    zeros[r] = scales[r]! > 0 ? nearestEven(-lo / scales[r]!) : 0;
  }
}

/**
 * Lowers the largest |w| of each row to that of the weights which stay dense, but no further than an outlier can follow: it must fit i16
 * on the lattice of its row.
 */
function trim(
  data: Float32Array,
  rows: number,
  columns: number,
  outliers: number,
  q: number,
  largest: Float32Array,
): void {
  const kept = columns - Math.floor(outliers * columns);
  for (let r = 0; r < rows; r++) {
    const sizes = data
      .slice(r * columns, (r + 1) * columns)
      .map(Math.abs)
      .sort();
    const dense = kept > 0 ? sizes[kept - 1]! : 0;
    largest[r] = Math.max(dense, largest[r]! * (q / (LARGEST_FUSED - 1)));
  }
}

/** Cuts every |Q| > q to ±q and returns what was cut. */
function takeOverflow(wide: Int32Array, q: number): SparsePart | undefined {
  const indices: number[] = [];
  const values: number[] = [];
  wide.forEach((value, e) => {
    if (value >= -q && value <= q) return;
    const clipped = value < 0 ? -q : q;
    indices.push(e);
    values.push(value - clipped);
    wide[e] = clipped;
  });
  return indices.length === 0 ? undefined : { indices: Uint32Array.from(indices), values: Int16Array.from(values) };
}
