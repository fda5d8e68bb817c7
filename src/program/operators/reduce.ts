import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { ArgStep, ReduceFunction as R, ReduceStep } from "../../core/abi/reduce.ts";
import { step } from "../../core/index.ts";
import { type ElementType, elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { emitTranspose } from "./movement.ts";
import {
  around,
  axisOf,
  broadcastStrides,
  byteStrides,
  codeOf,
  constant,
  converted,
  emitCast,
  emitCopy,
  emitUnary,
  inFloat,
  isFloat,
  type Source,
  shifted,
  temporary,
} from "./support.ts";

interface Extents {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

/**
 * A row of more float32 is summed in blocks of so many: one step could not be stopped in the middle of it, and 16 partial sums of millions of elements
 * each lose digits. 2^20 exponentials in the scalar build take 25 ms.
 */
export const LONG_ROW = 2 ** 20;

/** [outer, extent, inner] → [outer, inner] on the core's types; see ReduceStep. */
export function emitReduce(l: Lowering, operation: R, x: Source, out: Source, extents: Extents): void {
  if (extents.outer * extents.inner === 0) return;
  if (x.type === "float32" && extents.extent > LONG_ROW) {
    emitBlocks(l, operation, x, out, extents);
    return;
  }
  l.emit(
    step(Opcode.Reduce, ReduceStep, { input: x.at, output: out.at, ...extents, operation, type: codeOf(l, x.type) }),
    {
      kernel: `reduce_${R[operation].toLowerCase()}_${x.type}`,
      bytes: (sizeOf(x.shape) + sizeOf(out.shape)) * elementBytes(x.type),
      ...(x.type !== "float32" && { rows: extents.outer * extents.inner }),
    },
  );
}

/** A reduction of long rows: of each one its blocks, then what these have given. */
function emitBlocks(l: Lowering, operation: R, x: Source, out: Source, { outer, extent, inner }: Extents): void {
  const [blocks, rest] = [Math.floor(extent / LONG_ROW), extent % LONG_ROW];
  const count = blocks + Math.min(rest, 1);
  const sums = operation === R.Mean ? R.Sum : operation === R.L2 ? R.SumSquare : operation;
  const joins = [R.Max, R.Min, R.Prod].includes(operation) ? operation : R.Sum;
  const partials = temporary(l, x.type, [count, inner]);
  const at = ({ at, type }: Source, elements: number): Source => ({ at: shifted(at, 4 * elements), type, shape: [] });
  const part = (from: Source, to: Source, extents: Extents, how: R): void => {
    const { outer, extent } = extents;
    emitReduce(l, how, { ...from, shape: [outer, extent, inner] }, { ...to, shape: [outer, inner] }, extents);
  };
  for (let row = 0; row < outer; row++) {
    const from = row * extent * inner;
    part(at(x, from), partials, { outer: blocks, extent: LONG_ROW, inner }, sums);
    const [last, to] = [at(x, from + blocks * LONG_ROW * inner), at(partials, blocks * inner)];
    if (rest > 0) part(last, to, { outer: 1, extent: rest, inner }, sums);
    part(partials, at(out, row * inner), { outer: 1, extent: count, inner }, joins);
  }
  const result: Source = { ...out, shape: [outer, inner] };
  if (operation === R.Mean) emitBinary(l, BinaryFunction.Div, result, constant(l, x.type, extent), result);
  if (operation === R.L2) emitUnary(l, UnaryFunction.Sqrt, out.at, out.at, outer * inner, 0, 0, x.type);
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

/** The type that the core reduces in: its own five, else the next wider one. */
export function reduceType(type: ElementType): ElementType {
  if (isFloat(type)) return type === "float64" ? type : "float32";
  if (type === "uint32") return "int64";
  return ["int64", "uint64"].includes(type) ? type : "int32";
}

/** Largest and least value of a type. */
function boundsOf(type: ElementType): readonly [least: number | bigint, greatest: number | bigint] {
  if (isFloat(type)) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (type === "bool") return [0, 1];
  const bits = BigInt(8 * elementBytes(type));
  return type.startsWith("u") ? [0, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
}

/** What a reduction over no element gives. */
function emitNeutral(l: Lowering, operation: R, out: Source, logarithm: boolean): void {
  const [least, greatest] = boundsOf(out.type);
  const mean = isFloat(out.type) ? Number.NaN : 0;
  const neutral = { [R.Max]: least, [R.Min]: greatest, [R.Prod]: 1, [R.Mean]: mean } as Partial<
    Record<R, number | bigint>
  >;
  const value = constant(l, out.type, logarithm ? least : (neutral[operation] ?? 0));
  const [from, to] = [broadcastStrides(value, out.shape), byteStrides(out)];
  emitCopy(l, value.at, out.at, elementBytes(out.type), out.shape, from, to);
}

/** Reductions, of integers exactly and wrapping; their roots and logarithms in float64. */
function reduce(operation: R, logarithm = false): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const axes = axesOf(l, x.shape.length);
    if (sizeOf(x.shape) === 0 && axes !== undefined) return emitNeutral(l, operation, out, logarithm);
    const root = !isFloat(x.type) && (logarithm || operation === R.L2);
    const input = converted(l, x, root ? "float64" : reduceType(x.type));
    const result = out.type === input.type ? out : temporary(l, input.type, out.shape);
    // without axes the operator is applied to every element by itself
    if (axes === undefined) emitReduce(l, operation, input, result, { outer: sizeOf(x.shape), extent: 1, inner: 1 });
    else emitOver(l, operation, input, result, axes);
    if (logarithm) emitUnary(l, UnaryFunction.Log, result.at, result.at, sizeOf(out.shape), 0, 0, input.type);
    if (result !== out) emitCast(l, result, out);
  };
}

/** max + log Σ e^(x − max), the maximum brought into the finite range so that infinities come out right. */
function lowerLogSumExp(l: Lowering): void {
  const [given, out] = [l.input(0), l.output()];
  inFloat(l, given, out, (x, y) => {
    const axes = axesOf(l, x.shape.length) ?? [];
    const shape = x.shape.map((e, i) => (axes.includes(i) ? 1 : e));
    const { type } = x;
    const largest = temporary(l, type, shape);
    emitOver(l, R.Max, x, largest, axes);
    const finite = type === "float64" ? Number.MAX_VALUE : 3.4028234663852886e38;
    emitBinary(l, BinaryFunction.Max, largest, constant(l, type, -finite), largest);
    emitBinary(l, BinaryFunction.Min, largest, constant(l, type, finite), largest);
    const exponentials = temporary(l, type, x.shape);
    emitBinary(l, BinaryFunction.Sub, x, largest, exponentials);
    emitUnary(l, UnaryFunction.Exp, exponentials.at, exponentials.at, sizeOf(x.shape), 0, 0, type);
    const sum = temporary(l, type, shape);
    emitOver(l, R.Sum, exponentials, sum, axes);
    emitUnary(l, UnaryFunction.Log, sum.at, sum.at, sizeOf(shape), 0, 0, type);
    emitBinary(l, BinaryFunction.Add, sum, largest, { ...y, shape });
  });
}

/** Index of the largest (or least) of each [outer, ·, inner], as int64. */
export function emitArg(
  l: Lowering,
  x: Source,
  out: Source,
  extents: Extents,
  { least = false, last = false }: { least?: boolean; last?: boolean },
): void {
  if (extents.outer * extents.inner === 0) return;
  if (extents.extent === 0) throw l.unsupported("the axis has no element");
  const type = reduceType(x.type);
  l.emit(
    step(Opcode.Arg, ArgStep, {
      ...{ input: converted(l, x, type).at, output: out.at, ...extents, type: codeOf(l, type) },
      ...{ least: least ? 1 : 0, last: last ? 1 : 0 },
    }),
    {
      kernel: `arg_${least ? "min" : "max"}_${type}`,
      bytes: sizeOf(x.shape) * elementBytes(type),
      rows: extents.outer * extents.inner,
    },
  );
}

function arg(least: boolean): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const axis = axisOf(l, l.attribute("axis", 0), x.shape.length);
    emitArg(l, x, out, around(x.shape, axis), { least, last: l.attribute("select_last_index", 0) === 1 });
  };
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
  "/ReduceLogSum": reduce(R.Sum, true),
  "/ReduceLogSumExp": lowerLogSumExp,
  "/ArgMax": arg(false),
  "/ArgMin": arg(true),
} satisfies Readonly<Record<string, Lower>>;
