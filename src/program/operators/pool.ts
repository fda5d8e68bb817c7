import { Opcode } from "../../core/abi/opcode.ts";
import { PoolStep } from "../../core/abi/pool.ts";
import { ReduceFunction } from "../../core/abi/reduce.ts";
import { step } from "../../core/index.ts";
import { type Shape, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitTranspose } from "./movement.ts";
import { emitReduce } from "./reduce.ts";
import { inFloat32, type Source, temporary } from "./support.ts";

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

/** Pads before and after each spatial axis; `sizes` are the spatial extents of input and output. */
function padsOf(
  l: Lowering,
  kernel: Shape,
  strides: Shape,
  dilations: Shape,
  input: Shape,
  output: Shape,
): [number[], number[]] {
  const auto = l.text("auto_pad", "NOTSET");
  if (auto === "NOTSET" || auto === "VALID") {
    const pads = auto === "VALID" ? undefined : l.integers("pads");
    return [kernel.map((_, i) => pads?.[i] ?? 0), kernel.map((_, i) => pads?.[kernel.length + i] ?? 0)];
  }
  const total = kernel.map((k, i) =>
    Math.max(0, (output[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1 - input[i]!),
  );
  const small = total.map((p) => Math.floor(p / 2));
  const large = total.map((p, i) => p - small[i]!);
  return auto === "SAME_LOWER" ? [large, small] : [small, large];
}

/** Operation of the step: 0 max, 1 average, 2 average with padding. */
function emitPool(l: Lowering, x: Source, out: Source, operation: number): void {
  const spatial = x.shape.length - 2;
  const kernel = l.integers("kernel_shape") ?? [];
  if (spatial < 1 || spatial > 2) throw l.unsupported(`${spatial} spatial axes`);
  const ones = kernel.map(() => 1);
  const strides = l.integers("strides") ?? ones;
  const dilations = l.integers("dilations") ?? ones;
  const [before, after] = padsOf(l, kernel, strides, dilations, x.shape.slice(1, -1), out.shape.slice(1, -1));
  if (sizeOf(out.shape) === 0) return;
  // one spatial axis is a picture of one row
  const two = (list: Shape, row: number): [number, number] => (spatial === 1 ? [row, list[0]!] : [list[0]!, list[1]!]);
  const [inHeight, inWidth] = two(x.shape.slice(1, -1), 1);
  const [outHeight, outWidth] = two(out.shape.slice(1, -1), 1);
  const [kernelHeight, kernelWidth] = two(kernel, 1);
  const [strideHeight, strideWidth] = two(strides, 1);
  const [dilationHeight, dilationWidth] = two(dilations, 1);
  const [padTop, padLeft] = two(before, 0);
  const [padBottom, padRight] = two(after, 0);
  l.emit(
    step(Opcode.Pool, PoolStep, {
      input: x.at,
      output: out.at,
      batch: x.shape[0]!,
      inHeight,
      inWidth,
      outHeight,
      outWidth,
      channels: x.shape.at(-1)!,
      kernelHeight,
      kernelWidth,
      strideHeight,
      strideWidth,
      dilationHeight,
      dilationWidth,
      padTop,
      padLeft,
      padBottom,
      padRight,
      operation,
    }),
    { kernel: operation === 0 ? "pool_max" : "pool_average", bytes: 4 * (sizeOf(x.shape) + sizeOf(out.shape)) },
  );
}

function pool(average: boolean, channelsLast: boolean): Lower {
  return (l) => {
    if (l.wants(1)) throw l.unsupported("the indices of the maxima");
    const operation = average ? 1 + l.attribute("count_include_pad", 0) : 0;
    inFloat32(l, l.input(0), l.output(), (x, out) => {
      if (channelsLast) emitPool(l, x, out, operation);
      else throughChannelsLast(l, x, out, (a, b) => emitPool(l, a, b, operation));
    });
  };
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
  "/MaxPool": pool(false, false),
  "/AveragePool": pool(true, false),
  "/GlobalAveragePool": globalPool(ReduceFunction.Mean, false),
  "/GlobalMaxPool": globalPool(ReduceFunction.Max, false),
  "bitbasis/MaxPool": pool(false, true),
  "bitbasis/AveragePool": pool(true, true),
  "bitbasis/GlobalAveragePool": globalPool(ReduceFunction.Mean, true),
  "bitbasis/GlobalMaxPool": globalPool(ReduceFunction.Max, true),
} satisfies Readonly<Record<string, Lower>>;
