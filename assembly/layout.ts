// How the kernels of the linear steps (src/core/abi/conv.ts) read weights and operands: the one place that knows. Sizes are exported, so that
// TypeScript asks and computes none; they are f64, which holds every number of bytes that a hostile shape may give.
// A kernel is named by its opcode. A layer has `groups` groups of `rows` output channels each, `taps` positions of its kernel and `channels` input
// channels per group; a depthwise layer has one row and one channel in each of its groups.
import { Opcode } from "../src/core/abi/opcode";
import { Blocking, Scratch } from "../src/core/abi/scratch";
import { HAS_QUADS } from "./gemm/mac";

/**
 * Output channels side by side in a panel. Weights, f32: [group][ceil(rows/8)][tap][channel][8]; i16: [group][ceil(rows/8)][tap][pair][8][2], pairs of
 * channels, and i8 the same; i4: gemm/gemm_i4_4x16.ts; u7: [group][ceil(rows/8)][tap][quad][8][4], quads of channels; what is missing is 0, of u7 anything. Depthwise, i16: [ceil(groups/8)][pair of taps][8][2]; f32: [tap][groups rounded up to 8].
 */
export const COLUMNS: i32 = 8;

/** Winograd kernels, [ceil(rows/8)][position][word][8 columns]: positions of a tile, which stand for the nine taps; those follow, as ConvI16 and ConvF32 have them. */
export const POSITIONS: i32 = 36;

@inline
export function isDepthwise(kernel: i32): bool {
  return kernel == Opcode.DepthwiseI16 || kernel == Opcode.DepthwiseF32;
}

@inline
function isTiled(kernel: i32): bool {
  return kernel == Opcode.WinogradI16 || kernel == Opcode.WinogradF32;
}

@inline
export function isFloatKernel(kernel: i32): bool {
  return kernel == Opcode.ConvF32 || kernel == Opcode.DepthwiseF32 || kernel == Opcode.WinogradF32;
}

/** A depthwise layer's weights [groups][taps] are packed as those of a matrix: rows, taps and depth of the panels. */
@inline
export function rowsIn(kernel: i32, groups: i32, rows: i32): i32 {
  return isDepthwise(kernel) ? groups : rows;
}

@inline
export function tapsIn(kernel: i32, taps: i32): i32 {
  if (isDepthwise(kernel)) return 1;
  return isTiled(kernel) ? POSITIONS + taps : taps;
}

@inline
export function depthIn(kernel: i32, taps: i32, channels: i32): i32 {
  return isDepthwise(kernel) ? taps : channels;
}

/** 32-bit words of an operand over `depth` channels: one f32, two i16, or four i8, which one instruction multiplies. */
@inline
export function wordsOf(kernel: i32, depth: i32): i32 {
  if (HAS_QUADS && kernel == Opcode.ConvU7) return (depth + 3) >> 2;
  return isFloatKernel(kernel) ? depth : (depth + 1) >> 1;
}

/** Bytes of a panel for a column and a word of depth. */
@inline
export function weightBytes(kernel: i32): i32 {
  return kernel == Opcode.ConvI8 || kernel == Opcode.ConvI4 ? 2 : 4;
}

/** Output channels of a panel: what a layer's rows must be cut at to be used in part. */
export function panelColumns(kernel: i32): i32 {
  return kernel == Opcode.ConvI4 ? 2 * COLUMNS : COLUMNS;
}

/** Entries of `scales` and `columnSums` that whole panels have; behind the sums of ConvU7 follow the offsets of its columns, as many. */
export function paddedRows(kernel: i32, rows: i32): f64 {
  return <f64>up(rows, panelColumns(kernel));
}

/** Bytes of all panels. */
export function panelBytes(kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32): f64 {
  const columns = isDepthwise(kernel) ? up(groups, COLUMNS) : <i64>groups * up(rows, panelColumns(kernel));
  return <f64>(columns * <i64>tapsIn(kernel, taps) * <i64>wordsOf(kernel, depthIn(kernel, taps, channels)) * weightBytes(kernel));
}

/** Bytes of one group's part of an input pixel. */
export function groupStride(kernel: i32, channels: i32): f64 {
  return <f64>(<i64>wordsOf(kernel, channels) * 4);
}

/** Bytes of an input pixel; of a depthwise layer on integers, whole blocks of channels. */
export function pixelStride(kernel: i32, groups: i32, channels: i32): f64 {
  if (kernel == Opcode.DepthwiseI16) return <f64>(up(groups, COLUMNS) * 2);
  return <f64>groups * groupStride(kernel, channels);
}

/** `scratchBytes` of a step with `pixels` output pixels per sample; a kernel never needs more, and goes slower with less. */
export function scratchBytes(kernel: i32, groups: i32, taps: i32, channels: i32, pixels: i32): f64 {
  if (isTiled(kernel)) return <f64>(<i64>Scratch.padding + (2 + min(<i64>mostTiles(kernel, channels), up(pixels, 4))) * <i64>tileBytes(kernel, channels));
  const table = <i64>(isDepthwise(kernel) ? min<i32>(Blocking.depthwisePixels, pixels) : min(blockRows(kernel, taps, channels), <i32>up(pixels, 4)));
  return <f64>(up64(<i64>Scratch.padding + paddingBytes(kernel, groups, channels) + table * <i64>pointersOf(kernel, taps) * 4) + widenedBytes(kernel, taps, channels));
}

/** Bytes at the end of the scratch for a panel of int8 as one of int16. */
export function widenedBytes(kernel: i32, taps: i32, channels: i32): i64 {
  return kernel == Opcode.ConvI8 ? <i64>taps * <i64>wordsOf(kernel, channels) * (4 * COLUMNS) : 0;
}

/** Tiles of a Winograd kernel whose inputs stay in the second-level cache together, and whose sums for a panel in the first. */
export function mostTiles(kernel: i32, channels: i32): i32 {
  return max(4, min<i32>(Blocking.tiles, <i32>(<i64>Blocking.tileBytes / <i64>tileBytes(kernel, channels))) & ~3);
}

/** Bytes of scratch that a tile takes: inputs and sums of a panel at all positions, a pointer and a flag. Two tiles more hold the inputs of one at the edge, and 32 bytes twice for each position. */
export function tileBytes(kernel: i32, channels: i32): usize {
  return <usize>POSITIONS * ((<usize>wordsOf(kernel, channels) << 2) + 32) + 16;
}

/** Bytes of the row that padded positions read, 16-aligned. */
export function paddingBytes(kernel: i32, groups: i32, channels: i32): i64 {
  return up64(isDepthwise(kernel) ? up(groups, COLUMNS) * (isFloatKernel(kernel) ? 4 : 2) : <i64>pixelStride(kernel, groups, channels));
}

/** Row pointers of an output pixel: integer depthwise kernels take taps two at a time, and ConvU7 has a sum beside them. */
@inline
export function pointersOf(kernel: i32, taps: i32): i32 {
  if (HAS_QUADS && kernel == Opcode.ConvU7) return taps + 1;
  return kernel == Opcode.DepthwiseI16 ? (taps + 1) & ~1 : taps;
}

/** Output pixels, a multiple of 4, whose operands stay in the second-level cache together. */
export function blockRows(kernel: i32, taps: i32, channels: i32): i32 {
  const most = <i64>Blocking.bytes / (<i64>taps * <i64>groupStride(kernel, channels));
  return max(4, min<i32>(Blocking.rows, <i32>most) & ~3);
}

@inline
function up(count: i32, step: i32): i64 {
  return ((<i64>count + step - 1) / step) * step;
}

@inline
function up64(bytes: i64): i64 {
  return (bytes + 15) & ~15;
}
