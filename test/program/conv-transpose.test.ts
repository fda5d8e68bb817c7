import { describe, expect, test } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
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

interface Window {
  readonly c: Case;
  readonly start: readonly number[];
  readonly dims: readonly number[];
}

/** A random window over two axes, or undefined where pads leave nothing. */
function randomWindow(random: Random, round: number): Window | undefined {
  const pair = (low: number, high: number): number[] => [random.integer(low, high), random.integer(low, high)];
  const group = random.pick([1, 1, 3]);
  const [spatial, kernel] = [pair(1, 6), pair(1, 4)];
  const [strides, dilations, begin, end] = [pair(1, 3), pair(1, 3), pair(0, 2), pair(0, 2)];
  const output_padding = strides.map((s) => random.integer(0, s - 1));
  const size = spatial.map(
    (d, i) => (d - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 + output_padding[i]! - begin[i]! - end[i]!,
  );
  if (size.some((d) => d < 1)) return undefined;
  const perGroup = random.pick([1, 1, 2, 9]);
  const attributes = { group, strides, dilations, output_padding, pads: [...begin, ...end] };
  const c = { x: noise([2, 3, ...spatial], round), w: noise([3, perGroup, ...kernel], 99 + round), attributes };
  return { c, start: begin, dims: [2, group * perGroup, ...size] };
}

/** The definition in float32: products of an output by tap, then by channel, each rounded and added from −0 on. */
function inOrder({ c: { x, w, attributes }, start, dims }: Window, bias: readonly number[]): number[] {
  const { group, strides, dilations } = attributes as { group: number; strides: number[]; dilations: number[] };
  const [channels, height, width] = x.dims.slice(1) as [number, number, number];
  const [, perGroup, kh, kw] = w.dims as [number, number, number, number];
  const [batch, outputs, oh, ow] = dims as [number, number, number, number];
  const [from, kernel] = [x.data as Float32Array, w.data as Float32Array];
  const inGroup = channels / group;
  const result: number[] = [];
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          let sum = -0;
          for (let a = 0; a < kh; a++)
            for (let b = 0; b < kw; b++) {
              const row = (i + start[0]! - a * dilations[0]!) / strides[0]!;
              const column = (j + start[1]! - b * dilations[1]!) / strides[1]!;
              if (!(Number.isInteger(row) && Number.isInteger(column))) continue;
              if (row < 0 || column < 0 || row >= height || column >= width) continue;
              for (let k = 0; k < inGroup; k++) {
                const channel = Math.floor(o / perGroup) * inGroup + k;
                const v = from[((n * channels + channel) * height + row) * width + column]!;
                sum = Math.fround(
                  sum + Math.fround(v * kernel[((channel * perGroup + (o % perGroup)) * kh + a) * kw + b]!),
                );
              }
            }
          result.push(Math.fround(sum + bias[o]!));
        }
  return result;
}

/** The same layer as a convolution of pixels with zeros between them by the kernel turned round, cropped when it is done. */
async function withZeros({ c: { x, w, attributes }, start, dims }: Window, b: Tensor, plan: object): Promise<number[]> {
  const { group, strides, dilations } = attributes as { group: number; strides: number[]; dilations: number[] };
  const [batch, channels, height, width] = x.dims as [number, number, number, number];
  const [, perGroup, kh, kw] = w.dims as [number, number, number, number];
  const before = [kh, kw].map((k, i) => (k - 1) * dilations[i]!) as [number, number];
  const full = dims.slice(2).map((d, i) => d + start[i]! + 2) as [number, number];
  const whole = full.map((d, i) => Math.max(d, ([height, width][i]! - 1) * strides[i]! + 1) + before[i]!);
  const [rows, columns] = whole as [number, number];
  const z = new Tensor("float32", new Float32Array(batch * channels * rows * columns), [batch, channels, ...whole]);
  x.data.forEach((v, e) => {
    const [row, column, plane] = [Math.floor(e / width) % height, e % width, Math.floor(e / width / height)];
    const i = row * strides[0]! + before[0];
    (z.data as Float32Array)[(plane * rows + i) * columns + column * strides[1]! + before[1]] = Number(v);
  });
  const inGroup = channels / group;
  const turned = new Tensor("float32", new Float32Array(w.size), [group * perGroup, inGroup, kh, kw]);
  turned.data.forEach((_, e) => {
    const [tap, k, o] = [e % (kh * kw), Math.floor(e / kh / kw) % inGroup, Math.floor(e / kh / kw / inGroup)];
    const channel = Math.floor(o / perGroup) * inGroup + k;
    const from = (channel * perGroup + (o % perGroup)) * kh * kw + kh * kw - 1 - tap;
    (turned.data as Float32Array)[e] = Number(w.data[from]);
  });
  const nodes = [["Conv", ["x", "w", "b"], ["y"], { group, dilations }]] as const;
  const y = await answer(writeOnnx(build({ x: z.dims }, { w: turned, b }, nodes, ["y"])), { x: z }, plan);
  const [oh, ow] = dims.slice(2) as [number, number];
  return Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, e) => {
    const [plane, i, j] = [Math.floor(e / ow / oh), (Math.floor(e / ow) % oh) + start[0]!, (e % ow) + start[1]!];
    return (y.data as Float32Array)[(plane * (rows - before[0]) + i) * (columns - before[1]) + j]!;
  });
}

async function answer(model: Uint8Array, feeds: Record<string, Tensor>, options: object): Promise<Tensor> {
  const session = await InferenceSession.create(model, options);
  const { y } = await session.run(feeds);
  await session.release();
  return y!;
}

/** Three terms of four bits, no zero points, flips or searched scales that depend on the order of a row. */
const INTEGERS = { plan: { version: 1, default: { bits: 4, weightTerms: 3, activationTerms: 3 } } };

function biased({ c: { x, w, attributes }, dims }: Window) {
  const b = noise([dims[1]!], 5);
  const graph = build({ x: x.dims }, { w, b }, [["ConvTranspose", ["x", "w", "b"], ["y"], attributes]], ["y"]);
  return { b, model: writeOnnx(graph) };
}

describe("ConvTranspose", () => {
  test("adds in the order of taps and channels, whatever the phases", async () => {
    const random = new Random(17);
    for (let round = 0; round < 60; round++) {
      const window = randomWindow(random, round);
      if (window === undefined) continue;
      const { b, model } = biased(window);
      const y = await answer(model, { x: window.c.x }, { preset: "float32" });
      expect(y.dims).toEqual(window.dims);
      expect([...y.data], JSON.stringify(window.c.attributes)).toEqual(inOrder(window, [...b.data].map(Number)));
    }
  });

  test("has the integers of a convolution of zeros and pixels", async () => {
    const random = new Random(23);
    for (let round = 0; round < 40; round++) {
      const window = randomWindow(random, round);
      if (window === undefined) continue;
      const { b, model } = biased(window);
      const y = await answer(model, { x: window.c.x }, INTEGERS);
      const wanted = await withZeros(window, b, INTEGERS);
      expect([...y.data], JSON.stringify(window.c.attributes)).toEqual(wanted);
      expect((await answer(model, { x: window.c.x }, { ...INTEGERS, build: "scalar" })).data).toEqual(y.data);
    }
  });

  test.each(["fast", "faithful", "compact"] as const)(
    "%s: a session that refines ends where one of all terms begins",
    async (preset) => {
      const window: Window = {
        c: { x: noise([1, 3, 4, 5], 1), w: noise([3, 9, 3, 2], 2), attributes: { group: 1, strides: [2, 2] } },
        ...{ start: [0, 0], dims: [1, 9, 9, 10] },
      };
      const { bytes } = await quantize(biased(window).model, { preset });
      const feeds = { x: window.c.x };
      const session = await InferenceSession.create(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(), {
        progressive: true,
      });
      await session.run(feeds);
      while (await session.refine()) await session.run(feeds);
      const { y } = await session.run(feeds);
      await session.release();
      expect(y!.data).toEqual((await answer(bytes, feeds, {})).data);
      expect((await answer(bytes, feeds, { build: "scalar" })).data).toEqual(y!.data);
    },
  );

  test("weights that are computed while the model runs", async () => {
    const random = new Random(31);
    for (let round = 0; round < 20; round++) {
      const window = randomWindow(random, round);
      if (window === undefined) continue;
      const { x, w, attributes } = window.c;
      const nodes = [["ConvTranspose", ["x", "w"], ["y"], attributes]] as const;
      const graph = build({ x: x.dims, w: w.dims }, {}, nodes, ["y"]);
      const y = await answer(writeOnnx(graph), { x, w }, { preset: "float32" });
      const zeros = new Array<number>(window.dims[1]!).fill(0);
      // Without a bias a sum of nothing but −0 stays −0.
      const sums = Array.from(y.data as Float32Array, (v) => v + 0);
      expect(sums, JSON.stringify(attributes)).toEqual(inOrder(window, zeros));
    }
  });

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

describe("outputs that no tap reaches", () => {
  const attributes = { strides: [2, 7], group: 2 };
  const [x, w] = [noise([2, 4, 3, 3]), noise([4, 3, 1, 2])];
  const b = new Tensor("float32", [0.5, -1, 0.25, -0, 2, -3], [6]);
  const opened = (options: object) =>
    InferenceSession.create(
      writeOnnx(
        build(
          { x: x.dims },
          { w, b },
          [
            ["ConvTranspose", ["x", "w", "b"], ["t"], attributes],
            ["Relu", ["t"], ["y"]],
          ],
          ["y"],
        ),
      ),
      options,
    );
  /** Row and column say whether there is a tap: stride 2 and one row of the kernel, stride 7 and two columns. */
  const isReached = (at: number): boolean => Math.floor(at / 16) % 2 === 0 && (at % 16) % 7 < 2;

  test.each(
    ["float32", "faithful", "fast", "compact"].flatMap((preset) =>
      ["simd", "scalar"].map((build) => ({ preset, build })),
    ),
  )("are their bias, activated: %o", async (options) => {
    const session = await opened(options);
    const { y } = await session.run({ x });
    expect(y!.dims).toEqual([2, 6, 5, 16]);
    let seen = 0;
    (y!.data as Float32Array).forEach((value, i) => {
      if (isReached(i % 80)) return;
      seen++;
      expect(value, `element ${i}`).toBe(Math.max(0, (b.data as Float32Array)[Math.floor(i / 80) % 6]!) + 0);
    });
    expect(seen).toBe(2 * 6 * (80 - 3 * 6));
    await session.release();
  });

  test("take no steps of their own", async () => {
    const stride = 2 ** 16;
    const given = { x: noise([1, 1, 2, 2]), w: noise([1, 1, 1, 3]), attributes: { strides: [1, stride] } };
    const graph = build(
      { x: given.x.dims },
      { w: given.w },
      [["ConvTranspose", ["x", "w"], ["y"], given.attributes]],
      ["y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    expect((await session.profile({ x: given.x })).length).toBeLessThan(20);
    await session.release();
    await agrees(given, [0, 0], [1, 1, 2, stride + 3]);
  });
});
