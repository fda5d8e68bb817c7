// Operators in training mode, as exporters leave them in files: a functional dropout at ratio 0, batch statistics, dropout that is meant (Monte Carlo).
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, runNode } from "../support/run-node.ts";

const numbers = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as Float32Array);
const bool = (value: boolean): Tensor => new Tensor("bool", [value ? 1 : 0], []);
const picture = f32(
  [3, 2, 4, 5],
  Array.from({ length: 120 }, (_, i) => ((i * 37) % 23) / 4 - 2),
);

describe("Dropout in training", () => {
  it.each(["float32", "float64"] as const)("drops nothing at a ratio of 0, %s", async (type) => {
    const x = new Tensor(type, [1, -2, 3], [3]);
    const ratio = f32([], [0]);
    const [y, mask] = await runNode({
      op: "Dropout",
      inputs: [x, ratio, bool(true)],
      constants: [1, 2],
      outputs: 2,
    });
    expect([...numbers(y), ...numbers(mask)]).toEqual([1, -2, 3, 1, 1, 1]);
  });

  it.each([[[]], [[1, 2]]])("drops at its ratio and scales what stays, constants %j", async (constants) => {
    const x = f32(
      [40, 50],
      Array.from({ length: 2000 }, (_, i) => i + 1),
    );
    const inputs = [x, f32([], [0.25]), bool(true)];
    const [y, mask] = await runNode({ op: "Dropout", inputs, constants, outputs: 2, attributes: { seed: 3 } });
    const [dropped, stays] = [numbers(y), numbers(mask)];
    for (const [i, kept] of stays.entries())
      expect(Math.abs(dropped[i]! - (kept ? (i + 1) / 0.75 : 0))).toBeLessThanOrEqual(1e-3);
    const share = stays.filter((kept) => kept).length / 2000;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.04);
  });

  it("keeps all where its mode, which is fed, says so, and takes half where no ratio is given", async () => {
    const [still] = await runNode({ op: "Dropout", inputs: [picture, f32([], [0.5]), bool(false)] });
    expect(numbers(still)).toEqual(numbers(picture));
    const [half] = await runNode({ op: "Dropout", inputs: [f32([1000], Array(1000).fill(1)), "", bool(true)] });
    expect(new Set(numbers(half))).toEqual(new Set([0, 2]));
  });

  it.each([-0.5, 1, Number.NaN])("refuses the ratio %d", async (ratio) => {
    const opened = runNode({ op: "Dropout", inputs: [picture, f32([], [ratio]), bool(true)], constants: [1, 2] });
    await expect(opened).rejects.toMatchObject({ code: "MODEL", message: expect.stringMatching(/ratio expected/) });
  });
});

describe("BatchNormalization in training", () => {
  const vectors = [f32([2], [2, -1]), f32([2], [0.5, 3]), f32([2], [10, 20]), f32([2], [1, 4])];
  const attributes = { training_mode: 1, epsilon: 1e-3, momentum: 0.75 };

  it.each([
    ["pictures", picture, 20],
    ["rows", f32([6, 2], numbers(picture).slice(0, 12)), 1],
  ] as const)("takes statistics of the batch, %s", async (_, x, size) => {
    const [y, mean, variance] = await runNode({
      op: "BatchNormalization",
      opset: 15,
      inputs: [x, ...vectors],
      outputs: 3,
      attributes,
    });
    for (const channel of [0, 1]) {
      const own = (values: readonly number[]): number[] =>
        values.filter((_, i) => Math.floor(i / size) % 2 === channel);
      const given = own(numbers(x));
      const middle = given.reduce((a, b) => a + b) / given.length;
      const spread = given.reduce((a, b) => a + (b - middle) ** 2, 0) / given.length;
      const [scale, bias, before, wide] = vectors.map((v) => numbers(v)[channel]!) as [number, number, number, number];
      for (const [i, value] of own(numbers(y)).entries())
        expect(Math.abs(value - (((given[i]! - middle) / Math.sqrt(spread + 1e-3)) * scale + bias))).toBeLessThan(1e-5);
      expect(numbers(mean)[channel]).toBeCloseTo(before * 0.75 + middle * 0.25, 5);
      expect(numbers(variance)[channel]).toBeCloseTo(wide * 0.75 + spread * 0.25, 5);
    }
  });
});
