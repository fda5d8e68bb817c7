// MaxPool of any type, with the places of the maxima; see MaxPoolStep.
import { ElementCode } from "../../src/core/abi/element";
import { MaxPoolStep } from "../../src/core/abi/pool";
import { address, argument, share } from "../step";
import { endTap, firstTap } from "./pool";

export function maxPool(step: usize, thread: i32, threads: i32): void {
  switch (argument(step, MaxPoolStep.type)) {
    case ElementCode.float32: maxima<f32>(step, thread, threads, -Infinity); break;
    case ElementCode.float64: maxima<f64>(step, thread, threads, -Infinity); break;
    case ElementCode.int8: maxima<i8>(step, thread, threads, i8.MIN_VALUE); break;
    default: maxima<u8>(step, thread, threads, 0);
  }
}

@inline function maxima<T>(step: usize, thread: i32, threads: i32, least: T): void {
  const depth = argument(step, MaxPoolStep.inDepth);
  const height = argument(step, MaxPoolStep.inHeight);
  const width = argument(step, MaxPoolStep.inWidth);
  const outDepth = argument(step, MaxPoolStep.outDepth);
  const outHeight = argument(step, MaxPoolStep.outHeight);
  const outWidth = argument(step, MaxPoolStep.outWidth);
  const dilationDepth = argument(step, MaxPoolStep.dilationDepth);
  const dilationHeight = argument(step, MaxPoolStep.dilationHeight);
  const dilationWidth = argument(step, MaxPoolStep.dilationWidth);
  const channels = argument(step, MaxPoolStep.channels);
  const channelStride = argument(step, MaxPoolStep.channelStride);
  const pixelStride = argument(step, MaxPoolStep.pixelStride);
  const indices = address(step, MaxPoolStep.indices);
  const size = depth * height * width;
  const outSize = outDepth * outHeight * outWidth;
  const count = argument(step, MaxPoolStep.batch) * channels * outSize;
  const end = share(count, thread + 1, threads);
  for (let i = share(count, thread, threads); i < end; i++) {
    const row = i / outWidth;
    const plane = row / outHeight;
    const map = plane / outDepth;
    const sample = map / channels;
    const channel = map - sample * channels;
    const front = (plane - map * outDepth) * argument(step, MaxPoolStep.strideDepth) - argument(step, MaxPoolStep.padFront);
    const top = (row - plane * outHeight) * argument(step, MaxPoolStep.strideHeight) - argument(step, MaxPoolStep.padTop);
    const left = (i - row * outWidth) * argument(step, MaxPoolStep.strideWidth) - argument(step, MaxPoolStep.padLeft);
    const z1 = endTap(front, dilationDepth, argument(step, MaxPoolStep.kernelDepth), depth);
    const y1 = endTap(top, dilationHeight, argument(step, MaxPoolStep.kernelHeight), height);
    const x1 = endTap(left, dilationWidth, argument(step, MaxPoolStep.kernelWidth), width);
    const input = address(step, MaxPoolStep.input) + <usize>(sample * channels * size + channel * channelStride) * sizeof<T>();
    let best = least;
    let place = -1;
    for (let z = firstTap(front, dilationDepth); z < z1; z++) {
      for (let y = firstTap(top, dilationHeight); y < y1; y++) {
        for (let x = firstTap(left, dilationWidth); x < x1; x++) {
          const pixel = ((front + z * dilationDepth) * height + top + y * dilationHeight) * width + left + x * dilationWidth;
          const v = load<T>(input + <usize>(pixel * pixelStride) * sizeof<T>());
          if (place < 0 || v > best || (v != v && best == best)) {
            best = v;
            place = pixel;
          }
        }
      }
    }
    const pixel = i - map * outSize;
    const to = sample * channels * outSize + channel * argument(step, MaxPoolStep.outChannelStride) + pixel * argument(step, MaxPoolStep.outPixelStride);
    store<T>(address(step, MaxPoolStep.output) + <usize>to * sizeof<T>(), best);
    if (indices == 0) continue;
    if (place < 0) place = 0;
    if (argument(step, MaxPoolStep.columnMajor)) {
      const line = place / width;
      place = ((place - line * width) * height + line % height) * depth + line / height;
    }
    store<i64>(indices + (<usize>i << 3), <i64>map * size + place);
  }
}
