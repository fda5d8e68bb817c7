// Tiles of 4 or 1 output pixels × 16 output channels of 4-bit weights, |w| ≤ 7, under int16 activations of at most 6 bits: two columns share an int16,
// w_high·2^12 + w_low, so that one dot product does 16 products where the int16 kernel does 8.
// panel: [tap][pair][8 lanes][2] i16, column j in the low part of lane j, column j + 8 in the high part. The low sum must stay within 12 bits: every
// `pairsPerBlock` k-pairs it is taken out of the common accumulator and added to one of its own; what is left is 2^12 times the high sum, which
// fits 20 bits by proof (src/core/kernels.ts). Operands and epilogue as in gemm_4x8.ts, sums exact.
import { isMerged } from "./table";
import { endRow, finish__scalar, scaled__scalar, scaled__simd, Tile } from "./tile";

/** Bits of the low column's sum. */
export const LOW_BITS: i32 = 12;

/** The low or the high part of an int16, or of a sum, that holds two columns. */
@inline
export function columnOf(both: i32, high: bool): i32 {
  const low = (both << 20) >> 20;
  return high ? (both - low) >> LOW_BITS : low;
}

@inline
function low__simd(both: v128): v128 {
  return i32x4.shr_s(i32x4.shl(both, 20), 20);
}

export function gemm_i4_4x16__simd(
  table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, tile: usize,
): void {
  const turn = <usize>load<i32>(tile, Tile.pairsPerBlock) << 2;
  const stride = load<usize>(tile, Tile.outputStride);
  const step = load<usize>(tile, Tile.parameterStep);
  let entry = load<usize>(tile, Tile.parameters);
  let out = load<usize>(tile, Tile.output);
  for (; tiles > 0; tiles--) {
    let c00 = i32x4.splat(0);
    let c01 = c00;
    let l00 = c00;
    let l01 = c00;
    let c10 = i32x4.splat(0);
    let c11 = c10;
    let l10 = c10;
    let l11 = c10;
    let c20 = i32x4.splat(0);
    let c21 = c20;
    let l20 = c20;
    let l21 = c20;
    let c30 = i32x4.splat(0);
    let c31 = c30;
    let l30 = c30;
    let l31 = c30;
    const next = table + (<usize>taps << 4);
    const merged = width > 0 && isMerged(table, taps);
    const end = merged ? table + (<usize>(taps / width) << 4) : next;
    const bytes = <usize>(merged ? words * width : words) << 2;
    let b = panel;
    do {
      // One address moves, and three follow from it, as in gemm_4x8.ts.
      let a = load<usize>(table) + offset;
      const to1 = load<usize>(table, 4) + offset - a;
      const to2 = load<usize>(table, 8) + offset - a;
      const to3 = load<usize>(table, 12) + offset - a;
      const last = a + bytes;
      do {
        const stop = min(a + turn, last);
        do {
          const b0 = v128.load(b);
          const b1 = v128.load(b, 16);
          const x0 = v128.load32_splat(a);
          c00 = i32x4.add(c00, i32x4.dot_i16x8_s(x0, b0));
          c01 = i32x4.add(c01, i32x4.dot_i16x8_s(x0, b1));
          const x1 = v128.load32_splat(a + to1);
          c10 = i32x4.add(c10, i32x4.dot_i16x8_s(x1, b0));
          c11 = i32x4.add(c11, i32x4.dot_i16x8_s(x1, b1));
          const x2 = v128.load32_splat(a + to2);
          c20 = i32x4.add(c20, i32x4.dot_i16x8_s(x2, b0));
          c21 = i32x4.add(c21, i32x4.dot_i16x8_s(x2, b1));
          const x3 = v128.load32_splat(a + to3);
          c30 = i32x4.add(c30, i32x4.dot_i16x8_s(x3, b0));
          c31 = i32x4.add(c31, i32x4.dot_i16x8_s(x3, b1));
          a += 4;
          b += 32;
        } while (a < stop);
        const t00 = low__simd(c00);
        const t01 = low__simd(c01);
        l00 = i32x4.add(l00, t00);
        l01 = i32x4.add(l01, t01);
        c00 = i32x4.sub(c00, t00);
        c01 = i32x4.sub(c01, t01);
        const t10 = low__simd(c10);
        const t11 = low__simd(c11);
        l10 = i32x4.add(l10, t10);
        l11 = i32x4.add(l11, t11);
        c10 = i32x4.sub(c10, t10);
        c11 = i32x4.sub(c11, t11);
        const t20 = low__simd(c20);
        const t21 = low__simd(c21);
        l20 = i32x4.add(l20, t20);
        l21 = i32x4.add(l21, t21);
        c20 = i32x4.sub(c20, t20);
        c21 = i32x4.sub(c21, t21);
        const t30 = low__simd(c30);
        const t31 = low__simd(c31);
        l30 = i32x4.add(l30, t30);
        l31 = i32x4.add(l31, t31);
        c30 = i32x4.sub(c30, t30);
        c31 = i32x4.sub(c31, t31);
      } while (a < last);
      table += 16;
    } while (table < end);
    table = next;
    finish16__simd(tile, entry, out, l00, l01, c00, c01);
    entry += step;
    out += stride;
    finish16__simd(tile, entry, out, l10, l11, c10, c11);
    entry += step;
    out += stride;
    finish16__simd(tile, entry, out, l20, l21, c20, c21);
    entry += step;
    out += stride;
    finish16__simd(tile, entry, out, l30, l31, c30, c31);
    entry += step;
    out += stride;
  }
}

export function gemm_i4_1x16__simd(table: usize, taps: i32, words: i32, offset: usize, panel: usize, tile: usize): void {
  const turn = <usize>load<i32>(tile, Tile.pairsPerBlock) << 2;
  let c0 = i32x4.splat(0);
  let c1 = c0;
  let l0 = c0;
  let l1 = c0;
  for (const end = table + (<usize>taps << 4); table < end; table += 16) {
    let a = load<usize>(table) + offset;
    for (const last = a + (<usize>words << 2); a < last; ) {
      for (const stop = min(a + turn, last); a < stop; a += 4, panel += 32) {
        const x = v128.load32_splat(a);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, v128.load(panel)));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x, v128.load(panel, 16)));
      }
      const t0 = low__simd(c0);
      const t1 = low__simd(c1);
      l0 = i32x4.add(l0, t0);
      l1 = i32x4.add(l1, t1);
      c0 = i32x4.sub(c0, t0);
      c1 = i32x4.sub(c1, t1);
    }
  }
  finish16__simd(tile, load<usize>(tile, Tile.parameters), load<usize>(tile, Tile.output), l0, l1, c0, c1);
}

/** Writes a row: the low columns are l0, l1, the high ones lie above bit 12 of c0, c1. */
function finish16__simd(tile: usize, entry: usize, out: usize, l0: v128, l1: v128, c0: v128, c1: v128): void {
  const bias = load<usize>(tile, Tile.bias);
  v128.store(out, f32x4.add(scaled__simd(tile, entry, l0, 0), v128.load(bias)));
  v128.store(out, f32x4.add(scaled__simd(tile, entry, l1, 16), v128.load(bias, 16)), 16);
  v128.store(out, f32x4.add(scaled__simd(tile, entry, i32x4.shr_s(c0, LOW_BITS), 32), v128.load(bias, 32)), 32);
  v128.store(out, f32x4.add(scaled__simd(tile, entry, i32x4.shr_s(c1, LOW_BITS), 48), v128.load(bias, 48)), 48);
  endRow(tile, out, 16);
}

/** `rows` (1 or 4) rows of one tile, column by column. */
export function gemm_i4_4x16__scalar(table: usize, rows: i32, taps: i32, words: i32, offset: usize, panel: usize, tile: usize): void {
  const step = load<usize>(tile, Tile.parameterStep);
  let entry = load<usize>(tile, Tile.parameters);
  for (let r = 0; r < rows; r++, table += 4, entry += step) {
    for (let c: usize = 0; c < 16; c++) {
      const high = c >= 8;
      let sum = 0;
      let b = panel + ((c & 7) << 2);
      for (let t: usize = 0; t < <usize>taps; t++) {
        let a = load<usize>(table + (t << 4)) + offset;
        for (let k = 0; k < words; k++, a += 4, b += 32) {
          sum += <i32>load<i16>(a) * columnOf(load<i16>(b), high) + <i32>load<i16>(a, 2) * columnOf(load<i16>(b, 2), high);
        }
      }
      finish__scalar(tile, r, c, scaled__scalar(tile, entry, sum, c));
    }
  }
}
