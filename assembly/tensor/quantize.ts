// Quantize: f32 → i16 with a scale and an integer zero point per sample or row (series.md, B1).
//   s = (hi − lo) / (2^n − 1)        where hi − lo overflows, halves are subtracted and s is doubled: the same rounding
//   r = 1 / s
//   z = nearestEven(−lo · r) − 2^(n−1)
//   q = clamp(nearestEven(x · r) + z, −2^(n−1), 2^(n−1) − 1)
// Differences, divisions and products are f32 operations, nearestEven is exact, the rest is i32; no f64 anywhere. |x · r| < 2^17, so that adding
// 1.5·2^23 rounds to nearest even. s = 0 (a constant-zero sample, or one whose s would be subnormal, of which 1 / s may overflow): q = 0, z = 0.
// Products, not quotients x / s: twice as fast, and as near to x.
import { ActivationParameters, Partial, QuantizeStep } from "../../src/core/abi/conv";
import { address, argument, number, share } from "../step";
import { extent } from "./range";

/** Bits of 1.5·2^23: the sum of it and a small number, as an integer, less these bits, is that number rounded to nearest even. */
export const ROUNDER_BITS: i32 = 0x4b400000;
export const ROUNDER: f32 = 12582912;

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

/** The least positive number that is not subnormal, 2^−126. */
const LEAST_SCALE: f32 = 1.1754943508222875e-38;

export function scaleOf(low: f32, high: f32, bits: i32): f32 {
  const steps = <f32>((1 << bits) - 1);
  const span = high - low;
  const scale = span == Infinity ? ((high * 0.5 - low * 0.5) / steps) * 2 : span / steps;
  return scale < LEAST_SCALE ? 0 : scale;
}

/** r, what values are multiplied by; 0 where s is 0. */
@inline
export function inverseOf(scale: f32): f32 {
  return scale == 0 ? 0 : 1 / scale;
}

export function zeroOf(low: f32, inverse: f32, bits: i32): i32 {
  return inverse == 0 ? 0 : <i32>nearest<f32>(-low * inverse) - (1 << (bits - 1));
}

/** One value at or above the least of its sample, which becomes −2^(n−1) exactly; the largest may round to one more than fits. */
@inline
export function quantized(x: f32, inverse: f32, zero: i32, bits: i32): i32 {
  return min(<i32>nearest<f32>(x * inverse) + zero, mostOf(bits));
}

/** The largest q. */
@inline
function mostOf(bits: i32): i32 {
  return (1 << (bits - 1)) - 1;
}

@inline
export function isFinite32(x: f32): bool {
  return x - x == 0;
}

/** nearestEven(x · r) + z of 4 finite values, not yet clamped; `shift` is ROUNDER_BITS − z. */
@inline
export function rounded__simd(x: v128, inverse: v128, rounder: v128, shift: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, inverse), rounder), shift);
}

/** q of 8 finite values as i16. */
@inline
export function quantized__simd(a: v128, b: v128, inverse: f32, zero: i32, bits: i32): v128 {
  const shift = i32x4.splat(ROUNDER_BITS - zero);
  const factor = f32x4.splat(inverse);
  const rounder = f32x4.splat(ROUNDER);
  const q = i16x8.narrow_i32x4_s(rounded__simd(a, factor, rounder, shift), rounded__simd(b, factor, rounder, shift));
  return i16x8.min_s(q, i16x8.splat(<i16>mostOf(bits)));
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
  const end = share(samples * rows, thread + 1, threads);
  for (let row = share(samples * rows, thread, threads); row < end; ) {
    const sample = row / rows;
    const count = min(end, (sample + 1) * rows) - row;
    const input = address(step, QuantizeStep.input) + ((<usize>row * <usize>(rowsPerUnit * width)) << 2);
    const entry = parameters + <usize>sample * ActivationParameters.bytes;
    let low: f32;
    let high: f32;
    let nonFinite: i32;
    if (partials == 0) {
      // What is known of the row is where its parameters will be.
      extent(input, width, entry, false);
      low = load<f32>(entry, Partial.low);
      high = load<f32>(entry, Partial.high);
      nonFinite = load<i32>(entry, Partial.nonFinite);
    } else {
      low = lowOf(partials, sample, samples, slots);
      high = highOf(partials, sample, samples, slots);
      nonFinite = nonFiniteOf(partials, sample, samples, slots);
    }
    if (isFixed(step)) {
      low = number(step, QuantizeStep.low);
      high = number(step, QuantizeStep.high);
    }
    const scale = scaleOf(low, high, bits);
    const inverse = inverseOf(scale);
    const zero = zeroOf(low, inverse, bits);
    if (row == sample * rows) writeEntry(entry, scale, zero, nonFinite);
    if (lineWidth != 0) {
      for (let i = 0; i < count; i++) {
        runOfLine(step, input + (<usize>(i * lineWidth * width) << 2), sample, row + i - sample * rows, 0, lineWidth, inverse, zero, nonFinite);
      }
      row += count;
      continue;
    }
    run(step, input, row, count, inverse, zero, nonFinite);
    row += count;
  }
}

/** Whether the range is known without the values. */
@inline
function isFixed(step: usize): bool {
  return number(step, QuantizeStep.low) != number(step, QuantizeStep.high);
}

@inline
function writeEntry(entry: usize, scale: f32, zero: i32, nonFinite: i32): void {
  store<f32>(entry, scale, ActivationParameters.scale);
  store<i32>(entry, zero, ActivationParameters.zero);
  store<i32>(entry, nonFinite, ActivationParameters.nonFinite);
  store<i32>(entry, 0, 12);
}

/** Where a pixel of a sample is in the output, counted in pixels of all samples. */
export function placeOf(step: usize, sample: i32, pixel: i32): i32 {
  const lineWidth = argument(step, QuantizeStep.lineWidth);
  if (lineWidth == 0) return sample * argument(step, QuantizeStep.rowsPerSample) + pixel;
  const y = pixel / lineWidth;
  const line = sample * argument(step, QuantizeStep.outHeight) + argument(step, QuantizeStep.padTop) + y;
  return line * argument(step, QuantizeStep.outWidth) + argument(step, QuantizeStep.padLeft) + pixel - y * lineWidth;
}

/**
 * The same for `count` pixels of a sample from `pixel` on, which lie at `input`, under a step whose range is known. Of a sample that may hold values that are not finite (`nonFinite` not 0)
 * all pixels come with that. `input` 0: the pixels are there, and what is around them is written.
 */
export function quantizePixels(step: usize, input: usize, sample: i32, pixel: i32, count: i32, nonFinite: i32): void {
  const bits = argument(step, QuantizeStep.bits);
  const low = number(step, QuantizeStep.low);
  const scale = scaleOf(low, number(step, QuantizeStep.high), bits);
  const inverse = inverseOf(scale);
  const zero = zeroOf(low, inverse, bits);
  writeEntry(address(step, QuantizeStep.parameters) + <usize>sample * ActivationParameters.bytes, scale, zero, nonFinite);
  const lineWidth = argument(step, QuantizeStep.lineWidth);
  if (lineWidth == 0) {
    run(step, input, sample * argument(step, QuantizeStep.rowsPerSample) + pixel, count, inverse, zero, nonFinite);
    return;
  }
  const bytes = <usize>(argument(step, QuantizeStep.channels) * argument(step, QuantizeStep.groups)) << 2;
  for (const end = pixel + count; pixel < end; ) {
    const y = pixel / lineWidth;
    const x = pixel - y * lineWidth;
    const some = min(lineWidth - x, end - pixel);
    runOfLine(step, input, sample, y, x, some, inverse, zero, nonFinite);
    if (input != 0) input += <usize>some * bytes;
    pixel += some;
  }
}

/** `count` pixels at `input`, if it is not 0, neighbours in the output from pixel `first` of all samples on. */
function run(step: usize, input: usize, first: i32, count: i32, inverse: f32, zero: i32, nonFinite: i32): void {
  if (input == 0) return;
  const output = address(step, QuantizeStep.output) + <usize>first * address(step, QuantizeStep.pixelStride);
  pixelsOf(step, input, output, count, inverse, zero, nonFinite);
  if (nonFinite != 0) markRows(step, input, first, count);
}

function pixelsOf(step: usize, input: usize, output: usize, count: i32, inverse: f32, zero: i32, nonFinite: i32): void {
  if (inverse == 0) memory.fill(output, 0, <usize>count * address(step, QuantizeStep.pixelStride));
  else if (nonFinite != 0) oddRows(step, input, output, count, inverse, zero);
  else finiteRows(step, input, output, count, inverse, zero);
}

/**
 * `count` pixels of line `y` of a sample, from column `x` on, and the border beside them; that above the first line and below the last goes with their ends. Where a step reads pixels that are
 * not there, it needs pointers to a row of padding: per pixel of the border, which took half the time of a 5×5 depthwise layer on 24×12 pixels.
 */
function runOfLine(step: usize, input: usize, sample: i32, y: i32, x: i32, count: i32, inverse: f32, zero: i32, nonFinite: i32): void {
  const lineWidth = argument(step, QuantizeStep.lineWidth);
  const outWidth = argument(step, QuantizeStep.outWidth);
  const outHeight = argument(step, QuantizeStep.outHeight);
  const padLeft = argument(step, QuantizeStep.padLeft);
  const top = sample * outHeight * outWidth;
  const line = placeOf(step, sample, y * lineWidth);
  if (x == 0) {
    const before = y == 0 ? top : line - padLeft;
    borderPixels(step, before, line - before, zero, nonFinite);
  }
  run(step, input, line + x, count, inverse, zero, nonFinite);
  if (x + count < lineWidth) return;
  const last = (y + 1) * lineWidth == argument(step, QuantizeStep.rowsPerSample);
  const behind = last ? top + outHeight * outWidth : line + outWidth - padLeft;
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
function finiteRows(step: usize, input: usize, output: usize, rows: i32, inverse: f32, zero: i32): void {
  const channels = argument(step, QuantizeStep.channels);
  const groups = argument(step, QuantizeStep.groups);
  const pixelStride = address(step, QuantizeStep.pixelStride);
  const groupStride = address(step, QuantizeStep.groupStride);
  const bits = argument(step, QuantizeStep.bits);
  if (groups == 1 && !(channels & 1) && pixelStride == <usize>channels << 1) {
    span(input, output, rows * channels, inverse, zero, bits);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    if (groups == 1 && channels == 3 && pixelStride == 8) {
      threes__simd(input, output, rows, inverse, zero, bits);
      return;
    }
    if (groups == 1 && channels == 1 && pixelStride == 4) {
      ones__simd(input, output, rows, inverse, zero, bits);
      return;
    }
  }
  const tail = tailOf(step);
  for (let r = 0; r < rows; r++, output += pixelStride) {
    for (let g = 0; g < groups; g++, input += <usize>channels << 2) {
      const to = output + <usize>g * groupStride;
      span(input, to, channels, inverse, zero, bits);
      if (channels & 1) store<i16>(to + (<usize>channels << 1), 0);
    }
    if (tail != 0) memory.fill(output + pixelStride - tail, 0, tail);
  }
}

/** `count` neighbouring finite values. */
function span(input: usize, output: usize, count: i32, inverse: f32, zero: i32, bits: i32): void {
  const end = input + (<usize>count << 2);
  if (ASC_FEATURE_SIMD) {
    const factor = f32x4.splat(inverse);
    const rounder = f32x4.splat(ROUNDER);
    const shift = i32x4.splat(ROUNDER_BITS - zero);
    const most = i16x8.splat(<i16>mostOf(bits));
    // Constants by name and 16 values a turn: V8 makes a splat anew in every turn, which took a third of the time.
    for (; input + 64 <= end; input += 64, output += 32) {
      const a = rounded__simd(v128.load(input), factor, rounder, shift);
      const b = rounded__simd(v128.load(input, 16), factor, rounder, shift);
      const c = rounded__simd(v128.load(input, 32), factor, rounder, shift);
      const d = rounded__simd(v128.load(input, 48), factor, rounder, shift);
      const q = i16x8.min_s(i16x8.narrow_i32x4_s(a, b), most);
      const r = i16x8.min_s(i16x8.narrow_i32x4_s(c, d), most);
      v128.store(output, q);
      v128.store(output, r, 16);
    }
    for (; input + 32 <= end; input += 32, output += 16) {
      v128.store(output, quantized__simd(v128.load(input), v128.load(input, 16), inverse, zero, bits));
    }
  }
  for (; input < end; input += 4, output += 2) store<i16>(output, <i16>quantized(load<f32>(input), inverse, zero, bits));
}

/** Pixels of three channels (pictures) into pixels of four, the last 0: one vector each, but for the last, whose vector would reach past the input. */
function threes__simd(input: usize, output: usize, rows: i32, inverse: f32, zero: i32, bits: i32): void {
  const keep = i64x2.splat(0x0000ffffffffffff);
  const factor = f32x4.splat(inverse);
  const rounder = f32x4.splat(ROUNDER);
  const shift = i32x4.splat(ROUNDER_BITS - zero);
  const most = i16x8.splat(<i16>mostOf(bits));
  for (let r = 1; r < rows; r++, input += 12, output += 8) {
    const x = rounded__simd(v128.load(input), factor, rounder, shift);
    v128.store64_lane(output, v128.and(i16x8.min_s(i16x8.narrow_i32x4_s(x, x), most), keep), 0);
  }
  span(input, output, 3, inverse, zero, bits);
  store<i16>(output, 0, 6);
}

/** Pixels of one channel (grey pictures, sound) into pixels of two, the second 0. */
function ones__simd(input: usize, output: usize, rows: i32, inverse: f32, zero: i32, bits: i32): void {
  const factor = f32x4.splat(inverse);
  const rounder = f32x4.splat(ROUNDER);
  const shift = i32x4.splat(ROUNDER_BITS - zero);
  const most = i32x4.splat(mostOf(bits));
  const keep = i32x4.splat(0xffff);
  for (; rows >= 4; rows -= 4, input += 16, output += 16) {
    v128.store(output, v128.and(i32x4.min_s(rounded__simd(v128.load(input), factor, rounder, shift), most), keep));
  }
  for (; rows > 0; rows--, input += 4, output += 4) store<i32>(output, quantized(load<f32>(input), inverse, zero, bits) & 0xffff);
}

/** Rows of a sample with NaN or infinity, which become z. */
function oddRows(step: usize, input: usize, output: usize, rows: i32, inverse: f32, zero: i32): void {
  const channels = argument(step, QuantizeStep.channels);
  const groups = argument(step, QuantizeStep.groups);
  const bits = argument(step, QuantizeStep.bits);
  const tail = tailOf(step);
  const pixelStride = address(step, QuantizeStep.pixelStride);
  for (let r = 0; r < rows; r++, output += pixelStride) {
    for (let g = 0; g < groups; g++) {
      let to = output + g * argument(step, QuantizeStep.groupStride);
      for (let c = 0; c < channels; c++, input += 4, to += 2) {
        const x = load<f32>(input);
        store<i16>(to, <i16>(isFinite32(x) ? quantized(x, inverse, zero, bits) : zero));
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
