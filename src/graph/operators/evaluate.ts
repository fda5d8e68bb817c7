import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { KnownValue } from "../graph.ts";
import type { Call } from "./call.ts";
import type { Operator } from "./operator.ts";

/**
 * Evaluates a node at compile time: only integer and boolean operations, float operations that IEEE 754 rounds exactly, and data movement.
 *
 * @param limit - largest number of elements of an output; 256 times as many may be read
 */
export function evaluate(
  call: Call,
  operator: Operator,
  outputs: readonly KnownValue[],
  limit: number,
): readonly Tensor[] | undefined {
  if (operator.evaluate === undefined || outputs.some(({ shape }) => sizeOf(shape) > limit)) return undefined;
  if (!operator.evaluatesShapes) {
    for (let i = 0; i < call.count; i++) {
      const constant = call.constant(i);
      if (call.has(i) && (constant === undefined || constant.size > 256 * limit)) return undefined;
    }
  }
  const data = operator.evaluate(call, outputs);
  return data?.map((d, i) => new Tensor(outputs[i]!.type, d, outputs[i]!.shape));
}

/** Elements that an evaluator which works in pieces is given outside of a run: pairs of so many boxes take some milliseconds. */
const AT_ONCE = 4096;

/** Whether evaluating a node must be left to a run, which lets others have their turn between the pieces and counts the memory. */
export function takesLong(call: Call, operator: Operator): boolean {
  if (operator.work === undefined) return false;
  let size = 0;
  for (let i = 0; i < call.count; i++) size += call.constant(i)?.size ?? 0;
  return size > AT_ONCE;
}

/**
 * What folding may cost in all, so that a small file cannot make gigabytes (27 times Concat(c, c)) or hours (thousands of sums over one large
 * constant). A node that is not folded any more runs as steps, under the session's limits; Shape has none, and what computes with shapes is folded for good.
 */
export class FoldBudget {
  /** @param made - elements that may be made, @param read - and read; one node may exceed what is left */
  constructor(
    private made: number,
    private read: number,
  ) {}

  /** What is left, for another way to go on from here. */
  copy(): FoldBudget {
    return new FoldBudget(this.made, this.read);
  }

  get spent(): boolean {
    return this.made <= 0 || this.read <= 0;
  }

  count(call: Call, outputs: readonly Tensor[]): void {
    for (const { size } of outputs) this.made -= size;
    for (let i = 0; i < call.count; i++) this.read -= call.constant(i)?.size ?? 0;
  }
}
