import { ElementCode } from "../core/abi/element.ts";
import type { ElementType } from "../tensor/index.ts";
import type { KnownValue, Node } from "./graph.ts";
import { INTERNAL } from "./internal.ts";
import type { Call } from "./operators/call.ts";
import { signatureOf } from "./operators/contract.ts";
import type { Operator } from "./operators/operator.ts";

/** Floats of 16 bits: where an operator is not defined on them here, it computes in float32 and its results are rounded. */
const HALVES: readonly ElementType[] = ["float16", "bfloat16"];

/** Inputs of 16-bit floats where the record takes float32, but not these. */
export function halfInputs(call: Call, operator: Operator): number[] {
  let some = false;
  for (let i = 0; i < call.count; i++) some ||= call.has(i) && HALVES.includes(call.type(i));
  if (!some) return [];
  const { parameters } = signatureOf(operator.inputs ?? "");
  if (parameters.length === 0) return [];
  return Array.from({ length: call.count }, (_, i) => i).filter((i) => {
    if (!call.has(i) || !HALVES.includes(call.type(i))) return false;
    const { type } = parameters[Math.min(i, parameters.length - 1)]!;
    const allowed: readonly string[] = operator.types?.[type] ?? [type];
    return allowed.includes("float32") && !allowed.includes(call.type(i));
  });
}

/** A node that computes in float32 what another computes in 16 bits. */
export interface Widened {
  /** Casts of the inputs. */
  readonly before: readonly Node[];
  readonly node: Node;
  /** Casts of those results that are float32 back to 16 bits. */
  after(outputs: readonly KnownValue[]): readonly Node[];
}

/** `node` with these inputs in float32; `unique` makes names. */
export function widened(node: Node, call: Call, inputs: readonly number[], unique: (base: string) => string): Widened {
  const names = new Map(inputs.map((i) => [node.inputs[i]!, unique(`${INTERNAL}float32:${node.inputs[i]}`)]));
  const half = ElementCode[call.type(inputs[0]!)];
  const results = node.outputs.map((name) => (name === "" ? "" : unique(`${INTERNAL}unrounded:${name}`)));
  return {
    before: [...names].map(([from, to]) => cast(node, from, to, ElementCode.float32)),
    node: { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name), outputs: results },
    after: (outputs) =>
      results.flatMap((from, i) => {
        const to = node.outputs[i]!;
        if (from === "") return [];
        const type = outputs[i]?.type ?? "float32";
        return [cast(node, from, to, type === "float32" ? half : ElementCode[type])];
      }),
  };
}

function cast({ name }: Node, from: string, to: string, type: number): Node {
  return { name: `${name}/cast`, op: "Cast", domain: "", inputs: [from], outputs: [to], attributes: { to: type } };
}
