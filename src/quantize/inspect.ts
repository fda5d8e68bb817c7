import { BitbasisError, checkBytes } from "../core/index.ts";
import {
  checkRuns,
  checkSupported,
  everyNode,
  type Graph,
  type KnownValue,
  type UnsupportedNode,
  unsupportedNodes,
  type ValueInfo,
} from "../graph/index.ts";
import { isContainer, knownWeights, type Model, readModel, totalTerms } from "../model/index.ts";
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import { loadOperators } from "../program/operators/chunks.ts";
import type { LayerPlan, Plan, Preset } from "../series/index.ts";
import { type Shape, sizeOf } from "../tensor/index.ts";
import { checkQuantizeOptions } from "./options.ts";
import { prepare } from "./quantize.ts";
import { seriesBytes } from "./report.ts";

/** What a model is made of, read without running it. */
export interface ModelSummary {
  /** What the bytes are: an ONNX file or a container. */
  readonly format: "onnx" | "bitbasis";
  /** Of the file. */
  readonly bytes: number;
  /** Of the graph, as the file gives it; may be empty. */
  readonly name: string;
  /** What a run is fed with: name, element type and shape. */
  readonly inputs: readonly ValueInfo[];
  /** What a run gives: name, element type and shape. */
  readonly outputs: readonly ValueInfo[];
  /** Version of each operator set by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Calls of each operator, `domain.op` outside of ONNX's own domain, those in bodies too; most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** Nodes whose operators cannot run; absent where `refused` came before they were looked at. */
  readonly unsupported?: readonly UnsupportedNode[];
  /** Why `InferenceSession.create` refuses the model; what depends on the sizes or elements of feeds is found out when it runs. */
  readonly refused?: string;
  /** Elements of all weights and constants. */
  readonly parameters: number;
  /** What follows is told of containers, whose digests have all been checked. */
  readonly preset?: Preset;
  /** By which the container was made. */
  readonly plan?: Plan;
  /** Terms of the longest series. */
  readonly terms?: number;
  /** Linear layers in the order in which they run. */
  readonly layers?: readonly LayerSummary[];
}

/** One linear layer of a container. */
export interface LayerSummary {
  /** Of the node. */
  readonly name: string;
  /** Operator of the node, such as `Conv`. */
  readonly op: string;
  /** Of the weights; absent for a product of two activations. */
  readonly shape?: Shape;
  /** What was done to the layer. */
  readonly plan: LayerPlan;
  /** Digits, scales, zero points and outliers; 0 for a product, and for weights that an earlier layer has counted. */
  readonly bytes: number;
}

/** What belongs to the model beside its file. */
export interface InspectOptions {
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
}

/**
 * Looks into an ONNX model or a container.
 *
 * @throws BitbasisError MODEL when the bytes are neither, or damaged: all digests of a container are checked
 * @example
 * const { inputs, operators } = await inspect(bytes);
 */
export async function inspect(bytes: Uint8Array, options: InspectOptions = {}): Promise<ModelSummary> {
  checkBytes("bytes", bytes);
  checkQuantizeOptions(options);
  if (isContainer(bytes)) return inspectModel(readModel(bytes), bytes.length);
  const graph = readOnnx(bytes, options);
  return { format: "onnx", bytes: bytes.length, ...(await summarize(graph)), parameters: elements(graph) };
}

async function inspectModel(model: Model, bytes: number): Promise<ModelSummary> {
  const { graph, weights, preset, plan } = model;
  const counted = new Set<string>();
  const layers = everyNode(graph).flatMap((node): LayerSummary[] => {
    const layer = model.layers.get(node.name);
    if (layer === undefined) return [];
    const about = { name: node.name, op: node.op, plan: layer };
    const series = weights.get(node.inputs[1] ?? "");
    if (series === undefined) return [{ ...about, bytes: 0 }];
    const fresh = !counted.has(series.name);
    counted.add(series.name);
    return [{ ...about, shape: series.shape, bytes: fresh ? seriesBytes(series) : 0 }];
  });
  let parameters = elements(graph);
  for (const [name, { shape }] of weights) if (!graph.initializers.has(name)) parameters += sizeOf(shape);
  return {
    ...{ format: "bitbasis", bytes, ...(await summarize(graph, knownWeights(model))), parameters },
    ...(preset === undefined ? {} : { preset }),
    ...{ plan, terms: totalTerms(model), layers },
  };
}

async function summarize(
  graph: Graph,
  weights: ReadonlyMap<string, KnownValue> = new Map(),
): Promise<Omit<ModelSummary, "format" | "bytes" | "parameters">> {
  const { name, inputs, outputs, opsets } = graph;
  const counts = new Map<string, number>();
  for (const { domain, op } of everyNode(graph)) {
    const key = domain === "" ? op : `${domain}.${op}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const operators = Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
  return { name, inputs, outputs, opsets, operators, ...(await verdict(graph, weights)) };
}

/** What a session would say of the model when it is created. */
async function verdict(
  graph: Graph,
  weights: ReadonlyMap<string, KnownValue>,
): Promise<Pick<ModelSummary, "unsupported" | "refused">> {
  let unsupported: readonly UnsupportedNode[] | undefined;
  try {
    const isPrepared = "bitbasis" in graph.opsets;
    if (isPrepared) await loadOperators(graph);
    const prepared = isPrepared ? graph : await prepare(graph);
    unsupported = unsupportedNodes(prepared);
    checkSupported(prepared);
    await checkRuns(prepared, weights);
    return { unsupported };
  } catch (error) {
    if (!(error instanceof BitbasisError)) throw error;
    return { ...(unsupported !== undefined && { unsupported }), refused: error.message };
  }
}

function elements(graph: Graph): number {
  let sum = 0;
  for (const { dims } of graph.initializers.values()) sum += sizeOf(dims);
  return sum;
}
