// GridSample; see GridSampleStep. Threads share the points.
import { GridSampleStep } from "../../src/core/abi/spatial";
import { address, argument, share, slotOf } from "../step";
import { AXIS_BYTES, axisTaps, fixedTap, sampleAll } from "./taps";

export function gridSample(step: usize, thread: i32, threads: i32): void {
  const axes = argument(step, GridSampleStep.axes);
  const depth = argument(step, GridSampleStep.inDepth);
  const height = argument(step, GridSampleStep.inHeight);
  const width = argument(step, GridSampleStep.inWidth);
  const channels = argument(step, GridSampleStep.channels);
  const points = argument(step, GridSampleStep.points);
  const pixelBytes = <usize>channels << 2;
  const tables = address(step, GridSampleStep.scratch) + 3 * AXIS_BYTES * <usize>slotOf(thread, threads, argument(step, GridSampleStep.slots));
  const count = argument(step, GridSampleStep.batch) * points;
  const end = share(count, thread + 1, threads);
  for (let point = share(count, thread, threads); point < end; point++) {
    const at = address(step, GridSampleStep.grid) + (<usize>(point * axes) << 2);
    const columns = taps(step, tables + 2 * AXIS_BYTES, load<f32>(at), width);
    const rows = taps(step, tables + AXIS_BYTES, load<f32>(at, 4), height);
    const depths = axes == 3 ? taps(step, tables, load<f32>(at, 8), depth) : fixedTap(tables);
    const input = address(step, GridSampleStep.input) + <usize>(point / points * depth * height * width) * pixelBytes;
    const output = address(step, GridSampleStep.output) + <usize>point * pixelBytes;
    sampleAll(tables, depths, rows, columns, input, height, width, pixelBytes, channels, output);
  }
}

function taps(step: usize, table: usize, g: f32, extent: i32): i32 {
  const mode = argument(step, GridSampleStep.mode);
  const padding = argument(step, GridSampleStep.padding);
  const n = <f32>extent;
  if (argument(step, GridSampleStep.aligned)) {
    return axisTaps(table, (g + 1) * (n - 1) * <f32>0.5, extent, mode, padding, 0, n - 1);
  }
  return axisTaps(table, ((g + 1) * n - 1) * <f32>0.5, extent, mode, padding, -0.5, n - <f32>0.5);
}
