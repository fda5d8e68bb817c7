import { BitbasisError } from "../core/index.ts";
import {
  type Graph,
  type GraphJson,
  graphFromJson,
  isGraph,
  type Node,
  uniqueNames,
  type ValueInfo,
} from "../graph/index.ts";
import { INTERNAL } from "../graph/internal.ts";
import { ELEMENT_TYPES, type Tensor } from "../tensor/index.ts";
import { damaged } from "./damaged.ts";

/**
 * The graph of a container's JSON, checked: kinds of all fields, and that every value is written before it is read.
 *
 * @param weights - names of the initializers that are series
 * @throws BitbasisError MODEL that says what does not fit
 */
export function openGraph(
  json: unknown,
  initializers: ReadonlyMap<string, Tensor>,
  weights: ReadonlyMap<string, unknown>,
): Graph {
  let graph: Graph;
  try {
    graph = graphFromJson(json as GraphJson, initializers);
  } catch (cause) {
    if (cause instanceof BitbasisError) throw cause;
    // What the engine says of a missing field is no sentence for a reader; the fields are named by checkGraph when they are there at all.
    throw new BitbasisError("MODEL", "the container is damaged: its graph lacks a part or holds one of another kind", {
      cause,
    });
  }
  checkGraph(graph, new Set(weights.keys()));
  return uniqueNames(graph);
}

function checkGraph(graph: Graph, outer: ReadonlySet<string>): void {
  const known = new Set([...outer, ...graph.initializers.keys()]);
  if (typeof graph.name !== "string" || !isRecordOf(graph.opsets, Number.isInteger)) {
    throw damaged("its graph expected a name and versions of operator sets");
  }
  for (const list of [graph.inputs, graph.outputs, graph.overridable ?? []]) {
    if (!Array.isArray(list) || !list.every(isValueInfo)) throw damaged("its graph expected inputs and outputs");
  }
  for (const { name } of graph.inputs) known.add(name);
  for (const node of graph.nodes) checkNode(node, known);
  const ours = [...known].find((name) => name.startsWith(INTERNAL));
  if (ours !== undefined) throw damaged(`no file may name a value ${JSON.stringify(ours)}`);
  const missing = graph.outputs.find(({ name }) => !known.has(name));
  if (missing !== undefined) throw damaged(`nobody writes the output "${missing.name}"`);
}

function checkNode(node: Node, known: Set<string>): void {
  const { name, op, domain, inputs, outputs, attributes, kinds = {} } = node;
  if (![name, op, domain].every(isText) || !isList(inputs) || !isList(outputs) || !isRecordOf(kinds, isText)) {
    throw damaged(
      `${isText(name) ? `the node ${JSON.stringify(name)}` : "a node"} expected a name, an operator, inputs and outputs`,
    );
  }
  const missing = inputs.find((input) => input !== "" && !known.has(input));
  if (missing !== undefined) throw damaged(`the node "${name}" reads "${missing}" before anybody writes it`);
  for (const value of Object.values(attributes)) if (isGraph(value)) checkGraph(value, known);
  for (const output of outputs) known.add(output);
}

function isValueInfo(value: unknown): value is ValueInfo {
  const { name, type, shape, holder } = (value ?? {}) as Partial<ValueInfo>;
  if (holder !== undefined && !["sequence", "optional", "optional sequence"].includes(holder)) return false;
  const isDimension = (d: unknown) => typeof d === "string" || (Number.isInteger(d) && Number(d) >= 0);
  const types: readonly unknown[] = ELEMENT_TYPES;
  return (
    isText(name) && types.includes(type) && (shape === undefined || (Array.isArray(shape) && shape.every(isDimension)))
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isRecordOf(value: unknown, holds: (one: unknown) => boolean): boolean {
  return typeof value === "object" && value !== null && Object.values(value).every(holds);
}
