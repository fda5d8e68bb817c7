// A decoder with a cache of keys and values, as exporters write it: out of plain operators, or with onnxruntime's GroupQueryAttention. Weights are
// random from a seed; the two forms of one seed are one network.
import type { Graph, ValueInfo } from "../../src/graph/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { GraphWriter } from "./graph-writer.ts";
import { Random } from "./random.ts";

export interface DecoderOptions {
  readonly form: "plain" | "grouped";
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocabulary: number;
  /** Rows of the tables of angles: tokens at most. */
  readonly tokens: number;
}

/** By output, the input whose rows and more it holds. */
export function cachePairs({ layers }: Pick<DecoderOptions, "layers">): Record<string, string> {
  const names = Array.from({ length: layers }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
  return Object.fromEntries(names.map((name) => [`present.${name}`, `past_key_values.${name}`]));
}

/** Inputs `input_ids` [batch, sequence] and the pasts [batch, heads, past, size]; outputs `logits` [batch, sequence, vocabulary] and the presents. */
export function decoder(options: DecoderOptions): Graph {
  const { form, layers, width, heads, hidden, vocabulary, tokens } = options;
  const size = width / heads;
  const random = new Random(7);
  const { initializers, nodes, op, constant } = new GraphWriter();
  const ints = (...values: number[]): string => constant(`ints:${values}`, new Tensor("int64", values));
  const one = (type: "int64" | "float32", value: number): string =>
    constant(`${type}:${value}`, new Tensor(type, [value], []));
  const weights = (name: string, rows: number, columns: number): string => {
    const scale = 1 / Math.sqrt(rows);
    const data = Float32Array.from({ length: rows * columns }, () => random.uniform(-scale, scale));
    return constant(name, new Tensor("float32", data, [rows, columns]));
  };
  const gain = (name: string): string =>
    constant(name, new Tensor("float32", new Float32Array(width).fill(1), [width]));
  const norm = (x: string, name: string): string => {
    if (form === "grouped") return op("SimplifiedLayerNormalization", [x, gain(name)], { epsilon: 1e-5, axis: -1 });
    const mean = op("ReduceMean", [op("Mul", [x, x]), ints(-1)]);
    const root = op("Sqrt", [op("Add", [mean, one("float32", 1e-5)])]);
    return op("Mul", [op("Mul", [x, op("Div", [one("float32", 1), root])]), gain(name)]);
  };
  const angles = (of: (angle: number) => number): Tensor => {
    const half = size / 2;
    const data = Float32Array.from({ length: tokens * half }, (_, i) =>
      of(Math.floor(i / half) / 10000 ** ((i % half) / half)),
    );
    return new Tensor("float32", data, [tokens, half]);
  };
  const [cos, sin] = [constant("cos", angles(Math.cos)), constant("sin", angles(Math.sin))];

  const extent = (x: string, axis: number): string => op("Gather", [op("Shape", [x]), one("int64", axis)], { axis: 0 });
  const batch = extent("input_ids", 0);
  const sequence = extent("input_ids", 1);
  const past = extent("past_key_values.0.key", 2);
  const total = op("Add", [past, sequence]);
  const vector = (x: string): string => op("Unsqueeze", [x, ints(0)]);
  const shape = (...parts: string[]): string => op("Concat", parts, { axis: 0 });

  let attend: (layer: number, q: string, k: string, v: string) => string;
  if (form === "grouped") {
    const last = op("Cast", [op("Sub", [total, one("int64", 1)])], { to: 6 });
    const lengths = op("Expand", [last, vector(batch)]);
    const whole = op("Cast", [total], { to: 6 });
    attend = (i, q, k, v) => {
      const inputs = [q, k, v, `past_key_values.${i}.key`, `past_key_values.${i}.value`, lengths, whole, cos, sin];
      const outputs = [`attended.${i}`, `present.${i}.key`, `present.${i}.value`];
      return op(
        "com.microsoft/GroupQueryAttention",
        inputs,
        { num_heads: heads, kv_num_heads: heads, do_rotary: 1 },
        outputs,
      );
    };
  } else {
    const places = op("Range", [past, total, one("int64", 1)]);
    const keys = op("Range", [one("int64", 0), total, one("int64", 1)]);
    const seen = op("LessOrEqual", [keys, op("Unsqueeze", [places, ints(1)])]);
    const bias = op("Where", [seen, one("float32", 0), one("float32", Number.NEGATIVE_INFINITY)]);
    const [cosines, sines] = [cos, sin].map((table) => op("Gather", [table, places], { axis: 0 })) as [string, string];
    const split = (x: string): string =>
      op("Transpose", [op("Reshape", [x, shape(vector(batch), vector(sequence), ints(heads), ints(size))])], {
        perm: [0, 2, 1, 3],
      });
    const turn = (x: string): string => {
      const half = size / 2;
      const a = op("Slice", [x, ints(0), ints(half), ints(3)]);
      const b = op("Slice", [x, ints(half), ints(size), ints(3)]);
      const first = op("Sub", [op("Mul", [a, cosines]), op("Mul", [b, sines])]);
      const second = op("Add", [op("Mul", [b, cosines]), op("Mul", [a, sines])]);
      return op("Concat", [first, second], { axis: 3 });
    };
    attend = (i, q, k, v) => {
      const key = op("Concat", [`past_key_values.${i}.key`, turn(split(k))], { axis: 2 }, [`present.${i}.key`]);
      const value = op("Concat", [`past_key_values.${i}.value`, split(v)], { axis: 2 }, [`present.${i}.value`]);
      const scores = op("MatMul", [turn(split(q)), op("Transpose", [key], { perm: [0, 1, 3, 2] })]);
      const scaled = op("Add", [op("Mul", [scores, one("float32", 1 / Math.sqrt(size))]), bias]);
      const mixed = op("Transpose", [op("MatMul", [op("Softmax", [scaled], { axis: -1 }), value])], {
        perm: [0, 2, 1, 3],
      });
      return op("Reshape", [mixed, shape(vector(batch), vector(sequence), ints(width))]);
    };
  }

  let x = op("Gather", [weights("embedding", vocabulary, width), "input_ids"], { axis: 0 });
  for (let i = 0; i < layers; i++) {
    const before = norm(x, `${i}.before`);
    const [q, k, v] = ["q", "k", "v"].map((name) => op("MatMul", [before, weights(`${i}.${name}`, width, width)])) as [
      string,
      string,
      string,
    ];
    x = op("Add", [x, op("MatMul", [attend(i, q, k, v), weights(`${i}.o`, width, width)])]);
    const between = norm(x, `${i}.between`);
    const gate = op("MatMul", [between, weights(`${i}.gate`, width, hidden)]);
    const up = op("MatMul", [between, weights(`${i}.up`, width, hidden)]);
    const mixed = op("Mul", [op("Mul", [gate, op("Sigmoid", [gate])]), up]);
    x = op("Add", [x, op("MatMul", [mixed, weights(`${i}.down`, hidden, width)])]);
  }
  op("MatMul", [norm(x, "last"), weights("head", width, vocabulary)], {}, ["logits"]);

  const cache =
    (length: string) =>
    (name: string): ValueInfo => ({ name, type: "float32", shape: ["batch", heads, length, size] });
  const pairs = cachePairs(options);
  return {
    name: "decoder",
    opsets: { "": 18, ...(form === "grouped" && { "com.microsoft": 1 }) },
    inputs: [
      { name: "input_ids", type: "int64", shape: ["batch", "sequence"] },
      ...Object.values(pairs).map(cache("past")),
    ],
    outputs: [
      { name: "logits", type: "float32", shape: ["batch", "sequence", vocabulary] },
      ...Object.keys(pairs).map(cache("past + sequence")),
    ],
    nodes,
    initializers,
  };
}
