import type { DigitSystem } from "./weights.ts";

/** How one linear layer is expanded. */
export interface LayerPlan {
  /** X, bits of one term, 2…8. */
  readonly bits: number;
  /** Terms of the weights; 0 leaves the layer in float32. bits·terms ≤ 16. */
  readonly weightTerms: number;
  /** Terms of the activations; 0 leaves the layer in float32. */
  readonly activationTerms: number;
  readonly digits?: DigitSystem;
  readonly granularity?: "tensor" | "channel" | { readonly group: number };
  /** Fraction of weights kept in the sparse part. */
  readonly outliers?: number;
  readonly pairs?: "all" | { readonly upTo: number } | readonly (readonly [number, number])[];
}

export interface Plan {
  readonly version: 1;
  readonly default: LayerPlan;
  /** By name of the node or of its weight initializer. */
  readonly layers?: Readonly<Record<string, LayerPlan & { readonly reason?: string }>>;
}

export type Preset = "float32" | "faithful" | "fast" | "compact";
