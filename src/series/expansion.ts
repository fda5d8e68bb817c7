import { BitbasisError, Core, chooseBuild } from "../core/index.ts";
import { normalizeAxis, type Shape, sizeOf, Tensor } from "../tensor/index.ts";
import { checkSeries, type DigitSystem, largestTail, largestTerms } from "./digits.ts";
import { type ExpandedRows, expandRows } from "./kernels.ts";
import { checkTerms, digitsOf, fromRows, fuse, type SparsePart, toRows, type WeightSeries } from "./weights.ts";

/** What `expandWeights` needs to know beside the tensor. */
export interface WeightOptions {
  readonly name: string;
  /** Axis of the output channels. */
  readonly axis: number;
  readonly bits: number;
  readonly terms: number;
  readonly digits?: DigitSystem;
  /** One scale for the whole tensor instead of one per output channel. */
  readonly perTensor?: boolean;
  /** Fraction of the weights kept in the sparse part, 0 … 1. */
  readonly outliers?: number;
}

/**
 * A tensor as a low-bit series M = M_sa + s·(Σ_i D_i B^(k−i) − zero), with what it costs to stop early.
 *
 * Source: FP=xINT (arXiv 2412.06865), tensor expansion; the digits are those of one wide rounding, because the recurrence printed there
 * does not converge.
 */
export class Expansion implements WeightSeries {
  readonly name: string;
  readonly shape: Shape;
  readonly axis: number;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly terms: number;
  readonly digits: DigitSystem;
  readonly scales: Float32Array;
  readonly zeros?: Int32Array;
  readonly sparse?: SparsePart;
  readonly planes: readonly Uint8Array[];
  readonly largestL1: number;
  readonly largestSum: number;
  /** √(Σ(w − ŵ)² / Σw²) with all terms; 0 for a tensor of zeros. */
  readonly relativeError: number;

  constructor(
    /** The expanded tensor itself. */
    readonly source: Tensor<"float32">,
    options: WeightOptions,
    rows: number,
    expanded: ExpandedRows,
  ) {
    this.name = options.name;
    this.shape = source.dims;
    this.axis = options.axis;
    this.rows = rows;
    this.columns = rows === 0 ? 0 : source.size / rows;
    this.bits = options.bits;
    this.terms = options.terms;
    this.digits = options.digits ?? "signed";
    this.scales = expanded.scales;
    if (expanded.zeros !== undefined) this.zeros = expanded.zeros;
    if (expanded.sparse !== undefined) this.sparse = expanded.sparse;
    this.planes = expanded.planes;
    this.largestL1 = expanded.largestL1;
    this.largestSum = expanded.largestSum;
    const { squaredError, squaredWeights } = expanded;
    this.relativeError = squaredWeights > 0 ? Math.sqrt(squaredError / squaredWeights) : 0;
  }

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
   * A bound on every |element| of `residual(terms)`: s/2 for the rounding and the largest value of the digits that are left out,
   * s the largest scale. It falls by 2^X per term (of signed and odd digits).
   *
   * @param terms - 1 … k, default all
   */
  bound(terms: number = this.terms): number {
    checkTerms(this, terms);
    const steps = 0.5 + largestTail(this.bits, this.terms - terms, this.digits);
    return steps * this.scales.reduce((most, s) => Math.max(most, s), 0);
  }

  private sum(terms: number): Float64Array {
    const fused = fuse(this, terms);
    const values = new Float64Array(fused.length);
    for (let r = 0, e = 0; r < this.rows; r++) {
      for (const end = e + this.columns; e < end; e++) values[e] = this.scales[r]! * fused[e]!;
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
export function expandWeights(core: Core, tensor: Tensor<"float32">, options: WeightOptions): Expansion {
  const { name, bits, terms, digits = "signed", outliers = 0 } = options;
  checkSeries(bits, terms, digits);
  if (!(outliers >= 0 && outliers < 1)) throw new RangeError(`"outliers" expected number in 0..1, got ${outliers}`);
  if (outliers > 0 && digits === "unsigned") {
    throw new RangeError('"outliers" expected 0 with unsigned digits, whose range follows the largest weights');
  }
  const axis = tensor.dims.length === 0 ? 0 : normalizeAxis(options.axis, tensor.dims.length);
  const rows = tensor.dims[axis] ?? 1;
  const columns = sizeOf(tensor.dims) / Math.max(rows, 1);
  const data = toRows(tensor.data, tensor.dims, axis);
  const perTensor = options.perTensor ?? false;
  const expanded = expandRows(core, data, rows, columns, { bits, terms, digits, perTensor, outliers });
  if (expanded === undefined) {
    const at = tensor.data.findIndex((w) => !Number.isFinite(w));
    throw new BitbasisError("MODEL", `weights "${name}" [${tensor.dims}] hold ${tensor.data[at]} at element ${at}`);
  }
  return new Expansion(tensor, { ...options, axis }, rows, expanded);
}

export interface ExpandOptions {
  /** X, bits of one term, 2 … 8. */
  readonly bits: number;
  /** k, terms; bits·terms ≤ 16 (15 for unsigned digits). Give this or `tolerance`. */
  readonly terms?: number;
  /** Largest |error| of an element that is allowed: the fewest terms that keep it are taken. */
  readonly tolerance?: number;
  /** Default "signed", whose series can be cut anywhere. */
  readonly digits?: DigitSystem;
  /** One scale per index of this axis; default one for the tensor. */
  readonly axis?: number;
  /** Fraction of the elements kept beside the digits, 0 … 1; default 0. */
  readonly outliers?: number;
}

/**
 * Expands a tensor into a series of low-bit integer tensors with a common scale, without any data but the tensor.
 *
 * @returns its `bound(n)` proves what the first n terms miss
 * @throws TypeError when the tensor is not float32, RangeError when options do not fit or the tolerance cannot be kept with 16 bits,
 *   BitbasisError MODEL when an element is NaN or infinite
 * @example
 * const tensor = new Tensor(new Float32Array([0.5, -1, 0.25, 1]), [2, 2]);
 * const series = await expand(tensor, { bits: 4, terms: 3, axis: 0 });
 * series.reconstruct(1).data; // the coarse first term
 * series.bound(); // at most 1/(2·1911)
 */
export async function expand(tensor: Tensor, options: ExpandOptions): Promise<Expansion> {
  if (!isFloat32(tensor)) throw new TypeError(`"tensor" expected float32, got ${tensor.type}`);
  const { bits, terms, tolerance, digits = "signed", axis = 0, outliers = 0 } = options;
  const core = await Core.create(chooseBuild("auto"));
  const weights = { name: "tensor", axis, bits, digits, perTensor: options.axis === undefined, outliers };
  if (tolerance === undefined) {
    if (terms === undefined) throw new TypeError('"terms" or "tolerance" expected, got neither');
    return expandWeights(core, tensor, { ...weights, terms });
  }
  if (terms !== undefined) throw new TypeError('"terms" or "tolerance" expected, got both');
  if (!(tolerance > 0)) throw new RangeError(`"tolerance" expected number > 0, got ${tolerance}`);
  checkSeries(bits, 1, digits);
  let series = expandWeights(core, tensor, { ...weights, terms: 1 });
  for (let n = 2; series.bound() > tolerance && n <= largestTerms(bits, digits); n++) {
    series = expandWeights(core, tensor, { ...weights, terms: n });
  }
  if (series.bound() > tolerance) {
    throw new RangeError(
      `"tolerance" expected number ≥ ${series.bound()}, which ${series.terms} terms keep, got ${tolerance}`,
    );
  }
  return series;
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.type === "float32";
}
