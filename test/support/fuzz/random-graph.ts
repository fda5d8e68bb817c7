import type { Graph } from "../../../src/graph/graph.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { Random } from "../random.ts";
import { GraphBuilder } from "./builder.ts";
import { SINCE, TEMPLATES } from "./templates.ts";

/** Opsets that graphs are made in, newest forms more often. */
const OPSETS = [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 17, 18, 19, 20, 21];

/** A valid graph of one to `most` nodes, and feeds for it. The same seed gives the same graph. */
export function randomGraph(seed: number, most = 6, only?: string): { graph: Graph; feeds: Record<string, Tensor> } {
  const random = new Random(seed);
  for (;;) {
    const builder = new GraphBuilder(random, random.pick(OPSETS));
    const known = Object.keys(TEMPLATES).filter((op) => (SINCE[op] ?? 7) <= builder.opset);
    const wanted = random.integer(1, most);
    for (let tries = 0; builder.nodes.length < wanted && tries < 4 * most; tries++) {
      const op = only !== undefined && known.includes(only) && maybeFirst(builder) ? only : random.pick(known);
      builder.add(TEMPLATES[op]!(builder));
    }
    if (builder.nodes.length > 0) return builder.graph();
  }
}

const maybeFirst = (builder: GraphBuilder): boolean => builder.nodes.length === 0;
