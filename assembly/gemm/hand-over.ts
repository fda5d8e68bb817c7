// The outputs of a linear step as the integers that the next one reads: see ConvStep.handsOver. They are those of a Quantize step behind it, made of the same f32 numbers by the same operations, so that
// where they are made decides nothing, and no tensor of f32 is between the two layers. Whole tiles of 4×8 make them in registers and write them to their places; else a block of outputs is
// quantized while it is in the second-level cache.
// That took 4 … 9 % off layers of 16 to 64 channels. Were r a factor of the scale and of the bias already, two of 17 operations for 8 outputs would go (.5 % of mobilenet_v2), for another rounding than that of the step.
import { ActivationParameters, ConvStep, QuantizeStep } from "../../src/core/abi/conv";
import { Opcode } from "../../src/core/abi/opcode";
import { Scratch } from "../../src/core/abi/scratch";
import { COLUMNS } from "../layout";
import { address, argument, slotOf } from "../step";
import { inverseOf, placeOf, quantized, quantizePixels, rounded__simd, ROUNDER, ROUNDER_BITS } from "../tensor/quantize";
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

/** Quantizes `count` pixels of a sample from `pixel` on, which lie at `outputs`, or, where that is 0, what there is around them; a sample may hold NaN where its input was not finite, and nowhere else. */
export function handOver(step: usize, scratch: usize, outputs: usize, sample: i32, pixel: i32, count: i32): void {
  const nonFinite = load<i32>(load<usize>(scratch, Tile.parameters), ActivationParameters.nonFinite);
  quantizePixels(step + (ConvStep.length << 2), outputs, sample, pixel, count, nonFinite);
}

/**
 * Whether tiles may write the integers of a sample, whose parameters are at `entry`: where whole panels allow it and the sample is finite, whose f32 numbers are then finite, as the lowering has proved.
 */
export function isMadeInTiles(step: usize, scratch: usize, entry: usize): bool {
  if (!ASC_FEATURE_SIMD) return false;
  store<i32>(scratch, 0, Scratch.linePixels);
  const kernel = argument(step, 0);
  if (kernel != Opcode.ConvI16 && kernel != Opcode.ConvI8) return false;
  return ((argument(step, ConvStep.outChannels) & (COLUMNS - 1)) | load<i32>(scratch, Tile.pairsPerBlock) | load<i32>(entry, ActivationParameters.nonFinite)) == 0;
}

/** Writes what is around the integers of a block, and their parameters, and tells tiles how integers are made under these. */
export function beginIntegers(step: usize, scratch: usize, sample: i32, pixel: i32, count: i32): void {
  handOver(step, scratch, 0, sample, pixel, count);
  const behind = step + (ConvStep.length << 2);
  const entry = address(behind, QuantizeStep.parameters) + <usize>sample * ActivationParameters.bytes;
  const inverse = inverseOf(load<f32>(entry, ActivationParameters.scale));
  const zero = load<i32>(entry, ActivationParameters.zero);
  store<f32>(scratch, inverse, Scratch.inverse);
  store<f32>(scratch, ROUNDER, Scratch.rounder);
  store<i32>(scratch, ROUNDER_BITS - zero, Scratch.zeroShift);
  store<i32>(scratch, quantized(load<f32>(scratch, Tile.high), inverse, zero, argument(behind, QuantizeStep.bits)), Scratch.most);
}

/** Points the tile at the integers of a pixel of a sample, from `column` on. */
export function pointAtIntegers(step: usize, scratch: usize, sample: i32, pixel: i32, column: i32): void {
  const behind = step + (ConvStep.length << 2);
  const stride = address(behind, QuantizeStep.pixelStride);
  const lineWidth = argument(behind, QuantizeStep.lineWidth);
  const line = lineWidth != 0 ? lineWidth : argument(behind, QuantizeStep.rowsPerSample);
  const gap = lineWidth != 0 ? <usize>(argument(behind, QuantizeStep.outWidth) - lineWidth) * stride : 0;
  store<usize>(scratch, address(behind, QuantizeStep.output) + <usize>placeOf(behind, sample, pixel) * stride + (<usize>column << 1), Tile.output);
  store<usize>(scratch, stride, Tile.outputStride);
  store<i32>(scratch, line, Scratch.linePixels);
  store<i32>(scratch, line - pixel % line, Scratch.lineLeft);
  store<usize>(scratch, gap, Scratch.lineGap);
}

/**
 * 8 sums with their bias as integers, `low` being the bound of the Clip between. The other one is `most`: what a value becomes grows with it, infinity included, so that it is clamped once, and as an integer,
 * of which an instruction takes 8.
 */
@inline
export function integers__simd(a: v128, b: v128, low: v128, inverse: v128, rounder: v128, shift: v128, most: v128): v128 {
  a = rounded__simd(f32x4.pmax(a, low), inverse, rounder, shift);
  b = rounded__simd(f32x4.pmax(b, low), inverse, rounder, shift);
  return i16x8.min_s(i16x8.narrow_i32x4_s(a, b), most);
}
