import { broadcast, type ElementType, type Shape } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { INTEGERS, type Operator, rankOf, type ShapeRule } from "./operator.ts";
import type { RankView } from "./rank.ts";

function isTransposed(attributes: Node["attributes"]): boolean {
  return (attributes["transB"] ?? 0) !== 0;
}

/** The shape of a NumPy matrix product. */
export function product(call: Call, a: Shape, b: Shape): number[] {
  if (a.length === 0 || b.length === 0) throw call.fail("a scalar has no matrix product");
  // Of all extents, these two are looked at first: where both are known, the others need not be.
  if (a.at(-1) !== b.at(b.length === 1 ? -1 : -2)) throw call.fail("the matrices do not fit");
  const left = a.length === 1 ? [1, a[0]!] : a;
  const right = b.length === 1 ? [b[0]!, 1] : b;
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  if (batch === undefined) throw call.fail("the matrices do not fit");
  const shape = [...batch];
  if (a.length > 1) shape.push(left.at(-2)!);
  if (b.length > 1) shape.push(right.at(-1)!);
  return shape;
}

const matmulShape: ShapeRule = (call) => {
  const right = call.shape(1);
  const turned = isTransposed(call.node.attributes);
  if (turned && right.length !== 2) throw call.fail("transB expected a matrix");
  const shape = product(call, call.shape(0), turned ? [right[1]!, right[0]!] : right);
  if (call.has(2)) {
    const bias = call.shape(2);
    if (bias.length !== 1 || bias[0] !== shape.at(-1)) throw call.fail(`the bias expected shape [${shape.at(-1)}]`);
  }
  return [{ type: call.type(0), shape }];
};

const gemmShape: ShapeRule = (call) => {
  for (const name of ["alpha", "beta"]) {
    const factor = call.number(name, 1);
    if (INTEGERS.includes(call.type(0)) && !Number.isInteger(factor))
      throw call.fail(`"${name}" = ${factor} of ${call.type(0)} is not supported`, "UNSUPPORTED");
  }
  const [a, b] = [call.shape(0), call.shape(1)];
  if (a.length !== 2 || b.length !== 2) throw call.fail("A and B expected two dimensions");
  const [turnedA, turnedB] = [call.number("transA", 0) !== 0, isTransposed(call.node.attributes)];
  if (a[turnedA ? 0 : 1] !== b[turnedB ? 1 : 0]) throw call.fail("the matrices do not fit");
  const [m, n] = [a[turnedA ? 1 : 0]!, b[turnedB ? 0 : 1]!];
  if (call.has(2) && broadcast([m, n], call.shape(2))?.join() !== `${m},${n}`) throw call.fail("C does not broadcast");
  return [{ type: call.type(0), shape: [m, n] }];
};

export function matmulRank(_: unknown, { rank }: RankView) {
  const [a, b] = [rank(0), rank(1)];
  if (a === undefined || b === undefined) return undefined;
  return a === 1 || b === 1 ? a + b - 2 : Math.max(a, b);
}

/** The core has fast kernels for float32 matrices, and series of integers that stand for them; for the others plain ones. */
const PRODUCTS: readonly ElementType[] = ["float32", "float64", ...INTEGERS];

const matmul = {
  since: 1,
  inputs: "T T",
  types: { T: PRODUCTS },
  rank: matmulRank,
  shape: matmulShape,
  weights: [
    {
      input: 1,
      axis: ({ attributes }, rank) => (rank === undefined || rank === 2 ? channelAxis(attributes) : undefined),
    },
  ],
  elements: "linear",
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

/** Where the output channels of the right operand are. */
function channelAxis(attributes: Node["attributes"]): number {
  return isTransposed(attributes) ? 0 : 1;
}

/** Products of matrices. */
export const products = {
  "/MatMul": matmul,
  "bitbasis/MatMul": {
    ...matmul,
    inputs: "T T T?",
    // transB: the weights are [N, K], a table that others read as well.
    attributes: { activation: ["Clip", "HardSwish"], min: "float", max: "float", transB: "int" },
  },
  "/Gemm": {
    since: 1,
    inputs: "T T T?",
    types: { T: PRODUCTS },
    attributes: { alpha: "float", beta: "float", transA: "int", transB: "int" },
    others: "broadcast:int<7",
    rank: rankOf(2),
    shape: gemmShape,
    weights: [{ input: 1, axis: ({ attributes }, rank) => (rank === 2 ? channelAxis(attributes) : undefined) }],
    elements: "linear",
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
