// Where a fractional coordinate lands on an axis: a table of up to four taps, pairs of i32 index and f32 weight, index −1 for a tap outside that
// counts as 0. Three tables side by side, one per axis (depth, height, width), are the scratch of a thread.
import { SampleMode, SamplePadding, TapTable } from "../../src/core/abi/spatial";
import { add, k, mul } from "../math/lane";
import { lanes, loadUpTo, storeUpTo } from "../tensor/lanes";

export const AXIS_BYTES: usize = TapTable.bytes;

/** The only place of an axis of extent 1 that is not sampled. */
export function fixedTap(table: usize): i32 {
  store<i32>(table, 0);
  store<f32>(table, 1, 4);
  return 1;
}

/**
 * Writes the taps of coordinate `x`, in pixels, and returns how many there are; reflection is at `low` and `high`. Weights are those of the coordinate as
 * it is: padding decides about taps, not about the coordinate (which gives the same).
 */
export function axisTaps(table: usize, x: f32, extent: i32, mode: i32, padding: i32, low: f32, high: f32): i32 {
  if (mode == SampleMode.Nearest) {
    store<i32>(table, placeOf(nearest<f32>(x), extent, padding, low, high));
    store<f32>(table, 1, 4);
    return 1;
  }
  const first = floor<f32>(x);
  const t = x - first;
  if (mode == SampleMode.Linear) {
    put(table, 0, placeOf(first, extent, padding, low, high), 1 - t);
    put(table, 1, placeOf(first + 1, extent, padding, low, high), t);
    return 2;
  }
  put(table, 0, placeOf(first - 1, extent, padding, low, high), far(t + 1));
  put(table, 1, placeOf(first, extent, padding, low, high), near(t));
  put(table, 2, placeOf(first + 1, extent, padding, low, high), near(1 - t));
  put(table, 3, placeOf(first + 2, extent, padding, low, high), far(2 - t));
  return 4;
}

@inline
function put(table: usize, i: i32, index: i32, weight: f32): void {
  store<i32>(table + (<usize>i << 3), index);
  store<f32>(table + (<usize>i << 3), weight, 4);
}

// Keys 1981 with a = −0.75
@inline
function near(d: f32): f32 {
  return ((<f32>1.25 * d - <f32>2.25) * d) * d + 1;
}

@inline
function far(d: f32): f32 {
  return ((<f32>-0.75 * d + <f32>3.75) * d - 6) * d + 3;
}

/** The index that stands for the integral coordinate `x`; −1 for none. Always inside of the axis, whatever x is. */
function placeOf(x: f32, extent: i32, padding: i32, low: f32, high: f32): i32 {
  const last = <f32>(extent - 1);
  if (padding == SamplePadding.Zeros) return x >= 0 && x <= last ? <i32>x : -1;
  if (padding == SamplePadding.Reflection) x = reflected(x, low, high);
  return x > 0 ? (x < last ? <i32>x : extent - 1) : 0;
}

/** x mirrored at low and high until it is between them. */
function reflected(x: f32, low: f32, high: f32): f32 {
  if (x >= low && x <= high) return x;
  const range = high - low;
  const distance = x < low ? low - x : x - high;
  const turns = floor<f32>(distance / range);
  const rest = distance - turns * range;
  const even = turns % 2 == 0;
  return (x < low) == even ? low + rest : high - rest;
}

/** Σ_z w_z·(Σ_y w_y·(Σ_x w_x·input)) of `channels` channels; the tables of depth, height and width are side by side at `tables`. */
export function sampleAll(
  tables: usize, depths: i32, rows: i32, columns: i32, input: usize, height: i32, width: i32, pixelBytes: usize, channels: i32, output: usize,
): void {
  if (ASC_FEATURE_SIMD) sample<v128>(tables, depths, rows, columns, input, height, width, pixelBytes, channels, output);
  else sample<f32>(tables, depths, rows, columns, input, height, width, pixelBytes, channels, output);
}

@inline
function sample<T>(
  tables: usize, depths: i32, rows: i32, columns: i32, input: usize, height: i32, width: i32, pixelBytes: usize, channels: i32, output: usize,
): void {
  for (let n = channels; n > 0; n -= lanes<T>()) {
    let sum = k<T>(0);
    for (let h = 0; h < depths; h++) {
      const z = load<i32>(tables + (<usize>h << 3));
      if (z < 0) continue;
      let plane = k<T>(0);
      for (let i = 0; i < rows; i++) {
        const row = tables + AXIS_BYTES + (<usize>i << 3);
        const y = load<i32>(row);
        if (y < 0) continue;
        let line = k<T>(0);
        for (let j = 0; j < columns; j++) {
          const column = tables + 2 * AXIS_BYTES + (<usize>j << 3);
          const x = load<i32>(column);
          if (x < 0) continue;
          const at = input + <usize>((z * height + y) * width + x) * pixelBytes;
          line = add<T>(line, mul<T>(k<T>(load<f32>(column, 4)), loadUpTo<T>(at, n)));
        }
        plane = add<T>(plane, mul<T>(k<T>(load<f32>(row, 4)), line));
      }
      sum = add<T>(sum, mul<T>(k<T>(load<f32>(tables + (<usize>h << 3), 4)), plane));
    }
    storeUpTo<T>(output, sum, n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}
