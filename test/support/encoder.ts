// A BERT-like encoder, in float32 or as onnxruntime's `quantize_dynamic` writes it: the most frequent quantized files on the web. Weights are random from
// a seed; the forms of one seed are one network.
import type { Graph } from "../../src/graph/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { GraphWriter } from "./graph-writer.ts";
import { Random } from "./random.ts";

export interface EncoderOptions {
  readonly form: "float" | "dynamic";
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
}

/** Input `x` [batch, sequence, width], output `y` of the same shape. */
export function encoder(options: EncoderOptions): Graph {
  const { form, layers, width, heads, hidden } = options;
  const size = width / heads;
  const random = new Random(11);
  const { initializers, nodes, op, constant } = new GraphWriter();
  const floats = (name: string, dims: readonly number[], value: () => number): string =>
    constant(name, new Tensor("float32", Float32Array.from({ length: dims.reduce((a, b) => a * b) }, value), dims));
  const ints = (...values: number[]): string => constant(`ints:${values}`, new Tensor("int64", values));
  const one = (value: number): string => constant(`float:${value}`, new Tensor("float32", [value], []));

  /** One DynamicQuantizeLinear for all products that read a value. */
  const quantized = new Map<string, readonly [data: string, scale: string, zero: string]>();
  const linear = (x: string, name: string, rows: number, columns: number): string => {
    const bound = 1 / Math.sqrt(rows);
    const weights = floats(name, [rows, columns], () => random.uniform(-bound, bound));
    const bias = floats(`${name}.bias`, [columns], () => random.uniform(-bound, bound));
    if (form === "float") return op("Add", [op("MatMul", [x, weights]), bias]);
    const scale = bound / 127;
    const data = initializers.get(weights)!.data as Float32Array;
    initializers.delete(weights);
    const bytes = Int8Array.from(data, (w) => Math.round(w / scale));
    const [integers, step, zero] = [
      constant(`${name}_quantized`, new Tensor("int8", bytes, [rows, columns])),
      constant(`${name}_scale`, new Tensor("float32", [scale], [])),
      constant(`${name}_zero_point`, new Tensor("int8", [0], [])),
    ];
    let own = quantized.get(x);
    if (own === undefined) {
      own = [`${x}_quantized`, `${x}_scale`, `${x}_zero_point`];
      op("DynamicQuantizeLinear", [x], {}, own);
      quantized.set(x, own);
    }
    const sum = op("Cast", [op("MatMulInteger", [own[0], integers, own[2], zero])], { to: 1 });
    return op("Add", [op("Mul", [sum, op("Mul", [own[1], step])]), bias]);
  };
  const norm = (x: string, name: string): string =>
    op(
      "LayerNormalization",
      [x, floats(`${name}.gain`, [width], () => 1), floats(`${name}.shift`, [width], () => random.uniform(-0.1, 0.1))],
      { axis: -1, epsilon: 1e-12 },
    );
  const split = (x: string, perm: readonly number[]): string =>
    op("Transpose", [op("Reshape", [x, ints(0, 0, heads, size)])], { perm: [...perm] });

  let x = "x";
  for (let i = 0; i < layers; i++) {
    const [q, k, v] = ["q", "k", "v"].map((name) => linear(x, `${i}.${name}`, width, width)) as [
      string,
      string,
      string,
    ];
    const scores = op("MatMul", [split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])]);
    const shares = op("Softmax", [op("Div", [scores, one(Math.sqrt(size))])], { axis: -1 });
    const mixed = op("Transpose", [op("MatMul", [shares, split(v, [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] });
    const joined = op("Reshape", [mixed, ints(0, 0, width)]);
    x = norm(op("Add", [linear(joined, `${i}.o`, width, width), x]), `${i}.attended`);
    const inner = linear(x, `${i}.up`, width, hidden);
    const gate = op("Add", [op("Erf", [op("Div", [inner, one(Math.SQRT2)])]), one(1)]);
    const gelu = op("Mul", [op("Mul", [inner, gate]), one(0.5)]);
    x = norm(op("Add", [linear(gelu, `${i}.down`, hidden, width), x]), `${i}.out`);
  }
  op("Identity", [x], {}, ["y"]);
  const value = (name: string) => ({ name, type: "float32" as const, shape: ["batch", "sequence", width] });
  return { name: "encoder", opsets: { "": 17 }, inputs: [value("x")], outputs: [value("y")], nodes, initializers };
}
