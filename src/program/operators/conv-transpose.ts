import type { Argument } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { convolve, type LayerWeights, volume, weightsOf } from "./conv.ts";
import { biasOf, type Geometry, matrixGeometry } from "./linear.ts";
import { emitFill, emitTranspose } from "./movement.ts";
import { isAlike, isReversed, type Phase, phasesOf, type TransposedAxis } from "./phases.ts";
import { lastOrder } from "./pool.ts";
import { byteStrides, emitCopy, shifted, temporary } from "./support.ts";

/**
 * bitbasis/ConvTranspose: [N, spatial…, C] by [O, kernel…, I/g], spatial rank 1 to 3, as one convolution with stride 1 per phase: outputs that are a
 * stride apart see the same taps (phases.ts). Zeros between the inputs instead would cost four times the products at stride 2 (PP-OCR's
 * detector spent a quarter of its time there).
 */
export function lowerConvTranspose(l: Lowering): void {
  const [x, y] = [l.input(0), l.output()];
  transposedConvolution(l, x, weightsOf(l, x, y), y);
}

function transposedConvolution(l: Lowering, x: Operand, w: LayerWeights, y: Operand): void {
  if (sizeOf(y.shape) === 0) return;
  const spatial = x.shape.length - 2;
  const all = axesOf(l, x, w, y);
  const groups = l.attribute("group", 1);
  const z = prepared(l, x, all.slice(3 - spatial));
  const [inDepth, inHeight, inWidth] = all.map(({ inputs }) => inputs) as [number, number, number];
  const [channels, outChannels] = [x.shape.at(-1)! / groups, w.shape[0]! / groups];
  const depthwise = channels === 1 && outChannels === 1 && groups > 1;
  const strides = byteStrides({ ...y, shape: [y.shape[0]!, ...all.map(({ outputs }) => outputs), y.shape.at(-1)!] });
  const [outBatchStride, , rowStride, pixelStride] = strides as [number, number, number, number];
  // Steps write rows a constant apart: not through planes, and depthwise ones only dense rows.
  const direct = spatial < 3 && !depthwise;
  const ofAxes = all.map(phasesOf) as [Phase[], Phase[], Phase[]];
  if (all.some(({ stride, outputs }, i) => ofAxes[i]!.length < Math.min(stride, outputs))) emitBlank(l, y);
  const [depths, heights, widths] = ofAxes;
  const beside = direct && groups === 1 && widths.length > 1 && isAlike(widths, all[2].stride);
  const bias = beside ? repeated(l, widths.length) : biasOf(l, l.optional(2));
  for (const depth of depths) {
    for (const height of heights) {
      for (const sides of beside ? [widths] : widths.map((one) => [one])) {
        const ordered = [...sides].sort((a, b) => a.first - b.first);
        const width = ordered[0]!;
        const geometry: Geometry = {
          ...{ batch: x.shape[0]!, inDepth, inHeight, inWidth },
          ...{ outDepth: depth.outputs, outHeight: height.outputs, outWidth: width.outputs },
          ...{ kernelDepth: depth.taps, kernelHeight: height.taps, kernelWidth: width.taps },
          ...{ strideDepth: 1, strideHeight: 1, strideWidth: 1 },
          ...{ dilationDepth: depth.dilation, dilationHeight: height.dilation, dilationWidth: width.dilation },
          ...{ padFront: depth.pad, padTop: height.pad, padLeft: width.pad, groups, channels },
          outChannels: outChannels * ordered.length,
        };
        const weights = selected(
          l,
          w,
          all,
          ordered.map((side) => [depth, height, side]),
          channels,
        );
        const phases = [depth, height, width];
        const first = phases.reduce((sum, phase, i) => sum + phase.first * strides[i + 1]!, 0);
        const shape = [y.shape[0]!, ...phases.map(({ outputs }) => outputs), y.shape.at(-1)!];
        if (direct) {
          const at = shifted(y.at, first);
          const places = {
            outPixelStride: width.step * pixelStride,
            outRowStride: height.step * rowStride,
            outBatchStride,
          };
          convolve(l, z, weights, { name: y.name, type: y.type, shape, at }, geometry, bias, places);
          continue;
        }
        const result: Operand = { name: y.name, ...temporary(l, "float32", shape) };
        convolve(l, z, weights, result, geometry, bias);
        const steps = [1, ...phases.map(({ step }) => step), 1];
        const to = strides.map((stride, i) => stride * steps[i]!);
        emitCopy(l, result.at, shifted(y.at, first), 4, shape, byteStrides(result), to);
      }
    }
  }
}

/** Fills y with what outputs are that no tap reaches: a pixel of no products, with its bias and activation. A stride of 2^16 has as many phases of them. */
function emitBlank(l: Lowering, y: Operand): void {
  const channels = y.shape.at(-1)!;
  const zeros: Operand = { name: y.name, ...temporary(l, "float32", [channels, 1]) };
  emitFill(l, zeros, new Uint8Array(4));
  const pixel: Operand = { name: y.name, ...temporary(l, "float32", [1, channels]) };
  const weights = { name: y.name, shape: zeros.shape, computed: zeros };
  convolve(l, { ...zeros, shape: [1, 1] }, weights, pixel, matrixGeometry(1, 1, 1, channels));
  emitRepeated(l, pixel.at, y.at, sizeOf(y.shape) / channels, channels);
}

/** Depth, height and width. */
function axesOf(
  l: Lowering,
  x: Operand,
  w: LayerWeights,
  y: Operand,
): readonly [TransposedAxis, TransposedAxis, TransposedAxis] {
  const spatial = x.shape.length - 2;
  const axes = (values: readonly number[] | undefined, fallback: number) => volume(l, values, fallback, spatial);
  const inputs = axes(x.shape.slice(1, -1), 1);
  const outputs = axes(y.shape.slice(1, -1), 1);
  const kernel = axes(w.shape.slice(1, -1), 1);
  const strides = axes(l.integers("strides"), 1);
  const dilations = axes(l.integers("dilations"), 1);
  const pads = axes(l.integers("pads")?.slice(0, spatial), 0);
  return [0, 1, 2].map((i) => ({
    // Of an empty axis, one zero.
    ...{ inputs: Math.max(1, inputs[i]!), outputs: outputs[i]!, kernel: kernel[i]! },
    ...{ stride: strides[i]!, dilation: dilations[i]!, pad: pads[i]! },
  })) as unknown as [TransposedAxis, TransposedAxis, TransposedAxis];
}

/** x with the axes reversed whose phases have an order of taps; of an empty axis, a zero. */
function prepared(l: Lowering, x: Operand, axes: readonly TransposedAxis[]): Operand {
  const shape = x.shape.map((d, i) => (i === 0 || i > axes.length ? d : axes[i - 1]!.inputs));
  const name = `${x.name}/${l.node.name}`;
  if (sizeOf(x.shape) === 0) {
    const zeros: Operand = { name, ...temporary(l, "float32", shape) };
    emitFill(l, zeros, new Uint8Array(4));
    return zeros;
  }
  const [from, to] = [byteStrides(x), byteStrides(x)];
  let last = 0;
  for (const [i, axis] of axes.entries()) {
    if (!isReversed(axis) || axis.inputs === 1) continue;
    last += (axis.inputs - 1) * to[i + 1]!;
    to[i + 1]! *= -1;
  }
  if (last === 0) return x;
  const z: Operand = { name, ...temporary(l, "float32", shape) };
  emitCopy(l, x.at, shifted(z.at, last), 4, shape, from, to);
  return z;
}

/** The taps of the phases of each side, one for depth, height and width. */
function selected(
  l: Lowering,
  w: LayerWeights,
  axes: readonly TransposedAxis[],
  sides: readonly (readonly Phase[])[],
  channels: number,
): LayerWeights {
  const { name, shape, computed } = w;
  const [rows, positions] = [
    shape[0]!,
    [1, 1, 1].map((_, i) => axes.slice(i + 1).reduce((n, { kernel }) => n * kernel, 1)),
  ];
  const taps = sides.map((phases) =>
    phases.reduce<number[]>(
      (all, { tap, tapStep, taps: count }, i) =>
        all.flatMap((at) => Array.from({ length: count }, (_, j) => at + (tap + j * tapStep) * positions[i]!)),
      [0],
    ),
  );
  const selection = { key: taps.join("|"), sides: taps, channels };
  const small = [rows * sides.length, ...sides[0]!.map((phase) => phase.taps), channels];
  if (computed === undefined) return { name, shape: small, selection };
  const operand = l.once(`taps:${name}:${selection.key}`, (): Operand => {
    const chosen: Operand = { name: `${computed.name}:${selection.key}`, ...temporary(l, "float32", small) };
    const bytes = 4 * channels;
    const whole = axes.reduce((n, { kernel }) => n * kernel, bytes);
    const dense = byteStrides(chosen);
    sides.forEach((phases, side) => {
      const first = phases.reduce((sum, { tap }, i) => sum + tap * positions[i]! * bytes, 0);
      const from = [whole, ...phases.map(({ tapStep }, i) => tapStep * positions[i]! * bytes), 4];
      const to = shifted(chosen.at, side * rows * dense[0]!);
      emitCopy(l, shifted(computed.at, first), to, 4, [rows, ...small.slice(1)], from, dense);
    });
    return chosen;
  });
  return { name: operand.name, shape: small, computed: operand };
}

/** The bias of output pixels side by side. */
function repeated(l: Lowering, times: number) {
  const bias = l.optional(2);
  if (bias === undefined) return 0;
  const from = biasOf(l, bias);
  const count = sizeOf(bias.shape);
  const result = temporary(l, "float32", [times, count]);
  emitRepeated(l, from, result.at, times, count);
  return result.at;
}

/** Writes `count` floats as often. */
function emitRepeated(l: Lowering, from: Argument, to: Argument, times: number, count: number): void {
  emitCopy(l, from, to, 4, [times, count], [0, 4], [4 * count, 4]);
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
