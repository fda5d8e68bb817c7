import { ElementCode } from "../../core/abi/element.ts";
import { smallFloatValues, Tensor } from "../../tensor/index.ts";
import type { Attribute, Graph, Node, ValueInfo } from "../graph.ts";
import { isGraph } from "../order.ts";
import { Names } from "./names.ts";

const HALVES: readonly string[] = ["float16", "bfloat16"];
/** Attributes that name the element type of a result. */
const TYPE_ATTRIBUTES = ["to", "dtype", "output_dtype", "output_datatype"];

/**
 * A network of 16-bit floats that computes in float32: its weights and attributes are converted exactly, Casts to 16 bits go to float32. Inputs
 * and outputs become float32 too. Other graphs are returned as they are: where the weights are float32 (or there are none), a Cast to 16
 * bits is there to round.
 */
export function toFloat32(graph: Graph): Graph {
  const count = { half: 0, single: 0 };
  countWeights(graph, count);
  return count.half > count.single ? converted(graph) : graph;
}

/**
 * The same with the types of inputs and outputs as they were: Casts stand between them and the float32 graph.
 */
export function float32Inside(graph: Graph): Graph {
  const wide = toFloat32(graph);
  if (wide === graph) return graph;
  const codes = new Map([...graph.inputs, ...graph.outputs].map(({ name, type }) => [name, ElementCode[type]]));
  const isHalf = ({ type }: ValueInfo): boolean => HALVES.includes(type);
  const inputs = graph.inputs.filter(isHalf).map(({ name }) => name);
  const outputs = graph.outputs.filter(isHalf).map(({ name }) => name);
  const names = new Names(graph);
  const inner = new Map([...new Set([...inputs, ...outputs])].map((name) => [name, names.unique(`${name}/float32`)]));
  const renamed = renameValues(wide, inner);
  const cast = (from: string, to: string, type: number): Node => {
    return { name: `${to}/cast`, op: "Cast", domain: "", inputs: [from], outputs: [to], attributes: { to: type } };
  };
  const opened = inputs.map((name) => cast(name, inner.get(name)!, ElementCode.float32));
  const made = outputs.filter((name) => !inputs.includes(name));
  const closed = made.map((name) => cast(inner.get(name)!, name, codes.get(name)!));
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

/** Elements of all float weights, those of attributes and bodies included. */
function countWeights(graph: Graph, count: { half: number; single: number }): void {
  const add = ({ type, size }: Tensor): void => {
    if (HALVES.includes(type)) count.half += size;
    else if (type === "float32") count.single += size;
  };
  for (const tensor of graph.initializers.values()) add(tensor);
  for (const node of graph.nodes) {
    for (const value of Object.values(node.attributes)) {
      if (value instanceof Tensor) add(value);
      else if (isGraph(value)) countWeights(value, count);
    }
  }
}

function converted(graph: Graph): Graph {
  const widen = <T extends { readonly type: string }>(value: T): T =>
    HALVES.includes(value.type) ? { ...value, type: "float32" } : value;
  const nodes = graph.nodes.map((node) => {
    const entries = Object.entries(node.attributes).map(([name, value]): [string, Attribute] => {
      if (isGraph(value)) return [name, converted(value)];
      if (value instanceof Tensor) return [name, toFloat(value)];
      const isType = TYPE_ATTRIBUTES.includes(name) && typeof value === "number";
      return [name, isType && HALVES.includes(ElementCode[value] ?? "") ? ElementCode.float32 : value];
    });
    return { ...node, attributes: Object.fromEntries(entries) };
  });
  const initializers = new Map([...graph.initializers].map(([name, tensor]) => [name, toFloat(tensor)]));
  return { ...graph, inputs: graph.inputs.map(widen), outputs: graph.outputs.map(widen), nodes, initializers };
}

function toFloat(tensor: Tensor): Tensor {
  const { type, data, dims, size } = tensor;
  if (type !== "float16" && type !== "bfloat16") return tensor;
  // A Float16Array where the runtime has one holds numbers; its bytes are the bit patterns in either case.
  const { buffer, byteOffset } = data as Uint16Array;
  return new Tensor("float32", smallFloatValues(type, new Uint16Array(buffer, byteOffset, size)), dims);
}
