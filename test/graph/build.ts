import type { Attribute, Graph, Node, ValueInfo } from "../../src/graph/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";

type Io = Record<
  string,
  readonly (number | string)[] | { type: ElementType; shape: readonly (number | string)[] | undefined }
>;

/** A float32 tensor. */
export function f32(dims: readonly number[], data?: readonly number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor("float32", data ?? Array.from({ length: size }, (_, i) => (i % 7) - 3), dims);
}

/** An int64 vector; `scalar` for rank 0. */
export function i64(...data: number[]): Tensor {
  return new Tensor("int64", data);
}

/** A node: `[op, inputs, outputs, attributes]`, `domain/op` for another domain. */
export type NodeSpec = readonly [string, readonly string[], readonly string[], Record<string, Attribute>?];

export function node([op, inputs, outputs, attributes = {}]: NodeSpec, i = 0): Node {
  const [domain, name] = op.includes("/") ? (op.split("/") as [string, string]) : ["", op];
  return { name: `${name}_${i}`, op: name, domain, inputs, outputs, attributes };
}

/** A small graph; inputs are float32 unless they say otherwise, outputs take any shape. */
export function build(
  inputs: Io,
  initializers: Record<string, Tensor>,
  nodes: readonly NodeSpec[],
  outputs: readonly string[],
  opset = 17,
): Graph {
  const info = ([name, io]: [string, Io[string]]): ValueInfo =>
    Array.isArray(io)
      ? { name, type: "float32", shape: io as readonly number[] }
      : { name, ...(io as { type: ElementType; shape: readonly number[] }) };
  return {
    name: "test",
    opsets: { "": opset },
    inputs: Object.entries(inputs).map(info),
    outputs: outputs.map((name) => ({ name, type: "float32", shape: undefined })),
    nodes: nodes.map(node),
    initializers: new Map(Object.entries(initializers)),
  };
}

/** `op` or `domain/op` of every node, in order. */
export function operators(graph: { nodes: readonly Node[] }): string[] {
  return graph.nodes.map(({ domain, op }) => (domain === "" ? op : `${domain}/${op}`));
}
