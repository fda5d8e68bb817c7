import { encodeUtf8 } from "../core/bare.ts";
import { attributeType } from "../graph/attributes.ts";
import type { Attribute, AttributeType, Graph, Node } from "../graph/graph.ts";
import type { Tensor } from "../tensor/index.ts";
import { INT64_END, KIND_CODES } from "./attributes.ts";
import { type AttributeProto, type GraphProto, type ModelProto, type NodeProto, writeModelProto } from "./schema.ts";
import { writeTensor } from "./tensors.ts";
import { writeBodyValue, writeValueInfo } from "./values.ts";
import { Utf8Writer } from "./wire.ts";

/** IR versions of files that we write, by the first opset that came with them (https://onnx.ai/onnx/repo-docs/Versioning.html). */
const IR_VERSIONS: readonly (readonly [opset: number, version: number])[] = [
  [28, 14],
  [25, 13],
  [24, 12],
  [23, 11],
];
const OLDEST_IR_VERSION = 10;
/** A normalized graph (see src/graph/passes/normalize.ts) has operators in the form of this opset. */
const NORMAL_OPSET = 21;

/**
 * Writes a graph as an ONNX model, tensors as raw data. Operators of the "bitbasis" domain are written as they are: other runtimes do not know
 * them.
 *
 * @example
 * await writeFile("copy.onnx", writeOnnx(readOnnx(await readFile("model.onnx"))));
 */
export function writeOnnx(graph: Graph): Uint8Array {
  const opsets = { ...graph.opsets };
  if ("bitbasis" in opsets) opsets[""] = Math.max(opsets[""] ?? 0, NORMAL_OPSET);
  const model: Partial<ModelProto> = {
    ir_version: IR_VERSIONS.find(([opset]) => (opsets[""] ?? 1) >= opset)?.[1] ?? OLDEST_IR_VERSION,
    producer_name: "bitbasis",
    opset_import: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: writeGraph(graph),
  };
  const pbf = new Utf8Writer();
  writeModelProto(model, pbf);
  return pbf.finish();
}

function writeGraph(graph: Graph, writeValue = writeValueInfo): GraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map(writeNode),
    initializer: [...graph.initializers].map(([name, tensor]) =>
      writeTensor(tensor, name),
    ) as GraphProto["initializer"],
    sparse_initializer: [],
    input: [...graph.inputs, ...(graph.overridable ?? [])].map(writeValue),
    output: graph.outputs.map(writeValue),
    value_info: [],
  };
}

function writeNode(node: Node): NodeProto {
  return {
    name: node.name,
    op_type: node.op,
    domain: node.domain,
    overload: "",
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.keys(node.attributes).map((name) => writeAttribute(node, name) as AttributeProto),
  };
}

function writeAttribute(node: Node, name: string): Partial<AttributeProto> {
  const kind = attributeType(node, name)!;
  return { name, type: KIND_CODES[kind], ...attributeValue(kind, node.attributes[name]!) };
}

function attributeValue(kind: AttributeType, value: Attribute): Partial<AttributeProto> {
  const texts = (list: readonly unknown[]): Uint8Array[] => list.map((text) => encodeUtf8(String(text)));
  const numbers = value as readonly number[];
  switch (kind) {
    case "float":
      return { f: value as number };
    case "int":
      return { i: integer(value as number) };
    case "text":
      return { s: texts([value])[0]! };
    case "tensor":
      return { t: writeTensor(value as Tensor, "") as AttributeProto["t"] };
    case "graph":
      return { g: writeGraph(value as Graph, writeBodyValue) };
    case "floats":
      return { floats: [...numbers] };
    case "ints":
      return { ints: numbers.map(integer) };
    case "texts":
      return { strings: texts(numbers) };
  }
}

/** The inverse of what the reader does at the end of int64. */
function integer(value: number): number | bigint {
  return value === INT64_END ? 2n ** 63n - 1n : value;
}
