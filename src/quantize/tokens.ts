import type { KnownValue } from "../graph/graph.ts";
import { type Graph, type Node, operatorOf } from "../graph/index.ts";
import { readersOf } from "./readers.ts";

/** Most nodes on the way that leave an id what it is. */
const DEPTH = 6;

/**
 * How many ids an input of integers takes, by input: rows of the table that it looks up, classes of a OneHot, or one more than the largest number of a list that each element is
 * compared with, which is how JAX and others write a OneHot; else places along the axis of a computed value that they index, as edges do with the nodes of a graph. Inputs that are no ids are left out.
 *
 * @param values - shapes of computed values, where sizes have been chosen; without them only constants are looked at
 */
export function tokensOf(graph: Graph, values?: ReadonlyMap<string, KnownValue>): ReadonlyMap<string, number> {
  const readers = readersOf(graph);
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  type CountAt = (node: Node, name: string) => number | undefined;
  const countOf = (name: string, countAt: CountAt, depth = DEPTH): number | undefined => {
    for (const node of readers.get(name) ?? []) {
      const count = countAt(node, name);
      if (count !== undefined) return count;
      if (depth === 0 || !keepsIds(node, name)) continue;
      for (const output of node.outputs) {
        const later = countOf(output, countAt, depth - 1);
        if (later !== undefined) return later;
      }
    }
    return undefined;
  };
  const placesAt: CountAt = (node, name) => {
    const shape = values?.get(node.inputs[0]!)?.shape;
    return node.inputs[1] === name && shape !== undefined ? positive(placesIn(node, shape)) : undefined;
  };
  const countAt: CountAt = ({ op, inputs, attributes }, name) => {
    if (op === "Gather" && inputs[1] === name)
      return graph.initializers.get(inputs[0]!)?.dims.at(Number(attributes["axis"] ?? 0));
    if (op === "OneHot" && inputs[0] === name) return positive(graph.initializers.get(inputs[1]!)?.data[0]);
    if (op !== "Equal") return undefined;
    const list = constantBehind(graph, makers, inputs[inputs[0] === name ? 1 : 0]!);
    return list === undefined || list.size < 2 || list.type === "string" || list.type === "bool"
      ? undefined
      : positive(Array.from(list.data, Number).reduce((most, id) => Math.max(most, id), 0) + 1);
  };
  const found = graph.inputs
    .filter(({ type }) => /^u?int(8|16|32|64)$/.test(type))
    .map(({ name }) => [name, countOf(name, countAt) ?? (values && countOf(name, placesAt))] as const);
  return new Map(found.filter((entry): entry is [string, number] => entry[1] !== undefined));
}

/** Whether a node moves ids, chooses some of them, or adds an extent where they are negative, as exporters write indices. */
function keepsIds(node: Node, name: string): boolean {
  const { op, inputs } = node;
  if (op === "Where") return inputs.indexOf(name) > 0;
  return inputs[0] === name && (["Gather", "Split"].includes(op) || operatorOf(node)?.elements === "moved");
}

/** Places along the axis of the first input that the second one indexes; of several axes the least. */
function placesIn({ op, attributes }: Node, shape: readonly number[]): number | undefined {
  if (["Gather", "GatherElements", "ScatterElements"].includes(op)) return shape.at(Number(attributes["axis"] ?? 0));
  if (op !== "GatherND" && op !== "ScatterND") return undefined;
  return shape[Number(attributes["batch_dims"] ?? 0)];
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
