// What a GEMM kernel is told about its tile besides its operands: a record in the scratch of one thread, written by the driver; and what is done to
// finished sums. After the record, in the same scratch: the pieces whose offsets are in `Scratch`.
// Integers: out = f32(S) · f32(scale_a · scale_w) + bias, then the activation, out·factor + shift, and the sum with an addend between bounds; S = Σ q·w − z·Σw. Exact in int32 when the corrected sum is below 2^31
// (sums may wrap in between); else see gemm_4x8_blocks.ts.
import { Activation, ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Opcode } from "../../src/core/abi/opcode";
import { Scratch } from "../../src/core/abi/scratch";
import { address, argument, number } from "../step";

export enum Tile {
  /** Address of the first output and bytes between output rows. */
  output = 0,
  outputStride = 4,
  /** Address of the first row's ActivationParameters and bytes to the next row's (0: all rows share one). */
  parameters = 8,
  parameterStep = 12,
  /** Addresses of f32 scales, i32 column sums and f32 bias values of a panel's columns. */
  scales = 16,
  sums = 20,
  bias = 24,
  /** What there is to do in the end, bits of `Form`, and the f32 bounds of Clip; no activation is a Clip without bounds. */
  form = 28,
  low = 32,
  high = 36,
  /** 0: the corrected sum fits int32; else k-pairs whose raw sum fits. ConvI4: k-pairs whose raw sum fits the low part of a word. */
  pairsPerBlock = 40,
  /** Whether the integer sums themselves are the result, as i32. */
  sum = 44,
  /** Where pairsPerBlock is not 0: address of the first count of k-pairs (u8) after which high halves leave the sums, and bytes to the next (0: one for all). */
  turns = 48,
  turnStep = 52,
  /** The one for all. */
  turn = 56,
  /** ConvU7: address of Σ q of the first row, i32 per row; instead of turns, that of the i32 offsets of a panel's columns, and words of depth whose sums fit int16, or 0. */
  rowSums = 60,
  offsets = 48,
  quads = 52,
}

/** What is done to a finished sum with its bias besides a Clip, in this order. */
export enum Form {
  HardSwish = 1,
  /** y·factor + shift. */
  Affine = 2,
  /** The sum with an addend, between bounds. */
  Addend = 4,
}

/** Writes what all tiles of a step share. */
export function beginTiles(step: usize, tile: usize): void {
  const activation = argument(step, ConvStep.activation);
  store<i32>(tile, activation == Activation.Sum ? 1 : 0, Tile.sum);
  const clip = activation == Activation.Clip;
  store<f32>(tile, clip ? number(step, ConvStep.activationMin) : -Infinity, Tile.low);
  store<f32>(tile, clip ? number(step, ConvStep.activationMax) : Infinity, Tile.high);
  store<i32>(tile, argument(step, ConvStep.exactInInt32) && argument(step, 0) != Opcode.ConvI4 ? 0 : argument(step, ConvStep.pairsPerBlock), Tile.pairsPerBlock);
  for (let i: usize = 0; i < 16; i++) store<f32>(tile + Scratch.noBias + (i << 2), -0.0);
  // And lineLeft.
  store<i64>(tile, 0, Scratch.linePixels);
  const factor = number(step, ConvStep.factor);
  const shift = number(step, ConvStep.shift);
  store<f32>(tile, factor, Scratch.factor);
  store<f32>(tile, shift, Scratch.shift);
  const addend = address(step, ConvStep.addend);
  let form = activation == Activation.HardSwish ? <i32>Form.HardSwish : 0;
  if (isAffine(factor, shift)) form |= Form.Affine;
  if (addend != 0) form |= Form.Addend;
  store<i32>(tile, form, Tile.form);
  store<usize>(tile, addend - address(step, ConvStep.output), Scratch.addend);
  store<f32>(tile, number(step, ConvStep.addendMin), Scratch.addendMin);
  store<f32>(tile, number(step, ConvStep.addendMax), Scratch.addendMax);
}

/** Whether y·factor + shift may be another number than y. */
@inline
export function isAffine(factor: f32, shift: f32): bool {
  return factor != 1 || reinterpret<i32>(shift) != i32.MIN_VALUE;
}

/** y·factor + shift. */
@inline
export function affine__simd(tile: usize, y: v128): v128 {
  return f32x4.add(f32x4.mul(y, v128.load_splat<f32>(tile, Scratch.factor)), v128.load_splat<f32>(tile, Scratch.shift));
}

/** The sum of four outputs, which will lie at `out`, with what is added to them, between its bounds. */
@inline
export function joined__simd(tile: usize, out: usize, y: v128): v128 {
  y = f32x4.add(y, v128.load(out + load<usize>(tile, Scratch.addend)));
  return f32x4.pmin(f32x4.pmax(y, v128.load_splat<f32>(tile, Scratch.addendMin)), v128.load_splat<f32>(tile, Scratch.addendMax));
}

/** Bytes from the bias of 8 columns to that of the next 8: the one of a layer that has none serves all. */
@inline
export function biasStep(tile: usize): usize {
  return load<usize>(tile, Tile.bias) == tile + Scratch.noBias ? 0 : 32;
}

/** Moves to other columns, so many bytes of 32-bit words further. */
@inline
export function moveColumns<T>(tile: usize, bytes: usize): void {
  store<usize>(tile, load<usize>(tile, Tile.output) + bytes, Tile.output);
  if (biasStep(tile) != 0) store<usize>(tile, load<usize>(tile, Tile.bias) + bytes, Tile.bias);
  if (isFloat<T>()) return;
  if (sizeof<T>() == 1 && !isSigned<T>()) store<usize>(tile, load<usize>(tile, Tile.offsets) + bytes, Tile.offsets);
  store<usize>(tile, load<usize>(tile, Tile.scales) + bytes, Tile.scales);
  store<usize>(tile, load<usize>(tile, Tile.sums) + bytes, Tile.sums);
}

/** What is done to an output that will lie at `out`. NaN and −0 stay: comparisons, which are one instruction where WebAssembly's min and max are eight. */
export function end__scalar(tile: usize, out: usize, y: f32): f32 {
  const form = load<i32>(tile, Tile.form);
  y = activate(y, form & Form.HardSwish, load<f32>(tile, Tile.low), load<f32>(tile, Tile.high));
  if (form & Form.Affine) y = y * load<f32>(tile, Scratch.factor) + load<f32>(tile, Scratch.shift);
  if (form & Form.Addend) {
    y = clip(y + load<f32>(out + load<usize>(tile, Scratch.addend)), load<f32>(tile, Scratch.addendMin), load<f32>(tile, Scratch.addendMax));
  }
  return y;
}

@inline
export function activate(y: f32, hard: i32, low: f32, high: f32): f32 {
  if (hard) return y * (clip(y + 3, 0, 6) * (<f32>1 / 6));
  return clip(y, low, high);
}

@inline
export function clip(y: f32, low: f32, high: f32): f32 {
  y = y < low ? low : y;
  return high < y ? high : y;
}

@inline
export function clip__simd(y: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(y, low), high);
}

@inline
export function hardSwish__simd(y: v128): v128 {
  const gate = f32x4.pmin(f32x4.pmax(f32x4.add(y, f32x4.splat(3)), f32x4.splat(0)), f32x4.splat(6));
  return f32x4.mul(y, f32x4.mul(gate, f32x4.splat(<f32>1 / 6)));
}

/** What is done to four outputs that will lie at `out`; `form`, `low` and `high` as the tile has them. */
@inline
export function end__simd(tile: usize, out: usize, y: v128, form: i32, low: v128, high: v128): v128 {
  if (form & Form.HardSwish) y = hardSwish__simd(y);
  y = clip__simd(y, low, high);
  if (form & Form.Affine) y = affine__simd(tile, y);
  if (form & Form.Addend) y = joined__simd(tile, out, y);
  return y;
}

/** Does what `form` says to `columns` outputs at `out`, which a kernel that only clips has left there. To clip twice is to clip once, and under HardSwish there are no bounds. */
export function endRow(tile: usize, out: usize, columns: i32): void {
  const end = out + (<usize>columns << 2);
  if (ASC_FEATURE_SIMD) {
    const form = load<i32>(tile, Tile.form);
    const low = v128.load_splat<f32>(tile, Tile.low);
    const high = v128.load_splat<f32>(tile, Tile.high);
    for (; out + 16 <= end; out += 16) v128.store(out, end__simd(tile, out, v128.load(out), form, low, high));
  }
  for (; out < end; out += 4) store<f32>(out, end__scalar(tile, out, load<f32>(out)));
}

/** s − z·Σw of 4 columns. */
@inline
export function corrected32__simd(tile: usize, entry: usize, s: v128, at: usize): v128 {
  const z = v128.load_splat<i32>(entry, ActivationParameters.zero);
  return i32x4.sub(s, i32x4.mul(z, v128.load(load<usize>(tile, Tile.sums) + at)));
}

@inline
export function corrected32__scalar(tile: usize, entry: usize, s: i32, column: usize): i32 {
  return s - load<i32>(entry, ActivationParameters.zero) * load<i32>(load<usize>(tile, Tile.sums) + (column << 2));
}

/** The i32 sums of 4 columns of a row under its own parameters: corrected and scaled. */
@inline
export function scaled__simd(tile: usize, entry: usize, s: v128, at: usize): v128 {
  s = corrected32__simd(tile, entry, s, at);
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  return f32x4.mul(f32x4.convert_i32x4_s(s), f32x4.mul(scale, v128.load(load<usize>(tile, Tile.scales) + at)));
}

/** The same for one column. */
@inline
export function scaled__scalar(tile: usize, entry: usize, s: i32, column: usize): f32 {
  s = corrected32__scalar(tile, entry, s, column);
  return <f32>s * (load<f32>(entry, ActivationParameters.scale) * load<f32>(load<usize>(tile, Tile.scales) + (column << 2)));
}

/** Where all rows share their parameters, what they share is computed once for 8 columns; sums that start at −z·Σw need no correction. */
export function prepareShared__simd(tile: usize): void {
  if (load<usize>(tile, Tile.parameterStep) != 0) {
    memory.fill(tile + Scratch.starts, 0, 32);
    return;
  }
  const entry = load<usize>(tile, Tile.parameters);
  const zero = v128.load_splat<i32>(entry, ActivationParameters.zero);
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const sums = load<usize>(tile, Tile.sums);
  const scales = load<usize>(tile, Tile.scales);
  v128.store(tile, i32x4.neg(i32x4.mul(zero, v128.load(sums))), Scratch.starts);
  v128.store(tile, i32x4.neg(i32x4.mul(zero, v128.load(sums, 16))), Scratch.starts + 16);
  v128.store(tile, f32x4.mul(scale, v128.load(scales)), Scratch.factors);
  v128.store(tile, f32x4.mul(scale, v128.load(scales, 16)), Scratch.factors + 16);
}

/** Writes 8 finished sums of a row: + bias, activation. */
export function finish__simd(tile: usize, row: i32, y0: v128, y1: v128): void {
  const out = load<usize>(tile, Tile.output) + <usize>row * load<usize>(tile, Tile.outputStride);
  const bias = load<usize>(tile, Tile.bias);
  v128.store(out, f32x4.add(y0, v128.load(bias)));
  v128.store(out, f32x4.add(y1, v128.load(bias, 16)), 16);
  endRow(tile, out, 8);
}

/** The scalar twin of finish__simd for one column. */
@inline
export function finish__scalar(tile: usize, row: i32, column: usize, y: f32): void {
  const out = load<usize>(tile, Tile.output) + <usize>row * load<usize>(tile, Tile.outputStride) + (column << 2);
  y += load<f32>(load<usize>(tile, Tile.bias) + (column << 2));
  store<f32>(out, end__scalar(tile, out, y));
}
