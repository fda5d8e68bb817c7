import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32 } from "../graph/build.ts";

const model = build(
  { x: ["N", 12, 6, 5] },
  {
    ...{ a: f32([12, 12, 1, 1]), b: f32([12, 1, 3, 3]), c: f32([40, 12, 3, 3]) },
    d: f32([5, 21]),
  },
  [
    ["Conv", ["x", "a"], ["p"], { kernel_shape: [1, 1] }],
    ["Conv", ["p", "a"], ["q"], { kernel_shape: [1, 1] }],
    ["Conv", ["q", "b"], ["r"], { kernel_shape: [3, 3], group: 12, pads: [1, 1, 1, 1] }],
    ["Conv", ["r", "c"], ["s"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
    ["MatMul", ["s", "d"], ["y"]],
  ],
  ["y"],
);
const x = randomTensor("float32", [2, 12, 6, 5], uniformNumbers(2));

it.each([
  ["simd", { bits: 4, weightTerms: 2, activationTerms: 2 }],
  ["scalar", { bits: 4, weightTerms: 2, activationTerms: 2 }],
  // sums that leave int32, in turns
  ["simd", { bits: 8, weightTerms: 2, activationTerms: 2 }],
] as const)(
  "every kernel of the build is timed for every shape, and no output changes: %s, %o",
  async (build, layer) => {
    const session = await InferenceSession.create(writeOnnx(model), { build, plan: { version: 1, default: layer } });
    const before = (await session.run({ x }))["y"]!.data;
    const steps = (await session.profile({ x })).filter(({ macs }) => macs > 0);
    const bytes = session.memoryBytes;
    const times = await session.kernelTimes({ x });
    expect(times.reduce((sum, { count }) => sum + count, 0)).toBe(steps.length);
    const [first, depthwise, conv, product] = times;
    expect(first).toMatchObject({ rows: 60, depth: 12, columns: 12, groups: 1, taps: 1, count: 2 });
    expect(depthwise).toMatchObject({ rows: 60, depth: 9, columns: 1, groups: 12, taps: 9, count: 1 });
    expect(conv).toMatchObject({ rows: 60, depth: 108, columns: 40, groups: 1, taps: 9, count: 1 });
    expect(product).toMatchObject({ rows: 480, depth: 5, columns: 21 });
    for (const { chosen, milliseconds } of times) {
      expect(steps.map(({ kernel }) => kernel)).toContain(chosen);
      expect(milliseconds).toHaveProperty(chosen);
      for (const time of Object.values(milliseconds)) expect(time).toBeGreaterThan(0);
    }
    expect(Object.keys(first!.milliseconds).includes("gemm_u7_i8_4x8")).toBe(build === "scalar");
    expect(Object.keys(depthwise!.milliseconds)).toEqual(["depthwise_f32_4x4", "depthwise_i16_i16_3x8"]);
    // what was allocated has been given back: as much again fits
    await session.kernelTimes({ x });
    expect(session.memoryBytes - bytes).toBeLessThan(2 ** 20);
    expect((await session.run({ x }))["y"]!.data).toEqual(before);
    await session.release();
  },
);
