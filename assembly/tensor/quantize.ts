// Quantize: f32 → i16 with a scale and an integer zero point per sample or row (series.md, B1).
//   s = (hi − lo) / (2^n − 1)        where hi − lo overflows, halves are subtracted and s is doubled: the same rounding
//   z = nearestEven(−lo / s) − 2^(n−1)
//   q = clamp(nearestEven(x / s) + z, −2^(n−1), 2^(n−1) − 1)
// Differences and divisions are f32 operations, nearestEven is exact, the rest is i32; no f64 anywhere. |x / s| < 2^18 even for subnormal s,
// so that adding 1.5·2^23 rounds to nearest even; z is clamped like q, which only a subnormal s can make necessary.
// s = 0 (a constant-zero sample, or one whose s underflows): q = 0, z = 0.
import { ActivationParameters, Partial, QuantizeStep } from "../../src/core/abi/conv";
import { address, argument, share } from "../step";

/** Bits of 1.5·2^23: the sum of it and a small number, as an integer, less these bits, is that number rounded to nearest even. */
const ROUNDER_BITS: i32 = 0x4b400000;
const ROUNDER: f32 = 12582912;

/** Least value of a sample over the partials of all slots. */
export function lowOf(partials: usize, sample: i32, samples: i32, slots: i32): f32 {
  let low: f32 = 0;
  for (let t = 0; t < slots; t++) low = min(low, load<f32>(partials + <usize>(t * samples + sample) * Partial.bytes, Partial.low));
  return low;
}

export function highOf(partials: usize, sample: i32, samples: i32, slots: i32): f32 {
  let high: f32 = 0;
  for (let t = 0; t < slots; t++) high = max(high, load<f32>(partials + <usize>(t * samples + sample) * Partial.bytes, Partial.high));
  return high;
}

/** Whether a sample holds NaN or infinity. */
export function nonFiniteOf(partials: usize, sample: i32, samples: i32, slots: i32): i32 {
  let odd = 0;
  for (let t = 0; t < slots; t++) odd |= load<i32>(partials + <usize>(t * samples + sample) * Partial.bytes, Partial.nonFinite);
  return odd;
}

export function scaleOf(low: f32, high: f32, bits: i32): f32 {
  const steps = <f32>((1 << bits) - 1);
  const span = high - low;
  return span == Infinity ? ((high * 0.5 - low * 0.5) / steps) * 2 : span / steps;
}

export function zeroOf(low: f32, scale: f32, bits: i32): i32 {
  if (scale == 0) return 0;
  const half = 1 << (bits - 1);
  return min(<i32>nearest<f32>(-low / scale) - half, half - 1);
}

/** One value; `low` and `high` bound the result. */
@inline
export function quantized(x: f32, scale: f32, zero: i32, low: i32, high: i32): i32 {
  return max(min(<i32>nearest<f32>(x / scale) + zero, high), low);
}

@inline
export function isFinite32(x: f32): bool {
  return x - x == 0;
}

/** nearestEven(x / s) + z of 4 finite values, not yet clamped; `shift` is ROUNDER_BITS − z. */
@inline
function rounded__simd(x: v128, scale: v128, rounder: v128, shift: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.div(x, scale), rounder), shift);
}

/** q of 8 finite values as i16. */
@inline
export function quantized__simd(a: v128, b: v128, scale: f32, zero: i32, bits: i32): v128 {
  const low = -(1 << (bits - 1));
  const shift = i32x4.splat(ROUNDER_BITS - zero);
  const scales = f32x4.splat(scale);
  const rounder = f32x4.splat(ROUNDER);
  const q = i16x8.narrow_i32x4_s(rounded__simd(a, scales, rounder, shift), rounded__simd(b, scales, rounder, shift));
  return i16x8.max_s(i16x8.min_s(q, i16x8.splat(<i16>(-1 - low))), i16x8.splat(<i16>low));
}

/** Threads share the rows of all samples, or their lines where they get a border; the one that has the first row of a sample writes its parameters. */
export function quantize(step: usize, thread: i32, threads: i32): void {
  const samples = argument(step, QuantizeStep.samples);
  const lineWidth = argument(step, QuantizeStep.lineWidth);
  const rowsPerUnit = max(1, lineWidth);
  const rows = argument(step, QuantizeStep.rowsPerSample) / rowsPerUnit;
  const width = argument(step, QuantizeStep.channels) * argument(step, QuantizeStep.groups);
  const bits = argument(step, QuantizeStep.bits);
  const slots = argument(step, QuantizeStep.slots);
  const partials = address(step, QuantizeStep.partials);
  const parameters = address(step, QuantizeStep.parameters);
  const pixelStride = address(step, QuantizeStep.pixelStride);
  const end = share(samples * rows, thread + 1, threads);
  for (let row = share(samples * rows, thread, threads); row < end; ) {
    const sample = row / rows;
    const count = min(end, (sample + 1) * rows) - row;
    const low = lowOf(partials, sample, samples, slots);
    const scale = scaleOf(low, highOf(partials, sample, samples, slots), bits);
    const zero = zeroOf(low, scale, bits);
    const nonFinite = nonFiniteOf(partials, sample, samples, slots);
    if (row == sample * rows) {
      const entry = parameters + <usize>sample * ActivationParameters.bytes;
      store<f32>(entry, scale, ActivationParameters.scale);
      store<i32>(entry, zero, ActivationParameters.zero);
      store<i32>(entry, nonFinite, ActivationParameters.nonFinite);
      store<i32>(entry, 0, 12);
    }
    const input = address(step, QuantizeStep.input) + ((<usize>row * <usize>(rowsPerUnit * width)) << 2);
    if (lineWidth != 0) {
      for (let i = 0; i < count; i++) {
        const y = row + i - sample * rows;
        borderedLine(step, input + (<usize>(i * lineWidth * width) << 2), sample, y, y == rows - 1, scale, zero, nonFinite);
      }
      row += count;
      continue;
    }
    const output = address(step, QuantizeStep.output) + <usize>row * pixelStride;
    pixelsOf(step, input, output, count, scale, zero, nonFinite);
    if (nonFinite != 0) markRows(step, input, row, count);
    row += count;
  }
}

function pixelsOf(step: usize, input: usize, output: usize, count: i32, scale: f32, zero: i32, nonFinite: i32): void {
  if (scale == 0) memory.fill(output, 0, <usize>count * address(step, QuantizeStep.pixelStride));
  else if (nonFinite != 0) oddRows(step, input, output, count, scale, zero);
  else finiteRows(step, input, output, count, scale, zero);
}

/**
 * Line `y` of a sample and the border around it; that above the first line and below the last goes with them. Where a step reads pixels that are not
 * there, it needs pointers to a row of padding: per pixel of the border, which took half the time of a 5×5 depthwise layer on 24×12 pixels.
 */
function borderedLine(step: usize, input: usize, sample: i32, y: i32, last: bool, scale: f32, zero: i32, nonFinite: i32): void {
  const lineWidth = argument(step, QuantizeStep.lineWidth);
  const outWidth = argument(step, QuantizeStep.outWidth);
  const padTop = argument(step, QuantizeStep.padTop);
  const padLeft = argument(step, QuantizeStep.padLeft);
  const top = sample * argument(step, QuantizeStep.outHeight);
  const line = (top + padTop + y) * outWidth + padLeft;
  const before = y == 0 ? top * outWidth : line - padLeft;
  const behind = (last ? top + argument(step, QuantizeStep.outHeight) : top + padTop + y + 1) * outWidth;
  borderPixels(step, before, line - before, zero, nonFinite);
  pixelsOf(step, input, address(step, QuantizeStep.output) + <usize>line * address(step, QuantizeStep.pixelStride), lineWidth, scale, zero, nonFinite);
  if (nonFinite != 0) markRows(step, input, line, lineWidth);
  borderPixels(step, line + lineWidth, behind - line - lineWidth, zero, nonFinite);
}

/** `count` pixels of z from pixel `first` of the output on. */
function borderPixels(step: usize, first: i32, count: i32, zero: i32, nonFinite: i32): void {
  const pixelStride = address(step, QuantizeStep.pixelStride);
  const both = (zero << 16) | (zero & 0xffff);
  let at = address(step, QuantizeStep.output) + <usize>first * pixelStride;
  const end = at + <usize>count * pixelStride;
  if (ASC_FEATURE_SIMD) {
    const pattern = i32x4.splat(both);
    for (; at + 16 <= end; at += 16) v128.store(at, pattern);
  }
  for (; at < end; at += 4) store<i32>(at, both);
  const mask = address(step, QuantizeStep.mask);
  if (nonFinite == 0 || mask == 0) return;
  const bytes = maskBytes(step);
  memory.fill(mask + <usize>(first * bytes), 0, count * bytes);
}

/** Bytes of the mask per pixel. */
@inline
function maskBytes(step: usize): i32 {
  return (argument(step, QuantizeStep.channels) * argument(step, QuantizeStep.groups)) / argument(step, QuantizeStep.maskChannels);
}

/** Bytes of a pixel behind its last pair of channels: a depthwise layer reads whole blocks of channels. */
@inline
function tailOf(step: usize): usize {
  const pairs = <usize>((argument(step, QuantizeStep.channels) + 1) >> 1) << 2;
  return address(step, QuantizeStep.pixelStride) - <usize>(argument(step, QuantizeStep.groups) - 1) * address(step, QuantizeStep.groupStride) - pairs;
}

/** `rows` rows of a sample that is finite. */
function finiteRows(step: usize, input: usize, output: usize, rows: i32, scale: f32, zero: i32): void {
  const channels = argument(step, QuantizeStep.channels);
  const groups = argument(step, QuantizeStep.groups);
  const pixelStride = address(step, QuantizeStep.pixelStride);
  const groupStride = address(step, QuantizeStep.groupStride);
  const bits = argument(step, QuantizeStep.bits);
  if (groups == 1 && !(channels & 1) && pixelStride == <usize>channels << 1) {
    span(input, output, rows * channels, scale, zero, bits);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    if (groups == 1 && channels == 3 && pixelStride == 8) {
      threes__simd(input, output, rows, scale, zero, bits);
      return;
    }
  }
  const tail = tailOf(step);
  for (let r = 0; r < rows; r++, output += pixelStride) {
    for (let g = 0; g < groups; g++, input += <usize>channels << 2) {
      const to = output + <usize>g * groupStride;
      span(input, to, channels, scale, zero, bits);
      if (channels & 1) store<i16>(to + (<usize>channels << 1), 0);
    }
    if (tail != 0) memory.fill(output + pixelStride - tail, 0, tail);
  }
}

/** `count` neighbouring finite values. */
function span(input: usize, output: usize, count: i32, scale: f32, zero: i32, bits: i32): void {
  const low = -(1 << (bits - 1));
  const high = -1 - low;
  const end = input + (<usize>count << 2);
  if (ASC_FEATURE_SIMD) {
    for (; input + 32 <= end; input += 32, output += 16) {
      v128.store(output, quantized__simd(v128.load(input), v128.load(input, 16), scale, zero, bits));
    }
  }
  for (; input < end; input += 4, output += 2) store<i16>(output, <i16>quantized(load<f32>(input), scale, zero, low, high));
}

/** Pixels of three channels (pictures) into pixels of four, the last 0: one vector each, but for the last, whose vector would reach past the input. */
function threes__simd(input: usize, output: usize, rows: i32, scale: f32, zero: i32, bits: i32): void {
  const keep = i64x2.splat(0x0000ffffffffffff);
  for (let r = 1; r < rows; r++, input += 12, output += 8) {
    const x = v128.load(input);
    const clamped = quantized__simd(x, x, scale, zero, bits);
    v128.store64_lane(output, v128.and(clamped, keep), 0);
  }
  span(input, output, 3, scale, zero, bits);
  store<i16>(output, 0, 6);
}

/** Rows of a sample with NaN or infinity, which become z. */
function oddRows(step: usize, input: usize, output: usize, rows: i32, scale: f32, zero: i32): void {
  const channels = argument(step, QuantizeStep.channels);
  const groups = argument(step, QuantizeStep.groups);
  const low = -(1 << (argument(step, QuantizeStep.bits) - 1));
  const tail = tailOf(step);
  const pixelStride = address(step, QuantizeStep.pixelStride);
  for (let r = 0; r < rows; r++, output += pixelStride) {
    for (let g = 0; g < groups; g++) {
      let to = output + g * argument(step, QuantizeStep.groupStride);
      for (let c = 0; c < channels; c++, input += 4, to += 2) {
        const x = load<f32>(input);
        store<i16>(to, <i16>(isFinite32(x) ? quantized(x, scale, zero, low, -1 - low) : zero));
      }
      if (channels & 1) store<i16>(to, 0);
    }
    if (tail != 0) memory.fill(output + pixelStride - tail, 0, tail);
  }
}

/** The mask of `rows` rows, that of row `first` of all samples with their borders and the following. */
function markRows(step: usize, input: usize, first: i32, rows: i32): void {
  const mask = address(step, QuantizeStep.mask);
  if (mask == 0) return;
  const each = argument(step, QuantizeStep.maskChannels);
  const bytes = maskBytes(step);
  const end = mask + <usize>((first + rows) * bytes);
  for (let at = mask + <usize>(first * bytes); at < end; at++) {
    let odd: u8 = 0;
    for (let c = 0; c < each; c++, input += 4) odd |= <u8>!isFinite32(load<f32>(input));
    store<u8>(at, odd);
  }
}
