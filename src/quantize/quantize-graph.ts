import { BitbasisError, type MakeCore, newCore, yieldToEventLoop } from "../core/index.ts";
import type { Graph, Node } from "../graph/graph.ts";
import type { Model } from "../model/index.ts";
import {
  type Expansion,
  expandWeights,
  isFloat,
  type LayerPlan,
  type Plan,
  type Preset,
  type WeightSeries,
} from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { cutIntoGroups } from "./groups.ts";
import { type FloatNode, floatNodes, type LinearNode, linearNodes, readersOf } from "./linear.ts";
import type { QuantizeOptions } from "./options.ts";
import { planLayers, type ReasonedPlan } from "./plan.ts";

/** What became of one linear layer. */
export interface QuantizedLayer {
  readonly linear: LinearNode;
  readonly plan: ReasonedPlan;
  /** The expansion of its weights; absent in float32 and for products of two activations. */
  readonly expansion?: Expansion;
}

/**
 * Gives the linear layers of a prepared graph (folded, fused, channels-last) their series.
 *
 * Weights that several layers share get one series, with as many terms as the most demanding of them; where their channels run along
 * different axes, the later layers stay in float32. A table that Gather reads as well is stored once: Gather reads the series.
 *
 * @throws BitbasisError MODEL for NaN or infinite weights, RangeError for a plan that does not fit, the signal's reason when it aborts
 */
export async function expandGraph(
  given: Graph,
  options: QuantizeOptions = {},
  makeCore: MakeCore = newCore,
): Promise<{ model: Model; layers: QuantizedLayer[]; floats: FloatNode[] }> {
  const { onProgress, signal } = options;
  signal?.throwIfAborted();
  const core = await makeCore();
  const whole = linearNodes(given);
  for (const { weights } of whole) if (weights !== undefined) checkFinite(weights.name, weights.tensor);
  const { plan, preset, layers } = planLayers(core, whole, options);
  const { graph, planned } = cutIntoGroups(given, whole, layers);
  const linear = graph === given ? whole : linearNodes(graph);
  const shared = shareWeights(linear, planned);
  if (options.plan === undefined) strengthenTables(graph, shared);
  const total = [...shared.values()].reduce((sum, { weights }) => sum + 4 * weights.tensor.size, 0);

  const expansions = new Map<string, Expansion>();
  let loaded = 0;
  for (const [name, { weights, layer }] of shared) {
    await yieldToEventLoop();
    signal?.throwIfAborted();
    const { bits, weightTerms: terms, digits = "signed", granularity, outliers = 0 } = layer;
    const perTensor = granularity === "tensor";
    const how = { name, axis: weights.axis, bits, terms, digits, perTensor, outliers };
    expansions.set(name, expandWeights(core, weights.tensor, how));
    loaded += 4 * weights.tensor.size;
    onProgress?.({ phase: "quantize", loaded, total });
  }

  const expanded = linear.map((entry): QuantizedLayer => {
    const asked = planned.get(entry.node.name)!;
    if (entry.weights === undefined || asked.weightTerms === 0) return { linear: entry, plan: asked };
    const expansion = expansions.get(entry.weights.name);
    if (expansion === undefined || expansion.axis !== entry.weights.axis) {
      const reason = `float32: "${entry.weights.name}" is shared along another axis`;
      return { linear: entry, plan: { ...asked, weightTerms: 0, activationTerms: 0, reason } };
    }
    return { linear: entry, plan: { ...asked, weightTerms: expansion.terms }, expansion };
  });
  return { model: assemble(graph, plan, preset, expanded), layers: expanded, floats: floatNodes(graph) };
}

/** Layers that stay in float32 would pass NaN on to every answer; those with a series could not be expanded. */
function checkFinite(name: string, { data, dims }: Tensor<"float32">): void {
  const at = data.findIndex((v) => !Number.isFinite(v));
  if (at >= 0) throw new BitbasisError("MODEL", `weights "${name}" [${dims}] hold ${data[at]} at element ${at}`);
}

interface SharedWeights {
  readonly weights: NonNullable<LinearNode["weights"]>;
  layer: LayerPlan;
}

/** One plan per initializer that gets a series. */
function shareWeights(
  linear: readonly LinearNode[],
  planned: ReadonlyMap<string, ReasonedPlan>,
): Map<string, SharedWeights> {
  const shared = new Map<string, SharedWeights>();
  for (const { node, weights } of linear) {
    const layer = planned.get(node.name)!;
    if (weights === undefined || layer.weightTerms === 0) continue;
    const other = shared.get(weights.name);
    if (other === undefined) shared.set(weights.name, { weights, layer });
    else if (other.layer.weightTerms < layer.weightTerms) other.layer = layer;
  }
  return shared;
}

/** Whether the node looks up rows of a table, and nothing else of it. */
function readsTable(node: Node, name: string): boolean {
  return (
    `${node.domain}/${node.op}` === "/Gather" && node.inputs.indexOf(name) === 0 && node.inputs.lastIndexOf(name) === 0
  );
}

/** Rows of a table that are looked up are not averaged over as sums of products are: a preset gives them two terms at least. */
function strengthenTables(graph: Graph, shared: ReadonlyMap<string, SharedWeights>): void {
  const readers = readersOf(graph);
  for (const [name, weights] of shared) {
    const isTable = readers.get(name)?.some((node) => readsTable(node, name)) ?? false;
    if (isTable && weights.layer.weightTerms < 2) weights.layer = { ...weights.layer, weightTerms: 2 };
  }
}

function assemble(graph: Graph, plan: Plan, preset: Preset | undefined, layers: readonly QuantizedLayer[]): Model {
  const weights = new Map<string, WeightSeries>();
  const plans = new Map<string, LayerPlan>();
  const served = new Map<string, Set<string>>();
  for (const { linear, plan: layer, expansion } of layers) {
    if (isFloat(layer)) continue;
    const { reason: _, ...rest } = layer as ReasonedPlan;
    plans.set(linear.node.name, rest);
    if (expansion === undefined) continue;
    weights.set(expansion.name, plainSeries(expansion));
    const nodes = served.get(expansion.name) ?? new Set();
    served.set(expansion.name, nodes.add(linear.node.name));
  }
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map((output) => output.name));
  const initializers = new Map(graph.initializers);
  for (const [name, nodes] of served) {
    const all = (readers.get(name) ?? []).every(
      (node) => readsTable(node, name) || (nodes.has(node.name) && node.inputs.indexOf(name) === 1),
    );
    if (all && !outputs.has(name)) initializers.delete(name);
  }
  return {
    graph: { ...graph, initializers },
    weights,
    layers: plans,
    plan,
    ...(preset === undefined ? {} : { preset }),
  };
}

/** A series without the float weights that it was made from, so that they can be freed. */
function plainSeries(e: Expansion): WeightSeries {
  const {
    name,
    shape,
    axis,
    rows,
    columns,
    bits,
    terms,
    digits,
    scales,
    zeros,
    sparse,
    planes,
    largestL1,
    largestSum,
  } = e;
  return {
    ...{ name, shape, axis, rows, columns, bits, terms, digits, scales },
    ...(zeros === undefined ? {} : { zeros }),
    ...(sparse === undefined ? {} : { sparse }),
    ...{ planes, largestL1, largestSum },
  };
}
