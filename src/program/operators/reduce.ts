import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { ArgStep, CumSumStep, ReduceFunction as R, ReduceStep, TopKStep } from "../../core/abi/reduce.ts";
import { step } from "../../core/index.ts";
import { elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { emitTranspose } from "./movement.ts";
import { around, axisOf, codeOf, converted, emitCast, emitUnary, type Source, temporary } from "./support.ts";

interface Extents {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

/** [outer, extent, inner] → [outer, inner] on float32, int32 or int64. */
export function emitReduce(l: Lowering, operation: R, x: Source, out: Source, extents: Extents): void {
  if (extents.outer * extents.inner === 0) return;
  l.emit(
    step(Opcode.Reduce, ReduceStep, { input: x.at, output: out.at, ...extents, operation, type: codeOf(l, x.type) }),
    {
      kernel: `reduce_${R[operation].toLowerCase()}_${x.type}`,
      bytes: (sizeOf(x.shape) + sizeOf(out.shape)) * elementBytes(x.type),
    },
  );
}

/** Axes of the node: an input since opset 13 or 18, an attribute before. undefined: leave everything as it is. */
function axesOf(l: Lowering, rank: number): number[] | undefined {
  const given = l.integers("axes") ?? l.constantNumbers(1) ?? [];
  if (given.length === 0) {
    return l.attribute("noop_with_empty_axes", 0) === 1 ? undefined : Array.from({ length: rank }, (_, i) => i);
  }
  return given.map((a) => axisOf(l, a, rank)).sort((a, b) => a - b);
}

/** Reduces over `axes`; when they do not lie together, they are brought to the end first. */
function emitOver(l: Lowering, operation: R, x: Source, out: Source, axes: readonly number[]): void {
  const flags = x.shape.map((_, i) => (axes.includes(i) ? 1 : 0));
  const kept = flags.map((f, i) => (f === 1 && x.shape[i] !== 1 ? i : -1)).filter((i) => i >= 0);
  const [first, last] = [kept[0] ?? 0, kept.at(-1) ?? -1];
  const gap = x.shape.some((e, i) => i > first && i < last && flags[i] === 0 && e !== 1);
  const extent = sizeOf(axes.map((a) => x.shape[a]!));
  if (!gap) {
    const outer = sizeOf(x.shape.slice(0, first));
    emitReduce(l, operation, x, out, { outer, extent, inner: sizeOf(x.shape.slice(last + 1)) });
    return;
  }
  const order = [...flags.keys()].sort((i, j) => flags[i]! - flags[j]! || i - j);
  const moved = temporary(
    l,
    x.type,
    order.map((i) => x.shape[i]!),
  );
  emitTranspose(l, x, moved, order);
  emitReduce(l, operation, moved, out, { outer: sizeOf(out.shape), extent, inner: 1 });
}

/** `after` is applied to the f32 result in place. */
function reduce(operation: R, after?: UnaryFunction): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const axes = axesOf(l, x.shape.length);
    const type = x.type === "int32" || x.type === "int64" ? x.type : x.type.startsWith("float") ? "float32" : "int32";
    if (x.type === "float64" || x.type === "uint32" || x.type === "uint64")
      throw l.unsupported(`reduction of ${x.type}`);
    const float = type !== "float32" && (after !== undefined || operation === R.L2);
    const input = converted(l, x, float ? "float32" : type);
    const result = out.type === input.type ? out : temporary(l, input.type, out.shape);
    // without axes the operator is applied to every element by itself
    if (axes === undefined) emitReduce(l, operation, input, result, { outer: sizeOf(x.shape), extent: 1, inner: 1 });
    else emitOver(l, operation, input, result, axes);
    if (after !== undefined) emitUnary(l, after, result.at, result.at, sizeOf(out.shape));
    if (result !== out) emitCast(l, result, out);
  };
}

/** max + log Σ e^(x − max), the maximum brought into the finite range so that infinities come out right. */
function lowerLogSumExp(l: Lowering): void {
  const [input, out] = [l.input(0), l.output()];
  const x = converted(l, input, "float32");
  const axes = axesOf(l, x.shape.length) ?? [];
  const shape = x.shape.map((e, i) => (axes.includes(i) ? 1 : e));
  const max = temporary(l, "float32", shape);
  emitOver(l, R.Max, x, max, axes);
  const FINITE = 3.4028234663852886e38;
  emitUnary(l, UnaryFunction.Clip, max.at, max.at, sizeOf(shape), -FINITE, FINITE);
  const exponentials = temporary(l, "float32", x.shape);
  emitBinary(l, BinaryFunction.Sub, x, max, exponentials);
  emitUnary(l, UnaryFunction.Exp, exponentials.at, exponentials.at, sizeOf(x.shape));
  const sum = temporary(l, "float32", shape);
  emitOver(l, R.Sum, exponentials, sum, axes);
  emitUnary(l, UnaryFunction.Log, sum.at, sum.at, sizeOf(shape));
  const result = out.type === "float32" ? { ...out, shape } : temporary(l, "float32", shape);
  emitBinary(l, BinaryFunction.Add, sum, max, result);
  if (out.type !== "float32") emitCast(l, result, { ...out, shape });
}

function arg(least: boolean): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const axis = axisOf(l, l.attribute("axis", 0), x.shape.length);
    if (sizeOf(out.shape) === 0) return;
    const type = x.type === "int64" ? "int64" : x.type.startsWith("float") ? "float32" : "int32";
    if (x.type === "float64" || x.type === "uint32" || x.type === "uint64")
      throw l.unsupported(`index search in ${x.type}`);
    l.emit(
      step(Opcode.Arg, ArgStep, {
        input: converted(l, x, type).at,
        output: out.at,
        ...around(x.shape, axis),
        type: codeOf(l, type),
        least: least ? 1 : 0,
        last: l.attribute("select_last_index", 0),
      }),
      { kernel: `arg_${least ? "min" : "max"}_${type}`, bytes: sizeOf(x.shape) * elementBytes(x.type) },
    );
  };
}

function lowerCumSum(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  if (!["float32", "float64", "int32", "int64"].includes(x.type)) throw l.unsupported(`CumSum of ${x.type}`);
  const axis = axisOf(l, l.constantNumbers(1)![0]!, x.shape.length);
  if (sizeOf(x.shape) === 0) return;
  l.emit(
    step(Opcode.CumSum, CumSumStep, {
      input: x.at,
      output: out.at,
      ...around(x.shape, axis),
      type: codeOf(l, x.type),
      exclusive: l.attribute("exclusive", 0),
      reverse: l.attribute("reverse", 0),
    }),
    { kernel: `cumsum_${x.type}`, bytes: 2 * sizeOf(x.shape) * elementBytes(x.type) },
  );
}

/** TopK of f32 along any axis, through the last one. The output is sorted whatever `sorted` says. */
function lowerTopK(l: Lowering): void {
  const x = l.input(0);
  if (x.type !== "float32") throw l.unsupported(`TopK of ${x.type}`);
  const rank = x.shape.length;
  const axis = axisOf(l, l.attribute("axis", -1), rank);
  const shape = l.graph.values.get(l.node.outputs.find((name) => name !== "")!)!.shape;
  const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const last = axis === rank - 1;
  const moved = (of: readonly number[]): number[] => swap.map((i) => of[i]!);
  const input = last ? x : temporary(l, "float32", moved(x.shape));
  if (!last) emitTranspose(l, x, input, swap);
  const place = (i: number, type: "float32" | "int64"): Source =>
    last && l.wants(i) ? l.output(i) : temporary(l, type, moved(shape));
  const [values, indices] = [place(0, "float32"), place(1, "int64")];
  if (sizeOf(shape) > 0) {
    l.emit(
      step(Opcode.TopK, TopKStep, {
        input: input.at,
        values: values.at,
        indices: indices.at,
        rows: sizeOf(x.shape) / x.shape[axis]!,
        extent: x.shape[axis]!,
        k: shape[axis]!,
        least: 1 - l.attribute("largest", 1),
      }),
      { kernel: "topk", bytes: 4 * sizeOf(x.shape) },
    );
  }
  if (last) return;
  if (l.wants(0)) emitTranspose(l, values, l.output(0), swap);
  if (l.wants(1)) emitTranspose(l, indices, l.output(1), swap);
}

export const REDUCE = {
  "/ReduceSum": reduce(R.Sum),
  "/ReduceMean": reduce(R.Mean),
  "/ReduceMax": reduce(R.Max),
  "/ReduceMin": reduce(R.Min),
  "/ReduceProd": reduce(R.Prod),
  "/ReduceL1": reduce(R.L1),
  "/ReduceL2": reduce(R.L2),
  "/ReduceSumSquare": reduce(R.SumSquare),
  "/ReduceLogSum": reduce(R.Sum, UnaryFunction.Log),
  "/ReduceLogSumExp": lowerLogSumExp,
  "/ArgMax": arg(false),
  "/ArgMin": arg(true),
  "/CumSum": lowerCumSum,
  "/TopK": lowerTopK,
} satisfies Readonly<Record<string, Lower>>;
