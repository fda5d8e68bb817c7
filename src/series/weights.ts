import type { Shape } from "../tensor/index.ts";

export type DigitSystem = "signed" | "odd" | "mixed" | "unsigned";

/**
 * A weight tensor as a series: w ≈ s_r · (Q − zero_r), Q = Σ_i D_i · B^(k−i), digits most significant first.
 * Rows are output channels; the elements of a row keep the order of the tensor (OHWI for a channels-last convolution,
 * K for a MatMul weight [K, N], whose rows are its columns).
 */
export interface WeightSeries {
  /** Name of the initializer. */
  readonly name: string;
  readonly shape: Shape;
  /** Axis of the output channels in `shape`. */
  readonly axis: number;
  readonly rows: number;
  /** Elements of one row. */
  readonly columns: number;
  /** X: bits of one digit. */
  readonly bits: number;
  /** k: terms of the whole series. */
  readonly terms: number;
  readonly digits: DigitSystem;
  /** s: the finest scale of each row, f32. */
  readonly scales: Float32Array;
  /** Integer zero point of each row on the finest lattice; absent when all are 0. */
  readonly zeros?: Int32Array;
  /** Digit planes, most significant first; each packs rows·columns digits of X bits, little-endian within bytes. Shorter than `terms` while loading. */
  readonly planes: readonly Uint8Array[];
  /** Largest Σ|Q − zero| of a row over all prefixes of the series: what the accumulator width is proved from. */
  readonly largestL1: number;
}
