import { BitbasisError } from "../core/errors.ts";
import { classOf } from "../core/shown.ts";
import type { Graph, Node, ValueInfo } from "../graph/graph.ts";
import { checkLevel, INTERNAL } from "../graph/internal.ts";
import { topological } from "../graph/order.ts";
import { UniqueNames } from "../graph/passes/names.ts";
import type { Tensor } from "../tensor/index.ts";
import { readAttributes, readConstant } from "./attributes.ts";
import { type ExternalData, ExternalFiles } from "./external.ts";
import { domainOf, inlineFunctions } from "./functions.ts";
import { type GraphProto, type ModelProto, type NodeProto, readModelProto } from "./schema.ts";
import { describeBytes } from "./sniff.ts";
import { TensorReader } from "./tensors.ts";
import { readValueInfo } from "./values.ts";
import { StrictReader } from "./wire.ts";

/** Newest versions whose changes were read through (ONNX 1.23); later ones may change what a model means. */
export const MAX_IR_VERSION = 14;
export const MAX_OPSET = 28;
/** Since this IR version an initializer that is an input too is a default, which a feed overrides; before, all of them had to be inputs. */
const OVERRIDABLE_IR_VERSION = 4;

export interface ReadOptions {
  /** Files that hold tensor data outside of the model, by the location that the model gives. */
  readonly externalData?: ExternalData;
}

/**
 * Reads an ONNX model. Weights in Constant nodes become initializers, initializers that are listed as inputs are not inputs but may be fed
 * (`overridable`), functions of the file are inlined, unnamed nodes are named after their operator and position (`Conv_12`), nodes are
 * sorted; bodies of If and Loop are Graph attributes.
 * Tensor data are views of `bytes` where alignment allows it, so do not change the bytes afterwards.
 *
 * @throws BitbasisError MODEL for bytes that are no ONNX model, a damaged or inconsistent one; UNSUPPORTED for one that is newer than we
 *   know (IR 14, opset 28) or uses maps, complex numbers or other things that we do not have; MEMORY for sparse tensors that are too large
 * @example
 * const graph = readOnnx(await readFile("model.onnx"));
 * console.log(graph.inputs.map((input) => `${input.name} ${input.type} [${input.shape}]`));
 */
export function readOnnx(bytes: Uint8Array, options: ReadOptions = {}): Graph {
  return readModelGraph(parseModel(bytes), options);
}

/** The graph of a parsed model; throws as `readOnnx`. */
export function readModelGraph(model: ModelProto, options: ReadOptions = {}): Graph {
  const opsets = readOpsets(model);
  const graph = inlineFunctions(model, model.graph!);
  const tensors = new TensorReader(new ExternalFiles(options.externalData));
  const overrides = model.ir_version >= OVERRIDABLE_IR_VERSION;
  return new GraphReader(opsets, tensors).main(graph, overrides);
}

/** The messages of a model, whose versions are ones that we know. */
export function parseModel(bytes: Uint8Array): ModelProto {
  if (classOf(bytes) !== "Uint8Array") throw new TypeError(`"bytes" expected a Uint8Array, got ${typeof bytes}`);
  const known = describeBytes(bytes);
  if (known !== undefined) throw new BitbasisError("MODEL", `not an ONNX model: ${known}`);
  const model = parse(bytes);
  if (model.ir_version < 1 || model.graph === undefined) {
    throw new BitbasisError("MODEL", `not an ONNX model: these ${bytes.length} bytes have no IR version or no graph`);
  }
  if (model.ir_version > MAX_IR_VERSION) {
    throw new BitbasisError("UNSUPPORTED", `ONNX IR version ${model.ir_version} is newer than ${MAX_IR_VERSION}`);
  }
  return model;
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

/** Versions of the operator sets by domain, those that only functions import included. */
function readOpsets({ opset_import, functions }: ModelProto): Readonly<Record<string, number>> {
  const opsets = new Map<string, number>();
  for (const set of opset_import) opsets.set(domainOf(set), set.version);
  for (const f of functions) {
    for (const set of f.opset_import) if (!opsets.has(domainOf(set))) opsets.set(domainOf(set), set.version);
  }
  const version = opsets.get("") ?? 1;
  if (version > MAX_OPSET) {
    throw new BitbasisError(
      "UNSUPPORTED",
      `opset ${version} is newer than ${MAX_OPSET}, the last one that is known here`,
    );
  }
  if (version < 1) throw new BitbasisError("UNSUPPORTED", `opset ${version} expected a version from 1 on`);
  // Object.fromEntries: a file may name a domain "__proto__".
  return Object.fromEntries(opsets.set("", version));
}

class GraphReader {
  private readonly nodeNames = new UniqueNames();
  private level = 0;

  constructor(
    private readonly opsets: Readonly<Record<string, number>>,
    readonly tensors: TensorReader,
  ) {}

  /** The graph of the model. */
  main(proto: GraphProto, overrides: boolean): Graph {
    const graph = this.graph(proto, new Set(), true);
    const overridable = proto.input
      .filter(({ name }) => graph.initializers.has(name))
      .map((i) => readValueInfo(i, false));
    for (const { name, type } of overridable) {
      const given = graph.initializers.get(name)!;
      if (given.type !== type) {
        throw new BitbasisError("MODEL", `input "${name}" expected a default of type ${type}, got ${given.type}`);
      }
    }
    return overrides && overridable.length > 0 ? { ...graph, overridable } : graph;
  }

  private graph(proto: GraphProto, outer: ReadonlySet<string>, main: boolean): Graph {
    checkLevel(this.level++);
    const values = new Set<string>();
    const define = (name: string, what: string): void => {
      if (name === "" || name.startsWith(INTERNAL))
        throw new BitbasisError("MODEL", `${what} expected a name, got ${JSON.stringify(name)}`);
      if (values.has(name)) throw new BitbasisError("MODEL", `two values are named "${name}"`);
      values.add(name);
    };
    const initializers = this.initializers(proto, define);
    const inputs = proto.input.filter((input) => !initializers.has(input.name)).map((i) => readValueInfo(i, main));
    for (const input of inputs) define(input.name, "an input");
    for (const node of proto.node) {
      for (const output of node.output) if (output !== "") define(output, `an output of node "${node.name}"`);
    }
    const known = new Set([...outer, ...initializers.keys(), ...inputs.map((input) => input.name)]);
    const visible = new Set([...outer, ...values]);
    const nodes: Node[] = [];
    proto.node.forEach((node, i) => {
      if (node.op_type === "Constant" && domainOf(node) === "") {
        const name = node.output[0] ?? "";
        if (name === "") return;
        initializers.set(name, readConstant(node, `the constant "${name}"`, this.tensors));
        known.add(name);
      } else {
        nodes.push(this.node(node, i, visible));
      }
    });
    const outputs = readOutputs(proto, visible, main);
    const sorted = topological(nodes, known);
    this.level--;
    return { name: proto.name, opsets: this.opsets, inputs, outputs, nodes: sorted, initializers };
  }

  private initializers(proto: GraphProto, define: (name: string, what: string) => void): Map<string, Tensor> {
    const initializers = new Map<string, Tensor>();
    for (const tensor of proto.initializer) {
      define(tensor.name, "an initializer");
      initializers.set(tensor.name, this.tensors.read(tensor, `initializer "${tensor.name}"`));
    }
    for (const sparse of proto.sparse_initializer) {
      const name = sparse.values?.name ?? "";
      define(name, "a sparse initializer");
      initializers.set(name, this.tensors.readSparse(sparse, `initializer "${name}"`));
    }
    return initializers;
  }

  private node(proto: NodeProto, i: number, outer: ReadonlySet<string>): Node {
    if (proto.op_type === "") throw new BitbasisError("MODEL", `node ${i} ("${proto.name}") has no operator`);
    const name = this.nodeNames.unique(proto.name === "" ? `${proto.op_type}_${i}` : proto.name);
    const { attributes, kinds } = readAttributes(proto, `node "${name}" (${proto.op_type})`, {
      tensors: this.tensors,
      body: (body) => this.graph(body, outer, false),
    });
    const { op_type: op, input: inputs, output: outputs } = proto;
    return {
      name,
      op,
      domain: domainOf(proto),
      inputs,
      outputs,
      attributes,
      ...(kinds === undefined ? {} : { kinds }),
    };
  }
}

/** An output of the model that is listed twice is given once; a body may give one value several times. */
function readOutputs(proto: GraphProto, visible: ReadonlySet<string>, main: boolean): ValueInfo[] {
  const outputs = main ? [...new Map(proto.output.map((output) => [output.name, output])).values()] : proto.output;
  return outputs.map((output) => {
    if (!visible.has(output.name)) throw new BitbasisError("MODEL", `output "${output.name}" is made by nothing`);
    return readValueInfo(output, false);
  });
}
