// The multiply-accumulates that a profile tells, and limits count, are those of the operators' definitions.
import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, type NodeSpec } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";

type Case = readonly [what: string, node: NodeSpec, x: readonly number[], w: readonly number[], macs: number];

const conv = (attributes: NodeSpec[3]): NodeSpec => ["Conv", ["x", "w"], ["y"], attributes];
const CASES: readonly Case[] = [
  ["a convolution of two pictures", conv({}), [2, 3, 7, 6], [5, 3, 3, 2], 2 * (5 * 5) * 5 * (3 * 3 * 2)],
  [
    "with strides and a border",
    conv({ strides: [2, 3], pads: [1, 1, 1, 1] }),
    [1, 3, 8, 9],
    [4, 3, 3, 3],
    4 * 3 * 4 * 27,
  ],
  ["of groups", conv({ group: 3 }), [1, 6, 5, 5], [9, 2, 2, 2], 16 * 3 * 3 * 8],
  ["by channel", conv({ group: 6 }), [2, 6, 5, 5], [6, 1, 3, 3], 2 * 9 * 6 * 9],
  ["of a line", conv({}), [3, 4, 10], [2, 4, 5], 3 * 6 * 2 * 20],
  ["of a body", conv({}), [2, 2, 4, 5, 6], [3, 2, 2, 3, 2], 2 * (3 * 3 * 5) * 3 * 24],
  ["a product", ["MatMul", ["x", "w"], ["y"]], [5, 7], [7, 3], 5 * 7 * 3],
  ["of stacked rows", ["MatMul", ["x", "w"], ["y"]], [2, 4, 5, 7], [7, 3], 40 * 7 * 3],
  ["of a turned matrix", ["Gemm", ["x", "w"], ["y"], { transB: 1 }], [5, 7], [3, 7], 5 * 7 * 3],
];

describe("multiply-accumulates", () => {
  for (const preset of ["float32", "faithful", "fast"] as const) {
    it.each(CASES)(`${preset}: %s`, async (_, node, x, w, macs) => {
      const [weight, given] = [noise(w), noise(x, 2)];
      const session = await InferenceSession.create(writeOnnx(build({ x }, { w: weight }, [node], ["y"])), { preset });
      const steps = await session.profile({ x: given });
      expect(steps.reduce((sum, step) => sum + step.macs, 0)).toBe(macs);
      await session.release();
    });
  }
});
