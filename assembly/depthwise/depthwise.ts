// The step driver of DepthwiseI16 and DepthwiseF32 (channel multiplier 1). Output pixels go in runs: inside of a row, where no tap needs padding, one
// table of row pointers serves all of them; along borders every pixel has its own. In f32, whose pointers move by themselves, a run may lie in a row of outputs some of whose taps are above or below
// the input: single pixels there took half of the time of 5 × 5 layers over few lines. Pixels go as many at a time as a kernel takes through all blocks of 8 channels, so that every line of the
// cache is read where it is met. Threads share the pixels, or, when there are few, the blocks.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Blocking, Scratch } from "../../src/core/abi/scratch";
import { setColumns } from "../gemm/conv";
import { handOver, heldOutput, heldPixels } from "../gemm/hand-over";
import { advanceOf, insideFrom, insideTo, isPadded, isRowInside, pixelsOf, seesMasked, tapsOf, writePointers } from "../gemm/geometry";
import { beginTiles, endRow, Tile } from "../gemm/tile";
import { COLUMNS, paddingBytes, pointersOf } from "../layout";
import { address, argument, share, slotOf } from "../step";
import { depthwise_f32_1x8__scalar, depthwise_f32_3x8__simd, depthwise_f32_4x4__simd } from "./depthwise_f32_4x4";
import {
  depthwise_i16_i16_1x8__scalar, depthwise_i16_i16_1x8__simd, depthwise_i16_i16_1x8_blocks__simd, depthwise_i16_i16_3x8__simd,
} from "./depthwise_i16_i16_3x8";

const NAN: u32 = 0x7fc00000;

export function depthwiseI16(step: usize, thread: i32, threads: i32): void {
  depthwise<i16>(step, thread, threads);
}

export function depthwiseF32(step: usize, thread: i32, threads: i32): void {
  depthwise<f32>(step, thread, threads);
}

function depthwise<T>(step: usize, thread: i32, threads: i32): void {
  const channels = argument(step, ConvStep.groups);
  const blocks = (channels + COLUMNS - 1) / COLUMNS;
  const taps = tapsOf(step);
  const slots = pointersOf(argument(step, 0), tapsOf(step));
  const pixels = pixelsOf(step);
  const rows = argument(step, ConvStep.batch) * pixels;
  let row = 0;
  let rowEnd = rows;
  let first = 0;
  let end = blocks;
  const handsOver = argument(step, ConvStep.handsOver) != 0;
  if (handsOver || rows >= 2 * threads || rows >= blocks) {
    row = share(rows, thread, threads);
    rowEnd = share(rows, thread + 1, threads);
  } else {
    first = share(blocks, thread, threads);
    end = share(blocks, thread + 1, threads);
  }
  if (row >= rowEnd || first >= end) return;

  const scratch = address(step, ConvStep.scratch) +
    <usize>slotOf(thread, threads, argument(step, ConvStep.slots)) * address(step, ConvStep.scratchBytes);
  const padding = scratch + Scratch.padding;
  let table = padding;
  if (isPadded(step)) {
    table += <usize>paddingBytes(argument(step, 0), channels, 1);
    if (isFloat<T>()) memory.fill(padding, 0, table - padding);
  }
  const room = <i32>(scratch + address(step, ConvStep.scratchBytes) - table);
  const most = max(1, min<i32>(Blocking.depthwisePixels, room / (slots << 2)));
  beginTiles(step, scratch);
  store<usize>(scratch, argument(step, ConvStep.outPixelStride), Tile.outputStride);

  const perParameter = argument(step, ConvStep.rowsPerParameter);
  const outWidth = argument(step, ConvStep.outWidth);
  const from = insideFrom(step);
  const to = insideTo(step);
  while (row < rowEnd) {
    const sample = row / pixels;
    const pixel = row - sample * pixels;
    const column = pixel % outWidth;
    const inside = column >= from && column < to && (isFloat<T>() ? most > 1 : isRowInside(step, pixel / outWidth));
    let count = min(rowEnd - row, inside ? to - column : borderRun<T>(step, pixel, min(most, pixels - pixel), from, to));
    if (handsOver) count = min(count, heldPixels(step));
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
    store<usize>(scratch, handsOver ? heldOutput(step, thread, threads) : outputOf(step, sample, pixel), Scratch.block);
    const tables = inside ? (isFloat<T>() ? 2 : 1) : count;
    for (let i = 0; i < tables; i++) {
      const pointers = table + <usize>((i * slots) << 2);
      writePointers(step, input, pixel + i, padding, pointers, 4);
      if (slots > taps) store<usize>(pointers + (<usize>taps << 2), load<usize>(pointers));
    }
    if (isFloat<T>() && inside) toSteps(table, table + (<usize>slots << 2));
    const tableStep: usize = inside ? 0 : <usize>slots << 2;
    const advance: usize = inside ? advanceOf(step) : 0;
    const whole = min(end, channels >> 3);
    if (first < whole) blocksOf<T>(step, scratch, table, tableStep, advance, sample, count, first, whole);
    if (end > whole) lastBlock<T>(step, scratch, table, tableStep, advance, sample, count, whole);
    if (nonFinite != 0) poison(step, load<usize>(scratch, Scratch.block), sample, pixel, count, first << 3, min(channels, end << 3));
    if (handsOver) handOver(step, scratch, load<usize>(scratch, Scratch.block), sample, pixel, count);
    row += count;
  }
}

/** Makes of the pointers from `next` on, of a second pixel, the bytes that those from `table` on, of a first, move by to become them. */
function toSteps(table: usize, next: usize): void {
  for (const bytes = next - table, end = next; table < end; table += 4) store<usize>(table + bytes, load<usize>(table + bytes) - load<usize>(table));
}

/** Pixels from `pixel` on, at most `most`, until one that lies inside. */
function borderRun<T>(step: usize, pixel: i32, most: i32, from: i32, to: i32): i32 {
  const outWidth = argument(step, ConvStep.outWidth);
  const row = pixel / outWidth;
  const column = pixel - row * outWidth;
  if (from >= to) return most;
  if (column < from && (isFloat<T>() || isRowInside(step, row))) return min(most, from - column);
  const left = outWidth - column;
  return min(most, isFloat<T>() || isRowInside(step, row + 1) ? left + from : left);
}

/** Whole blocks first…end − 1 of `count` pixels. */
function blocksOf<T>(
  step: usize, scratch: usize, table: usize, tableStep: usize, advance: usize, sample: i32, count: i32, first: i32, end: i32,
): void {
  const slots = pointersOf(argument(step, 0), tapsOf(step));
  const weights = address(step, ConvStep.weights);
  let out = load<usize>(scratch, Scratch.block) + (<usize>first << 5);
  setColumns(step, argument(step, 0), scratch, sample, first << 3, 8);
  let offset = <usize>first * (8 * sizeof<T>());
  const blocks = end - first;
  if (isFloat<T>()) {
    const from = weights + <usize>(first * slots << 5);
    const steps: usize = tableStep == 0 ? <usize>slots << 2 : 0;
    let moved: usize = 0;
    if (ASC_FEATURE_SIMD) {
      if (tableStep == 0) {
        const wide = widthAbreast(step);
        const some = wide > 0 ? 4 : 3;
        for (; count >= some; count -= some, moved += <usize>some) {
          if (wide == 3) depthwise_f32_4x4__simd<i8>(table, steps, moved, slots, offset, blocks, from, scratch, out);
          else if (wide == 5) depthwise_f32_4x4__simd<i16>(table, steps, moved, slots, offset, blocks, from, scratch, out);
          else depthwise_f32_3x8__simd<i32>(table, steps, moved, slots, offset, blocks, from, scratch, out);
          out = ended(scratch, out, some, blocks << 3);
        }
      }
    }
    for (const one: usize = tableStep == 0 ? 1 : 0; count > 0; count--, moved += one, table += tableStep) {
      if (ASC_FEATURE_SIMD) depthwise_f32_3x8__simd<i8>(table, steps, moved, slots, offset, blocks, from, scratch, out);
      else depthwise_f32_1x8__scalar(table, steps, moved, slots, offset, blocks << 3, from, scratch, out);
      out = ended(scratch, out, 1, blocks << 3);
    }
    return;
  }
  const from = weights + ((<usize>first * <usize>slots) << 4);
  if (ASC_FEATURE_SIMD) {
    if (tableStep == 0 && load<i32>(scratch, Tile.pairsPerBlock) == 0) {
      for (; count >= 3; count -= 3, offset += 3 * advance) {
        depthwise_i16_i16_3x8__simd(table, advance, slots, offset, blocks, from, scratch, out);
        out = ended(scratch, out, 3, blocks << 3);
      }
    }
  }
  for (; count > 0; count--, table += tableStep, offset += advance) {
    pixelI16(table, slots, offset, blocks, from, scratch, out);
    out = ended(scratch, out, 1, blocks << 3);
  }
}

/** Columns of a kernel that has one of the kernels in which pixels share columns, or 0. */
function widthAbreast(step: usize): i32 {
  const wide = argument(step, ConvStep.kernelWidth);
  if ((wide != 3 && wide != 5) || (argument(step, ConvStep.strideWidth) | argument(step, ConvStep.dilationWidth)) != 1) return 0;
  // Four channels at a time meet a line of the cache four times, by which time lines so far apart have driven it out: 512 channels, 5 × 5 0.57 times as fast, 3 × 3 0.87.
  return (argument(step, ConvStep.pixelStride) & 2047) == 0 ? 0 : wide;
}

/** The channels from block `b` on, fewer than 8, of `count` pixels. */
function lastBlock<T>(
  step: usize, scratch: usize, table: usize, tableStep: usize, advance: usize, sample: i32, count: i32, b: i32,
): void {
  const channels = argument(step, ConvStep.groups);
  const columns = channels - (b << 3);
  const slots = pointersOf(argument(step, 0), tapsOf(step));
  const weights = address(step, ConvStep.weights);
  const result = scratch + Scratch.result;
  let out = load<usize>(scratch, Scratch.block) + (<usize>b << 5);
  let offset = <usize>b * (8 * sizeof<T>());
  setColumns(step, argument(step, 0), scratch, sample, b << 3, columns);
  const steps: usize = tableStep == 0 ? <usize>slots << 2 : 0;
  for (let moved: usize = 0; count > 0; count--, table += tableStep) {
    if (isFloat<T>()) {
      depthwise_f32_1x8__scalar(table, steps, moved, slots, offset, columns, weights + <usize>(b * slots << 5), scratch, out);
      if (tableStep == 0) moved++;
    } else {
      pixelI16(table, slots, offset, 1, weights + ((<usize>b * <usize>slots) << 4), scratch, result);
      memory.copy(out, result, columns << 2);
      offset += advance;
    }
    out = ended(scratch, out, 1, columns);
  }
}

/** Ends `columns` outputs of `rows` pixels from `out` on, where they need more than a Clip: where the next pixel's lie. Kernels that branched for it at every vector took 4 … 10 % longer. */
function ended(tile: usize, out: usize, rows: i32, columns: i32): usize {
  const stride = load<usize>(tile, Tile.outputStride);
  const next = out + <usize>rows * stride;
  if (load<i32>(tile, Tile.form) != 0) {
    for (; out < next; out += stride) endRow(tile, out, columns);
  }
  return next;
}

@inline
function outputOf(step: usize, sample: i32, pixel: i32): usize {
  return address(step, ConvStep.output) + <usize>(sample * argument(step, ConvStep.outBatchStride)) +
    <usize>pixel * address(step, ConvStep.outPixelStride);
}

@inline
function pixelI16(table: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize): void {
  if (!ASC_FEATURE_SIMD) depthwise_i16_i16_1x8__scalar(table, taps, offset, blocks, weights, tile, out);
  else if (load<i32>(tile, Tile.pairsPerBlock) != 0) depthwise_i16_i16_1x8_blocks__simd(table, taps, offset, blocks, weights, tile, out);
  else depthwise_i16_i16_1x8__simd(table, taps, offset, blocks, weights, tile, out);
}

/** Writes canonical NaN to the outputs of channels from…end − 1 that see a non-finite value; `out`: of the first pixel. */
function poison(step: usize, out: usize, sample: i32, pixel: i32, count: i32, from: i32, end: i32): void {
  const stride = address(step, ConvStep.outPixelStride);
  for (let i = 0; i < count; i++, out += stride) {
    for (let c = from; c < end; c++) {
      if (seesMasked(step, sample, pixel + i, c)) store<u32>(out + (<usize>c << 2), NAN);
    }
  }
}
