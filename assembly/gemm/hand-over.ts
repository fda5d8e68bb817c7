// The outputs of a linear step as the integers that the next one reads: see ConvStep.handsOver. They are those of a Quantize step behind it, made of the same f32 numbers, so that where
// they are made decides nothing. A block of outputs is quantized while it is in the second-level cache, and no tensor of f32 is between the two layers.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";
import { address, argument, slotOf } from "../step";
import { quantizePixels } from "../tensor/quantize";
import { Tile } from "./tile";

/** Bytes of the f32 outputs of a pixel. */
@inline
function pixelBytes(step: usize): i32 {
  return (argument(step, ConvStep.groups) * argument(step, ConvStep.outChannels)) << 2;
}

/** Pixels of output that a thread has room for. */
export function heldPixels(step: usize): i32 {
  return argument(step, ConvStep.outBatchStride) / pixelBytes(step);
}

/** Where a thread's outputs are until they are integers. */
export function heldOutput(step: usize, thread: i32, threads: i32): usize {
  return address(step, ConvStep.output) + <usize>slotOf(thread, threads, argument(step, ConvStep.slots)) * address(step, ConvStep.outBatchStride);
}

/** Quantizes `count` pixels of a sample from `pixel` on; a sample may hold NaN where its input was not finite, and nowhere else. */
export function handOver(step: usize, scratch: usize, sample: i32, pixel: i32, count: i32): void {
  const nonFinite = load<i32>(load<usize>(scratch, Tile.parameters), ActivationParameters.nonFinite);
  quantizePixels(step + (ConvStep.length << 2), load<usize>(scratch, Scratch.block), sample, pixel, count, nonFinite);
}
