import { BitbasisError, type Core, checkHolds, checkOptions, newCore, shown } from "../core/index.ts";
import { normalizeAxis, Tensor } from "../tensor/index.ts";
import { fromRows, toRows } from "./axis-rows.ts";
import {
  checkSeries,
  type DigitSystem,
  LARGEST_EXPANSION,
  LARGEST_SUM,
  LARGEST_WIDTH,
  largestQ,
  largestTerms,
  nearestEven,
} from "./digits.ts";
import { addTerm, fuse } from "./fuse.ts";
import { type ExpandedRows, expandRows } from "./kernels.ts";
import { latticeRows } from "./lattice.ts";
import { MeasuredSeries, type WeightOptions } from "./measured-series.ts";
import { chooseOutliers, largestOutlierRatio } from "./outliers.ts";
import { checkTerms, digitsOf } from "./weights.ts";

/**
 * A tensor as a low-bit series M = M_sa + s·(Σ_i D_i B^(k−i) − zero), with what it costs to stop early.
 *
 * Source: FP=xINT (arXiv 2412.06865), tensor expansion; the digits are those of one wide rounding, because the recurrence printed there
 * does not converge.
 */
export class Expansion extends MeasuredSeries {
  /** Digits of term `i` (0 is the most significant), i16 [rows][columns]. */
  digitsOf(i: number): Int16Array {
    return digitsOf(this, i);
  }

  /**
   * The sum of the first terms.
   *
   * @param terms - 1 … k, default all
   * @returns f32, of the shape of the source; each element is s·(Q − zero) rounded once
   */
  reconstruct(terms: number = this.terms): Tensor<"float32"> {
    return new Tensor("float32", Float32Array.from(this.sum(terms)), this.shape);
  }

  /**
   * What the first `terms` terms miss: M minus their sum, in f64.
   *
   * @param terms - 0 … k; with 0 it is M itself
   */
  residual(terms: number): Tensor<"float64"> {
    const { data } = this.source;
    if (terms === 0) return new Tensor("float64", Float64Array.from(data), this.shape);
    return new Tensor(
      "float64",
      this.sum(terms).map((v, i) => data[i]! - v),
      this.shape,
    );
  }

  /**
   * Part of the elements that the first `terms` terms give exactly, 0 … 1. Beyond 16 bits an element is exact when its lowest set bit is worth
   * at least the scale; all of a float32 tensor are with about (spread of its exponents + 26)/X terms.
   */
  exactShare(terms: number = this.terms): number {
    const { data } = this.residual(terms);
    return data.length === 0 ? 1 : data.reduce((count, v) => count + (v === 0 ? 1 : 0), 0) / data.length;
  }

  /** Part of the elements that the sparse part holds, 0 … 1. */
  get sparseShare(): number {
    return this.source.size === 0 ? 0 : (this.sparse?.indices.length ?? 0) / this.source.size;
  }

  /** What is allowed but seldom meant, as sentences. */
  get warnings(): readonly string[] {
    const { sparseShare, bits, terms, digits } = this;
    const found: string[] = [];
    if (sparseShare > 0.01) {
      const share = (100 * sparseShare).toFixed(2);
      found.push(
        `${share} % of the elements are outliers of 48 bits: the tail is too heavy for a clip, a further term is cheaper`,
      );
    }
    if (bits * terms > LARGEST_SUM || (bits * terms > LARGEST_WIDTH && digits !== "signed")) {
      found.push(
        `${bits * terms} bits are for reconstruction: layers run at most ${LARGEST_WIDTH}, or ${LARGEST_SUM} of signed digits`,
      );
    } else if (bits * terms > LARGEST_WIDTH) {
      found.push(
        `${bits * terms} bits run as a sum of products of at most ${LARGEST_WIDTH}: what that buys is less than activations of 16 bits lose`,
      );
    }
    return found;
  }

  private sum(terms: number): Float64Array {
    checkTerms(this, terms);
    const values = new Float64Array(this.rows * this.columns);
    for (let i = 0; i < terms; i++) addTerm(this, i, values);
    for (let r = 0, e = 0; r < this.rows; r++) {
      for (const end = e + this.columns; e < end; e++) values[e] = this.scales[r]! * values[e]!;
    }
    return fromRows(values, this.shape, this.axis);
  }
}

/**
 * Expands a weight tensor in a core that the caller owns; what `expand` and quantization stand on.
 *
 * @param tensor - float32, any rank
 * @throws BitbasisError MODEL when a weight is NaN or infinite, RangeError when the options do not fit
 */
export function expandWeights(core: Core, tensor: Tensor<"float32">, options: WeightOptions): MeasuredSeries {
  checkSeries(options.bits, options.terms, options.digits ?? "signed");
  const axis = tensor.dims.length === 0 ? 0 : normalizeAxis(options.axis, tensor.dims.length);
  const rows = tensor.dims[axis] ?? 1;
  const how = { ...options, axis };
  const expanded = expandInRows(core, tensor, toRows(tensor.data, tensor.dims, axis), rows, how);
  return new MeasuredSeries(tensor, how, rows, expanded);
}

/** Expands the elements of a tensor, given as rows with a scale each. */
function expandInRows(
  core: Core,
  tensor: Tensor<"float32">,
  data: Float32Array,
  rows: number,
  options: WeightOptions,
): ExpandedRows {
  const { name, bits, terms, digits = "signed", outliers = 0, perTensor = false } = options;
  if (!(outliers >= 0 && outliers < 1))
    throw new RangeError(`"outliers" expected number in 0..1, got ${shown(outliers)}`);
  if (outliers > 0 && digits === "unsigned") {
    throw new RangeError('"outliers" expected 0 with unsigned digits, whose range follows the largest weights');
  }
  const columns = data.length / Math.max(rows, 1);
  const expanded = expandRows(core, data, rows, columns, { bits, terms, digits, perTensor, outliers });
  if (expanded === undefined) throw notFinite(tensor, name);
  return expanded;
}

/** How `expand` makes a series of a tensor. */
export interface ExpandOptions {
  /** X, bits of one term, 2 … 8. */
  readonly bits: number;
  /** k, terms; bits·terms ≤ 48. Beyond 16 scales are powers of two, and beyond 32 the series is for reconstruction. Give this or `tolerance`. */
  readonly terms?: number;
  /** Largest |error| of an element that is allowed: the fewest terms that keep it are taken. */
  readonly tolerance?: number;
  /** Default "signed", whose series can be cut anywhere. */
  readonly digits?: DigitSystem;
  /** One scale per index of this axis; default one for the tensor. */
  readonly axis?: number;
  /** One scale per so many elements along the rest of the axes, in their order, instead of one per index of `axis`; must divide them. */
  readonly group?: number;
  /** An integer zero point per scale, bias·M_nsy, wherever it gains more than 0.1 bit. Default: only with unsigned digits. */
  readonly zeroPoint?: boolean;
  /** Fraction of the elements kept beside the digits, 0 … 1, or "auto": as many as pay for themselves (`chooseOutliers`). Default 0. */
  readonly outliers?: number | "auto";
}

/**
 * Expands a tensor into a series of low-bit integer tensors with a common scale, without any data but the tensor.
 *
 * @returns its `bound(n)` proves what the first n terms miss
 * @throws TypeError when the tensor is not float32, RangeError when options do not fit or the tolerance cannot be kept with 48 bits,
 *   BitbasisError MODEL when an element is NaN or infinite
 * @example
 * const tensor = new Tensor(new Float32Array([0.5, -1, 0.25, 1]), [2, 2]);
 * const series = await expand(tensor, { bits: 4, terms: 3, axis: 0 });
 * series.reconstruct(1).data; // the coarse first term
 * series.bound(); // at most 1/(2·1911)
 * (await expand(tensor, { bits: 4, terms: 8 })).exactShare(); // 1: FP = xINT
 */
export async function expand(tensor: Tensor, options: ExpandOptions): Promise<Expansion> {
  checkHolds("tensor", "a float32 tensor", tensor);
  checkOptions(options);
  if (!isFloat32(tensor)) throw new TypeError(`"tensor" expected float32, got ${tensor.type}`);
  const { bits, terms, tolerance, digits = "signed" } = options;
  const core = await newCore();
  if (tolerance === undefined) {
    if (terms === undefined) throw new TypeError('"terms" or "tolerance" expected, got neither');
    return expandOnce(core, tensor, options, terms);
  }
  if (terms !== undefined) throw new TypeError('"terms" or "tolerance" expected, got both');
  if (!(tolerance > 0)) throw new RangeError(`"tolerance" expected number > 0, got ${tolerance}`);
  checkSeries(bits, 1, digits);
  let series = expandOnce(core, tensor, options, 1);
  for (let n = 2; series.bound() > tolerance && n <= largestTerms(bits, digits, LARGEST_EXPANSION); n++) {
    series = expandOnce(core, tensor, options, n);
  }
  if (series.bound() > tolerance) {
    throw new RangeError(
      `"tolerance" expected number ≥ ${series.bound()}, which ${series.terms} terms keep, got ${tolerance}`,
    );
  }
  return series;
}

function expandOnce(core: Core, tensor: Tensor<"float32">, options: ExpandOptions, terms: number): Expansion {
  const { bits, digits = "signed", group, zeroPoint = false, outliers = 0 } = options;
  checkSeries(bits, terms, digits, LARGEST_EXPANSION);
  const rank = tensor.dims.length;
  const axis = rank === 0 ? 0 : normalizeAxis(options.axis ?? 0, rank);
  const perTensor = options.axis === undefined && group === undefined;
  const length = tensor.size / Math.max(tensor.dims[axis] ?? 1, 1);
  if (group !== undefined && !(Number.isInteger(group) && group > 0 && length % group === 0)) {
    throw new RangeError(`"group" expected a divisor of the ${length} elements of a row, got ${shown(group)}`);
  }
  const columns = group ?? length;
  const rows = columns === 0 ? (tensor.dims[axis] ?? 1) : tensor.size / columns;
  const how = { name: "tensor", axis, bits, terms, digits, perTensor };
  const data = toRows(tensor.data, tensor.dims, axis);
  const wide = terms > largestTerms(bits, digits);
  if (outliers !== 0 && (wide || zeroPoint || digits === "unsigned")) {
    const beside = wide
      ? "more than 16 bits"
      : zeroPoint
        ? "zero points"
        : "unsigned digits, whose range follows the largest weights";
    throw new RangeError(`"outliers" expected 0 with ${beside}, got ${outliers}`);
  }
  if (wide || zeroPoint) {
    const made = latticeRows(data, rows, columns, how);
    if (made === undefined) throw notFinite(tensor, how.name);
    return new Expansion(tensor, how, rows, made);
  }
  const expanded = (some: Float32Array, own: number): Expansion =>
    new Expansion(tensor, how, rows, expandInRows(core, tensor, some, rows, { ...how, outliers: own }));
  if (outliers !== "auto") return expanded(data, outliers);
  if (!data.every(Number.isFinite)) throw notFinite(tensor, how.name);
  const { dense, indices } = withoutOutliers(data, perTensor ? data.length : columns, largestQ(bits, terms, digits));
  const series = expanded(dense, 0);
  return indices.length === 0 ? series : withSparse(series, data, indices, how);
}

/** The elements with each row clipped at the threshold that pays, and where they were clipped. */
function withoutOutliers(data: Float32Array, columns: number, q: number): { dense: Float32Array; indices: number[] } {
  const dense = data.slice();
  const indices: number[] = [];
  for (let from = 0; from < data.length; from += columns) {
    const { threshold } = chooseOutliers(data.subarray(from, from + columns), largestOutlierRatio(q));
    for (let e = from; e < from + columns; e++) {
      if (Math.abs(data[e]!) <= threshold) continue;
      indices.push(e);
      dense[e] = Math.sign(data[e]!) * threshold;
    }
  }
  return { dense, indices };
}

/** The series of the clipped elements with what they were clipped by as its sparse part, on the lattice of their rows. */
function withSparse(series: Expansion, data: Float32Array, indices: readonly number[], how: WeightOptions): Expansion {
  const fused = fuse(series);
  const { rows, columns, scales, planes } = series;
  const values = indices.map((e) => nearestEven(data[e]! / scales[Math.floor(e / columns)]!) - fused[e]!);
  indices.forEach((e, i) => {
    fused[e] = fused[e]! + values[i]!;
  });
  let [squaredError, squaredWeights] = [0, 0];
  for (const [e, w] of data.entries()) {
    squaredError += (w - scales[Math.floor(e / columns)]! * fused[e]!) ** 2;
    squaredWeights += w * w;
  }
  const beyond = values.reduce((sum, v) => sum + Math.abs(v), 0);
  return new Expansion(series.source, how, rows, {
    ...{ scales, planes, squaredError, squaredWeights },
    sparse: { indices: Uint32Array.from(indices), values: Int16Array.from(values) },
    largestL1: series.largestL1 + beyond,
    largestSum: series.largestSum + beyond,
  });
}

/** What to throw for weights that hold NaN or infinity. */
export function notFinite({ data, dims }: Tensor<"float32">, name: string): BitbasisError {
  const at = data.findIndex((w) => !Number.isFinite(w));
  return new BitbasisError("MODEL", `weights "${name}" [${dims}] hold ${data[at]} at element ${at}`);
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.type === "float32";
}
