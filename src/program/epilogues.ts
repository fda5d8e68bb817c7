import type { Node, SpecializedGraph } from "../graph/graph.ts";
import { activationWidth } from "../series/index.ts";
import { sizeOf } from "../tensor/index.ts";
import type { PlannedGraph } from "./planned.ts";

/** What a linear layer does to its outputs besides its own activation, operation by operation: the bits are those of the operators one by one. */
export interface Epilogue {
  /** The value that it writes instead of its own. */
  readonly output: string;
  /** y·factor + shift, both operations rounded; 1 and −0 change nothing. */
  readonly factor: number;
  readonly shift: number;
  /** A value of the same shape that is added then, and the bounds of the sum. */
  readonly addend?: string;
  readonly min: number;
  readonly max: number;
}

/** Layers with an epilogue, and the nodes that are computed by them. */
export interface Epilogues {
  readonly of: ReadonlyMap<Node, Epilogue>;
  readonly absorbed: ReadonlySet<Node>;
  /** Whether one node reads a value, and nobody after the graph. */
  isReadOnce(value: string): boolean;
}

/** Of a graph whose values are all kept. */
export const NO_EPILOGUES: Epilogues = { of: new Map(), absorbed: new Set(), isReadOnce: () => false };

export const NO_EPILOGUE: Omit<Epilogue, "output"> = {
  ...{ factor: 1, shift: -0 },
  ...{ min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY },
};

/**
 * A product by a number, a sum with one, a sum with another value and a Clip after a convolution or a matrix product are computed while its outputs are in
 * registers, each a pass over a tensor less: PP-OCR's networks have both numbers after every activation (7 % of their time), residual networks the
 * others (3 %).
 *
 * @param outputs - values that are read after the graph
 */
export function epiloguesOf(
  graph: SpecializedGraph,
  outputs: Iterable<string>,
  layers: PlannedGraph["layers"],
): Epilogues {
  const found = new Finder(graph, outputs, layers);
  graph.nodes.forEach((node, i) => {
    if (isLayer(graph, node)) found.visit(node, i);
  });
  return found;
}

class Finder implements Epilogues {
  readonly of = new Map<Node, Epilogue>();
  readonly absorbed = new Set<Node>();
  /** The only reader of a value; undefined: there are others. */
  private readonly readers = new Map<string, Node | undefined>();
  /** When a value is there. */
  private readonly made = new Map<string, number>();

  constructor(
    private readonly graph: SpecializedGraph,
    outputs: Iterable<string>,
    private readonly layers: PlannedGraph["layers"],
  ) {
    for (const name of outputs) this.readers.set(name, undefined);
    for (const [i, node] of graph.nodes.entries()) {
      for (const name of new Set(node.inputs)) this.readers.set(name, this.readers.has(name) ? undefined : node);
      for (const name of node.outputs) this.made.set(name, i);
    }
  }

  isReadOnce(value: string): boolean {
    return this.readers.get(value) !== undefined;
  }

  visit(layer: Node, index: number): void {
    let epilogue: Epilogue = { output: layer.outputs[0]!, ...NO_EPILOGUE };
    const take = (node: Node, more: Partial<Epilogue>): void => {
      this.absorbed.add(node);
      epilogue = { ...epilogue, ...more, output: node.outputs[0]! };
      this.made.set(epilogue.output, index);
    };
    for (const op of ["Mul", "Add"] as const) {
      const node = this.reader(epilogue.output, op);
      const number = node && this.numberOf(node, epilogue.output);
      if (number !== undefined) take(node!, { [op === "Mul" ? "factor" : "shift"]: number });
    }
    const sum = this.reader(epilogue.output, "Add");
    const addend = sum?.inputs[sum.inputs[0] === epilogue.output ? 1 : 0];
    if (addend !== undefined && this.joins(addend, epilogue.output, layer, index)) {
      take(sum!, { addend });
      const relu = this.reader(epilogue.output, "Relu");
      const clip = relu === undefined ? this.reader(epilogue.output, "Clip") : undefined;
      const bounds = relu !== undefined ? { min: 0 } : clip && this.boundsOf(clip);
      if (bounds !== undefined) take((relu ?? clip)!, bounds);
    }
    if (epilogue.output !== layer.outputs[0]) this.of.set(layer, epilogue);
  }

  /** The node of an ONNX operator that reads a value, if it alone does. */
  private reader(value: string, op: string): Node | undefined {
    const node = this.readers.get(value);
    return node?.op === op && node.domain === "" ? node : undefined;
  }

  /** The number that a node joins with a value, where the result has the shape of the value. */
  private numberOf(node: Node, value: string): number | undefined {
    const constant = this.graph.constants.get(node.inputs[node.inputs[0] === value ? 1 : 0]!);
    const rank = this.graph.values.get(value)?.shape.length ?? 0;
    if (constant?.type !== "float32" || constant.size !== 1 || constant.dims.length > rank) return undefined;
    return (constant.data as Float32Array)[0];
  }

  /** Whether the layer may add this value to its own: it is there before, has the same shape, and no panel of the layer is filled in part. */
  private joins(addend: string, value: string, layer: Node, index: number): boolean {
    const [own, other] = [value, addend].map((name) => this.graph.values.get(name));
    if (own === undefined || other?.type !== "float32" || this.graph.constants.has(addend)) return false;
    const plan = this.layers.get(layer.name);
    // Activations of at most 6 bits may go to a kernel with wider panels.
    const columns = plan !== undefined && activationWidth(plan) <= 6 ? 16 : 8;
    const rows = (own.shape.at(-1) ?? 1) / ((layer.attributes["group"] as number | undefined) ?? 1);
    const isThere = addend !== value && (this.made.get(addend) ?? -1) < index;
    return isThere && own.shape.join() === other.shape.join() && rows % columns === 0;
  }

  /** The bounds of a Clip that are constants. */
  private boundsOf({ inputs, attributes }: Node): { min?: number; max?: number } | undefined {
    const [, low = "", high = ""] = inputs;
    // Bounds are attributes before opset 11.
    if ("min" in attributes || "max" in attributes) return undefined;
    const known = [low, high].map((name) => (name === "" ? undefined : this.graph.constants.get(name)));
    if ((low !== "" && known[0] === undefined) || (high !== "" && known[1] === undefined)) return undefined;
    const [min, max] = known.map((tensor) => (tensor?.data as Float32Array | undefined)?.[0]);
    return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
  }
}

/** Whether all of the layer's outputs come from one linear step. */
function isLayer({ values, constants }: SpecializedGraph, { op, domain, inputs, outputs }: Node): boolean {
  const isConv = op === "Conv" && domain === "bitbasis";
  const isProduct = op === "MatMul" && (domain === "bitbasis" || domain === "");
  const type = values.get(outputs[0]!)?.type;
  const left = values.get(inputs[0]!)?.shape ?? constants.get(inputs[0]!)?.dims ?? [0];
  return type === "float32" && (isConv || isProduct) && sizeOf(left) > 0;
}
