import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { KnownValue } from "../graph.ts";
import type { Call } from "../shapes/call.ts";
import { arithmeticEvaluators } from "./arithmetic.ts";
import type { Evaluate } from "./elements.ts";
import { movementEvaluators } from "./movement.ts";
import { reduceEvaluators } from "./reduce.ts";

const EVALUATORS: Readonly<Record<string, Evaluate>> = {
  ...arithmeticEvaluators,
  ...movementEvaluators,
  ...reduceEvaluators,
};

/** Operators that look at the shape of their input and not at its elements. */
const SHAPE_ONLY = new Set(["/Shape", "/Size"]);

/**
 * Evaluates a node at compile time: only integer and boolean operations, float operations that IEEE 754 rounds exactly, and data movement.
 *
 * @param limit - largest number of elements of an output
 */
export function evaluate(call: Call, outputs: readonly KnownValue[], limit: number): readonly Tensor[] | undefined {
  const key = `${call.node.domain}/${call.node.op}`;
  const rule = EVALUATORS[key];
  if (rule === undefined || outputs.some(({ shape }) => sizeOf(shape) > limit)) return undefined;
  if (!SHAPE_ONLY.has(key)) {
    for (let i = 0; i < call.count; i++) if (call.has(i) && call.constant(i) === undefined) return undefined;
  }
  const data = rule(call, outputs);
  return data?.map((d, i) => new Tensor(outputs[i]!.type, d, outputs[i]!.shape));
}
