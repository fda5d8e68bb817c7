// Which input pixels an output pixel of a convolution sees: pointer tables for the kernels, and the outputs that see a non-finite input.
import { ConvStep } from "../../src/core/abi/conv";
import { address, argument } from "../step";

/** Output pixels of a sample. */
export function pixelsOf(step: usize): i32 {
  return argument(step, ConvStep.outDepth) * argument(step, ConvStep.outHeight) * argument(step, ConvStep.outWidth);
}

export function tapsOf(step: usize): i32 {
  return argument(step, ConvStep.kernelDepth) * argument(step, ConvStep.kernelHeight) * argument(step, ConvStep.kernelWidth);
}

/** Where output pixel `pixel` of a sample lies. */
export function outputOf(step: usize, sample: i32, pixel: i32): usize {
  const outWidth = argument(step, ConvStep.outWidth);
  const row = pixel / outWidth;
  return address(step, ConvStep.output) + sample * argument(step, ConvStep.outBatchStride) + row * argument(step, ConvStep.outRowStride) +
    (pixel - row * outWidth) * argument(step, ConvStep.outPixelStride);
}

/** Whether some tap of some output lies outside of the input along one axis. */
function isPaddedBy(extent: i32, outputs: i32, kernel: i32, stride: i32, dilation: i32, pad: i32): bool {
  return pad > 0 || (outputs - 1) * stride - pad + (kernel - 1) * dilation >= extent;
}

/** Whether some tap of some output pixel lies outside of the input. */
export function isPadded(step: usize): bool {
  return isPaddedBy(
    argument(step, ConvStep.inDepth), argument(step, ConvStep.outDepth), argument(step, ConvStep.kernelDepth),
    argument(step, ConvStep.strideDepth), argument(step, ConvStep.dilationDepth), argument(step, ConvStep.padFront),
  ) || isPaddedBy(
    argument(step, ConvStep.inHeight), argument(step, ConvStep.outHeight), argument(step, ConvStep.kernelHeight),
    argument(step, ConvStep.strideHeight), argument(step, ConvStep.dilationHeight), argument(step, ConvStep.padTop),
  ) || isPaddedBy(
    argument(step, ConvStep.inWidth), argument(step, ConvStep.outWidth), argument(step, ConvStep.kernelWidth),
    argument(step, ConvStep.strideWidth), argument(step, ConvStep.dilationWidth), argument(step, ConvStep.padLeft),
  );
}

/** Whether output pixel p sees input pixel p and nothing else, so that no table is needed. A negative pad crops. */
export function isDense(step: usize): bool {
  return tapsOf(step) == 1 && !isPadded(step) &&
    (argument(step, ConvStep.padFront) | argument(step, ConvStep.padTop) | argument(step, ConvStep.padLeft)) == 0 &&
    argument(step, ConvStep.strideDepth) * argument(step, ConvStep.strideHeight) * argument(step, ConvStep.strideWidth) == 1 &&
    argument(step, ConvStep.outWidth) == argument(step, ConvStep.inWidth) &&
    (argument(step, ConvStep.outDepth) == 1 || argument(step, ConvStep.outHeight) == argument(step, ConvStep.inHeight));
}

/**
 * Writes the addresses that output pixel `pixel` of a sample at `input` reads, one per tap, the first at `table`, `tapBytes` apart; taps
 * outside of the input get `padding`.
 */
export function writePointers(step: usize, input: usize, pixel: i32, padding: usize, table: usize, tapBytes: usize): void {
  const inDepth = argument(step, ConvStep.inDepth);
  const inHeight = argument(step, ConvStep.inHeight);
  const inWidth = argument(step, ConvStep.inWidth);
  const outWidth = argument(step, ConvStep.outWidth);
  const kernelDepth = argument(step, ConvStep.kernelDepth);
  const kernelHeight = argument(step, ConvStep.kernelHeight);
  const kernelWidth = argument(step, ConvStep.kernelWidth);
  const dilationDepth = argument(step, ConvStep.dilationDepth);
  const dilationHeight = argument(step, ConvStep.dilationHeight);
  const dilationWidth = argument(step, ConvStep.dilationWidth);
  const pixelStride = argument(step, ConvStep.pixelStride);
  const row = pixel / outWidth;
  const top = topOf(step, row);
  const left = (pixel - row * outWidth) * argument(step, ConvStep.strideWidth) - argument(step, ConvStep.padLeft);
  let z = frontOf(step, row);
  for (let h = 0; h < kernelDepth; h++, z += dilationDepth) {
    let y = top;
    for (let i = 0; i < kernelHeight; i++, y += dilationHeight) {
      const inside = <u32>z < <u32>inDepth && <u32>y < <u32>inHeight;
      const line = input + (z * inHeight + y) * inWidth * pixelStride;
      let x = left;
      for (let j = 0; j < kernelWidth; j++, x += dilationWidth, table += tapBytes) {
        store<usize>(table, inside && <u32>x < <u32>inWidth ? line + x * pixelStride : padding);
      }
    }
  }
}

/** Input coordinates of the first tap of output row `row`, counted through all planes. */
@inline
export function frontOf(step: usize, row: i32): i32 {
  return (row / argument(step, ConvStep.outHeight)) * argument(step, ConvStep.strideDepth) - argument(step, ConvStep.padFront);
}

@inline
export function topOf(step: usize, row: i32): i32 {
  return (row % argument(step, ConvStep.outHeight)) * argument(step, ConvStep.strideHeight) - argument(step, ConvStep.padTop);
}

/** First column of outputs all of whose taps lie inside of the input's width; 0 where the left side is cropped. */
export function insideFrom(step: usize): i32 {
  const stride = argument(step, ConvStep.strideWidth);
  return max(0, argument(step, ConvStep.padLeft) + stride - 1) / stride;
}

/** Column after the last such; may be less than insideFrom, when there is none. */
export function insideTo(step: usize): i32 {
  const reach = (argument(step, ConvStep.kernelWidth) - 1) * argument(step, ConvStep.dilationWidth);
  const last = argument(step, ConvStep.inWidth) - 1 - reach + argument(step, ConvStep.padLeft);
  return last < 0 ? 0 : min(argument(step, ConvStep.outWidth), last / argument(step, ConvStep.strideWidth) + 1);
}

/** Whether all taps of output row `row`, counted through all planes, lie inside of the input's depth and height. */
export function isRowInside(step: usize, row: i32): bool {
  const front = frontOf(step, row);
  const top = topOf(step, row);
  return front >= 0 && front + (argument(step, ConvStep.kernelDepth) - 1) * argument(step, ConvStep.dilationDepth) < argument(step, ConvStep.inDepth) &&
    top >= 0 && top + (argument(step, ConvStep.kernelHeight) - 1) * argument(step, ConvStep.dilationHeight) < argument(step, ConvStep.inHeight);
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
  const inDepth = argument(step, ConvStep.inDepth);
  const inHeight = argument(step, ConvStep.inHeight);
  const inWidth = argument(step, ConvStep.inWidth);
  const outWidth = argument(step, ConvStep.outWidth);
  const groups = argument(step, ConvStep.groups);
  const row = pixel / outWidth;
  const front = frontOf(step, row);
  const top = topOf(step, row);
  const left = (pixel - row * outWidth) * argument(step, ConvStep.strideWidth) - argument(step, ConvStep.padLeft);
  for (let h = 0; h < argument(step, ConvStep.kernelDepth); h++) {
    const z = front + h * argument(step, ConvStep.dilationDepth);
    if (<u32>z >= <u32>inDepth) continue;
    for (let i = 0; i < argument(step, ConvStep.kernelHeight); i++) {
      const y = top + i * argument(step, ConvStep.dilationHeight);
      if (<u32>y >= <u32>inHeight) continue;
      for (let j = 0; j < argument(step, ConvStep.kernelWidth); j++) {
        const x = left + j * argument(step, ConvStep.dilationWidth);
        if (<u32>x >= <u32>inWidth) continue;
        const at = ((sample * inDepth + z) * inHeight + y) * inWidth + x;
        if (load<u8>(mask + <usize>(at * groups + group))) return true;
      }
    }
  }
  return false;
}
