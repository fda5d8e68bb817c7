import { hasFloatTiles } from "../core/index.ts";
import { everyNode, type Graph, type Node, operatorOf } from "../graph/index.ts";
import type { LayerShape, LinearLayer } from "../series/index.ts";
import { type Shape, sizeOf, type Tensor } from "../tensor/index.ts";
import { readersOf } from "./readers.ts";
import { structureOf } from "./structure.ts";

/** A node that can run on integers. */
export interface LinearNode {
  readonly node: Node;
  readonly kind: LinearLayer["kind"];
  /** Whether no other linear node reads what it gives, with nothing but other operators in between. */
  readonly last: boolean;
  /** Whether it belongs to a front end, whether its inputs come from an RMS norm, or are never below 0, and whether a recurrent state is handed on: see `Structure`. */
  readonly frontEnd: boolean;
  readonly centred: boolean;
  readonly nonNegative: boolean;
  readonly streaming: boolean;
  /** Its constant operand; absent for a product of two activations. */
  readonly weights?: { readonly name: string; readonly tensor: Tensor<"float32">; readonly axis: number };
  /** Of a layer with weights. */
  readonly shape?: LayerShape;
}

/** A linear node that runs in float32 whatever the plan says. */
export interface FloatNode {
  readonly node: Node;
  /** Its constant operand, when it has one. */
  readonly constant?: { readonly name: string; readonly tensor: Tensor };
  readonly reason: string;
}

/**
 * The nodes of a prepared graph that run under a plan, in order: convolutions, matrix products with a constant float32 matrix on the right,
 * and products of two activations.
 */
export function linearNodes(graph: Graph): LinearNode[] {
  const result: LinearNode[] = [];
  const { frontEnds, centred, nonNegative, streaming } = structureOf(graph);
  let seen = false;
  for (const node of everyNode(graph)) {
    const found = weightsOf(node, graph);
    const input = node.inputs[0] ?? "";
    const about = {
      frontEnd: frontEnds.has(node.name),
      centred: centred.has(input),
      nonNegative: nonNegative.has(input),
      streaming,
    };
    if (found === "product") result.push({ node, kind: "product", last: false, ...about });
    if (typeof found !== "object" || !("axis" in found)) continue;
    const kind = isDepthwise(node, found.tensor) ? "depthwise" : seen ? "other" : "first";
    result.push({ node, kind, last: false, ...about, weights: found, shape: shapeOf(node, found) });
    seen = true;
  }
  return place(graph, result);
}

/** The other linear nodes, those of bodies included, and why they stay in float32. */
export function floatNodes(graph: Graph): FloatNode[] {
  return everyNode(graph).flatMap((node) => {
    const found = weightsOf(node, graph);
    return typeof found === "object" && "reason" in found ? [{ node, ...found }] : [];
  });
}

type Found = NonNullable<LinearNode["weights"]> | "product" | Omit<FloatNode, "node"> | undefined;

/** The weights of a linear node, or why it has none that may be a series; undefined for other nodes. */
function weightsOf(node: Node, graph: Graph): Found {
  const record = operatorOf(node)?.weights?.[0];
  if (record === undefined) return undefined;
  const name = node.inputs[record.input] ?? "";
  const tensor = graph.initializers.get(name);
  if (tensor === undefined) {
    const left = node.inputs[0] ?? "";
    const constant = graph.initializers.get(left);
    if (constant !== undefined)
      return { constant: { name: left, tensor: constant }, reason: "float32: the constant operand is the left one" };
    return node.op === "MatMul" ? "product" : { reason: "float32: the weights are computed while the model runs" };
  }
  const constant = { name, tensor };
  if (!isFloat32(tensor)) return { constant, reason: `float32: the weights are ${tensor.type}` };
  const axis = record.axis(node, tensor.dims.length);
  if (axis === undefined) return { constant, reason: `float32: the weights have ${tensor.dims.length} axes` };
  if (sizeOf(tensor.dims) === 0) return { constant, reason: "float32: there are no weights" };
  return { name, tensor, axis };
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

/** Weights of convolutions are [O, k…, I/g] here. An output of a transposed one sees positions of its kernel that are a stride apart. */
function shapeOf(node: Node, { tensor: { dims, size }, axis }: NonNullable<LinearNode["weights"]>): LayerShape {
  const rows = dims[axis]!;
  const kernel = node.op.startsWith("Conv") ? dims.slice(1, -1) : [];
  const taps = sizeOf(kernel);
  const strides = node.op === "ConvTranspose" ? node.attributes["strides"] : undefined;
  const seen = kernel.reduce(
    (all, extent, i) => all * Math.ceil(extent / (Array.isArray(strides) ? strides[i] : 1)),
    1,
  );
  const channels = taps === 0 ? 0 : size / rows / taps;
  const uses = (rows / groups(node)) * taps;
  return { depth: channels * seen, uses, tiled: isTiled(node, kernel) && hasFloatTiles({ rows, channels }) };
}

/** Whether it is a convolution of Winograd's kind. */
function isTiled(node: Node, kernel: Shape): boolean {
  const steps = [node.attributes["strides"], node.attributes["dilations"]];
  const plain = steps.every((by) => !Array.isArray(by) || by.every((one) => one === 1));
  return node.op === "Conv" && kernel.join() === "3,3" && plain && groups(node) === 1;
}

function isDepthwise(node: Node, weights: Tensor): boolean {
  return node.op === "Conv" && groups(node) > 1 && weights.dims.at(-1) === 1;
}

function groups(node: Node): number {
  const value = node.attributes["group"];
  return typeof value === "number" ? value : 1;
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.type === "float32";
}

/** A table of float32 rows that are looked up and nothing else. */
export interface Table {
  readonly name: string;
  readonly tensor: Tensor<"float32">;
  /** The first node that reads it. */
  readonly node: Node;
}

/** Rows shorter than this save nothing beside their scale and zero point. */
const SHORTEST_ROW = 8;

/** The tables of a prepared graph, in the order of the nodes that read them. */
export function tablesOf(graph: Graph): Table[] {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const tables: Table[] = [];
  for (const [name, nodes] of readersOf(graph)) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined || !isFloat32(tensor) || tensor.dims.length !== 2 || outputs.has(name)) continue;
    if (tensor.dims[1]! < SHORTEST_ROW || tensor.dims[0]! < 2 || !nodes.every((node) => readsTable(node, name)))
      continue;
    tables.push({ name, tensor, node: nodes[0]! });
  }
  return tables;
}

/** Whether the node looks up rows of a table, and nothing else of it. */
export function readsTable({ domain, op, inputs, attributes }: Node, name: string): boolean {
  const rows = (attributes["axis"] ?? 0) === 0;
  return `${domain}/${op}` === "/Gather" && rows && inputs.indexOf(name) === 0 && inputs.lastIndexOf(name) === 0;
}
