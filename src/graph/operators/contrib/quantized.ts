import type { Node } from "../../graph.ts";
import type { Maker } from "../maker.ts";
import type { Operator } from "../operator.ts";
import { type Rewrite, without } from "../rewrite.ts";

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

/** Pools that may be channels-last already. */
const pool =
  (op: string): Rewrite =>
  (node, make) => {
    if (node.attributes["channels_last"] === 1) throw make.fail("channels_last is not supported");
    return unary(op, "channels_last")(node, make);
  };

const concat: Rewrite = (node, make) => {
  const [scale, zero, ...rest] = node.inputs;
  const parts = Array.from({ length: Math.floor(rest.length / 3) }, (_, i) => dequantized(make, rest, 3 * i));
  return between(make, "Concat", parts, [scale, zero], node.attributes);
};

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

/** Operators of onnxruntime's domain on integers with scales. */
export const contribQuantized = {
  "com.microsoft/QLinearAdd": { since: 1, becomes: binary("Add") },
  "com.microsoft/QLinearMul": { since: 1, becomes: binary("Mul") },
  "com.microsoft/QLinearSigmoid": { since: 1, becomes: unary("Sigmoid") },
  "com.microsoft/QLinearLeakyRelu": { since: 1, others: "alpha:float", becomes: unary("LeakyRelu") },
  "com.microsoft/QLinearAveragePool": {
    since: 1,
    others: "auto_pad ceil_mode channels_last count_include_pad kernel_shape pads strides",
    becomes: pool("AveragePool"),
  },
  "com.microsoft/QLinearGlobalAveragePool": { since: 1, others: "channels_last", becomes: pool("GlobalAveragePool") },
  "com.microsoft/QLinearConcat": { since: 1, others: "axis", becomes: concat },
  "com.microsoft/MatMulIntegerToFloat": { since: 1, becomes: matMulToFloat },
  "com.microsoft/DynamicQuantizeMatMul": { since: 1, becomes: dynamicMatMul },
} as const satisfies Readonly<Record<string, Operator>>;
