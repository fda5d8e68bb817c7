// Tiles of 4 × 8 of weights under int8 activations by the relaxed 16-bit dot product, which is twice as fast as the 32-bit one where an engine makes
// pmaddubsw of it: pairs of products are summed in int16, two lanes a column, and widened after as many words of depth as fit for the weights of the panel
// (turns.ts): 16 for real weights of 4 bits. Operands, panels and results are those of gemm_4x8.ts for u8. Relaxed build only.
import { surplus__simd } from "./quads";
import { isMerged } from "./table";
import { finish__simd, scaled__simd, Tile } from "./tile";

@inline
function pairs__simd(sums: v128, x: v128, b: v128): v128 {
  return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(x, b));
}

@inline
function widened__simd(sums: v128, pairs: v128): v128 {
  return i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(pairs));
}

export function gemm_u7_4x8_turns__simd(
  table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, tile: usize,
): void {
  const turn = <usize>load<i32>(tile, Tile.quads) << 2;
  const stride = load<usize>(tile, Tile.outputStride);
  const step = load<usize>(tile, Tile.parameterStep);
  let entry = load<usize>(tile, Tile.parameters);
  let out = load<usize>(tile, Tile.output);
  let rowSum = load<usize>(tile, Tile.rowSums);
  for (; tiles > 0; tiles--) {
    let l00 = i32x4.splat(0);
    let l01 = l00;
    let l10 = i32x4.splat(0);
    let l11 = l10;
    let l20 = i32x4.splat(0);
    let l21 = l20;
    let l30 = i32x4.splat(0);
    let l31 = l30;
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
        let c00 = i16x8.splat(0);
        let c01 = c00;
        let c10 = i16x8.splat(0);
        let c11 = c10;
        let c20 = i16x8.splat(0);
        let c21 = c20;
        let c30 = i16x8.splat(0);
        let c31 = c30;
        do {
          const b0 = v128.load(b);
          const b1 = v128.load(b, 16);
          const x0 = v128.load32_splat(a);
          c00 = pairs__simd(c00, x0, b0);
          c01 = pairs__simd(c01, x0, b1);
          const x1 = v128.load32_splat(a + to1);
          c10 = pairs__simd(c10, x1, b0);
          c11 = pairs__simd(c11, x1, b1);
          const x2 = v128.load32_splat(a + to2);
          c20 = pairs__simd(c20, x2, b0);
          c21 = pairs__simd(c21, x2, b1);
          const x3 = v128.load32_splat(a + to3);
          c30 = pairs__simd(c30, x3, b0);
          c31 = pairs__simd(c31, x3, b1);
          a += 4;
          b += 32;
        } while (a < stop);
        l00 = widened__simd(l00, c00);
        l01 = widened__simd(l01, c01);
        l10 = widened__simd(l10, c10);
        l11 = widened__simd(l11, c11);
        l20 = widened__simd(l20, c20);
        l21 = widened__simd(l21, c21);
        l30 = widened__simd(l30, c30);
        l31 = widened__simd(l31, c31);
      } while (a < last);
      table += 16;
    } while (table < end);
    table = next;
    store<usize>(tile, out, Tile.output);
    finishRow(tile, 0, entry, rowSum, l00, l01);
    entry += step;
    finishRow(tile, 1, entry, rowSum + 4, l10, l11);
    entry += step;
    finishRow(tile, 2, entry, rowSum + 8, l20, l21);
    entry += step;
    finishRow(tile, 3, entry, rowSum + 12, l30, l31);
    entry += step;
    rowSum += 16;
    out += 4 * stride;
  }
}

function finishRow(tile: usize, row: i32, entry: usize, rowSum: usize, s0: v128, s1: v128): void {
  const y0 = scaled__simd(tile, entry, i32x4.sub(s0, surplus__simd(tile, rowSum, 0)), 0);
  const y1 = scaled__simd(tile, entry, i32x4.sub(s1, surplus__simd(tile, rowSum, 16)), 16);
  finish__simd(tile, row, y0, y1);
}
