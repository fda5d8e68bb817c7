import { BitbasisError } from "../core/errors.ts";
import { opsetOf } from "./errors.ts";
import type { Graph, Node } from "./graph.ts";
import { operatorOf } from "./operators/index.ts";
import { subgraphs } from "./order.ts";

export interface UnsupportedNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** Version of the operator's domain in the model. */
  readonly opset: number;
}

/** Whether a node of a graph that the passes have been over can run: as steps, in TypeScript, or between programs. */
function runs(node: Node): boolean {
  const operator = operatorOf(node);
  return (
    operator?.steps === true ||
    operator?.between === true ||
    operator?.evaluate !== undefined ||
    operator?.expands !== undefined
  );
}

/** The nodes that cannot run, those of bodies included. */
export function unsupportedNodes(graph: Graph): UnsupportedNode[] {
  return graph.nodes.flatMap((node) => {
    const { name, op, domain } = node;
    const own = runs(node) ? [] : [{ name, op, domain, opset: opsetOf(graph.opsets, domain) ?? 0 }];
    return [...own, ...subgraphs(node).flatMap((body) => unsupportedNodes(body))];
  });
}

/**
 * Refuses a graph with nodes that cannot run.
 *
 * @throws BitbasisError UNSUPPORTED about all of them, a line per operator
 */
export function checkSupported(graph: Graph): void {
  const nodes = unsupportedNodes(graph);
  if (nodes.length === 0) return;
  const byOperator = new Map<string, UnsupportedNode[]>();
  for (const node of nodes) {
    const operator = `${node.domain === "" ? "" : `${node.domain}.`}${node.op} (opset ${node.opset})`;
    byOperator.set(operator, [...(byOperator.get(operator) ?? []), node]);
  }
  const lines = [...byOperator].map(([operator, all]) => {
    const names = all
      .slice(0, 3)
      .map((node) => `"${node.name}"`)
      .join(", ");
    return `${operator}: node ${names}${all.length > 3 ? ` and ${all.length - 3} more` : ""}`;
  });
  throw new BitbasisError("UNSUPPORTED", `the model uses operators that are not supported:\n${lines.join("\n")}`);
}
