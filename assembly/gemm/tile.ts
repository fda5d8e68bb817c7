// What a GEMM kernel is told about its tile besides its operands: a record in the scratch of one thread, written by the driver.
// After it, in the same scratch: the pieces whose offsets are in `Scratch`.
import { Activation } from "../../src/core/abi/conv";

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

/** Offsets in the scratch of one thread. */
export enum Scratch {
  tile = 0,
  /** 8 f32, 8 i32, 8 f32: the last panel's scales, sums and bias, padded; and 8 f32 −0, the bias of a layer that has none (x + −0 = x). */
  scales = 64,
  sums = 96,
  bias = 128,
  noBias = 160,
  /** 4 row pointers of a dense tile. */
  pointers = 192,
  /** f32 [4][8]: the result of a tile that has fewer than 8 columns. */
  result = 256,
  /** i32 [4][8] and f64 [4][8]: sums of one block and of all blocks. */
  sums32 = 384,
  sums64 = 512,
  /** The row that padded positions read, then the pointer table. */
  padding = 768,
}

@inline
export function argument(step: usize, field: i32): i32 {
  return load<i32>(step + (<usize>field << 2));
}

/** An argument that is an address or a number of bytes. */
@inline
export function address(step: usize, field: i32): usize {
  return load<usize>(step + (<usize>field << 2));
}

/** First of `count` items that belong to `thread`. */
@inline
export function share(count: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>count * <i64>thread) / <i64>threads);
}

/** Bytes from the bias of 8 columns to that of the next 8: the one of a layer that has none serves all. */
@inline
export function biasStep(tile: usize): usize {
  return load<usize>(tile, Tile.bias) == tile + Scratch.noBias ? 0 : 32;
}

@inline
export function activate(y: f32, activation: i32, low: f32, high: f32): f32 {
  if (activation == Activation.Clip) return min<f32>(max<f32>(y, low), high);
  if (activation == Activation.HardSwish) return y * min<f32>(max<f32>(y + 3, 0), 6) * (<f32>1 / 6);
  return y;
}

@inline
export function activate__simd(y: v128, activation: i32, low: f32, high: f32): v128 {
  if (activation == Activation.Clip) return f32x4.min(f32x4.max(y, f32x4.splat(low)), f32x4.splat(high));
  if (activation == Activation.HardSwish) {
    const gate = f32x4.min(f32x4.max(f32x4.add(y, f32x4.splat(3)), f32x4.splat(0)), f32x4.splat(6));
    return f32x4.mul(f32x4.mul(y, gate), f32x4.splat(<f32>1 / 6));
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

/** The scalar twin of finish__simd for one column. */
@inline
export function finish__scalar(tile: usize, row: i32, column: i32, y: f32): void {
  const out = load<usize>(tile, Tile.output) + <usize>row * load<usize>(tile, Tile.outputStride) + (<usize>column << 2);
  y += load<f32>(load<usize>(tile, Tile.bias) + (<usize>column << 2));
  store<f32>(out, activate(y, load<i32>(tile, Tile.activation), load<f32>(tile, Tile.low), load<f32>(tile, Tile.high)));
}
