// QuantizeBytes, DequantizeBytes, PackBytes and PackWeights: see src/core/abi/bytes.ts. Threads share the elements, or the rows.
import { BytesStep, PackBytesStep, PackWeightsStep } from "../../src/core/abi/bytes";
import { ActivationParameters } from "../../src/core/abi/conv";
import { COLUMNS } from "../layout";
import { address, argument, share } from "../step";

@inline
function loadByte(at: usize, signed: i32): i32 {
  return signed ? <i32>load<i8>(at) : <i32>load<u8>(at);
}

/** 8 bytes as i16. */
@inline
function loadBytes__simd(at: usize, signed: i32): v128 {
  const bytes = v128.load64_zero(at);
  return signed ? i16x8.extend_low_i8x16_s(bytes) : i16x8.extend_low_i8x16_u(bytes);
}

export function quantizeBytes(step: usize, thread: i32, threads: i32): void {
  spans<f32>(step, thread, threads);
}

export function dequantizeBytes(step: usize, thread: i32, threads: i32): void {
  spans<u8>(step, thread, threads);
}

/** Cuts a thread's share into spans of neighbours, of one channel each, or of one after the other where nothing is behind the channels. */
function spans<From>(step: usize, thread: i32, threads: i32): void {
  const channels = argument(step, BytesStep.channels);
  const inner = argument(step, BytesStep.inner);
  const signed = argument(step, BytesStep.signed);
  const zeros = address(step, BytesStep.zeros);
  const total = argument(step, BytesStep.outer) * channels * inner;
  const across = inner == 1 && channels > 1;
  const run = across ? channels : inner;
  const toBytes: bool = sizeof<From>() == 4;
  const end = share(total, thread + 1, threads);
  for (let at = share(total, thread, threads); at < end; ) {
    const count = min(end - at, run - (at % run));
    const channel = <usize>(across ? at % channels : (at / inner) % channels);
    const scale = address(step, BytesStep.scales) + (channel << 2);
    const zero: usize = zeros == 0 ? 0 : zeros + channel;
    const input = address(step, BytesStep.input) + (toBytes ? <usize>at << 2 : <usize>at);
    const output = address(step, BytesStep.output) + (toBytes ? <usize>at : <usize>at << 2);
    if (toBytes) toBytesSpan(input, output, count, scale, zero, signed, across);
    else toFloatsSpan(input, output, count, scale, zero, signed, across);
    at += count;
  }
}

/** f32 zero points of 4 of 8 channels, or of the one channel. */
@inline
function zeros4__simd(wide: v128, high: bool): v128 {
  return f32x4.convert_i32x4_s(high ? i32x4.extend_high_i16x8_s(wide) : i32x4.extend_low_i16x8_s(wide));
}

@inline
function zeros8__simd(zero: usize, signed: i32, across: bool): v128 {
  if (zero == 0) return i16x8.splat(0);
  return across ? loadBytes__simd(zero, signed) : i16x8.splat(<i16>loadByte(zero, signed));
}

function toBytesSpan(input: usize, output: usize, count: i32, scale: usize, zero: usize, signed: i32, across: bool): void {
  const low: f32 = signed ? -128 : 0;
  const high: f32 = signed ? 127 : 255;
  const end = input + (<usize>count << 2);
  const stepScale: usize = across ? 4 : 0;
  const stepZero: usize = across && zero != 0 ? 1 : 0;
  if (ASC_FEATURE_SIMD) {
    const lows = f32x4.splat(low);
    const highs = f32x4.splat(high);
    let s0 = v128.load_splat<f32>(scale);
    let s1 = s0;
    let wide = i16x8.splat(0);
    if (!across) wide = zeros8__simd(zero, signed, false);
    for (; input + 32 <= end; input += 32, output += 8) {
      if (across) {
        s0 = v128.load(scale);
        s1 = v128.load(scale, 16);
        wide = zeros8__simd(zero, signed, true);
        scale += 32;
        zero += stepZero << 3;
      }
      let a = f32x4.add(f32x4.nearest(f32x4.div(v128.load(input), s0)), zeros4__simd(wide, false));
      let b = f32x4.add(f32x4.nearest(f32x4.div(v128.load(input, 16), s1)), zeros4__simd(wide, true));
      a = i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(lows, a), highs));
      b = i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(lows, b), highs));
      const words = i16x8.narrow_i32x4_s(a, b);
      v128.store64_lane(output, signed ? i8x16.narrow_i16x8_s(words, words) : i8x16.narrow_i16x8_u(words, words), 0);
    }
  }
  for (; input < end; input += 4, output++, scale += stepScale, zero += stepZero) {
    const point: f32 = zero == 0 ? 0 : <f32>loadByte(zero, signed);
    let q = nearest<f32>(load<f32>(input) / load<f32>(scale)) + point;
    // NaN, which is not above it, becomes the least value, as in onnxruntime.
    q = low < q ? q : low;
    q = high < q ? high : q;
    store<u8>(output, <u8>(<i32>q));
  }
}

function toFloatsSpan(input: usize, output: usize, count: i32, scale: usize, zero: usize, signed: i32, across: bool): void {
  const end = input + <usize>count;
  const stepScale: usize = across ? 4 : 0;
  const stepZero: usize = across && zero != 0 ? 1 : 0;
  if (ASC_FEATURE_SIMD) {
    let s0 = v128.load_splat<f32>(scale);
    let s1 = s0;
    let wide = i16x8.splat(0);
    if (!across) wide = zeros8__simd(zero, signed, false);
    for (; input + 8 <= end; input += 8, output += 32) {
      if (across) {
        s0 = v128.load(scale);
        s1 = v128.load(scale, 16);
        wide = zeros8__simd(zero, signed, true);
        scale += 32;
        zero += stepZero << 3;
      }
      const moved = i16x8.sub(loadBytes__simd(input, signed), wide);
      v128.store(output, f32x4.mul(zeros4__simd(moved, false), s0));
      v128.store(output, f32x4.mul(zeros4__simd(moved, true), s1), 16);
    }
  }
  for (; input < end; input++, output += 4, scale += stepScale, zero += stepZero) {
    const point = zero == 0 ? 0 : loadByte(zero, signed);
    store<f32>(output, <f32>(loadByte(input, signed) - point) * load<f32>(scale));
  }
}

/** Threads share the rows; the one that has the first writes the parameters. */
export function packBytes(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, PackBytesStep.rows);
  const groups = argument(step, PackBytesStep.groups);
  const channels = argument(step, PackBytesStep.channels);
  const pixelStride = address(step, PackBytesStep.pixelStride);
  const groupStride = address(step, PackBytesStep.groupStride);
  const signed = argument(step, PackBytesStep.signed);
  const zeros = address(step, PackBytesStep.zeros);
  const points = argument(step, PackBytesStep.points);
  let row = share(rows, thread, threads);
  const end = share(rows, thread + 1, threads);
  if (row == 0 && end > 0) {
    const entry = address(step, PackBytesStep.parameters);
    const scale = address(step, PackBytesStep.scale);
    store<f32>(entry, scale == 0 ? 1 : load<f32>(scale), ActivationParameters.scale);
    store<i32>(entry, 1, ActivationParameters.zero);
    store<i32>(entry, 0, ActivationParameters.nonFinite);
    store<i32>(entry, 0, 12);
  }
  let input = address(step, PackBytesStep.input) + <usize>row * <usize>(groups * channels);
  let output = address(step, PackBytesStep.output) + <usize>row * pixelStride;
  if (points <= 1 && groups == 1 && pixelStride == <usize>channels << 1) {
    shift(input, output, (end - row) * channels, pointOf(zeros, 0, signed), signed);
    return;
  }
  // What is behind the last channel of a group, and behind the last group.
  const odd = groupStride - (<usize>channels << 1);
  for (; row < end; row++, output += pixelStride) {
    const point = pointOf(zeros, points > 1 ? row % points : 0, signed);
    for (let g = 0; g < groups; g++, input += <usize>channels) {
      const to = output + <usize>g * groupStride;
      shift(input, to, channels, point, signed);
      memory.fill(to + (<usize>channels << 1), 0, g < groups - 1 ? odd : output + pixelStride - to - (<usize>channels << 1));
    }
  }
}

@inline
function pointOf(zeros: usize, at: i32, signed: i32): i32 {
  return zeros == 0 ? 0 : loadByte(zeros + <usize>at, signed);
}

/** q − point + 1 of `count` neighbours. */
function shift(input: usize, output: usize, count: i32, point: i32, signed: i32): void {
  const end = input + <usize>count;
  if (ASC_FEATURE_SIMD) {
    const offset = i16x8.splat(<i16>(1 - point));
    for (; input + 8 <= end; input += 8, output += 16) v128.store(output, i16x8.add(loadBytes__simd(input, signed), offset));
  }
  for (; input < end; input++, output += 2) store<i16>(output, <i16>(loadByte(input, signed) + 1 - point));
}

/** Threads share the panels. */
export function packWeights(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, PackWeightsStep.rows);
  const taps = argument(step, PackWeightsStep.taps);
  const pairs = (argument(step, PackWeightsStep.channels) + 1) >> 1;
  const panels = (rows + COLUMNS - 1) / COLUMNS;
  const units = argument(step, PackWeightsStep.groups) * panels;
  const bytes = <usize>taps * <usize>pairs * (COLUMNS << 2);
  const end = share(units, thread + 1, threads);
  for (let unit = share(units, thread, threads); unit < end; unit++) {
    const group = unit / panels;
    const output = address(step, PackWeightsStep.output) + <usize>unit * bytes;
    memory.fill(output, 0, bytes);
    const first = (unit - group * panels) * COLUMNS;
    for (let row = first; row < min(rows, first + COLUMNS); row++) packRow(step, group, row, pairs, output + <usize>((row - first) << 2));
  }
}

/** One column of a panel, whose first pair is at `to`. */
function packRow(step: usize, group: i32, row: i32, pairs: i32, to: usize): void {
  const signed = argument(step, PackWeightsStep.signed);
  const channels = argument(step, PackWeightsStep.channels);
  const points = argument(step, PackWeightsStep.points);
  const along = address(step, PackWeightsStep.channelStride);
  const at = group * argument(step, PackWeightsStep.rows) + row;
  const point = pointOf(address(step, PackWeightsStep.zeros), points > 1 ? at % points : 0, signed);
  const input = address(step, PackWeightsStep.input) + <usize>group * address(step, PackWeightsStep.groupStride) +
    <usize>row * address(step, PackWeightsStep.rowStride);
  let sum = 0;
  for (let tap = 0; tap < argument(step, PackWeightsStep.taps); tap++, to += <usize>pairs * (COLUMNS << 2)) {
    let from = input + <usize>tap * address(step, PackWeightsStep.tapStride);
    for (let channel = 0; channel < channels; channel++, from += along) {
      const weight = loadByte(from, signed) - point;
      store<i16>(to + <usize>(channel >> 1) * (COLUMNS << 2) + <usize>((channel & 1) << 1), <i16>weight);
      sum += weight;
    }
  }
  const entry = <usize>(group * argument(step, PackWeightsStep.entryStride) + row) << 2;
  store<i32>(address(step, PackWeightsStep.columnSums) + entry, sum);
  store<f32>(address(step, PackWeightsStep.scales) + entry, 1);
}
