// Pool and Resize, channels last; see PoolStep and ResizeStep. Channels are the lanes.
import { PoolStep, ResizeStep } from "../../src/core/abi/pool";
import { add, div, k, max, mul } from "../math/lane";
import { lanes, loadUpTo, storeUpTo } from "./lanes";
import { address, argument, share } from "../step";

export function pool(step: usize, thread: i32, threads: i32): void {
  let height = argument(step, PoolStep.inHeight);
  let width = argument(step, PoolStep.inWidth);
  let outHeight = argument(step, PoolStep.outHeight);
  let outWidth = argument(step, PoolStep.outWidth);
  let channels = argument(step, PoolStep.channels);
  let strideHeight = argument(step, PoolStep.strideHeight);
  let strideWidth = argument(step, PoolStep.strideWidth);
  let dilationHeight = argument(step, PoolStep.dilationHeight);
  let dilationWidth = argument(step, PoolStep.dilationWidth);
  let kernelHeight = argument(step, PoolStep.kernelHeight);
  let kernelWidth = argument(step, PoolStep.kernelWidth);
  let operation = argument(step, PoolStep.operation);
  let pixels = argument(step, PoolStep.batch) * outHeight * outWidth;
  let end = share(pixels, thread + 1, threads);
  for (let pixel = share(pixels, thread, threads); pixel < end; pixel++) {
    let row = pixel / outWidth;
    let sample = row / outHeight;
    let top = (row - sample * outHeight) * strideHeight - argument(step, PoolStep.padTop);
    let left = (pixel - row * outWidth) * strideWidth - argument(step, PoolStep.padLeft);
    // taps [y0, y1) × [x0, x1) lie inside the input
    let y0 = firstTap(top, dilationHeight);
    let x0 = firstTap(left, dilationWidth);
    let y1 = endTap(top, dilationHeight, kernelHeight, height);
    let x1 = endTap(left, dilationWidth, kernelWidth, width);
    let divisor = (y1 - y0) * (x1 - x0);
    if (operation == 2) {
      // padding counts, what ceil_mode adds beyond it does not
      divisor = endTap(top, dilationHeight, kernelHeight, height + argument(step, PoolStep.padBottom));
      divisor *= endTap(left, dilationWidth, kernelWidth, width + argument(step, PoolStep.padRight));
    }
    let stepX = <isize>(dilationWidth * channels) << 2;
    let stepY = <isize>(dilationHeight * width * channels) << 2;
    let at = (sample * height + top + y0 * dilationHeight) * width + left + x0 * dilationWidth;
    let input = address(step, PoolStep.input) + (<usize>(at * channels) << 2);
    let output = address(step, PoolStep.output) + (<usize>(pixel * channels) << 2);
    if (operation == 0) {
      if (ASC_FEATURE_SIMD) taps<v128>(true, input, output, channels, y1 - y0, x1 - x0, stepY, stepX, 1);
      else taps<f32>(true, input, output, channels, y1 - y0, x1 - x0, stepY, stepX, 1);
    } else {
      if (ASC_FEATURE_SIMD) taps<v128>(false, input, output, channels, y1 - y0, x1 - x0, stepY, stepX, <f32>divisor);
      else taps<f32>(false, input, output, channels, y1 - y0, x1 - x0, stepY, stepX, <f32>divisor);
    }
  }
}

/** The first tap at or after coordinate 0. */
@inline function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** One past the last tap before `extent`, at least 0. */
@inline function endTap(start: i32, dilation: i32, kernel: i32, extent: i32): i32 {
  let n = start >= extent ? 0 : (extent - 1 - start) / dilation + 1;
  return n < kernel ? n : kernel;
}

@inline function taps<T>(
  maximum: bool, input: usize, output: usize, n: i32, height: i32, width: i32, stepY: usize, stepX: usize, divisor: f32,
): void {
  let d = k<T>(divisor);
  for (; n > 0; n -= lanes<T>()) {
    let r = k<T>(maximum ? -Infinity : 0);
    let row = input;
    for (let y = 0; y < height; y++) {
      let at = row;
      for (let x = 0; x < width; x++) {
        let v = loadUpTo<T>(at, n);
        r = maximum ? max<T>(r, v) : add<T>(r, v);
        at += stepX;
      }
      row += stepY;
    }
    storeUpTo<T>(output, maximum ? r : div<T>(r, d), n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}

export function resize(step: usize, thread: i32, threads: i32): void {
  let outHeight = argument(step, ResizeStep.outHeight);
  let outWidth = argument(step, ResizeStep.outWidth);
  let width = argument(step, ResizeStep.inWidth);
  let channels = argument(step, ResizeStep.channels);
  let tapsY = argument(step, ResizeStep.tapsY);
  let tapsX = argument(step, ResizeStep.tapsX);
  let plane = <usize>(argument(step, ResizeStep.inHeight) * width * channels) << 2;
  let pixels = argument(step, ResizeStep.batch) * outHeight * outWidth;
  let end = share(pixels, thread + 1, threads);
  for (let pixel = share(pixels, thread, threads); pixel < end; pixel++) {
    let row = pixel / outWidth;
    let sample = row / outHeight;
    let input = address(step, ResizeStep.input) + <usize>sample * plane;
    let output = address(step, ResizeStep.output) + (<usize>pixel * <usize>channels << 2);
    let rows = address(step, ResizeStep.rows) + (<usize>((row - sample * outHeight) * tapsY) << 3);
    let columns = address(step, ResizeStep.columns) + (<usize>((pixel - row * outWidth) * tapsX) << 3);
    if (tapsY * tapsX == 1) {
      let at = load<i32>(rows) * width + load<i32>(columns);
      memory.copy(output, input + (<usize>at * <usize>channels << 2), <usize>channels << 2);
    } else if (ASC_FEATURE_SIMD) weighted<v128>(input, output, channels, width, rows, columns, tapsY, tapsX);
    else weighted<f32>(input, output, channels, width, rows, columns, tapsY, tapsX);
  }
}

@inline function weighted<T>(
  input: usize, output: usize, channels: i32, width: i32, rows: usize, columns: usize, tapsY: i32, tapsX: i32,
): void {
  for (let n = channels; n > 0; n -= lanes<T>()) {
    let sum = k<T>(0);
    for (let i = 0; i < tapsY; i++) {
      let y = load<i32>(rows + (<usize>i << 3)) * width;
      let part = k<T>(0);
      for (let j = 0; j < tapsX; j++) {
        let at = y + load<i32>(columns + (<usize>j << 3));
        let x = loadUpTo<T>(input + (<usize>at * <usize>channels << 2), n);
        part = add<T>(part, mul<T>(k<T>(load<f32>(columns + (<usize>j << 3), 4)), x));
      }
      sum = add<T>(sum, mul<T>(k<T>(load<f32>(rows + (<usize>i << 3), 4)), part));
    }
    storeUpTo<T>(output, sum, n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}
