import { halfToFloat, Tensor } from "../../tensor/index.ts";
import type { Attribute, Graph, Node } from "../graph.ts";
import { isGraph } from "../order.ts";

const [FLOAT, FLOAT16, BFLOAT16] = [1, 10, 16];

/**
 * A float16 graph that computes in float32: half-precision initializers and attributes are converted exactly, Casts to float16 or bfloat16 go to
 * float32. Inputs and outputs become float32 too. Graphs without float16 are returned as they are.
 */
export function toFloat32(graph: Graph): Graph {
  return usesHalf(graph) ? converted(graph) : graph;
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
