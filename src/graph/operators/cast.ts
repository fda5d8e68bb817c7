import { type ElementType, floatToHalf, halfToFloat, TYPE_OF_CODE } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { KnownValue, Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { unaryLayout } from "./layout-rules.ts";
import { ANY, type Evaluate, type Operator, sameLength, sameRank } from "./operator.ts";

/** The element type of an attribute that holds an ONNX data type (`to` of Cast, `dtype` of EyeLike). */
export function typeAttribute(call: Call, name: string, fallback?: ElementType): ElementType {
  const code = call.number(name, 0);
  const type = code === 0 ? fallback : TYPE_OF_CODE[code];
  if (type === undefined) {
    throw nodeError(call.node, call.opsets, `"${name}" = ${code} is an element type that we do not have`);
  }
  return type;
}

/** The ONNX number of an element type, for nodes that we make. */
export function typeCode(type: ElementType): number {
  return Number(Object.keys(TYPE_OF_CODE).find((code) => TYPE_OF_CODE[Number(code)] === type));
}

const cast: Evaluate = (call, [output]) => {
  const tensor = call.constant(0)!;
  const [from, to] = [tensor.type, output!.type];
  if (from === to) return [tensor.data];
  if (from === "string" || to === "string") return undefined;
  const source = elementsOf(tensor.data);
  const result = allocate(to, source.length);
  for (let i = 0; i < source.length; i++) {
    const value = from === "float16" ? halfToFloat(source[i] as number) : source[i]!;
    const converted = convert(value as number | bigint, from, to);
    if (converted === undefined) return undefined;
    result[i] = converted;
  }
  return [dataOf(result)];
};

/** One element in another type; undefined where ONNX leaves the result open. */
function convert(value: number | bigint, from: ElementType, to: ElementType): number | bigint | undefined {
  const number = Number(value);
  if (to === "bool") return number === 0 ? 0 : 1;
  if (to === "float32" || to === "float64") return number;
  if (to === "float16") return floatToHalf(Math.fround(number));
  const fromFloat = from === "float32" || from === "float64" || from === "float16";
  if (fromFloat && !(Math.abs(number) < 2 ** 31)) return undefined;
  if (to === "int64" || to === "uint64") return fromFloat ? BigInt(Math.trunc(number)) : BigInt(value);
  return typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : Math.trunc(number);
}

function settle(call: Call, [output]: readonly KnownValue[]): Node {
  return call.type(0) === output!.type
    ? { ...call.node, op: "Identity", inputs: call.node.inputs.slice(0, 1), attributes: {} }
    : call.node;
}

const shared = {
  rank: sameRank,
  length: sameLength,
  layout: unaryLayout,
  evaluate: cast,
  settle,
  steps: true,
} as const;

/** Before opset 6 the element type was given by name. */
const NAMED: Readonly<Record<string, number>> = {
  ...{ FLOAT: 1, UINT8: 2, INT8: 3, UINT16: 4, INT16: 5, INT32: 6, INT64: 7, STRING: 8 },
  ...{ BOOL: 9, FLOAT16: 10, DOUBLE: 11, UINT32: 12, UINT64: 13 },
};

/** Conversion of element types. */
export const casts = {
  "/Cast": {
    ...shared,
    since: 1,
    inputs: "T",
    types: { T: ANY },
    attributes: { to: "int", saturate: "int" },
    becomes: (node, make) => {
      const { to } = node.attributes;
      if (typeof to !== "string") return undefined;
      const code = NAMED[to];
      if (code === undefined) throw make.fail(`"to" = "${to}" is an element type that we do not have`);
      return [{ ...node, attributes: { ...node.attributes, to: code } }];
    },
    shape: (call: Call) => [{ type: typeAttribute(call, "to"), shape: call.shape(0) }],
  },
  "/CastLike": {
    ...shared,
    since: 15,
    inputs: "T U",
    types: { T: ANY, U: ANY },
    attributes: { saturate: "int" },
    shape: (call: Call) => [{ type: call.type(1), shape: call.shape(0) }],
  },
} as const satisfies Readonly<Record<string, Operator>>;
