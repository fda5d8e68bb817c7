import { type Core, type MakeCore, newCore, Turns } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import type { Model } from "../model/index.ts";
import {
  areFinite,
  cutWidth,
  expandWeights,
  gridWidth,
  isFloat,
  isRounded,
  LARGEST_WIDTH,
  type LayerPlan,
  type MeasuredSeries,
  notFinite,
  type Plan,
  type Preset,
  type RoundOptions,
  roundingRows,
  type WeightSeries,
  weightWidth,
  widthOf,
} from "../series/index.ts";
import { sizeOf } from "../tensor/index.ts";
import { roundBlockInputs } from "./block-activations.ts";
import type { Fitting } from "./fitting.ts";
import {
  type FloatNode,
  floatNodes,
  type LinearNode,
  linearNodes,
  readsTable,
  type Table,
  tablesOf,
} from "./linear.ts";
import type { QuantizeOptions } from "./options.ts";
import { planLayers, type ReasonedPlan } from "./plan.ts";
import { readersOf } from "./readers.ts";
import type { WidePlan } from "./wide.ts";

/** What became of one linear layer. */
export interface QuantizedLayer {
  /** The node, and what the network's structure says of it. */
  readonly linear: LinearNode;
  /** What was done, with the reason where it is not the default. */
  readonly plan: ReasonedPlan;
  /** The expansion of its weights; absent in float32 and for products of two activations. */
  readonly expansion?: MeasuredSeries;
  /** Whether its weights are further terms of those of a layer before it. */
  readonly continues?: true;
}

/** What became of a table that rows are looked up in. */
export interface QuantizedTable {
  readonly table: Table;
  readonly expansion: MeasuredSeries;
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
  options: QuantizeOptions & { readonly fitting?: Fitting; readonly isUnmeasured?: boolean } = {},
  makeCore: MakeCore = newCore,
): Promise<{
  /** The graph with its series: what a container holds. */
  model: Model;
  /** One per linear layer, in the order in which they run. */
  layers: QuantizedLayer[];
  /** Tables that rows are looked up in; empty where the plan leaves them in float32. */
  tables: QuantizedTable[];
  /** Linear nodes that stay in float32 whatever the plan says, and why. */
  floats: FloatNode[];
}> {
  const { onProgress, signal, fitting, isUnmeasured = false } = options;
  signal?.throwIfAborted();
  const core = await makeCore();
  const whole = linearNodes(given);
  const turns = new Turns(signal);
  for (const { weights } of whole) if (weights !== undefined) await turns.run(checkFinite(weights));
  const { plan, preset, layers } = planLayers(core, whole, options);
  const grouped = await inGroups(given, whole, fittable(whole, layers, fitting));
  const nodesOf = (graph: Graph) => (graph === given ? whole : linearNodes(graph));
  const { graph: cut, planned, expansions, further } = await widened(grouped, nodesOf(grouped.graph), signal);
  const graph = withoutUnread(cut, given);
  const linear = nodesOf(graph);
  const shared = shareWeights(linear, planned);
  const { tables: tableBits = 0 } = plan;
  if (preset !== undefined) strengthenTables(core, graph, shared, tableBits);
  const found = tableBits === 0 ? [] : tablesOf(graph);
  for (const table of found) await turns.run(checkFinite(table));
  const sizes = [...[...shared.values()].map(({ weights }) => weights.tensor.size), ...found.map((t) => t.tensor.size)];
  const total = 4 * sizes.reduce((sum, size) => sum + size, 0);

  let loaded = 0;
  const next = async (size: number, work: Iterator<undefined, MeasuredSeries, void>): Promise<MeasuredSeries> => {
    await turns.next();
    const made = await turns.run(work);
    loaded += 4 * size;
    onProgress?.({ phase: "quantize", loaded, total });
    return made;
  };
  for (const [name, entry] of shared) {
    if (expansions.has(name)) continue;
    expansions.set(name, await next(entry.weights.tensor.size, expandLayer(core, name, entry, fitting, isUnmeasured)));
  }
  const tables: QuantizedTable[] = [];
  for (const table of found) {
    const { name, tensor } = table;
    const width = Math.min(tableBits, gridWidth(core, tensor, 0) ?? tableBits);
    const how = { ...tableRounding(name, width), isUnmeasured };
    tables.push({ table, expansion: await next(tensor.size, roundingRows(core, tensor, how)) });
  }

  const expanded = linear.map((entry): QuantizedLayer => {
    const asked = planned.get(entry.node.name)!;
    if (entry.weights === undefined || asked.weightTerms === 0) return { linear: entry, plan: asked };
    const expansion = expansions.get(entry.weights.name);
    if (expansion === undefined || expansion.axis !== entry.weights.axis) {
      const reason = `float32: "${entry.weights.name}" is shared along another axis`;
      return { linear: entry, plan: { ...asked, weightTerms: 0, activationTerms: 0, reason } };
    }
    const { terms: weightTerms } = expansion;
    const width = isRounded(asked) ? { weightBits: widthOf(expansion) } : {};
    const continues = further.has(expansion.name);
    return { linear: entry, plan: { ...asked, weightTerms, ...width }, expansion, ...(continues && { continues }) };
  });
  const model = assemble(graph, plan, preset, expanded, tables);
  return { model, layers: expanded, tables, floats: floatNodes(graph) };
}

/** Layers whose plan asks for groups, cut; the code for it loads when there are such. */
async function inGroups(
  graph: Graph,
  linear: readonly LinearNode[],
  planned: ReadonlyMap<string, ReasonedPlan>,
): Promise<Pick<WidePlan, "graph" | "planned">> {
  const isInGroups = ({ granularity }: LayerPlan) => typeof granularity === "object";
  if (![...planned.values()].some(isInGroups)) return { graph, planned };
  const { cutIntoGroups } = await import("./groups.ts");
  return cutIntoGroups(graph, linear, planned);
}

/** Layers whose weights have more than 16 bits, cut; the code for it loads when there are such. */
async function widened(
  { graph, planned }: Pick<WidePlan, "graph" | "planned">,
  linear: readonly LinearNode[],
  signal: AbortSignal | undefined,
): Promise<WidePlan> {
  const isWide = ({ bits, weightTerms }: LayerPlan) => bits * weightTerms > LARGEST_WIDTH;
  if (![...planned.values()].some(isWide)) return { graph, planned, expansions: new Map(), further: new Set() };
  const { cutWide } = await import("./wide.ts");
  return cutWide(graph, linear, planned, signal);
}

/** Without the weights of layers that have been cut, where nothing else reads them. */
function withoutUnread(cut: Graph, given: Graph): Graph {
  if (cut === given) return given;
  const readers = readersOf(cut);
  const outputs = new Set(cut.outputs.map(({ name }) => name));
  const before = readersOf(given);
  const initializers = [...cut.initializers].filter(
    ([name]) => readers.has(name) || outputs.has(name) || !before.has(name),
  );
  return { ...cut, initializers: new Map(initializers) };
}

/** The series of one initializer under the plan of its layers, in pieces where it is rounded row by row. */
function* expandLayer(
  core: Core,
  name: string,
  { weights, layer, linear }: SharedWeights,
  fitting: Fitting | undefined,
  isUnmeasured: boolean,
): Generator<undefined, MeasuredSeries> {
  const { tensor, axis } = weights;
  const { bits, weightTerms: terms, digits = "signed", granularity, outliers = 0 } = layer;
  if (!isRounded(layer)) {
    return expandWeights(core, tensor, {
      name,
      axis,
      bits,
      terms,
      digits,
      perTensor: granularity === "tensor",
      outliers,
    });
  }
  const how = { ...roundingOf(linear, layer), isUnmeasured };
  return fitting?.has(name, how.width) && layer.rounding === "fitted"
    ? fitting.round(tensor, how)
    : yield* roundingRows(core, tensor, how);
}

/** What cannot be fitted is rounded as weights alone allow. */
function fittable(
  linear: readonly LinearNode[],
  layers: ReadonlyMap<string, ReasonedPlan>,
  fitting: Fitting | undefined,
): ReadonlyMap<string, ReasonedPlan> {
  const plans = new Map(layers);
  for (const { node, weights, centred } of linear) {
    const plan = plans.get(node.name)!;
    if (plan.rounding !== "fitted" || fitting?.has(weights?.name ?? "", weightWidth(plan))) continue;
    plans.set(node.name, { ...plan, rounding: centred ? "nearest" : "squant" });
  }
  return plans;
}

/** How the rows of a layer are rounded under a plan. */
export function roundingOf({ weights, nonNegative, centred }: LinearNode, layer: LayerPlan): RoundOptions {
  const { name, axis, tensor } = weights!;
  const convolution = tensor.dims.length > 2;
  return {
    ...{ name, axis, bits: layer.bits, width: weightWidth(layer), zeroPoint: layer.zeroPoint ?? false },
    flips: layer.rounding === "squant" || (layer.rounding === "fitted" && !centred),
    taps: convolution ? sizeOf(tensor.dims.slice(1, -1)) : 1,
    // Errors of clipped weights are biased, which inputs with a mean see: clip less.
    power: convolution || nonNegative ? 3 : 2,
  };
}

/** How the rows of a table that is looked up are rounded. */
export function tableRounding(name: string, width: number): RoundOptions {
  return { name, axis: 0, bits: 4, width, zeroPoint: true, flips: false, taps: 1, power: 2 };
}

/** Elements that are looked at between two turns: a millisecond or two. */
const LOOKED_AT = 2 ** 20;

/** Layers that stay in float32 would pass NaN on to every answer; those with a series could not be expanded. */
function* checkFinite({ name, tensor }: Pick<Table, "name" | "tensor">): Generator<undefined, void> {
  for (let from = 0; from < tensor.size; from += LOOKED_AT, yield)
    if (!areFinite(tensor, from, Math.min(from + LOOKED_AT, tensor.size))) throw notFinite(tensor, name);
}

interface SharedWeights {
  readonly weights: NonNullable<LinearNode["weights"]>;
  layer: LayerPlan;
  /** The first of the layers. */
  readonly linear: LinearNode;
}

/** One plan per initializer that gets a series. */
function shareWeights(
  linear: readonly LinearNode[],
  planned: ReadonlyMap<string, ReasonedPlan>,
): Map<string, SharedWeights> {
  const shared = new Map<string, SharedWeights>();
  for (const entry of linear) {
    const { node, weights } = entry;
    const layer = planned.get(node.name)!;
    if (weights === undefined || layer.weightTerms === 0) continue;
    const other = shared.get(weights.name);
    if (other === undefined) shared.set(weights.name, { weights, layer, linear: entry });
    else if (weightWidth(other.layer) < weightWidth(layer)) other.layer = layer;
  }
  return shared;
}

/** Rows of a table that are looked up are not averaged over as sums of products are: a preset gives them the bits of its tables at least, or those of their grid. */
function strengthenTables(core: Core, graph: Graph, shared: ReadonlyMap<string, SharedWeights>, bits: number): void {
  const readers = readersOf(graph);
  for (const [name, weights] of shared) {
    const isTable = readers.get(name)?.some((node) => readsTable(node, name)) ?? false;
    const { layer } = weights;
    if (!isTable || weightWidth(layer) >= bits) continue;
    const { tensor, axis } = weights.weights;
    const weightBits = Math.min(bits, gridWidth(core, tensor, axis) ?? bits);
    weights.layer = { ...layer, weightTerms: cutWidth(weightBits, layer.bits).terms, weightBits };
  }
}

function assemble(
  graph: Graph,
  plan: Plan,
  preset: Preset | undefined,
  layers: readonly QuantizedLayer[],
  tables: readonly QuantizedTable[],
): Model {
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
  for (const { table, expansion } of tables) {
    weights.set(table.name, plainSeries(expansion));
    initializers.delete(table.name);
  }
  return {
    graph: roundBlockInputs({ ...graph, initializers }, plan),
    weights,
    layers: plans,
    plan,
    ...(preset === undefined ? {} : { preset }),
  };
}

/** A series without the float weights that it was made from, so that they can be freed. */
function plainSeries({ source: _, ...series }: MeasuredSeries): WeightSeries {
  return series;
}
