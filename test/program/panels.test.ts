import { expect, it } from "vitest";
import { newCore } from "../../src/core/index.ts";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Panels } from "../../src/program/panels.ts";
import { expandWeights } from "../../src/series/index.ts";
import { randomTensor, type Tensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32 } from "../graph/build.ts";

it("keeps the panels of some taps where those of others of the same weights must be wider", async () => {
  const random = uniformNumbers(4);
  const { data } = randomTensor("float32", [24 * 20 * 4], random);
  // An outlier in the last tap of every row: that phase leaves int8, the one before it does not.
  const weights = Array.from(data as Float32Array, (v, i) => (i % 4 === 3 && (i >> 2) % 9 === 0 ? 4 : v / 4));
  const model = build(
    { x: [1, 24, 6, 7] },
    { w: f32([24, 20, 2, 2], weights), v: f32([20, 20, 1, 1], weights.slice(0, 400)) },
    [
      ["ConvTranspose", ["x", "w"], ["t"], { kernel_shape: [2, 2], strides: [2, 2] }],
      ["Conv", ["t", "v"], ["y"], { kernel_shape: [1, 1] }],
    ],
    ["y"],
  );
  const x = randomTensor("float32", [1, 24, 6, 7], random);
  const outcome = async (options: Parameters<typeof InferenceSession.create>[1]) => {
    const session = await InferenceSession.create(writeOnnx(model), options);
    const { y } = await session.run({ x });
    const kernels = (await session.profile({ x }))
      .map(({ kernel }) => kernel)
      .filter((kernel) => kernel.startsWith("gemm"));
    await session.release();
    return { values: y!.data as Float32Array, kernels };
  };
  const layer = { bits: 8, weightTerms: 1, activationTerms: 1, outliers: 0.03 };
  const { values: exact } = await outcome({ preset: "float32" });
  const { values, kernels } = await outcome({ plan: { version: 1, default: layer } });
  expect(kernels.slice(0, 2)).toEqual(["gemm_i8_i16_4x8", "gemm_i16_i16_4x8"]);
  // 8 bits of both operands, twice
  const most = exact.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  for (const [i, v] of values.entries()) expect(Math.abs(v - exact[i]!)).toBeLessThan(most / 32);
});

it("gives back what it had taken for a layer that there is no room for", async () => {
  const core = await newCore();
  const panels = new Panels(core);
  const tensor = randomTensor("float32", [24, 40], uniformNumbers(6));
  const series = expandWeights(core, tensor as Tensor<"float32">, { name: "w", axis: 0, bits: 4, terms: 2 });
  const place = () =>
    panels.place(
      series,
      { depthwise: false, activationBits: 12, exactInInt32: true, largestSum: 2 ** 24 },
      { groups: 1, rows: 24, taps: 1, channels: 40 },
    );
  const taken = core.bytesInUse;
  const allocate = core.allocate.bind(core);
  for (const failing of [1, 2, 3, 4]) {
    let count = 0;
    core.allocate = (bytes) => {
      if (++count === failing) throw new Error("no room");
      return allocate(bytes);
    };
    expect(place).toThrow("no room");
    expect(core.bytesInUse).toBe(taken);
  }
  core.allocate = allocate;
  expect(place()).toEqual(place());
});
