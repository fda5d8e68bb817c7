// 4 or 1 output pixels × 8 output channels (1 × 32 for single rows) of f32. Every output is the sum of its products in k order (tap-major,
// then channel), one rounding per multiplication and per addition, the same in both builds.
// table, offset: as in gemm_i16_i16_4x8; panel: [tap][channel][8 columns] f32.
// Sums start at −0: −0 + x = x for every x, so the first product enters unchanged.
import { Scratch } from "../../src/core/abi/scratch";
import { finish__scalar, finish__simd, finish4__simd, Tile } from "./tile";

export function gemm_f32_4x8__simd(table: usize, taps: i32, channels: i32, offset: usize, panel: usize, tile: usize): void {
  let c00 = f32x4.splat(-0.0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const bytes = <usize>channels << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a0 = load<usize>(table) + offset;
    let a1 = load<usize>(table, 4) + offset;
    let a2 = load<usize>(table, 8) + offset;
    let a3 = load<usize>(table, 12) + offset;
    const stop = a0 + bytes;
    do {
      const b0 = v128.load(panel);
      const b1 = v128.load(panel, 16);
      const x0 = v128.load32_splat(a0);
      c00 = f32x4.add(c00, f32x4.mul(x0, b0));
      c01 = f32x4.add(c01, f32x4.mul(x0, b1));
      const x1 = v128.load32_splat(a1);
      c10 = f32x4.add(c10, f32x4.mul(x1, b0));
      c11 = f32x4.add(c11, f32x4.mul(x1, b1));
      const x2 = v128.load32_splat(a2);
      c20 = f32x4.add(c20, f32x4.mul(x2, b0));
      c21 = f32x4.add(c21, f32x4.mul(x2, b1));
      const x3 = v128.load32_splat(a3);
      c30 = f32x4.add(c30, f32x4.mul(x3, b0));
      c31 = f32x4.add(c31, f32x4.mul(x3, b1));
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
      panel += 32;
    } while (a0 < stop);
    table += 16;
  } while (table < end);
  finish4__simd(tile, c00, c01, c10, c11, c20, c21, c30, c31);
}

export function gemm_f32_1x8__simd(table: usize, taps: i32, channels: i32, offset: usize, panel: usize, tile: usize): void {
  let c0 = f32x4.splat(-0.0);
  let c1 = c0;
  const bytes = <usize>channels << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a = load<usize>(table) + offset;
    const stop = a + bytes;
    do {
      const x = v128.load32_splat(a);
      c0 = f32x4.add(c0, f32x4.mul(x, v128.load(panel)));
      c1 = f32x4.add(c1, f32x4.mul(x, v128.load(panel, 16)));
      a += 4;
      panel += 32;
    } while (a < stop);
    table += 16;
  } while (table < end);
  finish__simd(tile, 0, c0, c1);
}

/** One row, four panels `panelBytes` apart: the additions of 8 columns alone would wait for each other. */
export function gemm_f32_1x32__simd(
  table: usize, taps: i32, channels: i32, offset: usize, panel: usize, panelBytes: usize, tile: usize,
): void {
  let c0 = f32x4.splat(-0.0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  let c6 = c0;
  let c7 = c0;
  let b0 = panel;
  let b1 = b0 + panelBytes;
  let b2 = b1 + panelBytes;
  let b3 = b2 + panelBytes;
  const bytes = <usize>channels << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a = load<usize>(table) + offset;
    const stop = a + bytes;
    do {
      const x = v128.load32_splat(a);
      c0 = f32x4.add(c0, f32x4.mul(x, v128.load(b0)));
      c1 = f32x4.add(c1, f32x4.mul(x, v128.load(b0, 16)));
      c2 = f32x4.add(c2, f32x4.mul(x, v128.load(b1)));
      c3 = f32x4.add(c3, f32x4.mul(x, v128.load(b1, 16)));
      c4 = f32x4.add(c4, f32x4.mul(x, v128.load(b2)));
      c5 = f32x4.add(c5, f32x4.mul(x, v128.load(b2, 16)));
      c6 = f32x4.add(c6, f32x4.mul(x, v128.load(b3)));
      c7 = f32x4.add(c7, f32x4.mul(x, v128.load(b3, 16)));
      a += 4;
      b0 += 32;
      b1 += 32;
      b2 += 32;
      b3 += 32;
    } while (a < stop);
    table += 16;
  } while (table < end);
  finish__simd(tile, 0, c0, c1);
  nextPanel(tile);
  finish__simd(tile, 0, c2, c3);
  nextPanel(tile);
  finish__simd(tile, 0, c4, c5);
  nextPanel(tile);
  finish__simd(tile, 0, c6, c7);
}

/** The driver gives `noBias` only 8 entries, so a layer without bias stays where it is. */
@inline
function nextPanel(tile: usize): void {
  store<usize>(tile, load<usize>(tile, Tile.output) + 32, Tile.output);
  const bias = load<usize>(tile, Tile.bias);
  if (bias != tile + Scratch.noBias) store<usize>(tile, bias + 32, Tile.bias);
}

/** `rows` (1 or 4) rows. */
export function gemm_f32_4x8__scalar(
  table: usize, rows: i32, taps: i32, channels: i32, offset: usize, panel: usize, tile: usize,
): void {
  for (let r = 0; r < rows; r++, table += 4) {
    for (let c = 0; c < 8; c++) {
      let sum: f32 = -0.0;
      let b = panel + (<usize>c << 2);
      for (let t = 0; t < taps; t++) {
        let a = load<usize>(table + (<usize>t << 4)) + offset;
        for (let k = 0; k < channels; k++, a += 4, b += 32) sum += load<f32>(a) * load<f32>(b);
      }
      finish__scalar(tile, r, c, sum);
    }
  }
}
