import { Opcode } from "./abi/opcode.ts";
import type { Core } from "./core.ts";
import type { RelaxedDots } from "./relaxed.ts";

/** Kernels of the linear steps (abi/conv.ts), named by the opcodes of their steps. What they read is answered by the core: assembly/layout.ts. */
export type Kernel =
  | Opcode.ConvI16
  | Opcode.ConvI8
  | Opcode.ConvI4
  | Opcode.ConvU7
  | Opcode.WinogradI16
  | Opcode.ConvF32
  | Opcode.WinogradF32
  | Opcode.DepthwiseI16
  | Opcode.DepthwiseF32;

/** Names by the grammar of ARCHITECTURE.md. */
export const KERNELS: { readonly [kernel in Kernel]: string } = {
  [Opcode.ConvI16]: "gemm_i16_i16_4x8",
  [Opcode.ConvI8]: "gemm_i8_i16_4x8",
  [Opcode.ConvI4]: "gemm_i4_i16_4x16",
  [Opcode.ConvU7]: "gemm_u7_i8_4x8",
  [Opcode.WinogradI16]: "winograd_i16_i16_4x8",
  [Opcode.WinogradF32]: "winograd_f32_4x8",
  [Opcode.ConvF32]: "gemm_f32_4x8",
  [Opcode.DepthwiseI16]: "depthwise_i16_i16_3x8",
  [Opcode.DepthwiseF32]: "depthwise_f32_4x4",
};

/** What decides the kernel of a linear layer. */
export interface LinearWork {
  readonly depthwise: boolean;
  /** Bits of two's complement that hold every fused weight Q − zero; of no account in float32. */
  readonly weightBits: number;
  /** Bits of an activation; 0: float32. */
  readonly activationBits: number;
  /** Output channels of a group, and input channels of a group. */
  readonly rows: number;
  readonly channels: number;
  /** Whether the sums are proved to stay within int32. */
  readonly exactInInt32: boolean;
  /** Largest |Σ Q·q|, the sum before the correction by zero points. */
  readonly largestSum: number;
  /** Whether it is a convolution that WinogradI16 computes, whatever its channels. */
  readonly isTiled?: boolean | undefined;
  /** The relaxed dot products that are worth it here, for a layer whose operand may be int8; absent: none. */
  readonly dots?: RelaxedDots | undefined;
}

/** Channels from which on the sums of rows, and a last word that is not full, cost less than ConvU7 wins. */
const LEAST_QUADS = 32;
/**
 * Sums in int16, over ConvI8 at 64 and 196×768×768: 1.55 … 1.75 times as fast for 4 bits, 1.25 … 1.4 for 5, 0.8 … 1.05 for 6, whose sums are widened too often;
 * at 784×64×128 0.97, 0.91 and 0.75.
 */
const MOST_SHORT_BITS = 5;
const LEAST_SHORT = 128;

/** Channels from which on WinogradI16 and WinogradF32 are worth their transformations. */
const LEAST_TILED = 16;
/** Weights of a tap that WinogradF32, which takes 180 bytes for each, may have: as many as stay in a cache. */
const MOST_TILED = 128 * 128;
/** The same of WinogradI16, which takes 90 bytes where ConvI8 takes 9. */
const MOST_TILED_INTEGERS = 256 * 256;

/** Output channels of a group up to which pixels are the lanes (assembly/gemm/gemm_8x2.ts). */
const FEW_ROWS = 2;

/** The kernel of a linear layer: the only place where one is chosen. */
export function chooseKernel(work: LinearWork): Kernel {
  const { depthwise, weightBits, activationBits, exactInInt32, dots } = work;
  if (activationBits === 0) {
    if (depthwise) return Opcode.DepthwiseF32;
    return work.isTiled && hasFloatTiles(work) ? Opcode.WinogradF32 : Opcode.ConvF32;
  }
  // The weights of a depthwise layer are few.
  if (depthwise) return Opcode.DepthwiseI16;
  const narrow =
    weightBits <= 7 && activationBits <= 8 && exactInInt32 && work.rows >= 8 && work.channels >= LEAST_QUADS;
  if (narrow && dots?.sums32) return Opcode.ConvU7;
  // 36 products for 144: over ConvI8 1.65 times as fast at 16 → 16 channels, 2.3 at 32 → 32, 2.5 at 64 → 64. Transformed, weights have almost 6 bits more and activations 7, and 64 times the sums is what is known of them.
  const fitsTiles = weightBits <= 10 && activationBits <= 9 && work.largestSum < 2 ** 25;
  if (work.isTiled && fitsTiles && fillsTiles(work, MOST_TILED_INTEGERS)) return Opcode.WinogradI16;
  // Two columns in an int16: 2^12 times the high sum must fit int32, and the low sum be taken out every 4 k-pairs at least; a panel of 16 columns must not
  // be half empty, and the low sum is taken out after every tap: over ConvI8, 1.6 times as fast at 64×768×768, 1.25 at 3136×64×128, 0.8 at 12544×16×96.
  const fits = weightBits <= 4 && activationBits <= 6 && exactInInt32 && work.largestSum < 2 ** 19;
  if (fits && work.rows > 8 && work.channels >= 32) return Opcode.ConvI4;
  if (narrow && weightBits <= MOST_SHORT_BITS && work.channels >= LEAST_SHORT && dots?.sums16) return Opcode.ConvU7;
  // Sums of 8-bit weights that leave int32 are too rare for a kernel of their own; the weights of so few rows are few, and ConvI16 has tiles for them.
  return weightBits <= 8 && exactInInt32 && work.rows > FEW_ROWS ? Opcode.ConvI8 : Opcode.ConvI16;
}

/** Whether WinogradF32 is worth it for a convolution that it computes. */
export function hasFloatTiles(work: Pick<LinearWork, "rows" | "channels">): boolean {
  return fillsTiles(work, MOST_TILED);
}

function fillsTiles({ rows, channels }: Pick<LinearWork, "rows" | "channels">, most: number): boolean {
  return rows % 8 === 0 && channels >= LEAST_TILED && rows * channels <= most;
}

/** Whether a step is a linear one. */
export function isKernel(opcode: Opcode): opcode is Kernel {
  return opcode in KERNELS;
}

export function isFloatKernel(kernel: Kernel): boolean {
  return kernel === Opcode.ConvF32 || kernel === Opcode.DepthwiseF32 || kernel === Opcode.WinogradF32;
}

/** The weights of a layer: a depthwise one has a group per channel, with one row and one channel. */
export interface Layer {
  readonly kernel: Kernel;
  readonly groups: number;
  /** Output channels of a group. */
  readonly rows: number;
  /** Positions of the convolution's kernel. */
  readonly taps: number;
  /** Input channels of a group. */
  readonly channels: number;
}

export type LayerArguments = [kernel: Kernel, groups: number, rows: number, taps: number, channels: number];

/** A layer as the core's functions take it. */
export function layerOf({ kernel, groups, rows, taps, channels }: Layer): LayerArguments {
  return [kernel, groups, rows, taps, channels];
}

/** The taps that a Winograd kernel's panels end with: a layer of its own, and where its panels begin. */
export function tapsBehind({ exports }: Pick<Core, "exports">, layer: Layer): Layer & { readonly offset: number } {
  const taps: Layer = { ...layer, kernel: isFloatKernel(layer.kernel) ? Opcode.ConvF32 : Opcode.ConvI16 };
  return { ...taps, offset: exports.panelBytes(...layerOf(layer)) - exports.panelBytes(...layerOf(taps)) };
}

/**
 * `pairsPerBlock` of an integer kernel: k-pairs whose raw sum stays below 2^31.
 * @param weight - largest |Q_W|
 * @param activation - largest |q|, 2^(n−1)
 */
export function pairsPerBlock(weight: number, activation: number): number {
  return Math.max(1, Math.floor((2 ** 31 - 1) / (2 * Math.max(weight, 1) * activation)));
}

/** `pairsPerBlock` of ConvI4: k-pairs whose low sum, |w| ≤ 7, stays within 12 bits. */
export function lowPairs(activationBits: number): number {
  return Math.floor((2 ** 11 - 1) / (2 * 7 * 2 ** (activationBits - 1)));
}

/** The words of a ConvStep that a picture, or a matrix, has no use for. */
export const FLAT = {
  ...{ inDepth: 1, outDepth: 1, kernelDepth: 1, strideDepth: 1, dilationDepth: 1, padFront: 0 },
} as const;
