import { broadcast, type ElementType, holdsBits, type Shape, sizeOf, type TensorData } from "../../tensor/index.ts";
import type { KnownValue, Node } from "../graph.ts";
import { isOpen, neverBroadcast, shapeInWords } from "../open-shape.ts";
import type { Call } from "./call.ts";
import { typeCode } from "./cast.ts";
import { allocate, broadcastStrides, dataOf, elementsOf, walk } from "./elements.ts";
import { elementwiseLayout } from "./layout-rules.ts";
import type { Maker } from "./maker.ts";
import {
  ANY,
  broadcastRank,
  type Evaluate,
  each,
  INTEGERS,
  largest,
  NUMBERS,
  type Operator,
  type ShapeRule,
  SIGNED,
} from "./operator.ts";
import { leftFold, type Rewrite, without } from "./rewrite.ts";

/** The NumPy broadcast of all inputs. */
export function broadcastInputs(call: Call): Shape {
  const shapes = Array.from({ length: call.count }, (_, i) => call.shape(i));
  // Extents that never fit are found before a guess is looked at.
  const never = shapes.some(isOpen) && shapes.some((a, i) => shapes.slice(0, i).some((b) => neverBroadcast(a, b)));
  const shape = never ? undefined : broadcast(...shapes);
  if (shape === undefined) throw call.fail("the shapes do not broadcast");
  return shape;
}

function elementwise(type: (call: Call) => ElementType): ShapeRule {
  return (call) => [{ type: type(call), shape: broadcastInputs(call) }];
}

/**
 * Folds only operations whose result IEEE 754 fixes to the bit: the same constants in every JavaScript engine. float32 results are computed in
 * double and rounded once, which is exact rounding for + − · ÷ √ (Figueroa 1995: 53 ≥ 2·24 + 2).
 */
type Binary = (a: number, b: number) => number;
type BigBinary = (a: bigint, b: bigint) => bigint;

const FLOAT_OPERATIONS: Readonly<Record<string, Binary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.max(a, b)),
  Min: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.min(a, b)),
};
const WIDE_OPERATIONS: Readonly<Record<string, BigBinary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => (a > b ? a : b),
  Min: (a, b) => (a < b ? a : b),
};

const isWide = (type: ElementType): boolean => type === "int64" || type === "uint64";
const isFloat = (type: ElementType): boolean => type === "float32" || type === "float64";

/** Division that truncates, and remainders, of small integers. */
function integer(op: string, fmod: boolean): Binary | undefined {
  if (op === "Div") return (a, b) => Math.trunc(a / b);
  if (op === "Mod") return fmod ? (a, b) => a % b : (a, b) => ((a % b) + b) % b;
  // |a·b| of 32-bit integers may pass 2^53; imul keeps the low 32 bits, which is all that the array keeps.
  if (op === "Mul") return Math.imul;
  return FLOAT_OPERATIONS[op];
}

function pairwise<T>(call: Call, output: KnownValue, op: (a: T, b: T) => number | bigint): TensorData {
  const [a, b] = [elementsOf(call.constant(0)!.data), elementsOf(call.constant(1)!.data)];
  const to = allocate(output.type, sizeOf(output.shape));
  const strides = [broadcastStrides(call.shape(0), output.shape), broadcastStrides(call.shape(1), output.shape)];
  walk(output.shape, strides, (at, [i, j]) => {
    to[at] = op(a[i!] as T, b[j!] as T);
  });
  return dataOf(to);
}

function arithmetic(op: string): Evaluate {
  return (call, [output]) => {
    const type = call.type(0);
    if (call.count !== 2 || type === "string" || type === "bool" || holdsBits(type)) return undefined;
    const divides = op === "Div" || op === "Mod";
    if (isFloat(type))
      return FLOAT_OPERATIONS[op] === undefined ? undefined : [pairwise(call, output!, FLOAT_OPERATIONS[op])];
    if (divides && Array.from(call.constant(1)!.data as ArrayLike<number | bigint>).some((v) => Number(v) === 0))
      return undefined;
    const fmod = call.number("fmod", 0) === 1;
    if (!isWide(type)) {
      const exact = integer(op, fmod);
      return exact === undefined ? undefined : [pairwise(call, output!, exact)];
    }
    const mod: BigBinary = fmod ? (a, b) => a % b : (a, b) => ((a % b) + b) % b;
    const big = op === "Mod" ? mod : WIDE_OPERATIONS[op];
    return big === undefined ? undefined : [pairwise(call, output!, big)];
  };
}

/** x² and √x, which GELU and LayerNorm are written with; other powers are transcendental. */
const pow: Evaluate = (call, [output]) => {
  const exponents = call.numbers(1)!;
  if (call.type(0) !== "float32" || exponents.some((e) => e !== 2 && e !== 0.5 && e !== 1)) return undefined;
  // IEEE 754: the root of −0 is 0 as a power, and that of −∞ is ∞
  const root = (x: number): number => (x === 0 ? 0 : Math.sqrt(x === Number.NEGATIVE_INFINITY ? -x : x));
  const power = (x: number, e: number): number => (e === 2 ? x * x : e === 1 ? x : root(x));
  if (!isFloat(call.type(1))) return undefined;
  return [pairwise<number>(call, output!, power)];
};

type Comparable = number | bigint | string;

function compare(test: (a: Comparable, b: Comparable) => boolean): Evaluate {
  return (call, [output]) =>
    holdsBits(call.type(0)) ? undefined : [pairwise<Comparable>(call, output!, (a, b) => (test(a, b) ? 1 : 0))];
}

const where: Evaluate = (call, [output]) => {
  const [test, a, b] = [0, 1, 2].map((i) => elementsOf(call.constant(i)!.data));
  const to = allocate(output!.type, sizeOf(output!.shape));
  const strides = [0, 1, 2].map((i) => broadcastStrides(call.shape(i), output!.shape));
  walk(output!.shape, strides, (at, [t, i, j]) => {
    to[at] = test![t!] ? a![i!]! : b![j!]!;
  });
  return [dataOf(to)];
};

/** Of scalars and vectors, the longest. */
const broadcastLength: Operator["length"] = (node, { rank, length }) =>
  largest(node.inputs.map((_, i) => (rank(i) === 0 ? 1 : length(i))));

/**
 * Before opset 7 the second operand was stretched only where `broadcast` was 1, aligned at `axis`: that is the same as giving it trailing
 * extents of 1.
 */
const aligned: Rewrite = (node, make) => {
  if (!("broadcast" in node.attributes || "axis" in node.attributes)) return undefined;
  const attributes = without(node, "broadcast", "axis", "consumed_inputs");
  const axis = node.attributes["axis"];
  if (node.attributes["broadcast"] !== 1 || typeof axis !== "number" || axis < 0) return [{ ...node, attributes }];
  const [a = "", b = ""] = node.inputs;
  const [wide, narrow] = [make.rank(a), make.rank(b)];
  if (wide === undefined || narrow === undefined)
    throw make.fail(`"axis" = ${axis} needs the ranks of both inputs, which are unknown`);
  const missing = wide - axis - narrow;
  if (missing < 0) throw make.fail(`"axis" = ${axis} does not fit inputs of ranks ${wide} and ${narrow}`, "MODEL");
  if (missing === 0) return [{ ...node, attributes }];
  const axes = make.integers(
    "axes",
    Array.from({ length: missing }, (_, i) => narrow + i),
  );
  return make.end(node.op, [a, make.op("Unsqueeze", [b, axes])], attributes);
};

/** Before opset 7 a slope of several elements was one per channel, which is axis 1. */
const perChannel: Rewrite = (node, make) => {
  const [x = "", slope = ""] = node.inputs;
  if (make.opset >= 7 || make.rank(slope) !== 1 || make.constant(slope)?.size === 1) return undefined;
  const rank = make.rank(x);
  if (rank === undefined) throw make.fail("a slope per channel needs the rank of the input, which is unknown");
  if (rank <= 2) return undefined;
  const axes = Array.from({ length: rank - 2 }, (_, i) => i + 1);
  return make.end("PRelu", [x, make.op("Unsqueeze", [slope, make.integers("axes", axes)])]);
};

const ALIGNED = "axis:int<7 broadcast:int<7";

const binary = {
  inputs: "T T",
  rank: broadcastRank,
  length: broadcastLength,
  shape: elementwise((call) => call.type(0)),
  layout: elementwiseLayout,
  sizes: "polynomial",
  steps: true,
} as const satisfies Partial<Operator>;

const numeric = (op: string) =>
  ({
    ...binary,
    since: 1,
    types: { T: NUMBERS },
    others: `${ALIGNED} consumed_inputs:ints<6`,
    becomes: aligned,
    evaluate: arithmetic(op),
    elements: "scaled",
  }) as const;

const compared = {
  ...binary,
  since: 1,
  types: { T: NUMBERS },
  others: ALIGNED,
  becomes: aligned,
  shape: elementwise(() => "bool"),
  elements: "compared",
  sizes: "compared",
} as const;
const logical = { ...compared, inputs: "bool bool", elements: "logical" } as const;

/** Of any number of inputs: from left to right. */
const variadic = (op: string) => ({ ...numeric(op), others: "consumed_inputs:ints<6", becomes: leftFold(op) }) as const;

const mean = (node: Node, make: Maker): readonly Node[] => {
  const [first = "", ...rest] = node.inputs;
  if (rest.length === 0) return make.end("Identity", [first]);
  const sum = rest.reduce((left, right) => make.op("Add", [left, right]), first);
  return make.end("Div", [sum, make.op("CastLike", [make.tensor("count", "float32", node.inputs.length), sum])]);
};

/** Functions of the elements of several tensors that broadcast. */
/**
 * A shift of signed integers as one of their bits: to the right, negative ones are turned over before and after, so that the bits that come in are the sign. By a
 * negative number, or by all bits, only the sign is left: as unsigned numbers such shifts are too large, and give 0.
 */
function signedShift(call: Call, make: Maker): readonly Node[] | undefined {
  const type = call.type(0);
  if (!SIGNED.includes(type)) return undefined;
  const bits = { to: typeCode(`u${type}` as ElementType) };
  const [x, by] = call.node.inputs as [string, string];
  const direction = call.text("direction", "LEFT");
  const shifted = (value: string): string =>
    make.op(
      "BitCast",
      [make.op("BitShift", [make.op("BitCast", [value], bits), make.op("BitCast", [by], bits)], { direction })],
      {
        to: typeCode(type),
      },
    );
  if (direction === "LEFT") return make.end("Identity", [shifted(x)]);
  const isNegative = make.op("Less", [x, make.tensor("zero", type, 0)]);
  const turned = make.op("Neg", [make.op("Cast", [isNegative], { to: typeCode(type) })]);
  return make.end("BitwiseXor", [shifted(make.op("BitwiseXor", [x, turned])), turned]);
}

export const elementwiseOperators = {
  "/Add": { ...numeric("Add"), positive: "kept" },
  "/Sub": numeric("Sub"),
  "/Mul": { ...numeric("Mul"), positive: "kept" },
  "/Div": numeric("Div"),
  "/Max": variadic("Max"),
  "/Min": variadic("Min"),
  "/Sum": { since: 1, others: "consumed_inputs:ints<6", becomes: leftFold("Add") },
  "/Mean": { since: 1, others: "consumed_inputs:ints<6", becomes: mean },
  "/Mod": {
    ...binary,
    since: 10,
    types: { T: NUMBERS },
    attributes: { fmod: "int" },
    evaluate: arithmetic("Mod"),
  },
  "/Pow": {
    ...binary,
    since: 1,
    inputs: "T U",
    types: { T: NUMBERS, U: NUMBERS },
    others: ALIGNED,
    becomes: aligned,
    evaluate: pow,
    elements: "scaled",
  },
  "/PRelu": {
    ...binary,
    since: 1,
    others: "consumed_inputs:ints<6",
    types: { T: NUMBERS },
    becomes: perChannel,
    shape: (call: Call) => {
      const shape = broadcastInputs(call);
      if (shape.join() !== call.shape(0).join()) {
        const [x, slope] = [0, 1].map((i) => shapeInWords(call.shape(i)));
        // One way only (ONNX, "Unidirectional Broadcasting"): onnxruntime takes a slope of more axes, and gives more than the input has.
        throw call.fail(`the slope [${slope}] expected to broadcast to the input [${x}]`);
      }
      return [call.value(0)];
    },
  },
  ...each(["BitwiseAnd", "BitwiseOr", "BitwiseXor"], { ...binary, since: 18, types: { T: INTEGERS } }),
  "/BitShift": {
    ...binary,
    since: 11,
    types: { T: INTEGERS },
    attributes: { direction: ["LEFT", "RIGHT"] },
    expands: signedShift,
  },
  "/Equal": { ...compared, types: { T: ANY }, evaluate: compare((a, b) => a === b) },
  "/Less": { ...compared, evaluate: compare((a, b) => a < b) },
  "/LessOrEqual": { ...compared, since: 12, evaluate: compare((a, b) => a <= b) },
  "/Greater": { ...compared, evaluate: compare((a, b) => a > b) },
  "/GreaterOrEqual": { ...compared, since: 12, evaluate: compare((a, b) => a >= b) },
  "/And": { ...logical, evaluate: compare((a, b) => a === 1 && b === 1) },
  "/Or": { ...logical, evaluate: compare((a, b) => a === 1 || b === 1) },
  "/Xor": { ...logical, evaluate: compare((a, b) => a !== b) },
  "/Where": {
    ...binary,
    since: 9,
    inputs: "bool T T",
    types: { T: ANY },
    shape: elementwise((call) => call.type(1)),
    evaluate: where,
    elements: "joined",
  },
} as const satisfies Readonly<Record<string, Operator>>;
