import type { Attribute, Node } from "../../src/graph/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";

/** Nodes and constants of a graph in the order in which they are written. */
export class GraphWriter {
  readonly initializers = new Map<string, Tensor>();
  readonly nodes: Node[] = [];

  /** Adds a node, `kind` is `op` or `domain/op`; the name of its first output. */
  readonly op = (
    kind: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    outputs?: readonly string[],
  ): string => {
    const [domain, op] = kind.includes("/") ? (kind.split("/") as [string, string]) : ["", kind];
    const name = `${op}_${this.nodes.length}`;
    this.nodes.push({ name, op, domain, inputs, outputs: outputs ?? [name], attributes });
    return outputs?.[0] ?? name;
  };

  /** Adds an initializer; its name. */
  readonly constant = (name: string, tensor: Tensor): string => {
    this.initializers.set(name, tensor);
    return name;
  };
}
