import { sizeOf, stridesOf } from "../../tensor/index.ts";
import type { KnownValue, Node } from "../graph.ts";
import { isOpenRank, knownExtent } from "../open-shape.ts";
import { lastAxis } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import { allocate, copyStrided, dataOf, elementsOf } from "./elements.ts";
import { axisLayout, type LayoutRule } from "./layout-rules.ts";
import { ANY, type Evaluate, type Operator, plus, type ShapeRule, sameRank } from "./operator.ts";
import type { Rank } from "./rank.ts";
import { like } from "./reshape.ts";
import { type Rewrite, toInputs } from "./rewrite.ts";
import { settleUnmoved } from "./settle.ts";

function concatAxis(call: Call): number {
  const given = call.node.attributes["axis"];
  if (given === undefined) throw call.fail('"axis" is missing');
  return call.axis(given as number, call.shape(0).length);
}

const concatShape: ShapeRule = (call) => {
  const first = call.shape(0);
  const axis = concatAxis(call);
  let sum = 0;
  const shapes = Array.from({ length: call.count }, (_, i) => call.shape(i));
  for (const [i, shape] of shapes.entries()) {
    const differs = (_: unknown, j: number): boolean => {
      const [own, other] = [knownExtent(shape, j), knownExtent(first, j)];
      return j !== axis && own !== undefined && other !== undefined && own !== other;
    };
    // Extents that never fit are found before a guess is looked at.
    if (isOpenRank(shape) || isOpenRank(first) || shape.length !== first.length) continue;
    if (Array.from({ length: shape.length }).some(differs))
      throw call.fail(`input ${i} does not fit along axis ${axis}`);
  }
  for (const [i, shape] of shapes.entries()) {
    if (shape.length !== first.length || shape.some((d, j) => j !== axis && d !== first[j])) {
      throw call.fail(`input ${i} does not fit along axis ${axis}`);
    }
    sum += shape[axis]!;
  }
  return like(
    call,
    first.map((d, i) => (i === axis ? sum : d)),
  );
};

const concatEvaluate: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  const axis = concatAxis(call);
  const to = allocate(type, sizeOf(shape));
  const row = sizeOf(shape.slice(axis));
  let before = 0;
  for (let i = 0; i < call.count; i++) {
    const from = elementsOf(call.constant(i)!.data);
    const part = sizeOf(call.shape(i).slice(axis));
    for (let at = 0; at < from.length; at++) to[Math.floor(at / part) * row + before + (at % part)] = from[at]!;
    before += part;
  }
  return [dataOf(to)];
};

const concatLayout: LayoutRule = (node, layout) => {
  const rank = layout.rank(node.inputs[0]);
  const axis = node.attributes["axis"];
  if (rank === undefined || rank < 3 || !node.inputs.some((name) => layout.hasLast(name))) return false;
  if (typeof axis !== "number" || axis < -rank || axis >= rank) return false;
  const attributes = { ...node.attributes, axis: lastAxis(axis, rank) };
  layout.emitLast({ ...node, inputs: node.inputs.map((name) => layout.toLast(name, rank)), attributes }, rank);
  return true;
};

/** Inputs without elements add nothing. */
function concatSettle(call: Call, outputs: readonly KnownValue[]): Node {
  const inputs = call.node.inputs.filter((_, i) => sizeOf(call.shape(i)) > 0);
  if (inputs.length !== 1) return call.node;
  const at = call.node.inputs.indexOf(inputs[0]!);
  if (call.shape(at).join() !== outputs[0]!.shape.join()) return call.node;
  return { ...call.node, op: "Identity", inputs, attributes: {} };
}

/** Extents of the parts of a Split along its axis. */
export function splitParts(call: Call): number[] {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  const extent = call.shape(0)[axis]!;
  const given = call.numbers(1);
  if (given !== undefined) {
    if (given.some((part) => part < 0) || given.reduce((a, b) => a + b, 0) !== extent) {
      throw call.fail(`parts [${given}] do not sum to ${extent}`);
    }
    if (given.length < call.node.outputs.length)
      throw call.fail(`${given.length} parts for ${call.node.outputs.length} outputs`);
    return given;
  }
  const count = call.number("num_outputs", call.node.outputs.length);
  if (count !== call.node.outputs.length)
    throw call.fail(`"num_outputs" = ${count} for ${call.node.outputs.length} outputs`);
  const part = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, extent - i * part)));
}

const splitShape: ShapeRule = (call) => {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  return splitParts(call).map((part) => ({
    type: call.type(0),
    shape: call.shape(0).map((d, i) => (i === axis ? part : d)),
  }));
};

const splitEvaluate: Evaluate = (call, outputs) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const strides = stridesOf(shape);
  let before = 0;
  return splitParts(call).map((part, i) => {
    const start = before * strides[axis]!;
    before += part;
    return copyStrided(call.constant(0)!.data, outputs[i]!.type, outputs[i]!.shape, strides, start);
  });
};

const splitBecomes: Rewrite = (node, make) => {
  const moved = toInputs("int64", "split")(node, make)?.[0] ?? node;
  if ((moved.inputs[1] ?? "") !== "") return [moved];
  return [{ ...moved, attributes: { num_outputs: node.outputs.length, ...moved.attributes } }];
};

/** Tensors put together along an axis, and taken apart. */
export const concats = {
  "/Concat": {
    since: 1,
    inputs: "T...",
    types: { T: ANY },
    attributes: { axis: "int" },
    // Version 1 had axis 1 by default.
    becomes: (node, make) =>
      make.opset < 4 && !("axis" in node.attributes) ? [{ ...node, attributes: { axis: 1 } }] : undefined,
    rank: sameRank,
    length: (node, { length }) => node.inputs.reduce<Rank>((sum, _, i) => plus(sum, length(i)), 0),
    shape: concatShape,
    evaluate: concatEvaluate,
    layout: concatLayout,
    settle: concatSettle,
    elements: "joined",
    sizes: "polynomial",
    steps: true,
  },
  "/Split": {
    since: 1,
    inputs: "T int64?",
    types: { T: ANY },
    attributes: { axis: "int", num_outputs: "int" },
    others: "split:ints<13",
    becomes: splitBecomes,
    rank: sameRank,
    shape: splitShape,
    evaluate: splitEvaluate,
    layout: axisLayout(0),
    settle: settleUnmoved(),
    elements: "moved",
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
