import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Attribute, Graph, Node, ValueInfo } from "../../src/graph/graph.ts";
import { readModel } from "../../src/model/index.ts";
import { containerNetwork } from "../../src/networks/container-network.ts";
import { networkToOnnx, regimeOfOnnx } from "../../src/networks/regimes.ts";
import { reluNetwork } from "../../src/networks/relu-network.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import {
  type DyadicNetwork,
  denseNetwork,
  evaluate,
  evaluateRational,
  formatDyadic,
  fromNumber,
  lowerPrecision,
  networkSize,
  toNumber,
} from "../../src/regimes/index.ts";
import { fuse } from "../../src/series/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { random } from "../regimes/helpers.ts";

const model = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));

class Builder {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();

  node(op: string, inputs: string[], attributes: Record<string, Attribute> = {}): string {
    const name = `${op}${this.nodes.length}`;
    this.nodes.push({ name, op, domain: "", inputs, outputs: [name], attributes });
    return name;
  }

  floats(dims: number[], next: () => number): string {
    const name = `f${this.initializers.size}`;
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, next);
    this.initializers.set(name, new Tensor("float32", data, dims));
    return name;
  }

  /** INT8 weights under DequantizeLinear. */
  int8(dims: number[], scale: number, next: () => number): string {
    const name = `q${this.initializers.size}`;
    const data = Int8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.round(next() * 127));
    this.initializers.set(name, new Tensor("int8", data, dims));
    return this.node("DequantizeLinear", [name, this.floats([], () => scale)]);
  }

  onnx(input: ValueInfo["shape"], output: string, shape: ValueInfo["shape"]): Uint8Array {
    const graph: Graph = {
      name: "test",
      opsets: { "": 17 },
      inputs: [{ name: "x", type: "float32", shape: input }],
      outputs: [{ name: output, type: "float32", shape }],
      nodes: this.nodes,
      initializers: this.initializers,
    };
    return writeOnnx(graph);
  }
}

const signed = (seed: number) => {
  const next = random(seed);
  return () => 2 * next() - 1;
};

/** An INT8 CNN with a residual connection, ReLU6, both poolings and a Gemm: everything that has an exact form, in one. */
function smallCnn(): Uint8Array {
  const build = new Builder();
  const next = signed(7);
  const grid = () => Math.round(next() * 64) / 128;
  const conv = build.node("Conv", ["x", build.int8([3, 2, 3, 3], 2 ** -7, next), build.floats([3], grid)], {
    pads: [1, 1, 1, 1],
    kernel_shape: [3, 3],
  });
  const first = build.node("Relu", [conv]);
  const inner = build.node("Conv", [first, build.int8([3, 1, 3, 3], 2 ** -7, next)], {
    pads: [1, 1, 1, 1],
    group: 3,
    kernel_shape: [3, 3],
  });
  const sum = build.node("Add", [inner, first]);
  const clipped = build.node("Clip", [sum, build.floats([], () => 0), build.floats([], () => 0.75)]);
  const pooled = build.node("MaxPool", [clipped], { kernel_shape: [2, 2], strides: [2, 2] });
  const flipped = build.node("Transpose", [pooled], { perm: [0, 1, 3, 2] });
  const average = build.node("GlobalAveragePool", [flipped]);
  const both = build.node("Concat", [average, build.node("AveragePool", [pooled], { kernel_shape: [2, 2] })], {
    axis: 1,
  });
  const flat = build.node("Flatten", [both]);
  const y = build.node("Gemm", [flat, build.int8([2, 6], 2 ** -7, next), build.floats([2], grid)], {
    transB: 1,
    alpha: 0.5,
  });
  return build.onnx([1, 2, 4, 4], y, [1, 2]);
}

/** The same, computed with plain loops in doubles, which are exact for such short numbers. */
function smallCnnByHand(onnx: Uint8Array, x: readonly number[]): number[] {
  const { nodes, initializers } = readOnnx(onnx);
  const weights = (node: number, i: number): number[] => {
    const name = nodes.filter(({ op }) => op === "Conv" || op === "Gemm")[node]!.inputs[i]!;
    const dequantize = nodes.find((other) => other.outputs[0] === name);
    if (dequantize === undefined) return Array.from(initializers.get(name)!.data as Float32Array);
    return Array.from(initializers.get(dequantize.inputs[0]!)!.data as Int8Array, (value) => value / 128);
  };
  const tap = (values: readonly number[], c: number, i: number, j: number): number =>
    i < 0 || j < 0 || i > 3 || j > 3 ? 0 : values[c * 16 + i * 4 + j]!;
  const cells = Array.from({ length: 48 }, (_, k) => [k >> 4, (k >> 2) & 3, k & 3] as const);
  const [w1, b1, w2, w3, b3] = [weights(0, 1), weights(0, 2), weights(1, 1), weights(2, 1), weights(2, 2)];
  const first = cells.map(([f, i, j]) => {
    let total = b1[f]!;
    for (let c = 0; c < 2; c++)
      for (let u = 0; u < 3; u++)
        for (let v = 0; v < 3; v++) total += w1[((f * 2 + c) * 3 + u) * 3 + v]! * tap(x, c, i + u - 1, j + v - 1);
    return Math.max(total, 0);
  });
  const clipped = cells.map(([f, i, j], k) => {
    let total = first[k]!;
    for (let u = 0; u < 3; u++)
      for (let v = 0; v < 3; v++) total += w2[(f * 3 + u) * 3 + v]! * tap(first, f, i + u - 1, j + v - 1);
    return Math.min(Math.max(total, 0), 0.75);
  });
  const pooled = Array.from({ length: 12 }, (_, k) => {
    const [f, i, j] = [k >> 2, (k >> 1) & 1, k & 1];
    return Math.max(...[0, 1].flatMap((u) => [0, 1].map((v) => tap(clipped, f, 2 * i + u, 2 * j + v))));
  });
  const means = [0, 1, 2].map(
    (f) => (pooled[4 * f]! + pooled[4 * f + 1]! + pooled[4 * f + 2]! + pooled[4 * f + 3]!) / 4,
  );
  const features = [...means, ...means];
  return [0, 1].map((o) => b3[o]! + 0.5 * features.reduce((total, value, k) => total + value * w3[o * 6 + k]!, 0));
}

describe("ONNX to exact ReLU networks", () => {
  test("an INT8 CNN with residual, ReLU6, pooling: equal by hand, and lowered to {0, ±1/2, ±1} equal on rationals", async () => {
    const onnx = smallCnn();
    const network = reluNetwork(onnx);
    expect(network.inputs).toBe(32);
    const next = signed(3);
    for (let k = 0; k < 10; k++) {
      const x = Array.from({ length: 32 }, () => Math.round(next() * 256) / 256);
      expect(evaluate(network, x.map(fromNumber)).map(toNumber)).toEqual(smallCnnByHand(onnx, x));
    }
    const lowered = await lowerPrecision(network, 1);
    expect([lowered.a, lowered.b]).toEqual([0, 1]);
    for (let k = 1; k <= 3; k++) {
      const point = {
        numerators: Array.from({ length: 32 }, () => BigInt(Math.round(next() * 1000))),
        denominator: BigInt(3 ** k),
      };
      const [x, y] = [evaluateRational(network, point), evaluateRational(lowered.network, point)];
      expect(x.numerators.map((n) => n << BigInt(y.exponent))).toEqual(
        y.numerators.map((n) => n << BigInt(x.exponent)),
      );
    }
  });

  test("float32 weights are dyadic numbers too", () => {
    const build = new Builder();
    const next = signed(1);
    const hidden = build.node(
      "LeakyRelu",
      [build.node("Add", [build.node("MatMul", ["x", build.floats([3, 4], next)]), build.floats([4], next)])],
      { alpha: 0.25 },
    );
    const y = build.node("Sub", [build.node("Gemm", [hidden, build.floats([4, 2], next)]), build.floats([2], next)]);
    const network = reluNetwork(build.onnx(["batch", 3], y, ["batch", 2]));
    const [w1, b1, w2, b2] = [...build.initializers.values()].map((tensor) => tensor.data as Float32Array);
    const x = [0.5, -0.25, 1];
    const h = [0, 1, 2, 3]
      .map((j) => x.reduce((sum, value, i) => sum + value * w1![i * 4 + j]!, b1![j]!))
      .map((v) => (v < 0 ? v / 4 : v));
    const expected = [0, 1].map((o) => h.reduce((sum, value, i) => sum + value * w2![i * 2 + o]!, -b2![o]!));
    for (const [o, value] of evaluate(network, x.map(fromNumber)).entries())
      expect(toNumber(value)).toBeCloseTo(expected[o]!, 12);
    expect(networkSize(network).b).toBeGreaterThan(20);
  });

  test("Slice and Pad are linear: steps, negative starts, cuts, a value that is filled in", () => {
    const build = new Builder();
    const integers = (...list: number[]): string => {
      const name = `i${build.initializers.size}`;
      build.initializers.set(name, new Tensor("int64", BigInt64Array.from(list.map(BigInt)), [list.length]));
      return name;
    };
    // x [1, 2, 4]: backwards from the end in steps of 2 along the last axis, then one row of 0.5 above, and the first column cut off.
    const sliced = build.node("Slice", ["x", integers(-1), integers(-100), integers(2), integers(-2)]);
    const padded = build.node("Pad", [sliced, integers(0, 1, -1, 0, 0, 1), build.floats([], () => 0.5)]);
    const network = reluNetwork(build.onnx([1, 2, 4], padded, [1, 3, 2]));
    const x = [1, 2, 3, 4, 5, 6, 7, 8];
    expect(evaluate(network, x.map(fromNumber)).map(toNumber)).toEqual([0.5, 0.5, 2, 0.5, 6, 0.5]);
    const mirrored = new Builder();
    mirrored.initializers.set("p", new Tensor("int64", BigInt64Array.of(0n, 1n, 0n, 1n), [4]));
    const y = mirrored.node("Pad", ["x", "p"], { mode: "reflect" });
    expect(() => reluNetwork(mirrored.onnx([1, 3], y, [1, 5]))).toThrow("of mode reflect");
  });

  test("what has no exact form is refused, all of it at once", () => {
    const build = new Builder();
    const y = build.node("Sigmoid", [build.node("Tanh", ["x"])]);
    expect(() => reluNetwork(build.onnx([1, 2], y, [1, 2]))).toThrow(
      'no ReLU network computes Tanh at "Tanh0", Sigmoid at "Sigmoid1" exactly',
    );
    expect(() => reluNetwork(model("fmnist_resnet"), { limit: 1000 })).toThrow('"limit" expected to cover');
    const average = new Builder();
    expect(() =>
      reluNetwork(average.onnx([1, 1, 3, 3], average.node("GlobalAveragePool", ["x"]), [1, 1, 1, 1])),
    ).toThrow("over 9 elements: 1/9 is no dyadic number");
    expect(() => reluNetwork(smallCnn(), { limit: 100 })).toThrow('"limit" expected to cover');
    const rounding = new Builder();
    const q = rounding.node("QuantizeLinear", ["x", rounding.floats([], () => 0.5)]);
    expect(() => reluNetwork(rounding.onnx([1, 2], rounding.node("DequantizeLinear", [q, "f0"]), [1, 2]))).toThrow(
      "QuantizeLinear",
    );
  });
});

describe("quantized containers to exact ReLU networks", () => {
  const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));

  test("an MLP: every weight is its scale times its integer, and the whole lowers exactly", async () => {
    const build = new Builder();
    const next = signed(5);
    const hidden = build.node("Relu", [
      build.node("Gemm", ["x", build.floats([6, 4], next), build.floats([6], next)], { transB: 1 }),
    ]);
    const onnx = build.onnx([1, 4], build.node("Gemm", [hidden, build.floats([6, 3], next)]), [1, 3]);
    const { bytes } = await quantize(onnx, { preset: "fast" });
    const network = await containerNetwork(bytes);
    const x = [0.5, -0.25, 1, -1].map(fromNumber);
    const [got, float] = [evaluate(network, x).map(toNumber), evaluate(reluNetwork(onnx), x).map(toNumber)];
    got.forEach((value, i) => {
      expect(Math.abs(value - float[i]!)).toBeLessThan(0.05 * largest(float));
    });
    const model = readModel(bytes);
    for (const series of model.weights.values()) {
      const products = new Set(
        Array.from(fuse(series), (q, at) =>
          formatDyadic(fromNumber(series.scales[Math.floor(at / series.columns)]! * q)),
        ),
      );
      const layer = network.layers[series.rows === 6 ? 0 : 1]!;
      for (const { weights } of layer) for (const weight of weights) expect(products).toContain(formatDyadic(weight));
    }
    const lowered = await lowerPrecision(network, 4);
    const point = { numerators: [3n, -5n, 8n, 1n], denominator: 7n };
    const [a, b] = [evaluateRational(network, point), evaluateRational(lowered.network, point)];
    expect(a.numerators.map((n) => n << BigInt(b.exponent))).toEqual(b.numerators.map((n) => n << BigInt(a.exponent)));
  });

  test("a CNN, whose operators the container keeps channels-last and fused", async () => {
    const onnx = smallCnn();
    const { bytes } = await quantize(onnx, { preset: "faithful" });
    const [network, original] = [await containerNetwork(bytes), reluNetwork(onnx)];
    const next = signed(9);
    for (let k = 0; k < 5; k++) {
      const x = Array.from({ length: 32 }, () => fromNumber(Math.round(next() * 256) / 256));
      const [got, wanted] = [network, original].map((one) => evaluate(one, x).map(toNumber)) as [number[], number[]];
      got.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!)).toBeLessThan(0.005);
      });
    }
  });
});

describe("dyadic networks as ONNX", () => {
  test("go round, weights exactly", () => {
    const network = denseNetwork([
      {
        weights: [
          ["3/8", -2],
          [0, "1/1024"],
        ],
        bias: [1, "-1/2"],
      },
      { weights: [[0.5, 1]] },
    ]);
    const back = reluNetwork(networkToOnnx(network), { shape: [1, 2] });
    for (const x of [
      [0.3, -7],
      [12.5, 4],
    ]) {
      const exact = (n: DyadicNetwork) => evaluate(n, x.map(fromNumber)).map(formatDyadic);
      expect(exact(back)).toEqual(exact(network));
    }
    expect(() => networkToOnnx(denseNetwork([{ weights: [["16777217/16777216"]] }]))).toThrow(
      "layer 0, neuron 0, weight 0 expected a number that float32 holds",
    );
  });
});

describe("regimes of real networks", () => {
  test("the convolutional networks, layer by layer", () => {
    const resnet = regimeOfOnnx(model("fmnist_resnet"), { bits: 8 });
    expect(resnet.operators).toHaveLength(8);
    expect(resnet.operators.at(-1)).toMatchObject({ op: "Gemm", values: 10, parameters: 650 });
    expect(resnet.parameters).toBe(resnet.operators.reduce((sum, { parameters }) => sum + parameters, 0));
    expect(resnet.regime).toBe("proper");
    expect(resnet.a + resnet.b + 1).toBe(8);
    const mobilenet = regimeOfOnnx(model("fmnist_mobilenet"));
    expect(mobilenet.layers.length).toBeGreaterThan(10);
    expect(mobilenet.bUnder).toBeLessThanOrEqual(mobilenet.b);
  });
  const ones = (build: Builder, dims: number[], value: number) => build.floats(dims, () => value);
  const pads = (build: Builder, ...list: number[]): string => {
    const name = `i${build.initializers.size}`;
    build.initializers.set(name, new Tensor("int64", BigInt64Array.from(list.map(BigInt)), [list.length]));
    return name;
  };

  test("an average refines the grid: 25/98 meets 1/4 within 1/196, where 2^-(L·b + 1) would claim 1/4", async () => {
    const build = new Builder();
    const conv = build.node("Conv", ["x", ones(build, [1, 1, 1, 1], 0.5), ones(build, [1], 0.5)], {
      kernel_shape: [1, 1],
    });
    const padded = build.node("Pad", [conv, pads(build, 0, 0, 1, 1, 0, 0, 1, 1)]);
    const onnx = build.onnx([1, 1, 5, 5], build.node("GlobalAveragePool", [padded]), [1, 1, 1, 1]);
    const { grid, bounds, b, caveats } = regimeOfOnnx(onnx, { bits: 2 });
    expect([b, grid]).toEqual([1, { layers: 1, factor: 49, floats: 0 }]);
    expect(bounds.precision).toBe(1 / 196);
    expect(caveats.join(" ")).toContain("GlobalAveragePool divides by 49");
    const session = await InferenceSession.create(onnx, { preset: "float32" });
    const result = await session.run({ x: new Tensor("float32", new Float32Array(25), [1, 1, 5, 5]) });
    await session.release();
    const output = Object.values(result)[0]!.data[0] as number;
    expect(output).toBeCloseTo(25 / 98, 7);
    expect(Math.abs(output - 1 / 4)).toBeGreaterThanOrEqual(bounds.precision - 1e-8);
    expect(Math.abs(output - 1 / 4)).toBeLessThan(2 ** -(b + 1) / 40);
  });

  test("the bound is attained: layer, average over n, layer, all weights on the grid", () => {
    for (const [b, n] of [
      [0, 3],
      [1, 3],
      [1, 5],
      [2, 3],
    ] as const) {
      const build = new Builder();
      const first = build.node("Conv", ["x", ones(build, [1, 1, 1], 2), ones(build, [1], 1)], { kernel_shape: [1] });
      const mean = build.node("GlobalAveragePool", [build.node("Relu", [first])]);
      const onnx = build.onnx(
        [1, 1, n],
        build.node("Conv", [mean, ones(build, [1, 1, 1], 1)], { kernel_shape: [1] }),
        [1, 1, 1],
      );
      const { bounds, grid } = regimeOfOnnx(onnx, { bits: b + 2 });
      const levels = Array.from({ length: 2 ** (b + 2) + 1 }, (_, k) => (k - 2 ** (b + 1)) / 2 ** b);
      // At 0 every element is ReLU of the first bias; padding leaves m of the n elements 0.
      let best = Number.POSITIVE_INFINITY;
      for (let m = 0; m <= n; m++)
        for (const c of levels)
          for (const w of levels)
            for (const d of levels)
              best = Math.min(best, Math.abs((w * m * Math.max(c, 0)) / n + d - bounds.precision));
      expect([grid.layers, grid.factor]).toEqual([2, n]);
      expect(bounds.precision).toBeCloseTo(1 / (2 * n * 4 ** b), 15);
      expect(best).toBeCloseTo(bounds.precision, 12);
    }
  });

  test("borders, slopes, bounds of Clip and constants refine the grid; trained ones take it away", () => {
    const factor = (make: (build: Builder, x: string) => string, input = [1, 2, 6, 6]): number => {
      const build = new Builder();
      const conv = build.node("Conv", ["x", ones(build, [2, 2, 1, 1], 0.5)], { kernel_shape: [1, 1] });
      const y = make(build, build.node("Relu", [conv]));
      return regimeOfOnnx(build.onnx(input, y, undefined), { bits: 4 }).grid.factor;
    };
    // Windows of 4, 2 and 1 elements where padding is not counted, of 4 where it is.
    const border = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
    expect(factor((build, x) => build.node("AveragePool", [x], border))).toBe(36);
    expect(factor((build, x) => build.node("AveragePool", [x], { ...border, count_include_pad: 1 }))).toBe(9);
    expect(
      factor((build, x) =>
        build.node("Add", [
          build.node("GlobalAveragePool", [x]),
          build.node("AveragePool", [x], { kernel_shape: [5, 5], strides: [6, 6] }),
        ]),
      ),
    ).toBe(36 * 25);
    expect(factor((build, x) => build.node("LeakyRelu", [x], { alpha: 0.125 }))).toBe(8);
    expect(factor((build, x) => build.node("Clip", [x, ones(build, [], 0), ones(build, [], 6)]))).toBe(1);
    expect(factor((build, x) => build.node("Clip", [x, ones(build, [], 0), ones(build, [], 0.75)]))).toBe(4);
    expect(factor((build, x) => build.node("Mul", [x, ones(build, [], 0.375)]))).toBe(8);
    expect(factor((build, x) => build.node("Div", [x, ones(build, [], 3)]))).toBe(3);
    expect(factor((build, x) => build.node("Add", [x, ones(build, [], 0.25)]))).toBe(4);
    expect(factor((build, x) => build.node("Mul", [x, ones(build, [2, 1, 1], 0.5)]))).toBe(Number.POSITIVE_INFINITY);
    // What stands behind a linear layer becomes its weights.
    const folded = new Builder();
    const conv = folded.node("Conv", ["x", ones(folded, [2, 2, 1, 1], 0.5)], { kernel_shape: [1, 1] });
    const y = folded.node("Mul", [conv, ones(folded, [2, 1, 1], 0.3)]);
    expect(regimeOfOnnx(folded.onnx([1, 2, 3, 3], y, undefined), { bits: 4 }).grid).toEqual({
      layers: 1,
      factor: 1,
      floats: 0,
    });
  });

  test("float scales leave no grid, and no verdict of starvation; the caveats say what is not predicted", () => {
    const plain = new Builder();
    const next = signed(3);
    const z = plain.node("Gemm", ["x", plain.int8([3, 2], 0.01, next)], { transB: 1 });
    const found = regimeOfOnnx(plain.onnx([1, 2], z, [1, 3]), { bits: 8 });
    expect([found.grid.factor, found.grid.floats, found.bounds.precision, found.bUnder]).toEqual([
      Number.POSITIVE_INFINITY,
      1,
      0,
      0,
    ]);
    expect(found.regime).not.toBe("under");
    expect(found.caveats.join(" ")).toMatch(
      /precision bound does not apply[\s\S]*predicts no accuracy[\s\S]*float scales/,
    );
    const real = regimeOfOnnx(model("fmnist_resnet"), { bits: 4 });
    expect(real.regime).toBe("under");
    expect(real.caveats.join(" ")).toContain("Not about a trained network");
  });

  test("a maximum over n counts its comparisons; a Softmax in the middle is no ReLU network", () => {
    const widths = (op: string): number => {
      const build = new Builder();
      const conv = build.node("Conv", ["x", ones(build, [2, 2, 1, 1], 0.5)], { kernel_shape: [1, 1] });
      const pooled = build.node(op, [conv], { kernel_shape: [3, 3], strides: [3, 3] });
      return regimeOfOnnx(build.onnx([1, 2, 6, 6], pooled, undefined), { bits: 4 }).layers[0]!.width;
    };
    expect([widths("AveragePool"), widths("MaxPool")]).toEqual([72, 72 + 8 * 36]);
    const build = new Builder();
    const soft = build.node("Softmax", [build.node("MatMul", ["x", ones(build, [2, 2], 0.5)])]);
    const onnx = build.onnx([1, 2], build.node("MatMul", [soft, ones(build, [2, 2], 0.5)]), [1, 2]);
    expect(() => regimeOfOnnx(onnx)).toThrow("reads what a Softmax or ArgMax has given");
  });

  test("a transformer is no ReLU network", () => {
    expect(() => regimeOfOnnx(model("fmnist_vit"))).toThrow(
      /regimes are those of ReLU networks, but the model has .*Erf/,
    );
    expect(() => regimeOfOnnx(model("fmnist_resnet"), { bits: 1 })).toThrow(
      '"bits" expected an integer in 2..64, got 1',
    );
  });
});
