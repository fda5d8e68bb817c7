import { BitbasisError } from "../core/errors.ts";
import type { Attribute, Graph, Node } from "./graph.ts";

/** Whether an attribute is a subgraph. */
export function isGraph(value: Attribute | undefined): value is Graph {
  return typeof value === "object" && "nodes" in value;
}

const NONE: readonly Graph[] = [];

/** The subgraphs of a node (the bodies of If, Loop and Scan). Every pass asks for those of every node, which hardly any has. */
export function subgraphs({ attributes }: Node): readonly Graph[] {
  let found = NONE;
  for (const name in attributes) {
    const value = attributes[name];
    if (isGraph(value)) found = [...found, value];
  }
  return found;
}

/** Bodies do not change, and every pass asks: without this, bodies in bodies take the square of their depth. */
const captured = new WeakMap<Graph, ReadonlySet<string>>();

/** Values of the enclosing graphs that `graph` reads. */
export function captures(graph: Graph): ReadonlySet<string> {
  let names = captured.get(graph);
  if (names === undefined) {
    names = capturesOf(graph);
    captured.set(graph, names);
  }
  return names;
}

function capturesOf(graph: Graph): Set<string> {
  const own = new Set<string>(graph.initializers.keys());
  for (const input of graph.inputs) own.add(input.name);
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output);
  const names = new Set<string>();
  for (const node of graph.nodes) for (const name of reads(node)) if (!own.has(name)) names.add(name);
  for (const output of graph.outputs) if (!own.has(output.name)) names.add(output.name);
  return names;
}

/** Every value that a node needs: its inputs and what its subgraphs capture, without the absent ones. */
export function reads(node: Node): readonly string[] {
  const bodies = subgraphs(node);
  if (bodies.length === 0 && !node.inputs.includes("")) return node.inputs;
  return [...node.inputs.filter((name) => name !== ""), ...bodies.flatMap((body) => [...captures(body)])];
}

/**
 * The nodes, each after those that it reads from; the given order is kept where it is already such an order.
 * Throws BitbasisError MODEL that names a value which nothing makes, or the nodes of a cycle.
 *
 * @param known - values that exist before the first node: inputs, initializers, values of enclosing graphs
 */
export function topological(nodes: readonly Node[], known: ReadonlySet<string>): Node[] {
  const maker = new Map<string, Node>();
  for (const node of nodes) for (const output of node.outputs) if (output !== "") maker.set(output, node);
  const done = new Set<Node>();
  const open = new Set<Node>();
  const sorted: Node[] = [];
  // An explicit stack: a long chain given backwards must not overflow the call stack.
  for (const root of nodes) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (done.has(node)) {
        stack.pop();
        continue;
      }
      const missing: Node[] = [];
      for (const name of reads(node)) {
        if (known.has(name)) continue;
        const before = maker.get(name);
        if (before === undefined) {
          throw new BitbasisError("MODEL", `node "${node.name}" (${node.op}) reads "${name}", which nothing makes`);
        }
        if (done.has(before)) continue;
        if (before === node || open.has(before)) {
          open.add(node);
          throw cycle(
            stack.filter((one) => open.has(one)),
            before,
          );
        }
        missing.push(before);
      }
      if (missing.length === 0) {
        done.add(node);
        open.delete(node);
        sorted.push(node);
        stack.pop();
      } else {
        open.add(node);
        // All at once, the first on top: a node with n inputs is looked at twice, not n times.
        for (const before of missing.reverse()) stack.push(before);
      }
    }
  }
  return sorted;
}

function cycle(stack: readonly Node[], from: Node): BitbasisError {
  const names = stack.slice(stack.indexOf(from)).map((node) => `"${node.name}"`);
  return new BitbasisError("MODEL", `the graph has a cycle: ${[...names, `"${from.name}"`].join(" → ")}`);
}

/** The nodes that the wanted values need, in the same order; what these read is added to the wanted. */
export function live(nodes: readonly Node[], wanted: Set<string>): Node[] {
  const kept: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.outputs.some((name) => wanted.has(name))) continue;
    kept.push(node);
    for (const name of reads(node)) wanted.add(name);
  }
  return kept.reverse();
}

/**
 * All nodes, those of bodies before the node that has the body, which counts as a reader of the bodies' outputs: for analyses of graphs in which every
 * value has one name.
 */
export function everyNode(graph: Graph): Node[] {
  return graph.nodes.flatMap((node) => {
    const bodies = subgraphs(node);
    if (bodies.length === 0) return [node];
    const made = bodies.flatMap((body) => body.outputs.map(({ name }) => name));
    return [...bodies.flatMap(everyNode), { ...node, inputs: [...node.inputs, ...made] }];
  });
}
