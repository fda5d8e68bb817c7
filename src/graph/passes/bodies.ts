import type { Tensor } from "../../tensor/index.ts";
import type { Attribute, Graph, Node, ValueInfo } from "../graph.ts";
import { captures, isGraph, reads, subgraphs } from "../order.ts";
import { ranksOf } from "../ranks.ts";
import { sharing } from "../sharing.ts";

/** The graph with `change` applied to the bodies of its nodes, not to those inside of them. */
function mapBodies(graph: Graph, change: (body: Graph) => Graph): Graph {
  const nodes = graph.nodes.map((node) => {
    if (subgraphs(node).length === 0) return node;
    const attributes: Record<string, Attribute> = {};
    for (const [name, value] of Object.entries(node.attributes))
      attributes[name] = isGraph(value) ? change(value) : value;
    return { ...node, attributes };
  });
  return { ...graph, nodes };
}

/**
 * Applies a pass to the graph and to all bodies of If, Loop and Scan. A body is handed over as a graph of its own: constants that it captures are
 * initializers of it, and other values that it captures are inputs whose types nobody asks for.
 */
export function everyBody(graph: Graph, pass: (graph: Graph) => Graph): Graph {
  return sharing(() => applied(graph, pass));
}

function applied(graph: Graph, pass: (graph: Graph) => Graph): Graph {
  const result = pass(graph);
  if (!result.nodes.some((node) => subgraphs(node).length > 0)) return result;
  const known = ranksOf(result);
  return mapBodies(result, (body) => {
    const [inputs, initializers] = [[...body.inputs], new Map(body.initializers)];
    for (const name of captures(body)) {
      const constant = result.initializers.get(name);
      if (constant === undefined) inputs.push(captured(name, known.rank(name)));
      else initializers.set(name, constant);
    }
    const done = applied({ ...body, inputs, initializers }, pass);
    // What is as it was stays captured.
    const own = [...done.initializers].filter(([name, tensor]) => result.initializers.get(name) !== tensor);
    return { ...done, inputs: body.inputs, initializers: new Map(own) };
  });
}

function captured(name: string, rank: number | undefined): ValueInfo {
  return { name, type: "float32", shape: rank === undefined ? undefined : new Array<string>(rank).fill("") };
}

/**
 * The graph with one name per value: what a body calls as another graph does gets a name of its own. An If whose condition is known can then be
 * replaced by its branch without renaming anything.
 */
export function uniqueNames(graph: Graph): Graph {
  const used = new Set(["", ...own(graph)]);
  const counts = new Map<string, number>();
  const fresh = (base: string): string => {
    let [name, i] = [base, counts.get(base) ?? 0];
    while (used.has(name)) name = `${base}_${++i}`;
    counts.set(base, i);
    return name;
  };
  const visit = (body: Graph, outer: ReadonlyMap<string, string>): Graph => {
    const names = new Map(outer);
    for (const name of own(body)) {
      const unique = fresh(name);
      used.add(unique);
      if (unique === name) names.delete(name);
      else names.set(name, unique);
    }
    const rename = (name: string): string => names.get(name) ?? name;
    const renameInfo = (info: ValueInfo): ValueInfo => ({ ...info, name: rename(info.name) });
    const renameNode = (node: Node): Node => {
      return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
    };
    const renamed = {
      ...body,
      inputs: body.inputs.map(renameInfo),
      outputs: body.outputs.map(renameInfo),
      nodes: body.nodes.map(renameNode),
      initializers: new Map([...body.initializers].map(([name, tensor]) => [rename(name), tensor])),
    };
    return mapBodies(renamed, (inner) => visit(inner, names));
  };
  return mapBodies(graph, (body) => visit(body, new Map()));
}

/** Names that a graph defines itself, once each. */
function own(graph: Graph): Set<string> {
  const names = new Set<string>(graph.initializers.keys());
  for (const { name } of graph.inputs) names.add(name);
  for (const node of graph.nodes) for (const name of node.outputs) names.add(name);
  names.delete("");
  return names;
}

/**
 * The graph with the constants of all bodies among its own initializers, where they can become series; names must be unique. Initializers that nobody
 * reads are dropped.
 */
export function hoistConstants(graph: Graph): Graph {
  const all = new Map<string, Tensor>(graph.initializers);
  const empty = (body: Graph): Graph => {
    for (const [name, tensor] of body.initializers) all.set(name, tensor);
    return mapBodies({ ...body, initializers: new Map() }, empty);
  };
  const hoisted = mapBodies(graph, empty);
  const used = new Set([...hoisted.nodes.flatMap(reads), ...hoisted.outputs.map(({ name }) => name)]);
  return { ...hoisted, initializers: new Map([...all].filter(([name]) => used.has(name))) };
}
