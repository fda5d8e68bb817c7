import { everyNode, type Graph, type Node } from "../graph/index.ts";

/** Nodes of the graph and its bodies that read a value, by the value. */
export function readersOf(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of everyNode(graph)) {
    for (const name of node.inputs) {
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [node]);
      else list.push(node);
    }
  }
  return readers;
}
