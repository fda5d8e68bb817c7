// What a GEMM kernel is told about its tile besides its operands: a record in the scratch of one thread, written by the driver.
// After it, in the same scratch: the pieces whose offsets are in `Scratch`.
import { Activation } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";

export enum Tile {
  /** Address of the first output and bytes between output rows. */
  output = 0,
  outputStride = 4,
  /** Address of the first row's ActivationParameters and bytes to the next row's (0: all rows share one). */
  parameters = 8,
  parameterStep = 12,
  /** Addresses of 8 f32 scales, 8 i32 column sums, 8 f32 bias values. */
  scales = 16,
  sums = 20,
  bias = 24,
  /** `Activation` and the f32 bounds of Clip. */
  activation = 28,
  low = 32,
  high = 36,
  /** 0: the corrected sum fits int32; else k-pairs whose raw sum fits. */
  pairsPerBlock = 40,
}

/** Bytes from the bias of 8 columns to that of the next 8: the one of a layer that has none serves all. */
@inline
export function biasStep(tile: usize): usize {
  return load<usize>(tile, Tile.bias) == tile + Scratch.noBias ? 0 : 32;
}

/** NaN and −0 stay: comparisons, which are one instruction where WebAssembly's min and max are eight. */
@inline
export function activate(y: f32, activation: i32, low: f32, high: f32): f32 {
  if (activation == Activation.Clip) return clip(y, low, high);
  if (activation == Activation.HardSwish) return y * (clip(y + 3, 0, 6) * (<f32>1 / 6));
  return y;
}

@inline
function clip(y: f32, low: f32, high: f32): f32 {
  y = y < low ? low : y;
  return high < y ? high : y;
}

@inline
export function activate__simd(y: v128, activation: i32, low: f32, high: f32): v128 {
  if (activation == Activation.Clip) return f32x4.pmin(f32x4.pmax(y, f32x4.splat(low)), f32x4.splat(high));
  if (activation == Activation.HardSwish) {
    const gate = f32x4.pmin(f32x4.pmax(f32x4.add(y, f32x4.splat(3)), f32x4.splat(0)), f32x4.splat(6));
    return f32x4.mul(y, f32x4.mul(gate, f32x4.splat(<f32>1 / 6)));
  }
  return y;
}

/** Writes 8 finished sums of a row: + bias, activation. */
@inline
export function finish__simd(tile: usize, row: i32, y0: v128, y1: v128): void {
  const out = load<usize>(tile, Tile.output) + <usize>row * load<usize>(tile, Tile.outputStride);
  const bias = load<usize>(tile, Tile.bias);
  y0 = f32x4.add(y0, v128.load(bias));
  y1 = f32x4.add(y1, v128.load(bias, 16));
  const activation = load<i32>(tile, Tile.activation);
  if (activation != Activation.None) {
    const low = load<f32>(tile, Tile.low);
    const high = load<f32>(tile, Tile.high);
    y0 = activate__simd(y0, activation, low, high);
    y1 = activate__simd(y1, activation, low, high);
  }
  v128.store(out, y0);
  v128.store(out, y1, 16);
}

/** finish__simd of rows 0…3. */
@inline
export function finish4__simd(
  tile: usize, y00: v128, y01: v128, y10: v128, y11: v128, y20: v128, y21: v128, y30: v128, y31: v128,
): void {
  const bias0 = v128.load(load<usize>(tile, Tile.bias));
  const bias1 = v128.load(load<usize>(tile, Tile.bias), 16);
  y00 = f32x4.add(y00, bias0);
  y01 = f32x4.add(y01, bias1);
  y10 = f32x4.add(y10, bias0);
  y11 = f32x4.add(y11, bias1);
  y20 = f32x4.add(y20, bias0);
  y21 = f32x4.add(y21, bias1);
  y30 = f32x4.add(y30, bias0);
  y31 = f32x4.add(y31, bias1);
  const activation = load<i32>(tile, Tile.activation);
  if (activation != Activation.None) {
    const low = load<f32>(tile, Tile.low);
    const high = load<f32>(tile, Tile.high);
    if (activation == Activation.Clip) {
      y00 = activate__simd(y00, Activation.Clip, low, high);
      y01 = activate__simd(y01, Activation.Clip, low, high);
      y10 = activate__simd(y10, Activation.Clip, low, high);
      y11 = activate__simd(y11, Activation.Clip, low, high);
      y20 = activate__simd(y20, Activation.Clip, low, high);
      y21 = activate__simd(y21, Activation.Clip, low, high);
      y30 = activate__simd(y30, Activation.Clip, low, high);
      y31 = activate__simd(y31, Activation.Clip, low, high);
    } else {
      y00 = activate__simd(y00, Activation.HardSwish, low, high);
      y01 = activate__simd(y01, Activation.HardSwish, low, high);
      y10 = activate__simd(y10, Activation.HardSwish, low, high);
      y11 = activate__simd(y11, Activation.HardSwish, low, high);
      y20 = activate__simd(y20, Activation.HardSwish, low, high);
      y21 = activate__simd(y21, Activation.HardSwish, low, high);
      y30 = activate__simd(y30, Activation.HardSwish, low, high);
      y31 = activate__simd(y31, Activation.HardSwish, low, high);
    }
  }
  let out = load<usize>(tile, Tile.output);
  const stride = load<usize>(tile, Tile.outputStride);
  v128.store(out, y00);
  v128.store(out, y01, 16);
  out += stride;
  v128.store(out, y10);
  v128.store(out, y11, 16);
  out += stride;
  v128.store(out, y20);
  v128.store(out, y21, 16);
  out += stride;
  v128.store(out, y30);
  v128.store(out, y31, 16);
}

/** The scalar twin of finish__simd for one column. */
@inline
export function finish__scalar(tile: usize, row: i32, column: i32, y: f32): void {
  const out = load<usize>(tile, Tile.output) + <usize>row * load<usize>(tile, Tile.outputStride) + (<usize>column << 2);
  y += load<f32>(load<usize>(tile, Tile.bias) + (<usize>column << 2));
  store<f32>(out, activate(y, load<i32>(tile, Tile.activation), load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
}
