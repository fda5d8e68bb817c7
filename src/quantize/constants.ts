import { BadIndex, BitbasisError, type Core, type MakeCore, newCore } from "../core/index.ts";
import {
  channelsLast,
  foldConstants,
  type Graph,
  type Node,
  operatorOf,
  specialize,
  subgraphs,
} from "../graph/index.ts";
import { type EvaluationLimits, evaluateOnce } from "../program/evaluate-once.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";

/** What takes more memory, or more multiply-accumulates, is computed when the model runs. */
const ARENA_BYTES = 2 ** 30;
export const CONSTANT_WORK = 2 ** 33;
/** Results may be this large, or as large as the constants that they are made of: a folded graph should not be a larger file. */
const SMALL = 4096;

/**
 * The graph with its expressions of constants computed, also those that are not folded without the core because their last bits depend on the order
 * of sums or on a polynomial: the norms of weight normalization, exponentials, products. Layers then find their weights.
 *
 * @throws BitbasisError MODEL for an index of constants that lies outside of its axis; the reason of the signal
 */
export async function computeConstants(
  given: Graph,
  makeCore: MakeCore = newCore,
  macs = CONSTANT_WORK,
  signal?: AbortSignal,
): Promise<Graph> {
  const graph = foldConstants(given);
  const part = constantPart(graph);
  if (part === undefined) return graph;
  const limits = { bytes: ARENA_BYTES, work: Math.min(CONSTANT_WORK, macs) };
  const computed = await evaluated(await makeCore(), part, limits, signal);
  const nodes = graph.nodes.filter((node) => !node.outputs.some((name) => computed.has(name)));
  return foldConstants({ ...graph, nodes, initializers: new Map([...graph.initializers, ...computed]) });
}

/** The nodes whose inputs are all constant as a graph, whose outputs are what the other nodes read of it; undefined when there are none. */
function constantPart(graph: Graph): Graph | undefined {
  const fed = new Set(graph.inputs.map(({ name }) => name));
  const known = new Set([...graph.initializers.keys()].filter((name) => !fed.has(name)));
  const nodes: Node[] = [];
  const made = new Set<string>();
  const wanted = new Set<string>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.filter((name) => name !== "");
    const single = node.outputs.length === 1 && inputs.length > 0 && subgraphs(node).length === 0;
    if (single && operatorOf(node)?.random !== true && inputs.every((name) => known.has(name))) {
      known.add(node.outputs[0]!);
      made.add(node.outputs[0]!);
      nodes.push(node);
    } else for (const name of inputs) if (made.has(name)) wanted.add(name);
  }
  return wanted.size === 0 ? undefined : withOutputs({ ...graph, inputs: [], nodes }, wanted);
}

function withOutputs(graph: Graph, names: ReadonlySet<string>): Graph {
  return { ...graph, outputs: [...names].map((name) => ({ name, type: "float32", shape: undefined })) };
}

async function evaluated(
  core: Core,
  part: Graph,
  limits: EvaluationLimits,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, Tensor>> {
  try {
    const kept = smallEnough(part);
    if (kept.size === 0) return new Map();
    const graph = channelsLast(foldConstants(withOutputs(part, kept)));
    return (await evaluateOnce(core, graph, limits, signal)) ?? new Map();
  } catch (error) {
    // The session that runs the model says what is wrong, together with what is wrong elsewhere; but an index of the model's own would fail every run.
    if (error instanceof BitbasisError && !(error.cause instanceof BadIndex)) return new Map();
    throw error;
  }
}

/** The outputs that are no larger than the constants that they are made of. */
function smallEnough(part: Graph): Set<string> {
  const { values } = specialize(part, {});
  const total = [...part.initializers.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const sources = new Map([...part.initializers].map(([name, { dims }]) => [name, sizeOf(dims)]));
  for (const { inputs, outputs } of part.nodes) {
    const sum = inputs.reduce((all, name) => all + (sources.get(name) ?? 0), 0);
    // What is read twice counts twice, but never for more than there is: concatenations cannot double without end.
    sources.set(outputs[0]!, Math.min(sum, total));
  }
  const names = part.outputs.map(({ name }) => name);
  // What comes after a shape that must be computed first has no shape yet, and is left to the session.
  return new Set(
    names.filter((name) => sizeOf(values.get(name)?.shape ?? [Infinity]) <= Math.max(SMALL, sources.get(name)!)),
  );
}
