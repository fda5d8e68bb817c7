// Tiles of 4 output pixels × 8 output channels, for all whole tiles of a panel in one call, and of 1 pixel × 8 or 16 channels.
// table: per tile of 4 rows, [tap][4] row pointers, to which `offset` is added; a row holds `words` words of depth (mac.ts). A tile that table.ts
// has merged has a tap per kernel row, `width` times as long. panel: [tap][word][8 columns].
// f32: every output is the sum of its products in order of depth (tap by tap), from −0, since −0 + x = x; integers: see tile.ts. Both builds agree.
// One call per tile took as long as 8 words of depth (1×1, 12544×16→96: 19 instead of 30 GMAC/s).
import { Scratch } from "../../src/core/abi/scratch";
import { beginHalves__simd, joinedHalves__simd, LEFT, lowered__simd, weighed__simd } from "./gemm_4x8_turns";
import { integers__simd } from "./hand-over";
import { HAS_QUADS, left__simd, mac__scalar, mac__simd, right__simd, wordBytes } from "./mac";
import { surplus__scalar, surplus__simd } from "./quads";
import { isMerged } from "./table";
import { affine__simd, corrected32__scalar, corrected32__simd, finish__scalar, finish__simd, Form, hardSwish__simd, joined__simd, moveColumns, scaled__scalar, scaled__simd, Tile } from "./tile";

/**
 * `width`: taps of a kernel row if tiles may be merged, else 0. S: the type that sums fit; those of i64 leave int32, and are made in turns that do not
 * (gemm_4x8_turns.ts).
 */
export function gemm_4x8__simd<T, S>(
  table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, tile: usize,
): void {
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const form = load<i32>(tile, Tile.form);
  const sum = load<i32>(tile, Tile.sum);
  const stride = load<usize>(tile, Tile.outputStride);
  const step = load<usize>(tile, Tile.parameterStep);
  const bias0 = v128.load(load<usize>(tile, Tile.bias));
  const bias1 = v128.load(load<usize>(tile, Tile.bias), 16);
  let entry = load<usize>(tile, Tile.parameters);
  let out = load<usize>(tile, Tile.output);
  let rowSum: usize = HAS_QUADS ? load<usize>(tile, Tile.rowSums) : 0;
  const halves = tile + Scratch.sums32;
  const turnStep = load<usize>(tile, Tile.turnStep);
  const line = load<i32>(tile, Scratch.linePixels);
  let left = load<i32>(tile, Scratch.lineLeft);
  for (; tiles > 0; tiles--) {
    let c00 = isFloat<T>() ? f32x4.splat(-0.0) : v128.load(tile, Scratch.starts);
    let c01 = isFloat<T>() ? f32x4.splat(-0.0) : v128.load(tile, Scratch.starts + 16);
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    if (sizeof<S>() == 8) {
      beginHalves__simd(tile, entry, step, halves);
      c00 = v128.load(halves, LEFT);
      c01 = v128.load(halves, LEFT + 16);
      c10 = v128.load(halves, LEFT + 32);
      c11 = v128.load(halves, LEFT + 48);
      c20 = v128.load(halves, LEFT + 64);
      c21 = v128.load(halves, LEFT + 80);
      c30 = v128.load(halves, LEFT + 96);
      c31 = v128.load(halves, LEFT + 112);
    }
    if (sizeof<T>() == 1 && !isSigned<T>()) {
      c00 = i32x4.sub(c00, surplus__simd(tile, rowSum, 0));
      c01 = i32x4.sub(c01, surplus__simd(tile, rowSum, 16));
      c10 = i32x4.sub(c10, surplus__simd(tile, rowSum + 4, 0));
      c11 = i32x4.sub(c11, surplus__simd(tile, rowSum + 4, 16));
      c20 = i32x4.sub(c20, surplus__simd(tile, rowSum + 8, 0));
      c21 = i32x4.sub(c21, surplus__simd(tile, rowSum + 8, 16));
      c30 = i32x4.sub(c30, surplus__simd(tile, rowSum + 12, 0));
      c31 = i32x4.sub(c31, surplus__simd(tile, rowSum + 12, 16));
      rowSum += 16;
    }
    const next = table + (<usize>taps << 4);
    const merged = width > 0 && isMerged(table, taps);
    const end = merged ? table + (<usize>(taps / width) << 4) : next;
    const run = <usize>(merged ? words * width : words) * wordBytes<T>();
    let b = panel;
    let turns = load<usize>(tile, Tile.turns);
    let room: usize = 0;
    do {
      // One address moves, and three follow from it: the whole networks' time is 2 … 7 % less than where four move.
      let a = load<usize>(table) + offset;
      const to1 = load<usize>(table, 4) + offset - a;
      const to2 = load<usize>(table, 8) + offset - a;
      const to3 = load<usize>(table, 12) + offset - a;
      const last = b + run;
      do {
        let stop = last;
        if (sizeof<S>() == 8) {
          // A turn goes on in the next run where one ends before it does.
          if (room == 0) {
            room = <usize>load<u8>(turns) * wordBytes<T>();
            turns += turnStep;
          }
          stop = min(b + room, last);
          room -= stop - b;
        }
        do {
          const b0 = left__simd<T>(b);
          const b1 = right__simd<T>(b);
          const x0 = v128.load32_splat(a);
          c00 = mac__simd<T>(c00, x0, b0);
          c01 = mac__simd<T>(c01, x0, b1);
          const x1 = v128.load32_splat(a + to1);
          c10 = mac__simd<T>(c10, x1, b0);
          c11 = mac__simd<T>(c11, x1, b1);
          const x2 = v128.load32_splat(a + to2);
          c20 = mac__simd<T>(c20, x2, b0);
          c21 = mac__simd<T>(c21, x2, b1);
          const x3 = v128.load32_splat(a + to3);
          c30 = mac__simd<T>(c30, x3, b0);
          c31 = mac__simd<T>(c31, x3, b1);
          a += 4;
          b += wordBytes<T>();
        } while (b < stop);
        if (sizeof<S>() == 8) {
          c00 = lowered__simd(halves, c00);
          c01 = lowered__simd(halves + 16, c01);
          c10 = lowered__simd(halves + 32, c10);
          c11 = lowered__simd(halves + 48, c11);
          c20 = lowered__simd(halves + 64, c20);
          c21 = lowered__simd(halves + 80, c21);
          c30 = lowered__simd(halves + 96, c30);
          c31 = lowered__simd(halves + 112, c31);
        }
      } while (sizeof<S>() == 8 && b < last);
      table += 16;
    } while (table < end);
    table = next;
    if (isInteger<T>()) {
      if (sizeof<S>() == 8) {
        c00 = joinedHalves__simd(halves, c00);
        c01 = joinedHalves__simd(halves + 16, c01);
        c10 = joinedHalves__simd(halves + 32, c10);
        c11 = joinedHalves__simd(halves + 48, c11);
        c20 = joinedHalves__simd(halves + 64, c20);
        c21 = joinedHalves__simd(halves + 80, c21);
        c30 = joinedHalves__simd(halves + 96, c30);
        c31 = joinedHalves__simd(halves + 112, c31);
      }
    }
    if (sizeof<S>() == 4) {
      if (sum) {
        storeSums__simd(out, c00, c01);
        storeSums__simd(out + stride, c10, c11);
        storeSums__simd(out + 2 * stride, c20, c21);
        storeSums__simd(out + 3 * stride, c30, c31);
        out += 4 * stride;
        continue;
      }
    }
    if (isInteger<T>()) {
      if (step == 0) {
        const factor0 = v128.load(tile, Scratch.factors);
        const factor1 = v128.load(tile, Scratch.factors + 16);
        c00 = f32x4.mul(real__simd<S>(c00), factor0);
        c01 = f32x4.mul(real__simd<S>(c01), factor1);
        c10 = f32x4.mul(real__simd<S>(c10), factor0);
        c11 = f32x4.mul(real__simd<S>(c11), factor1);
        c20 = f32x4.mul(real__simd<S>(c20), factor0);
        c21 = f32x4.mul(real__simd<S>(c21), factor1);
        c30 = f32x4.mul(real__simd<S>(c30), factor0);
        c31 = f32x4.mul(real__simd<S>(c31), factor1);
      } else {
        c00 = own__simd<S>(tile, entry, c00, 0);
        c01 = own__simd<S>(tile, entry, c01, 16);
        entry += step;
        c10 = own__simd<S>(tile, entry, c10, 0);
        c11 = own__simd<S>(tile, entry, c11, 16);
        entry += step;
        c20 = own__simd<S>(tile, entry, c20, 0);
        c21 = own__simd<S>(tile, entry, c21, 16);
        entry += step;
        c30 = own__simd<S>(tile, entry, c30, 0);
        c31 = own__simd<S>(tile, entry, c31, 16);
        entry += step;
      }
    }
    c00 = f32x4.add(c00, bias0);
    c01 = f32x4.add(c01, bias1);
    c10 = f32x4.add(c10, bias0);
    c11 = f32x4.add(c11, bias1);
    c20 = f32x4.add(c20, bias0);
    c21 = f32x4.add(c21, bias1);
    c30 = f32x4.add(c30, bias0);
    c31 = f32x4.add(c31, bias1);
    // In a call for each tile, PP-OCR's networks took 1.04 … 1.07 times as long.
    if (form & Form.HardSwish) {
      c00 = hardSwish__simd(c00);
      c01 = hardSwish__simd(c01);
      c10 = hardSwish__simd(c10);
      c11 = hardSwish__simd(c11);
      c20 = hardSwish__simd(c20);
      c21 = hardSwish__simd(c21);
      c30 = hardSwish__simd(c30);
      c31 = hardSwish__simd(c31);
    }
    if (isInteger<T>() && sizeof<S>() == 4) {
      if (line != 0) {
        // By name: V8 loads what is read from memory again after every store.
        const inverse = v128.load_splat<f32>(tile, Scratch.inverse);
        const rounder = v128.load_splat<f32>(tile, Scratch.rounder);
        const shift = v128.load_splat<i32>(tile, Scratch.zeroShift);
        const most = v128.load_splat<i16>(tile, Scratch.most);
        const gap = load<usize>(tile, Scratch.lineGap);
        v128.store(out, integers__simd(c00, c01, low, inverse, rounder, shift, most));
        out += stride;
        if (--left == 0) {
          out += gap;
          left = line;
        }
        v128.store(out, integers__simd(c10, c11, low, inverse, rounder, shift, most));
        out += stride;
        if (--left == 0) {
          out += gap;
          left = line;
        }
        v128.store(out, integers__simd(c20, c21, low, inverse, rounder, shift, most));
        out += stride;
        if (--left == 0) {
          out += gap;
          left = line;
        }
        v128.store(out, integers__simd(c30, c31, low, inverse, rounder, shift, most));
        out += stride;
        if (--left == 0) {
          out += gap;
          left = line;
        }
        continue;
      }
    }
    c00 = f32x4.pmin(f32x4.pmax(c00, low), high);
    c01 = f32x4.pmin(f32x4.pmax(c01, low), high);
    c10 = f32x4.pmin(f32x4.pmax(c10, low), high);
    c11 = f32x4.pmin(f32x4.pmax(c11, low), high);
    c20 = f32x4.pmin(f32x4.pmax(c20, low), high);
    c21 = f32x4.pmin(f32x4.pmax(c21, low), high);
    c30 = f32x4.pmin(f32x4.pmax(c30, low), high);
    c31 = f32x4.pmin(f32x4.pmax(c31, low), high);
    if (form & Form.Affine) {
      c00 = affine__simd(tile, c00);
      c01 = affine__simd(tile, c01);
      c10 = affine__simd(tile, c10);
      c11 = affine__simd(tile, c11);
      c20 = affine__simd(tile, c20);
      c21 = affine__simd(tile, c21);
      c30 = affine__simd(tile, c30);
      c31 = affine__simd(tile, c31);
    }
    if (form & Form.Addend) {
      c00 = joined__simd(tile, out, c00);
      c01 = joined__simd(tile, out + 16, c01);
      c10 = joined__simd(tile, out + stride, c10);
      c11 = joined__simd(tile, out + stride + 16, c11);
      c20 = joined__simd(tile, out + 2 * stride, c20);
      c21 = joined__simd(tile, out + 2 * stride + 16, c21);
      c30 = joined__simd(tile, out + 3 * stride, c30);
      c31 = joined__simd(tile, out + 3 * stride + 16, c31);
    }
    v128.store(out, c00);
    v128.store(out, c01, 16);
    out += stride;
    v128.store(out, c10);
    v128.store(out, c11, 16);
    out += stride;
    v128.store(out, c20);
    v128.store(out, c21, 16);
    out += stride;
    v128.store(out, c30);
    v128.store(out, c31, 16);
    out += stride;
  }
}

/** A sum as f32. */
@inline
function real__simd<S>(sum: v128): v128 {
  return sizeof<S>() == 8 ? sum : f32x4.convert_i32x4_s(sum);
}

/** A sum under the parameters of its row. */
@inline
function own__simd<S>(tile: usize, entry: usize, sum: v128, at: usize): v128 {
  return sizeof<S>() == 8 ? weighed__simd(tile, entry, sum, at) : scaled__simd(tile, entry, sum, at);
}

@inline
export function storeSums__simd(out: usize, left: v128, right: v128): void {
  v128.store(out, left);
  v128.store(out, right, 16);
}

export function gemm_1x8__simd<T>(table: usize, taps: i32, words: i32, offset: usize, panel: usize, tile: usize): void {
  let c0 = isFloat<T>() ? f32x4.splat(-0.0) : i32x4.splat(0);
  let c1 = c0;
  const bytes = <usize>words << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a = load<usize>(table) + offset;
    const stop = a + bytes;
    do {
      const x = v128.load32_splat(a);
      c0 = mac__simd<T>(c0, x, left__simd<T>(panel));
      c1 = mac__simd<T>(c1, x, right__simd<T>(panel));
      a += 4;
      panel += wordBytes<T>();
    } while (a < stop);
    table += 16;
  } while (table < end);
  finishRow<T>(tile, c0, c1);
}

/** One row, two panels `panelBytes` apart: the additions of 8 columns alone would wait for each other. Four panels at once are no faster. Moves the tile to the second. */
export function gemm_1x16__simd<T>(table: usize, taps: i32, words: i32, offset: usize, panel: usize, panelBytes: usize, tile: usize): void {
  let c0 = isFloat<T>() ? f32x4.splat(-0.0) : i32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  const bytes = <usize>words << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a = load<usize>(table) + offset;
    const stop = a + bytes;
    do {
      const x = v128.load32_splat(a);
      c0 = mac__simd<T>(c0, x, left__simd<T>(panel));
      c1 = mac__simd<T>(c1, x, right__simd<T>(panel));
      c2 = mac__simd<T>(c2, x, left__simd<T>(panel + panelBytes));
      c3 = mac__simd<T>(c3, x, right__simd<T>(panel + panelBytes));
      a += 4;
      panel += wordBytes<T>();
    } while (a < stop);
    table += 16;
  } while (table < end);
  finishRow<T>(tile, c0, c1);
  moveColumns<T>(tile, 32);
  finishRow<T>(tile, c2, c3);
}

/**
 * One row, four panels at a time, one of each quarter of 4·`quarter` panels, which lie `panelBytes` apart, for attention's scores of one query: the
 * rows of a state come from far memory, where four long streams arrive 2.4 times as fast as one in pieces (keys of 1,000
 * tokens, heads of 64: 41 instead of 100 µs a megabyte, AMD EPYC).
 */
export function gemm_1x32__simd(
  table: usize, taps: i32, words: i32, offset: usize, panel: usize, panelBytes: usize, tile: usize, quarter: i32,
): void {
  const bytes = <usize>words << 2;
  const end = table + (<usize>taps << 4);
  const apart = <usize>quarter * panelBytes;
  const columns = <usize>quarter << 5;
  for (let rest = quarter; ; ) {
    let c0 = f32x4.splat(-0.0);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let c4 = c0;
    let c5 = c0;
    let c6 = c0;
    let c7 = c0;
    let b0 = panel;
    let b1 = b0 + apart;
    let b2 = b1 + apart;
    let b3 = b2 + apart;
    panel += panelBytes;
    let entry = table;
    do {
      let a = load<usize>(entry) + offset;
      const stop = a + bytes;
      do {
        const x = v128.load32_splat(a);
        c0 = mac__simd<f32>(c0, x, left__simd<f32>(b0));
        c1 = mac__simd<f32>(c1, x, right__simd<f32>(b0));
        c2 = mac__simd<f32>(c2, x, left__simd<f32>(b1));
        c3 = mac__simd<f32>(c3, x, right__simd<f32>(b1));
        c4 = mac__simd<f32>(c4, x, left__simd<f32>(b2));
        c5 = mac__simd<f32>(c5, x, right__simd<f32>(b2));
        c6 = mac__simd<f32>(c6, x, left__simd<f32>(b3));
        c7 = mac__simd<f32>(c7, x, right__simd<f32>(b3));
        a += 4;
        b0 += wordBytes<f32>();
        b1 += wordBytes<f32>();
        b2 += wordBytes<f32>();
        b3 += wordBytes<f32>();
      } while (a < stop);
      entry += 16;
    } while (entry < end);
    finishRow<f32>(tile, c0, c1);
    moveColumns<f32>(tile, columns);
    finishRow<f32>(tile, c2, c3);
    moveColumns<f32>(tile, columns);
    finishRow<f32>(tile, c4, c5);
    moveColumns<f32>(tile, columns);
    finishRow<f32>(tile, c6, c7);
    if (--rest == 0) return;
    moveColumns<f32>(tile, 32 - 3 * columns);
  }
}

/** Finishes 8 sums of one row that began at 0. */
function finishRow<T>(tile: usize, c0: v128, c1: v128): void {
  if (isInteger<T>()) {
    const entry = load<usize>(tile, Tile.parameters);
    if (sizeof<T>() == 1 && !isSigned<T>()) {
      const rowSum = load<usize>(tile, Tile.rowSums);
      c0 = i32x4.sub(c0, surplus__simd(tile, rowSum, 0));
      c1 = i32x4.sub(c1, surplus__simd(tile, rowSum, 16));
    }
    if (load<i32>(tile, Tile.sum)) {
      storeSums__simd(load<usize>(tile, Tile.output), corrected32__simd(tile, entry, c0, 0), corrected32__simd(tile, entry, c1, 16));
      return;
    }
    c0 = scaled__simd(tile, entry, c0, 0);
    c1 = scaled__simd(tile, entry, c1, 16);
  }
  finish__simd(tile, 0, c0, c1);
}

/** `rows` (1 or 4) rows of one tile. */
export function gemm_4x8__scalar<T>(table: usize, rows: i32, taps: i32, words: i32, offset: usize, panel: usize, tile: usize): void {
  const step = load<usize>(tile, Tile.parameterStep);
  let entry = load<usize>(tile, Tile.parameters);
  let rowSum: usize = HAS_QUADS ? load<usize>(tile, Tile.rowSums) : 0;
  for (let r = 0; r < rows; r++, table += 4, entry += step, rowSum += 4) {
    for (let c: usize = 0; c < 8; c++) {
      let real: f32 = -0.0;
      let whole: i32 = 0;
      let b = panel + c * (wordBytes<T>() >> 3);
      for (let t: usize = 0; t < <usize>taps; t++) {
        let a = load<usize>(table + (t << 4)) + offset;
        for (let k = 0; k < words; k++, a += 4, b += wordBytes<T>()) {
          if (isFloat<T>()) real = mac__scalar<T, f32>(real, a, b);
          else whole = mac__scalar<T, i32>(whole, a, b);
        }
      }
      if (sizeof<T>() == 1 && !isSigned<T>()) whole -= surplus__scalar(tile, rowSum, c);
      if (load<i32>(tile, Tile.sum)) {
        const out = load<usize>(tile, Tile.output) + <usize>r * load<usize>(tile, Tile.outputStride) + (c << 2);
        if (isFloat<T>()) store<f32>(out, real);
        else store<i32>(out, corrected32__scalar(tile, entry, whole, c));
        continue;
      }
      finish__scalar(tile, r, c, isFloat<T>() ? real : scaled__scalar(tile, entry, whole, c));
    }
  }
}
