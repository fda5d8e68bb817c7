// Sizes of what the linear steps (abi/conv.ts) read and write beside their tensors.
import { Blocking, Scratch } from "./abi/scratch.ts";

/** The words of a ConvStep that a picture, or a matrix, has no use for. */
export const FLAT = {
  ...{ inDepth: 1, outDepth: 1, kernelDepth: 1, strideDepth: 1, dilationDepth: 1, padFront: 0 },
} as const;

/** k-pairs of `channels` channels: int16 operands are read two at a time. */
export function pairsOf(channels: number): number {
  return Math.ceil(channels / 2);
}

/** Bytes of ConvI16's panels for all groups. */
export function panelBytesI16(groups: number, rowsPerGroup: number, taps: number, channels: number): number {
  return groups * Math.ceil(rowsPerGroup / 8) * taps * pairsOf(channels) * 32;
}

/** Bytes of ConvF32's panels for all groups. */
export function panelBytesF32(groups: number, rowsPerGroup: number, taps: number, channels: number): number {
  return groups * Math.ceil(rowsPerGroup / 8) * taps * channels * 32;
}

/** Bytes of DepthwiseI16's weights. */
export function depthwiseBytesI16(channels: number, taps: number): number {
  return Math.ceil(channels / 8) * Math.ceil(taps / 2) * 32;
}

/** Bytes of DepthwiseF32's weights. */
export function depthwiseBytesF32(channels: number, taps: number): number {
  return Math.ceil(channels / 8) * 32 * taps;
}

/** What decides the scratch of a linear step. */
export interface ScratchNeeds {
  readonly depthwise: boolean;
  readonly integer: boolean;
  /** kernelDepth · kernelHeight · kernelWidth. */
  readonly taps: number;
  /** Of a group. */
  readonly channels: number;
  readonly groups: number;
  /** Bytes between the groups of an input pixel. */
  readonly groupStride: number;
  /** outDepth · outHeight · outWidth. */
  readonly pixels: number;
}

/**
 * `scratchBytes` of a Conv or Depthwise step: 16-aligned bytes for each thread; less than this must not be given.
 *
 * @example
 * convScratchBytes({ depthwise: false, integer: true, taps: 9, channels: 64, groups: 1, groupStride: 0, pixels: 3136 }); // 4992
 */
export function convScratchBytes(needs: ScratchNeeds): number {
  const { taps, channels, groups, pixels } = needs;
  if (needs.depthwise) {
    const size = needs.integer ? 2 : 4;
    const padding = Math.ceil(groups / 8) * 8 * size;
    return align(Scratch.padding + padding + 4 * Math.min(Blocking.depthwisePixels, pixels) * 2 * Math.ceil(taps / 2));
  }
  const depthBytes = 4 * (needs.integer ? pairsOf(channels) : channels);
  const padding = align((groups - 1) * needs.groupStride + depthBytes);
  const rows = Math.min(Blocking.rows, Math.ceil(pixels / 4) * 4, Math.floor(Blocking.bytes / (taps * depthBytes)));
  return align(Scratch.padding + padding + 4 * taps * Math.max(4, rows - (rows % 4)));
}

/**
 * `pairsPerBlock` of ConvI16: k-pairs whose raw sum stays below 2^31.
 * @param weight - largest |Q_W|
 * @param activation - largest |q|, 2^(n−1)
 */
export function pairsPerBlock(weight: number, activation: number): number {
  return Math.max(1, Math.floor((2 ** 31 - 1) / (2 * Math.max(weight, 1) * activation)));
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
