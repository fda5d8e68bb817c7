// The step driver of ConvI16 and ConvF32: cuts the output into blocks of rows (output pixels), the blocks into panels of 8 columns, these into
// tiles of 4 rows. The rows of a block stay in the second-level cache while all panels pass over them; a panel stays in the first-level cache
// while the tiles of a block pass over it.
// Threads share the row tiles, or, when there are few, the panels. Every output is computed whole by one thread, so its bits do not depend on that.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Blocking, Scratch } from "../../src/core/abi/scratch";
import { isDense, isPadded, pixelsOf, seesMasked, tapsOf } from "./geometry";
import { gemm_f32_1x32__simd, gemm_f32_1x8__simd, gemm_f32_4x8__scalar, gemm_f32_4x8__simd } from "./gemm_f32_4x8";
import {
  gemm_i16_i16_1x8__simd, gemm_i16_i16_4x8__scalar, gemm_i16_i16_4x8__simd, gemm_i16_i16_4x8_blocks, prepareShared__simd,
} from "./gemm_i16_i16_4x8";
import { isMergeable, isMerged, writeTable } from "./table";
import { Tile } from "./tile";
import { address, argument, share, slotOf } from "../step";

const NAN: u32 = 0x7fc00000;

export function convI16(step: usize, thread: i32, threads: i32): void {
  conv<i16>(step, thread, threads);
}

export function convF32(step: usize, thread: i32, threads: i32): void {
  conv<f32>(step, thread, threads);
}

function conv<T>(step: usize, thread: i32, threads: i32): void {
  const channels = argument(step, ConvStep.channels);
  const depth = isFloat<T>() ? channels : (channels + 1) >> 1;
  const taps = tapsOf(step);
  const panels = (argument(step, ConvStep.outChannels) + 7) >> 3;
  const pixels = pixelsOf(step);
  const rows = argument(step, ConvStep.batch) * pixels;
  const units = argument(step, ConvStep.groups) * panels;
  const tiles = (rows + 3) >> 2;
  let row = 0;
  let rowEnd = rows;
  let unit = 0;
  let unitEnd = units;
  if (tiles >= threads || tiles >= units) {
    row = share(tiles, thread, threads) << 2;
    rowEnd = min(rows, share(tiles, thread + 1, threads) << 2);
  } else {
    unit = share(units, thread, threads);
    unitEnd = share(units, thread + 1, threads);
  }
  if (row >= rowEnd || unit >= unitEnd) return;

  const scratch = address(step, ConvStep.scratch) +
    <usize>slotOf(thread, threads, argument(step, ConvStep.slots)) * address(step, ConvStep.scratchBytes);
  const dense = isDense(step);
  const merge = !dense && isMergeable(step, <usize>depth << 2);
  const padding = scratch + Scratch.padding;
  let table = padding;
  if (isPadded(step)) {
    table += <usize>((argument(step, ConvStep.groups) - 1) * argument(step, ConvStep.groupStride) + (depth << 2) + 15) & ~15;
    if (isFloat<T>()) memory.fill(padding, 0, table - padding);
  }
  let most = min<i32>(Blocking.rows, Blocking.bytes / (taps * (depth << 2)));
  if (!dense) most = min(most, <i32>(scratch + address(step, ConvStep.scratchBytes) - table) / (taps << 2));
  most = max(4, most & ~3);
  store<i32>(scratch, argument(step, ConvStep.activation), Tile.activation);
  store<i32>(scratch, argument(step, ConvStep.activationMin), Tile.low);
  store<i32>(scratch, argument(step, ConvStep.activationMax), Tile.high);
  store<i32>(scratch, argument(step, ConvStep.exactInInt32) ? 0 : argument(step, ConvStep.pairsPerBlock), Tile.pairsPerBlock);
  for (let i: usize = 0; i < 8; i++) store<f32>(scratch + Scratch.noBias + (i << 2), -0.0);

  const parameters = argument(step, ConvStep.parameters);
  const perParameter = argument(step, ConvStep.rowsPerParameter);
  while (row < rowEnd) {
    const sample = row / pixels;
    const pixel = row - sample * pixels;
    let count = min(min(most, rowEnd - row), pixels - pixel);
    const input = address(step, ConvStep.input) + <usize>(sample * argument(step, ConvStep.batchStride));
    if (isInteger<T>()) {
      if (perParameter > 1) count = min(count, perParameter - (row % perParameter));
      const entry = <usize>parameters + <usize>(row / perParameter) * ActivationParameters.bytes;
      store<usize>(scratch, entry, Tile.parameters);
      const zero = load<i16>(entry, ActivationParameters.zero);
      for (let at = padding; at < table; at += 2) store<i16>(at, zero);
    }
    if (!dense) writeTable(step, input, pixel, count, padding, table, merge);
    block<T>(step, scratch, input, table, dense, merge, sample, pixel, count, unit, unitEnd);
    if (isInteger<T>()) poison(step, sample, pixel, count, unit, unitEnd);
    row += count;
  }
}

/** All panels from `unit` on over `count` rows of a sample. */
function block<T>(
  step: usize, scratch: usize, input: usize, table: usize, dense: bool, merge: bool, sample: i32, pixel: i32, count: i32, unit: i32, unitEnd: i32,
): void {
  const channels = argument(step, ConvStep.channels);
  const depth = isFloat<T>() ? channels : (channels + 1) >> 1;
  const taps = tapsOf(step);
  const outChannels = argument(step, ConvStep.outChannels);
  const panels = (outChannels + 7) >> 3;
  const panelBytes = <usize>(taps * depth) << 5;
  const weights = address(step, ConvStep.weights) + <usize>(sample * argument(step, ConvStep.weightsBatchStride));
  const outStride = address(step, ConvStep.outPixelStride);
  const output = address(step, ConvStep.output) + <usize>(sample * argument(step, ConvStep.outBatchStride)) + <usize>pixel * outStride;
  const pixelStride = address(step, ConvStep.pixelStride);
  const first: usize = isInteger<T>() ? load<usize>(scratch, Tile.parameters) : 0;
  const entryStep: usize = argument(step, ConvStep.rowsPerParameter) == 1 ? <usize>ActivationParameters.bytes : 0;
  store<usize>(scratch, entryStep, Tile.parameterStep);
  const result = scratch + Scratch.result;
  while (unit < unitEnd) {
    const group = unit / panels;
    const panel = unit - group * panels;
    const columns = min(8, outChannels - (panel << 3));
    const offset = <usize>(group * argument(step, ConvStep.groupStride));
    const packed = weights + <usize>unit * panelBytes;
    const column = group * outChannels + (panel << 3);
    setColumns<T>(step, scratch, sample, column, columns);
    if (ASC_FEATURE_SIMD && isInteger<T>()) prepareShared__simd(scratch);
    const start = output + (<usize>column << 2);
    for (let r = 0; r < count; ) {
      const pointers = dense ? scratch + Scratch.pointers : table + <usize>(((r >> 2) * taps) << 4) + <usize>((r & 3) << 2);
      const live = r + 4 <= count ? 4 : 1;
      const merged = merge && live == 4 && isMerged(pointers, taps);
      const runs = merged ? taps / argument(step, ConvStep.kernelWidth) : taps;
      const run = merged ? depth * argument(step, ConvStep.kernelWidth) : depth;
      if (dense) {
        for (let i = 0; i < live; i++) {
          store<usize>(scratch + Scratch.pointers + (<usize>i << 2), input + <usize>(pixel + r + i) * pixelStride);
        }
      }
      const out = start + <usize>r * outStride;
      if (isInteger<T>()) store<usize>(scratch, first + <usize>r * entryStep, Tile.parameters);
      if (columns == 8) {
        store<usize>(scratch, out, Tile.output);
        store<usize>(scratch, outStride, Tile.outputStride);
        if (isFloat<T>() && ASC_FEATURE_SIMD) {
          if (count == 1 && unit + 4 <= unitEnd && (panel << 3) + 32 <= outChannels) {
            gemm_f32_1x32__simd(pointers, taps, depth, offset, packed, panelBytes, scratch);
            unit += 3;
            break;
          }
        }
        kernel<T>(pointers, live, runs, run, offset, packed, scratch);
      } else {
        store<usize>(scratch, result, Tile.output);
        store<usize>(scratch, 32, Tile.outputStride);
        kernel<T>(pointers, live, runs, run, offset, packed, scratch);
        for (let i = 0; i < live; i++) memory.copy(out + <usize>i * outStride, result + (<usize>i << 5), columns << 2);
      }
      r += live;
    }
    unit++;
  }
  if (isInteger<T>()) store<usize>(scratch, first, Tile.parameters);
}

@inline
function kernel<T>(table: usize, rows: i32, taps: i32, depth: i32, offset: usize, panel: usize, scratch: usize): void {
  if (isFloat<T>()) {
    if (!ASC_FEATURE_SIMD) gemm_f32_4x8__scalar(table, rows, taps, depth, offset, panel, scratch);
    else if (rows == 4) gemm_f32_4x8__simd(table, taps, depth, offset, panel, scratch);
    else gemm_f32_1x8__simd(table, taps, depth, offset, panel, scratch);
  } else if (load<i32>(scratch, Tile.pairsPerBlock) != 0) {
    gemm_i16_i16_4x8_blocks(table, rows, taps, depth, offset, panel, scratch);
  } else {
    if (!ASC_FEATURE_SIMD) gemm_i16_i16_4x8__scalar(table, rows, taps, depth, offset, panel, scratch);
    else if (rows == 4) gemm_i16_i16_4x8__simd(table, taps, depth, offset, panel, scratch);
    else gemm_i16_i16_1x8__simd(table, taps, depth, offset, panel, scratch);
  }
}

/** Points the tile at what belongs to `columns` output channels from `column` on; fewer than 8 are copied, so that 8 can be read. */
export function setColumns<T>(step: usize, scratch: usize, sample: i32, column: i32, columns: i32): void {
  const at = <usize>column << 2;
  const bias = address(step, ConvStep.bias);
  if (bias == 0) store<usize>(scratch, scratch + Scratch.noBias, Tile.bias);
  else store<usize>(scratch, whole(bias + at, scratch + Scratch.bias, columns), Tile.bias);
  if (isInteger<T>()) {
    const entry = at + (<usize>(sample * argument(step, ConvStep.scalesBatchStride)) << 2);
    store<usize>(scratch, whole(address(step, ConvStep.scales) + entry, scratch + Scratch.scales, columns), Tile.scales);
    store<usize>(scratch, whole(address(step, ConvStep.columnSums) + entry, scratch + Scratch.sums, columns), Tile.sums);
  }
}

@inline
function whole(from: usize, copy: usize, columns: i32): usize {
  if (columns == 8) return from;
  memory.fill(copy, 0, 32);
  memory.copy(copy, from, columns << 2);
  return copy;
}

/** Writes canonical NaN where a non-finite value went into the integers as z, or where the scale of a column is NaN. */
function poison(step: usize, sample: i32, pixel: i32, count: i32, unit: i32, unitEnd: i32): void {
  const outChannels = argument(step, ConvStep.outChannels);
  const panels = (outChannels + 7) >> 3;
  const row = sample * pixelsOf(step) + pixel;
  const perParameter = argument(step, ConvStep.rowsPerParameter);
  const stride = address(step, ConvStep.outPixelStride);
  const output = address(step, ConvStep.output) + <usize>(sample * argument(step, ConvStep.outBatchStride)) + <usize>pixel * stride;
  const scalesStride = argument(step, ConvStep.scalesBatchStride);
  if (perParameter == 1 || load<i32>(entryOf(step, row), ActivationParameters.nonFinite) != 0) {
    for (let r = 0; r < count; r++) {
      if (load<i32>(entryOf(step, row + r), ActivationParameters.nonFinite) == 0) continue;
      for (let u = unit; u < unitEnd; u++) {
        const group = u / panels;
        const panel = u - group * panels;
        if (!seesMasked(step, sample, pixel + r, group)) continue;
        const out = output + <usize>r * stride + (<usize>(group * outChannels + (panel << 3)) << 2);
        for (let c = min(8, outChannels - (panel << 3)) - 1; c >= 0; c--) store<u32>(out + (<usize>c << 2), NAN);
      }
    }
  }
  if (scalesStride == 0) return;
  const scales = address(step, ConvStep.scales) + (<usize>(sample * scalesStride) << 2);
  for (let c = unit << 3; c < min(unitEnd << 3, outChannels); c++) {
    const scale = load<f32>(scales + (<usize>c << 2));
    if (scale == scale) continue;
    for (let r = 0; r < count; r++) store<u32>(output + <usize>r * stride + (<usize>c << 2), NAN);
  }
}

@inline
function entryOf(step: usize, row: i32): usize {
  return address(step, ConvStep.parameters) + <usize>(row / argument(step, ConvStep.rowsPerParameter)) * ActivationParameters.bytes;
}
