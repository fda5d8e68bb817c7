import type { Attribute, Graph, Node, ValueInfo } from "../graph/graph.ts";
import { isGraph } from "../graph/order.ts";
import { Tensor } from "../tensor/index.ts";
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type ValueInfoProto,
  writeModelProto,
} from "./schema.ts";
import { writeTensor } from "./tensors.ts";
import { dataType } from "./types.ts";
import { Utf8Writer } from "./wire.ts";

/** ONNX attributes that are floats also when their value is whole; everything else is an integer unless it has a fraction. */
const FLOATS = new Set(
  (
    "alpha beta gamma bias lambd epsilon momentum ratio clip scale scales size_scale spatial_scale cubic_coeff_a " +
    "extrapolation_value activation_alpha activation_beta high low mean max min value_float value_floats threshold " +
    "softcap norm_coefficient norm_coefficient_post"
  ).split(" "),
);
/** IR version of files that we write, for opsets up to 21 (ONNX 1.16). */
const IR_VERSION = 10;
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
    ir_version: (opsets[""] ?? 0) > 21 ? IR_VERSION + 1 : IR_VERSION,
    producer_name: "bitbasis",
    opset_import: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: writeGraph(graph),
  };
  const pbf = new Utf8Writer();
  writeModelProto(model, pbf);
  return pbf.finish();
}

function writeGraph(graph: Graph): GraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map(writeNode),
    initializer: [...graph.initializers].map(([name, tensor]) =>
      writeTensor(tensor, name),
    ) as GraphProto["initializer"],
    sparse_initializer: [],
    input: graph.inputs.map(writeValueInfo),
    output: graph.outputs.map(writeValueInfo),
    value_info: [],
  };
}

function writeNode(node: Node): NodeProto {
  return {
    name: node.name,
    op_type: node.op,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, value]) => writeAttribute(name, value) as AttributeProto),
  };
}

function writeAttribute(name: string, value: Attribute): Partial<AttributeProto> {
  const utf8 = new TextEncoder();
  if (typeof value === "string") return { name, type: 3, s: utf8.encode(value) };
  if (typeof value === "number") {
    return FLOATS.has(name) || !Number.isInteger(value) ? { name, type: 1, f: value } : { name, type: 2, i: value };
  }
  if (value instanceof Tensor) return { name, type: 4, t: writeTensor(value, "") as AttributeProto["t"] };
  if (isGraph(value)) return { name, type: 5, g: writeGraph(value) };
  if (typeof value[0] === "string") return { name, type: 8, strings: value.map((s) => utf8.encode(String(s))) };
  const numbers = value as readonly number[];
  const real = FLOATS.has(name) || numbers.some((v) => !Number.isInteger(v));
  return real ? { name, type: 6, floats: [...numbers] } : { name, type: 7, ints: [...numbers] };
}

function writeValueInfo({ name, type, shape }: ValueInfo): ValueInfoProto {
  const dim = shape?.map((d) =>
    typeof d === "number"
      ? { dim_value: d, value: "dim_value" as const }
      : { dim_param: d, value: "dim_param" as const },
  );
  const tensor = { elem_type: dataType(type), shape: dim === undefined ? undefined : { dim } };
  return { name, type: { tensor_type: tensor, value: "tensor_type" } } as ValueInfoProto;
}
