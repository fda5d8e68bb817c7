import { PbfWriter } from "pbf";
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TypeProto,
  type ValueInfoProto,
  writeModelProto,
} from "../../src/onnx/schema.ts";

/** A model from messages, so that every encoding, and every damage, can be written. */
export function encode(graph: Partial<GraphProto>, rest: Partial<ModelProto> = {}): Uint8Array {
  const pbf = new PbfWriter();
  const full = { ir_version: 8, opset_import: [{ domain: "", version: 17 }], graph: graph as GraphProto, ...rest };
  writeModelProto(full, pbf);
  return pbf.finish();
}

export function nodeProto(
  op: string,
  input: string[],
  output: string[],
  attribute: Partial<AttributeProto>[] = [],
  rest: Partial<NodeProto> = {},
): NodeProto {
  const [domain, op_type] = op.includes("/") ? (op.split("/") as [string, string]) : ["", op];
  const attributes = attribute as AttributeProto[];
  return { name: "", op_type, domain, overload: "", input, output, attribute: attributes, ...rest };
}

/** A tensor's value info; float32 unless another code is given. */
export function valueProto(name: string, dims?: readonly (number | string)[], elem_type = 1): ValueInfoProto {
  const dim = dims?.map((d) => (typeof d === "number" ? { dim_value: d } : { dim_param: d }));
  const shape = dim === undefined ? undefined : { dim };
  return { name, type: { tensor_type: { elem_type, shape } } as unknown as TypeProto };
}

export function functionProto(
  name: string,
  input: string[],
  output: string[],
  node: NodeProto[],
  rest: Partial<FunctionProto> = {},
): FunctionProto {
  return { name, domain: "local", overload: "", input, output, node, ...rest } as FunctionProto;
}

/** A subgraph as an attribute. */
export function bodyProto(
  name: string,
  node: NodeProto[],
  output: string[],
  rest: Partial<GraphProto> = {},
): AttributeProto {
  const g = { name: `${name}_body`, node, output: output.map((one) => ({ name: one, type: undefined })), ...rest };
  return { name, type: 5, g } as unknown as AttributeProto;
}
