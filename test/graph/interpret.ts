import type { Node, SpecializedGraph } from "../../src/graph/index.ts";
import { type Shape, sizeOf, Tensor } from "../../src/tensor/index.ts";
import { runNodes } from "../support/oracle/index.ts";
import { fromTensor, toTensor, type Value } from "../support/oracle/value.ts";

/** Operators of a normalized graph have the form of this opset, whatever the model's was. */
const NORMAL_OPSET = 21;

/**
 * Every value of a specialized graph by the oracle, which knows nothing of the passes that made the graph, of its shape rules or of its folding. What the graph
 * says about a value's shape and type is checked on the way.
 */
export function interpret(graph: SpecializedGraph, feeds: Record<string, Tensor>): Map<string, Tensor> {
  const values = new Map<string, Value>();
  for (const [name, tensor] of [...graph.constants, ...Object.entries(feeds)]) values.set(name, fromTensor(tensor));
  const normal = "bitbasis" in graph.opsets;
  const nodes = graph.nodes.map((node) => settled(node, graph));
  runNodes({ nodes }, values, normal ? { ...graph.opsets, "": NORMAL_OPSET } : graph.opsets, undefined);
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      const [known, got] = [graph.values.get(name), values.get(name)];
      if (known === undefined || got === undefined) continue;
      if (known.type !== got.type || known.shape.join() !== got.dims.join())
        throw new Error(
          `${node.op} "${name}": ${known.type} [${known.shape}] was told, ${got.type} [${got.dims}] is right`,
        );
    }
  }
  return new Map([...values].map(([name, value]) => [name, toTensor(value)]));
}

/** A specialized ConvTranspose has no output_padding and a Reshape may have no shape: the shape of the output tells it. */
function settled(node: Node, graph: SpecializedGraph): Node {
  if (node.op === "Reshape" && (node.inputs[1] ?? "") === "")
    return { ...node, attributes: { shape: graph.values.get(node.outputs[0]!)!.shape, allowzero: 1 } };
  if (node.op !== "ConvTranspose") return node;
  const last = node.domain === "bitbasis" ? 1 : 2;
  const spatial = (name: string): readonly number[] => {
    const { shape } = graph.values.get(name)!;
    return shape.slice(last, last + shape.length - 2);
  };
  const [from, to] = [spatial(node.inputs[0]!), spatial(node.outputs[0]!)];
  const of = (name: string): number[] => node.attributes[name] as number[];
  const extra = to.map((d, i) => {
    const reach = of("strides")[i]! * (from[i]! - 1) + (of("kernel_shape")[i]! - 1) * of("dilations")[i]! + 1;
    return d - (reach - of("pads")[i]! - of("pads")[i + to.length]!);
  });
  return { ...node, attributes: { ...node.attributes, output_padding: extra } };
}

/** max |a − b| / max |b|. */
export function difference(a: Tensor, b: Tensor): number {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  const most = y.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return x.reduce((m, v, i) => Math.max(m, Math.abs(v - y[i]!)), 0) / most;
}

/** Seeded numbers in −1…1. */
export function noise(dims: Shape, seed = 1): Tensor {
  let state = seed;
  const values = Float32Array.from({ length: sizeOf(dims) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
  return new Tensor("float32", values, dims);
}
