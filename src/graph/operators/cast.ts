import { castData, type ElementType, elementBytes, TYPE_OF_CODE } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { KnownValue, Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { unaryLayout } from "./layout-rules.ts";
import { ANY, type Evaluate, NUMBERS, type Operator, sameLength, sameRank } from "./operator.ts";

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
  const rounding = {
    saturate: call.number("saturate", 1) !== 0,
    power: call.text("round_mode", "up") as (typeof ROUND_MODES)[number],
  };
  const tensor = call.constant(0)!;
  const data = castData(tensor.data, tensor.type, output!.type, rounding);
  return data === undefined ? undefined : [data];
};

/** What texts become numbers with, and numbers texts: a chunk that comes with what has texts. */
export const CAST_TEXT = { domain: "bitbasis", op: "CastText" };

const castText: Operator["expands"] = (call) => {
  const types = [call.type(0), typeAttribute(call, "to", call.inputs[1]?.type)];
  return types.includes("string") ? [{ ...call.node, ...CAST_TEXT }] : undefined;
};

function castTo(call: Call, type: ElementType): readonly KnownValue[] {
  return [{ type, shape: call.shape(0) }];
}

function settle(call: Call, [output]: readonly KnownValue[]): Node {
  return call.type(0) === output!.type
    ? { ...call.node, op: "Identity", inputs: call.node.inputs.slice(0, 1), attributes: {} }
    : call.node;
}

/** How a Cast to float8e8m0 rounds. */
const ROUND_MODES = ["up", "down", "nearest"] as const;

const shared = {
  rank: sameRank,
  length: sameLength,
  layout: unaryLayout,
  evaluate: cast,
  expands: castText,
  settle,
  elements: "moved",
  sizes: "polynomial",
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
    attributes: { to: "int", saturate: "int", round_mode: ROUND_MODES },
    others: "to<6",
    becomes: (node, make) => {
      const { to } = node.attributes;
      if (typeof to !== "string") return undefined;
      const code = NAMED[to];
      if (code === undefined) throw make.fail(`"to" = "${to}" is an element type that we do not have`);
      return [{ ...node, attributes: { ...node.attributes, to: code } }];
    },
    later: ({ attributes }) => (attributes["to"] === NAMED["STRING"] ? CAST_TEXT : undefined),
    shape: (call: Call) => castTo(call, typeAttribute(call, "to")),
  },
  "/BitCast": {
    since: 26,
    inputs: "T",
    types: { T: [...NUMBERS, "bool"] },
    attributes: { to: "int" },
    rank: sameRank,
    layout: unaryLayout,
    shape: (call: Call) => {
      const type = typeAttribute(call, "to");
      if (elementBytes(type) !== elementBytes(call.type(0)))
        throw call.fail(`"to" expected a type of ${elementBytes(call.type(0))} bytes, got ${type}`);
      return [{ type, shape: call.shape(0) }];
    },
    sizes: "polynomial",
    steps: true,
  },
  "/CastLike": {
    ...shared,
    since: 15,
    inputs: "T U",
    types: { T: ANY, U: ANY },
    attributes: { saturate: "int", round_mode: ROUND_MODES },
    shape: (call: Call) => castTo(call, call.type(1)),
  },
} as const satisfies Readonly<Record<string, Operator>>;
