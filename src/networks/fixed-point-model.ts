import { type Activation, activationOfReal, activationTable, clamp, maximum, roundAway } from "../fixed-point/index.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { specialize } from "../graph/index.ts";
import { type Shape, sizeOf, type Tensor } from "../tensor/index.ts";
import { type Bounds, clip, exactSums, type IntegerProduct, roundSums, sumLimit } from "./exact-sums.ts";
import { largestRow } from "./fixed-point.ts";
import {
  type ActivationNode,
  activationNode,
  JOINS,
  type LayerFormat,
  type Linear,
  linearOf,
  MEANS,
  MOVES,
  number,
  numbersOf,
  prepareLayers,
  refused,
  TAILS,
} from "./fixed-point-layers.ts";
import { GraphBuilder } from "./graph-builder.ts";

/** Something with a format of its own: an input, a layer with weights, or a sum of values. */
export interface ModelLayer {
  /** Unique: the value that it gives. */
  readonly key: string;
  /** The node's name, or the input's. */
  readonly name: string;
  readonly op: string;
  readonly linear?: Linear;
  /** The function behind it, where there is one. */
  readonly activation?: { readonly name: string; readonly of: Activation };
  /** The value in the written graph, after the activation. */
  readonly value: string;
  /** What sums are divided by, where it has weights and is written in fixed point. */
  readonly s?: number;
}

/** A graph that was written, and where its layers are in it. */
export interface WrittenModel {
  readonly graph: Graph;
  readonly layers: readonly ModelLayer[];
}

/** A value of the written graph; in fixed point an integer k for k/scale, |k| ≤ m. */
interface Value {
  readonly at: string;
  readonly scale: number;
  readonly m: number;
}

const OPSET = 20;

/**
 * A network of linear layers, sums and activation functions that can be written in real numbers or in fixed point, as standard operators. Inputs and outputs keep their names and
 * units.
 *
 * A layer is z = clamp(round(B + Σ w·x / s)) with s = weightScale · the input's scale / its own scale: one rounding per neuron. A sum or concatenation brings its operands to one
 * scale, a mean divides by the number of its elements; each rounds once.
 */
export class FixedPointModel {
  private readonly graph: Graph;
  private readonly shapes: ReadonlyMap<string, { readonly shape: Shape }>;

  /** @param shapes of the inputs in the runs to come; batches may differ */
  constructor(graph: Graph, shapes: Readonly<Record<string, Shape>>) {
    this.graph = prepareLayers(graph);
    const feeds = this.graph.inputs.map(({ name, type }) => [name, { type, shape: shapes[name]! }] as const);
    this.shapes = specialize(this.graph, Object.fromEntries(feeds)).values;
  }

  /**
   * @param formats by the keys of layers; absent: real numbers
   * @throws BitbasisError (`UNSUPPORTED`) for an operator that is none of these, and for formats that float32 does not compute exactly
   */
  write(formats?: ReadonlyMap<string, LayerFormat>): WrittenModel {
    return new Writer(this.graph, this.shapes, formats).write();
  }
}

class Writer {
  private readonly builder = new GraphBuilder("fixed/");
  private readonly values = new Map<string, Value>();
  private readonly layers: ModelLayer[] = [];
  private readonly done = new Set<Node>();

  constructor(
    private readonly graph: Graph,
    private readonly shapes: ReadonlyMap<string, { readonly shape: Shape }>,
    private readonly formats: ReadonlyMap<string, LayerFormat> | undefined,
  ) {}

  write(): WrittenModel {
    const { name, inputs, outputs, nodes } = this.graph;
    for (const input of inputs) if (input.type === "float32") this.input(input.name);
    for (const node of nodes) if (!this.done.has(node)) this.node(node);
    for (const output of outputs) if (this.values.has(output.name)) this.real(output.name, output.name);
    const graph = {
      ...{ name, inputs, outputs, opsets: { "": OPSET } },
      ...{ nodes: this.builder.nodes, initializers: this.builder.initializers },
    };
    return { graph, layers: this.layers };
  }

  private input(name: string): void {
    const format = this.formats?.get(name);
    const { builder } = this;
    let at = name;
    if (format !== undefined) {
      const m = maximum(format.p);
      const scaled = clip(builder, builder.node("Mul", [name, this.scalar(format.scale)]), -m, m);
      const size = builder.node("Abs", [scaled]);
      const whole = builder.node("Floor", [size]);
      // What is left is below 1, and exact: no sum with 1/2 that could round up.
      const rest = builder.node("Sub", [size, whole]);
      const up = builder.node("Floor", [builder.node("Add", [rest, rest])]);
      at = builder.node("Mul", [builder.node("Sign", [scaled]), builder.node("Add", [whole, up])]);
    }
    this.values.set(name, this.valueOf(at, format));
    this.layers.push({ key: name, name, op: "input", value: at });
  }

  private node(node: Node): void {
    const { op, inputs, attributes } = node;
    const computed = inputs.filter((name) => this.values.has(name));
    if (Object.values(attributes).some((value) => typeof value === "object" && "nodes" in value))
      throw refused(node, "with bodies");
    if (computed.length === 0) this.copy(node, inputs);
    else if (op === "Shape" || op === "Size") this.copy(node, [this.values.get(inputs[0]!)!.at]);
    else if (TAILS.has(op)) this.copy(node, [this.real(inputs[0]!)]);
    else if (JOINS.has(op)) this.join(node);
    else if (computed.length > 1) throw refused(node, "of two computed values");
    else if (MOVES.has(op)) this.move(node);
    else if (MEANS.has(op)) this.mean(node);
    else this.layerOrActivation(node, computed[0]!);
  }

  private layerOrActivation(node: Node, input: string): void {
    const constant = (name: string | undefined): Tensor | undefined => this.constant(name);
    const activation = activationNode(node, constant);
    if (activation !== undefined) {
      const value = this.values.get(input)!;
      this.values.set(node.outputs[0]!, { ...value, at: this.activate(node, value, activation) });
      return;
    }
    const linear = linearOf(node, constant);
    if (linear === undefined) throw refused(node, "exactly");
    this.linear(node, input, linear);
  }

  private linear(node: Node, input: string, linear: Linear): void {
    const x = this.values.get(input)!;
    const format = this.formats?.get(node.outputs[0]!);
    const product = this.product(node, x, linear, format);
    if (format === undefined) {
      const made = product.emit((w) => w);
      const { biases } = linear;
      const add = (list: Float32Array): string =>
        this.builder.node("Add", [made, this.builder.floats(product.biasShape, (o) => list[o]!)]);
      this.layer(node, linear, () => (biases === undefined ? made : add(biases)));
      return;
    }
    const d = (format.weightScale * x.scale) / format.scale;
    if (!Number.isInteger(d)) throw refused(node, `with ${d} steps of its sums in a step of its values`);
    const make = (bounds: Bounds): string =>
      roundSums(this.builder, exactSums(this.builder, product, sumLimit(d, bounds)), d, bounds);
    this.layer(node, linear, make, d);
  }

  private product(node: Node, x: Value, linear: Linear, format: LayerFormat | undefined): IntegerProduct {
    const { op, weights, inputs, shape } = linear;
    const [m, d] = format === undefined ? [0, 0] : [maximum(format.p), (format.weightScale * x.scale) / format.scale];
    const integers = format === undefined ? weights : integerWeights(weights, format);
    const outputs = weights.length / inputs;
    const transposed = (i: number): number => (i % outputs) * inputs + Math.floor(i / outputs);
    const scale = format?.scale ?? 1;
    const biases = Array.from(linear.biases ?? [], (bias, o) => {
      let sum = 0;
      for (let i = o * inputs; i < (o + 1) * inputs; i++) sum += Math.abs(integers[i]!);
      // Beyond this the neuron is constant, whatever the bias.
      const most = m + 1 + Math.ceil((sum * x.m) / d);
      return d * clamp(roundAway(bias * scale), most);
    });
    return {
      name: `${node.op} at "${node.name}"`,
      emit: (digit) => {
        const entry =
          op === "MatMul" ? (i: number) => digit(integers[transposed(i)]!) : (i: number) => digit(integers[i]!);
        const matrix = this.builder.floats(op === "MatMul" ? [inputs, outputs] : shape, entry);
        return this.builder.node(op, [x.at, matrix], op === "Conv" ? node.attributes : {});
      },
      largest: (digit) => x.m * largestRow(integers, inputs, digit),
      biases,
      biasShape: op === "Conv" ? [outputs, ...shape.slice(2).map(() => 1)] : [outputs],
    };
  }

  /** The layer's value, and that of the activation behind it, which nobody else may read. */
  private layer(node: Node, linear: Linear | undefined, make: (bounds: Bounds) => string, s?: number): void {
    const format = this.formats?.get(node.outputs[0]!);
    const [key] = node.outputs as [string];
    const reader = this.onlyReader(key);
    const activation = reader && activationNode(reader, (name) => this.constant(name));
    const m = format === undefined ? 0 : maximum(format.p);
    const whole = { low: -m, high: m };
    let value: Value;
    if (activation?.bounds !== undefined && format !== undefined) {
      value = this.valueOf(make(integerBounds(activation.bounds, format.scale, m)), format);
    } else {
      value = this.valueOf(make(whole), format);
      if (activation !== undefined) value = { ...value, at: this.activate(reader!, value, activation) };
    }
    this.values.set(key, value);
    if (activation !== undefined) {
      this.done.add(reader!);
      this.values.set(reader!.outputs[0]!, value);
    }
    this.layers.push({
      ...{ key, name: node.name, op: node.op, value: value.at },
      ...(linear && { linear }),
      ...(s !== undefined && { s }),
      ...(activation && { activation: { name: activation.name, of: activation.of } }),
    });
  }

  private activate(node: Node, { at, scale, m }: Value, activation: ActivationNode): string {
    const { builder } = this;
    if (this.formats === undefined) {
      if (node.op !== "Silu") return this.written({ ...node, domain: "" }, [at, ...node.inputs.slice(1)]);
      return builder.node("Mul", [at, builder.node("Sigmoid", [at])]);
    }
    if (activation.bounds !== undefined) {
      const { low, high } = integerBounds(activation.bounds, scale, m);
      return clip(builder, at, low, high);
    }
    const table = tableOf(activation.of, scale, m);
    const index = builder.node("Cast", [builder.node("Add", [at, this.scalar(m)])], { to: 7 });
    return builder.node("Gather", [builder.floats([table.length], (i) => table[i]!), index], { axis: 0 });
  }

  /** Values of several scales, or constants, in one. */
  private join(node: Node): void {
    const { builder } = this;
    const format = this.formats?.get(node.outputs[0]!);
    const known = node.inputs.map((name) => this.values.get(name));
    if (format === undefined) {
      const operands = node.inputs.map((name, i) => known[i]?.at ?? this.keep(name));
      this.layer(node, undefined, () => builder.node(node.op, operands, node.attributes));
      return;
    }
    const finest = Math.max(format.scale, ...known.map((value) => value?.scale ?? 0));
    const operands = node.inputs.map((name, i) => {
      const value = known[i];
      if (value !== undefined) {
        const factor = finest / value.scale;
        return factor === 1 ? value.at : builder.node("Mul", [value.at, this.scalar(factor)]);
      }
      const tensor = this.constant(name);
      if (tensor?.type !== "float32") throw refused(node, "with an operand that is not constant");
      const data = tensor.data as Float32Array;
      const most = 2 * maximum(format.p) + 1;
      return builder.floats(
        tensor.dims,
        (k) => clamp(roundAway(data[k]! * format.scale), most) * (finest / format.scale),
      );
    });
    const largest = known.reduce((sum, value) => sum + ((value?.m ?? 0) * finest) / (value?.scale ?? 1), 0);
    if (largest + (2 * maximum(format.p) + 1) * finest >= 2 ** 24)
      throw refused(node, "exactly in float32, of scales so far apart");
    this.layer(node, undefined, (bounds) =>
      roundSums(builder, builder.node(node.op, operands, node.attributes), finest / format.scale, bounds),
    );
  }

  private move(node: Node): void {
    const { op, inputs, outputs, attributes } = node;
    const value = this.values.get(inputs[0]!);
    if (value === undefined) throw refused(node, "with a computed second operand");
    if (op === "Pad" && (attributes["mode"] ?? "constant") === "constant" && inputs[2]) {
      if (this.constant(inputs[2])?.data[0] !== 0) throw refused(node, "with other numbers than 0");
    }
    if (op !== "Split" && outputs.slice(1).some((name) => name !== "")) throw refused(node, "with a second output");
    const names = outputs.map((name) => (name === "" ? "" : `fixed/of/${name}`));
    this.builder.nodes.push({
      ...node,
      inputs: inputs.map((name, i) => (i === 0 ? value.at : this.keep(name))),
      outputs: names,
    });
    for (const [i, name] of outputs.entries()) if (name !== "") this.values.set(name, { ...value, at: names[i]! });
  }

  /** Sums over windows or axes, divided by the number of their elements. */
  private mean(node: Node): void {
    const { op, inputs, outputs, attributes } = node;
    const value = this.values.get(inputs[0]!)!;
    const { shape } = this.shapes.get(inputs[0]!)!;
    if (this.formats === undefined) {
      const at = this.written(node, [value.at, ...inputs.slice(1)]);
      this.values.set(outputs[0]!, { ...value, at });
      return;
    }
    const { builder } = this;
    let count: number;
    let sums: string;
    if (op === "AveragePool") {
      const kernel = numbersOf(attributes["kernel_shape"])!;
      const pads = numbersOf(attributes["pads"]) ?? [];
      const auto = attributes["auto_pad"] ?? "NOTSET";
      const counted = number(attributes["count_include_pad"], 0) !== 0;
      if (number(attributes["ceil_mode"], 0) !== 0 || auto !== "NOTSET" || (!counted && pads.some((pad) => pad !== 0)))
        throw refused(node, "over windows of several sizes");
      const channels = shape[1]!;
      count = sizeOf(kernel);
      const { strides, dilations } = attributes;
      sums = builder.node("Conv", [value.at, builder.floats([channels, 1, ...kernel], () => 1)], {
        ...{ group: channels, pads: [...pads] },
        ...(strides !== undefined && { strides }),
        ...(dilations !== undefined && { dilations }),
      });
    } else {
      const spatial = shape.map((_, axis) => axis).slice(2);
      const given = op === "ReduceMean" && inputs[1] ? this.constant(inputs[1]) : undefined;
      if (op === "ReduceMean" && given === undefined) throw refused(node, "over axes that are not constant");
      const axes = given === undefined ? spatial : Array.from(given.data as BigInt64Array, Number);
      count = axes.reduce((product, axis) => product * shape.at(axis)!, 1);
      if (axes.some((axis) => (axis + shape.length) % shape.length === 0)) throw refused(node, "over the batch");
      const keepdims = op === "ReduceMean" ? number(attributes["keepdims"], 1) : 1;
      sums = builder.node("ReduceSum", [value.at, builder.integers(axes.map(BigInt))], { keepdims });
    }
    if (count * value.m >= 2 ** 24) throw refused(node, `over ${count} elements exactly in float32`);
    const at = roundSums(builder, sums, count, { low: -value.m, high: value.m });
    this.values.set(outputs[0]!, { ...value, at });
  }

  /** A value in real numbers. */
  private real(name: string, output?: string): string {
    const { at, scale } = this.values.get(name)!;
    if (this.formats !== undefined) return this.builder.node("Div", [at, this.scalar(scale)], {}, output);
    return output === undefined ? at : this.builder.node("Identity", [at], {}, output);
  }

  private copy(node: Node, inputs: readonly string[]): void {
    this.builder.nodes.push({ ...node, inputs: inputs.map((name) => this.keep(name)) });
  }

  private written(node: Node, inputs: readonly string[]): string {
    return this.builder.node(
      node.op,
      inputs.map((name) => this.keep(name)),
      node.attributes,
    );
  }

  /** The name, with its constant taken along. */
  private keep(name: string): string {
    const tensor = this.graph.initializers.get(name);
    if (tensor !== undefined) this.builder.initializers.set(name, tensor);
    return name;
  }

  private valueOf(at: string, format: LayerFormat | undefined): Value {
    return { at, scale: format?.scale ?? 1, m: format === undefined ? 0 : maximum(format.p) };
  }

  private onlyReader(value: string): Node | undefined {
    if (this.graph.outputs.some(({ name }) => name === value)) return undefined;
    const readers = this.graph.nodes.filter(({ inputs }) => inputs.includes(value));
    return readers.length === 1 ? readers[0] : undefined;
  }

  private constant(name: string | undefined): Tensor | undefined {
    return name === undefined ? undefined : this.graph.initializers.get(name);
  }

  private scalar(value: number): string {
    return this.builder.floats([], () => value);
  }
}

/** Weights in steps of 1/weightScale, saturated. */
export function integerWeights(weights: Float32Array, { p, weightScale }: LayerFormat): Float32Array {
  const m = maximum(p);
  return weights.map((w) => clamp(roundAway(w * weightScale), m));
}

function integerBounds([low, high]: readonly [number, number], scale: number, m: number): Bounds {
  const bound = (value: number): number => clamp(roundAway(clamp(value, 2 ** 24) * scale), m);
  return { low: bound(low), high: bound(high) };
}

/** The function over all integers of a format: clamp(round(scale·f(k/scale))), also for scales below 1. */
export function tableOf(activation: Activation, scale: number, m: number): Int32Array {
  // m = 2^p − 1; the logarithm of the host may miss an integer by its last bit.
  const p = 32 - Math.clz32(m);
  if (scale >= 1) return activationTable(activation, p, scale);
  const f = activationOfReal(activation);
  return activationTable((k) => scale * f(k / scale), p, 1);
}
