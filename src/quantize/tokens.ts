import { type Graph, type Node, operatorOf } from "../graph/index.ts";
import { readersOf } from "./readers.ts";

/** Most nodes on the way that leave an id what it is. */
const DEPTH = 4;

/**
 * How many ids an input of integers takes, by input: rows of the table that it looks up, classes of a OneHot, or one more than the largest number of a list that each element is
 * compared with, which is how JAX and others write a OneHot. Inputs that are no ids are left out.
 */
export function tokensOf(graph: Graph): ReadonlyMap<string, number> {
  const readers = readersOf(graph);
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const countOf = (name: string, depth: number): number | undefined => {
    for (const node of readers.get(name) ?? []) {
      const count = countAt(node, name);
      if (count !== undefined) return count;
      if (depth === 0 || operatorOf(node)?.elements !== "moved" || node.inputs[0] !== name) continue;
      const later = countOf(node.outputs[0]!, depth - 1);
      if (later !== undefined) return later;
    }
    return undefined;
  };
  const countAt = ({ op, inputs }: Node, name: string): number | undefined => {
    if (op === "Gather" && inputs[1] === name) return graph.initializers.get(inputs[0]!)?.dims[0];
    if (op === "OneHot" && inputs[0] === name) return positive(graph.initializers.get(inputs[1]!)?.data[0]);
    if (op !== "Equal") return undefined;
    const list = constantBehind(graph, makers, inputs[inputs[0] === name ? 1 : 0]!);
    return list === undefined || list.size < 2 || list.type === "string" || list.type === "bool"
      ? undefined
      : positive(Array.from(list.data, Number).reduce((most, id) => Math.max(most, id), 0) + 1);
  };
  const found = graph.inputs
    .filter(({ type }) => /^u?int(8|16|32|64)$/.test(type))
    .map(({ name }) => [name, countOf(name, DEPTH)] as const);
  return new Map(found.filter((entry): entry is [string, number] => entry[1] !== undefined));
}

function positive(count: unknown): number | undefined {
  return Number(count) >= 1 ? Math.floor(Number(count)) : undefined;
}

/** The initializer that a value is a moved copy of. */
function constantBehind(graph: Graph, makers: ReadonlyMap<string, Node>, name: string) {
  for (let [value, depth] = [name, 0]; depth <= DEPTH; depth++) {
    const constant = graph.initializers.get(value);
    if (constant !== undefined) return constant;
    const maker = makers.get(value);
    if (maker === undefined || operatorOf(maker)?.elements !== "moved") return undefined;
    value = maker.inputs[0]!;
  }
  return undefined;
}
