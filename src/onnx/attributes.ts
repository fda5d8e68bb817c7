import { decodeUtf8 } from "../core/bare.ts";
import { BitbasisError } from "../core/errors.ts";
import { apparentType } from "../graph/attributes.ts";
import type { Attribute, AttributeType, Graph, Node } from "../graph/graph.ts";
import { Tensor } from "../tensor/index.ts";
import type { AttributeProto, GraphProto, NodeProto } from "./schema.ts";
import type { TensorReader } from "./tensors.ts";
import { typeText } from "./values.ts";

/** AttributeProto.AttributeType. */
export const KIND_CODES: Readonly<Record<AttributeType, number>> = {
  float: 1,
  int: 2,
  text: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  texts: 8,
};
const SPARSE_TENSOR = 11;
const TYPE = 13;

/** Largest double below 2^63, which is what 2^63 − 1 is read as: attributes that mean "to the end" stay in the range of int64. */
export const INT64_END = 2 ** 63 - 1024;

/** What attributes are read with. */
export interface AttributeReader {
  readonly tensors: TensorReader;
  body(proto: GraphProto): Graph;
}

/** The attributes of a node, and their kinds where the values do not tell them. */
export function readAttributes(
  node: NodeProto,
  what: string,
  reader: AttributeReader,
): Pick<Node, "attributes" | "kinds"> {
  const values = new Map<string, Attribute>();
  const kinds = new Map<string, AttributeType>();
  for (const proto of node.attribute) {
    const { name } = proto;
    if (values.has(name)) throw new BitbasisError("MODEL", `${what} has two attributes "${name}"`);
    const { kind, value } = readAttribute(proto, what, reader);
    values.set(name, value);
    if (kind !== apparentType(value)) kinds.set(name, kind);
  }
  // Object.fromEntries and not assignments: a file may name an attribute "__proto__".
  const attributes = Object.fromEntries(values);
  return kinds.size === 0 ? { attributes } : { attributes, kinds: Object.fromEntries(kinds) };
}

function readAttribute(
  a: AttributeProto,
  what: string,
  { tensors, body }: AttributeReader,
): { kind: AttributeType; value: Attribute } {
  if (a.ref_attr_name !== "") {
    throw new BitbasisError("MODEL", `attribute "${a.name}" of ${what} refers to one of a function, but is in none`);
  }
  const code = a.type === 0 ? guessType(a) : a.type;
  switch (code) {
    case KIND_CODES.float:
      return { kind: "float", value: a.f };
    case KIND_CODES.int:
      return { kind: "int", value: integer(a.i) };
    case KIND_CODES.text:
      return { kind: "text", value: decodeUtf8(a.s) };
    case KIND_CODES.tensor:
      if (a.t !== undefined) return { kind: "tensor", value: tensors.read(a.t, `attribute "${a.name}" of ${what}`) };
      break;
    case KIND_CODES.graph:
      if (a.g !== undefined) return { kind: "graph", value: body(a.g) };
      break;
    case KIND_CODES.floats:
      return { kind: "floats", value: a.floats };
    case KIND_CODES.ints:
      return { kind: "ints", value: a.ints.map(integer) };
    case KIND_CODES.texts:
      return { kind: "texts", value: a.strings.map((s) => decodeUtf8(s)) };
    case SPARSE_TENSOR:
      if (a.sparse_tensor === undefined) break;
      return { kind: "tensor", value: tensors.readSparse(a.sparse_tensor, `attribute "${a.name}" of ${what}`) };
    case TYPE:
      if (a.tp !== undefined) return { kind: "text", value: typeText(a.tp) };
      break;
    default:
      throw new BitbasisError(
        "UNSUPPORTED",
        `attribute "${a.name}" of ${what} is of a kind (${code}) that we do not read`,
      );
  }
  throw new BitbasisError(
    "MODEL",
    `attribute "${a.name}" of ${what} says that it is of kind ${code}, and has no such value`,
  );
}

function integer(value: number | bigint): number {
  return Math.min(Number(value), INT64_END);
}

/** Attributes of IR version 1 carry no type. */
function guessType(a: AttributeProto): number {
  if (a.t !== undefined) return KIND_CODES.tensor;
  if (a.g !== undefined) return KIND_CODES.graph;
  if (a.s !== undefined) return KIND_CODES.text;
  if (a.floats.length > 0) return KIND_CODES.floats;
  if (a.ints.length > 0) return KIND_CODES.ints;
  if (a.strings.length > 0) return KIND_CODES.texts;
  return a.f !== 0 ? KIND_CODES.float : KIND_CODES.int;
}

/** The tensor of a Constant node. */
export function readConstant(node: NodeProto, what: string, tensors: TensorReader): Tensor {
  const given = node.attribute.filter((a) => /^(sparse_)?value(_|$)/.test(a.name));
  const strange = node.attribute.find((a) => !given.includes(a) && !a.name.startsWith("__"));
  if (strange !== undefined)
    throw new BitbasisError("MODEL", `${what} has an attribute "${strange.name}", which is none`);
  if (given.length !== 1) throw new BitbasisError("MODEL", `${what} expected one value, got ${given.length}`);
  const a = given[0]!;
  switch (a.name) {
    case "value":
      if (a.t !== undefined) return tensors.read(a.t, what);
      break;
    case "sparse_value":
      if (a.sparse_tensor !== undefined) return tensors.readSparse(a.sparse_tensor, what);
      break;
    case "value_float":
      return new Tensor("float32", [a.f], []);
    case "value_floats":
      return new Tensor("float32", a.floats);
    case "value_int":
      return new Tensor("int64", [a.i], []);
    case "value_ints":
      return new Tensor("int64", a.ints);
    case "value_string":
      return new Tensor("string", [decodeUtf8(a.s)], []);
    case "value_strings":
      return new Tensor(
        "string",
        a.strings.map((s) => decodeUtf8(s)),
      );
  }
  throw new BitbasisError("MODEL", `${what} has an attribute "${a.name}" without a value`);
}
