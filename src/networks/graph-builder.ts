import type { Attribute, Node } from "../graph/graph.ts";
import { Tensor } from "../tensor/index.ts";

/** Collects the nodes and constants of a small graph. */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();

  /** @param prefix of all names, where names of another graph are kept beside them */
  constructor(private readonly prefix = "") {}

  /** Adds a node of one output, and returns that output's name. */
  node(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, output?: string): string {
    const name = output ?? `${this.prefix}${op.toLowerCase()}_${this.nodes.length}`;
    this.nodes.push({ name, op, domain: "", inputs, outputs: [name], attributes });
    return name;
  }

  /** A constant whose element i is `entry(i)`. */
  floats(dims: readonly number[], entry: (i: number) => number): string {
    const size = dims.reduce((a, b) => a * b, 1);
    return this.add(
      new Tensor(
        "float32",
        Float32Array.from({ length: size }, (_, i) => entry(i) + 0),
        dims,
      ),
    );
  }

  integers(values: readonly bigint[]): string {
    return this.add(new Tensor("int64", BigInt64Array.from(values), [values.length]));
  }

  private add(tensor: Tensor): string {
    const name = `${this.prefix}constant_${this.initializers.size}`;
    this.initializers.set(name, tensor);
    return name;
  }
}
