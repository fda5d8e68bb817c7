// The columns of a deformable convolution; see DeformColumnsStep. Threads share the output pixels.
import { DeformColumnsStep, SampleMode, SamplePadding } from "../../src/core/abi/spatial";
import { address, argument, share, slotOf } from "../step";
import { AXIS_BYTES, axisTaps, fixedTap, sampleAll } from "./taps";

export function deformColumns(step: usize, thread: i32, threads: i32): void {
  const height = argument(step, DeformColumnsStep.inHeight);
  const width = argument(step, DeformColumnsStep.inWidth);
  const outWidth = argument(step, DeformColumnsStep.outWidth);
  const pixels = argument(step, DeformColumnsStep.outHeight) * outWidth;
  const groups = argument(step, DeformColumnsStep.groups);
  const channels = argument(step, DeformColumnsStep.channels);
  const offsetGroups = argument(step, DeformColumnsStep.offsetGroups);
  const kernelWidth = argument(step, DeformColumnsStep.kernelWidth);
  const taps = argument(step, DeformColumnsStep.kernelHeight) * kernelWidth;
  const mask = address(step, DeformColumnsStep.mask);
  const pixelBytes = <usize>(groups * channels) << 2;
  // channels that share their offsets
  const shared = (groups * channels) / offsetGroups;
  const tables = address(step, DeformColumnsStep.scratch) + 3 * AXIS_BYTES * <usize>slotOf(thread, threads, argument(step, DeformColumnsStep.slots));
  fixedTap(tables);
  const count = argument(step, DeformColumnsStep.batch) * pixels;
  const end = share(count, thread + 1, threads);
  for (let at = share(count, thread, threads); at < end; at++) {
    const sample = at / pixels;
    const pixel = at - sample * pixels;
    const y = (pixel / outWidth) * argument(step, DeformColumnsStep.strideHeight) - argument(step, DeformColumnsStep.padTop);
    const x = (pixel % outWidth) * argument(step, DeformColumnsStep.strideWidth) - argument(step, DeformColumnsStep.padLeft);
    const input = address(step, DeformColumnsStep.input) + <usize>(sample * height * width) * pixelBytes;
    const output = address(step, DeformColumnsStep.output) + <usize>(at * taps) * pixelBytes;
    for (let tap = 0; tap < taps; tap++) {
      const tapY = <f32>(y + (tap / kernelWidth) * argument(step, DeformColumnsStep.dilationHeight));
      const tapX = <f32>(x + (tap % kernelWidth) * argument(step, DeformColumnsStep.dilationWidth));
      for (let g = 0; g < offsetGroups; g++) {
        const row = (sample * offsetGroups + g) * taps + tap;
        const offset = address(step, DeformColumnsStep.offsets) + (<usize>(2 * row * pixels + pixel) << 2);
        const moved = tapY + load<f32>(offset);
        const rows = axisTaps(tables + AXIS_BYTES, moved, height, SampleMode.Linear, SamplePadding.Zeros, 0, 0);
        const across = tapX + load<f32>(offset + (<usize>pixels << 2));
        const columns = axisTaps(tables + 2 * AXIS_BYTES, across, width, SampleMode.Linear, SamplePadding.Zeros, 0, 0);
        // the weight of the depth, which is 1, is that of the whole
        store<f32>(tables, mask == 0 ? 1 : load<f32>(mask + (<usize>(row * pixels + pixel) << 2)), 4);
        for (let c = g * shared; c < (g + 1) * shared; ) {
          const group = c / channels;
          const run = min((g + 1) * shared, (group + 1) * channels) - c;
          const to = output + (<usize>((group * taps + tap) * channels + (c - group * channels)) << 2);
          sampleAll(tables, 1, rows, columns, input + (<usize>c << 2), height, width, pixelBytes, run, to);
          c += run;
        }
      }
    }
  }
}
