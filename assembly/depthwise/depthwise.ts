// The step driver of DepthwiseI16 and DepthwiseF32 (channel multiplier 1). Output pixels go in runs: inside of a row, where no tap needs padding, one
// table of row pointers serves all of them; along borders every pixel has its own. Then all blocks of 8 channels pass over the run. Threads share the pixels, or, when there are few, the blocks.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { setColumns } from "../gemm/conv";
import { advanceOf, insideFrom, insideTo, isPadded, isRowInside, seesMasked, writePointers } from "../gemm/geometry";
import { address, argument, Scratch, share, Tile } from "../gemm/tile";
import { depthwise_f32_4x8__scalar, depthwise_f32_4x8__simd } from "./depthwise_f32_4x8";
import { depthwise_i16_i16_4x8__scalar, depthwise_i16_i16_4x8__simd } from "./depthwise_i16_i16_4x8";

const NAN: u32 = 0x7fc00000;
const MOST_PIXELS: i32 = 64;

export function depthwiseI16(step: usize, thread: i32, threads: i32): void {
  depthwise<i16>(step, thread, threads);
}

export function depthwiseF32(step: usize, thread: i32, threads: i32): void {
  depthwise<f32>(step, thread, threads);
}

/** Taps with a pointer: two at a time in int16. */
@inline
function tapsOf<T>(step: usize): i32 {
  const taps = argument(step, ConvStep.kernelHeight) * argument(step, ConvStep.kernelWidth);
  return isFloat<T>() ? taps : (taps + 1) & ~1;
}

function depthwise<T>(step: usize, thread: i32, threads: i32): void {
  const channels = argument(step, ConvStep.groups);
  const blocks = (channels + 7) >> 3;
  const taps = argument(step, ConvStep.kernelHeight) * argument(step, ConvStep.kernelWidth);
  const slots = tapsOf<T>(step);
  const pixels = argument(step, ConvStep.outHeight) * argument(step, ConvStep.outWidth);
  const rows = argument(step, ConvStep.batch) * pixels;
  let row = 0;
  let rowEnd = rows;
  let first = 0;
  let end = blocks;
  if (rows >= 2 * threads || rows >= blocks) {
    row = share(rows, thread, threads);
    rowEnd = share(rows, thread + 1, threads);
  } else {
    first = share(blocks, thread, threads);
    end = share(blocks, thread + 1, threads);
  }
  if (row >= rowEnd || first >= end) return;

  const scratch = address(step, ConvStep.scratch) + <usize>thread * address(step, ConvStep.scratchBytes);
  const padding = scratch + Scratch.padding;
  let table = padding;
  if (isPadded(step)) {
    table += <usize>blocks * 8 * sizeof<T>();
    if (isFloat<T>()) memory.fill(padding, 0, table - padding);
  }
  const room = <i32>(scratch + address(step, ConvStep.scratchBytes) - table);
  const most = max(1, min(MOST_PIXELS, room / (slots << 2)));
  store<i32>(scratch, argument(step, ConvStep.activation), Tile.activation);
  store<i32>(scratch, argument(step, ConvStep.activationMin), Tile.low);
  store<i32>(scratch, argument(step, ConvStep.activationMax), Tile.high);
  store<usize>(scratch, argument(step, ConvStep.outPixelStride), Tile.outputStride);
  for (let i: usize = 0; i < 8; i++) store<f32>(scratch + Scratch.noBias + (i << 2), -0.0);

  const perParameter = argument(step, ConvStep.rowsPerParameter);
  const outWidth = argument(step, ConvStep.outWidth);
  const from = insideFrom(step);
  const to = insideTo(step);
  while (row < rowEnd) {
    const sample = row / pixels;
    const pixel = row - sample * pixels;
    const column = pixel % outWidth;
    const inside = column >= from && column < to && isRowInside(step, pixel / outWidth);
    let count = min(rowEnd - row, inside ? to - column : borderRun(step, pixel, min(most, pixels - pixel), from, to));
    let nonFinite = 0;
    if (isInteger<T>()) {
      count = min(count, perParameter - (row % perParameter));
      const entry = address(step, ConvStep.parameters) + <usize>(row / perParameter) * ActivationParameters.bytes;
      store<usize>(scratch, entry, Tile.parameters);
      nonFinite = load<i32>(entry, ActivationParameters.nonFinite);
      const zero = load<i16>(entry, ActivationParameters.zero);
      for (let at = padding; at < table; at += 2) store<i16>(at, zero);
    }
    const input = address(step, ConvStep.input) + <usize>(sample * argument(step, ConvStep.batchStride));
    const tables = inside ? 1 : count;
    for (let i = 0; i < tables; i++) {
      const pointers = table + <usize>((i * slots) << 2);
      writePointers(step, input, pixel + i, padding, pointers, 4);
      if (slots > taps) store<usize>(pointers + (<usize>taps << 2), load<usize>(pointers));
    }
    const tableStep: usize = inside ? 0 : <usize>slots << 2;
    const advance: usize = inside ? advanceOf(step) : 0;
    for (let b = first; b < end; b++) block<T>(step, scratch, table, tableStep, advance, sample, pixel, count, b);
    if (nonFinite != 0) poison(step, sample, pixel, count, first << 3, min(channels, end << 3));
    row += count;
  }
}

/** Pixels from `pixel` on, at most `most`, until one that lies inside. */
function borderRun(step: usize, pixel: i32, most: i32, from: i32, to: i32): i32 {
  const outWidth = argument(step, ConvStep.outWidth);
  const row = pixel / outWidth;
  const column = pixel - row * outWidth;
  if (from >= to) return most;
  if (column < from && isRowInside(step, row)) return min(most, from - column);
  const left = outWidth - column;
  return min(most, isRowInside(step, row + 1) ? left + from : left);
}

/** 8 channels, or what is left of them, of `count` pixels. */
function block<T>(
  step: usize, scratch: usize, table: usize, tableStep: usize, advance: usize, sample: i32, pixel: i32, count: i32, b: i32,
): void {
  const channels = argument(step, ConvStep.groups);
  const columns = min(8, channels - (b << 3));
  const slots = tapsOf<T>(step);
  const outStride = address(step, ConvStep.outPixelStride);
  const out = address(step, ConvStep.output) + <usize>(sample * argument(step, ConvStep.outBatchStride)) +
    <usize>pixel * outStride + (<usize>b << 5);
  setColumns<T>(step, scratch, sample, b << 3, columns);
  store<usize>(scratch, out, Tile.output);
  const weights = address(step, ConvStep.weights);
  if (isFloat<T>()) {
    const tapBytes = <usize>((channels + 7) & ~7) << 2;
    if (ASC_FEATURE_SIMD) {
      if (columns == 8) {
        depthwise_f32_4x8__simd(table, tableStep, advance, count, slots, <usize>b << 5, weights + (<usize>b << 5), tapBytes, scratch);
        return;
      }
    }
    depthwise_f32_4x8__scalar(table, tableStep, advance, count, slots, <usize>b << 5, weights + (<usize>b << 5), tapBytes, columns, scratch);
    return;
  }
  const panel = weights + ((<usize>b * <usize>slots) << 4);
  if (columns == 8) {
    kernelI16(table, tableStep, advance, count, slots, <usize>b << 4, panel, scratch);
    return;
  }
  const result = scratch + Scratch.result;
  store<usize>(scratch, result, Tile.output);
  for (let i = 0; i < count; i++) {
    kernelI16(table + <usize>i * tableStep, 0, 0, 1, slots, (<usize>b << 4) + <usize>i * advance, panel, scratch);
    memory.copy(out + <usize>i * outStride, result, columns << 2);
  }
}

@inline
function kernelI16(
  table: usize, tableStep: usize, advance: usize, pixels: i32, taps: i32, offset: usize, weights: usize, tile: usize,
): void {
  if (ASC_FEATURE_SIMD) depthwise_i16_i16_4x8__simd(table, tableStep, advance, pixels, taps, offset, weights, tile);
  else depthwise_i16_i16_4x8__scalar(table, tableStep, advance, pixels, taps, offset, weights, tile);
}

/** Writes canonical NaN to the outputs of channels from…end − 1 that see a non-finite value. */
function poison(step: usize, sample: i32, pixel: i32, count: i32, from: i32, end: i32): void {
  const stride = address(step, ConvStep.outPixelStride);
  let out = address(step, ConvStep.output) + <usize>(sample * argument(step, ConvStep.outBatchStride)) + <usize>pixel * stride;
  for (let i = 0; i < count; i++, out += stride) {
    for (let c = from; c < end; c++) {
      if (seesMasked(step, sample, pixel + i, c)) store<u32>(out + (<usize>c << 2), NAN);
    }
  }
}
