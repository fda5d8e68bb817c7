// Pool and Resize, channels last; see PoolStep and ResizeStep. Channels are the lanes.
import { PoolFunction, PoolStep, ResizeStep } from "../../src/core/abi/pool";
import { add, copysign, div, k, max, mul } from "../math/lane";
import { lanes, loadUpTo, move, storeUpTo } from "./lanes";
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
  for (let pixel = share(pixels, thread, threads); pixel < end;) {
    const row = pixel / outWidth;
    const plane = row / outHeight;
    const sample = plane / argument(step, PoolStep.outDepth);
    const front = (plane - sample * argument(step, PoolStep.outDepth)) * argument(step, PoolStep.strideDepth) - argument(step, PoolStep.padFront);
    const top = (row - plane * outHeight) * argument(step, PoolStep.strideHeight) - argument(step, PoolStep.padTop);
    // taps [z0, z1) × [y0, y1) × [x0, x1) lie inside the input
    const z0 = firstTap(front, dilationDepth);
    const y0 = firstTap(top, dilationHeight);
    const z1 = endTap(front, dilationDepth, kernelDepth, depth);
    const y1 = endTap(top, dilationHeight, kernelHeight, height);
    const z = sample * depth + front + z0 * dilationDepth;
    const line = (z * height + top + y0 * dilationHeight) * width;
    let count = 1;
    if (operation == PoolFunction.Average) count = whole(z1 - z0) * whole(y1 - y0);
    else if (operation == PoolFunction.AveragePadded) {
      // padding counts, what ceil_mode adds beyond it does not
      count = endTap(front, dilationDepth, kernelDepth, depth + argument(step, PoolStep.padBack));
      count *= endTap(top, dilationHeight, kernelHeight, height + argument(step, PoolStep.padBottom));
    }
    let left = (pixel - row * outWidth) * argument(step, PoolStep.strideWidth) - argument(step, PoolStep.padLeft);
    for (const stop = min(end, (row + 1) * outWidth); pixel < stop; pixel++) {
      const x0 = firstTap(left, dilationWidth);
      const x1 = endTap(left, dilationWidth, kernelWidth, width);
      let divisor = count;
      if (operation == PoolFunction.Average) divisor *= whole(x1 - x0);
      else if (operation == PoolFunction.AveragePadded) divisor *= endTap(left, dilationWidth, kernelWidth, width + argument(step, PoolStep.padRight));
      const input = address(step, PoolStep.input) + (<usize>((line + left + x0 * dilationWidth) * channels) << 2);
      const output = address(step, PoolStep.output) + (<usize>(pixel * channels) << 2);
      if (operation == PoolFunction.Max) maxima(input, output, channels, z1 - z0, y1 - y0, x1 - x0, stepZ, stepY, stepX);
      else if (ASC_FEATURE_SIMD) sums<v128>(input, output, channels, z1 - z0, y1 - y0, x1 - x0, stepZ, stepY, stepX, <f32>divisor);
      else sums<f32>(input, output, channels, z1 - z0, y1 - y0, x1 - x0, stepZ, stepY, stepX, <f32>divisor);
      left += argument(step, PoolStep.strideWidth);
    }
  }
}

/** Taps between two bounds. */
@inline function whole(taps: i32): i32 {
  return taps > 0 ? taps : 0;
}

/** The first tap at or after coordinate 0. */
@inline export function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : dilation == 1 ? -start : (dilation - 1 - start) / dilation;
}

/** One past the last tap before `extent`, at least 0. */
@inline export function endTap(start: i32, dilation: i32, kernel: i32, extent: i32): i32 {
  const n = start >= extent ? 0 : dilation == 1 ? extent - start : (extent - 1 - start) / dilation + 1;
  return n < kernel ? n : kernel;
}

function sums<T>(
  input: usize, output: usize, n: i32, depth: i32, height: i32, width: i32, stepZ: usize, stepY: usize, stepX: usize, divisor: f32,
): void {
  const d = k<T>(divisor);
  for (; n > 0; n -= lanes<T>()) {
    let r = k<T>(0);
    let plane = input;
    for (let z = 0; z < depth; z++) {
      let row = plane;
      for (let y = 0; y < height; y++) {
        let at = row;
        for (let x = 0; x < width; x++) {
          r = add<T>(r, loadUpTo<T>(at, n));
          at += stepX;
        }
        row += stepY;
      }
      plane += stepZ;
    }
    storeUpTo<T>(output, div<T>(r, d), n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}

/**
 * The largest of each channel. f32x4.max is eight instructions on x86, pmax is one, which loses NaN and takes either zero for the other: a sum
 * beside it is NaN where a value is (then it is done again, exactly), and the AND of all signs is the sign of the result.
 */
function maxima(
  input: usize, output: usize, n: i32, depth: i32, height: i32, width: i32, stepZ: usize, stepY: usize, stepX: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    const least = f32x4.splat(-Infinity);
    for (; n >= 8; n -= 8) {
      let a = least;
      let b = least;
      let signA = least;
      let signB = least;
      let sum = f32x4.splat(0);
      let plane = input;
      for (let z = 0; z < depth; z++) {
        let row = plane;
        for (let y = 0; y < height; y++) {
          let at = row;
          for (let x = 0; x < width; x++) {
            const v = v128.load(at);
            const w = v128.load(at, 16);
            a = f32x4.pmax(a, v);
            b = f32x4.pmax(b, w);
            signA = v128.and(signA, v);
            signB = v128.and(signB, w);
            sum = f32x4.add(sum, f32x4.add(v, w));
            at += stepX;
          }
          row += stepY;
        }
        plane += stepZ;
      }
      if (v128.any_true(f32x4.ne(sum, sum))) exactMaxima<v128>(input, output, 8, depth, height, width, stepZ, stepY, stepX);
      else {
        v128.store(output, copysign<v128>(a, signA));
        v128.store(output, copysign<v128>(b, signB), 16);
      }
      input += 32;
      output += 32;
    }
    exactMaxima<v128>(input, output, n, depth, height, width, stepZ, stepY, stepX);
  } else exactMaxima<f32>(input, output, n, depth, height, width, stepZ, stepY, stepX);
}

function exactMaxima<T>(
  input: usize, output: usize, n: i32, depth: i32, height: i32, width: i32, stepZ: usize, stepY: usize, stepX: usize,
): void {
  for (; n > 0; n -= lanes<T>()) {
    let r = k<T>(-Infinity);
    let plane = input;
    for (let z = 0; z < depth; z++) {
      let row = plane;
      for (let y = 0; y < height; y++) {
        let at = row;
        for (let x = 0; x < width; x++) {
          r = max<T>(r, loadUpTo<T>(at, n));
          at += stepX;
        }
        row += stepY;
      }
      plane += stepZ;
    }
    storeUpTo<T>(output, r, n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}

export function resize(step: usize, thread: i32, threads: i32): void {
  const outHeight = argument(step, ResizeStep.outHeight);
  const outWidth = argument(step, ResizeStep.outWidth);
  const width = argument(step, ResizeStep.inWidth);
  const channels = argument(step, ResizeStep.channels);
  const tapsY = argument(step, ResizeStep.tapsY);
  const tapsX = argument(step, ResizeStep.tapsX);
  const bytes = <usize>channels << 2;
  const plane = <usize>(argument(step, ResizeStep.inHeight) * width) * bytes;
  const pixels = argument(step, ResizeStep.batch) * outHeight * outWidth;
  const first = share(pixels, thread, threads);
  const end = share(pixels, thread + 1, threads);
  let output = address(step, ResizeStep.output) + <usize>first * bytes;
  for (let pixel = first; pixel < end;) {
    const row = pixel / outWidth;
    const sample = row / outHeight;
    const line = row - sample * outHeight;
    const input = address(step, ResizeStep.input) + <usize>sample * plane;
    const rows = address(step, ResizeStep.rows) + (<usize>(line * tapsY) << 3);
    let columns = address(step, ResizeStep.columns) + (<usize>((pixel - row * outWidth) * tapsX) << 3);
    const stop = min(end, (row + 1) * outWidth);
    if (tapsY * tapsX == 1) {
      const y = load<i32>(rows);
      if (line > 0 && pixel - outWidth >= first && stop - pixel == outWidth && load<i32>(rows - 8) == y) {
        // The row before it, once more.
        const length = <usize>outWidth * bytes;
        memory.copy(output, output - length, length);
        output += length;
      } else {
        const from = input + <usize>(y * width) * bytes;
        for (let x = pixel; x < stop;) {
          const column = load<i32>(columns);
          const start = x;
          do {
            x++;
            columns += 8;
          } while (x < stop && load<i32>(columns) == column);
          output = repeated(output, from + <usize>column * bytes, bytes, x - start);
        }
      }
    } else {
      for (let x = pixel; x < stop; x++, columns += <usize>tapsX << 3, output += bytes) {
        if (ASC_FEATURE_SIMD) weighted<v128>(input, output, channels, width, rows, columns, tapsY, tapsX);
        else weighted<f32>(input, output, channels, width, rows, columns, tapsY, tapsX);
      }
    }
    pixel = stop;
  }
}

/** `times` copies of the pixel at `from`, each vector of it read once; where the next one goes. */
function repeated(output: usize, from: usize, bytes: usize, times: i32): usize {
  const end = output + <usize>times * bytes;
  if (!ASC_FEATURE_SIMD || bytes < 16) {
    for (; output < end; output += bytes) move(output, from, bytes);
    return end;
  }
  // The last vector may lie over the one before it.
  const last = bytes - 16;
  for (let o: usize = 0; o < bytes; o += 16) {
    if (o > last) o = last;
    const v = v128.load(from + o);
    for (let at = output + o; at < end; at += bytes) v128.store(at, v);
  }
  return end;
}

function weighted<T>(
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
