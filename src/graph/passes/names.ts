import type { Graph } from "../graph.ts";
import { subgraphs } from "../order.ts";

/** Makes names that are not taken yet. The numbers tried for a base are remembered: n equal names take n steps, not n². */
export class UniqueNames {
  protected readonly used = new Set<string>();
  private readonly next = new Map<string, number>();

  /** `base`, or `base_1`, `base_2`, …; the result counts as used from now on. */
  unique(base: string): string {
    let name = base;
    if (this.used.has(base)) {
      let i = this.next.get(base) ?? 1;
      while (this.used.has(`${base}_${i}`)) i++;
      name = `${base}_${i}`;
      this.next.set(base, i + 1);
    }
    this.used.add(name);
    return name;
  }
}

/** Makes names that no value of a graph has, its subgraphs included. */
export class Names extends UniqueNames {
  constructor(graph: Graph) {
    super();
    this.used.add("");
    this.collect(graph);
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
