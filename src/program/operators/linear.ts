import { Activation, ConvStep } from "../../core/abi/conv.ts";
import { StackDigitsStep } from "../../core/abi/digits.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, FLAT, f32Bits, KERNELS, type Kernel, type Layer, step } from "../../core/index.ts";
import { INTERNAL } from "../../graph/internal.ts";
import { activationWidth, type LayerPlan, type WeightSeries } from "../../series/index.ts";
import { exactnessOf, exactnessOfStack, exactWords } from "../kernel.ts";
import type { Lowering, Operand } from "../lowering.ts";
import type { FusedWeights } from "../panels.ts";
import { ActivationDigits, LARGEST_STACKED, type Stack, stackedChannels, stackOf } from "../stack.ts";
import type { TapSelection } from "../taps.ts";
import { type ActivationLayout, type Border, type QuantizedOperand, quantizeActivation } from "./activation.ts";
import { narrowedActivation } from "./narrow.ts";

/** Sizes of a linear step, the same for int16 and f32; a matrix product is a 1×1 convolution over one row of M pixels. */
export interface Geometry {
  readonly batch: number;
  readonly inDepth: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outDepth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelDepth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideDepth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationDepth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  readonly padFront: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly groups: number;
  /** Input and output channels per group. */
  readonly channels: number;
  readonly outChannels: number;
}

const MATRIX = {
  ...FLAT,
  ...{ batch: 1, inHeight: 1, inWidth: 1, outHeight: 1, outWidth: 1 },
  ...{ kernelHeight: 1, kernelWidth: 1, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
  ...{ padTop: 0, padLeft: 0, groups: 1, channels: 1, outChannels: 1 },
} as const satisfies Geometry;

/** The geometry of `rows`×`channels` by `channels`×`outChannels`, `batch` times. */
export function matrixGeometry(batch: number, rows: number, channels: number, outChannels: number): Geometry {
  const [inWidth, outWidth] = [rows, rows];
  return { ...MATRIX, batch, inWidth, outWidth, channels, outChannels };
}

export function taps({ kernelDepth, kernelHeight, kernelWidth }: Geometry): number {
  return kernelDepth * kernelHeight * kernelWidth;
}

/** What a kernel needs to know of a layer's weights. */
export function layerShape(g: Geometry): Omit<Layer, "kernel"> {
  return { groups: g.groups, rows: g.outChannels, taps: taps(g), channels: g.channels };
}

/** Pixels of a sample of the output. */
export function pixelsOf({ outDepth, outHeight, outWidth }: Geometry): number {
  return outDepth * outHeight * outWidth;
}

export function macsOf(g: Geometry): number {
  return g.batch * pixelsOf(g) * g.groups * g.outChannels * g.channels * taps(g);
}

/**
 * More than this many times the pixels of the input, a border costs more memory than its time is worth, unless both are small: a rule that small
 * sizes do not meet would part a range of sizes (ranged.ts).
 */
const LARGEST_GROWTH = 2.5;
const SMALL_PICTURE = 4096;

/** The border of a picture's convolution that reads beyond its input; undefined: it does not, or crops, or the border is too wide. */
export function borderOf(g: Geometry): Border | undefined {
  if (g.inDepth !== 1 || g.kernelDepth !== 1 || g.padFront !== 0 || Math.min(g.padTop, g.padLeft) < 0) return undefined;
  const reach = (outputs: number, stride: number, kernel: number, dilation: number) =>
    (outputs - 1) * stride + (kernel - 1) * dilation + 1;
  const outWidth = Math.max(g.padLeft + g.inWidth, reach(g.outWidth, g.strideWidth, g.kernelWidth, g.dilationWidth));
  const outHeight = Math.max(
    g.padTop + g.inHeight,
    reach(g.outHeight, g.strideHeight, g.kernelHeight, g.dilationHeight),
  );
  const [before, after] = [g.inWidth * g.inHeight, outWidth * outHeight];
  if (after === before || (after > SMALL_PICTURE && after > LARGEST_GROWTH * before)) return undefined;
  return { lineWidth: g.inWidth, outWidth, outHeight, padTop: g.padTop, padLeft: g.padLeft };
}

/** The same convolution over an input with its border. */
export function surrounded(g: Geometry, border: Border | undefined): Geometry {
  return border === undefined
    ? g
    : { ...g, inWidth: border.outWidth, inHeight: border.outHeight, padTop: 0, padLeft: 0 };
}

/** Of a linear step that does nothing in the end. */
export const NO_ACTIVATION = {
  ...{ activation: Activation.None, activationMin: 0, activationMax: 0 },
  ...{ factor: f32Bits(1), shift: f32Bits(-0), addend: 0, addendMin: 0, addendMax: 0, handsOver: 0 },
} as const;

/** Whether a Winograd kernel may compute it: 3×3 taps side by side, and outputs that fill a third of its fours of tiles. */
export function isTiled(g: Geometry): boolean {
  const taps = g.kernelDepth === 1 && g.kernelHeight === 3 && g.kernelWidth === 3;
  const steps = [g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth].every((by) => by === 1);
  const fours = Math.ceil((Math.ceil(g.outHeight / 4) * Math.ceil(g.outWidth / 4)) / 4);
  return taps && steps && g.groups === 1 && g.inDepth === 1 && g.padFront === 0 && 3 * pixelsOf(g) >= 64 * fours;
}

/** Whether the input has all that the taps see. */
function isBordered(g: Geometry): boolean {
  return g.padTop === 0 && g.padLeft === 0 && g.outHeight + 2 <= g.inHeight && g.outWidth + 2 <= g.inWidth;
}

/** Words of a linear step about the end of it: the fused activation of the node, attributes `activation`, `min`, `max`, and its epilogue. */
export function fusedActivation(
  l: Lowering,
): Pick<Record<keyof typeof ConvStep, Argument>, keyof typeof NO_ACTIVATION> {
  const name = l.text("activation", "");
  const kind =
    name === ""
      ? Activation.None
      : name === "Clip"
        ? Activation.Clip
        : name === "HardSwish"
          ? Activation.HardSwish
          : undefined;
  if (kind === undefined) throw l.unsupported(`a fused activation "${name}"`);
  const { addend } = l.epilogue;
  return {
    activation: kind,
    activationMin: f32Bits(l.attribute("min", Number.NEGATIVE_INFINITY)),
    activationMax: f32Bits(l.attribute("max", Number.POSITIVE_INFINITY)),
    factor: f32Bits(l.epilogue.factor),
    shift: f32Bits(l.epilogue.shift),
    addend: addend === undefined ? 0 : l.operand(addend).at,
    addendMin: f32Bits(l.epilogue.min),
    addendMax: f32Bits(l.epilogue.max),
    handsOver: 0,
  };
}

/** Bits of an activation under a plan, or 0 when it stays in float32. */
export function activationBits(plan: LayerPlan | undefined): number {
  return plan === undefined ? 0 : activationWidth(plan);
}

/** What a linear step on integers reads beside its geometry. */
export interface IntegerOperands extends FusedWeights, ReturnType<typeof exactWords> {
  readonly q: QuantizedOperand;
  /** Per group: more than the layer has where pairs of terms are left out. */
  readonly channels: number;
}

/**
 * Quantizes the input of a layer and places its weights, both stacked where the plan leaves pairs of terms out.
 *
 * @param inner - another step runs the layer's: one product of all pairs, by weights that are here
 */
export function integerOperands(
  l: Lowering,
  x: Operand,
  series: WeightSeries,
  plan: LayerPlan,
  layout: ActivationLayout,
  depthwise: boolean,
  g: Geometry,
  selection?: TapSelection,
  inner = false,
): IntegerOperands {
  const bits = activationBits(plan);
  const stack = inner ? undefined : stackOf(series, plan);
  if (stack === undefined) {
    const exactness = exactnessOf(series, bits);
    const work = { depthwise, activationBits: bits, ...exactness };
    const isPlain = !depthwise && !inner;
    const view = { selection, isPlain, isTiled: isPlain && selection === undefined && isTiled(g) && isBordered(g) };
    const right = l.panels.place(series, work, layerShape(g), view);
    const q = narrowedActivation(l, x, right.kernel, layout, bits);
    return { ...right, ...exactWords(right.kernel, exactness, bits), q, channels: layout.channels };
  }
  const kept = Math.min(bits, LARGEST_STACKED);
  const channels = stackedChannels(layout.channels) * stack.products.length;
  const exactness = exactnessOfStack(series, stack, kept);
  // A stacked depthwise layer has several input channels in each of its groups.
  const work = { depthwise: false, activationBits: bits, ...exactness };
  const right = l.panels.place(series, work, { ...layerShape(g), channels }, { stack, selection });
  const q = stackActivation(l, x, right.kernel, layout, stack, new ActivationDigits(kept, plan.bits), kept);
  return { ...right, ...exactWords(right.kernel, exactness, bits), q, channels };
}

/** Emits the operands of a stack's products, side by side in every group of every pixel. */
function stackActivation(
  l: Lowering,
  x: Operand,
  kernel: Kernel,
  layout: ActivationLayout,
  { products }: Stack,
  digits: ActivationDigits,
  bits: number,
): QuantizedOperand {
  const q = quantizeActivation(l, x, kernel, layout, bits);
  const { samples, rowsPerSample, groups, channels, masked } = layout;
  const unitBytes = l.constants.core.exports.groupStride(kernel, channels);
  const kept = products.map(({ activationTerms }) => digits.slot(activationTerms));
  const slots = kept.length;
  const masks = kept.map(({ mask }) => mask).join("+");
  return l.once(`stack:${x.name}:${bits}:${digits.halves}:${samples}:${groups}:${masked}:${masks}`, () => {
    const units = rowsPerSample * groups;
    const output = l.allocate(samples * units * slots * unitBytes);
    const { halves } = digits;
    const { opcode, words } = step(Opcode.StackDigits, StackDigitsStep, {
      ...{ input: q.at, output, parameters: q.parameters, samples, units, unitBytes, halves, slots },
    });
    const behind = kept.flatMap(({ mask, offset }) => [mask, offset]);
    l.emit(
      { opcode, words: [...words, ...behind] },
      { kernel: "stack_digits", bytes: samples * units * (slots + 1) * unitBytes },
    );
    return { ...q, at: output };
  });
}

/**
 * The input of a layer whose weights stay in float32, rounded to the integers that its plan gives it: the layer's own activations times weights
 * of 1, which is the same rounding and the same scale as where weights are integers as well.
 */
export function roundedActivation(l: Lowering, x: Operand, plan: LayerPlan, layout: ActivationLayout): Operand {
  const bits = activationBits(plan);
  const { samples, rowsPerSample } = layout;
  const channels = layout.channels * layout.groups;
  return l.once(`round:${x.name}:${bits}:${samples}`, () => {
    const g = { ...matrixGeometry(samples, rowsPerSample, 1, 1), groups: channels };
    const units = ones(channels);
    const work = { depthwise: true, activationBits: bits, ...exactnessOf(units, bits) };
    const { kernel, weights, columnSums, scales } = l.panels.place(units, work, layerShape(g));
    const q = quantizeActivation(l, x, kernel, { ...layout, groups: channels, channels: 1, masked: true }, bits);
    const { exports } = l.constants.core;
    const scratchBytes = exports.scratchBytes(kernel, channels, 1, 1, rowsPerSample);
    const pixelStride = exports.pixelStride(kernel, channels, 1);
    const at = l.allocate(4 * samples * rowsPerSample * channels);
    l.emit(
      step(kernel, ConvStep, {
        ...g,
        ...{ weights, columnSums, scales },
        ...{
          input: q.at,
          output: at,
          bias: 0,
          parameters: q.parameters,
          mask: q.mask,
          rowsPerParameter: rowsPerSample,
        },
        ...{ batchStride: rowsPerSample * pixelStride, pixelStride, groupStride: exports.groupStride(kernel, 1) },
        ...{ outBatchStride: 4 * rowsPerSample * channels, outRowStride: 4 * rowsPerSample * channels },
        outPixelStride: 4 * channels,
        ...{ weightsBatchStride: 0, scalesBatchStride: 0, panelStride: 0, exactInInt32: 1, pairsPerBlock: 1, turns: 0 },
        ...NO_ACTIVATION,
        ...{ scratch: l.allocate(scratchBytes * l.threads), scratchBytes, slots: l.threads },
      }),
      { kernel: KERNELS[kernel], bytes: 6 * samples * rowsPerSample * channels },
    );
    return { ...x, at };
  });
}

/** 1 per channel, as a series. */
function ones(channels: number): WeightSeries {
  return {
    ...{
      name: `${INTERNAL}ones ${channels}`,
      shape: [channels, 1],
      axis: 0,
      rows: channels,
      columns: 1,
      bits: 8,
      terms: 1,
    },
    ...{ digits: "signed", scales: new Float32Array(channels).fill(1), planes: [new Uint8Array(channels).fill(1)] },
    ...{ largestL1: 1, largestSum: 1 },
  };
}

/** Where a bias vector lies, or 0. */
export function biasOf(l: Lowering, bias: Operand | undefined): Argument {
  if (bias === undefined) return 0;
  if (bias.type !== "float32") throw l.unsupported(`a bias of type ${bias.type}`);
  return bias.at;
}
