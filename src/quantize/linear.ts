import { everyNode, type Graph, type Node, operatorOf } from "../graph/index.ts";
import type { LinearLayer } from "../series/index.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";

/** A node that can run on integers. */
export interface LinearNode {
  readonly node: Node;
  readonly kind: LinearLayer["kind"];
  /** Whether no other linear node reads what it gives, with nothing but other operators in between. */
  readonly last: boolean;
  /** Its constant operand; absent for a product of two activations. */
  readonly weights?: { readonly name: string; readonly tensor: Tensor<"float32">; readonly axis: number };
}

/**
 * The nodes of a prepared graph that run under a plan, in order: convolutions, matrix products with a constant float32 matrix on the right,
 * and products of two activations. Everything else runs in float32: batched constants, a constant left operand, transposed Gemm inputs.
 */
export function linearNodes(graph: Graph): LinearNode[] {
  const result: LinearNode[] = [];
  let seen = false;
  for (const node of everyNode(graph)) {
    const axis = channelAxis(node, graph);
    if (axis === undefined) continue;
    const name = node.inputs[1] ?? "";
    const tensor = graph.initializers.get(name);
    if (tensor === undefined) {
      if (node.op === "MatMul" && !graph.initializers.has(node.inputs[0] ?? ""))
        result.push({ node, kind: "product", last: false });
      continue;
    }
    if (!isFloat32(tensor) || sizeOf(tensor.dims) === 0) continue;
    const kind = isDepthwise(node, tensor) ? "depthwise" : seen ? "other" : "first";
    result.push({ node, kind, last: false, weights: { name, tensor, axis } });
    seen = true;
  }
  return place(graph, result);
}

/**
 * Calls a convolution `separable` when it reads what a depthwise convolution gives, or a depthwise one reads what it gives, and finds
 * the last layers.
 */
function place(graph: Graph, linear: readonly LinearNode[]): LinearNode[] {
  const byNode = new Map(linear.map((entry) => [entry.node, entry]));
  const separable = new Set<LinearNode>();
  const read = new Set<LinearNode>();
  /** By value: the linear layers that it comes from, with nothing but other operators in between. */
  const origins = new Map<string, ReadonlySet<LinearNode>>();
  for (const node of everyNode(graph)) {
    const sources = new Set(node.inputs.flatMap((input) => [...(origins.get(input) ?? [])]));
    const entry = byNode.get(node);
    for (const source of entry === undefined ? [] : sources) {
      read.add(source);
      if (source.kind === "depthwise" && node.op === "Conv") separable.add(entry!);
      if (entry?.kind === "depthwise" && source.node.op === "Conv") separable.add(source);
    }
    for (const output of node.outputs) origins.set(output, entry === undefined ? sources : new Set([entry]));
  }
  return linear.map((entry) => {
    const kind = separable.has(entry) && entry.kind === "other" ? "separable" : entry.kind;
    return { ...entry, kind, last: !read.has(entry) };
  });
}

function isDepthwise(node: Node, weights: Tensor): boolean {
  return node.op === "Conv" && groups(node) > 1 && weights.dims.at(-1) === 1;
}

/** Axis of the output channels of the node's weights; undefined when the node does not run on integers. */
function channelAxis(node: Node, graph: Graph): number | undefined {
  const weights = operatorOf(node)?.weights?.[0];
  return weights?.axis(node, graph.initializers.get(node.inputs[weights.input] ?? "")?.dims.length);
}

function groups(node: Node): number {
  const value = node.attributes["group"];
  return typeof value === "number" ? value : 1;
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.type === "float32";
}

/** Nodes of the graph and its bodies that read a value, by the value. */
export function readersOf(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of everyNode(graph)) {
    for (const name of node.inputs) {
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [node]);
      else list.push(node);
    }
  }
  return readers;
}
