import { BinaryFunction, CompareFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { LayerNormStep, ReduceFunction, SoftmaxStep } from "../../core/abi/reduce.ts";
import { f32Bits, type Ref, step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary, emitCompare } from "./binary.ts";
import { emitTranspose } from "./movement.ts";
import { lastOrder } from "./pool.ts";
import { emitArg, emitReduce, LONG_ROW } from "./reduce.ts";
import {
  around,
  axisOf,
  constant,
  converted,
  emitCast,
  emitUnary,
  inFloat,
  type Source,
  temporary,
} from "./support.ts";

function emitSoftmax(l: Lowering, x: Source, out: Source, extent: number, log: boolean): void {
  const rows = sizeOf(x.shape) / extent;
  if (x.type === "float64" || extent > LONG_ROW) {
    emitSoftmaxByOperations(l, x, out, { rows, extent }, log);
    return;
  }
  l.emit(step(Opcode.Softmax, SoftmaxStep, { input: x.at, output: out.at, rows, extent, log: log ? 1 : 0 }), {
    kernel: log ? "log_softmax" : "softmax",
    bytes: 8 * sizeOf(x.shape),
  });
}

/** Softmax of rows of float64 and of long ones, by the kernels for one operation: subnormal results stay what they are. */
function emitSoftmaxByOperations(l: Lowering, x: Source, out: Source, rows: Rows, log: boolean): void {
  const shape = [rows.rows, rows.extent];
  const input: Source = { ...x, shape };
  const output: Source = { ...out, shape };
  const of = { outer: rows.rows, extent: rows.extent, inner: 1 };
  const row = temporary(l, x.type, [rows.rows, 1]);
  const count = sizeOf(shape);
  emitReduce(l, ReduceFunction.Max, input, row, of);
  emitBinary(l, BinaryFunction.Sub, input, row, output);
  const powers = log ? temporary(l, x.type, shape) : output;
  emitUnary(l, UnaryFunction.Exp, output.at, powers.at, count, 0, 0, x.type);
  emitReduce(l, ReduceFunction.Sum, powers, row, of);
  if (log) emitUnary(l, UnaryFunction.Log, row.at, row.at, rows.rows, 0, 0, x.type);
  emitBinary(l, log ? BinaryFunction.Sub : BinaryFunction.Div, output, row, output);
}

function softmax(log: boolean): Lower {
  return (l) =>
    inFloat(l, l.input(0), l.output(), (x, out) => {
      if (sizeOf(x.shape) === 0) return;
      const rank = x.shape.length;
      const axis = axisOf(l, l.attribute("axis", -1), rank);
      const extent = x.shape[axis] ?? 1;
      if (sizeOf(x.shape.slice(axis + 1)) === 1) return emitSoftmax(l, x, out, extent, log);
      const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
      const moved = temporary(
        l,
        x.type,
        swap.map((i) => x.shape[i]!),
      );
      const result = temporary(l, x.type, moved.shape);
      emitTranspose(l, x, moved, swap);
      emitSoftmax(l, moved, result, extent, log);
      emitTranspose(l, result, out, swap);
    });
}

interface Rows {
  readonly rows: number;
  readonly extent: number;
}

interface Norm extends Rows {
  readonly epsilon: number;
  readonly rms?: boolean;
  readonly scale?: Ref | number;
  readonly bias?: Ref | number;
  readonly mean?: Ref | number;
  readonly inverse?: Ref | number;
}

function emitNorm(l: Lowering, x: Source, out: Source, norm: Norm): void {
  if (norm.rows * norm.extent === 0) return;
  if (x.type === "float64" || norm.extent > LONG_ROW) {
    emitNormByOperations(l, x, out, norm);
    return;
  }
  l.emit(
    step(Opcode.LayerNorm, LayerNormStep, {
      input: x.at,
      output: out.at,
      rows: norm.rows,
      extent: norm.extent,
      scale: norm.scale ?? 0,
      bias: norm.bias ?? 0,
      epsilon: f32Bits(norm.epsilon),
      rms: norm.rms ? 1 : 0,
      mean: norm.mean ?? 0,
      inverse: norm.inverse ?? 0,
    }),
    { kernel: norm.rms ? "rms_norm" : "layer_norm", bytes: 8 * sizeOf(x.shape) },
  );
}

/**
 * The same on float64 and on long rows, by the kernels for one operation; scale, bias, mean and inverse are of the same type. Of float32 what the rounding
 * of the mean leaves is taken away as well.
 */
function emitNormByOperations(l: Lowering, x: Source, out: Source, norm: Norm): void {
  const shape = [norm.rows, norm.extent];
  const of = { outer: norm.rows, extent: norm.extent, inner: 1 };
  const vector = (at: Ref | number | undefined): Source =>
    at === undefined ? temporary(l, x.type, [norm.rows, 1]) : { at, type: x.type, shape: [norm.rows, 1] };
  const output: Source = { ...out, shape };
  let centred: Source = { ...x, shape };
  if (!norm.rms) {
    const mean = vector(norm.mean);
    emitReduce(l, ReduceFunction.Mean, centred, mean, of);
    emitBinary(l, BinaryFunction.Sub, centred, mean, output);
    centred = output;
    if (x.type === "float32") {
      const rest = temporary(l, x.type, [norm.rows, 1]);
      emitReduce(l, ReduceFunction.Mean, centred, rest, of);
      emitBinary(l, BinaryFunction.Sub, centred, rest, output);
      emitBinary(l, BinaryFunction.Add, mean, rest, mean);
    }
  }
  const [squares, inverse] = [temporary(l, x.type, shape), vector(norm.inverse)];
  emitBinary(l, BinaryFunction.Mul, centred, centred, squares);
  emitReduce(l, ReduceFunction.Mean, squares, inverse, of);
  emitBinary(l, BinaryFunction.Add, inverse, constant(l, x.type, norm.epsilon), inverse);
  emitUnary(l, UnaryFunction.Sqrt, inverse.at, inverse.at, norm.rows, 0, 0, x.type);
  emitUnary(l, UnaryFunction.Reciprocal, inverse.at, inverse.at, norm.rows, 0, 0, x.type);
  emitBinary(l, BinaryFunction.Mul, centred, inverse, output);
  const parameter = (at: Ref | number): Source => ({ at, type: x.type, shape: [norm.extent] });
  if (norm.scale !== undefined) emitBinary(l, BinaryFunction.Mul, output, parameter(norm.scale), output);
  if (norm.bias !== undefined) emitBinary(l, BinaryFunction.Add, output, parameter(norm.bias), output);
}

/** LayerNormalization and its root-mean-square form: rows are everything from `axis` on. */
function layerNorm(rms: boolean): Lower {
  return (l) => inFloat(l, l.input(0), l.output(), (x, out) => emitLayerNorm(l, x, out, rms));
}

function emitLayerNorm(l: Lowering, x: Source, out: Source, rms: boolean): void {
  const axis = axisOf(l, l.attribute("axis", -1), x.shape.length);
  const extent = sizeOf(x.shape.slice(axis));
  const parameter = (i: number): Source | undefined => {
    const given = l.optional(i);
    return given && converted(l, given, x.type);
  };
  const [scale, bias] = [parameter(1), rms ? undefined : parameter(2)];
  const statistics = [1, 2].map((i) => {
    if (!l.wants(i)) return undefined;
    return l.output(i).type === x.type ? l.output(i) : temporary(l, x.type, l.output(i).shape);
  });
  const [mean, inverse] = statistics;
  const norm: Norm = {
    ...{ rows: sizeOf(x.shape.slice(0, axis)), extent, epsilon: l.attribute("epsilon", 1e-5), rms },
    ...(mean && { mean: mean.at }),
    ...(inverse && { inverse: inverse.at }),
  };
  if ([scale, bias].every((p) => p === undefined || sizeOf(p.shape) === extent)) {
    emitNorm(l, x, out, { ...norm, ...(scale && { scale: scale.at }), ...(bias && { bias: bias.at }) });
  } else {
    emitNorm(l, x, out, norm);
    if (scale !== undefined) emitBinary(l, BinaryFunction.Mul, out, scale, out);
    if (bias !== undefined) emitBinary(l, BinaryFunction.Add, out, bias, out);
  }
  statistics.forEach((value, i) => {
    if (value !== undefined && value.type !== l.output(i + 1).type) emitCast(l, value, l.output(i + 1));
  });
}

/** A vector of C under [N, C, …]. */
function perChannel(x: Source, rank: number): Source {
  return { ...x, shape: [sizeOf(x.shape), ...new Array<number>(rank - 2).fill(1)] };
}

/** Rows of a sample's channel (InstanceNormalization) or group of channels, then scale and bias per channel. */
function groupNorm(instance: boolean): Lower {
  return (l) => inFloat(l, l.input(0), l.output(), (x, out) => emitGroupNorm(l, x, out, instance));
}

function emitGroupNorm(l: Lowering, x: Source, out: Source, instance: boolean): void {
  const [n, c] = [x.shape[0]!, x.shape[1]!];
  const groups = instance ? c : l.attribute("num_groups", 1);
  const rows = n * groups;
  emitNorm(l, x, out, { rows, extent: sizeOf(x.shape) / Math.max(1, rows), epsilon: l.attribute("epsilon", 1e-5) });
  const [scale, bias] = [l.input(1), l.input(2)];
  // before opset 21 a group has one scale for all of its channels
  const perGroup = sizeOf(scale.shape) !== c;
  const shaped: Source = perGroup ? { ...out, shape: [n, groups, sizeOf(x.shape) / rows] } : out;
  const rank = perGroup ? 3 : x.shape.length;
  emitBinary(l, BinaryFunction.Mul, shaped, perChannel(scale, rank), shaped);
  emitBinary(l, BinaryFunction.Add, shaped, perChannel(bias, rank), shaped);
}

/** Channels last: by way of channels first, where a sample's channel is one row. */
function lowerInstanceNormLast(l: Lowering): void {
  inFloat(l, l.input(0), l.output(), (x, out) => {
    const { there, back } = lastOrder(x.shape.length);
    const shape = back.map((i) => x.shape[i]!);
    const [input, result] = [temporary(l, x.type, shape), temporary(l, x.type, shape)];
    emitTranspose(l, x, input, back);
    emitGroupNorm(l, input, result, true);
    emitTranspose(l, result, out, there);
  });
}

/** (x − mean)·(scale/√(variance + ε)) + bias: the mean first, so that a channel far from 0 keeps its digits. */
function lowerBatchNorm(l: Lowering): void {
  inFloat(l, l.input(0), l.output(), (x, out) => {
    const { type } = x;
    const parameter = (i: number): Source => converted(l, l.input(i), type);
    const wide = (v: Source): Source => perChannel(v, x.shape.length);
    const factor = temporary(l, type, l.input(1).shape);
    emitBinary(l, BinaryFunction.Add, parameter(4), constant(l, type, l.attribute("epsilon", 1e-5)), factor);
    emitUnary(l, UnaryFunction.Sqrt, factor.at, factor.at, sizeOf(factor.shape), 0, 0, type);
    emitBinary(l, BinaryFunction.Div, parameter(1), factor, factor);
    emitBinary(l, BinaryFunction.Sub, x, wide(parameter(3)), out);
    emitBinary(l, BinaryFunction.Mul, out, wide(factor), out);
    emitBinary(l, BinaryFunction.Add, out, wide(parameter(2)), out);
  });
}

/** Positions along its axis are a constant. */
const MOST_POSITIONS = 2 ** 22;

/** Hardmax: 1 at the first of the largest, 0 elsewhere. */
function lowerHardmax(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  if (sizeOf(x.shape) === 0) return;
  const whole = around(x.shape, axisOf(l, l.attribute("axis", -1), x.shape.length));
  const { outer, extent, inner } = whole;
  if (extent > MOST_POSITIONS) throw l.unsupported(`an axis of ${extent} elements, at most ${MOST_POSITIONS} are`);
  const largest = temporary(l, "int64", [outer, 1, inner]);
  emitArg(l, x, largest, whole, {});
  // Low words of int64: with a BigInt for each, 2^22 of them took 0.37 s.
  const positions = l.constants.place(`positions:${extent}`, () => {
    const words = new Int32Array(2 * extent);
    for (let i = 0; i < extent; i++) words[2 * i] = i;
    return words;
  });
  const chosen = temporary(l, "bool", [outer, extent, inner]);
  emitCompare(l, CompareFunction.Equal, largest, { at: positions, type: "int64", shape: [extent, 1] }, chosen);
  emitCast(l, { ...chosen, shape: x.shape }, out);
}

export const NORMALIZE = {
  "/Softmax": softmax(false),
  "/LogSoftmax": softmax(true),
  "/Hardmax": lowerHardmax,
  "/LayerNormalization": layerNorm(false),
  "/RMSNormalization": layerNorm(true),
  "/InstanceNormalization": groupNorm(true),
  "bitbasis/InstanceNormalization": lowerInstanceNormLast,
  "/GroupNormalization": groupNorm(false),
  "/BatchNormalization": lowerBatchNorm,
} satisfies Readonly<Record<string, Lower>>;
