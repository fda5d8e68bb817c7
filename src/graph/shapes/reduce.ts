import { normalizedAxes } from "./axes.ts";
import type { Call, ShapeRule } from "./call.ts";

/** Axes that a Reduce node works on; undefined when it does nothing (`noop_with_empty_axes`). */
export function reducedAxes(call: Call): number[] | undefined {
  const rank = call.shape(0).length;
  const given = call.numbers(1) ?? [];
  if (given.length === 0)
    return call.number("noop_with_empty_axes", 0) === 1 ? undefined : call.shape(0).map((_, i) => i);
  const axes = normalizedAxes(given, rank);
  if (axes === undefined) throw call.fail(`axes [${given}] do not fit rank ${rank}`);
  return axes;
}

function shrink(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  return shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
}

const reduce: ShapeRule = (call) => {
  const shape = shrink(call.shape(0), reducedAxes(call) ?? [], call.number("keepdims", 1) === 1);
  return [{ type: call.type(0), shape }];
};

const arg: ShapeRule = (call) => {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  return [{ type: "int64", shape: shrink(call.shape(0), [axis], call.number("keepdims", 1) === 1) }];
};

const topK: ShapeRule = (call) => {
  const shape = [...call.shape(0)];
  const axis = call.axis(call.number("axis", -1), shape.length);
  const k = call.needed(1)[0]!;
  if (!(k >= 0 && k <= shape[axis]!)) throw call.fail(`K = ${k} of ${shape[axis]}`);
  shape[axis] = k;
  return [
    { type: call.type(0), shape },
    { type: "int64", shape },
  ];
};

export const reductions: Readonly<Record<string, ShapeRule>> = {
  ...Object.fromEntries(
    "Sum Mean Max Min Prod L1 L2 LogSum LogSumExp SumSquare".split(" ").map((op) => [`/Reduce${op}`, reduce]),
  ),
  "/ArgMax": arg,
  "/ArgMin": arg,
  "/TopK": topK,
};
