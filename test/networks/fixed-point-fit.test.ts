import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { clamp, evaluate, maximum, rdiv, roundAway } from "../../src/fixed-point/index.ts";
import { roundNetwork } from "../../src/fixed-point/round-off.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { fitFormats } from "../../src/networks/fixed-point-fit.ts";
import type { LayerFormat } from "../../src/networks/fixed-point-layers.ts";
import { FixedPointModel } from "../../src/networks/fixed-point-model.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32, i64 } from "../graph/build.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** Numbers within ± size, the same everywhere. */
function randoms(count: number, seed: number, size = 1): number[] {
  const next = uniformNumbers(seed);
  return Array.from({ length: count }, () => (2 * next() - 1) * size);
}

/** A network of Gemm layers with ReLU between them, and the same in the form of `roundOff`. */
function mlp(dims: readonly number[], seed: number, activation: "Relu" | "Tanh" = "Relu") {
  const layers = dims.slice(1).map((outputs, l) => {
    const inputs = dims[l]!;
    const weights = Float32Array.from(randoms(inputs * outputs, seed + l, 2 / Math.sqrt(inputs)));
    return { inputs, outputs, weights, biases: Float32Array.from(randoms(outputs, seed + 31 + l, 0.5)) };
  });
  const graph = build(
    { x: ["N", dims[0]!] },
    Object.fromEntries(
      layers.flatMap(({ inputs, outputs, weights, biases }, l) => [
        [`w${l}`, new Tensor("float32", weights, [outputs, inputs])],
        [`b${l}`, new Tensor("float32", biases, [outputs])],
      ]),
    ),
    layers.flatMap((_, l) => {
      const [from, last] = [l === 0 ? "x" : `a${l - 1}`, l + 1 === layers.length];
      return [
        ["Gemm", [from, `w${l}`, `b${l}`], [last ? "y" : `z${l}`], { transB: 1 }] as const,
        ...(last ? [] : [[activation, [`z${l}`], [`a${l}`]] as const]),
      ];
    }),
    ["y"],
  );
  return { graph, real: { activation: activation.toLowerCase(), layers } };
}

async function run(model: Uint8Array | Graph, feeds: Record<string, Tensor>, output = "y"): Promise<Float32Array> {
  const bytes = model instanceof Uint8Array ? model : writeOnnx(model);
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  const result = await session.run(feeds);
  await session.release();
  return result[output]!.data as Float32Array;
}

function labels(values: Float32Array, width: number): number[] {
  return Array.from({ length: values.length / width }, (_, v) => {
    const own = values.subarray(v * width, (v + 1) * width);
    return own.indexOf(Math.max(...own));
  });
}

describe("a network written in one format", () => {
  test.each([
    [2, 1, "Relu"],
    [3, 4, "Relu"],
    [6, 16, "Tanh"],
    [8, 64, "Relu"],
    [12, 512, "Relu"],
  ] as const)("p = %i, s = %i, %s: the integers of roundOff's arithmetic", async (p, s, activation) => {
    const { graph, real } = mlp([6, 40, 24, 4], 3, activation);
    const x = Float32Array.from(randoms(50 * 6, 9, 3));
    const model = new FixedPointModel(graph, { x: [50, 6] });
    const format = { p, weightScale: s, scale: s };
    const written = model.write(new Map(model.write().layers.map(({ key }) => [key, format])));
    const y = await run(written.graph, { x: new Tensor("float32", x, [50, 6]) });
    const rounded = roundNetwork(real, p, s);
    const wanted = Array.from({ length: 50 }, (_, i) =>
      evaluate(
        rounded,
        Array.from(x.subarray(6 * i, 6 * i + 6), (v) => clamp(roundAway(v * s), maximum(p))),
      ).map((k) => k / s),
    ).flat();
    expect(Array.from(y, (v) => v + 0)).toEqual(wanted);
    expect(written.layers.map(({ s: divisor }) => divisor)).toEqual([undefined, s, s, s]);
  });

  test("ties of inputs and sums go away from zero", async () => {
    const graph = build({ x: ["N", 1] }, { w: f32([1, 1], [0.5]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
    const model = new FixedPointModel(graph, { x: [6, 1] });
    const formats = new Map(["x", "y"].map((key) => [key, { p: 4, weightScale: 2, scale: 1 }]));
    const x = f32([6, 1], [0.5, -0.5, 1, -1, 0.49999997, 100]);
    expect([...(await run(model.write(formats).graph, { x }))].map((v) => v + 0)).toEqual([1, -1, 1, -1, 0, 8]);
  });
});

test("convolutions, sums of several scales and means are what integer loops give", async () => {
  const graph = build(
    { x: ["N", 2, 4, 4] },
    {
      w: f32([3, 2, 3, 3], randoms(54, 1)),
      b: f32([3], [0.3, -0.2, 0.1]),
      u: f32([3, 3, 1, 1], randoms(9, 2)),
      c: f32([1], [0.4]),
    },
    [
      ["Conv", ["x", "w", "b"], ["z"], { pads: [1, 1, 1, 1] }],
      ["Relu", ["z"], ["a"]],
      ["Conv", ["a", "u"], ["v"]],
      ["Add", ["a", "v"], ["t"]],
      ["Add", ["t", "c"], ["q"]],
      ["GlobalAveragePool", ["q"], ["g"]],
      ["Flatten", ["g"], ["y"]],
    ],
    ["y"],
  );
  const model = new FixedPointModel(graph, { x: [5, 2, 4, 4] });
  const formats = new Map<string, LayerFormat>([
    ["x", { p: 5, weightScale: 1, scale: 8 }],
    ["z", { p: 6, weightScale: 16, scale: 16 }],
    ["v", { p: 4, weightScale: 8, scale: 4 }],
    ["t", { p: 7, weightScale: 1, scale: 8 }],
    ["q", { p: 7, weightScale: 1, scale: 32 }],
  ]);
  const x = randoms(5 * 32, 7, 2);
  const y = await run(model.write(formats).graph, { x: f32([5, 2, 4, 4], x) });

  const fixed = (name: string) => {
    const { p, weightScale, scale } = formats.get(name)!;
    return { m: maximum(p), weightScale, scale };
  };
  const integers = (list: ArrayLike<number>, { m, weightScale }: ReturnType<typeof fixed>) =>
    Array.from(list, (w) => clamp(roundAway(w * weightScale), m));
  const [fx, fz, fv, ft, fq] = ["x", "z", "v", "t", "q"].map(fixed) as [
    ReturnType<typeof fixed>,
    ReturnType<typeof fixed>,
    ReturnType<typeof fixed>,
    ReturnType<typeof fixed>,
    ReturnType<typeof fixed>,
  ];
  const initial = (name: string) => graph.initializers.get(name)!.data as Float32Array;
  const [w, u] = [integers(initial("w"), fz), integers(initial("u"), fv)];
  const wanted: number[] = [];
  for (let n = 0; n < 5; n++) {
    const k = x.slice(32 * n, 32 * n + 32).map((v) => clamp(roundAway(Math.fround(v) * fx.scale), fx.m));
    const a: number[][] = [];
    for (let f = 0; f < 3; f++) {
      const d = (fz.weightScale * fx.scale) / fz.scale;
      a.push(
        Array.from({ length: 16 }, (_, at) => {
          let sum = d * roundAway(initial("b")[f]! * fz.scale);
          for (let c = 0; c < 2; c++)
            for (let i = 0; i < 3; i++)
              for (let j = 0; j < 3; j++) {
                const [row, column] = [Math.floor(at / 4) + i - 1, (at % 4) + j - 1];
                if (row >= 0 && row < 4 && column >= 0 && column < 4)
                  sum += w[((f * 2 + c) * 3 + i) * 3 + j]! * k[c * 16 + row * 4 + column]!;
              }
          return Math.max(0, clamp(rdiv(sum, d), fz.m));
        }),
      );
    }
    for (let f = 0; f < 3; f++) {
      let total = 0;
      for (let at = 0; at < 16; at++) {
        const sum = [0, 1, 2].reduce((s, c) => s + u[f * 3 + c]! * a[c]![at]!, 0);
        const v = clamp(rdiv(sum, (fv.weightScale * fz.scale) / fv.scale), fv.m);
        const t = clamp(rdiv(a[f]![at]! + v * (fz.scale / fv.scale), fz.scale / ft.scale), ft.m);
        // Of several scales the finest, which is that of the sum itself here.
        total += clamp(t * (fq.scale / ft.scale) + roundAway(Math.fround(0.4) * fq.scale), fq.m);
      }
      wanted.push(clamp(rdiv(total, 16), fq.m) / fq.scale);
    }
  }
  expect(Array.from(y, (value) => value + 0)).toEqual(wanted);
  expect(new Set(wanted).size).toBeGreaterThan(8);
});

test("every operator that is taken means what it means in real numbers, and comes near it in fine formats", async () => {
  const graph = build(
    { x: ["N", 2, 6, 6] },
    {
      two: f32([1, 1, 1, 1], [2]),
      mean: f32([1, 2, 1, 1], [0.25, -0.5]),
      w: f32([4, 2, 3, 3], randoms(72, 4, 0.5)),
      scale: f32([4], [1, 0.5, 1.5, 2]),
      zero: f32([4], [0.1, 0, -0.1, 0.2]),
      variance: f32([4], [1, 2, 1, 0.5]),
      pads: i64(0, 0, 1, 1, 0, 0, 1, 1),
      half: f32([2, 2, 1, 1], randoms(4, 5)),
      axes: i64(2, 3),
      low: f32([], [-0.5]),
      high: f32([], [0.75]),
      head: f32([8, 3], randoms(24, 6)),
      shape: i64(0, -1),
      starts: i64(0),
      ends: i64(8),
      axis: i64(1),
      bias: f32([3], [0.1, 0.2, -0.3]),
    },
    [
      ["Div", ["x", "two"], ["d"]],
      ["Sub", ["d", "mean"], ["m"]],
      ["Pad", ["m", "pads"], ["p"]],
      ["Conv", ["p", "w"], ["z"], { strides: [2, 2] }],
      ["BatchNormalization", ["z", "scale", "zero", "zero", "variance"], ["n"]],
      ["LeakyRelu", ["n"], ["l"], { alpha: 0.125 }],
      ["Split", ["l"], ["s0", "s1"], { axis: 1 }],
      ["Conv", ["s0", "half"], ["c0"]],
      ["HardSwish", ["c0"], ["h"]],
      ["Sigmoid", ["s1"], ["g"]],
      ["Concat", ["h", "g"], ["k"], { axis: 1 }],
      ["MaxPool", ["k"], ["mp"], { kernel_shape: [2, 2], strides: [1, 1] }],
      ["AveragePool", ["k"], ["ap"], { kernel_shape: [2, 2], strides: [1, 1] }],
      ["Clip", ["ap", "low", "high"], ["cl"]],
      ["Mul", ["mp", "two"], ["mu"]],
      ["Concat", ["mu", "cl"], ["both"], { axis: 1 }],
      ["Transpose", ["both"], ["tr"], { perm: [0, 1, 3, 2] }],
      ["ReduceMean", ["tr", "axes"], ["rm"], { keepdims: 1 }],
      ["Reshape", ["rm", "shape"], ["fl"]],
      ["Slice", ["fl", "starts", "ends", "axis"], ["sl"]],
      ["MatMul", ["sl", "head"], ["mm"]],
      ["Add", ["mm", "bias"], ["logits"]],
      ["Softmax", ["logits"], ["y"]],
    ],
    ["y"],
    18,
  );
  const x = f32([7, 2, 6, 6], randoms(7 * 72, 8, 2));
  const wanted = await run(graph, { x });
  expect(Math.max(...wanted) - Math.min(...wanted)).toBeGreaterThan(0.3);
  const model = new FixedPointModel(graph, { x: x.dims });
  const real = model.write();
  const near = async (written: Graph, tolerance: number) => {
    const got = await run(written, { x });
    for (const [i, value] of wanted.entries()) expect(Math.abs(got[i]! - value)).toBeLessThan(tolerance);
  };
  await near(real.graph, 1e-5);
  await near(
    model.write(new Map(real.layers.map(({ key }) => [key, { p: 11, weightScale: 256, scale: 256 }]))).graph,
    0.01,
  );
  // Scales of their own, the inputs' a coarse 1/16.
  const scales = [16, 64, 32];
  const mixed = real.layers.map(({ key }, i) => [key, { p: 9, weightScale: 64, scale: scales[i % 3]! }] as const);
  await near(model.write(new Map(mixed)).graph, 0.2);
});

describe("the smallest formats", () => {
  test("of an MLP, one for all numbers: what is smaller loses labels, what is exported has them", async () => {
    const { graph } = mlp([5, 24, 4], 11);
    const x = new Tensor("float32", Float32Array.from(randoms(200 * 5, 12, 2)), [200, 5]);
    const wanted = labels(await run(graph, { x }), 4);
    const found = await fitFormats(writeOnnx(graph), { samples: [{ x }], formats: "one", agreement: 0.95 });
    expect(found).toMatchObject({ kept: true, labels: 200, generated: false });
    const got = labels(await run(found.onnx, { x }), 4);
    const same = got.filter((label, i) => label === wanted[i]).length / 200;
    expect(same).toBe(found.agreement);
    expect(same).toBeGreaterThanOrEqual(0.95);
    expect(new Set(found.layers.map(({ p }) => p))).toEqual(new Set([found.p]));
    const [s] = found.layers.flatMap((layer) => layer.s ?? []);
    expect(found.layers.every(({ scale }) => scale === s)).toBe(true);
    const smaller = found.tried.filter(({ p }) => p < found.p);
    expect(smaller.length).toBeGreaterThan(2);
    for (const { agreement } of smaller) expect(agreement).toBeLessThan(0.95);
    expect(found.layers[1]).toMatchObject({ op: "Gemm", activation: "relu", universal: true, weights: 120 });
  });

  test("of an MLP by layer: all labels stay, in no more bits than one format takes", async () => {
    const { graph } = mlp([5, 24, 16, 4], 21);
    const x = new Tensor("float32", Float32Array.from(randoms(100 * 5, 22, 4)), [100, 5]);
    const onnx = writeOnnx(graph);
    const found = await fitFormats(onnx, { samples: [{ x }] });
    const one = await fitFormats(onnx, { samples: [{ x }], formats: "one" });
    expect([found.kept, found.agreement, one.kept, one.agreement]).toEqual([true, 1, true, 1]);
    expect(labels(await run(found.onnx, { x }), 4)).toEqual(labels(await run(graph, { x }), 4));
    expect(found.weightBits).toBeLessThanOrEqual(one.weightBits);
    expect(found.p).toBeLessThanOrEqual(one.p);
    for (const { op, s, universal, reason, p } of found.layers.filter(({ weights }) => weights > 0)) {
      expect(op).toBe("Gemm");
      expect(universal).toBe(s! <= 2 * maximum(p) && reason!.startsWith("universal"));
    }
    for (const layer of found.layers)
      for (const share of [layer.saturated, layer.lostWeights, layer.saturatedWeights]) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThan(0.5);
      }
  });

  test("of a CNN: nine pictures keep their labels with fewer than eight bits a weight", async () => {
    const file = inflateSync(readFileSync(new URL("fashion_mnist/pictures.bin", FIXTURES)));
    const pixels = file.subarray(200, 200 + 9 * 784);
    const image = new Tensor(
      "float32",
      Float32Array.from(pixels, (v) => (v / 255 - 0.286) / 0.353),
      [9, 1, 28, 28],
    );
    const onnx = readFileSync(new URL("models/fmnist_mobilenet.onnx", FIXTURES));
    const found = await fitFormats(onnx, { samples: [{ image }] });
    expect(found).toMatchObject({ kept: true, agreement: 1, labels: 9 });
    const weights = found.layers.reduce((sum, layer) => sum + layer.weights, 0);
    expect(found.weightBits / weights).toBeLessThan(8);
    const logits = "logits";
    expect(labels(await run(found.onnx, { image }, logits), 10)).toEqual(
      labels(await run(new Uint8Array(onnx), { image }, logits), 10),
    );
    expect(found.layers.filter(({ op }) => op === "Conv")).toHaveLength(14);
    expect(found.layers.find(({ op }) => op === "Conv")).toMatchObject({ activation: "clip to 0…6" });
  });

  test("where no format does, the best one is told, and generated inputs are said to be", async () => {
    const { graph } = mlp([5, 24, 4], 11);
    const found = await fitFormats(writeOnnx(graph), { maxP: 1, inputRange: [-2, 2] });
    expect(found).toMatchObject({ kept: false, generated: true, p: 1 });
    expect(found.inputs).toContain("-2…2");
    expect(found.agreement).toBeLessThan(1);
  });
});

test("what is not a network of layers is refused by its node, and options by their names", async () => {
  const of = (
    nodes: Parameters<typeof build>[2],
    constants = {},
    inputs: Parameters<typeof build>[0] = { x: [1, 4] },
  ) => writeOnnx(build(inputs, constants, nodes, ["y"]));
  const x = f32([1, 4], [1, 2, 3, 4]);
  await expect(fitFormats(of([["Erf", ["x"], ["y"]]]), { samples: [{ x }] })).rejects.toThrow(
    'no fixed-point layer computes Erf at "Erf_0"',
  );
  await expect(fitFormats(of([["Mul", ["x", "x"], ["y"]]]), { samples: [{ x }] })).rejects.toThrow(
    /Mul at "Mul_0" of two computed/,
  );
  const ids = { ids: { type: "int64", shape: [2] } } as const;
  const gather = of([["Gather", ["t", "ids"], ["y"]]], { t: f32([4, 2]) }, ids);
  await expect(fitFormats(gather)).rejects.toThrow("expected inputs and a first output of float32");
  const { graph } = mlp([4, 3], 1);
  const onnx = writeOnnx(graph);
  await expect(fitFormats(onnx, { agreement: 0 })).rejects.toThrow('"agreement" expected a number above 0');
  await expect(fitFormats(onnx, { formats: "two" as "one" })).rejects.toThrow(
    '"formats" expected "layer" or "one", got "two"',
  );
  await expect(fitFormats(onnx, { maxP: 15 })).rejects.toThrow('"maxP" expected an integer in 1..14, got 15');
  await expect(fitFormats(onnx, { samples: [{ x: f32([1, 5]) }] })).rejects.toThrow(
    '"samples[0].x" expected [N,4], got [1,5]',
  );
  await expect(fitFormats(onnx, { samples: [{ x: f32([1, 4], [1, Number.NaN, 1, 1]) }] })).rejects.toThrow(
    "finite outputs",
  );
  const reason = new Error("enough");
  await expect(fitFormats(onnx, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
