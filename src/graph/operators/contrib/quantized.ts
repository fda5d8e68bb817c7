import { Tensor } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import { transposed } from "../../passes/layout.ts";
import type { Maker } from "../maker.ts";
import type { Operator } from "../operator.ts";
import { type Rewrite, without } from "../rewrite.ts";
import { WINDOW_ATTRIBUTES } from "../spatial.ts";
import { type Body, lastOr } from "./channels-last.ts";

function dequantized(make: Maker, inputs: readonly string[], at: number): string {
  return make.op(
    "DequantizeLinear",
    [0, 1, 2].map((i) => inputs[at + i] ?? ""),
  );
}

/** An operator in float32 between its inputs' scales and that of its result. */
function between(
  make: Maker,
  op: string,
  inputs: readonly string[],
  [scale = "", zero = ""]: readonly (string | undefined)[],
  attributes: Node["attributes"] = {},
): readonly Node[] {
  return make.end("QuantizeLinear", [make.op(op, inputs, attributes), scale, zero]);
}

const binary =
  (op: string): Rewrite =>
  ({ inputs }, make) =>
    between(make, op, [dequantized(make, inputs, 0), dequantized(make, inputs, 3)], inputs.slice(6, 8));

const unary =
  (op: string, ...dropped: string[]): Rewrite =>
  (node, make) =>
    between(make, op, [dequantized(make, node.inputs, 0)], node.inputs.slice(3, 5), without(node, ...dropped));

/** Axes are an input of the reduction, and an attribute here. */
const mean: Rewrite = ({ inputs, attributes: { axes, keepdims = 1 } }, make) => {
  const reduced = [dequantized(make, inputs, 0)];
  if (Array.isArray(axes)) reduced.push(make.integers("axes", axes as number[]));
  return between(make, "ReduceMean", reduced, inputs.slice(3, 5), { keepdims });
};

/** In the versions of ONNX before 13, as the attribute `opset` tells, all axes from `axis` on are one. */
const softmax: Rewrite = ({ inputs, attributes: { axis = -1, opset = 13 } }, make) => {
  const [x = ""] = inputs;
  const real = dequantized(make, inputs, 0);
  const rank = make.rank(x);
  if (Number(opset) >= 13 || axis === -1 || (rank !== undefined && axis === rank - 1))
    return between(make, "Softmax", [real], inputs.slice(3, 5), { axis });
  const soft = make.op("Softmax", [make.op("Flatten", [real], { axis })], { axis: -1 });
  return between(make, "Reshape", [soft, make.op("Shape", [real])], inputs.slice(3, 5), { allowzero: 1 });
};

const where: Rewrite = ({ inputs }, make) =>
  between(
    make,
    "Where",
    [inputs[0] ?? "", dequantized(make, inputs, 1), dequantized(make, inputs, 4)],
    inputs.slice(7, 9),
  );

const concat: Rewrite = (node, make) => {
  const [scale, zero, ...rest] = node.inputs;
  const parts = Array.from({ length: Math.floor(rest.length / 3) }, (_, i) => dequantized(make, rest, 3 * i));
  return between(make, "Concat", parts, [scale, zero], node.attributes);
};

/** In float32 between the scales of input and result. */
const pooled =
  (op: string): Body =>
  (make, inputs, node) => {
    const real = make.op(op, [dequantized(make, inputs, 0)], without(node, "channels_last"));
    return make.op("QuantizeLinear", [real, inputs[3] ?? "", inputs[4] ?? ""]);
  };

const conv =
  (op: string): Body =>
  (make, inputs, node) =>
    make.op(op, inputs, without(node, "channels_last"));

const matMulToFloat: Rewrite = ({ inputs }, make) => {
  const [a = "", b = "", aScale = "", bScale = "", aZero = "", bZero = "", bias = ""] = inputs;
  const sum = make.op("Cast", [make.op("MatMulInteger", [a, b, aZero, bZero])], { to: 1 });
  const scaled = make.op("Mul", [sum, make.op("Mul", [aScale, bScale])]);
  return bias === "" ? make.end("Identity", [scaled]) : make.end("Add", [scaled, bias]);
};

const dynamicMatMul: Rewrite = ({ inputs }, make) => {
  const [a = "", b = "", bScale = "", bZero = "", bias = ""] = inputs;
  const [q = "", scale = "", zero = ""] = make.several("DynamicQuantizeLinear", [a], 3);
  return make.end("com.microsoft/MatMulIntegerToFloat", [q, b, scale, bScale, zero, bZero, bias]);
};

/** The matrix with its axes swapped, at once where it is a constant. */
function swapped(make: Maker, value: string): string {
  const constant = make.constant(value);
  return constant?.dims.length === 2
    ? make.add("turned", transposed(constant, [1, 0]))
    : make.op("Transpose", [value], { perm: [1, 0] });
}

/** alpha·(A·B + C), C in integers, in float32 or rounded to the scale of the result. */
const gemm: Rewrite = ({ inputs, attributes }, make) => {
  const [a = "", aScale = "", aZero = "", b = "", bScale = "", bZero = "", c = "", yScale = "", yZero = ""] = inputs;
  const { alpha = 1, transA = 0, transB = 0 } = attributes;
  const operands = [transA === 0 ? a : swapped(make, a), transB === 0 ? b : swapped(make, b)];
  let sum = make.op("MatMulInteger", [...operands, aZero, bZero]);
  if (c !== "") sum = make.op("Add", [sum, c]);
  let scale = make.op("Mul", [aScale, bScale]);
  if (alpha !== 1) scale = make.op("Mul", [scale, make.tensor("alpha", "float32", alpha as number)]);
  if (yScale !== "") scale = make.op("Div", [scale, yScale]);
  const scaled = [make.op("Cast", [sum], { to: 1 }), scale];
  if (yScale === "") return make.end("Mul", scaled);
  return make.end("QuantizeLinear", [make.op("Mul", scaled), make.tensor("one", "float32", 1), yZero]);
};

/** LSTM's four gates, in onnxruntime's layout the last axis of W and R, as rows of floats; per direction, or per row. */
function gates(make: Maker, [value = "", scale = "", zero = ""]: readonly string[]): string {
  const bytes = make.constant(value);
  const [scales, points] = [make.constant(scale), make.constant(zero)];
  if (bytes?.dims.length !== 3 || (bytes.type !== "int8" && bytes.type !== "uint8"))
    throw make.fail(`"${value}" expected a constant of bytes with three dimensions`, "MODEL");
  const [directions, depth, rows] = bytes.dims as [number, number, number];
  const counts = [directions, directions * rows];
  if (scales?.type !== "float32" || !counts.includes(scales.size) || points?.size !== scales.size)
    throw make.fail(
      `the scales and zero points of "${value}" expected constants of ${counts.join(" or ")} values`,
      "MODEL",
    );
  const [from, steps, zeros] = [bytes.data, scales.data, points.data] as [Uint8Array, Float32Array, Uint8Array];
  const weights = new Float32Array(from.length);
  for (let d = 0; d < directions; d++) {
    for (let row = 0; row < rows; row++) {
      const of = scales.size === directions ? d : d * rows + row;
      for (let i = 0; i < depth; i++)
        weights[(d * rows + row) * depth + i] = (from[(d * depth + i) * rows + row]! - zeros[of]!) * steps[of]!;
    }
  }
  return make.add("weights", new Tensor("float32", weights, [directions, rows, depth]));
}

/**
 * An LSTM with weights of bytes. onnxruntime rounds all inputs at once and every state to bytes as well, which has no part in what the operator computes:
 * with that done to it, an LSTM of 16 units is within 1.2e-7 of onnxruntime's after 20 steps, without it 1.9e-3 off; ours is within 6e-8 of the LSTM of these weights.
 */
const lstm: Rewrite = (node, make) => {
  const [x = "", w = "", r = "", b = "", lengths = "", state = "", cell = "", peepholes = "", ...rest] = node.inputs;
  const [wScale = "", wZero = "", rScale = "", rZero = ""] = rest;
  const matrices = [gates(make, [w, wScale, wZero]), gates(make, [r, rScale, rZero])];
  const outputs = make.several("LSTM", [x, ...matrices, b, lengths, state, cell, peepholes], 3, node.attributes);
  for (const [i, output] of outputs.entries()) make.output(i, "Identity", [output]);
  return make.done();
};

const BYTES = { Q: ["int8", "uint8"], W: ["int8", "uint8"] } as const;
const FLAG = { channels_last: "int" } as const;

/** Operators of onnxruntime's domain on integers with scales. */
export const contribQuantized = {
  "com.microsoft/QLinearAdd": { since: 1, becomes: binary("Add") },
  "com.microsoft/QLinearMul": { since: 1, becomes: binary("Mul") },
  "com.microsoft/QLinearSigmoid": { since: 1, becomes: unary("Sigmoid") },
  "com.microsoft/QLinearLeakyRelu": { since: 1, others: "alpha:float", becomes: unary("LeakyRelu") },
  "com.microsoft/QLinearReduceMean": { since: 1, others: "axes:ints keepdims:int", becomes: mean },
  "com.microsoft/QLinearSoftmax": { since: 1, others: "axis:int opset:int", becomes: softmax },
  "com.microsoft/QLinearWhere": { since: 1, becomes: where },
  "com.microsoft/QLinearConcat": { since: 1, others: "axis:int", becomes: concat },
  "com.microsoft/QLinearAveragePool": {
    since: 1,
    inputs: "Q float32 Q? float32 Q?",
    types: BYTES,
    attributes: { ...WINDOW_ATTRIBUTES, ...FLAG, ceil_mode: "int", count_include_pad: "int" },
    ...lastOr(pooled("AveragePool")),
  },
  "com.microsoft/QLinearGlobalAveragePool": {
    since: 1,
    inputs: "Q float32 Q? float32 Q?",
    types: BYTES,
    attributes: FLAG,
    ...lastOr(pooled("GlobalAveragePool")),
  },
  "com.microsoft/QLinearConv": {
    since: 1,
    inputs: "Q float32 Q W float32 W float32 Q int32?",
    types: BYTES,
    attributes: { ...WINDOW_ATTRIBUTES, ...FLAG, group: "int" },
    ...lastOr(conv("QLinearConv")),
  },
  "com.microsoft/NhwcMaxPool": {
    since: 1,
    inputs: "Q",
    types: BYTES,
    attributes: { ...WINDOW_ATTRIBUTES, ceil_mode: "int" },
    ...lastOr(conv("MaxPool"), true),
  },
  "com.microsoft/MatMulIntegerToFloat": { since: 1, becomes: matMulToFloat },
  "com.microsoft/DynamicQuantizeMatMul": { since: 1, becomes: dynamicMatMul },
  "com.microsoft/QGemm": { since: 1, others: "alpha:float transA:int transB:int", becomes: gemm },
  "com.microsoft/DynamicQuantizeLSTM": {
    since: 1,
    others:
      "activation_alpha:floats activation_beta:floats activations:texts clip:float direction:text hidden_size:int input_forget:int",
    becomes: lstm,
  },
} as const satisfies Readonly<Record<string, Operator>>;
