import { stridesOf } from "../../tensor/index.ts";
import { lastAxis } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import { copyStrided } from "./elements.ts";
import { axesConstant, type LayoutRule, lastAxes, unaryLayout } from "./layout-rules.ts";
import { ANY, type Evaluate, INDEX, type Operator, sameRank } from "./operator.ts";
import type { Rank, RankView } from "./rank.ts";
import { like } from "./reshape.ts";
import { toInputs } from "./rewrite.ts";
import { settleUnmoved } from "./settle.ts";

/** First element, step and number of elements of every axis of a Slice. */
export function slices(call: Call): { start: number; step: number; count: number }[] {
  const shape = call.shape(0);
  const [starts, ends] = [call.needed(1), call.needed(2)];
  const given = call.numbers(3) ?? starts.map((_, i) => i);
  const steps = call.numbers(4) ?? starts.map(() => 1);
  if (ends.length !== starts.length || given.length !== starts.length || steps.length !== starts.length)
    throw call.fail(`${starts.length} starts, ${ends.length} ends, ${given.length} axes and ${steps.length} steps`);
  const axes = call.axes(given, shape.length);
  if (steps.includes(0)) throw call.fail("a step is 0");
  const result = shape.map((d) => ({ start: 0, step: 1, count: d }));
  axes.forEach((axis, i) => {
    const [d, step] = [shape[axis]!, steps[i]!];
    const clamp = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + d : at, low), high);
    const start = step > 0 ? clamp(starts[i]!, 0, d) : clamp(starts[i]!, 0, d - 1);
    const end = step > 0 ? clamp(ends[i]!, 0, d) : clamp(ends[i]!, -1, d - 1);
    const count = Math.max(0, Math.ceil((end - start) / step));
    // One element needs no step, and a step of 2^62 could not be multiplied by a stride.
    result[axis] = { start, step: count > 1 ? step : 1, count };
  });
  return result;
}

const evaluate: Evaluate = (call, [output]) => {
  const own = stridesOf(call.shape(0));
  const parts = slices(call);
  const start = parts.reduce((sum, part, i) => sum + part.start * own[i]!, 0);
  const strides = parts.map((part, i) => part.step * own[i]!);
  return [copyStrided(call.constant(0)!.data, output!.type, output!.shape, strides, start)];
};

const layout: LayoutRule = (node, at) => {
  const [x, starts, ends, axes, steps] = node.inputs as [string, string, string, string?, string?];
  const rank = at.rank(x);
  if (rank === undefined || !at.hasLast(x)) return false;
  const count = at.constant(starts)?.size;
  const given = axes ? lastAxes(axes, rank, at) : count && Array.from({ length: count }, (_, i) => lastAxis(i, rank));
  if (!given) return false;
  return unaryLayout(
    { ...node, inputs: [x, starts, ends, axesConstant(node, given, at), ...(steps ? [steps] : [])] },
    at,
  );
};

function length(_: unknown, { length, numbers }: RankView): Rank {
  const [own, starts, ends, steps] = [length(0), numbers(1), numbers(2), numbers(4)];
  if (own === undefined || starts?.length !== 1 || ends?.length !== 1 || (steps ?? [1])[0] !== 1) return undefined;
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + own : at, 0), own);
  return Math.max(0, clamp(ends[0]!) - clamp(starts[0]!));
}

export const slicing = {
  "/Slice": {
    since: 1,
    inputs: "T I I I? I?",
    types: { T: ANY, I: INDEX },
    others: "starts:ints<10 ends:ints<10 axes:ints<10",
    becomes: toInputs("int64", "starts", "ends", "axes"),
    rank: sameRank,
    length,
    shape: (call: Call) =>
      like(
        call,
        slices(call).map(({ count }) => count),
      ),
    evaluate,
    layout,
    settle: settleUnmoved((call) => (call.numbers(4) ?? []).some((step) => step < 0)),
    elements: "moved",
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
