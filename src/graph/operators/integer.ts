import { type ElementType, type Shape, sizeOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { toFirst, toLast, transposed } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import { convolutionLayout, convolved } from "./conv.ts";
import { matmulRank, product } from "./linear.ts";
import type { Maker } from "./maker.ts";
import type { Operator } from "./operator.ts";
import type { Rewrite } from "./rewrite.ts";
import { arrange, settleWindow, WINDOW_ATTRIBUTES } from "./spatial.ts";

export const BYTES: readonly ElementType[] = ["int8", "uint8"];

/** The ONNX number of int32, which integer products are. */
export const INT32 = 6;

/** Inputs of the twins behind X and W: zero points, a factor of the result, a bias in integers before that or in float32 after it. */
export enum Integer {
  zero = 2,
  weightsZero = 3,
  scale = 4,
  bias = 5,
}

/** What stands behind the operands of a twin with this many output channels; `rows`: counts of zero points that X may have beside one. */
function checkScaled(call: Call, outputs: number, rows: readonly number[]): void {
  const sizes: readonly (readonly [number, string, readonly number[]])[] = [
    [Integer.zero, "the zero points of the input", [1, ...rows]],
    [Integer.weightsZero, "the zero points of the weights", [1, outputs]],
    [Integer.scale, "the scales", [1, outputs]],
    [Integer.bias, "the bias", [outputs]],
  ];
  for (const [i, what, counts] of sizes) {
    if (call.has(i) && !counts.includes(sizeOf(call.shape(i))))
      throw call.fail(`${what} expected ${[...new Set(counts)].join(" or ")} values`);
  }
  if (call.number("to", INT32) === 1) return;
  if (call.has(Integer.scale) || (call.has(Integer.bias) && call.type(Integer.bias) !== "int32"))
    throw call.fail("an integer result has no scale and no bias in float32");
}

function resultType(call: Call): ElementType {
  return call.number("to", INT32) === 1 ? "float32" : "int32";
}

/** Channels-second weights that are no initializer have become known since: the twin between transpositions. */
function convInteger(call: Call, make: Maker): readonly Node[] {
  const rank = call.shape(1).length;
  if (rank < 3 || call.shape(0).length !== rank)
    throw call.fail("input and weights expected the same rank, at least 3");
  const last = call.node.inputs.slice(0, 2).map((name) => make.op("Transpose", [name], { perm: toLast(rank) }));
  const inputs = [...last, ...call.node.inputs.slice(2)];
  return make.end("Transpose", [make.op("bitbasis/ConvInteger", inputs, call.node.attributes)], {
    perm: toFirst(rank),
  });
}

/** Weights that are a matrix of constants lie with their output channels first, as panels are made of them. */
const matMulInteger: Rewrite = ({ inputs: [a = "", b = "", ...zeros] }, make) => {
  const weights = make.constant(b);
  if (weights?.dims.length !== 2) return make.end("bitbasis/MatMulInteger", [a, b, ...zeros]);
  const turned = make.add("weights", transposed(weights, [1, 0]));
  return make.end("bitbasis/MatMulInteger", [a, turned, ...zeros], { transB: 1 });
};

function checkProduct(call: Call, shape: Shape): void {
  const a = call.shape(0);
  const rows = a.length === 1 ? 1 : a.at(-2)!;
  const columns = call.shape(1).length === 1 ? 1 : shape.at(-1)!;
  checkScaled(call, columns, [rows, sizeOf(a.slice(0, -1))]);
}

const integers = { A: BYTES, B: BYTES } as const;
/** `to`: ONNX numbers of int32, which it is without, and float32. */
const twin = {
  since: 1,
  inputs: "A B A? B? float32? C?",
  types: { ...integers, C: ["float32", "int32"] },
  sizes: "polynomial",
  steps: true,
} as const satisfies Partial<Operator>;
const fused = { to: "int", activation: ["Clip", "HardSwish"], min: "float", max: "float" } as const;

/** Products of bytes: exact sums modulo 2^32, or those scaled. */
export const integerProducts = {
  "/ConvInteger": {
    since: 10,
    inputs: "A B A? B?",
    types: integers,
    attributes: { ...WINDOW_ATTRIBUTES, group: "int" },
    rank: (_, { rank }) => rank(1) ?? rank(0),
    layout: convolutionLayout,
    expands: convInteger,
  },
  "bitbasis/ConvInteger": {
    ...twin,
    attributes: { ...WINDOW_ATTRIBUTES, group: "int", ...fused },
    rank: (_, { rank }) => rank(1) ?? rank(0),
    shape: (call: Call) => {
      const extents = convolved(call, false);
      checkScaled(call, extents.channels, []);
      return [{ type: resultType(call), shape: arrange(call, extents).shape }];
    },
    settle: settleWindow,
  },
  "/MatMulInteger": {
    since: 10,
    inputs: "A B A? B?",
    types: integers,
    becomes: matMulInteger,
  },
  "bitbasis/MatMulInteger": {
    ...twin,
    attributes: { transB: "int", ...fused },
    rank: matmulRank,
    shape: (call: Call) => {
      const right = call.shape(1);
      const turned = call.number("transB", 0) === 1;
      if (turned && right.length !== 2) throw call.fail("transB expected a matrix");
      const shape = product(call, call.shape(0), turned ? [right[1]!, right[0]!] : right);
      checkProduct(call, shape);
      return [{ type: resultType(call), shape }];
    },
  },
} as const satisfies Readonly<Record<string, Operator>>;
