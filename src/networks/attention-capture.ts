import type { Graph, Node } from "../graph/graph.ts";
import { isGraph } from "../graph/order.ts";

/** The graph with the wanted values as its outputs (inputs of the graph aside); what is not needed for them is not run. */
export function captureGraph(graph: Graph, wanted: ReadonlySet<string>): Graph {
  const inputs = new Set(graph.inputs.map((input) => input.name));
  const outputs = [...wanted]
    .filter((name) => !inputs.has(name))
    .map((name) => ({ name, type: "float32" as const, shape: undefined }));
  return { ...graph, nodes: needed(graph, wanted), outputs };
}

function needed(graph: Graph, wanted: ReadonlySet<string>): Graph["nodes"] {
  const live = new Set(wanted);
  const nodes = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((output) => live.has(output))) return false;
    for (const input of readBy(node)) live.add(input);
    return true;
  });
  return nodes.reverse();
}

/** Values that a node reads, those included that its subgraphs take from outside. */
function readBy(node: Node): string[] {
  const inner = Object.values(node.attributes).filter(isGraph);
  return [
    ...node.inputs,
    ...inner.flatMap((g) => [...g.nodes.flatMap(readBy), ...g.outputs.map((output) => output.name)]),
  ];
}
