// Which input pixels an output pixel of a convolution sees: pointer tables for the kernels, and the outputs that see a non-finite input.
import { ConvStep } from "../../src/core/abi/conv";
import { address, argument } from "../step";

/** Whether some tap of some output pixel lies outside of the input. */
export function isPadded(step: usize): bool {
  const top = argument(step, ConvStep.padTop);
  const left = argument(step, ConvStep.padLeft);
  const lastY = (argument(step, ConvStep.outHeight) - 1) * argument(step, ConvStep.strideHeight) - top +
    (argument(step, ConvStep.kernelHeight) - 1) * argument(step, ConvStep.dilationHeight);
  const lastX = (argument(step, ConvStep.outWidth) - 1) * argument(step, ConvStep.strideWidth) - left +
    (argument(step, ConvStep.kernelWidth) - 1) * argument(step, ConvStep.dilationWidth);
  return top > 0 || left > 0 || lastY >= argument(step, ConvStep.inHeight) || lastX >= argument(step, ConvStep.inWidth);
}

/** Whether output pixel p sees input pixel p and nothing else, so that no table is needed. Pads below 0 crop: they shift what a pixel sees. */
export function isDense(step: usize): bool {
  return argument(step, ConvStep.kernelHeight) * argument(step, ConvStep.kernelWidth) == 1 && !isPadded(step) &&
    (argument(step, ConvStep.padTop) | argument(step, ConvStep.padLeft)) == 0 &&
    argument(step, ConvStep.strideHeight) * argument(step, ConvStep.strideWidth) == 1 &&
    argument(step, ConvStep.outWidth) == argument(step, ConvStep.inWidth);
}

/**
 * Writes the addresses that output pixel `pixel` of a sample at `input` reads, one per tap, the first at `table`, `tapBytes` apart; taps
 * outside of the input get `padding`.
 */
export function writePointers(step: usize, input: usize, pixel: i32, padding: usize, table: usize, tapBytes: usize): void {
  const inHeight = argument(step, ConvStep.inHeight);
  const inWidth = argument(step, ConvStep.inWidth);
  const outWidth = argument(step, ConvStep.outWidth);
  const kernelHeight = argument(step, ConvStep.kernelHeight);
  const kernelWidth = argument(step, ConvStep.kernelWidth);
  const dilationHeight = argument(step, ConvStep.dilationHeight);
  const dilationWidth = argument(step, ConvStep.dilationWidth);
  const pixelStride = argument(step, ConvStep.pixelStride);
  const row = pixel / outWidth;
  let y = row * argument(step, ConvStep.strideHeight) - argument(step, ConvStep.padTop);
  const left = (pixel - row * outWidth) * argument(step, ConvStep.strideWidth) - argument(step, ConvStep.padLeft);
  for (let i = 0; i < kernelHeight; i++, y += dilationHeight) {
    const inside = <u32>y < <u32>inHeight;
    const line = input + y * inWidth * pixelStride;
    let x = left;
    for (let j = 0; j < kernelWidth; j++, x += dilationWidth, table += tapBytes) {
      store<usize>(table, inside && <u32>x < <u32>inWidth ? line + x * pixelStride : padding);
    }
  }
}

/** First column of outputs all of whose taps lie inside of the input's width; 0 where the left side is cropped. */
export function insideFrom(step: usize): i32 {
  const stride = argument(step, ConvStep.strideWidth);
  return max(0, (argument(step, ConvStep.padLeft) + stride - 1) / stride);
}

/** Column after the last such; may be less than insideFrom, when there is none. */
export function insideTo(step: usize): i32 {
  const reach = (argument(step, ConvStep.kernelWidth) - 1) * argument(step, ConvStep.dilationWidth);
  const last = argument(step, ConvStep.inWidth) - 1 - reach + argument(step, ConvStep.padLeft);
  return last < 0 ? 0 : min(argument(step, ConvStep.outWidth), last / argument(step, ConvStep.strideWidth) + 1);
}

/** Whether all taps of output row `row` lie inside of the input's height. */
export function isRowInside(step: usize, row: i32): bool {
  const top = row * argument(step, ConvStep.strideHeight) - argument(step, ConvStep.padTop);
  return top >= 0 && top + (argument(step, ConvStep.kernelHeight) - 1) * argument(step, ConvStep.dilationHeight) < argument(step, ConvStep.inHeight);
}

/** Bytes between the input pixels of two neighbouring outputs of a row. */
@inline
export function advanceOf(step: usize): usize {
  return address(step, ConvStep.strideWidth) * address(step, ConvStep.pixelStride);
}

/** Whether output pixel `pixel` of sample `sample` sees a non-finite input of group `group`, as the mask tells. */
export function seesMasked(step: usize, sample: i32, pixel: i32, group: i32): bool {
  const mask = address(step, ConvStep.mask);
  if (mask == 0) return true;
  const inHeight = argument(step, ConvStep.inHeight);
  const inWidth = argument(step, ConvStep.inWidth);
  const outWidth = argument(step, ConvStep.outWidth);
  const groups = argument(step, ConvStep.groups);
  const row = pixel / outWidth;
  const top = row * argument(step, ConvStep.strideHeight) - argument(step, ConvStep.padTop);
  const left = (pixel - row * outWidth) * argument(step, ConvStep.strideWidth) - argument(step, ConvStep.padLeft);
  for (let i = 0; i < argument(step, ConvStep.kernelHeight); i++) {
    const y = top + i * argument(step, ConvStep.dilationHeight);
    if (<u32>y >= <u32>inHeight) continue;
    for (let j = 0; j < argument(step, ConvStep.kernelWidth); j++) {
      const x = left + j * argument(step, ConvStep.dilationWidth);
      if (<u32>x >= <u32>inWidth) continue;
      if (load<u8>(mask + <usize>(((sample * inHeight + y) * inWidth + x) * groups + group))) return true;
    }
  }
  return false;
}
