// A writer of networks with weights as trained ones have them: bell-shaped with tails, of unequal scales by row and by column.
import type { Attribute, Graph, ValueInfo } from "../../../src/graph/index.ts";
import { type ElementType, Tensor } from "../../../src/tensor/index.ts";
import { GraphWriter } from "../graph-writer.ts";
import { Random } from "../random.ts";

type Attributes = Record<string, Attribute>;

export class Net extends GraphWriter {
  readonly random: Random;
  private readonly inputs: ValueInfo[] = [];
  private count = 0;

  constructor(
    private readonly name: string,
    seed: number,
  ) {
    super();
    this.random = new Random(seed);
  }

  input(name: string, shape: readonly (number | string)[], type: ElementType = "float32"): string {
    this.inputs.push({ name, type, shape });
    return name;
  }

  done(outputs: readonly string[], opset = 17): Graph {
    const named = outputs.map((name) => ({ name, type: "float32" as const, shape: undefined }));
    const { inputs, nodes, initializers } = this;
    return { name: this.name, opsets: { "": opset }, inputs, outputs: named, nodes, initializers };
  }

  tensor(dims: readonly number[], value: (i: number) => number): string {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => value(i));
    return this.constant(`t${this.count++}`, new Tensor("float32", data, dims));
  }

  ints(...values: number[]): string {
    return this.constant(`ints:${values}`, new Tensor("int64", values));
  }

  one(value: number): string {
    return this.constant(`float:${value}`, new Tensor("float32", [value], []));
  }

  /** Normal with heavier tails: one of twenty three times as large. */
  private tailed(): number {
    return this.random.normal() * (this.random.uniform() < 0.05 ? 3 : 1);
  }

  /** e^(n·spread) of a normal n. */
  private scale(spread: number): number {
    return Math.exp(spread * this.random.normal());
  }

  /** Weights whose products keep the variance of what a Relu leaves, `rows` along axis 0; of unequal scales as a fold of batch norms leaves them. */
  weights(rows: number, inner: readonly number[], gain = Math.SQRT2, spread = 0.4): string {
    const depth = inner.reduce((a, b) => a * b, 1);
    const scales = Array.from({ length: rows }, () => (this.scale(spread) * gain) / Math.sqrt(1.4 * depth));
    return this.tensor([rows, ...inner], (i) => scales[Math.floor(i / depth)]! * this.tailed());
  }

  /** For MatMul: [depth, columns]. */
  matrix(depth: number, columns: number, gain = 1, spread = 0.3): string {
    const scales = Array.from({ length: columns }, () => (this.scale(spread) * gain) / Math.sqrt(1.4 * depth));
    return this.tensor([depth, columns], (i) => scales[i % columns]! * this.tailed());
  }

  vector(size: number, mean = 0, deviation = 0.1): string {
    return this.tensor([size], () => mean + deviation * this.random.normal());
  }

  /** Convolution of any number of axes: `kernel` a number for two axes. */
  conv(
    x: string,
    [inputs, outputs]: readonly [number, number],
    kernel: number | readonly number[],
    attributes: Attributes = {},
    gain = Math.SQRT2,
  ): string {
    const size = typeof kernel === "number" ? [kernel, kernel] : kernel;
    const groups = Number(attributes["group"] ?? 1);
    const dilations = (attributes["dilations"] ?? size.map(() => 1)) as readonly number[];
    const pads = size.map((k, i) => ((k - 1) * dilations[i]!) >> 1);
    const weights = this.weights(outputs, [inputs / groups, ...size], gain);
    return this.op("Conv", [x, weights, this.vector(outputs)], { pads: [...pads, ...pads], ...attributes });
  }

  relu(x: string): string {
    return this.op("Relu", [x]);
  }

  silu(x: string): string {
    return this.op("Mul", [x, this.op("Sigmoid", [x])]);
  }

  gelu(x: string): string {
    const gate = this.op("Add", [this.op("Erf", [this.op("Div", [x, this.one(Math.SQRT2)])]), this.one(1)]);
    return this.op("Mul", [this.op("Mul", [x, gate]), this.one(0.5)]);
  }

  dense(x: string, depth: number, columns: number, gain = 1): string {
    return this.op("Add", [this.op("MatMul", [x, this.matrix(depth, columns, gain)]), this.vector(columns)]);
  }

  gemm(x: string, depth: number, columns: number, gain = 1): string {
    return this.op("Gemm", [x, this.weights(columns, [depth], gain), this.vector(columns)], { transB: 1 });
  }

  norm(x: string, width: number, gains: (i: number) => number = () => 1): string {
    const gain = this.tensor([width], (i) => gains(i) * (1 + 0.2 * this.random.normal()));
    return this.op("LayerNormalization", [x, gain, this.vector(width)], { axis: -1, epsilon: 1e-5 });
  }

  rmsNorm(x: string, width: number, gains: (i: number) => number = () => 1): string {
    const mean = this.op("ReduceMean", [this.op("Mul", [x, x])], { axes: [-1], keepdims: 1 });
    const root = this.op("Sqrt", [this.op("Add", [mean, this.one(1e-5)])]);
    const gain = this.tensor([width], (i) => gains(i) * (1 + 0.2 * this.random.normal()));
    return this.op("Mul", [this.op("Div", [x, root]), gain]);
  }

  /** By its parts, as exporters of opset 17 write it. */
  groupNorm(x: string, channels: number, groups: number): string {
    const flat = this.op("Reshape", [x, this.ints(0, groups, -1)]);
    const ones = [this.tensor([groups], () => 1), this.tensor([groups], () => 0)];
    const normed = this.op("InstanceNormalization", [flat, ...ones], { epsilon: 1e-5 });
    const back = this.op("Reshape", [normed, this.op("Shape", [x])]);
    const affine = (mean: number) => this.tensor([channels, 1, 1], () => mean + 0.2 * this.random.normal());
    return this.op("Add", [this.op("Mul", [back, affine(1)]), affine(0)]);
  }

  /** Attention of many heads, of `x` to `context`; [batch, length, width]. */
  attention(x: string, width: number, heads: number, context = x, bias?: string, depth = width): string {
    const size = width / heads;
    const split = (value: string, perm: readonly number[]) =>
      this.op("Transpose", [this.op("Reshape", [value, this.ints(0, -1, heads, size)])], { perm: [...perm] });
    const q = split(this.dense(x, width, width), [0, 2, 1, 3]);
    const k = split(this.dense(context, depth, width), [0, 2, 3, 1]);
    const v = split(this.dense(context, depth, width), [0, 2, 1, 3]);
    const raw = this.op("Div", [this.op("MatMul", [q, k]), this.one(Math.sqrt(size))]);
    const scores = bias === undefined ? raw : this.op("Add", [raw, bias]);
    const mixed = this.op("MatMul", [this.op("Softmax", [scores], { axis: -1 }), v]);
    const joined = this.op("Reshape", [this.op("Transpose", [mixed], { perm: [0, 2, 1, 3] }), this.ints(0, -1, width)]);
    return this.dense(joined, width, width);
  }

  /** A transformer's block with norms before. */
  block(x: string, width: number, heads: number, bias?: string, outlier?: (i: number) => number): string {
    const attended = this.op("Add", [x, this.attention(this.norm(x, width, outlier), width, heads, undefined, bias)]);
    const inner = this.gelu(this.dense(this.norm(attended, width, outlier), width, 4 * width));
    return this.op("Add", [attended, this.dense(inner, 4 * width, width)]);
  }

  table(rows: number, width: number, deviation = 1): string {
    return this.tensor([rows, width], () => deviation * this.tailed());
  }

  /** LSTM or GRU, time first; the outputs' names. */
  recurrent(
    kind: "LSTM" | "GRU",
    x: string,
    depth: number,
    width: number,
    states: readonly string[],
    direction = "forward",
  ): string[] {
    const [gates, ways] = [kind === "LSTM" ? 4 : 3, direction === "bidirectional" ? 2 : 1];
    const scale = 1 / Math.sqrt(width);
    const weights = (inner: number) => this.tensor([ways, gates * width, inner], () => 1.5 * scale * this.tailed());
    const bias = this.tensor([ways, 2 * gates * width], () => 0.2 * this.random.normal());
    const names = [`y${this.count}`, `h${this.count}`, ...(kind === "LSTM" ? [`c${this.count}`] : [])];
    this.count++;
    const more: Attributes = kind === "GRU" ? { linear_before_reset: 1 } : {};
    this.op(
      kind,
      [x, weights(depth), weights(width), bias, "", ...states],
      { hidden_size: width, direction, ...more },
      names,
    );
    return names;
  }
}
