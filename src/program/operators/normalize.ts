import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { LayerNormStep, SoftmaxStep } from "../../core/abi/reduce.ts";
import { f32Bits, type Ref, step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { emitTranspose } from "./movement.ts";
import { lastOrder } from "./pool.ts";
import { axisOf, constant, emitUnary, inFloat32, opset, type Source, temporary } from "./support.ts";

function emitSoftmax(l: Lowering, x: Source, out: Source, extent: number, log: boolean): void {
  const rows = sizeOf(x.shape) / extent;
  l.emit(step(Opcode.Softmax, SoftmaxStep, { input: x.at, output: out.at, rows, extent, log: log ? 1 : 0 }), {
    kernel: log ? "log_softmax" : "softmax",
    bytes: 8 * sizeOf(x.shape),
  });
}

/** Before opset 13 everything from `axis` on is one row; since, the axis alone. */
function softmax(log: boolean): Lower {
  return (l) =>
    inFloat32(l, l.input(0), l.output(), (x, out) => {
      if (sizeOf(x.shape) === 0) return;
      const rank = x.shape.length;
      const old = l.node.domain === "" && opset(l) < 13;
      const axis = axisOf(l, l.attribute("axis", old ? 1 : -1), rank);
      if (old) return emitSoftmax(l, x, out, sizeOf(x.shape.slice(axis)), log);
      const extent = x.shape[axis] ?? 1;
      if (sizeOf(x.shape.slice(axis + 1)) === 1) return emitSoftmax(l, x, out, extent, log);
      const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
      const moved = temporary(
        l,
        "float32",
        swap.map((i) => x.shape[i]!),
      );
      const result = temporary(l, "float32", moved.shape);
      emitTranspose(l, x, moved, swap);
      emitSoftmax(l, moved, result, extent, log);
      emitTranspose(l, result, out, swap);
    });
}

interface Norm {
  readonly rows: number;
  readonly extent: number;
  readonly epsilon: number;
  readonly rms?: boolean;
  readonly scale?: Ref | number;
  readonly bias?: Ref | number;
  readonly mean?: Ref | number;
  readonly inverse?: Ref | number;
}

function emitNorm(l: Lowering, x: Source, out: Source, norm: Norm): void {
  if (norm.rows * norm.extent === 0) return;
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

/** LayerNormalization and its root-mean-square form: rows are everything from `axis` on. */
function layerNorm(rms: boolean): Lower {
  return (l) => {
    const x = l.input(0);
    if (x.type !== "float32") throw l.unsupported(`element type ${x.type} where float32 is expected`);
    const axis = axisOf(l, l.attribute("axis", -1), x.shape.length);
    const extent = sizeOf(x.shape.slice(axis));
    const [scale, bias] = [l.optional(1), rms ? undefined : l.optional(2)];
    const out = l.output();
    const norm: Norm = {
      rows: sizeOf(x.shape.slice(0, axis)),
      extent,
      epsilon: l.attribute("epsilon", 1e-5),
      rms,
      ...(l.wants(1) ? { mean: l.output(1).at } : {}),
      ...(l.wants(2) ? { inverse: l.output(2).at } : {}),
    };
    const whole = [scale, bias].every((p) => p === undefined || sizeOf(p.shape) === extent);
    if (whole)
      return emitNorm(l, x, out, { ...norm, ...(scale && { scale: scale.at }), ...(bias && { bias: bias.at }) });
    emitNorm(l, x, out, norm);
    if (scale !== undefined) emitBinary(l, BinaryFunction.Mul, out, scale, out);
    if (bias !== undefined) emitBinary(l, BinaryFunction.Add, out, bias, out);
  };
}

/** A vector of C under [N, C, …]. */
function perChannel(x: Source, rank: number): Source {
  return { ...x, shape: [sizeOf(x.shape), ...new Array<number>(rank - 2).fill(1)] };
}

/** Rows of a sample's channel (InstanceNormalization) or group of channels, then scale and bias per channel. */
function groupNorm(instance: boolean): Lower {
  return (l) => inFloat32(l, l.input(0), l.output(), (x, out) => emitGroupNorm(l, x, out, instance));
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
  inFloat32(l, l.input(0), l.output(), (x, out) => {
    const { there, back } = lastOrder(x.shape.length);
    const shape = back.map((i) => x.shape[i]!);
    const [input, result] = [temporary(l, "float32", shape), temporary(l, "float32", shape)];
    emitTranspose(l, x, input, back);
    emitGroupNorm(l, input, result, true);
    emitTranspose(l, result, out, there);
  });
}

/** x·a + b with a = scale/√(variance + ε), b = bias − mean·a, all in f32. */
function lowerBatchNorm(l: Lowering): void {
  inFloat32(l, l.input(0), l.output(), (x, out) => {
    const [scale, bias, mean, variance] = [l.input(1), l.input(2), l.input(3), l.input(4)];
    const shape = [sizeOf(scale.shape)];
    const [a, b] = [temporary(l, "float32", shape), temporary(l, "float32", shape)];
    emitBinary(l, BinaryFunction.Add, variance, constant(l, "float32", l.attribute("epsilon", 1e-5)), a);
    emitUnary(l, UnaryFunction.Sqrt, a.at, a.at, sizeOf(shape));
    emitBinary(l, BinaryFunction.Div, scale, a, a);
    emitBinary(l, BinaryFunction.Mul, mean, a, b);
    emitBinary(l, BinaryFunction.Sub, bias, b, b);
    emitBinary(l, BinaryFunction.Mul, x, perChannel(a, x.shape.length), out);
    emitBinary(l, BinaryFunction.Add, out, perChannel(b, x.shape.length), out);
  });
}

export const NORMALIZE = {
  "/Softmax": softmax(false),
  "/LogSoftmax": softmax(true),
  "/LayerNormalization": layerNorm(false),
  "/RMSNormalization": layerNorm(true),
  "/InstanceNormalization": groupNorm(true),
  "bitbasis/InstanceNormalization": lowerInstanceNormLast,
  "/GroupNormalization": groupNorm(false),
  "/BatchNormalization": lowerBatchNorm,
} satisfies Readonly<Record<string, Lower>>;
