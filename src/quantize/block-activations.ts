import { everyBody, type Graph } from "../graph/index.ts";

import { isFloat, type Plan } from "../series/index.ts";

/**
 * The graph with what the plan says of inputs of products with weights in blocks: their weights are as the file has them under every plan, their inputs have 16 bits
 * where the plan has integers, and all of their own where it has none.
 */
export function roundBlockInputs(graph: Graph, { default: layer }: Plan): Graph {
  if (isFloat(layer)) return graph;
  return everyBody(graph, (body) => ({
    ...body,
    nodes: body.nodes.map((node) =>
      node.op === "MatMulBlocks" && node.domain === "bitbasis"
        ? { ...node, attributes: { ...node.attributes, planes: 1 } }
        : node,
    ),
  }));
}
