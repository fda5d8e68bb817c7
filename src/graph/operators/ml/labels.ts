import { bytesIn, type ElementType, Tensor, type TensorData } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import type { Call } from "../call.ts";
import { allocate, dataOf, elementsOf } from "../elements.ts";
import { inPieces, PIECE } from "../memo.ts";
import { type Operator, sameRank } from "../operator.ts";
import { type Fail, numbersOf, textsOf } from "./attributes.ts";

type Attributes = Node["attributes"];
type Label = number | bigint | string;

/** What a table maps from or to, and its entries in order. */
interface Column {
  readonly type: ElementType;
  readonly entries: readonly Label[];
}

const LISTS = [
  ["int64s", "int64"],
  ["floats", "float32"],
  ["strings", "string"],
] as const;

/** The one of `keys_int64s`, `keys_floats`, `keys_strings` and `keys_tensor` that is there. */
function columnOf(attributes: Attributes, stem: "keys" | "values", fail: Fail): Column {
  const tensor = attributes[`${stem}_tensor`];
  if (tensor instanceof Tensor)
    return { type: tensor.type, entries: Array.from(elementsOf(tensor.data) as ArrayLike<Label>) };
  const found = LISTS.filter(([ending]) => `${stem}_${ending}` in attributes);
  if (found.length !== 1)
    throw fail(`one of "${stem}_int64s", "${stem}_floats", "${stem}_strings" and "${stem}_tensor" is expected`);
  const [ending, type] = found[0]!;
  const name = `${stem}_${ending}`;
  if (type === "string") return { type, entries: textsOf(attributes, name) };
  const numbers = numbersOf(attributes, name);
  if (type === "int64" && !numbers.every(Number.isInteger)) throw fail(`"${name}" expected integers`);
  return { type, entries: type === "int64" ? numbers.map((v) => BigInt(v)) : numbers };
}

interface Table {
  readonly from: ElementType;
  readonly to: ElementType;
  readonly entries: ReadonlyMap<Label, Label>;
  readonly fallback: Label;
}

const FALLBACKS: Readonly<Record<string, Label>> = { string: "_Unused", int64: -1n, float32: -0 };

const tables = new WeakMap<Attributes, Table>();

function tableOf(attributes: Attributes, fail: Fail): Table {
  let table = tables.get(attributes);
  if (table === undefined) {
    table = readTable(attributes, fail);
    tables.set(attributes, table);
  }
  return table;
}

function readTable(attributes: Attributes, fail: Fail): Table {
  const [keys, values] = [columnOf(attributes, "keys", fail), columnOf(attributes, "values", fail)];
  const [from, count] = [keys.entries, values.entries.length];
  if (from.length !== count) throw fail(`keys and values expected one length, got ${from.length} and ${count}`);
  const entries = new Map<Label, Label>();
  // The first of equal keys counts. A map of JavaScript takes NaN for itself, and zeros of both signs for one.
  from.forEach((key, i) => {
    if (!entries.has(key)) entries.set(key, values.entries[i]!);
  });
  const given = attributes["default_tensor"];
  if (given instanceof Tensor && (given.size !== 1 || given.type !== values.type))
    throw fail(`"default_tensor" expected one ${values.type}, got ${given.type} [${given.dims}]`);
  return { from: keys.type, to: values.type, entries, fallback: fallbackOf(attributes, values.type) };
}

function fallbackOf(attributes: Attributes, type: ElementType): Label {
  const tensor = attributes["default_tensor"];
  if (tensor instanceof Tensor) return elementsOf(tensor.data)[0]!;
  const given =
    attributes[{ string: "default_string", int64: "default_int64", float32: "default_float" }[type as string] ?? ""];
  if (typeof given === "number") return type === "int64" ? BigInt(given) : given;
  if (typeof given === "string") return given;
  return FALLBACKS[type] ?? 0;
}

const encode = inPieces(function* (call): Generator<undefined, TensorData[]> {
  const { entries, fallback, to: type } = tableOf(call.node.attributes, (why) => call.fail(why));
  const from = elementsOf(call.constant(0)!.data);
  call.hold(bytesIn(type, from.length));
  const to = allocate(type, from.length);
  for (let i = 0; i < from.length; i++) {
    const key = from[i]!;
    to[i] = entries.get(key === 0 ? 0 : key) ?? fallback;
    if (i % PIECE === 0) yield;
  }
  return [dataOf(to)];
});

/** The attributes of LabelEncoder for a table between texts and integers. */
function between(texts: readonly string[], numbers: readonly number[], toText: boolean): Attributes {
  return toText ? { keys_int64s: numbers, values_strings: texts } : { keys_strings: texts, values_int64s: numbers };
}

function defaults({ default_int64, default_string }: Attributes): Attributes {
  return {
    ...(default_int64 !== undefined && { default_int64 }),
    ...(default_string !== undefined && { default_string }),
  };
}

/** Which way a table goes is told by the type of the input. */
function bothWays(list: string): Operator["expands"] {
  return (call, make) => {
    const { attributes, inputs } = call.node;
    const texts = textsOf(attributes, list);
    const numbers = "cats_int64s" in attributes ? numbersOf(attributes, "cats_int64s") : texts.map((_, i) => i);
    if (texts.length !== numbers.length)
      throw call.fail(`"${list}" expected ${numbers.length} texts, got ${texts.length}`);
    const table = between(texts, numbers, call.type(0) === "int64");
    return make.end("ai.onnx.ml/LabelEncoder", inputs, { ...table, ...defaults(attributes) });
  };
}

export const labels = {
  "ai.onnx.ml/LabelEncoder": {
    since: 1,
    inputs: "T",
    types: { T: ["string", "int64", "float32", "float64", "int32", "int16"] },
    attributes: {
      keys_int64s: "ints",
      keys_floats: "floats",
      keys_strings: "texts",
      keys_tensor: "tensor",
      values_int64s: "ints",
      values_floats: "floats",
      values_strings: "texts",
      values_tensor: "tensor",
      default_int64: "int",
      default_float: "float",
      default_string: "text",
      default_tensor: "tensor",
      classes_strings: "texts",
    },
    becomes: (node, make) => {
      if ("classes_strings" in node.attributes) return make.end("bitbasis/ClassEncoder", node.inputs, node.attributes);
      tableOf(node.attributes, (why) => make.fail(why, "MODEL"));
      return undefined;
    },
    rank: sameRank,
    shape: (call: Call) => {
      const { from, to } = tableOf(call.node.attributes, (why) => call.fail(why));
      if (call.type(0) !== from) throw call.fail(`the input expected type ${from} as the keys, got ${call.type(0)}`);
      return [{ type: to, shape: call.shape(0) }];
    },
    evaluate: (call: Call) => encode(call),
    work: encode.pieces,
  },
  /** LabelEncoder of version 1: classes and their places in the list. */
  "bitbasis/ClassEncoder": {
    since: 1,
    inputs: "T",
    types: { T: ["string", "int64"] },
    attributes: { classes_strings: "texts", default_int64: "int", default_string: "text" },
    expands: bothWays("classes_strings"),
  },
  "ai.onnx.ml/CategoryMapper": {
    since: 1,
    inputs: "T",
    types: { T: ["string", "int64"] },
    attributes: { cats_strings: "texts", cats_int64s: "ints", default_int64: "int", default_string: "text" },
    expands: bothWays("cats_strings"),
  },
} as const satisfies Readonly<Record<string, Operator>>;
