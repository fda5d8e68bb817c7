// Depthwise convolution of f32 for 8 neighbouring channels (the scalar form: `columns` ≤ 8): sums in tap order from −0, one rounding per operation,
// then + bias and the activation. table, tableStep, advance, offset: as in depthwise_i16_i16_1x8, any number of taps; weights: first of the block, `tapBytes` per tap.
import { activate, activate__simd, Tile } from "../gemm/tile";

export function depthwise_f32_2x8__simd(
  table: usize, tableStep: usize, advance: usize, pixels: i32, taps: i32, offset: usize, weights: usize, tapBytes: usize, tile: usize,
): void {
  const bias0 = v128.load(load<usize>(tile, Tile.bias));
  const bias1 = v128.load(load<usize>(tile, Tile.bias), 16);
  const activation = load<i32>(tile, Tile.activation);
  const low = load<f32>(tile, Tile.low);
  const high = load<f32>(tile, Tile.high);
  let out = load<usize>(tile, Tile.output);
  const outStride = load<usize>(tile, Tile.outputStride);
  const bytes = <usize>taps << 2;
  for (; pixels > 1; pixels -= 2) {
    let c00 = f32x4.splat(-0.0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    const next = offset + advance;
    const stop = table + bytes;
    let b = weights;
    let at = table;
    do {
      const w0 = v128.load(b);
      const w1 = v128.load(b, 16);
      const x = load<usize>(at) + offset;
      c00 = f32x4.add(c00, f32x4.mul(v128.load(x), w0));
      c01 = f32x4.add(c01, f32x4.mul(v128.load(x, 16), w1));
      const y = load<usize>(at + tableStep) + next;
      c10 = f32x4.add(c10, f32x4.mul(v128.load(y), w0));
      c11 = f32x4.add(c11, f32x4.mul(v128.load(y, 16), w1));
      at += 4;
      b += tapBytes;
    } while (at < stop);
    table += 2 * tableStep;
    offset = next + advance;
    v128.store(out, activate__simd(f32x4.add(c00, bias0), activation, low, high));
    v128.store(out, activate__simd(f32x4.add(c01, bias1), activation, low, high), 16);
    out += outStride;
    v128.store(out, activate__simd(f32x4.add(c10, bias0), activation, low, high));
    v128.store(out, activate__simd(f32x4.add(c11, bias1), activation, low, high), 16);
    out += outStride;
  }
  if (pixels == 0) return;
  let c0 = f32x4.splat(-0.0);
  let c1 = c0;
  for (const stop = table + bytes; table < stop; table += 4, weights += tapBytes) {
    const x = load<usize>(table) + offset;
    c0 = f32x4.add(c0, f32x4.mul(v128.load(x), v128.load(weights)));
    c1 = f32x4.add(c1, f32x4.mul(v128.load(x, 16), v128.load(weights, 16)));
  }
  v128.store(out, activate__simd(f32x4.add(c0, bias0), activation, low, high));
  v128.store(out, activate__simd(f32x4.add(c1, bias1), activation, low, high), 16);
}

export function depthwise_f32_1x8__scalar(
  table: usize, tableStep: usize, advance: usize, pixels: i32, taps: i32, offset: usize, weights: usize, tapBytes: usize, columns: i32, tile: usize,
): void {
  const activation = load<i32>(tile, Tile.activation);
  let out = load<usize>(tile, Tile.output);
  for (let p = 0; p < pixels; p++, table += tableStep, offset += advance, out += load<usize>(tile, Tile.outputStride)) {
    for (let c: usize = 0; c < <usize>columns; c++) {
      let sum: f32 = -0.0;
      for (let t: usize = 0; t < <usize>taps; t++) {
        sum += load<f32>(load<usize>(table + (t << 2)) + offset + (c << 2)) * load<f32>(weights + t * tapBytes + (c << 2));
      }
      const y = sum + load<f32>(load<usize>(tile, Tile.bias) + (c << 2));
      store<f32>(out + (c << 2), activate(y, activation, load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
    }
  }
}
