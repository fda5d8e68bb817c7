import type { Graph, KnownValue } from "../graph/graph.ts";
import type { LayerPlan, Plan, Preset, WeightSeries } from "../series/index.ts";

/** A network ready to be lowered: what a container holds. */
export interface Model {
  /** Folded, fused, channels-last. Initializers that have a series are not among its initializers. */
  readonly graph: Graph;
  /** By initializer. */
  readonly weights: ReadonlyMap<string, WeightSeries>;
  /** By node; a linear node without an entry runs in float32. */
  readonly layers: ReadonlyMap<string, LayerPlan>;
  /** What was asked for, with the reasons of every exception. */
  readonly plan: Plan;
  /** Where the plan came from, when it was a preset. */
  readonly preset?: Preset;
}

/** Types and shapes of the weights that are series. */
export function knownWeights({ weights }: Pick<Model, "weights">): Map<string, KnownValue> {
  return new Map([...weights].map(([name, { shape }]) => [name, { type: "float32", shape }]));
}

/** Terms of the longest series of a model; 0 when everything is float32. */
export function totalTerms(model: Model): number {
  let terms = 0;
  for (const series of model.weights.values()) terms = Math.max(terms, series.terms);
  return terms;
}

/**
 * The same model with at most `terms` weight terms loaded: what a stream has after that many.
 *
 * @throws RangeError unless terms is an integer ≥ 1
 */
export function limitTerms(model: Model, terms: number): Model {
  if (!Number.isInteger(terms) || terms < 1) throw new RangeError(`"terms" expected integer ≥ 1, got ${terms}`);
  const weights = new Map<string, WeightSeries>();
  for (const [name, series] of model.weights) {
    weights.set(name, { ...series, planes: series.planes.slice(0, terms) });
  }
  return { ...model, weights };
}
