// Depthwise convolution of f32: four pixels of four channels where the kernel is three or five wide, else three or one of eight (the scalar form: one pixel, any number of channels): sums in
// tap order from −0, one rounding per operation, then + bias and a Clip; what else there is to do the driver does. A fourth pixel of 8 channels is slower: V8 loads all inputs of a tap first and
// keeps two sums in memory (5 × 5: three are 1.15 to 1.3 times as fast).
// table: `taps` row pointers of a pixel, to which `offset` is added; `steps` bytes behind each the bytes that it moves by from one pixel to the next. They differ from tap to tap: a row of padding
// stays where it is. The first pixel is `moved` pixels behind that of the table. weights: [block of 8 channels][tap][8], so that none of them meets another in a set of the cache, as those of a
// layout [tap][channels] do where channels are a power of two (5 × 5 over 512: 1.5 times as fast). out, blocks, tile: as in depthwise_i16_i16_3x8.
import { mac__simd } from "../gemm/mac";
import { biasStep, clip, clip__simd, Tile } from "../gemm/tile";

/** One pixel (P: i8) or three (i32) of kernels of any shape; `steps` is 0 where there is one pixel and no step, and `moved` then as well. */
export function depthwise_f32_3x8__simd<P>(
  table: usize, steps: usize, moved: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const outStride = load<usize>(tile, Tile.outputStride);
  const end = table + (<usize>taps << 2);
  const stepBias = biasStep(tile);
  let bias = load<usize>(tile, Tile.bias);
  for (const stop = out + (<usize>blocks << 5); out < stop; out += 32, offset += 32, bias += stepBias) {
    let c00 = f32x4.splat(-0.0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let at = table;
    do {
      const step = load<usize>(at + steps);
      let p = load<usize>(at) + moved * step + offset;
      const w0 = v128.load(weights);
      const w1 = v128.load(weights, 16);
      c00 = mac__simd<f32>(c00, v128.load(p), w0);
      c01 = mac__simd<f32>(c01, v128.load(p, 16), w1);
      if (sizeof<P>() > 1) {
        p += step;
        c10 = mac__simd<f32>(c10, v128.load(p), w0);
        c11 = mac__simd<f32>(c11, v128.load(p, 16), w1);
        p += step;
        c20 = mac__simd<f32>(c20, v128.load(p), w0);
        c21 = mac__simd<f32>(c21, v128.load(p, 16), w1);
      }
      at += 4;
      weights += 32;
    } while (at < end);
    const bias0 = v128.load(bias);
    const bias1 = v128.load(bias, 16);
    let to = out;
    v128.store(to, clip__simd(f32x4.add(c00, bias0), low, high));
    v128.store(to, clip__simd(f32x4.add(c01, bias1), low, high), 16);
    if (sizeof<P>() > 1) {
      to += outStride;
      v128.store(to, clip__simd(f32x4.add(c10, bias0), low, high));
      v128.store(to, clip__simd(f32x4.add(c11, bias1), low, high), 16);
      to += outStride;
      v128.store(to, clip__simd(f32x4.add(c20, bias0), low, high));
      v128.store(to, clip__simd(f32x4.add(c21, bias1), low, high), 16);
    }
  }
}

/**
 * Four pixels of a kernel three wide (W: i8) or five wide (W: i16), whose taps lie side by side: a column is loaded once for all pixels that see it, four channels at a time. The same sums in the
 * same order, 1.1 … 1.36 times as fast.
 */
export function depthwise_f32_4x4__simd<W>(
  table: usize, steps: usize, moved: usize, taps: i32, offset: usize, blocks: i32, weights: usize, tile: usize, out: usize,
): void {
  const low = v128.load_splat<f32>(tile, Tile.low);
  const high = v128.load_splat<f32>(tile, Tile.high);
  const outStride = load<usize>(tile, Tile.outputStride);
  const end = table + (<usize>taps << 2);
  const stepBias = biasStep(tile) >> 1;
  let bias = load<usize>(tile, Tile.bias);
  for (const stop = out + (<usize>blocks << 5); out < stop; out += 16, offset += 16, bias += stepBias) {
    let c0 = f32x4.splat(-0.0);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let at = table;
    let b = weights;
    do {
      const step = load<usize>(at + steps);
      let p = load<usize>(at) + moved * step + offset;
      const w0 = v128.load(b);
      const w1 = v128.load(b, 32);
      const w2 = v128.load(b, 64);
      const w3 = sizeof<W>() == 2 ? v128.load(b, 96) : w2;
      const w4 = sizeof<W>() == 2 ? v128.load(b, 128) : w2;
      let x = v128.load(p);
      c0 = mac__simd<f32>(c0, x, w0);
      x = v128.load((p += step));
      c0 = mac__simd<f32>(c0, x, w1);
      c1 = mac__simd<f32>(c1, x, w0);
      x = v128.load((p += step));
      c0 = mac__simd<f32>(c0, x, w2);
      c1 = mac__simd<f32>(c1, x, w1);
      c2 = mac__simd<f32>(c2, x, w0);
      x = v128.load((p += step));
      if (sizeof<W>() == 2) c0 = mac__simd<f32>(c0, x, w3);
      c1 = mac__simd<f32>(c1, x, w2);
      c2 = mac__simd<f32>(c2, x, w1);
      c3 = mac__simd<f32>(c3, x, w0);
      x = v128.load((p += step));
      if (sizeof<W>() == 2) {
        c0 = mac__simd<f32>(c0, x, w4);
        c1 = mac__simd<f32>(c1, x, w3);
      }
      c2 = mac__simd<f32>(c2, x, w2);
      c3 = mac__simd<f32>(c3, x, w1);
      x = v128.load((p += step));
      if (sizeof<W>() == 2) {
        c1 = mac__simd<f32>(c1, x, w4);
        c2 = mac__simd<f32>(c2, x, w3);
      }
      c3 = mac__simd<f32>(c3, x, w2);
      if (sizeof<W>() == 2) {
        x = v128.load((p += step));
        c2 = mac__simd<f32>(c2, x, w4);
        c3 = mac__simd<f32>(c3, x, w3);
        x = v128.load(p + step);
        c3 = mac__simd<f32>(c3, x, w4);
      }
      at += sizeof<W>() == 2 ? 20 : 12;
      b += sizeof<W>() == 2 ? 160 : 96;
    } while (at < end);
    // The other half of the block, then the next block.
    weights = offset & 16 ? b - 16 : weights + 16;
    const bias0 = v128.load(bias);
    let to = out;
    v128.store(to, clip__simd(f32x4.add(c0, bias0), low, high));
    to += outStride;
    v128.store(to, clip__simd(f32x4.add(c1, bias0), low, high));
    to += outStride;
    v128.store(to, clip__simd(f32x4.add(c2, bias0), low, high));
    to += outStride;
    v128.store(to, clip__simd(f32x4.add(c3, bias0), low, high));
  }
}

export function depthwise_f32_1x8__scalar(
  table: usize, steps: usize, moved: usize, taps: i32, offset: usize, channels: i32, weights: usize, tile: usize, out: usize,
): void {
  const bias = load<usize>(tile, Tile.bias);
  for (let c: usize = 0; c < <usize>channels; c++) {
    let sum: f32 = -0.0;
    const block = weights + (c >> 3) * (<usize>taps << 5) + ((c & 7) << 2);
    for (let t: usize = 0; t < <usize>taps; t++) {
      const at = table + (t << 2);
      sum += load<f32>(load<usize>(at) + moved * load<usize>(at + steps) + offset + (c << 2)) * load<f32>(block + (t << 5));
    }
    const y = sum + load<f32>(bias + (c >> 3) * biasStep(tile) + ((c & 7) << 2));
    store<f32>(out + (c << 2), clip(y, load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
  }
}
