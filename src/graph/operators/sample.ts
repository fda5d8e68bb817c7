import type { Call } from "./call.ts";
import { checkChannels } from "./conv.ts";
import { type Operator, rankOf, type ShapeRule, sameRank } from "./operator.ts";
import { without } from "./rewrite.ts";
import { resolveWindow } from "./window.ts";

const FLOAT = ["float32"] as const;

const gridSampleShape: ShapeRule = (call) => {
  const [x, grid] = [call.shape(0), call.shape(1)];
  const spatial = x.length - 2;
  if (spatial !== 2 && spatial !== 3) throw call.fail("the input expected four or five dimensions");
  if (spatial === 3 && call.text("mode", "linear").endsWith("cubic"))
    throw call.fail("cubic interpolation expected an input of four dimensions", "UNSUPPORTED");
  if (grid.length !== x.length || grid[0] !== x[0] || grid.at(-1) !== spatial)
    throw call.fail(`the grid expected shape [${x[0]}, …, ${spatial}] with ${x.length} dimensions`);
  const shape = [x[0]!, x[1]!, ...grid.slice(1, -1)];
  if (x.slice(2).includes(0) && !shape.includes(0)) throw call.fail("nothing can be sampled from an empty image");
  return [{ type: call.type(0), shape }];
};

/** [regions, channels, …pooled] */
function regionShape(call: Call, columns: number, pooled: readonly number[]): ReturnType<ShapeRule> {
  const [x, regions] = [call.shape(0), call.shape(1)];
  if (x.length !== 4) throw call.fail("the input expected four dimensions");
  if (regions.length !== 2 || regions[1] !== columns) throw call.fail(`the regions expected shape [R, ${columns}]`);
  if (pooled.length !== 2 || pooled.some((n) => n < 1)) throw call.fail(`a pooled shape of [${pooled}]`);
  if (regions[0]! > 0 && [x[0], x[2], x[3]].includes(0)) throw call.fail("nothing can be pooled from an empty image");
  return [{ type: call.type(0), shape: [regions[0]!, x[1]!, ...pooled] }];
}

/** Points per bin and axis are a loop of their own, whatever the region. */
const MOST_SAMPLES = 256;

const roiAlignShape: ShapeRule = (call) => {
  const samples = call.number("sampling_ratio", 0);
  if (samples < 0 || samples > MOST_SAMPLES)
    throw call.fail(`"sampling_ratio" expected 0..${MOST_SAMPLES}, got ${samples}`);
  const indices = call.shape(2);
  if (indices.length !== 1 || indices[0] !== call.shape(1)[0]) throw call.fail("the batch indices expected shape [R]");
  return regionShape(call, 4, [call.number("output_height", 1), call.number("output_width", 1)]);
};

const deformConvShape: ShapeRule = (call) => {
  const [x, w] = [call.shape(0), call.shape(1)];
  if (x.length !== 4 || w.length !== 4) throw call.fail("input and weights expected four dimensions");
  const [group, offsetGroups] = [call.number("group", 1), call.number("offset_group", 1)];
  const [batch, channels] = [x[0]!, x[1]!];
  if (group < 1 || channels !== w[1]! * group || w[0]! % group !== 0)
    throw call.fail(`${channels} channels do not fit the weights in ${group} groups`);
  if (offsetGroups < 1 || channels % offsetGroups !== 0)
    throw call.fail(`${channels} channels do not fit ${offsetGroups} groups of offsets`);
  checkChannels(call, channels);
  const declared = call.list("kernel_shape");
  if (declared !== undefined && declared.join() !== w.slice(2).join())
    throw call.fail(`"kernel_shape" [${declared}] is not that of the weights`);
  const { output } = resolveWindow(call, x.slice(2), w.slice(2));
  const taps = w[2]! * w[3]!;
  const expect = (i: number, what: string, dims: readonly number[]): void => {
    if (call.has(i) && call.shape(i).join() !== dims.join()) throw call.fail(`${what} expected shape [${dims}]`);
  };
  expect(2, "the offsets", [batch, 2 * offsetGroups * taps, ...output]);
  expect(3, "the bias", [w[0]!]);
  expect(4, "the mask", [batch, offsetGroups * taps, ...output]);
  return [{ type: call.type(0), shape: [batch, w[0]!, ...output] }];
};

/** Pixels at places that are computed. */
export const samples = {
  "/GridSample": {
    since: 16,
    inputs: "T U",
    types: { T: FLOAT, U: ["float32", "float16", "float64"] },
    attributes: {
      align_corners: "int",
      mode: ["linear", "nearest", "cubic"],
      padding_mode: ["zeros", "border", "reflection"],
    },
    // the names before opset 20
    becomes: ({ inputs, attributes }, make) => {
      const { mode } = attributes;
      if (mode !== "bilinear" && mode !== "bicubic") return undefined;
      return make.end("GridSample", inputs, { ...attributes, mode: mode.slice(2) });
    },
    rank: sameRank,
    shape: gridSampleShape,
    steps: true,
  },
  "/RoiAlign": {
    since: 10,
    inputs: "T T int64",
    types: { T: FLOAT },
    attributes: {
      coordinate_transformation_mode: ["half_pixel", "output_half_pixel"],
      mode: ["avg", "max"],
      output_height: "int",
      output_width: "int",
      sampling_ratio: "int",
      spatial_scale: "float",
    },
    // half pixels came with opset 16
    becomes: (node, make) =>
      make.opset >= 16
        ? undefined
        : make.end("RoiAlign", node.inputs, {
            ...without(node, "coordinate_transformation_mode"),
            coordinate_transformation_mode: "output_half_pixel",
          }),
    rank: rankOf(4),
    shape: roiAlignShape,
    steps: true,
  },
  "/MaxRoiPool": {
    since: 1,
    inputs: "T T",
    types: { T: FLOAT },
    attributes: { pooled_shape: "ints", spatial_scale: "float" },
    rank: rankOf(4),
    shape: (call: Call) => regionShape(call, 5, call.list("pooled_shape") ?? []),
    steps: true,
  },
  "/DeformConv": {
    since: 19,
    inputs: "T T T T? T?",
    types: { T: FLOAT },
    attributes: {
      dilations: "ints",
      group: "int",
      kernel_shape: "ints",
      offset_group: "int",
      pads: "ints",
      strides: "ints",
    },
    rank: rankOf(4),
    shape: deformConvShape,
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
