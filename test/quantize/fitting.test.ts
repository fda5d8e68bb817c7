import { describe, expect, test } from "vitest";
import { newCore } from "../../src/core/index.ts";
import { moduleOver } from "../../src/core/share.ts";
import type { Graph, Node } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Fitting } from "../../src/quantize/fitting.ts";
import { quantize } from "../../src/quantize/index.ts";
import { layerRows } from "../../src/quantize/layer-inputs.ts";
import { linearNodes } from "../../src/quantize/linear.ts";
import { plan } from "../../src/quantize/plan-model.ts";
import { prepare } from "../../src/quantize/quantize.ts";
import { Runner, stageFor } from "../../src/quantize/runner.ts";
import { sampledText } from "../../src/quantize/sampled-text.ts";
import { dequantize } from "../../src/series/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { noise, noiseTensor } from "../model/models.ts";
import { network, towers } from "./networks.ts";

interface Kernels {
  addMoments(inputs: number, count: number, n: number, stride: number, moments: number): void;
  factor(moments: number, n: number, unit: number): void;
  fitRows(...words: number[]): void;
}

/** The inverse of a positive definite matrix, row by row. */
function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let k = 0; k < n; k++) {
    const pivot = rows[k]![k]!;
    rows[k] = rows[k]!.map((v) => v / pivot);
    for (let i = 0; i < n; i++) {
      const factor = rows[i]![k]!;
      if (i !== k) rows[i] = rows[i]!.map((v, j) => v - factor * rows[k]![j]!);
    }
  }
  return rows.map((row) => row.slice(n));
}

/** U with H⁻¹ = UᵀU, upper triangular. */
function upper(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const u = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < i; k++) sum -= u[k]![i]! * u[k]![j]!;
      u[i]![j] = i === j ? Math.sqrt(sum) : sum / u[i]![i]!;
    }
  }
  return u;
}

/** As the papers write it: errors are spread over what comes after by the factor of the inverse, then two passes of coordinate descent. */
function plainFit(x: readonly number[], h: readonly (readonly number[])[], low: number, high: number): number[] {
  const clip = (v: number) => Math.min(Math.max(Math.round(v), low), high);
  const u = upper(inverse(h));
  const left = [...x];
  const q = x.map((_, j) => {
    const own = clip(left[j]!);
    const error = (left[j]! - own) / u[j]![j]!;
    for (let i = j + 1; i < left.length; i++) left[i] = left[i]! - error * u[j]![i]!;
    return own;
  });
  for (let pass = 0; pass < 2; pass++) {
    for (let j = 0; j < q.length; j++) {
      const gradient = h[j]!.reduce((sum, v, i) => sum + v * (q[i]! - x[i]!), 0);
      q[j] = clip(q[j]! - gradient / h[j]![j]!);
    }
  }
  return q;
}

describe("kernels of the fit", () => {
  test.each([1, 2, 7, 8, 9, 27, 40])(
    "rows of %d elements are rounded as the plain algorithm rounds them",
    async (n) => {
      const core = await newCore();
      const kernels = await moduleOver<Kernels>(core, "synth");
      const [count, stride, rows, steps] = [3 * n + 70, 8 * Math.ceil(n / 8), 6, 15];
      const inputs = new Float32Array(count * stride);
      const plain = noise(count * n, n);
      for (let p = 0; p < count; p++)
        for (let i = 0; i < n; i++) inputs[p * stride + i] = Math.max(0, plain[p * n]! + plain[p * n + i]!);
      const moments = core.allocate(8 * n * n);
      core.u8(moments, 8 * n * n).fill(0);
      kernels.addMoments(core.place(inputs), count, n, stride, moments);
      const h = Array.from({ length: n }, (_, i) => {
        return Array.from({ length: n }, (_, j) => {
          const [a, b] = [Math.max(i, j), Math.min(i, j)];
          return core.f64(moments, n * n)[a * n + b]! + (i === j ? 0.1 : 0);
        });
      });
      for (let i = 0; i < n; i++) {
        for (let j = 0; j <= i; j++) {
          let sum = 0;
          for (let p = 0; p < count; p++) sum += inputs[p * stride + i]! * inputs[p * stride + j]!;
          expect(h[i]![j]! - (i === j ? 0.1 : 0)).toBeCloseTo(sum, 4);
        }
      }
      const lower = core.place(Float64Array.from(h.flat()));
      const unit = core.allocate(4 * n * n);
      kernels.factor(lower, n, unit);
      const weights = noise(rows * n, 5);
      const scales = Float32Array.from({ length: rows }, (_, r) => (r === 3 ? 0.1 : 0.15));
      const order = Int32Array.from({ length: n }, (_, i) => i);
      const [wide, errors] = [core.allocate(4 * rows * n), core.allocate(24 * rows)];
      kernels.fitRows(
        ...[core.place(weights), core.place(scales), core.place(new Int32Array(rows).fill(7)), rows, n, steps, -5],
        ...[core.place(Float32Array.from(h.flat())), unit, core.place(order), wide, core.allocate(32 * n), errors],
      );
      for (let r = 0; r < rows; r++) {
        const w = Array.from(weights.subarray(r * n, (r + 1) * n));
        const q = plainFit(
          w.map((v) => v / scales[r]!),
          h,
          -7,
          8,
        );
        const fitted = Array.from(core.i32(wide + 4 * r * n, n), (v) => v + 5 - 7);
        expect(fitted).toEqual(q.map((v) => v + 0));
        const residual = q.map((v, i) => v * scales[r]! - w[i]!);
        expect(core.f64(errors, 3 * rows)[3 * r]!).toBeCloseTo(
          residual.reduce((sum, v) => sum + v * v, 0),
          5,
        );
      }
    },
  );
});

const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Node["attributes"] = {},
  name = output,
): Node => ({
  ...{ name, op, domain: "", inputs, outputs: [output], attributes },
});

function single(op: string, shape: number[], weights: number[], attributes: Node["attributes"] = {}): Graph {
  return {
    ...{ name: op, opsets: { "": 17 } },
    inputs: [{ name: "x", type: "float32", shape }],
    outputs: [{ name: "y", type: "float32", shape: undefined }],
    // Relu on both sides: what the layer reads is no input of the network.
    nodes: [node("Relu", ["x"], "a"), node(op, ["a", "w"], "b", attributes, "layer"), node("Sigmoid", ["b"], "y")],
    initializers: new Map<string, Tensor>([["w", noiseTensor(weights, 3)]]),
  };
}

describe("inputs of a layer", () => {
  test.each([
    ["MatMul", [2, 5, 12], [12, 7], {}],
    ["Conv", [2, 3, 9, 8], [4, 3, 3, 2], { pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] }],
    ["Conv", [1, 6, 5, 5], [6, 1, 3, 3], { pads: [1, 1, 1, 1], group: 6 }],
    ["Conv", [1, 6, 5, 5], [8, 3, 1, 1], { group: 2 }],
    ["Conv", [2, 4, 11], [3, 4, 3], { pads: [2, 1], strides: [3] }],
  ] as const)(
    "%s of %s by %s: rows of inputs times rows of weights are the layer's outputs",
    async (op, shape, dims, attributes) => {
      const graph = await prepare(single(op, [...shape], [...dims], attributes));
      const one = linearNodes(graph)[0]!;
      const { tensor, axis } = one.weights!;
      const outputs = [one.node.inputs[0]!, one.node.outputs[0]!].map((name) => ({
        ...{ name, type: "float32" as const, shape: undefined },
      }));
      const planned = { graph: { ...graph, outputs }, weights: new Map(), layers: new Map() };
      const feeds = new Map([["x", noiseTensor(shape, 8)]]);
      const values = new Runner(await newCore(), planned).run(feeds);
      const stage = stageFor(planned, [["x", { type: "float32", shape }]]);
      const found = stage.nodes.find(({ name }) => name === one.node.name)!;
      const y = values.get(outputs[1]!.name)!;
      const rows = layerRows(found, values.get(outputs[0]!.name)!, tensor.dims, { type: "float32", shape: y.dims })!;
      expect(rows.positions * (tensor.dims[axis]! / 1)).toBe(y.size);
      const count = tensor.dims[axis]!;
      const weight = (row: number, i: number) =>
        axis === 0 ? tensor.data[row * rows.depth + i]! : tensor.data[i * count + row]!;
      const into = new Float32Array(rows.depth);
      for (let p = 0; p < rows.positions; p++) {
        for (let row = 0; row < count; row++) {
          into.fill(0);
          rows.read(p, Math.floor(row / (count / rows.groups)), into, 0);
          const sum = into.reduce((all, v, i) => all + v * weight(row, i), 0);
          expect(sum).toBeCloseTo((y.data as Float32Array)[p * count + row]!, 4);
        }
      }
    },
  );

  test("what has other rows is left alone", () => {
    const x = noiseTensor([1, 4, 6], 1);
    const known = { type: "float32" as const, shape: [1, 4, 6] };
    expect(layerRows(node("ConvTranspose", ["x", "w"], "y"), x, [6, 4, 3], known)).toBeUndefined();
    expect(layerRows(node("MatMul", ["x", "w"], "y"), x, [5, 3], known)).toBeUndefined();
  });
});

/** ids → rows of a table → a running sum, or the mean of all, → logits. */
function writer(looksAhead: boolean): Graph {
  const mean = [node("ReduceMean", ["rows"], "mean", { axes: [1], keepdims: 1 }), node("Add", ["rows", "mean"], "sum")];
  return {
    ...{ name: "writer", opsets: { "": 17 } },
    inputs: [{ name: "ids", type: "int64", shape: ["N", "T"] }],
    outputs: [{ name: "logits", type: "float32", shape: undefined }],
    nodes: [
      node("Gather", ["table", "ids"], "rows"),
      ...(looksAhead ? mean : [node("CumSum", ["rows", "axis"], "sum")]),
      node("MatMul", ["sum", "mix"], "mixed"),
      node("Tanh", ["mixed"], "bounded"),
      node("MatMul", ["bounded", "head"], "logits"),
    ],
    initializers: new Map<string, Tensor>([
      ["table", noiseTensor([20, 16], 1)],
      ["axis", new Tensor("int64", BigInt64Array.of(1n), [])],
      ["mix", noiseTensor([16, 24], 2)],
      ["head", noiseTensor([24, 20], 3)],
    ]),
  };
}

describe("fitted weights", () => {
  const error = async (bytes: Uint8Array, onnx: Uint8Array, feeds: Record<string, Tensor>): Promise<number> => {
    await using exact = await InferenceSession.create(onnx, { preset: "float32" });
    await using session = await InferenceSession.create(bytes);
    const [a, b] = [await session.run(feeds), await exact.run(feeds)];
    const squares = Object.keys(b).map((name) => {
      const [x, y] = [a[name]!.data as Float32Array, b[name]!.data as Float32Array];
      return x.reduce((sum, v, i) => sum + (v - y[i]!) ** 2, 0) / y.reduce((sum, v) => sum + v * v, 0);
    });
    return Math.sqrt(Math.max(...squares));
  };

  test("err less on inputs that they have not seen, at the same bits, and the plan makes them again", async () => {
    const onnx = writeOnnx(towers());
    const layer = { bits: 4, weightTerms: 1, activationTerms: 0, weightBits: 4, zeroPoint: true } as const;
    const plain = await quantize(onnx, { plan: { version: 2, default: { ...layer, rounding: "squant" } } });
    const fitted = { version: 2, default: { ...layer, rounding: "fitted" } } as const;
    const { bytes, report } = await quantize(onnx, { plan: fitted });
    expect(report.synth).toBe("fitted to 64 of x [1x48]: tones and 1/f noise in -0.5…0.5 (guessed)");
    expect(report.bytesAfter).toBeLessThan(1.02 * plain.report.bytesAfter);
    const smooth = Float32Array.from({ length: 48 }, (_, i) => ((i * 7) % 48) / 48 - 0.5 + 0.2 * noise(48, 77)[i]!);
    const feeds = { x: new Tensor("float32", smooth, [1, 48]) };
    expect(await error(bytes, onnx, feeds)).toBeLessThan(0.8 * (await error(plain.bytes, onnx, feeds)));
    expect((await quantize(onnx, { plan: readModel(bytes).plan })).bytes).toEqual(bytes);
  });

  test("a preset is measured with them", async () => {
    const onnx = writeOnnx(network());
    const { report } = await quantize(onnx, { preset: "compact", synth: true });
    const fitted = report.layers.filter(({ plan }) => plan.rounding === "fitted");
    expect(fitted.length).toBeGreaterThan(1);
    expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
    const structural = await quantize(onnx, { preset: "compact", synth: true, check: false });
    const widths = (await quantize(onnx, { preset: "compact", check: false })).report.layers;
    expect(structural.report.check).toBeUndefined();
    for (const [i, { plan }] of structural.report.layers.entries()) {
      expect(plan.weightBits).toBe(widths[i]!.plan.weightBits);
      expect(plan.rounding).toBe("fitted");
    }
  });

  test("a target takes fewer bytes with them, and plan says the same", async () => {
    const onnx = writeOnnx(towers());
    const target = { error: 0.15 };
    const plain = await quantize(onnx, { target });
    const fitted = await quantize(onnx, { target, synth: true });
    expect(fitted.report.bytesAfter).toBeLessThan(plain.report.bytesAfter);
    expect(fitted.report.check!.measured).toBeLessThanOrEqual(0.05);
    expect(await plan(onnx, { target, synth: true })).toEqual(readModel(fitted.bytes).plan);
  });

  test("rows on a grid keep it, wide ones are not fitted", async () => {
    const graph = single("MatMul", [1, 12], [12, 7]);
    const grid = noise(84, 3).map((v) => Math.round(5 * v) / 8 + 0);
    const on = { ...graph, initializers: new Map([["w", new Tensor("float32", grid, [12, 7])]]) };
    const { bytes } = await quantize(writeOnnx(on), { preset: "fast", synth: true });
    expect(dequantize(readModel(bytes).weights.get("w")!)).toEqual(grid);
    const wide = await quantize(writeOnnx(graph), { synth: true });
    expect(wide.report.layers[0]!.plan.rounding).toBe("squant");
  });

  test("where a run on procedural inputs fails nothing is fitted, and the report says why", async () => {
    const graph = build(
      { x: [1, 4] },
      {
        table: new Tensor("float32", noise(12, 5), [3, 4]),
        w: new Tensor("float32", noise(16, 6), [4, 4]),
        far: new Tensor("float32", [1e6], [1]),
      },
      [
        ["MatMul", ["x", "w"], ["h"]],
        ["ReduceMax", ["h"], ["m"], { keepdims: 0 }],
        ["Abs", ["m"], ["a"]],
        ["Add", ["a", "far"], ["b"]],
        ["Cast", ["b"], ["i"], { to: 7 }],
        ["Gather", ["table", "i"], ["g"]],
        ["MatMul", ["g", "w"], ["y"]],
      ],
      ["y"],
    );
    const { report } = await quantize(writeOnnx(graph), { preset: "compact", synth: true, check: false });
    expect(report.synth).toMatch(/^nothing is fitted: a run failed: index 100000\d on axis 0 expected one of -3\.\.2$/);
  });

  test("a decoder writes the text that it is fitted to; what looks ahead gets random ids", async () => {
    const core = await newCore();
    const first = new Map([["ids", new Tensor("int64", BigInt64Array.of(3n, 4n, 5n), [1, 3])]]);
    const text = sampledText(core, await prepare(writer(false)), { feeds: [first] })!.get("ids")!;
    expect(text.dims).toEqual([24, 64]);
    const ids = Array.from(text.data, Number);
    expect(ids.every((id) => id >= 0 && id < 20)).toBe(true);
    expect(new Set(ids).size).toBeGreaterThan(3);
    expect(sampledText(core, await prepare(writer(true)), { feeds: [first] })).toBeUndefined();
    const { report } = await quantize(writeOnnx(writer(false)), { preset: "compact", synth: true });
    expect(report.synth).toBe("fitted to text that it wrote itself");
    const other = await quantize(writeOnnx(writer(true)), { preset: "compact", synth: true });
    expect(other.report.synth).toBe("fitted to 64 of ids [1x32]: ids (guessed)");
  });

  test("what cannot be fitted says why, and options that make no sense are refused", async () => {
    const graph = towers();
    const inputs = graph.inputs.map((input) => ({ ...input, type: "string" as const }));
    const nodes = [node("StringNormalizer", ["x"], "text"), ...graph.nodes];
    expect(await Fitting.create({ ...graph, inputs, nodes }, {}, newCore)).toMatch(/its input "x" is string/);
    const onnx = writeOnnx(graph);
    await expect(quantize(onnx, { synth: "yes" as never })).rejects.toThrow('"synth" expected a boolean');
    await expect(quantize(onnx, { synth: true, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
  });
});
