import { BitbasisError } from "../core/index.ts";
import { type Attribute, type Graph, isGraph, type Node, reads } from "../graph/index.ts";
import { INT32 } from "../graph/operators/integer.ts";
import { toFirst, toLast } from "../graph/passes/layout.ts";
import { Names } from "../graph/passes/names.ts";
import { type Ranks, ranksOf } from "../graph/ranks.ts";
import { type Shape, Tensor } from "../tensor/index.ts";
import { type Arrangement, rearranged, rearrangement } from "./arrange.ts";
import { blockWeights } from "./blocks.ts";
import type { Emitter } from "./emitter.ts";
import { isRecurrent, recurrentForm } from "./recurrent.ts";

/** What becomes of the weights that are series. */
export interface WeightWriter {
  /** Makes the value called `name`, in the shape of the series. */
  value(name: string, to: Emitter): void;
  /** The weights rearranged as ONNX has them; absent: nodes rearrange the value. */
  arranged?(name: string, as: Arrangement, group: number, to: Emitter): string;
  /** The shape of a series. */
  dims(name: string): Shape | undefined;
}

/**
 * The graph of a container in standard ONNX operators: channels-last twins stand between transpositions, fused activations are nodes again.
 *
 * @param series - names of the weights that are series
 * @throws BitbasisError UNSUPPORTED for operators that have no standard form
 */
export function standardGraph(source: Graph, series: ReadonlySet<string>, weights: WeightWriter): Graph {
  const initializers = new Map(source.initializers);
  const names = new Names(source);
  for (const name of series) names.unique(name);
  const { bitbasis: _, ...opsets } = source.opsets;
  const opset = Math.max(21, opsets[""] ?? 0);
  const shared = { opset, initializers, names, series, weights, moved: new Map<string, string>() };
  const first = new Standard(source, shared, new Map([...series].map((name) => [name, weights.dims(name)!.length])));
  for (const name of series) if (!initializers.has(name)) weights.value(name, first);
  for (const node of source.nodes) first.add(node);
  return used({
    ...source,
    opsets: { ...opsets, "": opset },
    nodes: first.nodes,
    initializers,
  });
}

/** Without what nobody reads: weights that are only read rearranged. */
function used(graph: Graph): Graph {
  const wanted = new Set(graph.outputs.map(({ name }) => name));
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => wanted.has(name))) return false;
    for (const name of reads(node)) wanted.add(name);
    return true;
  });
  const initializers = new Map([...graph.initializers].filter(([name]) => wanted.has(name)));
  return { ...graph, nodes: nodes.reverse(), initializers };
}

interface Shared {
  /** Of ONNX's own operators, in the graph that is made. */
  readonly opset: number;
  readonly initializers: Map<string, Tensor>;
  readonly names: Names;
  readonly series: ReadonlySet<string>;
  readonly weights: WeightWriter;
  /** Rearranged weights that exist. */
  readonly moved: Map<string, string>;
}

/** Twins of spatial operators: the first input and the output change their form. */
const TWINS = new Set([
  "MaxPool",
  "AveragePool",
  "LpPool",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "InstanceNormalization",
]);

/** One graph or body. */
class Standard implements Emitter {
  readonly nodes: Node[] = [];
  private readonly ranks: Ranks;
  private node: Node | undefined;

  /** @param known - the ranks of the weights that are series, and of what a body captures */
  constructor(
    source: Graph,
    private readonly shared: Shared,
    known: ReadonlyMap<string, number>,
  ) {
    this.ranks = ranksOf(source, known);
  }

  emit(op: string, inputs: readonly string[], attributes: Node["attributes"] = {}, output?: string): string {
    const name = output ?? this.shared.names.unique(`${this.node?.outputs[0] ?? inputs[0]}/${op.toLowerCase()}`);
    this.nodes.push({ name: `${name}/${op}`, op, domain: "", inputs, outputs: [name], attributes });
    return name;
  }

  constant(base: string, tensor: Tensor): string {
    return this.initializer(this.shared.names.unique(base), tensor);
  }

  initializer(name: string, tensor: Tensor): string {
    this.shared.initializers.set(name, tensor);
    return name;
  }

  add(node: Node): void {
    this.node = node;
    const own = { ...node, attributes: this.bodies(node.attributes) };
    if (node.domain === "" && node.op === "RMSNormalization" && this.shared.opset < 23) this.rmsNorm(own);
    else if (node.domain === "" && node.op === "Swish" && this.shared.opset < 24) this.swish(own);
    else if (node.op === "Resize") this.resize(own);
    else if (node.domain !== "bitbasis") this.nodes.push(own);
    else if (node.op === "MatMul") this.matMul(own);
    else if (node.op === "Conv" || node.op === "ConvTranspose") this.conv(own);
    else if (node.op.endsWith("Integer")) this.integer(own);
    else if (node.op === "MatMulBlocks") this.blocks(own);
    else if (node.op === "DynamicScale") {
      const [scale = "", zero = ""] = node.outputs;
      const outputs = [this.shared.names.unique(`${scale}/bytes`), scale, zero];
      this.nodes.push({ ...own, op: "DynamicQuantizeLinear", domain: "", outputs });
    } else if (TWINS.has(node.op)) this.turned(own, node.inputs.slice(1));
    else if (node.op === "Gelu") this.nodes.push({ ...own, domain: "" });
    else if (isRecurrent(node)) this.recurrent(own);
    else if (node.op === "Silu") this.swish(own);
    else throw new BitbasisError("UNSUPPORTED", `node "${node.name}" (${node.op}) has no export to standard ONNX`);
  }

  private bodies(attributes: Node["attributes"]): Node["attributes"] {
    const entries = Object.entries(attributes).map(([name, value]): [string, Attribute] => {
      if (!isGraph(value)) return [name, value];
      const body = new Standard(value, this.shared, this.ranks.all());
      for (const node of value.nodes) body.add(node);
      // onnxruntime takes no output of a body that is a value of the graph around it.
      const own = new Set([...value.inputs.map((input) => input.name), ...body.nodes.flatMap((node) => node.outputs)]);
      const outputs = value.outputs.map((output) =>
        own.has(output.name) ? output : { ...output, name: body.emit("Identity", [output.name]) },
      );
      return [name, { ...value, nodes: body.nodes, outputs }];
    });
    return Object.fromEntries(entries);
  }

  /** ONNX has the operator since opset 23. */
  private rmsNorm(node: Node): void {
    const [x = "", scale = ""] = node.inputs;
    const { axis = -1, epsilon = 1e-5 } = node.attributes as { axis?: number; epsilon?: number };
    const first = axis < 0 ? axis : axis - this.rankOf(node);
    const axes = BigInt64Array.from({ length: -first }, (_, i) => BigInt(first + i));
    const over = this.constant(`${x}/axes`, new Tensor("int64", axes));
    const least = this.constant(`${x}/epsilon`, new Tensor("float32", Float32Array.of(epsilon), []));
    const mean = this.emit("ReduceMean", [this.emit("Mul", [x, x]), over]);
    const root = this.emit("Sqrt", [this.emit("Add", [mean, least])]);
    this.emit("Mul", [this.emit("Div", [x, root]), scale], {}, node.outputs[0]);
  }

  /** ONNX has the operator since opset 24. */
  private swish(node: Node): void {
    const [x = ""] = node.inputs;
    const { alpha = 1 } = node.attributes as { alpha?: number };
    const slope = (): string => this.constant(`${x}/alpha`, new Tensor("float32", Float32Array.of(alpha), []));
    const inner = alpha === 1 ? x : this.emit("Mul", [x, slope()]);
    this.emit("Mul", [x, this.emit("Sigmoid", [inner])], {}, node.outputs[0]);
  }

  private matMul(node: Node): void {
    const [x = "", w = "", bias = ""] = node.inputs;
    const right = node.attributes["transB"] === 1 ? this.arranged(w, "transposed", 1, 2) : w;
    const product = this.emit("MatMul", [x, right]);
    this.finish(node, bias === "" ? product : this.emit("Add", [product, bias]));
  }

  private blocks(node: Node): void {
    const [x = "", , , , bias = ""] = node.inputs;
    const right = blockWeights(node, (name) => this.shared.initializers.get(name), this);
    const product = this.emit("MatMul", [x, right]);
    this.finish(node, bias === "" ? product : this.emit("Add", [product, bias]));
  }

  private conv(node: Node): void {
    const [, w = "", ...others] = node.inputs;
    const group = Number(node.attributes["group"] ?? 1);
    const rank = this.rankOf(node);
    this.turned(node, [this.arranged(w, node.op === "Conv" ? "conv" : "convTranspose", group, rank), ...others]);
  }

  private recurrent(node: Node): void {
    const r = node.inputs[1] ?? "";
    const dims = this.shared.weights.dims(r) ?? this.shared.initializers.get(r)?.dims;
    const { inputs, attributes, axes } = recurrentForm(node, dims, this);
    const made = node.outputs.map((name) => (name === "" ? "" : this.shared.names.unique(`${name}/directed`)));
    this.nodes.push({ ...node, domain: "", inputs, outputs: made, attributes });
    made.forEach((name, i) => {
      if (name !== "") this.emit("Squeeze", [name, axes[i]!], {}, node.outputs[i]);
    });
  }

  /** The product of bytes, and what has become of its sums, along the last axis. */
  private integer(node: Node): void {
    const [x = "", w = "", zero = "", weightsZero = "", scale = "", bias = ""] = node.inputs;
    const { activation: _a, min: _min, max: _max, to = INT32, transB = 0, ...attributes } = node.attributes;
    // onnxruntime has no zero point per channel, and those of symmetric weights are all 0.
    const points = this.shared.initializers.get(weightsZero)?.data as Int8Array | undefined;
    const isZero = weightsZero === "" || points?.every((point) => point === 0) === true;
    const zeros = isZero ? (zero === "" ? [] : [zero]) : [zero, weightsZero];
    const turned = (value: string, perm: readonly number[]): string => this.emit("Transpose", [value], { perm });
    let sum: string;
    if (node.op === "ConvInteger") {
      const first = toFirst(this.rankOf(node));
      const made = this.emit("ConvInteger", [turned(x, first), turned(w, first), ...zeros], attributes);
      sum = turned(made, toLast(first.length));
    } else sum = this.emit("MatMulInteger", [x, transB === 1 ? turned(w, [1, 0]) : w, ...zeros]);
    const added = (): void => {
      if (bias !== "") sum = this.emit("Add", [sum, bias]);
    };
    const isWhole = this.shared.initializers.get(bias)?.type === "int32";
    if (isWhole) added();
    if (to !== INT32) sum = this.emit("Cast", [sum], { to });
    if (scale !== "") sum = this.emit("Mul", [sum, scale]);
    if (!isWhole) added();
    this.finish(node, sum);
  }

  /** Scales and sizes are in the order of the axes, unless those are listed. Older files say "none" by an empty constant, newer opsets by none. */
  private resize(node: Node): void {
    const [x = "", ...rest] = node.inputs;
    const others = rest.map((name) => (this.shared.initializers.get(name)?.size === 0 ? "" : name));
    if (node.domain !== "bitbasis") {
      this.nodes.push({ ...node, inputs: [x, ...others] });
      return;
    }
    const rank = this.rankOf(node);
    const { axes } = node.attributes as { axes?: readonly number[] };
    const first = (axis: number): number => {
      const own = axis < 0 ? axis + rank : axis;
      return own === 0 ? 0 : own === rank - 1 ? 1 : own + 1;
    };
    const order = BigInt64Array.of(0n, BigInt(rank - 1), ...Array.from({ length: rank - 2 }, (_, i) => BigInt(i + 1)));
    const vectors = others.map((name) => {
      if (name === "" || axes !== undefined) return name;
      return this.emit("Gather", [name, this.constant(`${name}/order`, new Tensor("int64", order))]);
    });
    const attributes = axes === undefined ? node.attributes : { ...node.attributes, axes: axes.map(first) };
    this.turned({ ...node, attributes }, vectors);
  }

  /** The channels-second operator between two transpositions. */
  private turned(node: Node, others: readonly string[]): void {
    const rank = this.rankOf(node);
    const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    const first = this.emit("Transpose", [node.inputs[0]!], { perm: [0, rank - 1, ...spatial] });
    const { activation: _a, min: _min, max: _max, ...attributes } = node.attributes;
    const made = this.emit(node.op, [first, ...others], attributes);
    this.finish(node, this.emit("Transpose", [made], { perm: [0, ...spatial.map((axis) => axis + 1), 1] }));
  }

  private rankOf(node: Node): number {
    const rank = this.ranks.rank(node.outputs[0]!) ?? this.ranks.rank(node.inputs[0]!);
    if (rank !== undefined) return rank;
    throw new BitbasisError("UNSUPPORTED", `node "${node.name}" (${node.op}) has an input whose rank nobody tells`);
  }

  /** Weights in ONNX's own form. */
  private arranged(name: string, as: Arrangement, group: number, rank: number): string {
    const { initializers, moved, series, weights } = this.shared;
    const key = `${as}:${group}:${name}`;
    let made = moved.get(key);
    if (made !== undefined) return made;
    const constant = initializers.get(name);
    if (series.has(name)) made = weights.arranged?.(name, as, group, this);
    else if (constant?.type === "float32") {
      made = this.constant(`${name}/first`, rearranged(constant as Tensor<"float32">, as, group));
    }
    made ??= this.turnedWeights(name, as, group, rank);
    moved.set(key, made);
    return made;
  }

  private turnedWeights(name: string, as: Arrangement, group: number, rank: number): string {
    const dims = this.shared.weights.dims(name) ?? new Array<number>(rank).fill(0);
    const { from, perm, to } = rearrangement(dims, as, group);
    const reshaped = (value: string, shape: readonly number[]): string =>
      this.emit("Reshape", [
        value,
        this.constant(`${name}/shape`, new Tensor("int64", BigInt64Array.from(shape, BigInt))),
      ]);
    const start = from.length === perm.length && from.length === dims.length ? name : reshaped(name, from);
    const turned = this.emit("Transpose", [start], { perm });
    return to.length === perm.length ? turned : reshaped(turned, to);
  }

  /** The activation that was fused, and the node's own output name. */
  private finish(node: Node, value: string): void {
    const { activation, min, max } = node.attributes;
    const [output] = node.outputs;
    const bound = (limit: Attribute | undefined): string =>
      limit === undefined
        ? ""
        : this.constant(`${output}/bound`, new Tensor("float32", Float32Array.of(Number(limit)), []));
    if (activation === undefined) this.emit("Identity", [value], {}, output);
    else if (activation !== "Clip") this.emit(String(activation), [value], {}, output);
    else if (max === undefined) this.emit("Clip", [value, bound(min)], {}, output);
    else this.emit("Clip", [value, bound(min), bound(max)], {}, output);
  }
}
