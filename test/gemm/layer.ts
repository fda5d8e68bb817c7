// What the tests of linear steps say of a layer, and seeded ones.
import type { Activation } from "../../src/core/abi/conv.ts";
import type { RelaxedDots } from "../../src/core/index.ts";

/** Mulberry32: numbers in [0, 1). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Shape {
  readonly batch: number;
  readonly inDepth: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly channels: number;
  readonly groups: number;
  readonly outChannels: number;
  readonly kernelDepth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideDepth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationDepth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** front, back. */
  readonly depthPads: readonly [number, number];
}

export interface Linear {
  readonly shape: Shape;
  readonly depthwise?: boolean;
  /** NHWC. */
  readonly input: Float32Array;
  /** Integers (ConvI16) or f32, OHWI; [channel][tap] for depthwise. */
  readonly weights: Float32Array;
  readonly scales: Float32Array;
  readonly bias?: Float32Array;
  readonly activation?: Activation;
  readonly low?: number;
  readonly high?: number;
  /** y·factor + shift in the end. */
  readonly factor?: number;
  readonly shift?: number;
  /** What is added then, dense, and bounds of the sum. */
  readonly addend?: Float32Array;
  readonly addendMin?: number;
  readonly addendMax?: number;
  /** n; 0 for f32. */
  readonly bits: number;
  /** One entry per row (pixel) instead of per sample. */
  readonly perRow?: boolean;
  /** Quantize writes the pads, which the linear step then has not; pictures whose pads do not crop. */
  readonly border?: boolean;
  readonly blocks?: boolean;
  /** Without it, blocks take their turns from the weights. */
  readonly pairsPerBlock?: number;
  /** Bits of every weight; default 16. */
  readonly weightBits?: number;
  /** What chooses ConvU7, whose panels hold weights of −64 … 63 and 64. */
  readonly dots?: RelaxedDots;
  /** WinogradI16, where the shape allows it. */
  readonly isTiled?: boolean;
  /** Zero points of the rows: the digits hold Q = weights + zero. */
  readonly zeros?: Int32Array;
}

export const plain = (shape: Partial<Shape>): Shape => ({
  batch: 1,
  inDepth: 1,
  inHeight: 1,
  inWidth: 1,
  channels: 1,
  groups: 1,
  outChannels: 1,
  kernelDepth: 1,
  kernelHeight: 1,
  kernelWidth: 1,
  strideDepth: 1,
  strideHeight: 1,
  strideWidth: 1,
  dilationDepth: 1,
  dilationHeight: 1,
  dilationWidth: 1,
  pads: [0, 0, 0, 0],
  depthPads: [0, 0],
  ...shape,
});

/** Depth, height and width of the output. */
export function outSize(s: Shape): [number, number, number] {
  const d = s.inDepth + s.depthPads[0] + s.depthPads[1] - (s.kernelDepth - 1) * s.dilationDepth - 1;
  const h = s.inHeight + s.pads[0] + s.pads[2] - (s.kernelHeight - 1) * s.dilationHeight - 1;
  const w = s.inWidth + s.pads[1] + s.pads[3] - (s.kernelWidth - 1) * s.dilationWidth - 1;
  return [Math.floor(d / s.strideDepth) + 1, Math.floor(h / s.strideHeight) + 1, Math.floor(w / s.strideWidth) + 1];
}

/** Bits with every NaN as 7fc00000. */
export function canonical(values: Float32Array): Int32Array {
  return Int32Array.from(new Int32Array(values.buffer, values.byteOffset, values.length), (b, i) =>
    Number.isNaN(values[i]) ? 0x7fc00000 : b,
  );
}

export function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** A seeded linear layer of a shape. */
export function layer(
  shape: Shape,
  options: Omit<Partial<Linear>, "shape"> & { seed: number; bits: number; largest?: number; withBias?: boolean },
): Linear {
  const next = random(options.seed);
  const { batch, inDepth, inHeight, inWidth, channels, groups, outChannels } = shape;
  const taps = shape.kernelDepth * shape.kernelHeight * shape.kernelWidth;
  const { largest = 119, bits } = options;
  const normal = () => next() + next() + next() - 1.5;
  const total = groups * outChannels;
  const weights = Float32Array.from({ length: total * taps * channels }, () =>
    bits > 0 ? Math.round((2 * next() - 1) * largest) : normal(),
  );
  return {
    shape,
    input: Float32Array.from(
      { length: batch * inDepth * inHeight * inWidth * channels * groups },
      () => 4 * normal() + 0.7,
    ),
    weights,
    scales: Float32Array.from({ length: total }, () => 0.001 + next() * 0.01),
    ...(options.withBias === false ? {} : { bias: Float32Array.from({ length: total }, normal) }),
    ...options,
  };
}
