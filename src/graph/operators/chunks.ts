import type { Graph } from "../graph.ts";
import { everyNode } from "../order.ts";
import { addOperators, operatorOf } from "./index.ts";
import type { Operator } from "./operator.ts";

/** Records by `domain/op`. */
export type Records = Readonly<Record<string, Operator>>;

/**
 * Operators that few networks have, by domain: code of its own, which is no part of the download and is imported when a model names an operator
 * that is not here. None of them runs as steps: they become other operators, or are evaluated in TypeScript.
 */
export const CHUNKS: Readonly<Record<string, () => Promise<Records>>> = {
  "": async () => (await import("./rare/index.ts")).RARE,
  "com.microsoft": async () => (await import("./contrib/index.ts")).CONTRIB,
  "ai.onnx.ml": async () => (await import("./ml/index.ts")).MACHINE_LEARNING,
};

/**
 * Imports what the nodes of a graph, those of bodies included, need beyond the operators that are always here. Everything that reads records of these nodes comes
 * after it: passes, specialization, evaluation.
 */
export async function loadOperators(graph: Graph): Promise<void> {
  const domains = new Set<string>();
  for (const node of everyNode(graph)) if (operatorOf(node) === undefined) domains.add(node.domain);
  for (const domain of domains) {
    const load = Object.hasOwn(CHUNKS, domain) ? CHUNKS[domain] : undefined;
    if (load !== undefined) addOperators(await load());
  }
}
