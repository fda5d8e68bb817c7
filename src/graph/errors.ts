import { BitbasisError } from "../core/errors.ts";
import type { Node } from "./graph.ts";

/** An error about one node: names node, operator and opset. */
export function nodeError(
  node: Node,
  opsets: Readonly<Record<string, number>>,
  why: string,
  code: "MODEL" | "UNSUPPORTED" = "UNSUPPORTED",
): BitbasisError {
  const opset = node.domain === "" ? `opset ${opsets[""] ?? "?"}` : `${node.domain} ${opsets[node.domain] ?? 1}`;
  return new BitbasisError(code, `node "${node.name}" (${node.op}, ${opset}): ${why}`);
}
