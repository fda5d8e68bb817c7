import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { MaxPoolStep, PoolFunction, PoolStep } from "../../core/abi/pool.ts";
import { ReduceFunction } from "../../core/abi/reduce.ts";
import { step } from "../../core/index.ts";
import { elementBytes, type Shape, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { volume } from "./conv.ts";
import { emitTranspose } from "./movement.ts";
import { emitReduce } from "./reduce.ts";
import { codeOf, constant, emitUnary, inFloat32, type Source, temporary } from "./support.ts";

/** The order that brings channels last, and the one that brings them back. */
export function lastOrder(rank: number): { there: number[]; back: number[] } {
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i);
  return { there: [0, ...spatial.map((i) => i + 2), 1], back: [0, rank - 1, ...spatial.map((i) => i + 1)] };
}

/** Runs `body` on channels-last copies of a channels-first operator's input and output. */
export function throughChannelsLast(l: Lowering, x: Source, out: Source, body: (x: Source, out: Source) => void): void {
  const { there, back } = lastOrder(x.shape.length);
  const input = temporary(
    l,
    x.type,
    there.map((i) => x.shape[i]!),
  );
  emitTranspose(l, x, input, there);
  const result = temporary(
    l,
    out.type,
    there.map((i) => out.shape[i]!),
  );
  body(input, result);
  emitTranspose(l, result, out, back);
}

/** What a window and its extents are called in a step; the axes that a row or a picture lacks have an extent of 1. */
function windowWords(l: Lowering, input: Shape, output: Shape) {
  const spatial = input.length;
  const axes = (values: readonly number[] | undefined, fallback: number) => volume(l, values, fallback, spatial);
  const [inDepth, inHeight, inWidth] = axes(input, 1);
  const [outDepth, outHeight, outWidth] = axes(output, 1);
  const [kernelDepth, kernelHeight, kernelWidth] = axes(l.integers("kernel_shape"), 1);
  const [strideDepth, strideHeight, strideWidth] = axes(l.integers("strides"), 1);
  const [dilationDepth, dilationHeight, dilationWidth] = axes(l.integers("dilations"), 1);
  const [padFront, padTop, padLeft] = axes(l.integers("pads")?.slice(0, spatial), 0);
  return {
    ...{ inDepth, inHeight, inWidth, outDepth, outHeight, outWidth, kernelDepth, kernelHeight, kernelWidth },
    ...{ strideDepth, strideHeight, strideWidth, dilationDepth, dilationHeight, dilationWidth },
    ...{ padFront, padTop, padLeft },
  };
}

/** Bytes that are read and written: each output reads its window. A window of 2^20 elements is a million times the work that the input says. */
function bytesOf(x: Source, out: Source, { kernelDepth, kernelHeight, kernelWidth }: Window): number {
  const taps = kernelDepth * kernelHeight * kernelWidth;
  return elementBytes(x.type) * (sizeOf(x.shape) + sizeOf(out.shape) * (taps + 1));
}

type Window = ReturnType<typeof windowWords>;

function emitPool(
  l: Lowering,
  x: Source,
  out: Source,
  operation: PoolFunction,
  window: Window = windowWords(l, x.shape.slice(1, -1), out.shape.slice(1, -1)),
): void {
  const spatial = x.shape.length - 2;
  if (sizeOf(out.shape) === 0) return;
  const [padBack, padBottom, padRight] = volume(l, l.integers("pads")?.slice(spatial), 0, spatial);
  l.emit(
    step(Opcode.Pool, PoolStep, {
      ...{ input: x.at, output: out.at, batch: x.shape[0]!, channels: x.shape.at(-1)!, ...window },
      ...{ padBack, padBottom, padRight, operation },
    }),
    {
      kernel: `pool_${PoolFunction[operation].toLowerCase()}`,
      bytes: bytesOf(x, out, window),
    },
  );
}

/** The largest of each row of a window, then the largest of these: 5 × 5 at stride 1 reads 10 elements for an output where it would read 25. A maximum is the same bits in any order. */
function emitMaxima(l: Lowering, x: Source, out: Source): void {
  const window = windowWords(l, x.shape.slice(1, -1), out.shape.slice(1, -1));
  const { kernelDepth, kernelHeight, kernelWidth, strideDepth, strideHeight } = window;
  const columns = kernelDepth * kernelHeight;
  const shape = [...x.shape.slice(0, -2), ...out.shape.slice(-2)];
  // Twice as many reads as that would still be no gain: the rows are written, and read again.
  const isWorth = columns * kernelWidth > 2 * (kernelWidth * strideDepth * strideHeight + columns);
  if (!isWorth || sizeOf(shape) > Math.max(sizeOf(x.shape), sizeOf(out.shape))) {
    emitPool(l, x, out, PoolFunction.Max, window);
    return;
  }
  const rows = temporary(l, "float32", shape);
  const { inDepth, inHeight, outWidth } = window;
  emitPool(l, x, rows, PoolFunction.Max, {
    ...window,
    ...{ outDepth: inDepth, outHeight: inHeight, kernelDepth: 1, kernelHeight: 1, strideDepth: 1, strideHeight: 1 },
    ...{ dilationDepth: 1, dilationHeight: 1, padFront: 0, padTop: 0 },
  });
  emitPool(l, rows, out, PoolFunction.Max, {
    ...window,
    ...{ inWidth: outWidth, kernelWidth: 1, strideWidth: 1, dilationWidth: 1, padLeft: 0 },
  });
}

function averagePool(channelsLast: boolean): Lower {
  return (l) => {
    const padded = l.attribute("count_include_pad", 0) === 1;
    through(l, channelsLast, (x, out) =>
      emitPool(l, x, out, padded ? PoolFunction.AveragePadded : PoolFunction.Average),
    );
  };
}

/** Runs `body` in float32 and with the channels last. */
function through(l: Lowering, channelsLast: boolean, body: (x: Source, out: Source) => void): void {
  inFloat32(l, l.input(0), l.output(), (x, out) => {
    if (channelsLast) body(x, out);
    else throughChannelsLast(l, x, out, body);
  });
}

function maxPool(channelsLast: boolean): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const float = x.type === "float32" || x.type === "float16";
    if (float && !l.wants(1)) through(l, channelsLast, (a, b) => emitMaxima(l, a, b));
    else if (x.type === "float16") inFloat32(l, x, out, (a, b) => emitMaxPool(l, a, b, channelsLast));
    else emitMaxPool(l, x, out, channelsLast);
  };
}

function emitMaxPool(l: Lowering, x: Source, out: Source, channelsLast: boolean): void {
  if (!["float32", "float64", "int8", "uint8"].includes(x.type)) throw l.unsupported(`the largest of ${x.type}`);
  const indices = l.wants(1) ? l.output(1).at : 0;
  const spatial = (shape: Shape): Shape => (channelsLast ? shape.slice(1, -1) : shape.slice(2));
  const window = windowWords(l, spatial(x.shape), spatial(out.shape));
  if (sizeOf(out.shape) === 0) return;
  const channels = x.shape[channelsLast ? x.shape.length - 1 : 1]!;
  const [channelStride, pixelStride] = channelsLast ? [1, channels] : [sizeOf(spatial(x.shape)), 1];
  const [outChannelStride, outPixelStride] = channelsLast ? [1, channels] : [sizeOf(spatial(out.shape)), 1];
  l.emit(
    step(Opcode.MaxPool, MaxPoolStep, {
      ...{ input: x.at, output: out.at, indices, type: codeOf(l, x.type), batch: x.shape[0]!, channels, ...window },
      ...{ channelStride, pixelStride, outChannelStride, outPixelStride, columnMajor: l.attribute("storage_order", 0) },
    }),
    { kernel: "max_pool", bytes: bytesOf(x, out, window) },
  );
}

/** The p-norm of each window: (Σ|x|^p)^(1/p). */
function lpPool(channelsLast: boolean): Lower {
  return (l) =>
    through(l, channelsLast, (x, out) => {
      const p = l.attribute("p", 2);
      const powers = temporary(l, "float32", x.shape);
      emitPower(l, x, p, powers);
      emitPool(l, powers, out, PoolFunction.Sum);
      emitRoot(l, out, p);
    });
}

/** |x|^p. */
function emitPower(l: Lowering, x: Source, p: number, to: Source): void {
  if (p === 2) emitBinary(l, BinaryFunction.Mul, x, x, to);
  else emitUnary(l, UnaryFunction.Abs, x.at, to.at, sizeOf(x.shape));
  if (p > 2) emitBinary(l, BinaryFunction.Pow, to, constant(l, "float32", p), to);
}

/** x^(1/p), in place. */
function emitRoot(l: Lowering, x: Source, p: number): void {
  if (p === 2) emitUnary(l, UnaryFunction.Sqrt, x.at, x.at, sizeOf(x.shape));
  else if (p > 2) emitBinary(l, BinaryFunction.Pow, x, constant(l, "float32", 1 / p), x);
}

function globalPool(operation: ReduceFunction, channelsLast: boolean): Lower {
  return (l) =>
    inFloat32(l, l.input(0), l.output(), (x, out) => {
      const spatial = sizeOf(x.shape.slice(...(channelsLast ? [1, -1] : [2])));
      const channels = x.shape[channelsLast ? x.shape.length - 1 : 1]!;
      if (channelsLast) emitReduce(l, operation, x, out, { outer: x.shape[0]!, extent: spatial, inner: channels });
      else emitReduce(l, operation, x, out, { outer: x.shape[0]! * channels, extent: spatial, inner: 1 });
    });
}

export const POOL = {
  "/MaxPool": maxPool(false),
  "/AveragePool": averagePool(false),
  "/LpPool": lpPool(false),
  "/GlobalAveragePool": globalPool(ReduceFunction.Mean, false),
  "/GlobalMaxPool": globalPool(ReduceFunction.Max, false),
  "bitbasis/MaxPool": maxPool(true),
  "bitbasis/AveragePool": averagePool(true),
  "bitbasis/LpPool": lpPool(true),
  "bitbasis/GlobalAveragePool": globalPool(ReduceFunction.Mean, true),
  "bitbasis/GlobalMaxPool": globalPool(ReduceFunction.Max, true),
} satisfies Readonly<Record<string, Lower>>;
