import { BitbasisError } from "../../core/errors.ts";
import { nodeError, opsetOf } from "../errors.ts";
import type { Attribute, Graph, Node } from "../graph.ts";
import { nodeFault, strangeAttribute } from "../operators/contract.ts";
import { operatorOf } from "../operators/index.ts";
import { Maker } from "../operators/maker.ts";
import { isGraph, reads } from "../order.ts";
import { type Constants, Ranks } from "../ranks.ts";
import { sharing } from "../sharing.ts";
import { uniqueNames } from "./bodies.ts";
import { Names } from "./names.ts";
import { NEWEST, surroundings } from "./surroundings.ts";

/** Oldest opset that is read. */
export const MIN_OPSET = 1;

/** An operator that becomes others that become others … is a mistake in the records, not in a file. */
const DEPTH = 16;

/**
 * Brings the operators of every opset to one form, the newest: axes, bounds, pads and splits are inputs, Softmax has an axis,
 * Upsample is Resize, Scatter is ScatterElements, Dropout is Identity, Sum, Mean, Max and Min are binary, Gelu is bitbasis/Gelu, and what
 * is only other operators in one is written out. The records in src/graph/operators say what becomes what.
 * The result has `opsets.bitbasis`; `opsets[""]` stays the model's own, for messages. Normalizing twice changes nothing.
 */
export function normalize(given: Graph): Graph {
  if ("bitbasis" in given.opsets) return given;
  const graph = uniqueNames(given);
  const opset = graph.opsets[""] ?? 0;
  if (opset < MIN_OPSET) {
    throw new BitbasisError(
      "UNSUPPORTED",
      `opset ${opset} is older than ${MIN_OPSET}: convert the model to a newer one`,
    );
  }
  return sharing(() => rewrite(graph, new Names(graph), new Map(), () => undefined));
}

/**
 * @param outer - ranks of the values of the enclosing graphs
 * @param captured - constants of the enclosing graphs
 */
function rewrite(graph: Graph, names: Names, outer: ReadonlyMap<string, number>, captured: Constants): Graph {
  const initializers = new Map(graph.initializers);
  const constant: Constants = (name) => initializers.get(name) ?? captured(name);
  const ranks = new Ranks(initializers, captured);
  for (const [name, rank] of outer) ranks.set(name, rank);
  ranks.inputs(graph);
  const around = surroundings(graph, initializers, names, ranks, constant);
  const nodes: Node[] = [];
  /** Outputs that what a node has become does not make. */
  const lost = new Map<string, { node: Node; output: number }>();
  const put = (node: Node, opset: number, depth: number): void => {
    const made = operatorOf(node)?.becomes?.(node, new Maker(node, opset, around));
    if (made === undefined || depth === DEPTH) {
      checkWhole(node, graph.opsets);
      nodes.push(node);
      ranks.add(node);
      return;
    }
    const names = new Set(made.flatMap(({ outputs }) => outputs));
    for (const [output, name] of node.outputs.entries())
      if (name !== "" && !names.has(name)) lost.set(name, { node, output });
    // What has been rewritten into its own newest form is done.
    for (const one of made) put(one, NEWEST, one.op === node.op && one.domain === node.domain ? DEPTH : depth + 1);
  };
  for (const given of graph.nodes) {
    const attributes: Record<string, Attribute> = {};
    for (const [name, value] of Object.entries(given.attributes)) {
      attributes[name] = isGraph(value) ? rewrite(value, names, ranks.all(), constant) : value;
    }
    const opset = opsetOf(graph.opsets, given.domain) ?? 1;
    const operator = operatorOf(given);
    const strange = operator && strangeAttribute(given, operator, opset);
    if (strange !== undefined) throw nodeError(given, graph.opsets, strange, "MODEL");
    put({ ...given, attributes }, opset, 0);
  }
  for (const name of [...nodes.flatMap(reads), ...graph.outputs.map((output) => output.name)]) {
    const { node, output } = lost.get(name) ?? {};
    if (node !== undefined) throw nodeError(node, graph.opsets, `output ${output} is not supported`);
  }
  return { ...graph, opsets: { ...graph.opsets, bitbasis: 1 }, nodes, initializers };
}

/** @throws BitbasisError MODEL for a node that lacks an input or has an attribute of another kind */
function checkWhole(node: Node, opsets: Graph["opsets"]): void {
  const operator = operatorOf(node);
  const why = operator === undefined ? undefined : nodeFault(node, operator);
  if (why !== undefined) throw nodeError(node, opsets, why, "MODEL");
}
