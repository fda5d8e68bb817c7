import { sizeOf, stridesOf } from "../../tensor/index.ts";
import { lastAxis } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { axesConstant, growingLayout, type LayoutRule, lastAxes } from "./layout-rules.ts";
import { ANY, type Evaluate, INDEX, type Operator, type ShapeRule, sameRank } from "./operator.ts";
import { like } from "./reshape.ts";
import type { Rewrite } from "./rewrite.ts";
import { settleUnmoved } from "./settle.ts";

/** Elements added before and after every axis by a Pad; negative ones crop. */
export function padding(call: Call): { before: number; after: number }[] {
  const rank = call.shape(0).length;
  const pads = call.needed(1);
  const axes = call.has(3) ? call.axes(call.needed(3), rank) : call.shape(0).map((_, i) => i);
  if (pads.length !== 2 * axes.length) throw call.fail(`${pads.length} pads for ${axes.length} axes`);
  const result = Array.from({ length: rank }, () => ({ before: 0, after: 0 }));
  axes.forEach((axis, i) => {
    result[axis] = { before: pads[i]!, after: pads[axes.length + i]! };
  });
  return result;
}

const shape: ShapeRule = (call) => {
  const amounts = padding(call);
  if (call.has(2) && sizeOf(call.shape(2)) !== 1) throw call.fail("the value expected a scalar");
  const made = call.shape(0).map((d, i) => d + amounts[i]!.before + amounts[i]!.after);
  if (made.some((d) => d < 0)) throw call.fail("the pads crop more than there is");
  // One side may crop more than an axis has: all that the other side adds is padding then, for which only mode "constant" has a value.
  const rest = call.shape(0).map((d, i) => d + Math.min(0, amounts[i]!.before) + Math.min(0, amounts[i]!.after));
  const mode = call.text("mode", "constant");
  if (mode !== "constant" && sizeOf(made) > 0 && rest.some((d) => d <= 0))
    throw call.fail(`mode "${mode}" cannot fill an axis without elements`);
  return like(call, made);
};

const evaluate: Evaluate = (call, [output]) => {
  if (call.text("mode", "constant") !== "constant") return undefined;
  const { type, shape: wide } = output!;
  const amounts = padding(call);
  const to = allocate(type, sizeOf(wide));
  const value = call.has(2) ? elementsOf(call.constant(2)!.data)[0]! : undefined;
  if (value !== undefined) for (let i = 0; i < to.length; i++) to[i] = value;
  const [from, own, strides] = [call.shape(0), stridesOf(call.shape(0)), stridesOf(wide)];
  const data = elementsOf(call.constant(0)!.data);
  for (let at = 0; at < data.length; at++) {
    let offset = 0;
    let inside = true;
    for (let i = 0; i < from.length; i++) {
      const index = (Math.floor(at / own[i]!) % from[i]!) + amounts[i]!.before;
      inside &&= index >= 0 && index < wide[i]!;
      offset += index * strides[i]!;
    }
    if (inside) to[offset] = data[at]!;
  }
  return [dataOf(to)];
};

const layout: LayoutRule = (node, at) => {
  const [x, pads, value = "", axes = ""] = node.inputs as [string, string, string?, string?];
  const rank = at.rank(x);
  if (rank === undefined || !at.hasLast(x)) return false;
  const given = axes === "" ? Array.from({ length: rank }, (_, i) => lastAxis(i, rank)) : lastAxes(axes, rank, at);
  if (given === undefined) return false;
  return growingLayout({ ...node, inputs: [x, pads, value, axesConstant(node, given, at)] }, at);
};

/** Attributes until opset 10 ("paddings" in the first); a value of 0 is what an absent input means in every element type. */
const becomes: Rewrite = (node, make) => {
  const { pads, paddings = pads, value = 0, ...attributes } = node.attributes;
  if (paddings === undefined) return undefined;
  if (!Array.isArray(paddings) || !paddings.every(Number.isInteger) || typeof value !== "number")
    throw make.fail('"pads" expected integers and "value" a number', "MODEL");
  const inputs = [node.inputs[0] ?? "", make.integers("pads", paddings as number[])];
  return make.end(
    "Pad",
    value === 0 ? inputs : [...inputs, make.op("CastLike", [make.tensor("value", "float32", value), inputs[0]!])],
    attributes,
  );
};

export const pads = {
  "/Pad": {
    since: 1,
    inputs: "T int64 T? I?",
    types: { T: ANY, I: INDEX },
    attributes: { mode: ["constant", "edge", "reflect", "wrap"] },
    others: "value:float<11 pads:ints<11 paddings:ints<2",
    becomes,
    rank: sameRank,
    shape,
    evaluate,
    layout,
    settle: settleUnmoved((call) => call.needed(1).some((amount) => amount !== 0)),
    elements: "scaled",
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
