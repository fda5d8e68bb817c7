// Depthwise convolution of int16 × int16 for 8 neighbouring channels, sums exact in int32 (the caller has proved that they fit).
// table: `taps` row pointers (`taps` even; an added one may point anywhere that can be read, its weight is 0), to which `offset` is added; from one
// output pixel to the next the table moves by `tableStep` bytes and the offset by `advance`: a run of pixels inside of the input needs one table
// for all. weights: [tap pair][8 channels][2 taps]. Two taps of a channel are interleaved, so that one dot product does both: 6 operations
// for 16 products where extmul takes 8.
// out = f32(S) · f32(scale_a · scale_w) + bias, then the activation; tile.parameters is the entry that all pixels share.
import { ActivationParameters } from "../../src/core/abi/conv";
import { activate, activate__simd, Tile } from "../gemm/tile";

export function depthwise_i16_i16_4x8__simd(
  table: usize, tableStep: usize, advance: usize, pixels: i32, taps: i32, offset: usize, weights: usize, tile: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = v128.load_splat<i32>(entry, ActivationParameters.zero);
  const sums = load<usize>(tile, Tile.sums);
  // Starting from −z·ΣW saves the correction at the end; wrap-around is harmless.
  const start0 = i32x4.neg(i32x4.mul(zero, v128.load(sums)));
  const start1 = i32x4.neg(i32x4.mul(zero, v128.load(sums, 16)));
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const scales = load<usize>(tile, Tile.scales);
  const scale0 = f32x4.mul(scale, v128.load(scales));
  const scale1 = f32x4.mul(scale, v128.load(scales, 16));
  const bias0 = v128.load(load<usize>(tile, Tile.bias));
  const bias1 = v128.load(load<usize>(tile, Tile.bias), 16);
  const activation = load<i32>(tile, Tile.activation);
  const low = load<f32>(tile, Tile.low);
  const high = load<f32>(tile, Tile.high);
  let out = load<usize>(tile, Tile.output);
  const outStride = load<usize>(tile, Tile.outputStride);
  const end = weights + (<usize>taps << 4);
  if (tableStep == 0) {
    for (; pixels >= 4; pixels -= 4) {
      let c00 = start0;
      let c01 = start1;
      let c10 = start0;
      let c11 = start1;
      let c20 = start0;
      let c21 = start1;
      let c30 = start0;
      let c31 = start1;
      let at = table;
      let b = weights;
      do {
        let p = load<usize>(at) + offset;
        let q = load<usize>(at, 4) + offset;
        const w0 = v128.load(b);
        const w1 = v128.load(b, 16);
        const x0 = v128.load(p);
        const y0 = v128.load(q);
        c00 = i32x4.add(c00, i32x4.dot_i16x8_s(v128.shuffle<i16>(x0, y0, 0, 8, 1, 9, 2, 10, 3, 11), w0));
        c01 = i32x4.add(c01, i32x4.dot_i16x8_s(v128.shuffle<i16>(x0, y0, 4, 12, 5, 13, 6, 14, 7, 15), w1));
        p += advance;
        q += advance;
        const x1 = v128.load(p);
        const y1 = v128.load(q);
        c10 = i32x4.add(c10, i32x4.dot_i16x8_s(v128.shuffle<i16>(x1, y1, 0, 8, 1, 9, 2, 10, 3, 11), w0));
        c11 = i32x4.add(c11, i32x4.dot_i16x8_s(v128.shuffle<i16>(x1, y1, 4, 12, 5, 13, 6, 14, 7, 15), w1));
        p += advance;
        q += advance;
        const x2 = v128.load(p);
        const y2 = v128.load(q);
        c20 = i32x4.add(c20, i32x4.dot_i16x8_s(v128.shuffle<i16>(x2, y2, 0, 8, 1, 9, 2, 10, 3, 11), w0));
        c21 = i32x4.add(c21, i32x4.dot_i16x8_s(v128.shuffle<i16>(x2, y2, 4, 12, 5, 13, 6, 14, 7, 15), w1));
        p += advance;
        q += advance;
        const x3 = v128.load(p);
        const y3 = v128.load(q);
        c30 = i32x4.add(c30, i32x4.dot_i16x8_s(v128.shuffle<i16>(x3, y3, 0, 8, 1, 9, 2, 10, 3, 11), w0));
        c31 = i32x4.add(c31, i32x4.dot_i16x8_s(v128.shuffle<i16>(x3, y3, 4, 12, 5, 13, 6, 14, 7, 15), w1));
        at += 8;
        b += 32;
      } while (b < end);
      offset += 4 * advance;
      v128.store(out, finish(c00, scale0, bias0, activation, low, high));
      v128.store(out, finish(c01, scale1, bias1, activation, low, high), 16);
      out += outStride;
      v128.store(out, finish(c10, scale0, bias0, activation, low, high));
      v128.store(out, finish(c11, scale1, bias1, activation, low, high), 16);
      out += outStride;
      v128.store(out, finish(c20, scale0, bias0, activation, low, high));
      v128.store(out, finish(c21, scale1, bias1, activation, low, high), 16);
      out += outStride;
      v128.store(out, finish(c30, scale0, bias0, activation, low, high));
      v128.store(out, finish(c31, scale1, bias1, activation, low, high), 16);
      out += outStride;
    }
  }
  for (; pixels > 0; pixels--, table += tableStep, offset += advance, out += outStride) {
    let c0 = start0;
    let c1 = start1;
    let at = table;
    for (let b = weights; b < end; b += 32, at += 8) {
      const x = v128.load(load<usize>(at) + offset);
      const y = v128.load(load<usize>(at, 4) + offset);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11), v128.load(b)));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15), v128.load(b, 16)));
    }
    v128.store(out, finish(c0, scale0, bias0, activation, low, high));
    v128.store(out, finish(c1, scale1, bias1, activation, low, high), 16);
  }
}

@inline
function finish(sum: v128, scale: v128, bias: v128, activation: i32, low: f32, high: f32): v128 {
  return activate__simd(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum), scale), bias), activation, low, high);
}

export function depthwise_i16_i16_4x8__scalar(
  table: usize, tableStep: usize, advance: usize, pixels: i32, taps: i32, offset: usize, weights: usize, tile: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = load<i32>(entry, ActivationParameters.zero);
  const scale = load<f32>(entry, ActivationParameters.scale);
  const activation = load<i32>(tile, Tile.activation);
  let out = load<usize>(tile, Tile.output);
  for (let p = 0; p < pixels; p++, table += tableStep, offset += advance, out += load<usize>(tile, Tile.outputStride)) {
    for (let c: usize = 0; c < 8; c++) {
      let sum = -zero * load<i32>(load<usize>(tile, Tile.sums) + (c << 2));
      for (let t = 0; t < taps; t++) {
        const x = load<i16>(load<usize>(table + (<usize>t << 2)) + offset + (c << 1));
        sum += <i32>x * <i32>load<i16>(weights + (<usize>(t >> 1) << 5) + (c << 2) + (<usize>(t & 1) << 1));
      }
      const y = <f32>sum * (scale * load<f32>(load<usize>(tile, Tile.scales) + (c << 2))) + load<f32>(load<usize>(tile, Tile.bias) + (c << 2));
      store<f32>(out + (c << 2), activate(y, activation, load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
    }
  }
}
