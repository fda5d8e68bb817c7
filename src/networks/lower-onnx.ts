// Exact lowering of convolutional networks as they are: a convolution becomes convolutions with digits of its weights, which are shared as before.
// Written out neuron by neuron (relu-network.ts), a CNN has a weight for every multiplication: resnet20 41 million instead of 272 thousand.
import "../program/operators/all.ts";
import { BitbasisError, checkExtents, checkOptions, shown } from "../core/index.ts";
import type { Attribute, Graph, Node, SpecializedGraph } from "../graph/graph.ts";
import { specialize } from "../graph/index.ts";
import { Names } from "../graph/passes/names.ts";
import { type ExternalData, readOnnx, writeOnnx } from "../onnx/index.ts";
import { nearestInteger } from "../regimes/encode.ts";
import {
  type Dyadic,
  digitsOf,
  dyadic,
  fromNumber,
  magnitude,
  type Recoding,
  scaled,
  shift,
  toNumber,
} from "../regimes/index.ts";
import { type Shape, sizeOf, Tensor } from "../tensor/index.ts";
import { type Linear, linearOf, MEANS, prepareLayers } from "./fixed-point-layers.ts";
import { averagedOver } from "./output-grid.ts";

/** Whether the digits of a layer enter one after another, or lie side by side and are added with shifts. */
export type LoweredForm = "deeper" | "slices";

/** What `lowerOnnx` makes of a model. */
export interface LowerOnnxOptions {
  /** Fractional bits of the result, 1 … 23: weights are multiples of 2^-bits in [-1, 1]; 1 gives {0, ±1/2, ±1}. */
  bits: number;
  /** First rounds weights and biases to multiples of 2^-round, 0 … 23; default: they stay as the file has them. */
  round?: number;
  /** Default `deeper`. */
  form?: LoweredForm;
  /** Digits of the weights; `signed` has fewer non-zeros when bits = 1. Default `magnitude`. */
  recoding?: Recoding;
  /** ONNX external data by location. */
  externalData?: ExternalData;
  /** Shape of the input, where the model leaves dimensions open; default 1 for each open dimension. The result leaves them open too. */
  shape?: Shape;
}

/** What a convolutional network costs; weights that are shared count once. */
export interface SharedSize {
  /** Affine maps on the longest way to an output; sums of two values are part of the map before. */
  readonly depth: number;
  /** The least a ≥ 0 with weights and biases of at most 2^a. */
  readonly a: number;
  /** Fractional bits. */
  readonly b: number;
  /** Weights and biases, zeros included. */
  readonly parameters: number;
  /** Weights and biases that are not 0. */
  readonly nonZero: number;
  /** parameters · (a + b + 1), in bits. */
  readonly denseMemory: number;
  /** nonZero · (a + b + 1), in bits; positions are not counted. */
  readonly sparseMemory: number;
  /** Multiplications by weights that are not 0, one sample. */
  readonly products: number;
}

/** A lowered model with what it costs. */
export interface LoweredOnnx extends SharedSize {
  /** Standard ONNX. */
  readonly onnx: Uint8Array;
  /** Of the network that was lowered, after `round`. */
  readonly original: SharedSize;
  /** Most that a weight or bias was moved by `round`. */
  readonly largestChange: number;
  /** One per linear operator. */
  readonly layers: readonly {
    /** Of the node. */
    readonly name: string;
    /** Conv, MatMul (Gemm too) or Mul. */
    readonly op: string;
    /** Per weight. */
    readonly digits: number;
    /** Additions of a value to itself, because weights above 1 remained. */
    readonly doublings: number;
  }[];
}

/** Values whose elements go on as they are, or are left out, or are picked by their order. */
const SAME = new Set(
  "Relu Flatten Reshape Identity Squeeze Unsqueeze Transpose Slice Split Gather MaxPool GlobalMaxPool Concat".split(
    " ",
  ),
);
/** Of computed values, which must have one scale. */
const SUMS = new Set(["Add", "Sub", "Max", "Min"]);
/** With constants that are not scaled with the values. */
const BOUNDED = new Set(["Clip", "Pad"]);

/**
 * Lowers a network of Conv, Gemm, MatMul, ReLU, pooling and residual connections, convolutions as convolutions: y = Wx + c with weights in multiples of
 * 2^-b becomes y ← 2^-g·y + δ_k·x + β_k over the digits δ_k of W, the least significant first (`deeper`), or Σ 2^e_k·δ_k·x (`slices`). Both equal the network
 * for all real inputs; the digits are put together again and compared. Layers in between have no ReLU; who needs one everywhere takes the accumulators twice, as `lowerPrecision` does.
 *
 * An average over n elements is a sum and steps of 2^-g; where n is no power of two, the rest (between 1 and 2) is computed into the weights of the layers behind
 * it before they are rounded.
 *
 * @throws BitbasisError (`UNSUPPORTED`) that names what has no exact form; RangeError when the weights have no more than `bits` fractional bits
 * @example
 * const { onnx, depth, products } = lowerOnnx(await readFile("resnet20.onnx"), { round: 7, bits: 1 });
 */
export function lowerOnnx(onnx: Uint8Array, options: LowerOnnxOptions): LoweredOnnx {
  checkOptions(options);
  const { bits, round, form = "deeper", recoding = "magnitude" } = options;
  for (const [name, value, least] of [["bits", bits, 1] as const, ["round", round ?? 0, 0] as const])
    if (!Number.isSafeInteger(value) || value < least || value > 23)
      throw new RangeError(`"${name}" expected an integer in ${least}..23, got ${shown(value)}`);
  if (form !== "deeper" && form !== "slices")
    throw new RangeError(`"form" expected deeper or slices, got ${shown(form)}`);
  if (recoding !== "magnitude" && recoding !== "signed")
    throw new RangeError(`"recoding" expected magnitude or signed, got ${shown(recoding)}`);
  checkExtents("shape", options.shape);
  const graph = prepareLayers(readOnnx(onnx, { externalData: options.externalData }));
  const shapes = Object.fromEntries(
    graph.inputs.map(({ name, type, shape = [] }) => [
      name,
      { type, shape: options.shape ?? shape.map((dimension) => (typeof dimension === "number" ? dimension : 1)) },
    ]),
  );
  return new Lowering(graph, specialize(graph, shapes), { bits, round, form, recoding }).lower();
}

type Settings = Required<Pick<LowerOnnxOptions, "bits" | "form" | "recoding">> & { round: number | undefined };

/** Sums over the layers, from which a size is made. */
class Total {
  readonly depths = new Map<string, number>();
  a = 0;
  b = 0;
  parameters = 0;
  nonZero = 0;
  products = 0;

  size(outputs: readonly string[]): SharedSize {
    const { a, b, parameters, nonZero, products } = this;
    const depth = Math.max(0, ...outputs.map((name) => this.depths.get(name) ?? 0));
    const [denseMemory, sparseMemory] = [parameters, nonZero].map((count) => count * (a + b + 1)) as [number, number];
    return { depth, a, b, parameters, nonZero, denseMemory, sparseMemory, products };
  }
}

class Lowering {
  private readonly nodes: Node[] = [];
  private readonly initializers: Map<string, Tensor>;
  private readonly names: Names;
  /** By how much less than it should a value is, where an average left a rest: n / 2^⌈log2 n⌉. */
  private readonly rests = new Map<string, number>();
  private readonly layers: LoweredOnnx["layers"][number][] = [];
  private readonly before = new Total();
  private readonly after = new Total();
  private largestChange = 0;

  constructor(
    private readonly graph: Graph,
    private readonly special: SpecializedGraph,
    private readonly settings: Settings,
  ) {
    this.initializers = new Map(graph.initializers);
    this.names = new Names(graph);
  }

  lower(): LoweredOnnx {
    const { graph, settings } = this;
    for (const node of graph.nodes) this.node(node);
    const outputs = graph.outputs.map(({ name }) => name);
    for (const name of outputs) if (this.rests.has(name)) throw this.rest(name);
    if (this.layers.length === 0) throw new BitbasisError("MODEL", "the model has no linear operator");
    const original = this.before.size(outputs);
    if (settings.bits >= original.b)
      throw new RangeError(
        `"bits" expected less than the network's ${original.b} fractional bits, got ${settings.bits}`,
      );
    const read = new Set(this.nodes.flatMap(({ inputs }) => inputs));
    const { bitbasis: _, ...opsets } = graph.opsets;
    const lowered: Graph = {
      ...graph,
      // The operators are in their newest forms.
      opsets: { ...opsets, "": Math.max(21, opsets[""] ?? 0) },
      nodes: this.nodes,
      initializers: new Map([...this.initializers].filter(([name]) => read.has(name))),
    };
    this.after.a = 0;
    this.after.b = settings.bits;
    const { layers, largestChange } = this;
    return { onnx: writeOnnx(lowered), ...this.after.size(outputs), original, largestChange, layers };
  }

  private node(node: Node): void {
    const known = this.special.values.get(node.outputs[0]!);
    const constant = (name: string | undefined): Tensor | undefined =>
      name ? this.special.constants.get(name) : undefined;
    const computed = node.inputs.filter((name) => name !== "" && constant(name) === undefined);
    const join = SUMS.has(node.op) && computed.length === node.inputs.length;
    // What shapes are computed from stays.
    if (known?.type !== "float32" || computed.length === 0 || SAME.has(node.op)) this.keep(node);
    else if (MEANS.has(node.op)) this.average(node);
    else if (BOUNDED.has(node.op) || join) this.whole(node);
    else {
      const linear = node.op === "Div" ? undefined : linearOf(node, constant);
      if (linear === undefined) throw refused(node, "it is no sum of low-bit products");
      this.linear(node, linear);
    }
  }

  /** A node that stays as it is, and commutes with positive factors. */
  private keep(node: Node): void {
    this.nodes.push(node);
    const rests = node.inputs.map((name) => this.rests.get(name)).filter((rest) => rest !== undefined);
    const values = node.inputs.filter((name) => name !== "" && this.special.values.get(name)?.type === "float32");
    const [rest] = rests;
    const all = rests.length === values.filter((name) => !this.special.constants.has(name)).length;
    if (rest !== undefined && (!all || rests.some((other) => other !== rest))) throw this.rest(node.inputs[0]!);
    for (const total of [this.before, this.after]) this.deepen(total, node, 0);
    if (rest !== undefined) for (const name of node.outputs) this.rests.set(name, rest);
  }

  /** A node that needs its values as they are. */
  private whole(node: Node): void {
    for (const name of node.inputs) if (this.rests.has(name)) throw this.rest(name);
    this.keep(node);
  }

  private rest(name: string): BitbasisError {
    const maker = this.graph.nodes.find(({ outputs }) => outputs.includes(name));
    return refused(
      maker!,
      "an average over a number of elements that is no power of two, and other operators than linear ones read it",
    );
  }

  private deepen(total: Total, node: Node, layers: number): void {
    const depth = layers + Math.max(0, ...node.inputs.map((name) => total.depths.get(name) ?? 0));
    for (const name of node.outputs) total.depths.set(name, depth);
  }

  private shape(name: string): Shape {
    return this.special.values.get(name)!.shape;
  }

  /** Σ x / n = 2^-T·Σ x · 2^T / n. */
  private average(node: Node): void {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    if (this.rests.has(x)) throw this.rest(x);
    const n = Number(averagedOver(node, this.shape(x), this.shape(y)));
    const { bits } = this.settings;
    const T = Math.ceil(Math.log2(n));
    let value = this.sum(node, n);
    for (let left = T; left > 0; left -= bits)
      value = this.emit("Mul", [value, this.constant(`${node.name}/scale`, [], [2 ** -Math.min(bits, left)])]);
    this.rename(value, y);
    if (n !== 2 ** T) this.rests.set(y, n / 2 ** T);
    this.deepen(this.before, node, 1);
    this.deepen(this.after, node, Math.max(1, Math.ceil(T / bits)));
  }

  private sum(node: Node, n: number): string {
    const x = node.inputs[0]!;
    const { kernel_shape: kernel, count_include_pad: _, ceil_mode, ...rest } = node.attributes;
    if (node.op === "ReduceMean") return this.emit("ReduceSum", node.inputs, rest);
    const shape = this.shape(x);
    if (node.op === "GlobalAveragePool") {
      const axes = this.names.unique(`${node.name}/axes`);
      const spatial = shape.slice(2).map((_, i) => BigInt(i + 2));
      this.initializers.set(axes, new Tensor("int64", BigInt64Array.from(spatial), [spatial.length]));
      return this.emit("ReduceSum", [x, axes], { keepdims: 1 });
    }
    const window = kernel as readonly number[];
    if (ceil_mode || sizeOf(window) !== n) throw refused(node, "whose windows at the border have fewer elements");
    const channels = shape[1]!;
    const weights = this.constant(`${node.name}/ones`, [channels, 1, ...window], new Array(channels * n).fill(1));
    return this.emit("Conv", [x, weights], { ...rest, group: channels });
  }

  private linear(node: Node, { op, weights, biases, shape }: Linear): void {
    const { bits: g, round, form, recoding } = this.settings;
    const at = node.op === "Mul" && this.special.constants.has(node.inputs[0]!) ? 1 : 0;
    const [x, y] = [node.inputs[at]!, node.outputs[0]!];
    const rest = this.rests.get(x) ?? 1;
    if (rest !== 1 && round === undefined)
      throw refused(node, `behind an average whose rest, 1/${rest}, is no dyadic number: round the weights`);
    const onGrid = (value: number, factor: number): Dyadic => {
      const exact = fromNumber(value / factor);
      if (round === undefined || exact.exponent <= round) return exact;
      const rounded = dyadic(nearestInteger(shift(exact, round)), round);
      this.largestChange = Math.max(this.largestChange, Math.abs(toNumber(rounded) - value / factor));
      return rounded;
    };
    const values = [
      ...Array.from(weights, (value) => onGrid(value, rest)),
      ...Array.from(biases ?? [], (value) => onGrid(value, 1)),
    ];
    const b = values.reduce((most, { exponent }) => Math.max(most, exponent), 0);
    const grid = Math.ceil(b / g) * g;
    const digits = values.map((value) => digitsOf(scaled(value, grid), g, recoding));
    const S = digits.reduce((most, { length }) => Math.max(most, length), Math.max(1, grid / g));
    const doublings = g * S - grid;
    for (const [i, value] of values.entries()) {
      const again = digits[i]!.reduce((sum, digit, k) => sum + (BigInt(digit) << BigInt(g * k)), 0n);
      if (again !== scaled(value, grid)) throw new BitbasisError("INTERNAL", `${node.name} was not lowered exactly`);
    }
    const dims = op === "MatMul" ? [shape[0]!, shape[1]!] : shape;
    const product = (k: number): string => {
      const digit = (i: number): number => (digits[i]![k] ?? 0) * 2 ** -g;
      const w = this.constant(`${node.name}/digit${k}`, dims, this.laidOut(node, weights.length, digit));
      const beta =
        biases &&
        this.constant(
          `${node.name}/bias${k}`,
          [biases.length],
          Array.from(biases, (_, i) => digit(weights.length + i)),
        );
      if (op === "Conv") return this.emit("Conv", beta === undefined ? [x, w] : [x, w, beta], node.attributes);
      if (op === "Mul") return this.emit("Mul", [x, w]);
      const { transB = 0 } = node.attributes;
      if (node.op === "Gemm") return this.emit("Gemm", beta === undefined ? [x, w] : [x, w, beta], { transB });
      const made = this.emit("MatMul", [x, w]);
      return beta === undefined ? made : this.emit("Add", [made, beta]);
    };
    let sum = form === "deeper" ? this.horner(node, S, g, product) : this.slices(node, S, g, grid, product);
    if (form === "deeper") for (let i = 0; i < doublings; i++) sum = this.emit("Add", [sum, sum]);
    this.rename(sum, y);
    this.layers.push({ name: node.name, op, digits: S, doublings: form === "deeper" ? doublings : 0 });

    const uses = this.uses(node, op, weights.length);
    const count = (total: Total, kept: (i: number) => number, copies: number): void => {
      total.parameters += values.length * copies;
      for (let i = 0; i < values.length; i++) {
        const nonZero = kept(i);
        total.nonZero += nonZero;
        if (i < weights.length) total.products += nonZero * uses;
      }
    };
    count(this.before, (i) => (values[i]!.numerator === 0n ? 0 : 1), 1);
    count(this.after, (i) => digits[i]!.reduce((sum, digit) => sum + (digit === 0 ? 0 : 1), 0), S);
    this.before.b = Math.max(this.before.b, b);
    this.before.a = values.reduce((most, value) => Math.max(most, magnitude(value)), this.before.a);
    this.deepen(this.before, node, 1);
    this.deepen(this.after, node, form === "deeper" ? S + doublings : 1);
  }

  /** Digits in the order in which the node's weights lie; `Linear` has rows of output channels. */
  private laidOut(node: Node, size: number, digit: (i: number) => number): number[] {
    const transposed = node.op === "Gemm" && node.attributes["transB"] === 1;
    if (node.op === "Conv" || node.op === "Mul" || transposed) return Array.from({ length: size }, (_, i) => digit(i));
    const columns = this.shape(node.outputs[0]!).at(-1)!;
    const inner = size / columns;
    return Array.from({ length: size }, (_, i) => digit((i % columns) * inner + Math.floor(i / columns)));
  }

  /** y ← 2^-g·y + product(k). */
  private horner(node: Node, S: number, g: number, product: (k: number) => string): string {
    let sum = product(0);
    if (S === 1) return sum;
    const unit = this.constant(`${node.name}/unit`, [], [2 ** -g]);
    for (let k = 1; k < S; k++) sum = this.emit("Add", [this.emit("Mul", [sum, unit]), product(k)]);
    return sum;
  }

  /** Σ 2^(g(k + 1) − grid)·product(k). */
  private slices(node: Node, S: number, g: number, grid: number, product: (k: number) => string): string {
    let sum: string | undefined;
    for (let k = 0; k < S; k++) {
      const shift = g * (k + 1) - grid;
      let part = product(k);
      if (shift !== 0) part = this.emit("Mul", [part, this.constant(`${node.name}/shift${k}`, [], [2 ** shift])]);
      sum = sum === undefined ? part : this.emit("Add", [sum, part]);
    }
    return sum!;
  }

  /** How often a weight is multiplied for one sample. */
  private uses(node: Node, op: Linear["op"], size: number): number {
    const shape = this.shape(node.outputs[0]!);
    if (op === "Conv") return sizeOf(shape.slice(2));
    return op === "Mul" ? sizeOf(shape) / size : sizeOf(shape) / shape.at(-1)!;
  }

  private emit(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = this.names.unique(`lowered_${op.toLowerCase()}`);
    this.nodes.push({ name: output, op, domain: "", inputs, outputs: [output], attributes });
    return output;
  }

  /** The node that has made `value` makes `name` instead. */
  private rename(value: string, name: string): void {
    const node = this.nodes.pop()!;
    if (node.outputs[0] !== value) throw new BitbasisError("INTERNAL", `${value} is not what was made last`);
    this.nodes.push({ ...node, outputs: [name] });
  }

  private constant(base: string, dims: Shape, values: readonly number[]): string {
    const name = this.names.unique(base);
    // −0 has no meaning among weights.
    this.initializers.set(
      name,
      new Tensor(
        "float32",
        Float32Array.from(values, (value) => value + 0),
        dims,
      ),
    );
    return name;
  }
}

function refused({ op, name }: Node, why: string): BitbasisError {
  return new BitbasisError("UNSUPPORTED", `no low-bit network computes ${op} at "${name}" exactly: ${why}`);
}
