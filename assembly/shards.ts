// Parts of the integer sums of linear layers, what adds them, and what is done to whole sums; a module of its own, so that inference without shards never
// downloads it. Sums are elements of ℤ/2^32, or of ℤ/2^64 where they may leave int32: any parts, added in any order, give the same integers.
import { ActivationParameters, Activation, ConvStep } from "../src/core/abi/conv";
import { ShardPart } from "../src/core/abi/shards";
import { poison } from "./gemm/conv";
import { outputOf, pixelsOf, writePointers } from "./gemm/geometry";
import { activate, clip, isAffine } from "./gemm/tile";
import { panelColumns } from "./layout";
import { address, argument, number } from "./step";

/** Writes the sums of the weights under each tap, once the weights are there. */
export function prepare(step: usize): void {
  const part = step + (ConvStep.length << 2);
  const rows = argument(part, ShardPart.rows);
  const last = lastTap(step, part);
  let weights = address(part, ShardPart.weights);
  let sums = address(part, ShardPart.tapSums);
  for (let r = 0; r < rows; r++) {
    for (let tap = firstTap(step, part); tap < last; tap++, sums += 4) {
      const count = elementsOf(step, part, tap);
      let sum = 0;
      for (let i = 0; i < count; i++, weights += 2) sum += load<i16>(weights);
      store<i32>(sums, sum);
    }
  }
}

/** Taps that have elements here: from the first to before the last. */
@inline
function firstTap(step: usize, part: usize): i32 {
  return argument(part, ShardPart.from) / argument(step, ConvStep.channels);
}

@inline
function lastTap(step: usize, part: usize): i32 {
  const channels = argument(step, ConvStep.channels);
  return (argument(part, ShardPart.to) + channels - 1) / channels;
}

/** First element of the row that lies under a tap and is here, and how many these are. */
@inline
function firstOf(step: usize, part: usize, tap: i32): i32 {
  return max(argument(part, ShardPart.from), tap * argument(step, ConvStep.channels));
}

@inline
function elementsOf(step: usize, part: usize, tap: i32): i32 {
  const channels = argument(step, ConvStep.channels);
  return max(0, min(argument(part, ShardPart.to), (tap + 1) * channels) - firstOf(step, part, tap));
}

/** Σ Q·(q − z) over the elements that are here; an input outside of the borders is z. */
export function accumulate(step: usize): void {
  if (argument(step + (ConvStep.length << 2), ShardPart.wide)) sums<i64>(step);
  else sums<i32>(step);
}

function sums<T>(step: usize): void {
  const part = step + (ConvStep.length << 2);
  const first = argument(part, ShardPart.first);
  const rows = argument(part, ShardPart.rows);
  const table = address(part, ShardPart.table);
  const begin = firstTap(step, part);
  const last = lastTap(step, part);
  const channels = argument(step, ConvStep.channels);
  const outChannels = argument(step, ConvStep.outChannels);
  const pixels = pixelsOf(step);
  const total = argument(step, ConvStep.batch) * pixels;
  let output = address(part, ShardPart.output);
  for (let at = 0; at < total; at++) {
    const sample = at / pixels;
    const input = address(step, ConvStep.input) + <usize>(sample * argument(step, ConvStep.batchStride));
    writePointers(step, input, at - sample * pixels, 0, table, 4);
    const entry = address(step, ConvStep.parameters) + <usize>(at / argument(step, ConvStep.rowsPerParameter)) * ActivationParameters.bytes;
    const zero = load<i32>(entry, ActivationParameters.zero);
    let weights = address(part, ShardPart.weights);
    let tapSums = address(part, ShardPart.tapSums);
    for (let r = 0; r < rows; r++, output += sizeof<T>()) {
      const offset = <usize>(((first + r) / outChannels) * argument(step, ConvStep.groupStride));
      let sum: T = 0;
      let seen: T = 0;
      for (let tap = begin; tap < last; tap++, tapSums += 4) {
        const count = elementsOf(step, part, tap);
        const pixel = load<usize>(table + (<usize>tap << 2));
        if (pixel != 0) {
          sum += dot<T>(pixel + offset + (<usize>(firstOf(step, part, tap) - tap * channels) << 1), weights, count);
          seen += <T>load<i32>(tapSums);
        }
        weights += <usize>count << 1;
      }
      store<T>(output, sum - <T>zero * seen);
    }
  }
}

/** Σ of products of i16; one of two neighbours fits i32, since no weight is −2^15. */
@inline
function dot<T>(a: usize, b: usize, count: i32): T {
  let sum: T = 0;
  let i = 0;
  if (sizeof<T>() == 4) {
    let lanes = i32x4.splat(0);
    for (; i + 8 <= count; i += 8, a += 16, b += 16) lanes = i32x4.add(lanes, i32x4.dot_i16x8_s(v128.load(a), v128.load(b)));
    sum = <T>(i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3));
  } else {
    let lanes = i64x2.splat(0);
    for (; i + 8 <= count; i += 8, a += 16, b += 16) {
      const pairs = i32x4.dot_i16x8_s(v128.load(a), v128.load(b));
      lanes = i64x2.add(lanes, i64x2.add(i64x2.extend_low_i32x4_s(pairs), i64x2.extend_high_i32x4_s(pairs)));
    }
    sum = <T>(i64x2.extract_lane(lanes, 0) + i64x2.extract_lane(lanes, 1));
  }
  for (; i < count; i++, a += 2, b += 2) sum += <T>(<i32>load<i16>(a) * <i32>load<i16>(b));
  return sum;
}

/** Adds the sums of a part, [pixels][rows], to those of a layer, [pixels][all], from row `first` on. */
export function add(to: usize, all: i32, first: i32, from: usize, pixels: i32, rows: i32, wide: i32): void {
  if (wide) addAll<i64>(to, all, first, from, pixels, rows);
  else addAll<i32>(to, all, first, from, pixels, rows);
}

function addAll<T>(to: usize, all: i32, first: i32, from: usize, pixels: i32, rows: i32): void {
  for (let p = 0; p < pixels; p++) {
    let at = to + <usize>(p * all + first) * sizeof<T>();
    for (let r = 0; r < rows; r++, at += sizeof<T>(), from += sizeof<T>()) store<T>(at, load<T>(at) + load<T>(from));
  }
}

/** Whole sums, [pixels][rows of all groups], to the outputs of a step: rounded and scaled as in gemm/tile.ts, in the same order. */
export function finish(step: usize, from: usize, wide: i32): void {
  const pixels = pixelsOf(step);
  const rows = argument(step, ConvStep.groups) * argument(step, ConvStep.outChannels);
  const bias = address(step, ConvStep.bias);
  const scales = address(step, ConvStep.scales);
  const kind = argument(step, ConvStep.activation);
  const hard = kind == Activation.HardSwish ? 1 : 0;
  const low: f32 = kind == Activation.Clip ? number(step, ConvStep.activationMin) : -Infinity;
  const high: f32 = kind == Activation.Clip ? number(step, ConvStep.activationMax) : Infinity;
  const factor = number(step, ConvStep.factor);
  const shift = number(step, ConvStep.shift);
  const affine = isAffine(factor, shift);
  const addend = address(step, ConvStep.addend);
  const apart = addend - address(step, ConvStep.output);
  const columns = panelColumns(argument(step, 0));
  const units = argument(step, ConvStep.groups) * ((argument(step, ConvStep.outChannels) + columns - 1) / columns);
  const total = argument(step, ConvStep.batch) * pixels;
  for (let at = 0; at < total; at++) {
    const sample = at / pixels;
    const pixel = at - sample * pixels;
    const entry = address(step, ConvStep.parameters) + <usize>(at / argument(step, ConvStep.rowsPerParameter)) * ActivationParameters.bytes;
    const scale = load<f32>(entry, ActivationParameters.scale);
    let output = outputOf(step, sample, pixel);
    for (let r: usize = 0; r < <usize>rows; r++, output += 4) {
      const sum = wide ? <f32>load<i64>(from) : <f32>load<i32>(from);
      from += wide ? 8 : 4;
      const y = sum * (scale * load<f32>(scales + (r << 2))) + (bias == 0 ? <f32>-0.0 : load<f32>(bias + (r << 2)));
      let z = activate(y, hard, low, high);
      if (affine) z = z * factor + shift;
      if (addend != 0) z = clip(z + load<f32>(output + apart), number(step, ConvStep.addendMin), number(step, ConvStep.addendMax));
      store<f32>(output, z);
    }
    poison(step, outputOf(step, sample, pixel), sample, pixel, 1, 0, units);
  }
}
