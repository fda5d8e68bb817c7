import { Opcode } from "../../core/abi/opcode.ts";
import {
  DeformColumnsStep,
  GridSampleStep,
  MaxRoiPoolStep,
  RoiAlignStep,
  SampleMode,
  SamplePadding,
  TapTable,
} from "../../core/abi/spatial.ts";
import { FLAT, f32Bits, type Ref, step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering, Operand } from "../lowering.ts";
import { convolve, volume } from "./conv.ts";
import { biasOf } from "./linear.ts";
import { emitTranspose } from "./movement.ts";
import { lastOrder, throughChannelsLast } from "./pool.ts";
import { converted, inFloat32, type Source, temporary } from "./support.ts";

/** Tables of taps for each thread. */
function scratch(l: Lowering): { scratch: Ref; slots: number } {
  return { scratch: l.allocate(3 * TapTable.bytes * l.threads), slots: l.threads };
}

/** The name of an attribute's value in an enum; other values are not supported. */
function choice<T extends number>(
  l: Lowering,
  attribute: string,
  fallback: string,
  values: Readonly<Record<string, T>>,
): T {
  const given = l.text(attribute, fallback);
  const value = values[given];
  if (value === undefined) throw l.unsupported(`"${attribute}" "${given}"`);
  return value;
}

const MODES = {
  nearest: SampleMode.Nearest,
  linear: SampleMode.Linear,
  cubic: SampleMode.Cubic,
};
const PADDINGS = { zeros: SamplePadding.Zeros, border: SamplePadding.Border, reflection: SamplePadding.Reflection };

function lowerGridSample(l: Lowering): void {
  const grid = converted(l, l.input(1), "float32");
  const spatial = l.input(0).shape.length - 2;
  const mode = choice(l, "mode", "linear", MODES);
  if (spatial < 2 || (mode === SampleMode.Cubic && spatial !== 2)) throw l.unsupported(`${spatial} spatial dimensions`);
  inFloat32(l, l.input(0), l.output(), (first, result) =>
    throughChannelsLast(l, first, result, (x, out) => {
      const [inDepth, inHeight, inWidth] = volume(l, x.shape.slice(1, -1), 1, spatial);
      if (sizeOf(out.shape) === 0) return;
      l.emit(
        step(Opcode.GridSample, GridSampleStep, {
          ...{ input: x.at, grid: grid.at, output: out.at, batch: x.shape[0]!, points: sizeOf(out.shape.slice(1, -1)) },
          ...{ axes: spatial, inDepth, inHeight, inWidth, channels: x.shape.at(-1)!, mode },
          padding: choice(l, "padding_mode", "zeros", PADDINGS),
          aligned: l.attribute("align_corners", 0),
          ...scratch(l),
        }),
        { kernel: "grid_sample", bytes: 4 * (sizeOf(x.shape) + sizeOf(grid.shape) + sizeOf(out.shape)) },
      );
    }),
  );
}

function lowerRoiAlign(l: Lowering): void {
  const [regions, batchIndices] = [converted(l, l.input(1), "float32"), l.input(2)];
  inFloat32(l, l.input(0), l.output(), (first, result) =>
    throughChannelsLast(l, first, result, (x, out) => {
      const [batch, inHeight, inWidth, channels] = x.shape as [number, number, number, number];
      const [count, outHeight, outWidth] = out.shape as [number, number, number, number];
      if (sizeOf(out.shape) === 0) return;
      const offset = choice(l, "coordinate_transformation_mode", "half_pixel", {
        half_pixel: 0.5,
        output_half_pixel: 0,
      });
      // Points of all bins of a region: as many as are asked for, else at most one for each pixel and one more for each row and column of bins.
      const samples = l.attribute("sampling_ratio", 0);
      const own = samples > 0 ? outHeight * outWidth * samples ** 2 : (inHeight + outHeight) * (inWidth + outWidth);
      l.emit(
        step(Opcode.RoiAlign, RoiAlignStep, {
          ...{ input: x.at, regions: regions.at, batchIndices: batchIndices.at, output: out.at },
          ...{ batch, count, inHeight, inWidth, outHeight, outWidth, channels },
          spatialScale: f32Bits(l.attribute("spatial_scale", 1)),
          offset: f32Bits(offset),
          samples,
          maximum: choice(l, "mode", "avg", { avg: 0, max: 1 }),
        }),
        { kernel: "roi_align", bytes: 4 * (sizeOf(x.shape) + count * channels * own) },
      );
    }),
  );
}

function lowerMaxRoiPool(l: Lowering): void {
  const regions = converted(l, l.input(1), "float32");
  inFloat32(l, l.input(0), l.output(), (first, result) =>
    throughChannelsLast(l, first, result, (x, out) => {
      const [batch, inHeight, inWidth, channels] = x.shape as [number, number, number, number];
      const [count, outHeight, outWidth] = out.shape as [number, number, number, number];
      if (sizeOf(out.shape) === 0) return;
      l.emit(
        step(Opcode.MaxRoiPool, MaxRoiPoolStep, {
          ...{ input: x.at, regions: regions.at, output: out.at, batch, count },
          ...{ inHeight, inWidth, outHeight, outWidth, channels },
          spatialScale: f32Bits(l.attribute("spatial_scale", 1)),
        }),
        {
          kernel: "max_roi_pool",
          bytes: 4 * (sizeOf(x.shape) + count * channels * (inHeight + outHeight) * (inWidth + outWidth)),
        },
      );
    }),
  );
}

/** DeformConv: the moved taps of every output pixel side by side, and then a product by the weights in the order group, tap, channel. */
function lowerDeformConv(l: Lowering): void {
  const [x, weights, offsets, mask, y] = [l.input(0), l.input(1), l.input(2), l.optional(4), l.output()];
  for (const { type } of [x, weights, offsets, y])
    if (type !== "float32") throw l.unsupported(`a convolution of ${type}`);
  if (x.shape.length !== 4) throw l.unsupported(`${x.shape.length - 2} spatial dimensions`);
  if (sizeOf(y.shape) === 0) return;
  const [batch, , inHeight, inWidth] = x.shape as [number, number, number, number];
  const [outputs, channels, kernelHeight, kernelWidth] = weights.shape as [number, number, number, number];
  const [outHeight, outWidth] = y.shape.slice(2) as [number, number];
  const groups = l.attribute("group", 1);
  const taps = kernelHeight * kernelWidth;
  const [, strideHeight, strideWidth] = volume(l, l.integers("strides"), 1, 2);
  const [, dilationHeight, dilationWidth] = volume(l, l.integers("dilations"), 1, 2);
  const [, padTop, padLeft] = volume(l, l.integers("pads")?.slice(0, 2), 0, 2);
  const ordered = (value: Source, order: readonly number[], shape: readonly number[], name: string): Operand => {
    const moved = temporary(l, "float32", shape);
    emitTranspose(l, value, moved, order);
    return { ...moved, name: `${l.node.name}/${name}` };
  };
  throughChannelsLast(l, x, y, (input, output) => {
    const columns = temporary(l, "float32", [batch, outHeight, outWidth, groups * taps * channels]);
    l.emit(
      step(Opcode.DeformColumns, DeformColumnsStep, {
        ...{ input: input.at, offsets: offsets.at, mask: mask?.at ?? 0, output: columns.at, batch, inHeight, inWidth },
        ...{ outHeight, outWidth, groups, channels, offsetGroups: l.attribute("offset_group", 1) },
        ...{ kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft },
        ...scratch(l),
      }),
      { kernel: "deform_columns", bytes: 4 * (sizeOf(columns.shape) + sizeOf(x.shape)) },
    );
    const shape = [outputs, kernelHeight, kernelWidth, channels];
    const computed = ordered(weights, lastOrder(4).there, shape, "weights");
    const operand = (value: Source, name: string): Operand => ({ ...value, name: `${l.node.name}/${name}` });
    const geometry = {
      ...FLAT,
      ...{ batch, inHeight: outHeight, inWidth: outWidth, outHeight, outWidth, kernelHeight: 1, kernelWidth: 1 },
      ...{ strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0, groups },
      ...{ channels: taps * channels, outChannels: outputs / groups },
    };
    const layer = { name: computed.name, shape, computed };
    convolve(l, operand(columns, "columns"), layer, operand(output, "output"), geometry, biasOf(l, l.optional(3)));
  });
}

export const SAMPLE = {
  "/GridSample": lowerGridSample,
  "/RoiAlign": lowerRoiAlign,
  "/MaxRoiPool": lowerMaxRoiPool,
  "/DeformConv": lowerDeformConv,
} satisfies Readonly<Record<string, Lower>>;
