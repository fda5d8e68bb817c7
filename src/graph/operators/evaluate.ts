import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { KnownValue } from "../graph.ts";
import type { Call } from "./call.ts";
import type { Operator } from "./operator.ts";

/**
 * Evaluates a node at compile time: only integer and boolean operations, float operations that IEEE 754 rounds exactly, and data movement.
 *
 * @param limit - largest number of elements of an output
 */
export function evaluate(
  call: Call,
  operator: Operator,
  outputs: readonly KnownValue[],
  limit: number,
): readonly Tensor[] | undefined {
  if (operator.evaluate === undefined || outputs.some(({ shape }) => sizeOf(shape) > limit)) return undefined;
  if (!operator.evaluatesShapes) {
    for (let i = 0; i < call.count; i++) if (call.has(i) && call.constant(i) === undefined) return undefined;
  }
  const data = operator.evaluate(call, outputs);
  return data?.map((d, i) => new Tensor(outputs[i]!.type, d, outputs[i]!.shape));
}
