import { BitbasisError } from "../core/errors.ts";
import type { Node } from "./graph.ts";

/** A shape, or what a kernel must know beforehand, depends on elements that are known only when the model runs. */
export class DependsOnData extends BitbasisError {
  constructor(
    /** The value whose elements are needed. */
    readonly value: string,
    message: string,
    /** Graph inputs that the value is computed from. */
    readonly inputs: readonly string[] = [],
  ) {
    super("UNSUPPORTED", message);
  }

  /** The same with the values that nothing among `nodes` makes and that `value` comes from. */
  from(nodes: readonly Node[]): DependsOnData {
    const maker = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    const seen = new Set([this.value]);
    for (const name of seen) for (const input of maker.get(name)?.inputs ?? []) seen.add(input);
    return new DependsOnData(
      this.value,
      this.message,
      [...seen].filter((name) => !maker.has(name)),
    );
  }
}

/** An error about one node: names node, operator and opset. */
export function nodeError(
  node: Node,
  opsets: Readonly<Record<string, number>>,
  why: string,
  code: "MODEL" | "UNSUPPORTED" = "UNSUPPORTED",
): BitbasisError {
  return new BitbasisError(code, nodeMessage(node, opsets, why));
}

/** The version of a domain that a graph asks for. A domain is any text of a file, also "__proto__", which every object has. */
export function opsetOf(opsets: Readonly<Record<string, number>>, domain: string): number | undefined {
  return Object.hasOwn(opsets, domain) ? opsets[domain] : undefined;
}

/** `node "conv1" (Conv, opset 17): why`; what our passes made of an ONNX operator counts as that operator. */
export function nodeMessage(node: Node, opsets: Readonly<Record<string, number>>, why: string): string {
  const standard = node.domain === "" || node.domain === "bitbasis";
  const opset = standard ? `opset ${opsets[""] ?? "?"}` : `${node.domain} ${opsetOf(opsets, node.domain) ?? 1}`;
  return `node "${node.name}" (${node.op}, ${opset}): ${why}`;
}
