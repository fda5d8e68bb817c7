// Depthwise convolution of int16 × int16: 3 or 1 output pixels, `blocks` blocks of 8 neighbouring channels, sums exact.
// table: `taps` row pointers (`taps` even; an added one may point anywhere that can be read, its weight is 0), to which `offset` is added; the
// inputs of three pixels are `advance` bytes apart. weights: [block][tap pair][8 channels][2 taps]. Two taps of a channel are interleaved, so
// that one dot product does both: 6 operations for 16 products where extmul takes 8. A fourth pixel is slower: V8 loads all inputs of
// an iteration first and spills accumulators. out: of the first pixel and block; tile: what the first
// block reads (Tile), the next blocks following it; tile.parameters is the entry that all pixels share.
// out = f32(S) · f32(scale_a · scale_w) + bias, then the activation; S as in gemm/tile.ts: in int32 where that has been proved, else
// blocks of `pairsPerBlock` tap pairs are added in f64, and S is rounded once.
import { ActivationParameters } from "../../src/core/abi/conv";
import { corrected__simd } from "../gemm/gemm_4x8_blocks";
import { storeSums__simd } from "../gemm/gemm_4x8";
import { biasStep, clip, clip__simd, Tile } from "../gemm/tile";

@inline
function finish(sum: v128, scale: v128, bias: v128, low: v128, high: v128): v128 {
  return clip__simd(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum), scale), bias), low, high);
}

/** Interleaves two taps of channels 0…3. */
@inline
function low4(x: v128, y: v128): v128 {
  return v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Interleaves two taps of channels 4…7. */
@inline
function high4(x: v128, y: v128): v128 {
  return v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
}

export function depthwise_i16_i16_3x8__simd(
  table: usize, advance: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = v128.load_splat<i32>(entry, ActivationParameters.zero);
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const raw = load<i32>(tile, Tile.sum);
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const outStride = load<usize>(tile, Tile.outputStride);
  const stepBias = biasStep(tile);
  let bias = load<usize>(tile, Tile.bias);
  let columns: usize = 0;
  for (const stop = <usize>blocks << 5; columns < stop; columns += 32, offset += 16, bias += stepBias) {
    const sums = load<usize>(tile, Tile.sums) + columns;
    // Starting from −z·ΣW saves the correction at the end; wrap-around is harmless.
    let c00 = i32x4.neg(i32x4.mul(zero, v128.load(sums)));
    let c01 = i32x4.neg(i32x4.mul(zero, v128.load(sums, 16)));
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    const end = weights + (<usize>taps << 4);
    let at = table;
    do {
      let p = load<usize>(at) + offset;
      let q = load<usize>(at, 4) + offset;
      const w0 = v128.load(weights);
      const w1 = v128.load(weights, 16);
      const x0 = v128.load(p);
      const y0 = v128.load(q);
      c00 = i32x4.add(c00, i32x4.dot_i16x8_s(low4(x0, y0), w0));
      c01 = i32x4.add(c01, i32x4.dot_i16x8_s(high4(x0, y0), w1));
      p += advance;
      q += advance;
      const x1 = v128.load(p);
      const y1 = v128.load(q);
      c10 = i32x4.add(c10, i32x4.dot_i16x8_s(low4(x1, y1), w0));
      c11 = i32x4.add(c11, i32x4.dot_i16x8_s(high4(x1, y1), w1));
      p += advance;
      q += advance;
      const x2 = v128.load(p);
      const y2 = v128.load(q);
      c20 = i32x4.add(c20, i32x4.dot_i16x8_s(low4(x2, y2), w0));
      c21 = i32x4.add(c21, i32x4.dot_i16x8_s(high4(x2, y2), w1));
      at += 8;
      weights += 32;
    } while (weights < end);
    let to = out + columns;
    if (raw) {
      storeSums__simd(to, c00, c01);
      storeSums__simd(to + outStride, c10, c11);
      storeSums__simd(to + 2 * outStride, c20, c21);
      continue;
    }
    const scales = load<usize>(tile, Tile.scales) + columns;
    const scale0 = f32x4.mul(scale, v128.load(scales));
    const scale1 = f32x4.mul(scale, v128.load(scales, 16));
    const bias0 = v128.load(bias);
    const bias1 = v128.load(bias, 16);
    v128.store(to, finish(c00, scale0, bias0, low, high));
    v128.store(to, finish(c01, scale1, bias1, low, high), 16);
    to += outStride;
    v128.store(to, finish(c10, scale0, bias0, low, high));
    v128.store(to, finish(c11, scale1, bias1, low, high), 16);
    to += outStride;
    v128.store(to, finish(c20, scale0, bias0, low, high));
    v128.store(to, finish(c21, scale1, bias1, low, high), 16);
  }
}

export function depthwise_i16_i16_1x8__simd(
  table: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = v128.load_splat<i32>(entry, ActivationParameters.zero);
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const raw = load<i32>(tile, Tile.sum);
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const stepBias = biasStep(tile);
  let bias = load<usize>(tile, Tile.bias);
  let columns: usize = 0;
  for (const stop = <usize>blocks << 5; columns < stop; columns += 32, offset += 16, bias += stepBias) {
    const sums = load<usize>(tile, Tile.sums) + columns;
    let c0 = i32x4.neg(i32x4.mul(zero, v128.load(sums)));
    let c1 = i32x4.neg(i32x4.mul(zero, v128.load(sums, 16)));
    const end = weights + (<usize>taps << 4);
    let at = table;
    do {
      const x = v128.load(load<usize>(at) + offset);
      const y = v128.load(load<usize>(at, 4) + offset);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(low4(x, y), v128.load(weights)));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(high4(x, y), v128.load(weights, 16)));
      at += 8;
      weights += 32;
    } while (weights < end);
    if (raw) {
      storeSums__simd(out + columns, c0, c1);
      continue;
    }
    const scales = load<usize>(tile, Tile.scales) + columns;
    v128.store(out + columns, finish(c0, f32x4.mul(scale, v128.load(scales)), v128.load(bias), low, high));
    v128.store(out + columns, finish(c1, f32x4.mul(scale, v128.load(scales, 16)), v128.load(bias, 16), low, high), 16);
  }
}

/** One pixel whose sums need blocks. */
export function depthwise_i16_i16_1x8_blocks__simd(
  table: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = f64x2.splat(<f64>load<i32>(entry, ActivationParameters.zero));
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const capacity = <usize>load<i32>(tile, Tile.pairsPerBlock) << 5;
  const stepBias = biasStep(tile);
  let bias = load<usize>(tile, Tile.bias);
  let columns: usize = 0;
  for (const stop = <usize>blocks << 5; columns < stop; columns += 32, offset += 16, bias += stepBias) {
    let s0 = f64x2.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    const end = weights + (<usize>taps << 4);
    let at = table;
    do {
      let c0 = i32x4.splat(0);
      let c1 = c0;
      const pause = min(end, weights + capacity);
      do {
        const x = v128.load(load<usize>(at) + offset);
        const y = v128.load(load<usize>(at, 4) + offset);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(low4(x, y), v128.load(weights)));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(high4(x, y), v128.load(weights, 16)));
        at += 8;
        weights += 32;
      } while (weights < pause);
      s0 = f64x2.add(s0, f64x2.convert_low_i32x4_s(c0));
      s1 = f64x2.add(s1, f64x2.convert_low_i32x4_s(v128.shuffle<i64>(c0, c0, 1, 1)));
      s2 = f64x2.add(s2, f64x2.convert_low_i32x4_s(c1));
      s3 = f64x2.add(s3, f64x2.convert_low_i32x4_s(v128.shuffle<i64>(c1, c1, 1, 1)));
    } while (weights < end);
    const sums = load<usize>(tile, Tile.sums) + columns;
    const scales = load<usize>(tile, Tile.scales) + columns;
    const y0 = f32x4.mul(corrected__simd(s0, s1, zero, sums), f32x4.mul(scale, v128.load(scales)));
    const y1 = f32x4.mul(corrected__simd(s2, s3, zero, sums + 16), f32x4.mul(scale, v128.load(scales, 16)));
    v128.store(out + columns, clip__simd(f32x4.add(y0, v128.load(bias)), low, high));
    v128.store(out + columns, clip__simd(f32x4.add(y1, v128.load(bias, 16)), low, high), 16);
  }
}

/** One pixel. A sum of products is exact in f64 (below 2^53), and in int32 where that has been proved: the twin of both forms. */
export function depthwise_i16_i16_1x8__scalar(
  table: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const entry = load<usize>(tile, Tile.parameters);
  const zero = <f64>load<i32>(entry, ActivationParameters.zero);
  const scale = load<f32>(entry, ActivationParameters.scale);
  const bias = load<usize>(tile, Tile.bias);
  for (let c: usize = 0; c < <usize>blocks << 3; c++, out += 4) {
    let sum = -zero * <f64>load<i32>(load<usize>(tile, Tile.sums) + (c << 2));
    const block = weights + (c >> 3) * (<usize>taps << 4) + ((c & 7) << 2);
    for (let t: usize = 0; t < <usize>taps; t++) {
      const x = <i32>load<i16>(load<usize>(table + (t << 2)) + offset + (c << 1));
      sum += <f64>(x * <i32>load<i16>(block + ((t >> 1) << 5) + ((t & 1) << 1)));
    }
    if (load<i32>(tile, Tile.sum)) {
      store<i32>(out, <i32>sum);
      continue;
    }
    const y = <f32>sum * (scale * load<f32>(load<usize>(tile, Tile.scales) + (c << 2))) + load<f32>(bias + (c >> 3) * biasStep(tile) + ((c & 7) << 2));
    store<f32>(out, clip(y, load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
  }
}
