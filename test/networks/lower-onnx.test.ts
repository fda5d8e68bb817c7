import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/networks/graph-builder.ts";
import { lowerOnnx } from "../../src/networks/lower-onnx.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { random } from "../regimes/helpers.ts";

const written = (build: GraphBuilder, x: readonly (number | string)[], y: string): Uint8Array =>
  writeOnnx({
    name: "test",
    opsets: { "": 21 },
    inputs: [{ name: "x", type: "float32", shape: x }],
    outputs: [{ name: y, type: "float32", shape: undefined }],
    nodes: build.nodes,
    initializers: build.initializers,
  });

/** Weights are eighths in [-1, 1], biases in [-2, 2]: sums of products with eighths are exact in float32. */
function residual(): Uint8Array {
  const build = new GraphBuilder();
  const next = random(5);
  const eighths = (dims: readonly number[], most = 8): string =>
    build.floats(dims, () => Math.round((2 * next() - 1) * most) / 8);
  const conv = (x: string, dims: readonly number[], attributes: Record<string, number | readonly number[]>): string =>
    build.node("Conv", [x, eighths(dims), eighths([dims[0]!], 16)], attributes);
  const stem = build.node("Relu", [conv("x", [4, 2, 3, 3], { pads: [1, 1, 1, 1] })]);
  const depthwise = conv(stem, [4, 1, 3, 3], { pads: [1, 1, 1, 1], group: 4 });
  const clipped = build.node("Clip", [
    build.node("Add", [depthwise, stem]),
    build.floats([], () => 0),
    build.floats([], () => 3),
  ]);
  const halved = conv(clipped, [4, 4, 1, 1], { strides: [2, 2] });
  const pooled = build.node("MaxPool", [stem], { kernel_shape: [2, 2], strides: [2, 2] });
  const both = build.node("Concat", [halved, pooled], { axis: 1 });
  const windows = build.node("AveragePool", [both], { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = build.node("Flatten", [build.node("GlobalAveragePool", [windows])]);
  const hidden = build.node("Relu", [
    build.node("Add", [build.node("MatMul", [flat, eighths([8, 5])]), eighths([5], 16)]),
  ]);
  const gemm = { transB: 1, alpha: 0.5 };
  return written(build, ["N", 2, 8, 8], build.node("Gemm", [hidden, eighths([3, 5]), eighths([3])], gemm));
}

async function outputs(onnx: Uint8Array, x: Tensor): Promise<number[]> {
  const session = await InferenceSession.create(onnx, { preset: "float32" });
  const result = await session.run({ x });
  await session.release();
  return Array.from(result[session.outputNames[0]!]!.data as Float32Array);
}

describe("convolutions lowered as convolutions", () => {
  const onnx = residual();
  const next = random(6);
  const x = new Tensor(
    "float32",
    Float32Array.from({ length: 3 * 128 }, () => Math.round(4 * next()) / 4),
    [3, 2, 8, 8],
  );

  test("are equal to the last bit, their weights multiples of 2^-bits in [-1, 1], for any batch", async () => {
    const expected = await outputs(onnx, x);
    for (const [bits, form, recoding] of [
      [1, "deeper", "magnitude"],
      [1, "deeper", "signed"],
      [2, "deeper", "magnitude"],
      [1, "slices", "signed"],
      [3, "slices", "magnitude"],
    ] as const) {
      const lowered = lowerOnnx(onnx, { bits, form, recoding });
      expect(await outputs(lowered.onnx, x), `${bits} ${form} ${recoding}`).toEqual(expected);
      const { nodes, initializers } = readOnnx(lowered.onnx);
      const weights = nodes
        .filter(({ op }) => ["Conv", "Gemm", "MatMul"].includes(op))
        .flatMap(({ inputs }) =>
          inputs.slice(1).flatMap((name) => [...(initializers.get(name)!.data as Float32Array)]),
        );
      for (const w of weights) expect(Math.abs(w) <= 1 && Number.isInteger(w * 2 ** bits), String(w)).toBe(true);
      expect(lowered.largestChange).toBe(0);
      if (form === "slices") expect(lowered.depth).toBeLessThanOrEqual(lowered.original.depth + 2);
      else expect(lowered.depth).toBeGreaterThan(lowered.original.depth);
    }
  });

  test("cost what is counted: parameters, non-zeros, products of one sample", () => {
    const build = new GraphBuilder();
    // 3/8 = .011, −1/4 = −.01, 0; one bias 1/8 = .001.
    const weights = build.floats([1, 3, 1, 1], (i) => [0.375, -0.25, 0][i]!);
    const y = build.node("Conv", ["x", weights, build.floats([1], () => 0.125)]);
    const lowered = lowerOnnx(written(build, [1, 3, 5, 4], y), { bits: 1 });
    expect(lowered.original).toEqual({
      ...{ depth: 1, a: 0, b: 3, parameters: 4, nonZero: 3, denseMemory: 16, sparseMemory: 12, products: 40 },
    });
    expect(lowered).toMatchObject({ depth: 3, a: 0, b: 1, parameters: 12, nonZero: 4, sparseMemory: 8, products: 60 });
    expect(lowered.layers).toEqual([{ name: y, op: "Conv", digits: 3, doublings: 0 }]);
  });

  test("weights above 1 are doubled at the end", async () => {
    const build = new GraphBuilder();
    const onnx = written(build, [1, 2], build.node("MatMul", ["x", build.floats([2, 1], (i) => [5.25, -0.5][i]!)]));
    const [layer] = lowerOnnx(onnx, { bits: 1, round: 2 }).layers;
    expect(layer).toMatchObject({ digits: 4, doublings: 2 });
    const row = new Tensor("float32", Float32Array.of(3, -4), [1, 2]);
    for (const form of ["deeper", "slices"] as const)
      expect(await outputs(lowerOnnx(onnx, { bits: 1, round: 2, form }).onnx, row)).toEqual([17.75]);
  });
});

describe("averages over a number that is no power of two", () => {
  const averaged = (tail: (build: GraphBuilder, mean: string) => string): Uint8Array => {
    const build = new GraphBuilder();
    const mean = build.node("Flatten", [build.node("Relu", [build.node("GlobalAveragePool", ["x"])])]);
    return written(build, [1, 2, 3, 3], tail(build, mean));
  };
  const gemm = (build: GraphBuilder, mean: string): string =>
    build.node("Gemm", [mean, build.floats([2, 1], (i) => [0.5, -0.25][i]!), build.floats([1], () => 0.75)]);

  test("leave a rest that the weights behind them take before they are rounded", async () => {
    const x = new Tensor(
      "float32",
      Float32Array.from({ length: 18 }, (_, i) => i % 5),
      [1, 2, 3, 3],
    );
    const lowered = lowerOnnx(averaged(gemm), { bits: 1, round: 4 });
    const sums = [0, 1].map(
      (c) =>
        Array.from(x.data as Float32Array)
          .slice(9 * c, 9 * c + 9)
          .reduce((a, b) => a + b, 0) / 16,
    );
    // 16/9 of the weights in sixteenths: 14.2 → 14 and −7.1 → −7.
    expect(await outputs(lowered.onnx, x)).toEqual([0.75 + (14 / 16) * sums[0]! - (7 / 16) * sums[1]!]);
    expect(lowered.largestChange).toBeCloseTo(8 / 9 - 14 / 16, 12);
  });

  test("need weights that are rounded, and a linear layer", () => {
    expect(() => lowerOnnx(averaged(gemm), { bits: 1 })).toThrow(
      /Gemm at ".*" exactly: behind an average .* round the weights/,
    );
    for (const tail of [
      (build: GraphBuilder, mean: string) => gemm(build, build.node("Add", [mean, mean])),
      (build: GraphBuilder, mean: string) =>
        gemm(build, build.node("Clip", [mean, build.floats([], () => 0), build.floats([], () => 1)])),
      (build: GraphBuilder, mean: string) => {
        gemm(build, mean);
        return mean;
      },
    ])
      expect(() => lowerOnnx(averaged(tail), { bits: 1, round: 4 })).toThrow(/Flatten|Relu/);
  });
});

test("what has no exact form is named, and options are checked", () => {
  const onnx = residual();
  const build = new GraphBuilder();
  const y = build.node("Sigmoid", [build.node("MatMul", ["x", build.floats([2, 2], () => 0.25)])]);
  expect(() => lowerOnnx(written(build, [1, 2], y), { bits: 1 })).toThrow(
    /no low-bit network computes Sigmoid at ".*" exactly/,
  );
  const two = new GraphBuilder();
  expect(() => lowerOnnx(written(two, [2, 2], two.node("MatMul", ["x", "x"])), { bits: 1 })).toThrow(
    /two computed values/,
  );
  expect(() => lowerOnnx(onnx, { bits: 4 })).toThrow(
    '"bits" expected less than the network\'s 4 fractional bits, got 4',
  );
  expect(() => lowerOnnx(onnx, { bits: 0 })).toThrow('"bits" expected an integer in 1..23, got 0');
  expect(() => lowerOnnx(onnx, { bits: 1, round: 24 })).toThrow('"round" expected an integer in 0..23, got 24');
  expect(() => lowerOnnx(onnx, { bits: 1, form: "wide" as "deeper" })).toThrow('"form" expected deeper or slices');
  expect(() => lowerOnnx(onnx, { bits: 1, recoding: "naf" as "signed" })).toThrow(
    '"recoding" expected magnitude or signed',
  );
});
