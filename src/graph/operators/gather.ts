import { sizeOf } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { ANY, type Evaluate, INDEX, type Operator, plus, type ShapeRule } from "./operator.ts";

const gatherShape: ShapeRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  return [{ type: call.type(0), shape: [...shape.slice(0, axis), ...call.shape(1), ...shape.slice(axis + 1)] }];
};

/** An index that may count from the end, checked. */
export function wrap(call: Call, index: number, extent: number): number {
  if (index < -extent || index >= extent)
    throw call.fail(`index ${index} expected an integer in ${-extent}..${extent - 1}`);
  return index < 0 ? index + extent : index;
}

const gather: Evaluate = (call, [output]) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const from = elementsOf(call.constant(0)!.data);
  const indices = call.needed(1).map((index) => wrap(call, index, shape[axis]!));
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const to = allocate(output!.type, sizeOf(output!.shape));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      for (let i = 0; i < inner; i++) to[at++] = from[(o * shape[axis]! + index) * inner + i]!;
    }
  }
  return [dataOf(to)];
};

/** Rows chosen by indices. */
export const gathers = {
  "/Gather": {
    since: 1,
    inputs: "T I",
    types: { T: ANY, I: INDEX },
    attributes: { axis: "int" },
    rank: (_, { rank }) => plus(plus(rank(0), rank(1)), -1),
    length: (_, { rank, length }) => (rank(0) === 1 && rank(1) === 1 ? length(1) : undefined),
    shape: gatherShape,
    evaluate: gather,
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
