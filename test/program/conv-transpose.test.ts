import { describe, expect, test } from "vitest";
import { InferenceSession, type Tensor } from "../../src/entries/index.ts";
import type { Attribute } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";
import { Random } from "../support/random.ts";

interface Case {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly attributes: Record<string, Attribute>;
}

async function run({ x, w, attributes }: Case, options: object): Promise<Tensor> {
  const graph = build({ x: x.dims }, { w }, [["ConvTranspose", ["x", "w"], ["y"], attributes]], ["y"]);
  const session = await InferenceSession.create(writeOnnx(graph), options);
  const { y } = await session.run({ x });
  await session.release();
  return y!;
}

/** Every input element adds its multiple of the kernel to the whole output, of which `start` elements are cropped: two spatial axes. */
function scattered({ x, w, attributes }: Case, start: readonly number[], dims: readonly number[]): number[] {
  const { group = 1 } = attributes as { group?: number };
  const { strides = [1, 1], dilations = [1, 1] } = attributes as Record<string, number[]>;
  const [batch, channels, height, width] = x.dims as [number, number, number, number];
  const [, perGroup, kh, kw] = w.dims as [number, number, number, number];
  const [outputs, oh, ow] = dims.slice(1) as [number, number, number];
  const sums = new Float64Array(dims.reduce((a, b) => a * b, 1));
  const [from, kernel] = [x.data as Float32Array, w.data as Float32Array];
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++)
          for (let o = 0; o < perGroup; o++)
            for (let a = 0; a < kh; a++)
              for (let b = 0; b < kw; b++) {
                const row = i * strides[0]! + a * dilations[0]! - start[0]!;
                const column = j * strides[1]! + b * dilations[1]! - start[1]!;
                if (row < 0 || column < 0 || row >= oh || column >= ow) continue;
                const to = Math.floor(c / (channels / group)) * perGroup + o;
                sums[((n * outputs + to) * oh + row) * ow + column]! +=
                  from[((n * channels + c) * height + i) * width + j]! *
                  kernel[((c * perGroup + o) * kh + a) * kw + b]!;
              }
  return [...sums];
}

async function agrees(c: Case, start: readonly number[], dims: readonly number[]): Promise<void> {
  const y = await run(c, { preset: "float32" });
  expect(y.dims).toEqual(dims);
  const wanted = scattered(c, start, dims);
  const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  (y.data as Float32Array).forEach((v, i) => {
    if (!(Math.abs(v - wanted[i]!) <= 1e-5 * largest)) expect.fail(`${JSON.stringify(c.attributes)}: ${i}`);
  });
  expect((await run(c, { preset: "float32", build: "scalar" })).data).toEqual(y.data);
}

describe("ConvTranspose", () => {
  test("random windows, cropped by more than the kernel reaches and depthwise ones among them", async () => {
    const random = new Random(7);
    for (let round = 0; round < 60; round++) {
      const pair = (low: number, high: number): number[] => [random.integer(low, high), random.integer(low, high)];
      const group = random.pick([1, 1, 3]);
      const [spatial, kernel] = [pair(1, 6), pair(1, 3)];
      const [strides, dilations, begin, end] = [pair(1, 3), pair(1, 2), pair(0, 2), pair(0, 2)];
      const output_padding = strides.map((s) => random.integer(0, s - 1));
      const full = spatial.map(
        (d, i) => (d - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 + output_padding[i]!,
      );
      const size = full.map((d, i) => d - begin[i]! - end[i]!);
      if (size.some((d) => d < 1)) continue;
      const perGroup = group === 1 ? 2 : random.pick([1, 1, 2]);
      const attributes = { group, strides, dilations, output_padding, pads: [...begin, ...end] };
      const c = { x: noise([2, 3, ...spatial], round), w: noise([3, perGroup, ...kernel], 99), attributes };
      await agrees(c, begin, [2, group * perGroup, ...size]);
    }
  });

  test.each([
    [{ strides: [1, 2], pads: [0, 1, 0, 1], group: 2 }, [3, 1], [2, 6, 3], [0, 1], [8, 3]],
    [{ pads: [1, 0, 1, 0] }, [1, 1], [2, 8, 8], [1, 0], [6, 8]],
  ] as [Record<string, Attribute>, number[], number[], number[], number[]][])(
    "%j",
    async (attributes, kernel, x, start, size) => {
      const group = (attributes["group"] as number | undefined) ?? 1;
      const outputs = group === 1 ? 3 : group;
      const w = noise([x[0]!, outputs / group, ...kernel], 2);
      await agrees({ x: noise([1, ...x], 1), w, attributes }, start, [1, outputs, ...size]);
    },
  );

  test.each([
    ["NOTSET", 1],
    ["VALID", 1],
    ["SAME_LOWER", 1],
    ["SAME_UPPER", 0],
  ])("output_shape with an odd padding, %s: %i of it goes to the start", async (auto_pad, start) => {
    const attributes = { auto_pad, output_shape: [3, 13], strides: [1, 2], dilations: [1, 2] };
    const c = { x: noise([1, 2, 3, 6], 3), w: noise([2, 2, 1, 2], 4), attributes };
    // (6 − 1)·2 + 2 + 1 = 13; 12 leaves one element.
    await agrees(c, [0, 0], [1, 2, 3, 13]);
    await agrees({ ...c, attributes: { ...attributes, output_shape: [3, 12] } }, [0, start], [1, 2, 3, 12]);
    // One more than the kernel reaches: an element that the stride leaves open.
    await agrees({ ...c, attributes: { ...attributes, output_shape: [3, 14] } }, [0, 0], [1, 2, 3, 14]);
  });

  test.each([
    ["output_padding below 0", { output_padding: [-1, -1] }, /output_padding/],
    ["output_padding as large as the stride", { output_padding: [2, 0], strides: [2, 2] }, /output_padding/],
    ["pads below 0", { pads: [-1, 0, 0, 0] }, /pads/],
    ["output_shape beyond what the stride leaves open", { output_shape: [9, 9] }, /output_shape/],
    ["output_shape of another rank", { output_shape: [5] }, /output_shape/],
    ["strides of 0", { strides: [0, 1] }, /strides/],
    ["pads that leave nothing", { pads: [4, 0, 4, 0] }, /pads/],
  ] as [string, Record<string, Attribute>, RegExp][])("refuses %s", async (_what, attributes, why) => {
    const c = { x: noise([1, 1, 4, 4]), w: noise([1, 1, 3, 3]), attributes };
    await expect(run(c, {})).rejects.toThrow(why);
  });
});

test.each(["MaxPool", "AveragePool", "Conv"])("%s refuses pads below 0", async (op) => {
  const attributes = { pads: [-3, 0, 5, 0], kernel_shape: [3, 3] };
  const inputs = op === "Conv" ? ["x", "w"] : ["x"];
  const graph = build({ x: [1, 1, 8, 8] }, { w: noise([1, 1, 3, 3]) }, [[op, inputs, ["y"], attributes]], ["y"]);
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(/pads/);
});
