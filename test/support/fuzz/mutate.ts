// Changes of a model that keep most of it: one to three fields, edges, types, extents, versions or names of a graph, or bytes of a file; and of containers, whose digests are
// made right again so that the change is not refused for its digest alone.
import type { Attribute, Graph, Node } from "../../../src/graph/graph.ts";
import { type ElementType, Tensor } from "../../../src/tensor/index.ts";
import { parted, plainContainer, repacked, signed, withDigests } from "../containers.ts";
import type { Random } from "../random.ts";
import { TEMPLATES } from "./templates.ts";

const TYPES: readonly ElementType[] = [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "int32",
  "int64",
  "uint64",
  "bool",
  "string",
];
const NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  7,
  255,
  65536,
  -128,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 32,
  2 ** 40,
  2 ** 53,
  -(2 ** 63),
  2 ** 63 - 1024,
  0.5,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];
const NAMES = [
  "",
  "x0",
  "y1",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "folded:int64[1]:7",
  "a\u0000b",
  "é".repeat(40),
];
const ATTRIBUTES = [
  "axis",
  "axes",
  "perm",
  "pads",
  "strides",
  "dilations",
  "kernel_shape",
  "group",
  "to",
  "mode",
  "keepdims",
  "auto_pad",
  "output_shape",
  "output_padding",
  "ceil_mode",
  "epsilon",
  "alpha",
  "k",
  "split",
  "num_outputs",
  "batch_dims",
  "blocksize",
  "value",
  "reduction",
  "num_groups",
  "direction",
];
const TEXTS = ["", "SAME_UPPER", "VALID", "linear", "cubic", "reflect", "wrap", "add", "max", "LEFT", "tanh", "NaN"];

const other = <T>(list: readonly T[], index: number, value: T): T[] => list.map((v, i) => (i === index ? value : v));

function number(random: Random): number {
  return random.integer(0, 2) === 0 ? random.integer(-4, 9) : random.pick(NUMBERS);
}

function attribute(random: Random, old: Attribute | undefined): Attribute {
  if (Array.isArray(old) && random.integer(0, 3) > 0) {
    const list = [...old] as number[];
    const kind = random.integer(0, 3);
    if (kind === 0) return [...list, number(random)];
    if (kind === 1) return list.slice(1);
    return list.length === 0 ? [number(random)] : other(list, random.integer(0, list.length - 1), number(random));
  }
  if (typeof old === "number" && random.integer(0, 3) > 0) return number(random);
  const kind = random.integer(0, 4);
  if (kind === 0) return random.pick(TEXTS);
  if (kind === 1) return Array.from({ length: random.integer(0, 5) }, () => number(random));
  if (kind === 2) return tensor(random);
  return number(random);
}

function tensor(random: Random): Tensor {
  const type = random.pick(["float32", "int64", "int32", "bool", "uint8"] as const);
  const dims = Array.from({ length: random.integer(0, 3) }, () => random.integer(0, 3));
  const size = dims.reduce((a, b) => a * b, 1);
  const value = (): number =>
    type === "float32"
      ? random.uniform(-3, 3)
      : type === "int64" || type === "int32"
        ? random.integer(-5, 5)
        : random.integer(0, 1);
  return new Tensor(type, Array.from({ length: size }, value), dims);
}

function mutateNode(random: Random, node: Node, names: readonly string[]): Node {
  const name = (): string => (random.integer(0, 3) === 0 ? random.pick(NAMES) : random.pick([...names, ""]));
  switch (random.integer(0, 8)) {
    case 0:
      return { ...node, op: random.pick([...Object.keys(TEMPLATES), "If", "Loop", "Nothing"]) };
    case 1:
      return {
        ...node,
        inputs:
          node.inputs.length === 0 ? [name()] : other(node.inputs, random.integer(0, node.inputs.length - 1), name()),
      };
    case 2:
      return { ...node, inputs: random.integer(0, 1) === 0 ? [...node.inputs, name()] : node.inputs.slice(0, -1) };
    case 3:
      return {
        ...node,
        outputs:
          random.integer(0, 1) === 0 ? [...node.outputs, `z${random.integer(0, 3)}`] : other(node.outputs, 0, name()),
      };
    case 4:
      return { ...node, domain: random.pick(["com.microsoft", "bitbasis", "ai.onnx.ml", "__proto__"]) };
    case 5: {
      const key = random.pick(Object.keys(node.attributes).length > 0 ? Object.keys(node.attributes) : ATTRIBUTES);
      const { [key]: _, ...rest } = node.attributes;
      return { ...node, attributes: rest };
    }
    case 6:
      return { ...node, attributes: { ...node.attributes, [random.pick(ATTRIBUTES)]: attribute(random, undefined) } };
    default: {
      const keys = Object.keys(node.attributes);
      const key = random.pick(keys.length > 0 ? keys : ATTRIBUTES);
      return { ...node, attributes: { ...node.attributes, [key]: attribute(random, node.attributes[key]) } };
    }
  }
}

/** One change of a graph. */
function mutateOnce(random: Random, graph: Graph): Graph {
  const names = [
    ...graph.initializers.keys(),
    ...graph.inputs.map((i) => i.name),
    ...graph.nodes.flatMap((n) => n.outputs),
  ];
  const kind = random.integer(0, 11);
  if (kind < 6 && graph.nodes.length > 0) {
    const i = random.integer(0, graph.nodes.length - 1);
    return { ...graph, nodes: other(graph.nodes, i, mutateNode(random, graph.nodes[i]!, names)) };
  }
  if (kind < 8 && graph.initializers.size > 0) {
    const key = random.pick([...graph.initializers.keys()]);
    return { ...graph, initializers: new Map(graph.initializers).set(key, tensor(random)) };
  }
  if (kind === 8)
    return { ...graph, opsets: { ...graph.opsets, "": random.pick([1, 6, 7, 9, 10, 11, 13, 17, 18, 21, 23, 28, 99]) } };
  if (kind === 9 && graph.inputs.length > 0) {
    const i = random.integer(0, graph.inputs.length - 1);
    const input = graph.inputs[i]!;
    const changed =
      random.integer(0, 1) === 0
        ? { ...input, type: random.pick(TYPES) }
        : { ...input, shape: random.integer(0, 2) === 0 ? undefined : [number(random)] };
    return { ...graph, inputs: other(graph.inputs, i, changed) };
  }
  if (kind === 10)
    return {
      ...graph,
      outputs: [...graph.outputs, { name: random.pick([...names, ...NAMES]), type: "float32", shape: undefined }],
    };
  const order = [...graph.nodes].sort(() => random.integer(-1, 1));
  return { ...graph, nodes: order };
}

export function mutateGraph(random: Random, graph: Graph): Graph {
  let changed = graph;
  for (let i = random.integer(1, 3); i > 0; i--) changed = mutateOnce(random, changed);
  return changed;
}

/** Bytes set, flipped, cut, doubled or moved. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const at = (): number => random.integer(0, Math.max(0, bytes.length - 1));
  const copy = Uint8Array.from(bytes);
  switch (random.integer(0, 5)) {
    case 0:
      return copy.slice(0, at());
    case 1: {
      const [from, length] = [at(), random.integer(1, 16)];
      return Uint8Array.from([...copy.slice(0, from), ...copy.slice(from, from + length), ...copy.slice(from)]);
    }
    case 2: {
      const from = at();
      return Uint8Array.from([...copy.slice(0, from), ...copy.slice(from + random.integer(1, 8))]);
    }
    default:
      for (let i = random.integer(1, 4); i > 0 && copy.length > 0; i--)
        copy[at()] = random.integer(0, 1) === 0 ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : random.integer(0, 255);
      return copy;
  }
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON value with one place changed. */
function mutateJson(random: Random, value: Json): Json {
  if (Array.isArray(value) && value.length > 0 && random.integer(0, 5) > 0) {
    const i = random.integer(0, value.length - 1);
    return other(value, i, mutateJson(random, value[i]!));
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const keys = Object.keys(value);
    if (keys.length > 0 && random.integer(0, 5) > 0) {
      const key = random.pick(keys);
      return { ...value, [key]: mutateJson(random, value[key]!) };
    }
    if (keys.length > 0) {
      const { [random.pick(keys)]: _, ...rest } = value;
      return rest;
    }
  }
  return random.pick<Json>([
    null,
    true,
    "",
    "NaN",
    "x0",
    -1,
    0.5,
    1e99,
    number(random),
    [],
    [0],
    {},
    { type: "tensor" },
  ]);
}

/** A container, of either version, with one place of its metadata (graph, plan, sections), of its table of tensors or of their data changed; its digests are right. */
export function mutateContainer(random: Random, bytes: Uint8Array): Uint8Array {
  const { text, data } = parted(plainContainer(bytes));
  const { __metadata__, ...tensors } = JSON.parse(text) as { [key: string]: Json };
  const metadata = __metadata__ as { [key: string]: string };
  const write = (told: Json, listed: { [key: string]: Json }): Uint8Array => {
    const plain = signed(JSON.stringify({ __metadata__: told, ...listed }), data);
    return random.integer(0, 1) === 0 ? plain : repacked(bytes, plain);
  };
  const place = random.integer(0, 4);
  if (place === 0) return write(metadata, mutateJson(random, tensors) as { [key: string]: Json });
  if (place === 1) {
    mutateData(random, data);
    return write({ ...metadata, sections: withDigests(metadata["sections"]!, data) }, tensors);
  }
  const key = random.pick(Object.keys(metadata).slice(1));
  return write({ ...metadata, [key]: mutateText(random, metadata[key]!) }, tensors);
}

/** What scales, zero points, places of outliers and digits are not expected to be. */
const WORDS = new Uint32Array(
  new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, -1, 0, -0, 1e-45, 3e38, 1e-38, 65_536, 0.5]).buffer,
);

/** Changes one to four words, in the first half of the bytes as often as not: scales and the like go before the digits. */
function mutateData(random: Random, data: Uint8Array): void {
  const words = data.length >> 2;
  if (words === 0) return;
  const view = new DataView(data.buffer, data.byteOffset);
  for (let changes = random.integer(1, 4); changes > 0; changes--) {
    const last = random.integer(0, 1) === 0 ? words >> 1 : words - 1;
    const word = random.pick([random.pick([...WORDS]), random.bits(), 0xffff_ffff, 0x8080_8080, 0x7f7f_7f7f]);
    view.setUint32(4 * random.integer(0, last), word, true);
  }
}

function mutateText(random: Random, text: string): string {
  try {
    return JSON.stringify(mutateJson(random, JSON.parse(text) as Json));
  } catch {
    return random.pick(["", "1", "x", text.slice(1)]);
  }
}
