import type { Node } from "../graph.ts";
import { isGraph } from "../order.ts";
import { each, type Operator } from "./operator.ts";

/** Inputs that a body has, and outputs that it has at least. */
interface Body {
  readonly attribute: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** The bodies that a node must have; a text says what is wrong with the node. */
type Bodies = (node: Node, opset: number) => readonly Body[] | string;

function branches({ inputs, outputs }: Node): readonly Body[] | string {
  if ((inputs[0] ?? "") === "") return "the condition is missing";
  return ["then_branch", "else_branch"].map((attribute) => ({ attribute, inputs: 0, outputs: outputs.length }));
}

function loop({ inputs, outputs }: Node): readonly Body[] {
  const carried = Math.max(0, inputs.length - 2);
  // The condition is no output of the node.
  return [{ attribute: "body", inputs: 2 + carried, outputs: 1 + Math.max(carried, outputs.length) }];
}

function scan({ inputs, outputs, attributes }: Node, opset: number): readonly Body[] | string {
  const given = opset < 9 ? inputs.length - 1 : inputs.length;
  const count = attributes["num_scan_inputs"];
  if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > given)
    return `"num_scan_inputs" expected an integer in 1..${given}, got ${JSON.stringify(count ?? null)}`;
  return [{ attribute: "body", inputs: given, outputs: Math.max(given - count, outputs.length) }];
}

function map({ inputs, outputs }: Node): readonly Body[] {
  return [{ attribute: "body", inputs: inputs.length, outputs: outputs.length }];
}

const BODIES: Readonly<Record<string, Bodies>> = {
  If: branches,
  Loop: loop,
  Scan: scan,
  SequenceMap: map,
};

/** What is wrong with the bodies of a node, in words; undefined when they fit. */
export function bodiesError(node: Node, opset: number): string | undefined {
  const bodies = BODIES[node.op]?.(node, opset) ?? [];
  if (typeof bodies === "string") return bodies;
  for (const { attribute, inputs, outputs } of bodies) {
    const graph = node.attributes[attribute];
    if (!isGraph(graph)) return `"${attribute}" expected a graph`;
    if (graph.inputs.length !== inputs) return `"${attribute}" expected ${inputs} inputs, got ${graph.inputs.length}`;
    if (graph.outputs.length < outputs)
      return `"${attribute}" expected ${outputs} outputs or more, got ${graph.outputs.length}`;
  }
  return undefined;
}

/** Stays as it is, once its bodies have been checked. */
const checked: Operator["becomes"] = (node, make) => {
  const why = bodiesError(node, make.opset);
  if (why !== undefined) throw make.fail(why, "MODEL");
  return undefined;
};

/** Operators that a session runs between programs: those with bodies, and those of sequences and optionals (src/session). */
export const controls = {
  "/If": { since: 1, others: "then_branch:graph else_branch:graph", becomes: checked, between: true },
  "/Loop": { since: 1, others: "body:graph", becomes: checked, between: true },
  "/Scan": {
    since: 8,
    others:
      "body:graph num_scan_inputs scan_input_axes scan_input_directions scan_output_axes scan_output_directions directions<9",
    becomes: checked,
    between: true,
  },
  "/SequenceMap": { since: 17, others: "body:graph", becomes: checked, between: true },
  ...each(["SequenceConstruct", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength"], {
    since: 11,
    between: true,
  }),
  "/SequenceEmpty": { since: 11, others: "dtype:int", between: true },
  "/SplitToSequence": { since: 11, others: "axis:int keepdims:int", between: true },
  "/ConcatFromSequence": { since: 11, others: "axis:int new_axis:int", between: true },
  "/Optional": { since: 15, others: "type", between: true },
  ...each(["OptionalGetElement", "OptionalHasElement"], { since: 15, between: true }),
} as const satisfies Readonly<Record<string, Operator>>;
