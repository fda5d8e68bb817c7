import { holdsBits, sizeOf, stridesOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { lastAxis, toLast } from "../passes/layout.ts";
import { normalizedAxes } from "./axes.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf, walk } from "./elements.ts";
import { axesConstant, axisLayout, type LayoutRule, unaryLayout } from "./layout-rules.ts";
import { type Evaluate, each, NUMBERS, type Operator, plus, type ShapeRule } from "./operator.ts";
import type { Rank, RankView } from "./rank.ts";
import { axesToInput } from "./rewrite.ts";

/** Axes that a Reduce node works on; undefined when it does nothing (`noop_with_empty_axes`). */
function reducedAxes(call: Call): number[] | undefined {
  const rank = call.shape(0).length;
  const given = call.numbers(1) ?? [];
  if (given.length === 0)
    return call.number("noop_with_empty_axes", 0) === 1 ? undefined : call.shape(0).map((_, i) => i);
  return call.axes(given, rank).sort((a, b) => a - b);
}

function shrink(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  return shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
}

const reduceShape: ShapeRule = (call) => {
  const shape = shrink(call.shape(0), reducedAxes(call) ?? [], call.number("keepdims", 1) === 1);
  return [{ type: call.type(0), shape }];
};

const argShape: ShapeRule = (call) => {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  if (call.shape(0)[axis] === 0) throw call.fail(`axis ${axis} has no elements to choose from`);
  return [{ type: "int64", shape: shrink(call.shape(0), [axis], call.number("keepdims", 1) === 1) }];
};

function reducedRank(node: Node, { rank, numbers }: RankView): Rank {
  const [own, axes] = [rank(0), numbers(1)];
  if (node.attributes["keepdims"] !== 0 || own === undefined) return own;
  const present = (node.inputs[1] ?? "") !== "";
  if (present && axes === undefined) return undefined;
  if ((axes ?? []).length === 0) return node.attributes["noop_with_empty_axes"] === 1 ? own : 0;
  return own - (normalizedAxes(axes!, own)?.length ?? 0);
}

/** Reductions that keep their axes stay channels-last; those that drop all spatial axes give [N, C] in either form. */
const reduceLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const axes = normalizedAxes(layout.integers(node.inputs[1]) ?? [], rank);
  if (axes === undefined || axes.length === 0) return false;
  const last = axes.map((axis) => lastAxis(axis, rank));
  if ((node.attributes["keepdims"] ?? 1) === 1) {
    if (!unaryLayout({ ...node, inputs: [x, axesConstant(node, last, layout)] }, layout)) return false;
    if (axes.join() === toLast(rank).slice(1, -1).join()) layout.markPoint(node.outputs[0]!);
    return true;
  }
  const kept = toLast(rank).filter((axis) => !axes.includes(axis));
  if (kept.some((axis, i) => i > 0 && kept[i - 1]! > axis)) return false;
  layout.emit({ ...node, inputs: [layout.toLast(x, rank), axesConstant(node, last, layout)] });
  return true;
};

export type Value = number | bigint;

/** Integer reductions, and the largest and least of floats; a sum of floats depends on its order, which is the kernel's business. */
function folded(start: (one: Value) => Value, join: (a: Value, b: Value) => Value, floats: boolean): Evaluate {
  return (call, [output]) => {
    const { type, shape } = output!;
    if (type === "string" || holdsBits(type) || type === "bool") return undefined;
    if (!floats && (type === "float32" || type === "float64")) return undefined;
    const axes = reducedAxes(call);
    const from = elementsOf(call.constant(0)!.data);
    if (axes === undefined) return [call.constant(0)!.data];
    const own = call.shape(0);
    const kept = own.map((d, i) => (axes.includes(i) ? 1 : d));
    const strides = stridesOf(kept).map((s, i) => (axes.includes(i) ? 0 : s));
    const to = allocate(type, sizeOf(shape));
    if (from.length === 0) return undefined;
    const seen = new Uint8Array(to.length);
    walk(own, [strides], (at, [offset]) => {
      const value = from[at] as Value;
      to[offset!] = join(seen[offset!] ? (to[offset!] as Value) : start(value), value);
      seen[offset!] = 1;
    });
    return [dataOf(to)];
  };
}

export const zero = (like: Value): Value => (typeof like === "bigint" ? 0n : 0);
const one = (like: Value): Value => (typeof like === "bigint" ? 1n : 1);
export const add = (a: Value, b: Value): Value => (typeof a === "bigint" ? a + (b as bigint) : a + (b as number));
const multiply = (a: Value, b: Value): Value => (typeof a === "bigint" ? a * (b as bigint) : Math.imul(a, b as number));
/** As WebAssembly's min and max: a NaN wins, and −0 < +0. */
function extreme(of: (a: number, b: number) => number, first: boolean, a: Value, b: Value): Value {
  return typeof a === "number" ? of(a, b as number) : first ? a : b;
}

const reduction = {
  since: 1,
  inputs: "T int64?",
  types: { T: NUMBERS },
  attributes: { keepdims: "int", noop_with_empty_axes: "int" },
  others: "axes:ints<18",
  becomes: axesToInput,
  rank: reducedRank,
  shape: reduceShape,
  layout: reduceLayout,
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

const arg = {
  since: 1,
  inputs: "T",
  types: { T: NUMBERS },
  attributes: { axis: "int", keepdims: "int", select_last_index: "int" },
  rank: (node, { rank }) => (node.attributes["keepdims"] === 0 ? plus(rank(0), -1) : rank(0)),
  shape: argShape,
  layout: axisLayout(0),
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

/** Many elements become one. */
export const reductions = {
  ...each(["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"], reduction),
  "/ReduceMean": { ...reduction, positive: "kept" },
  "/ReduceSumSquare": { ...reduction, elements: "scaled" },
  "/ReduceSum": { ...reduction, others: "axes:ints<13", elements: "scaled", evaluate: folded(zero, add, false) },
  "/ReduceProd": { ...reduction, evaluate: folded(one, multiply, false) },
  "/ReduceMax": {
    ...reduction,
    positive: "kept",
    types: { T: [...NUMBERS, "bool"] },
    evaluate: folded(
      (v) => v,
      (a, b) => extreme(Math.max, a > b, a, b),
      true,
    ),
  },
  "/ReduceMin": {
    ...reduction,
    types: { T: [...NUMBERS, "bool"] },
    evaluate: folded(
      (v) => v,
      (a, b) => extreme(Math.min, a < b, a, b),
      true,
    ),
  },
  "/ArgMax": arg,
  "/ArgMin": arg,
} as const satisfies Readonly<Record<string, Operator>>;
