import type { Graph } from "../graph/graph.ts";
import type { LayerPlan, WeightSeries } from "../series/index.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";

/** What is lowered: the graph after its passes, and the series of the weights that have one. */
export interface PlannedGraph {
  readonly graph: Graph;
  /** By initializer; such an initializer is absent from `graph.initializers`. */
  readonly weights: ReadonlyMap<string, WeightSeries>;
  /** By node; a linear node without an entry runs in float32. */
  readonly layers: ReadonlyMap<string, LayerPlan>;
}

/** Elements of a weight that is made ready in pieces: 64 MB of floats in one took up to 190 ms. */
const LARGE = 2 ** 21;

export function isLarge(weight: Tensor | WeightSeries | undefined): boolean {
  return weight !== undefined && sizeOf("dims" in weight ? weight.dims : weight.shape) >= LARGE;
}
