// The step driver of ConvI16, ConvI8, ConvI4, ConvU7 and ConvF32: cuts the output into blocks of rows (output pixels), the blocks into panels of columns, these into
// tiles of 4 rows. The rows of a block stay in the second-level cache while all panels pass over them; a panel stays in the first-level cache
// while the tiles of a block pass over it.
// Threads share the row tiles, or, when there are few, the panels: each part of the rows reads all weights, and widens those of int8. Every output is computed whole by one thread, so its bits do not
// depend on that.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Opcode } from "../../src/core/abi/opcode";
import { Scratch } from "../../src/core/abi/scratch";
import { blockRows, isFloatKernel, paddingBytes, panelBytes, panelColumns, pointersOf, widenedBytes, wordsOf } from "../layout";
import { address, argument, share, slotOf } from "../step";
import { gemm_1x16__simd, gemm_1x32__simd, gemm_1x8__simd, gemm_4x8__scalar, gemm_4x8__simd } from "./gemm_4x8";
import { gemm_4x8_blocks } from "./gemm_4x8_blocks";
import { gemm_1x8_turns__simd, MOST_PAIRS } from "./gemm_4x8_turns";
import { gemm_8x2__simd, NARROW } from "./gemm_8x2";
import { gemm_i4_1x16__simd, gemm_i4_4x16__scalar, gemm_i4_4x16__simd } from "./gemm_i4_4x16";
import { gemm_u7_4x8_turns__simd } from "./gemm_u7_4x8";
import { isDense, isPadded, outputOf, pixelsOf, seesMasked, tapsOf } from "./geometry";
import { beginIntegers, handOver, heldOutput, heldPixels, isMadeInTiles, pointAtIntegers } from "./hand-over";
import { HAS_QUADS } from "./mac";
import { rowSums } from "./quads";
import { isMergeable, isMerged, writeDense, writeTable } from "./table";
import { beginTiles, prepareShared__simd, Tile } from "./tile";

const NAN: u32 = 0x7fc00000;

/** Tiles of a part of the rows: of fewer, the weights take more than a twentieth of the time (7×7 pixels of 960 channels in 8 parts 192 → 237 µs, by panels 194). */
const LEAST_TILES: i32 = 8;

export function conv(step: usize, thread: i32, threads: i32): void {
  const kernel = argument(step, 0);
  const channels = argument(step, ConvStep.channels);
  const words = wordsOf(kernel, channels);
  const taps = tapsOf(step);
  const wide = panelColumns(kernel);
  const panels = (argument(step, ConvStep.outChannels) + wide - 1) / wide;
  const pixels = pixelsOf(step);
  const rows = argument(step, ConvStep.batch) * pixels;
  const units = argument(step, ConvStep.groups) * panels;
  const tiles = (rows + 3) >> 2;
  let row = 0;
  let rowEnd = rows;
  let unit = 0;
  let unitEnd = units;
  const handsOver = argument(step, ConvStep.handsOver) != 0;
  const few = tiles < LEAST_TILES * threads && units >= 2 * threads;
  if (handsOver || (!few && (tiles >= threads || tiles >= units))) {
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
  const merge = !dense && isMergeable(step, <usize>words << 2);
  const padding = scratch + Scratch.padding;
  let table = padding;
  if (isPadded(step)) {
    table += <usize>paddingBytes(kernel, argument(step, ConvStep.groups), channels);
    if (isFloatKernel(kernel)) memory.fill(padding, 0, table - padding);
  }
  const room = <i32>(widened(step, scratch) - table) / (pointersOf(kernel, taps) << 2);
  const most = max(4, min(blockRows(kernel, taps, channels), room) & ~3);
  const sums = table + ((<usize>most * <usize>taps) << 2);
  beginTiles(step, scratch);

  // Rows of the output that are one run of pixels: a block may hold several.
  const outWidth = argument(step, ConvStep.outWidth);
  const joined = argument(step, ConvStep.outRowStride) == outWidth * argument(step, ConvStep.outPixelStride);
  const parameters = address(step, ConvStep.parameters);
  const perParameter = argument(step, ConvStep.rowsPerParameter);
  while (row < rowEnd) {
    const sample = row / pixels;
    const pixel = row - sample * pixels;
    const left = min(rowEnd - row, pixels - pixel);
    let count = min(most, left);
    // Whole tiles, and what is left of a sample by itself.
    const integers = handsOver && left > 3 && isMadeInTiles(step, scratch, parameters + <usize>sample * ActivationParameters.bytes);
    if (integers) count &= ~3;
    else if (handsOver) count = min(count, heldPixels(step) & ~3);
    if (!joined) count = min(count, outWidth - pixel % outWidth);
    const input = address(step, ConvStep.input) + <usize>(sample * argument(step, ConvStep.batchStride));
    if (!isFloatKernel(kernel)) {
      if (perParameter > 1) count = min(count, perParameter - (row % perParameter));
      const entry = parameters + <usize>(row / perParameter) * ActivationParameters.bytes;
      store<usize>(scratch, entry, Tile.parameters);
      const zero = load<i16>(entry, ActivationParameters.zero);
      if (HAS_QUADS && kernel == Opcode.ConvU7) padQuads(step, padding, table, channels, zero);
      else for (let at = padding; at < table; at += 2) store<i16>(at, zero);
    }
    store<usize>(scratch, handsOver ? heldOutput(step, thread, threads) : outputOf(step, sample, pixel), Scratch.block);
    if (dense) writeDense(step, input, pixel, count, table);
    else writeTable(step, input, pixel, count, padding, table, merge);
    if (integers) beginIntegers(step, scratch, sample, pixel, count);
    const outputs = load<usize>(scratch, Scratch.block);
    block(step, scratch, table, sums, merge ? argument(step, ConvStep.kernelWidth) : 0, sample, pixel, count, unit, unitEnd, integers);
    if (!isFloatKernel(kernel) && !integers) poison(step, outputs, sample, pixel, count, unit, unitEnd);
    if (handsOver && !integers) handOver(step, scratch, outputs, sample, pixel, count);
    row += count;
  }
}

/** Bytes z for padded positions, but 0 where a group has fewer channels than its words hold. */
function padQuads(step: usize, padding: usize, end: usize, channels: i32, zero: i32): void {
  memory.fill(padding, <u8>zero, end - padding);
  const bytes = <usize>wordsOf(Opcode.ConvU7, channels) << 2;
  const surplus = bytes - channels;
  if (surplus == 0) return;
  for (let at = padding + channels; at < end; at += bytes) memory.fill(at, 0, surplus);
}

/**
 * All panels from `unit` on over `count` rows of a sample, whose pointers are in `table`; `width`: taps that a merged tile has in one, or 0; `sums`:
 * room for an i32 per row. `integers`: written as those of the next layer.
 */
function block(
  step: usize, scratch: usize, table: usize, sums: usize, width: i32, sample: i32, pixel: i32, count: i32, unit: i32, unitEnd: i32, integers: bool,
): void {
  const kernel = argument(step, 0);
  const words = wordsOf(kernel, argument(step, ConvStep.channels));
  const taps = tapsOf(step);
  const outChannels = argument(step, ConvStep.outChannels);
  const wide = panelColumns(kernel);
  const panels = (outChannels + wide - 1) / wide;
  const apart = address(step, ConvStep.panelStride);
  const bytes = apart != 0 ? apart : <usize>panelBytes(kernel, 1, 1, taps, argument(step, ConvStep.channels));
  const weights = address(step, ConvStep.weights) + <usize>(sample * argument(step, ConvStep.weightsBatchStride));
  const outStride = address(step, ConvStep.outPixelStride);
  const output = load<usize>(scratch, Scratch.block);
  const first: usize = isFloatKernel(kernel) ? 0 : load<usize>(scratch, Tile.parameters);
  const entryStep: usize = !isFloatKernel(kernel) && argument(step, ConvStep.rowsPerParameter) == 1 ? <usize>ActivationParameters.bytes : 0;
  store<usize>(scratch, entryStep, Tile.parameterStep);
  store<usize>(scratch, outStride, Tile.outputStride);
  const result = scratch + Scratch.result;
  let summed = -1;
  while (unit < unitEnd) {
    const group = unit / panels;
    const panel = unit - group * panels;
    const columns = min(wide, outChannels - panel * wide);
    const offset = <usize>(group * argument(step, ConvStep.groupStride));
    const packed = weights + <usize>unit * bytes;
    const column = group * outChannels + panel * wide;
    const start = output + (<usize>column << 2);
    if (HAS_QUADS && kernel == Opcode.ConvU7) {
      if (group != summed) rowSums(table, count, taps, width, words, offset, sums);
      summed = group;
    }
    if (ASC_FEATURE_SIMD) {
      const left = min(unitEnd - unit, outChannels / wide - panel);
      const quarter = left >> 2;
      if (count == 1 && quarter > 0 && kernel == Opcode.ConvF32) {
        setColumns(step, kernel, scratch, sample, column, wide);
        store<usize>(scratch, start, Tile.output);
        gemm_1x32__simd(table, taps, words, offset, packed, bytes, scratch, quarter);
        unit += quarter << 2;
        continue;
      }
      if (count < 4 && left >= 2 && load<i32>(scratch, Tile.pairsPerBlock) == 0) {
        for (let r = 0; r < count; r++) {
          setColumns(step, kernel, scratch, sample, column, wide);
          store<usize>(scratch, start + <usize>r * outStride, Tile.output);
          store<usize>(scratch, first + <usize>r * entryStep, Tile.parameters);
          if (HAS_QUADS) store<usize>(scratch, sums + (<usize>r << 2), Tile.rowSums);
          const pointers = table + (<usize>r << 2);
          if (kernel == Opcode.ConvF32) gemm_1x16__simd<f32>(pointers, taps, words, offset, packed, bytes, scratch);
          else if (kernel == Opcode.ConvI8) gemm_1x16__simd<i8>(pointers, taps, words, offset, packed, bytes, scratch);
          else if (HAS_QUADS && kernel == Opcode.ConvU7) gemm_1x16__simd<u8>(pointers, taps, words, offset, packed, bytes, scratch);
          else gemm_1x16__simd<i16>(pointers, taps, words, offset, packed, bytes, scratch);
        }
        unit += 2;
        continue;
      }
    }
    setColumns(step, kernel, scratch, sample, column, columns);
    if (HAS_QUADS && kernel == Opcode.ConvU7) setQuads(step, scratch, unit);
    else setTurns(step, scratch, unit);
    const whole = columns == wide;
    store<usize>(scratch, whole ? outStride : wide << 2, Tile.outputStride);
    if (ASC_FEATURE_SIMD && !isFloatKernel(kernel)) {
      store<usize>(scratch, first, Tile.parameters);
      prepareShared__simd(scratch);
    }
    if (ASC_FEATURE_SIMD && count >= 4 && kernel == Opcode.ConvI8) widen__simd(packed, widened(step, scratch), <usize>(taps * words));
    let r = 0;
    if (ASC_FEATURE_SIMD && columns <= NARROW && entryStep == 0 && (kernel == Opcode.ConvF32 || kernel == Opcode.ConvI16)) {
      if (load<i32>(scratch, Tile.pairsPerBlock) == 0 || kernel == Opcode.ConvF32) {
        r = count & ~3;
        store<usize>(scratch, outStride, Tile.outputStride);
        store<usize>(scratch, start, Tile.output);
        if (kernel == Opcode.ConvF32) gemm_8x2__simd<f32>(table, r >> 2, taps, width, words, offset, packed, scratch, columns);
        else gemm_8x2__simd<i16>(table, r >> 2, taps, width, words, offset, packed, scratch, columns);
        store<usize>(scratch, wide << 2, Tile.outputStride);
      }
    }
    while (r < count) {
      const left = (count - r) >> 2;
      const tiles = whole ? left : min(1, left);
      const rows = tiles > 0 ? tiles << 2 : 1;
      const pointers = table + ((<usize>(r >> 2) * <usize>taps) << 4) + (<usize>(r & 3) << 2);
      const out = start + <usize>r * outStride;
      store<usize>(scratch, whole ? out : result, Tile.output);
      if (integers) pointAtIntegers(step, scratch, sample, pixel + r, column);
      store<usize>(scratch, first + <usize>r * entryStep, Tile.parameters);
      if (HAS_QUADS) store<usize>(scratch, sums + (<usize>r << 2), Tile.rowSums);
      if (kernel == Opcode.ConvF32) rowsOf<f32>(pointers, tiles, taps, width, words, offset, packed, scratch);
      else if (kernel == Opcode.ConvI4) rowsOfI4(pointers, tiles, taps, width, words, offset, packed, scratch);
      else if (kernel == Opcode.ConvI8) {
        if (ASC_FEATURE_SIMD && tiles > 0) rowsOf<i16>(pointers, tiles, taps, width, words, offset, widened(step, scratch), scratch);
        else rowsOf<i8>(pointers, tiles, taps, width, words, offset, packed, scratch);
      }
      else if (HAS_QUADS && kernel == Opcode.ConvU7) rowsOf<u8>(pointers, tiles, taps, width, words, offset, packed, scratch);
      else rowsOf<i16>(pointers, tiles, taps, width, words, offset, packed, scratch);
      if (!whole) {
        for (let i = 0; i < rows; i++) memory.copy(out + <usize>i * outStride, result + <usize>(i * wide << 2), columns << 2);
      }
      r += rows;
    }
    unit++;
  }
  store<usize>(scratch, first, Tile.parameters);
}

/** Where a panel of int8 is one of int16. */
@inline
function widened(step: usize, scratch: usize): usize {
  return scratch + address(step, ConvStep.scratchBytes) - <usize>widenedBytes(argument(step, 0), tapsOf(step), argument(step, ConvStep.channels));
}

/** Makes a panel of int8 one of int16, once for the tiles of a block: widened in every tile they were 4 … 6 % slower from 12 rows on. */
function widen__simd(panel: usize, to: usize, words: usize): void {
  for (const end = to + (words << 5); to < end; panel += 16, to += 32) {
    v128.store(to, v128.load_ext<i8>(panel));
    v128.store(to, v128.load_ext<i8>(panel, 8), 16);
  }
}

/** Points the tile at the turns of panel `unit`. Where weights are made while the model runs, one pair less than fits leaves room for the rest of a turn. */
@inline
function setTurns(step: usize, tile: usize, unit: i32): void {
  const turns = address(step, ConvStep.turns);
  const pairs = (argument(step, ConvStep.channels) + 1) >> 1;
  store<usize>(tile, turns == 0 ? tile + Tile.turn : turns + <usize>unit * <usize>(tapsOf(step) * pairs), Tile.turns);
  store<usize>(tile, turns == 0 ? 0 : 1, Tile.turnStep);
  store<i32>(tile, min(load<i32>(tile, Tile.pairsPerBlock) - 1, 255), Tile.turn);
}

/** Tells the tile how many words of depth of panel `unit` fit in int16; 0 where they are summed in int32. */
@inline
function setQuads(step: usize, tile: usize, unit: i32): void {
  const turns = address(step, ConvStep.turns);
  store<i32>(tile, turns == 0 ? 0 : <i32>load<u8>(turns + unit), Tile.quads);
}

/** `tiles` tiles of four rows, or one row when there are none, under one panel. */
function rowsOf<T>(table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, scratch: usize): void {
  const blocks = sizeof<T>() == 2 && load<i32>(scratch, Tile.pairsPerBlock) != 0;
  if (ASC_FEATURE_SIMD) {
    if (sizeof<T>() == 1 && !isSigned<T>()) {
      if (tiles > 0 && load<i32>(scratch, Tile.quads) != 0) {
        gemm_u7_4x8_turns__simd(table, tiles, taps, width, words, offset, panel, scratch);
        return;
      }
    }
    if (!blocks) {
      // Tiles of int8 are widened before.
      if (tiles == 0 || (sizeof<T>() == 1 && isSigned<T>())) gemm_1x8__simd<T>(table, taps, words, offset, panel, scratch);
      else gemm_4x8__simd<T, i32>(table, tiles, taps, width, words, offset, panel, scratch);
      return;
    }
    if (sizeof<T>() == 2) {
      if (load<u8>(load<usize>(scratch, Tile.turns)) > 0 && taps * words < MOST_PAIRS) {
        if (tiles > 0) gemm_4x8__simd<i16, i64>(table, tiles, taps, width, words, offset, panel, scratch);
        else gemm_1x8_turns__simd(table, taps, words, offset, panel, scratch);
        return;
      }
    }
  }
  const rows = tiles > 0 ? 4 : 1;
  const outStep = <usize>rows * load<usize>(scratch, Tile.outputStride);
  const entryStep = <usize>rows * load<usize>(scratch, Tile.parameterStep);
  do {
    const merged = width > 0 && tiles > 0 && isMerged(table, taps);
    const runs = merged ? taps / width : taps;
    const run = merged ? words * width : words;
    if (sizeof<T>() == 2) {
      if (blocks) gemm_4x8_blocks<T>(table, rows, runs, run, offset, panel, scratch);
    }
    if (!ASC_FEATURE_SIMD) {
      if (!blocks) gemm_4x8__scalar<T>(table, rows, runs, run, offset, panel, scratch);
    }
    table += <usize>taps << 4;
    store<usize>(scratch, load<usize>(scratch, Tile.output) + outStep, Tile.output);
    store<usize>(scratch, load<usize>(scratch, Tile.parameters) + entryStep, Tile.parameters);
    if (HAS_QUADS) store<usize>(scratch, load<usize>(scratch, Tile.rowSums) + (rows << 2), Tile.rowSums);
  } while (--tiles > 0);
}

/** The same for two columns in one int16. */
function rowsOfI4(table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, scratch: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (tiles > 0) gemm_i4_4x16__simd(table, tiles, taps, width, words, offset, panel, scratch);
    else gemm_i4_1x16__simd(table, taps, words, offset, panel, scratch);
    return;
  }
  const rows = tiles > 0 ? 4 : 1;
  const outStep = <usize>rows * load<usize>(scratch, Tile.outputStride);
  const entryStep = <usize>rows * load<usize>(scratch, Tile.parameterStep);
  do {
    const merged = width > 0 && tiles > 0 && isMerged(table, taps);
    gemm_i4_4x16__scalar(table, rows, merged ? taps / width : taps, merged ? words * width : words, offset, panel, scratch);
    table += <usize>taps << 4;
    store<usize>(scratch, load<usize>(scratch, Tile.output) + outStep, Tile.output);
    store<usize>(scratch, load<usize>(scratch, Tile.parameters) + entryStep, Tile.parameters);
  } while (--tiles > 0);
}

/** Points the tile at what belongs to `columns` output channels from `column` on; fewer than a panel has are copied, so that all can be read. */
export function setColumns(step: usize, kernel: i32, scratch: usize, sample: i32, column: i32, columns: i32): void {
  const at = <usize>column << 2;
  const wide = panelColumns(kernel);
  const bias = address(step, ConvStep.bias);
  if (bias == 0) store<usize>(scratch, scratch + Scratch.noBias, Tile.bias);
  else store<usize>(scratch, whole(bias + at, scratch + Scratch.bias, columns, wide), Tile.bias);
  if (isFloatKernel(kernel)) return;
  const entry = at + (<usize>(sample * argument(step, ConvStep.scalesBatchStride)) << 2);
  store<usize>(scratch, whole(address(step, ConvStep.scales) + entry, scratch + Scratch.scales, columns, wide), Tile.scales);
  store<usize>(scratch, whole(address(step, ConvStep.columnSums) + entry, scratch + Scratch.sums, columns, wide), Tile.sums);
  if (!HAS_QUADS || kernel != Opcode.ConvU7) return;
  const total = (argument(step, ConvStep.groups) * argument(step, ConvStep.outChannels) + wide - 1) & -wide;
  const offsets = address(step, ConvStep.columnSums) + ((<usize>total) << 2) + at;
  store<usize>(scratch, whole(offsets, scratch + Scratch.offsets, columns, wide), Tile.offsets);
}

@inline
function whole(from: usize, copy: usize, columns: i32, wide: i32): usize {
  if (columns == wide) return from;
  memory.fill(copy, 0, wide << 2);
  memory.copy(copy, from, columns << 2);
  return copy;
}

/** Writes canonical NaN where a non-finite value went into the integers as z, or where the scale of a column is NaN; `output`: that of the first pixel. */
export function poison(step: usize, output: usize, sample: i32, pixel: i32, count: i32, unit: i32, unitEnd: i32): void {
  const outChannels = argument(step, ConvStep.outChannels);
  const wide = panelColumns(argument(step, 0));
  const panels = (outChannels + wide - 1) / wide;
  const row = sample * pixelsOf(step) + pixel;
  const perParameter = argument(step, ConvStep.rowsPerParameter);
  const stride = address(step, ConvStep.outPixelStride);
  const scalesStride = argument(step, ConvStep.scalesBatchStride);
  if (perParameter == 1 || load<i32>(entryOf(step, row), ActivationParameters.nonFinite) != 0) {
    for (let r = 0; r < count; r++) {
      if (load<i32>(entryOf(step, row + r), ActivationParameters.nonFinite) == 0) continue;
      for (let u = unit; u < unitEnd; u++) {
        const group = u / panels;
        const panel = u - group * panels;
        if (!seesMasked(step, sample, pixel + r, group)) continue;
        const out = output + <usize>r * stride + (<usize>(group * outChannels + panel * wide) << 2);
        for (let c = min(wide, outChannels - panel * wide) - 1; c >= 0; c--) store<u32>(out + (<usize>c << 2), NAN);
      }
    }
  }
  if (scalesStride == 0) return;
  const scales = address(step, ConvStep.scales) + (<usize>(sample * scalesStride) << 2);
  for (let c = unit * wide; c < min(unitEnd * wide, outChannels); c++) {
    const scale = load<f32>(scales + (<usize>c << 2));
    if (scale == scale) continue;
    for (let r = 0; r < count; r++) store<u32>(output + <usize>r * stride + (<usize>c << 2), NAN);
  }
}

@inline
function entryOf(step: usize, row: i32): usize {
  return address(step, ConvStep.parameters) + <usize>(row / argument(step, ConvStep.rowsPerParameter)) * ActivationParameters.bytes;
}
