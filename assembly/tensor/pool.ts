// Pool and Resize, channels last; see PoolStep and ResizeStep. Channels are the lanes.
import { PoolFunction, PoolStep, ResizeStep } from "../../src/core/abi/pool";
import { add, div, k, max, mul } from "../math/lane";
import { lanes, loadUpTo, storeUpTo } from "./lanes";
import { address, argument, share } from "../step";

export function pool(step: usize, thread: i32, threads: i32): void {
  const depth = argument(step, PoolStep.inDepth);
  const height = argument(step, PoolStep.inHeight);
  const width = argument(step, PoolStep.inWidth);
  const outHeight = argument(step, PoolStep.outHeight);
  const outWidth = argument(step, PoolStep.outWidth);
  const channels = argument(step, PoolStep.channels);
  const dilationDepth = argument(step, PoolStep.dilationDepth);
  const dilationHeight = argument(step, PoolStep.dilationHeight);
  const dilationWidth = argument(step, PoolStep.dilationWidth);
  const kernelDepth = argument(step, PoolStep.kernelDepth);
  const kernelHeight = argument(step, PoolStep.kernelHeight);
  const kernelWidth = argument(step, PoolStep.kernelWidth);
  const operation = argument(step, PoolStep.operation);
  const planes = argument(step, PoolStep.batch) * argument(step, PoolStep.outDepth);
  const stepX = <usize>(dilationWidth * channels) << 2;
  const stepY = <usize>(dilationHeight * width * channels) << 2;
  const stepZ = <usize>(dilationDepth * height * width * channels) << 2;
  const pixels = planes * outHeight * outWidth;
  const end = share(pixels, thread + 1, threads);
  for (let pixel = share(pixels, thread, threads); pixel < end; pixel++) {
    const row = pixel / outWidth;
    const plane = row / outHeight;
    const sample = plane / argument(step, PoolStep.outDepth);
    const front = (plane - sample * argument(step, PoolStep.outDepth)) * argument(step, PoolStep.strideDepth) - argument(step, PoolStep.padFront);
    const top = (row - plane * outHeight) * argument(step, PoolStep.strideHeight) - argument(step, PoolStep.padTop);
    const left = (pixel - row * outWidth) * argument(step, PoolStep.strideWidth) - argument(step, PoolStep.padLeft);
    // taps [z0, z1) × [y0, y1) × [x0, x1) lie inside the input
    const z0 = firstTap(front, dilationDepth);
    const y0 = firstTap(top, dilationHeight);
    const x0 = firstTap(left, dilationWidth);
    const z1 = endTap(front, dilationDepth, kernelDepth, depth);
    const y1 = endTap(top, dilationHeight, kernelHeight, height);
    const x1 = endTap(left, dilationWidth, kernelWidth, width);
    let divisor = whole(z1 - z0) * whole(y1 - y0) * whole(x1 - x0);
    if (operation == PoolFunction.AveragePadded) {
      // padding counts, what ceil_mode adds beyond it does not
      divisor = endTap(front, dilationDepth, kernelDepth, depth + argument(step, PoolStep.padBack));
      divisor *= endTap(top, dilationHeight, kernelHeight, height + argument(step, PoolStep.padBottom));
      divisor *= endTap(left, dilationWidth, kernelWidth, width + argument(step, PoolStep.padRight));
    } else if (operation == PoolFunction.Sum) {
      divisor = 1;
    }
    const z = sample * depth + front + z0 * dilationDepth;
    const at = (z * height + top + y0 * dilationHeight) * width + left + x0 * dilationWidth;
    const input = address(step, PoolStep.input) + (<usize>(at * channels) << 2);
    const output = address(step, PoolStep.output) + (<usize>(pixel * channels) << 2);
    const maximum = operation == PoolFunction.Max;
    if (ASC_FEATURE_SIMD) taps<v128>(maximum, input, output, channels, z1 - z0, y1 - y0, x1 - x0, stepZ, stepY, stepX, <f32>divisor);
    else taps<f32>(maximum, input, output, channels, z1 - z0, y1 - y0, x1 - x0, stepZ, stepY, stepX, <f32>divisor);
  }
}

/** Taps between two bounds. */
@inline function whole(taps: i32): i32 {
  return taps > 0 ? taps : 0;
}

/** The first tap at or after coordinate 0. */
@inline export function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** One past the last tap before `extent`, at least 0. */
@inline export function endTap(start: i32, dilation: i32, kernel: i32, extent: i32): i32 {
  const n = start >= extent ? 0 : (extent - 1 - start) / dilation + 1;
  return n < kernel ? n : kernel;
}

@inline function taps<T>(
  maximum: bool, input: usize, output: usize, n: i32, depth: i32, height: i32, width: i32,
  stepZ: usize, stepY: usize, stepX: usize, divisor: f32,
): void {
  const d = k<T>(divisor);
  for (; n > 0; n -= lanes<T>()) {
    let r = k<T>(maximum ? -Infinity : 0);
    let plane = input;
    for (let z = 0; z < depth; z++) {
      let row = plane;
      for (let y = 0; y < height; y++) {
        let at = row;
        for (let x = 0; x < width; x++) {
          const v = loadUpTo<T>(at, n);
          r = maximum ? max<T>(r, v) : add<T>(r, v);
          at += stepX;
        }
        row += stepY;
      }
      plane += stepZ;
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
