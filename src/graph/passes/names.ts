import type { Graph } from "../graph.ts";
import { subgraphs } from "../order.ts";

/** Makes names that no value of a graph has, its subgraphs included. */
export class Names {
  private readonly used = new Set<string>([""]);

  constructor(graph: Graph) {
    this.collect(graph);
  }

  /** `base`, or `base_1`, `base_2`, …; the result counts as used from now on. */
  unique(base: string): string {
    let name = base;
    for (let i = 1; this.used.has(name); i++) name = `${base}_${i}`;
    this.used.add(name);
    return name;
  }

  private collect(graph: Graph): void {
    for (const name of graph.initializers.keys()) this.used.add(name);
    for (const { name } of graph.inputs) this.used.add(name);
    for (const node of graph.nodes) {
      for (const name of node.outputs) this.used.add(name);
      for (const inner of subgraphs(node)) this.collect(inner);
    }
  }
}
