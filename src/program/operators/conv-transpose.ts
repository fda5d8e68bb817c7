import { type Shape, sizeOf } from "../../tensor/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { convolve, type LayerWeights, volume, weightsOf } from "./conv.ts";
import type { Geometry } from "./linear.ts";
import { emitFill, emitTranspose } from "./movement.ts";
import { lastOrder } from "./pool.ts";
import { byteStrides, emitCopy, shifted, temporary } from "./support.ts";

/**
 * bitbasis/ConvTranspose: [N, spatial…, C] by [O, kernel…, I/g], spatial rank 1 to 3, as a convolution with stride 1.
 *
 * out[o] = Σ_k X[(o + p − k·d)/s]·w[k], where the input has zeros between its elements: with Z of size (I − 1)·s + 1, reversed, and the output
 * reversed too, that is Σ_k Z[o + k·d − (O + p − (I − 1)·s − 1)]·w[k], a convolution with the kernel as it is stored. Zeros do not change the range
 * of activations, which holds 0 anyway.
 */
export function lowerConvTranspose(l: Lowering): void {
  const [x, y] = [l.input(0), l.output()];
  transposedConvolution(l, x, weightsOf(l, x, y), y);
}

function transposedConvolution(l: Lowering, x: Operand, w: LayerWeights, y: Operand): void {
  const spatial = x.shape.length - 2;
  const axes = (values: readonly number[] | undefined, fallback: number) => volume(l, values, fallback, spatial);
  if (sizeOf(y.shape) === 0) return;
  const strides = l.integers("strides") ?? new Array<number>(spatial).fill(1);
  const dilations = l.integers("dilations") ?? new Array<number>(spatial).fill(1);
  const begin = l.integers("pads") ?? new Array<number>(2 * spatial).fill(0);
  const wide = x.shape.map((d, i) => (i === 0 || i > spatial ? d : Math.max(0, d - 1) * strides[i - 1]! + 1));
  const z = reversed(l, x, wide, strides);
  const pads = begin.slice(0, spatial).map((p, i) => y.shape[i + 1]! + p - wide[i + 1]!);
  const groups = l.attribute("group", 1);
  const [inDepth, inHeight, inWidth] = axes(wide.slice(1, -1), 1);
  const [outDepth, outHeight, outWidth] = axes(y.shape.slice(1, -1), 1);
  const [kernelDepth, kernelHeight, kernelWidth] = axes(w.shape.slice(1, -1), 1);
  const [dilationDepth, dilationHeight, dilationWidth] = axes(dilations, 1);
  const [padFront, padTop, padLeft] = axes(pads, 0);
  const geometry: Geometry = {
    ...{ batch: x.shape[0]!, inDepth, inHeight, inWidth, outDepth, outHeight, outWidth },
    ...{ kernelDepth, kernelHeight, kernelWidth, strideDepth: 1, strideHeight: 1, strideWidth: 1 },
    ...{ dilationDepth, dilationHeight, dilationWidth, padFront, padTop, padLeft, groups },
    channels: x.shape.at(-1)! / groups,
    outChannels: w.shape[0]! / groups,
  };
  const result: Operand = { ...y, ...temporary(l, "float32", y.shape) };
  convolve(l, z, w, result, geometry);
  const ones = new Array<number>(spatial).fill(1);
  emitReversed(l, result, y, ones);
}

/** x with its spatial axes reversed, and zeros so that elements are `strides` apart; of an empty axis, a zero. */
function reversed(l: Lowering, x: Operand, shape: Shape, strides: readonly number[]): Operand {
  const z: Operand = { name: `${x.name}/${l.node.name}`, ...temporary(l, "float32", shape) };
  const empty = sizeOf(x.shape) === 0;
  if (empty || strides.some((s) => s > 1)) emitFill(l, z, new Uint8Array(4));
  if (!empty) emitReversed(l, x, z, strides);
  return z;
}

/** to[…, last − i·stride, …] = from[…, i, …] on the spatial axes. */
function emitReversed(l: Lowering, from: Operand, to: Operand, strides: readonly number[]): void {
  const outputs = byteStrides(to);
  let last = 0;
  for (const [i, stride] of strides.entries()) {
    last += (to.shape[i + 1]! - 1) * outputs[i + 1]!;
    outputs[i + 1]! *= -stride;
  }
  emitCopy(l, from.at, shifted(to.at, last), 4, from.shape, byteStrides(from), outputs);
}

/** ONNX's own ConvTranspose, whose weights [I, O/g, k…] are computed while the model runs, through the channels-last form. */
export function lowerChannelsFirst(l: Lowering): void {
  const [x, y, w] = [l.input(0), l.output(), l.input(1)];
  for (const { type } of [x, y, w]) if (type !== "float32") throw l.unsupported(`a convolution of ${type}`);
  const rank = x.shape.length;
  const groups = l.attribute("group", 1);
  const { there, back } = lastOrder(rank);
  const moved = (of: Operand): Operand => {
    const shape = there.map((i) => of.shape[i]!);
    return { name: `${of.name}/${l.node.name}`, ...temporary(l, "float32", shape) };
  };
  const [input, output] = [moved(x), moved(y)];
  emitTranspose(l, x, input, there);
  const [inputs, outputs, ...kernel] = w.shape as [number, number, ...number[]];
  const split = { ...w, shape: [groups, inputs / groups, outputs, ...kernel] };
  const order = [0, 2, ...kernel.map((_, i) => i + 3), 1];
  const flat = temporary(
    l,
    "float32",
    order.map((i) => split.shape[i]!),
  );
  emitTranspose(l, split, flat, order);
  const shape = [groups * outputs, ...kernel, inputs / groups];
  const computed: Operand = { ...flat, name: `${w.name}/${l.node.name}`, shape };
  transposedConvolution(l, input, { name: computed.name, shape, computed }, output);
  emitTranspose(l, output, y, back);
}
