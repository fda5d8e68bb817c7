// Tiles of 8 output pixels, of integers 4, × 1 or 2 output channels, the pixels in the lanes: of a panel of 8 columns most would be multiplied with nothing. Four words of
// depth of four pixels are transposed in registers (8 shuffles), and a weight is in all lanes. Twice four pixels where additions of a column wait for each other, those of
// floats: with one four 12544×24 on 2 columns took 205 µs, tiles of 4×8 265. Operands, sums and results are those of gemm_4x8.ts; outputs go to their place, not by way of a copy.
// T: f32, or i16 where the corrected sums fit int32 and all rows share their parameters.
import { ActivationParameters } from "../../src/core/abi/conv";
import { mac__simd, wordBytes } from "./mac";
import { isMerged } from "./table";
import { affine__simd, Form, hardSwish__simd, Tile } from "./tile";

/** Columns of these tiles. */
export const NARROW: i32 = 2;

/** `tiles` whole tiles of four pixels; the rest as gemm_4x8__simd. */
export function gemm_8x2__simd<T>(
  table: usize, tiles: i32, taps: i32, width: i32, words: i32, offset: usize, panel: usize, tile: usize, columns: i32,
): void {
  const tileBytes = <usize>taps << 4;
  const outStep = load<usize>(tile, Tile.outputStride) << 2;
  let out = load<usize>(tile, Tile.output);
  const both = columns == NARROW;
  while (tiles > 0) {
    const merged = width > 0 && isMerged(table, taps);
    // The last of an odd number, or one beside a tile that is merged otherwise, is its own neighbour.
    const two = isFloat<T>() && tiles > 1 && (width == 0 || isMerged(table + tileBytes, taps) == merged);
    const step: usize = two ? tileBytes : 0;
    const length = merged ? words * width : words;
    let c0 = isFloat<T>() ? f32x4.splat(-0.0) : i32x4.splat(0);
    let c1 = c0;
    let d0 = c0;
    let d1 = c0;
    let b = panel;
    let at = table;
    const end = table + (merged ? <usize>(taps / width) << 4 : tileBytes);
    do {
      let a0 = load<usize>(at) + offset;
      let a1 = load<usize>(at, 4) + offset;
      let a2 = load<usize>(at, 8) + offset;
      let a3 = load<usize>(at, 12) + offset;
      let a4 = load<usize>(at + step) + offset;
      let a5 = load<usize>(at + step, 4) + offset;
      let a6 = load<usize>(at + step, 8) + offset;
      let a7 = load<usize>(at + step, 12) + offset;
      let left = length;
      for (; left >= 4; left -= 4) {
        const v0 = v128.load(a0);
        const v1 = v128.load(a1);
        const v2 = v128.load(a2);
        const v3 = v128.load(a3);
        const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5);
        const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5);
        const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7);
        const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7);
        const x0 = v128.shuffle<i64>(low01, low23, 0, 2);
        const x1 = v128.shuffle<i64>(low01, low23, 1, 3);
        const x2 = v128.shuffle<i64>(high01, high23, 0, 2);
        const x3 = v128.shuffle<i64>(high01, high23, 1, 3);
        c0 = four__simd<T>(c0, x0, x1, x2, x3, b);
        if (both) c1 = four__simd<T>(c1, x0, x1, x2, x3, b + 4);
        if (isFloat<T>()) {
          const v4 = v128.load(a4);
          const v5 = v128.load(a5);
          const v6 = v128.load(a6);
          const v7 = v128.load(a7);
          const low45 = v128.shuffle<i32>(v4, v5, 0, 4, 1, 5);
          const low67 = v128.shuffle<i32>(v6, v7, 0, 4, 1, 5);
          const high45 = v128.shuffle<i32>(v4, v5, 2, 6, 3, 7);
          const high67 = v128.shuffle<i32>(v6, v7, 2, 6, 3, 7);
          const y0 = v128.shuffle<i64>(low45, low67, 0, 2);
          const y1 = v128.shuffle<i64>(low45, low67, 1, 3);
          const y2 = v128.shuffle<i64>(high45, high67, 0, 2);
          const y3 = v128.shuffle<i64>(high45, high67, 1, 3);
          d0 = four__simd<T>(d0, y0, y1, y2, y3, b);
          if (both) d1 = four__simd<T>(d1, y0, y1, y2, y3, b + 4);
          a4 += 16;
          a5 += 16;
          a6 += 16;
          a7 += 16;
        }
        a0 += 16;
        a1 += 16;
        a2 += 16;
        a3 += 16;
        b += 4 * wordBytes<T>();
      }
      for (; left > 0; left--) {
        const w0 = v128.load32_splat(b);
        const w1 = v128.load32_splat(b, 4);
        const x = pixels__simd(a0, a1, a2, a3);
        c0 = mac__simd<T>(c0, x, w0);
        c1 = mac__simd<T>(c1, x, w1);
        if (isFloat<T>()) {
          const y = pixels__simd(a4, a5, a6, a7);
          d0 = mac__simd<T>(d0, y, w0);
          d1 = mac__simd<T>(d1, y, w1);
          a4 += 4;
          a5 += 4;
          a6 += 4;
          a7 += 4;
        }
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        b += wordBytes<T>();
      }
      at += 16;
    } while (at < end);
    finish<T>(tile, out, columns, c0, c1);
    if (two) finish<T>(tile, out + outStep, columns, d0, d1);
    table += tileBytes + step;
    out += two ? 2 * outStep : outStep;
    tiles -= two ? 2 : 1;
  }
}

/** Four words of depth by the weights of one column, in order. */
@inline
function four__simd<T>(sum: v128, x0: v128, x1: v128, x2: v128, x3: v128, b: usize): v128 {
  sum = mac__simd<T>(sum, x0, v128.load32_splat(b));
  sum = mac__simd<T>(sum, x1, v128.load32_splat(b, wordBytes<T>()));
  sum = mac__simd<T>(sum, x2, v128.load32_splat(b, 2 * wordBytes<T>()));
  return mac__simd<T>(sum, x3, v128.load32_splat(b, 3 * wordBytes<T>()));
}

/** One word of depth of four pixels. */
@inline
function pixels__simd(a0: usize, a1: usize, a2: usize, a3: usize): v128 {
  const x = v128.load_lane<i32>(a1, v128.load_zero<i32>(a0), 1);
  return v128.load_lane<i32>(a3, v128.load_lane<i32>(a2, x, 2), 3);
}

/** Writes four pixels from `out` on. */
function finish<T>(tile: usize, out: usize, columns: i32, y: v128, z: v128): void {
  const stride = load<usize>(tile, Tile.outputStride);
  y = finished<T>(tile, y, 0);
  if (columns == 1) {
    v128.store_lane<i32>(out, y, 0);
    v128.store_lane<i32>(out + stride, y, 1);
    v128.store_lane<i32>(out + 2 * stride, y, 2);
    v128.store_lane<i32>(out + 3 * stride, y, 3);
    return;
  }
  z = finished<T>(tile, z, 4);
  const low = v128.shuffle<i32>(y, z, 0, 4, 1, 5);
  const high = v128.shuffle<i32>(y, z, 2, 6, 3, 7);
  v128.store_lane<i64>(out, low, 0);
  v128.store_lane<i64>(out + stride, low, 1);
  v128.store_lane<i64>(out + 2 * stride, high, 0);
  v128.store_lane<i64>(out + 3 * stride, high, 1);
}

/** The sums of the column whose scale, sum and bias lie `at` bytes behind those of the first, as outputs. */
@inline
function finished<T>(tile: usize, y: v128, at: usize): v128 {
  if (isInteger<T>()) {
    const entry = load<usize>(tile, Tile.parameters);
    y = i32x4.sub(y, i32x4.splat(load<i32>(entry, ActivationParameters.zero) * load<i32>(load<usize>(tile, Tile.sums) + at)));
    if (load<i32>(tile, Tile.sum)) return y;
    const scale = load<f32>(entry, ActivationParameters.scale) * load<f32>(load<usize>(tile, Tile.scales) + at);
    y = f32x4.mul(f32x4.convert_i32x4_s(y), f32x4.splat(scale));
  }
  y = f32x4.add(y, v128.load32_splat(load<usize>(tile, Tile.bias) + at));
  const form = load<i32>(tile, Tile.form);
  if (form & Form.HardSwish) y = hardSwish__simd(y);
  y = f32x4.pmin(f32x4.pmax(y, v128.load32_splat(tile, Tile.low)), v128.load32_splat(tile, Tile.high));
  return form & Form.Affine ? affine__simd(tile, y) : y;
}
