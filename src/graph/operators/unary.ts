import { holdsBits, roundEven } from "../../tensor/index.ts";
import type { KnownValue } from "../graph.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { unaryLayout } from "./layout-rules.ts";
import {
  type Evaluate,
  each,
  FLOATS,
  INTEGERS,
  NUMBERS,
  type Operator,
  SIGNED,
  sameAsInput,
  sameRank,
} from "./operator.ts";
import { toInputs } from "./rewrite.ts";

const isWide = (type: string): boolean => type === "int64" || type === "uint64";
const isFloat = (type: string): boolean => type === "float32" || type === "float64";

/** Folds a function of one element. Integers: as they are, not at all, or by their own function. */
function mapped(op: (x: number) => number, integers: "same" | "no" | ((x: bigint) => bigint) = "no"): Evaluate {
  return (call, [output]) => {
    const tensor = call.constant(0)!;
    const { type } = output!;
    if (type === "string" || holdsBits(type) || type === "bool") return undefined;
    if (!isFloat(type) && integers === "same") return [tensor.data];
    if (!isFloat(type) && integers === "no") return undefined;
    const from = elementsOf(tensor.data);
    const to = allocate(type, from.length);
    const wide = isWide(type) ? (integers as (x: bigint) => bigint) : undefined;
    for (let i = 0; i < from.length; i++) to[i] = wide === undefined ? op(from[i] as number) : wide(from[i] as bigint);
    return [dataOf(to)];
  };
}

const plain = {
  since: 1,
  inputs: "T",
  others: "consumed_inputs:ints<6",
  rank: sameRank,
  shape: sameAsInput,
  layout: unaryLayout,
  sizes: "polynomial",
  steps: true,
} as const;
const ofFloats = { ...plain, types: { T: FLOATS } } as const satisfies Partial<Operator>;

/** Half to even; what becomes 0 keeps its sign, as in the core. */
function nearest(x: number): number {
  const rounded = roundEven(x);
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

const clip: Evaluate = (call) => {
  const tensor = call.constant(0)!;
  const from = elementsOf(tensor.data);
  if (tensor.type === "string" || holdsBits(tensor.type)) return undefined;
  const low = call.has(1) ? elementsOf(call.constant(1)!.data)[0] : undefined;
  const high = call.has(2) ? elementsOf(call.constant(2)!.data)[0] : undefined;
  const to = allocate(tensor.type, from.length);
  for (let i = 0; i < from.length; i++) {
    let value = from[i]!;
    if (low !== undefined && value < low) value = low;
    if (high !== undefined && value > high) value = high;
    to[i] = value;
  }
  return [dataOf(to)];
};

function clipShape(call: Call): readonly KnownValue[] {
  for (const i of [1, 2]) {
    if (call.has(i) && call.shape(i).some((d) => d !== 1)) throw call.fail(`input ${i} expected a scalar`);
  }
  return [call.value(0)];
}

const not: Evaluate = (call) => [Uint8Array.from(call.constant(0)!.data as Uint8Array, (v) => (v === 0 ? 1 : 0))];

const test = {
  ...plain,
  shape: (call: Call): readonly KnownValue[] => [{ type: "bool", shape: call.shape(0) }],
} as const;

/** Functions of one element. */
export const unary = {
  ...each(["Log", "Tanh", "Erf", "Softplus", "Sin", "Cos", "Softsign", "Mish", "HardSwish"], {
    ...ofFloats,
  }),
  ...each(["Exp", "Sigmoid"], { ...ofFloats, positive: "always" }),
  ...each(["Tan", "Asin", "Acos", "Atan"], { ...ofFloats, since: 7 }),
  ...each(["Sinh", "Cosh", "Asinh", "Acosh", "Atanh"], { ...ofFloats, since: 9 }),
  "/Abs": {
    ...plain,
    types: { T: NUMBERS },
    evaluate: mapped(Math.abs, (x) => (x < 0n ? -x : x)),
    elements: "scaled",
    positive: "always",
  },
  "/Neg": {
    ...plain,
    types: { T: [...FLOATS, ...SIGNED] },
    evaluate: mapped(
      (x) => -x,
      (x) => -x,
    ),
    elements: "scaled",
  },
  "/Sign": {
    ...plain,
    since: 9,
    types: { T: NUMBERS },
    evaluate: mapped(
      (x) => (x === 0 ? 0 : Math.sign(x)),
      (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
    ),
  },
  "/Relu": {
    ...plain,
    types: { T: NUMBERS },
    evaluate: mapped(
      (x) => (x < 0 ? 0 : x),
      (x) => (x < 0n ? 0n : x),
    ),
    positive: "always",
  },
  "/Sqrt": { ...ofFloats, evaluate: mapped(Math.sqrt), positive: "always" },
  "/Reciprocal": { ...ofFloats, evaluate: mapped((x) => 1 / x) },
  "/Floor": { ...ofFloats, evaluate: mapped(Math.floor, "same") },
  "/Ceil": { ...ofFloats, evaluate: mapped(Math.ceil, "same") },
  "/Round": { ...ofFloats, since: 11, evaluate: mapped(nearest, "same") },
  "/HardSigmoid": { ...ofFloats, attributes: { alpha: "float", beta: "float" }, positive: "always" },
  ...each(["LeakyRelu", "Elu"], { ...ofFloats, attributes: { alpha: "float" } }),
  "/ThresholdedRelu": { ...ofFloats, since: 10, attributes: { alpha: "float" } },
  "/Selu": { ...ofFloats, attributes: { alpha: "float", gamma: "float" } },
  "/Celu": { ...ofFloats, since: 12, attributes: { alpha: "float" } },
  "/Swish": { ...ofFloats, since: 24, attributes: { alpha: "float" } },
  "/Shrink": { ...ofFloats, types: { T: NUMBERS }, since: 9, attributes: { bias: "float", lambd: "float" } },
  "/Gelu": {
    since: 20,
    others: "approximate:text",
    becomes: (node) => [{ ...node, domain: "bitbasis", attributes: { approximate: "none", ...node.attributes } }],
  },
  "bitbasis/Gelu": { ...ofFloats, attributes: { approximate: ["none", "tanh"] } },
  "bitbasis/Silu": { ...ofFloats },
  "/Clip": {
    ...plain,
    inputs: "T T? T?",
    types: { T: NUMBERS },
    others: "min:float<11 max:float<11 consumed_inputs:ints<6",
    becomes: toInputs("float32", "min", "max"),
    shape: clipShape,
    evaluate: clip,
    elements: "scaled",
  },
  "/Not": { ...plain, inputs: "bool", evaluate: not, elements: "logical" },
  "/BitwiseNot": { ...plain, since: 18, types: { T: INTEGERS } },
  "/IsNaN": { ...test, since: 9, types: { T: FLOATS } },
  "/IsInf": {
    ...test,
    since: 10,
    types: { T: FLOATS },
    attributes: { detect_negative: "int", detect_positive: "int" },
  },
} as const satisfies Readonly<Record<string, Operator>>;
