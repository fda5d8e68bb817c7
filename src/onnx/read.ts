import { BitbasisError } from "../core/errors.ts";
import type { Attribute, Dimension, Graph, Node, ValueInfo } from "../graph/graph.ts";
import { topological } from "../graph/order.ts";
import { Tensor } from "../tensor/index.ts";
import type { ValueInfoProto } from "./schema.ts";
import { type AttributeProto, type GraphProto, type ModelProto, type NodeProto, readModelProto } from "./schema.ts";
import { describeBytes } from "./sniff.ts";
import { type ExternalData, readTensor } from "./tensors.ts";
import { dataTypeName, elementType } from "./types.ts";
import { StrictReader } from "./wire.ts";

/** Newest versions whose changes were read through; later ones may change what a model means. */
export const MAX_IR_VERSION = 11;
export const MAX_OPSET = 23;

const utf8 = new TextDecoder();
/** Largest double below 2^63: attributes that mean "to the end" stay in range of int64. */
const INT64_END = 2 ** 63 - 1024;

export interface ReadOptions {
  /** Files that hold tensor data outside of the model, by the location that the model gives. */
  readonly externalData?: ExternalData;
}

/**
 * Reads an ONNX model. Weights in Constant nodes become initializers, initializers that are listed as inputs are not inputs, unnamed nodes are
 * named after their operator and position (`Conv_12`), nodes are sorted; bodies of If and Loop are Graph attributes.
 * Tensor data are views of `bytes` where alignment allows it, so do not change the bytes afterwards.
 *
 * @throws BitbasisError MODEL for bytes that are no ONNX model, a damaged or inconsistent one; UNSUPPORTED for one that is newer than we
 *   know (IR 11, opset 23) or uses functions, sparse tensors, sequences or element types that we do not have
 * @example
 * const graph = readOnnx(await readFile("model.onnx"));
 * console.log(graph.inputs.map((input) => `${input.name} ${input.type} [${input.shape}]`));
 */
export function readOnnx(bytes: Uint8Array, options: ReadOptions = {}): Graph {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`"bytes" expected a Uint8Array, got ${typeof bytes}`);
  const known = describeBytes(bytes);
  if (known !== undefined) throw new BitbasisError("MODEL", `not an ONNX model: ${known}`);
  const model = parse(bytes);
  if (model.ir_version < 1 || model.graph === undefined) {
    throw new BitbasisError("MODEL", `not an ONNX model: these ${bytes.length} bytes have no IR version or no graph`);
  }
  if (model.ir_version > MAX_IR_VERSION) {
    throw new BitbasisError("UNSUPPORTED", `ONNX IR version ${model.ir_version} is newer than ${MAX_IR_VERSION}`);
  }
  const opsets: Record<string, number> = {};
  for (const { domain, version } of model.opset_import) opsets[domain === "ai.onnx" ? "" : domain] = version;
  if (opsets[""] === undefined) opsets[""] = 1;
  if (opsets[""] > MAX_OPSET) {
    throw new BitbasisError(
      "UNSUPPORTED",
      `opset ${opsets[""]} is newer than ${MAX_OPSET}, the last one that is known here`,
    );
  }
  if (model.functions.length > 0) {
    const names = model.functions.map((f) => f.name).join(", ");
    throw new BitbasisError("UNSUPPORTED", `the model defines functions (${names}): inline them before exporting`);
  }
  const reader = new GraphReader(opsets, options.externalData ?? {});
  return reader.graph(model.graph, new Set(), true);
}

function parse(bytes: Uint8Array): ModelProto {
  try {
    return readModelProto(new StrictReader(bytes), bytes.length);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BitbasisError("MODEL", `not an ONNX model, or a truncated one (${bytes.length} bytes): ${why}`, {
      cause,
    });
  }
}

class GraphReader {
  private readonly nodeNames = new Set<string>();

  constructor(
    private readonly opsets: Readonly<Record<string, number>>,
    private readonly external: ExternalData,
  ) {}

  graph(proto: GraphProto, outer: ReadonlySet<string>, main: boolean): Graph {
    if (proto.sparse_initializer.length > 0) {
      const name = proto.sparse_initializer[0]!.values?.name ?? "";
      throw new BitbasisError("UNSUPPORTED", `initializer "${name}" is sparse: store it dense`);
    }
    const values = new Set<string>();
    const define = (name: string): void => {
      if (values.has(name)) throw new BitbasisError("MODEL", `two values are named "${name}"`);
      values.add(name);
    };
    const initializers = new Map<string, Tensor>();
    for (const tensor of proto.initializer) {
      define(tensor.name);
      initializers.set(tensor.name, readTensor(tensor, `initializer "${tensor.name}"`, this.external));
    }
    const inputs = proto.input.filter((input) => !initializers.has(input.name)).map((i) => readValueInfo(i, main));
    for (const input of inputs) define(input.name);
    for (const node of proto.node) for (const output of node.output) if (output !== "") define(output);
    const known = new Set([...outer, ...initializers.keys(), ...inputs.map((input) => input.name)]);
    const visible = new Set([...outer, ...values]);
    const nodes: Node[] = [];
    proto.node.forEach((node, i) => {
      if (node.op_type === "Constant" && isStandard(node)) {
        const name = node.output[0] ?? "";
        initializers.set(name, this.constant(node, name));
        known.add(name);
      } else {
        nodes.push(this.node(node, i, visible));
      }
    });
    const outputs = proto.output.map((output) => {
      if (visible.has(output.name)) return readValueInfo(output, false);
      throw new BitbasisError("MODEL", `output "${output.name}" is made by nothing`);
    });
    const sorted = topological(nodes, known);
    return { name: proto.name, opsets: this.opsets, inputs, outputs, nodes: sorted, initializers };
  }

  private node(proto: NodeProto, i: number, outer: ReadonlySet<string>): Node {
    if (proto.op_type === "") throw new BitbasisError("MODEL", `node ${i} ("${proto.name}") has no operator`);
    const name = this.unique(proto.name === "" ? `${proto.op_type}_${i}` : proto.name);
    const attributes: Record<string, Attribute> = {};
    for (const attribute of proto.attribute) {
      attributes[attribute.name] = this.attribute(attribute, `node "${name}" (${proto.op_type})`, outer);
    }
    const domain = isStandard(proto) ? "" : proto.domain;
    return { name, op: proto.op_type, domain, inputs: proto.input, outputs: proto.output, attributes };
  }

  private unique(name: string): string {
    let unique = name;
    for (let i = 1; this.nodeNames.has(unique); i++) unique = `${name}_${i}`;
    this.nodeNames.add(unique);
    return unique;
  }

  private constant(node: NodeProto, name: string): Tensor {
    const what = `the constant "${name}"`;
    for (const a of node.attribute) {
      switch (a.name) {
        case "value":
          if (a.t !== undefined) return readTensor(a.t, what, this.external);
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
          return new Tensor("string", [utf8.decode(a.s)], []);
        case "value_strings":
          return new Tensor(
            "string",
            a.strings.map((s) => utf8.decode(s)),
          );
      }
    }
    throw new BitbasisError("UNSUPPORTED", `${what} has no dense value`);
  }

  private attribute(a: AttributeProto, what: string, outer: ReadonlySet<string>): Attribute {
    const type = a.type === 0 ? guessType(a) : a.type;
    switch (type) {
      case 1:
        return a.f;
      case 2:
        return integer(a.i);
      case 3:
        return utf8.decode(a.s);
      case 4:
        if (a.t !== undefined) return readTensor(a.t, `attribute "${a.name}" of ${what}`, this.external);
        break;
      case 5:
        if (a.g !== undefined) return this.graph(a.g, outer, false);
        break;
      case 6:
        return a.floats;
      case 7:
        return a.ints.map(integer);
      case 8:
        return a.strings.map((s) => utf8.decode(s));
    }
    throw new BitbasisError(
      "UNSUPPORTED",
      `attribute "${a.name}" of ${what} is of a kind (${type}) that we do not read`,
    );
  }
}

function isStandard(node: NodeProto): boolean {
  return node.domain === "" || node.domain === "ai.onnx";
}

function integer(value: number): number {
  return Math.abs(value) >= 2 ** 63 ? Math.sign(value) * INT64_END : value;
}

/** Attributes of IR version 1 carry no type. */
function guessType(a: AttributeProto): number {
  if (a.t !== undefined) return 4;
  if (a.g !== undefined) return 5;
  if (a.s !== undefined) return 3;
  if (a.floats.length > 0) return 6;
  if (a.ints.length > 0) return 7;
  if (a.strings.length > 0) return 8;
  return a.f !== 0 ? 1 : 2;
}

/** `typed`: an input of the model must say its type; outputs and the values of bodies need not. */
function readValueInfo(info: ValueInfoProto, typed: boolean): ValueInfo {
  const { name } = info;
  const tensor = info.type?.tensor_type;
  if (tensor === undefined || tensor.elem_type === 0) {
    if (!typed) return { name, type: "float32", shape: undefined };
    throw new BitbasisError("UNSUPPORTED", `input "${name}" is not a tensor`);
  }
  const type = elementType(tensor.elem_type);
  if (type === undefined) {
    throw new BitbasisError("UNSUPPORTED", `value "${name}" has element type ${dataTypeName(tensor.elem_type)}`);
  }
  const shape = tensor.shape?.dim.map((d, i): Dimension => {
    // Some exporters write −1 or 0 for "any".
    if (d.value === "dim_value" && d.dim_value > 0) return d.dim_value;
    return d.value === "dim_param" && d.dim_param !== "" ? d.dim_param : `${name}_${i}`;
  });
  return { name, type, shape };
}
