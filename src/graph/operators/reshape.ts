import { type Shape, sizeOf } from "../../tensor/index.ts";
import type { KnownValue, Node } from "../graph.ts";
import { lastAxis } from "../passes/layout.ts";
import { normalizedAxes } from "./axes.ts";
import type { Call } from "./call.ts";
import { axesConstant, type Layout, type LayoutRule, unaryLayout } from "./layout-rules.ts";
import {
  ANY,
  type Evaluate,
  type Operator,
  plus,
  rankOf,
  type ShapeRule,
  sameAsInput,
  sameLength,
  sameRank,
} from "./operator.ts";
import { axesToInput } from "./rewrite.ts";

export function like(call: Call, shape: Shape): readonly KnownValue[] {
  return [{ type: call.type(0), shape }];
}

const reshapeShape: ShapeRule = (call) => {
  const from = call.shape(0);
  const target = call.needed(1);
  const zero = call.number("allowzero", 0) === 1;
  const shape = target.map((d, i) => (d === 0 && !zero ? from[i] : d));
  const rest = shape.indexOf(-1);
  const others = shape.reduce<number>((size, d, i) => (i === rest ? size : size * (d ?? Number.NaN)), 1);
  if (rest >= 0) shape[rest] = others === 0 ? 0 : sizeOf(from) / others;
  if (
    shape.some((d) => d === undefined || !Number.isInteger(d) || d < 0) ||
    sizeOf(shape as number[]) !== sizeOf(from)
  ) {
    throw call.fail(`cannot take shape [${target}]`);
  }
  return like(call, shape as number[]);
};

const flattenShape: ShapeRule = (call) => {
  const shape = call.shape(0);
  const given = call.number("axis", 1);
  const axis = given < 0 ? given + shape.length : given;
  if (axis < 0 || axis > shape.length) throw call.fail(`axis ${given} does not fit`);
  return like(call, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))]);
};

const squeezeShape: ShapeRule = (call) => {
  const shape = call.shape(0);
  const given = call.numbers(1);
  const axes =
    given === undefined ? shape.flatMap((d, i) => (d === 1 ? [i] : [])) : normalizedAxes(given, shape.length);
  if (axes === undefined || axes.some((axis) => shape[axis] !== 1)) throw call.fail(`cannot drop axes [${given}]`);
  return like(
    call,
    shape.filter((_, i) => !axes.includes(i)),
  );
};

const unsqueezeShape: ShapeRule = (call) => {
  const given = call.needed(1);
  const rank = call.shape(0).length + given.length;
  const axes = normalizedAxes(given, rank);
  if (axes === undefined) throw call.fail(`cannot insert axes [${given}]`);
  const rest = [...call.shape(0)];
  return like(
    call,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
  );
};

/** Squeeze of spatial axes keeps the channels last; what becomes [N, C] is the same in both forms. */
const squeezeLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const axes = normalizedAxes(layout.integers(node.inputs[1]) ?? [], rank);
  if (axes === undefined || axes.length === 0 || axes.some((axis) => axis < 2)) return false;
  const moved = axesConstant(
    node,
    axes.map((axis) => lastAxis(axis, rank)),
    layout,
  );
  const inputs = [layout.toLast(x, rank), moved];
  if (rank - axes.length === 2) layout.emit({ ...node, inputs });
  else layout.emitLast({ ...node, inputs }, rank - axes.length);
  return true;
};

/** Unsqueeze of spatial axes of a value that is channels-last. */
const unsqueezeLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  const given = layout.integers(node.inputs[1]);
  if (rank === undefined || rank < 3 || given === undefined || !layout.hasLast(x)) return false;
  const wide = rank + given.length;
  const axes = normalizedAxes(given, wide);
  if (axes === undefined || axes.some((axis) => axis < 2)) return false;
  const moved = axesConstant(
    node,
    axes.map((axis) => axis - 1),
    layout,
  );
  layout.emitLast({ ...node, inputs: [layout.toLast(x, rank), moved] }, wide);
  return true;
};

/** A pixel's channels are in the same order in both forms: flattening reads the channels-last one. */
const reshapeLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || !layout.hasLast(x)) return false;
  const target = layout.integers(node.inputs[1]);
  if (!layout.isPoint(x)) return joinSpatial(node, target, rank, layout);
  // A zero copies the dimension at its own place: the batch is first in both forms, others are not.
  if (node.op === "Flatten" ? (node.attributes["axis"] ?? 1) !== 1 : target?.slice(1).includes(0) !== false)
    return false;
  const inputs = [layout.toLast(x, rank), ...node.inputs.slice(1).map((name) => layout.first(name))];
  layout.emit({ ...node, inputs });
  return true;
};

/** [N, C, spatial…] → [N, C, rest]: the channels-last form of the result is a Reshape of that of the input. */
function joinSpatial(node: Node, target: readonly number[] | undefined, rank: number, layout: Layout): boolean {
  if (node.op !== "Reshape" || target?.length !== 3 || target[2] !== -1 || target[1] !== 0 || target[0]! < 0)
    return false;
  if (rank < 4) return false;
  const x = layout.toLast(node.inputs[0]!, rank);
  // [N, H, W, C] → [N, rest, C] needs C, which Shape tells when the model runs.
  const [shape, channels, dims] = ["shape", "channels", "dims"].map((part) =>
    layout.newValue(`${node.name}/${part}`),
  ) as [string, string, string];
  const plain = { domain: "", attributes: {} };
  layout.emit({ ...plain, name: shape, op: "Shape", inputs: [x], outputs: [shape] });
  const at = layout.integerConstant(`${node.name}/at`, [rank - 1]);
  const axis = { domain: "", attributes: { axis: 0 } };
  layout.emit({ ...axis, name: channels, op: "Gather", inputs: [shape, at], outputs: [channels] });
  const head = layout.integerConstant(`${node.name}/head`, [target[0]!, -1]);
  layout.emit({ ...axis, name: dims, op: "Concat", inputs: [head, channels], outputs: [dims] });
  layout.emitLast({ ...node, inputs: [x, dims] }, 3);
  return true;
}

const sameData: Evaluate = (call) => [call.constant(0)!.data];

const renames = { types: { T: ANY }, evaluate: sameData, elements: "moved", sizes: "polynomial", steps: true } as const;

/** Operators that give the same elements another shape. */
export const reshapes = {
  "/Identity": {
    ...renames,
    since: 1,
    inputs: "T",
    rank: sameRank,
    length: sameLength,
    shape: sameAsInput,
    layout: unaryLayout,
  },
  "/Reshape": {
    ...renames,
    since: 1,
    inputs: "T int64",
    attributes: { allowzero: "int" },
    others: "shape:ints<5 consumed_inputs:ints<5",
    becomes: (node, make) => {
      const { shape, consumed_inputs: _, ...attributes } = node.attributes;
      if (!Array.isArray(shape)) return undefined;
      return make.end("Reshape", [node.inputs[0] ?? "", make.integers("shape", shape as number[])], attributes);
    },
    rank: (_, { length }) => length(1),
    length: (_, { numbers }) => (numbers(1)?.length === 1 && numbers(1)![0]! > 0 ? numbers(1)![0] : undefined),
    shape: reshapeShape,
    layout: reshapeLayout,
  },
  "/Flatten": {
    ...renames,
    since: 1,
    inputs: "T",
    attributes: { axis: "int" },
    rank: rankOf(2),
    shape: flattenShape,
    layout: reshapeLayout,
  },
  "/Squeeze": {
    ...renames,
    since: 1,
    inputs: "T int64?",
    others: "axes:ints<13",
    becomes: axesToInput,
    rank: (_, { rank, numbers }) => plus(rank(0), numbers(1) === undefined ? undefined : -numbers(1)!.length),
    shape: squeezeShape,
    layout: squeezeLayout,
  },
  "/Unsqueeze": {
    ...renames,
    since: 1,
    inputs: "T int64",
    others: "axes:ints<13",
    becomes: axesToInput,
    rank: (_, { rank, numbers }) => plus(rank(0), numbers(1)?.length),
    length: (_, { rank, numbers }) => (rank(0) === 0 && numbers(1)?.length === 1 ? 1 : undefined),
    shape: unsqueezeShape,
    layout: unsqueezeLayout,
  },
} as const satisfies Readonly<Record<string, Operator>>;
