// RoiAlign and MaxRoiPool, channels last; see RoiAlignStep and MaxRoiPoolStep. Threads share the bins of all regions. A region of a
// sample that is not there ends the step.
import { MaxRoiPoolStep, RoiAlignStep } from "../../src/core/abi/spatial";
import { add, div, k, max as larger, mul } from "../math/lane";
import { Status } from "../../src/core/abi/program";
import { address, argument, number, share } from "../step";
import { badIndex } from "../tensor/gather";
import { lanes, loadUpTo, storeUpTo } from "../tensor/lanes";

export function roiAlign(program: usize, step: usize, thread: i32, threads: i32): Status {
  const batch = argument(step, RoiAlignStep.batch);
  const height = argument(step, RoiAlignStep.inHeight);
  const width = argument(step, RoiAlignStep.inWidth);
  const outHeight = argument(step, RoiAlignStep.outHeight);
  const outWidth = argument(step, RoiAlignStep.outWidth);
  const channels = argument(step, RoiAlignStep.channels);
  const scale = number(step, RoiAlignStep.spatialScale);
  const offset = number(step, RoiAlignStep.offset);
  const maximum = argument(step, RoiAlignStep.maximum) != 0;
  const pixelBytes = <usize>channels << 2;
  const bins = argument(step, RoiAlignStep.count) * outHeight * outWidth;
  const end = share(bins, thread + 1, threads);
  for (let bin = share(bins, thread, threads); bin < end; bin++) {
    const row = bin / outWidth;
    const region = row / outHeight;
    const sample = load<i64>(address(step, RoiAlignStep.batchIndices) + (<usize>region << 3));
    if (<u64>sample >= <u64>batch) return badIndex(program, sample, 0, batch);
    const corners = address(step, RoiAlignStep.regions) + (<usize>region << 4);
    const left = load<f32>(corners) * scale - offset;
    const top = load<f32>(corners, 4) * scale - offset;
    let across = load<f32>(corners, 8) * scale - offset - left;
    let down = load<f32>(corners, 12) * scale - offset - top;
    if (offset == 0) {
      // regions of half a pixel and less become one pixel, as without half_pixel they always did
      across = max<f32>(across, 1);
      down = max<f32>(down, 1);
    }
    const binHeight = down / <f32>outHeight;
    const binWidth = across / <f32>outWidth;
    const rows = samplesOf(step, binHeight);
    const columns = samplesOf(step, binWidth);
    const y = top + <f32>(row - region * outHeight) * binHeight;
    const x = left + <f32>(bin - row * outWidth) * binWidth;
    const input = address(step, RoiAlignStep.input) + <usize>(<i32>sample * height * width) * pixelBytes;
    const output = address(step, RoiAlignStep.output) + <usize>bin * pixelBytes;
    // at most as many points as a bin has pixels are inside; the others, however many, add nothing
    const stepY = binHeight / rows;
    const stepX = binWidth / columns;
    const rowFrom = firstInside(y, stepY, rows);
    const rowTo = endInside(y, stepY, rows, height);
    const columnFrom = firstInside(x, stepX, columns);
    const columnTo = endInside(x, stepX, columns, width);
    const count = max<f32>(rows * columns, 1);
    const skipped = rowFrom > 0 || columnFrom > 0 || <f32>rowTo < rows || <f32>columnTo < columns;
    for (let n = channels, c: usize = 0; n > 0; n -= ASC_FEATURE_SIMD ? 4 : 1, c += ASC_FEATURE_SIMD ? 16 : 4) {
      if (ASC_FEATURE_SIMD) {
        average<v128>(maximum, input + c, output + c, n, height, width, pixelBytes, y, x, stepY, stepX, rowFrom, rowTo, columnFrom, columnTo, skipped, count);
      } else {
        average<f32>(maximum, input + c, output + c, n, height, width, pixelBytes, y, x, stepY, stepX, rowFrom, rowTo, columnFrom, columnTo, skipped, count);
      }
    }
  }
  return Status.Ok;
}

@inline
function samplesOf(step: usize, size: f32): f32 {
  const given = argument(step, RoiAlignStep.samples);
  return given > 0 ? <f32>given : ceil<f32>(size);
}

/** Coordinate of sample point i. */
@inline
function pointAt(start: f32, distance: f32, i: i32): f32 {
  return start + (<f32>i + <f32>0.5) * distance;
}

/** A point before the first that may be inside, −1 or more. Everything is clamped to 2^22, below which f32 has halves. */
function firstInside(start: f32, distance: f32, count: f32): i32 {
  if (!(distance > 0)) return 0;
  const skipped = floor<f32>((-1 - start) / distance) - 1;
  return skipped > 0 ? <i32>min<f32>(min<f32>(skipped, count), 4194304) : 0;
}

/** One past the last point that may be inside. */
function endInside(start: f32, distance: f32, count: f32, extent: i32): i32 {
  if (!(count > 0)) return 0;
  const end = distance > 0 ? ceil<f32>((<f32>extent - start) / distance) + 1 : count;
  return end > 0 ? <i32>min<f32>(min<f32>(end, count), 4194304) : 0;
}

@inline
function average<T>(
  maximum: bool, input: usize, output: usize, n: i32, height: i32, width: i32, pixelBytes: usize,
  top: f32, left: f32, stepY: f32, stepX: f32, rowFrom: i32, rowTo: i32, columnFrom: i32, columnTo: i32, skipped: bool, count: f32,
): void {
  let r = k<T>(0);
  // a point outside counts as 0, for the largest too
  let first = !skipped;
  for (let i = rowFrom; i < rowTo; i++) {
    let y = pointAt(top, stepY, i);
    if (!(y >= -1 && y <= <f32>height)) {
      if (maximum) r = first ? k<T>(0) : larger<T>(r, k<T>(0));
      first = false;
      continue;
    }
    y = max<f32>(y, 0);
    let y0 = <i32>y;
    if (y0 >= height - 1) {
      y0 = height - 1;
      y = <f32>y0;
    }
    const y1 = min<i32>(y0 + 1, height - 1);
    const ty = y - <f32>y0;
    for (let j = columnFrom; j < columnTo; j++) {
      let x = pointAt(left, stepX, j);
      if (!(x >= -1 && x <= <f32>width)) {
        if (maximum) r = first ? k<T>(0) : larger<T>(r, k<T>(0));
        first = false;
        continue;
      }
      x = max<f32>(x, 0);
      let x0 = <i32>x;
      if (x0 >= width - 1) {
        x0 = width - 1;
        x = <f32>x0;
      }
      const x1 = min<i32>(x0 + 1, width - 1);
      const tx = x - <f32>x0;
      const a = mul<T>(k<T>((1 - ty) * (1 - tx)), loadUpTo<T>(input + <usize>(y0 * width + x0) * pixelBytes, n));
      const b = mul<T>(k<T>((1 - ty) * tx), loadUpTo<T>(input + <usize>(y0 * width + x1) * pixelBytes, n));
      const c = mul<T>(k<T>(ty * (1 - tx)), loadUpTo<T>(input + <usize>(y1 * width + x0) * pixelBytes, n));
      const d = mul<T>(k<T>(ty * tx), loadUpTo<T>(input + <usize>(y1 * width + x1) * pixelBytes, n));
      if (maximum) {
        const m = larger<T>(larger<T>(a, b), larger<T>(c, d));
        r = first ? m : larger<T>(r, m);
      } else {
        r = add<T>(r, add<T>(add<T>(add<T>(a, b), c), d));
      }
      first = false;
    }
  }
  storeUpTo<T>(output, maximum ? r : div<T>(r, k<T>(count)), n);
}

export function maxRoiPool(program: usize, step: usize, thread: i32, threads: i32): Status {
  const batch = argument(step, MaxRoiPoolStep.batch);
  const height = argument(step, MaxRoiPoolStep.inHeight);
  const width = argument(step, MaxRoiPoolStep.inWidth);
  const outHeight = argument(step, MaxRoiPoolStep.outHeight);
  const outWidth = argument(step, MaxRoiPoolStep.outWidth);
  const channels = argument(step, MaxRoiPoolStep.channels);
  const scale = number(step, MaxRoiPoolStep.spatialScale);
  const pixelBytes = <usize>channels << 2;
  const bins = argument(step, MaxRoiPoolStep.count) * outHeight * outWidth;
  const end = share(bins, thread + 1, threads);
  for (let bin = share(bins, thread, threads); bin < end; bin++) {
    const row = bin / outWidth;
    const region = row / outHeight;
    const corners = address(step, MaxRoiPoolStep.regions) + <usize>(region * 20);
    const sample = load<f32>(corners);
    if (!(sample >= 0 && sample < <f32>batch)) return badIndex(program, sample == sample ? <i64>f32.max(f32.min(sample, 1e9), -1e9) : -1, 0, batch);
    const left = corner(load<f32>(corners, 4), scale);
    const top = corner(load<f32>(corners, 8), scale);
    const binHeight = <f32>max<i32>(corner(load<f32>(corners, 16), scale) - top + 1, 1) / <f32>outHeight;
    const binWidth = <f32>max<i32>(corner(load<f32>(corners, 12), scale) - left + 1, 1) / <f32>outWidth;
    const i = <f32>(row - region * outHeight);
    const j = <f32>(bin - row * outWidth);
    const y0 = within(<i32>floor<f32>(i * binHeight) + top, height);
    const y1 = within(<i32>ceil<f32>((i + 1) * binHeight) + top, height);
    const x0 = within(<i32>floor<f32>(j * binWidth) + left, width);
    const x1 = within(<i32>ceil<f32>((j + 1) * binWidth) + left, width);
    const input = address(step, MaxRoiPoolStep.input) + <usize>(<i32>sample * height * width) * pixelBytes;
    const output = address(step, MaxRoiPoolStep.output) + <usize>bin * pixelBytes;
    if (ASC_FEATURE_SIMD) largest<v128>(input, output, channels, width, pixelBytes, y0, y1, x0, x1);
    else largest<f32>(input, output, channels, width, pixelBytes, y0, y1, x0, x1);
  }
  return Status.Ok;
}

/** A corner in pixels, halves away from zero; 0 for what is no number, and at most 2^24, so that sums of corners stay int32. */
@inline
function corner(x: f32, scale: f32): i32 {
  const v = x * scale;
  if (!(f32.abs(v) < 16777216)) return v > 0 ? 16777216 : v < 0 ? -16777216 : 0;
  return v < 0 ? -<i32>floor<f32>(-v + <f32>0.5) : <i32>floor<f32>(v + <f32>0.5);
}

@inline
function within(x: i32, extent: i32): i32 {
  return min<i32>(max<i32>(x, 0), extent);
}

@inline
function largest<T>(input: usize, output: usize, channels: i32, width: i32, pixelBytes: usize, y0: i32, y1: i32, x0: i32, x1: i32): void {
  const empty = y1 <= y0 || x1 <= x0;
  for (let n = channels; n > 0; n -= lanes<T>()) {
    let r = k<T>(empty ? 0 : -Infinity);
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) r = larger<T>(r, loadUpTo<T>(input + <usize>(y * width + x) * pixelBytes, n));
    }
    storeUpTo<T>(output, r, n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}
