import type { Shape, Tensor } from "../tensor/index.ts";
import { type DigitSystem, largestTail } from "./digits.ts";
import type { ExpandedRows } from "./kernels.ts";
import { checkTerms, type SparsePart, type WeightSeries } from "./weights.ts";

/** What `expandWeights` needs to know beside the tensor. */
export interface WeightOptions {
  /** Of the initializer. */
  readonly name: string;
  /** Axis of the output channels. */
  readonly axis: number;
  /** X, bits of one term, 2 … 8. */
  readonly bits: number;
  /** k, terms of the series, ≥ 1. */
  readonly terms: number;
  /** Bits of the last term, where they are fewer. */
  readonly lastBits?: number;
  /** Default "signed". */
  readonly digits?: DigitSystem;
  /** One scale for the whole tensor instead of one per output channel. */
  readonly perTensor?: boolean;
  /** Fraction of the weights kept in the sparse part, 0 … 1. */
  readonly outliers?: number;
}

/** A series of a tensor with how far off it is: what quantization asks for. */
export class MeasuredSeries implements WeightSeries {
  readonly name: string;
  readonly shape: Shape;
  readonly axis: number;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly terms: number;
  readonly lastBits?: number;
  readonly digits: DigitSystem;
  readonly scales: Float32Array;
  readonly zeros?: Int32Array;
  readonly sparse?: SparsePart;
  readonly planes: readonly Uint8Array[];
  readonly largestL1: number;
  readonly largestSum: number;
  /** √(Σ(w − ŵ)² / Σw²) with all terms; 0 for a tensor of zeros. */
  readonly relativeError: number;
  private readonly largestMiss: number;

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
    if (options.lastBits !== undefined && options.lastBits !== options.bits) this.lastBits = options.lastBits;
    this.digits = options.digits ?? "signed";
    this.scales = expanded.scales;
    if (expanded.zeros !== undefined) this.zeros = expanded.zeros;
    if (expanded.sparse !== undefined) this.sparse = expanded.sparse;
    this.planes = expanded.planes;
    this.largestL1 = expanded.largestL1;
    this.largestSum = expanded.largestSum;
    const { squaredError, squaredWeights } = expanded;
    this.largestMiss = expanded.largestMiss ?? 0.5 * this.largestScale;
    this.relativeError = squaredWeights > 0 ? Math.sqrt(squaredError / squaredWeights) : 0;
  }

  /**
   * A bound on every |element| of `residual(terms)`: s/2 for the rounding (where rows are clipped or flipped, their largest error) and the largest value
   * of the digits that are left out, s the largest scale. It falls by 2^X per term (of signed and odd digits).
   *
   * @param terms - 1 … k, default all
   */
  bound(terms: number = this.terms): number {
    checkTerms(this, terms);
    return (
      this.largestMiss + largestTail(this.bits, this.terms - terms, this.digits, this.lastBits) * this.largestScale
    );
  }

  private get largestScale(): number {
    return this.scales.reduce((most, s) => Math.max(most, s), 0);
  }
}
