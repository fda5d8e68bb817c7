import { halfToFloat, Tensor } from "../../tensor/index.ts";
import type { Attribute, Graph, Node, ValueInfo } from "../graph.ts";
import { isGraph } from "../order.ts";
import { Names } from "./names.ts";

const [FLOAT, FLOAT16, BFLOAT16] = [1, 10, 16];

/**
 * A float16 graph that computes in float32: half-precision initializers and attributes are converted exactly, Casts to float16 or bfloat16 go to
 * float32. Inputs and outputs become float32 too. Graphs without float16 are returned as they are.
 */
export function toFloat32(graph: Graph): Graph {
  return usesHalf(graph) ? converted(graph) : graph;
}

/**
 * The same with the types of inputs and outputs as they were: Casts stand between them and the float32 graph.
 */
export function float32Inside(graph: Graph): Graph {
  const wide = toFloat32(graph);
  if (wide === graph) return graph;
  const isHalf = ({ type }: ValueInfo): boolean => type === "float16";
  const inputs = graph.inputs.filter(isHalf).map(({ name }) => name);
  const outputs = graph.outputs.filter(isHalf).map(({ name }) => name);
  const names = new Names(graph);
  const inner = new Map([...new Set([...inputs, ...outputs])].map((name) => [name, names.unique(`${name}/float32`)]));
  const renamed = renameValues(wide, inner);
  const cast = (from: string, to: string, type: number): Node => {
    return { name: `${to}/cast`, op: "Cast", domain: "", inputs: [from], outputs: [to], attributes: { to: type } };
  };
  const opened = inputs.map((name) => cast(name, inner.get(name)!, FLOAT));
  const closed = outputs.filter((name) => !inputs.includes(name)).map((name) => cast(inner.get(name)!, name, FLOAT16));
  return {
    ...renamed,
    inputs: graph.inputs,
    outputs: graph.outputs,
    nodes: [...opened, ...renamed.nodes, ...closed],
  };
}

/** Values under other names, in bodies too. */
function renameValues(graph: Graph, to: ReadonlyMap<string, string>): Graph {
  const rename = (name: string): string => to.get(name) ?? name;
  const nodes = graph.nodes.map((node) => {
    const attributes: Record<string, Attribute> = {};
    for (const [name, value] of Object.entries(node.attributes)) {
      attributes[name] = isGraph(value) ? renameValues(value, to) : value;
    }
    return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename), attributes };
  });
  const initializers = new Map([...graph.initializers].map(([name, tensor]) => [rename(name), tensor]));
  const outputs = graph.outputs.map((output) => ({ ...output, name: rename(output.name) }));
  return { ...graph, nodes, initializers, outputs };
}

function usesHalf(graph: Graph): boolean {
  if ([...graph.inputs, ...graph.outputs].some(({ type }) => type === "float16")) return true;
  if ([...graph.initializers.values()].some(({ type }) => type === "float16")) return true;
  return graph.nodes.some((node) =>
    Object.entries(node.attributes).some(([name, value]) => {
      if (isGraph(value)) return usesHalf(value);
      return value instanceof Tensor ? value.type === "float16" : isHalfCast(node, name, value);
    }),
  );
}

function isHalfCast(node: Node, name: string, value: Attribute): boolean {
  return node.op === "Cast" && name === "to" && (value === FLOAT16 || value === BFLOAT16);
}

function converted(graph: Graph): Graph {
  const widen = <T extends { readonly type: string }>(value: T): T =>
    value.type === "float16" ? { ...value, type: "float32" } : value;
  const nodes = graph.nodes.map((node) => {
    const attributes: Record<string, Attribute> = {};
    for (const [name, value] of Object.entries(node.attributes)) {
      if (isGraph(value)) attributes[name] = converted(value);
      else if (value instanceof Tensor) attributes[name] = toFloat(value);
      else attributes[name] = isHalfCast(node, name, value) ? FLOAT : value;
    }
    return { ...node, attributes };
  });
  const initializers = new Map([...graph.initializers].map(([name, tensor]) => [name, toFloat(tensor)]));
  return { ...graph, inputs: graph.inputs.map(widen), outputs: graph.outputs.map(widen), nodes, initializers };
}

function toFloat(tensor: Tensor): Tensor {
  if (tensor.type !== "float16") return tensor;
  // A Float16Array where the runtime has one holds numbers; its bytes are the bit patterns in either case.
  const { buffer, byteOffset } = tensor.data as Uint16Array;
  const bits = new Uint16Array(buffer, byteOffset, tensor.size);
  return new Tensor("float32", Float32Array.from(bits, halfToFloat), tensor.dims);
}
