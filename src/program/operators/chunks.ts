import { isRecord, wrongKind } from "../../core/index.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { CAST_TEXT } from "../../graph/operators/cast.ts";
import { addOperators, operatorOf } from "../../graph/operators/index.ts";
import { everyNode } from "../../graph/order.ts";
import type { Chunk } from "./chunk.ts";
import { addLowerings } from "./index.ts";

/**
 * All operators. An entry may have some of them from the start (`use`, families.ts); the others are code of their own, imported when a model names an operator that is
 * not known: they cost no other network's download anything. What an operator becomes is in its own chunk or in one that `DOMAINS` names before it.
 */
export const CHUNKS = {
  common: async (): Promise<Chunk> => (await import("./common.ts")).COMMON,
  uncommon: async (): Promise<Chunk> => (await import("./uncommon.ts")).UNCOMMON,
  rare: async (): Promise<Chunk> => ({ records: (await import("../../graph/operators/rare/index.ts")).RARE }),
  contrib: async (): Promise<Chunk> => ({ records: (await import("../../graph/operators/contrib/index.ts")).CONTRIB }),
  ml: async (): Promise<Chunk> => ({ records: (await import("../../graph/operators/ml/index.ts")).MACHINE_LEARNING }),
};

/** Where operators of a domain are, in the order in which they are looked for. */
const DOMAINS: Readonly<Record<string, readonly (keyof typeof CHUNKS)[]>> = {
  "": ["common", "uncommon", "rare"],
  bitbasis: ["common", "uncommon", "rare", "ml"],
  "com.microsoft": ["common", "uncommon", "contrib", "ml"],
  "ai.onnx.ml": ["common", "uncommon", "ml"],
};

/**
 * Makes families of operators known, for all sessions that are created from then on.
 *
 * @throws TypeError for what is no family
 */
export function use(...families: readonly Chunk[]): void {
  for (const family of families as readonly unknown[]) {
    if (!isRecord(family) || !isRecord(family["records"]))
      throw wrongKind("families", 'families of operators, such as "basics"', family);
  }
  for (const { records, lowerings } of families) {
    addOperators(records);
    if (lowerings !== undefined) addLowerings(lowerings);
  }
}

/** Those of most networks, among them all that the passes make. */
export async function loadCommon(): Promise<void> {
  use(await CHUNKS.common());
}

/**
 * Imports what the nodes of a graph, those of bodies included, need beyond the operators that are known. Everything that reads records of these nodes comes
 * after it: passes, specialization, evaluation.
 */
export async function loadOperators(graph: Graph): Promise<void> {
  const values = [...graph.inputs, ...graph.initializers.values()];
  if (values.some(({ type }) => type === "string")) await loadOperator(CAST_TEXT);
  for (const node of everyNode(graph)) {
    await loadOperator(node);
    const later = operatorOf(node)?.later?.(node);
    if (later !== undefined) await loadOperator(later);
  }
}

async function loadOperator(node: Pick<Node, "domain" | "op">): Promise<void> {
  const chunks = Object.hasOwn(DOMAINS, node.domain) ? DOMAINS[node.domain]! : [];
  for (const name of chunks) {
    if (operatorOf(node) !== undefined) break;
    use(await CHUNKS[name]());
  }
}
