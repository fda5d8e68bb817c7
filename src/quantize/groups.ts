import { everyBody, type Graph, type Node } from "../graph/index.ts";
import { sizeOf, Tensor } from "../tensor/index.ts";
import type { LinearNode } from "./linear.ts";
import type { ReasonedPlan } from "./plan.ts";
import { type PartialProduct, sumOfProducts } from "./sum-of-products.ts";

/** A node that is cut, and into what. */
interface Cut {
  readonly weights: NonNullable<LinearNode["weights"]>;
  /** Of the weights: the one along which the products add up. */
  readonly axis: number;
  readonly group: number;
  readonly extent: number;
}

/**
 * Cuts the layers whose plan asks for groups of input channels into one layer per group, whose float32 results are added in ascending order,
 * then the bias, then the activation. Each piece is an ordinary layer with scales, and ranges of its activations, of its own.
 *
 * Convolutions that have groups already, and layers other than convolutions and matrix products, are left whole.
 *
 * @returns the graph, and the plans of its layers by node
 */
export function cutIntoGroups(
  graph: Graph,
  linear: readonly LinearNode[],
  planned: ReadonlyMap<string, ReasonedPlan>,
): { readonly graph: Graph; readonly planned: ReadonlyMap<string, ReasonedPlan> } {
  const cuts = new Map<string, Cut>();
  for (const entry of linear) {
    const cut = cutOf(entry, planned.get(entry.node.name)!);
    if (cut !== undefined) cuts.set(entry.node.name, cut);
  }
  if (cuts.size === 0) return { graph, planned };
  const initializers = new Map(graph.initializers);
  const plans = new Map(planned);
  const cutNode = (node: Node): readonly Node[] => {
    const cut = cuts.get(node.name);
    if (cut === undefined) return [node];
    const { nodes, pieces } = pieceByPiece(node, cut, initializers);
    const plan = plans.get(node.name)!;
    plans.delete(node.name);
    for (const piece of pieces) plans.set(piece, { ...plan, granularity: "channel" });
    return nodes;
  };
  const made = everyBody(graph, (one) => ({ ...one, nodes: one.nodes.flatMap(cutNode) }));
  return { graph: { ...made, initializers }, planned: plans };
}

function cutOf({ node, kind, weights }: LinearNode, { granularity, weightTerms }: ReasonedPlan): Cut | undefined {
  if (typeof granularity !== "object" || weights === undefined || weightTerms === 0 || kind === "depthwise")
    return undefined;
  if ((node.attributes["group"] ?? 1) !== 1) return undefined;
  const { dims } = weights.tensor;
  const isMatrix = node.op === "MatMul" && dims.length === 2;
  if (!isMatrix && `${node.domain}/${node.op}` !== "bitbasis/Conv") return undefined;
  const axis = isMatrix ? 1 - weights.axis : dims.length - 1;
  const extent = dims[axis] ?? 1;
  return extent <= granularity.group ? undefined : { weights, axis, group: granularity.group, extent };
}

function pieceByPiece(
  node: Node,
  { weights, axis, group, extent }: Cut,
  initializers: Map<string, Tensor>,
): { nodes: Node[]; pieces: string[] } {
  const slices: Node[] = [];
  const products: PartialProduct[] = [];
  const [x = ""] = node.inputs;
  const [y = ""] = node.outputs;
  const index = (value: number): string => {
    const name = `${weights.name}#at ${value}`;
    initializers.set(name, new Tensor("int64", BigInt64Array.of(BigInt(value)), [1]));
    return name;
  };
  for (let from = 0; from < extent; from += group) {
    const to = Math.min(from + group, extent);
    const piece = {
      name: `${node.name}#group ${from}`,
      input: `${y}#slice ${from}`,
      weights: `${weights.name}#group ${from}`,
    };
    initializers.set(piece.weights, slice(weights.tensor, axis, from, to));
    const inputs = [x, index(from), index(to), index(-1)];
    slices.push({ name: piece.input, op: "Slice", domain: "", inputs, outputs: [piece.input], attributes: {} });
    products.push(piece);
  }
  const nodes = [...slices, ...sumOfProducts(node, products, initializers)];
  return { nodes, pieces: products.map(({ name }) => name) };
}

/** Indices `from` … `to` − 1 of an axis. */
function slice(tensor: Tensor<"float32">, axis: number, from: number, to: number): Tensor<"float32"> {
  const { dims, data } = tensor;
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const result = new Float32Array(outer * (to - from) * inner);
  for (let o = 0; o < outer; o++) {
    const start = (o * dims[axis]! + from) * inner;
    result.set(data.subarray(start, start + (to - from) * inner), o * (to - from) * inner);
  }
  return new Tensor("float32", result, [...dims.slice(0, axis), to - from, ...dims.slice(axis + 1)]);
}
