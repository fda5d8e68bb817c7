// Exported networks in our own sessions, and in onnxruntime where bench/ has it installed.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { InferenceSession, type LayerPlan, type Plan, Tensor } from "../../src/entries/index.ts";
import { exportOnnx, quantize } from "../../src/entries/quantize.ts";
import { rearranged, rearrangement } from "../../src/export/arrange.ts";
import { transposedWeights } from "../../src/graph/passes/layout.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { readModelProto } from "../../src/onnx/schema.ts";
import { StrictReader } from "../../src/onnx/wire.ts";
import { build, f32, i64 } from "../graph/build.ts";
import { noiseTensor as tensor } from "../model/models.ts";
import { network } from "../quantize/networks.ts";

const ORT = new URL("../../bench/node_modules/onnxruntime-node/package.json", import.meta.url);
interface OrtSession {
  run(feeds: Record<string, unknown>): Promise<Record<string, { data: ArrayLike<number> }>>;
}
interface Ort {
  InferenceSession: { create(bytes: Uint8Array): Promise<OrtSession> };
  Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => unknown;
}
const ort = existsSync(ORT) ? (createRequire(ORT)("onnxruntime-node") as Ort) : undefined;

const planOf = (layer: Partial<LayerPlan>): Plan => ({
  version: 1,
  default: { bits: 4, weightTerms: 3, activationTerms: 0, ...layer },
});

/** What every operator that the passes change needs on its way back. */
const ZOO: Readonly<Record<string, { onnx: Uint8Array; x: Tensor<"float32"> }>> = {
  "a network with convolutions, products and shared weights": {
    onnx: writeOnnx(network()),
    x: tensor([2, 3, 8, 8], 9),
  },
  "pools, a transposed convolution, norms and activations": {
    onnx: writeOnnx(
      build(
        { x: [1, 4, 9, 9] },
        {
          w: tensor([8, 2, 3, 3], 1),
          b: tensor([8], 2),
          t: tensor([8, 3, 2, 2], 3),
          s: f32([6], [1, 2, 3, 1, 2, 3]),
          o: tensor([6], 4),
          scales: f32([4], [1, 1, 2, 2]),
          d: tensor([12, 5], 5),
        },
        [
          ["Conv", ["x", "w", "b"], ["c"], { group: 2, pads: [1, 1, 1, 1] }],
          ["Clip", ["c"], ["c6"]],
          ["HardSwish", ["c6"], ["h"]],
          ["MaxPool", ["h"], ["m"], { kernel_shape: [2, 2], strides: [2, 2] }],
          ["ConvTranspose", ["m", "t"], ["u"], { group: 2, strides: [2, 2] }],
          ["InstanceNormalization", ["u", "s", "o"], ["i"]],
          ["Sigmoid", ["i"], ["g"]],
          ["Mul", ["i", "g"], ["silu"]],
          ["Resize", ["silu", "", "scales"], ["r"], { mode: "nearest" }],
          ["AveragePool", ["r"], ["a"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
          ["GlobalAveragePool", ["a"], ["p"]],
          ["GlobalMaxPool", ["a"], ["q"]],
          ["Concat", ["p", "q"], ["pq"], { axis: 1 }],
          ["Flatten", ["pq"], ["flat"]],
          ["MatMul", ["flat", "d"], ["y"]],
        ],
        ["y"],
      ),
    ),
    x: tensor([1, 4, 9, 9], 7),
  },
  "root mean squares, of the last axis and of two": {
    onnx: writeOnnx(
      build(
        { x: [2, 3, 4] },
        { w: tensor([4, 4], 1), g: tensor([4], 2), h: tensor([3, 4], 3) },
        [
          ["MatMul", ["x", "w"], ["p"]],
          ["SimplifiedLayerNormalization", ["p", "g"], ["n"], { epsilon: 1e-3 }],
          ["SimplifiedLayerNormalization", ["n", "h"], ["y"], { axis: -2 }],
        ],
        ["y"],
      ),
    ),
    x: tensor([2, 3, 4], 11),
  },
  "layers on bytes, with scales of the run and scales of the file": {
    onnx: writeOnnx(
      build(
        { x: [1, 4, 6, 6] },
        {
          ...{ w: bytes([8, 4, 3, 3]), s: f32([1], [0.02]), b: tensor([8, 1, 1], 2) },
          ...{
            qs: f32([], [0.05]),
            z: new Tensor("uint8", [3], []),
            v: bytes([6, 8, 1, 1]),
            vz: new Tensor("int8", [0], []),
          },
          ...{ vs: f32([6], [1, 2, 3, 4, 5, 6]), vzs: new Tensor("int8", new Array(6).fill(0), [6]) },
          ...{
            rs: f32([], [4]),
            i: new Tensor("int32", [9, 8, 7, 6, 5, 4], [6]),
            m: bytes([216, 5]),
            shape: new Tensor("int64", [1, 216]),
            f: tensor([5, 40], 6),
          },
        },
        [
          ["DynamicQuantizeLinear", ["x"], ["q", "qscale", "qzero"]],
          ["ConvInteger", ["q", "w", "qzero"], ["sum"], { pads: [1, 1, 1, 1] }],
          ["Cast", ["sum"], ["cast"], { to: 1 }],
          ["Mul", ["qscale", "s"], ["both"]],
          ["Mul", ["cast", "both"], ["scaled"]],
          ["Add", ["scaled", "b"], ["moved"]],
          ["Relu", ["moved"], ["relu"]],
          ["QuantizeLinear", ["relu", "qs", "z"], ["r"]],
          ["QLinearConv", ["r", "qs", "z", "v", "vs", "vzs", "rs", "z", "i"], ["c"]],
          ["Reshape", ["c", "shape"], ["flat"]],
          ["DequantizeLinear", ["flat", "rs", "z"], ["df"]],
          ["DequantizeLinear", ["m", "qs", "vz"], ["dm"]],
          ["MatMul", ["df", "dm"], ["few"]],
          ["MatMul", ["few", "f"], ["y"]],
        ],
        ["y"],
        21,
      ),
    ),
    x: tensor([1, 4, 6, 6], 8),
  },
  "convolutions and Resize, also in a body, whose ranks only the weights tell": {
    onnx: writeOnnx(
      build(
        { x: ["n", 4, 6, 6] },
        {
          ...{ w: tensor([8, 4, 3, 3], 1), v: tensor([8, 8, 1, 1], 2), d: tensor([8, 5], 3) },
          ...{ from: i64(0), to: i64(4), scales: f32([4], [1, 1, 2, 2]), zero: f32([], [-1e9]), one: f32([1, 8]) },
        },
        [
          ["Shape", ["x"], ["shape"]],
          ["Slice", ["shape", "from", "to"], ["dims"]],
          ["Reshape", ["x", "dims"], ["r"]],
          ["Conv", ["r", "w"], ["c"], { pads: [1, 1, 1, 1] }],
          ["Resize", ["c", "", "scales"], ["u"], { mode: "nearest" }],
          ["ReduceMax", ["u"], ["most"], { keepdims: 0 }],
          ["Greater", ["most", "zero"], ["large"]],
          [
            "If",
            ["large"],
            ["b"],
            {
              then_branch: build({}, {}, [["Conv", ["u", "v"], ["t"]]], ["t"]),
              else_branch: build({}, {}, [["GlobalMaxPool", ["u"], ["e"]]], ["e"]),
            },
          ],
          ["GlobalAveragePool", ["b"], ["p"]],
          ["Flatten", ["p"], ["flat"]],
          [
            "If",
            ["large"],
            ["same"],
            {
              then_branch: build({}, {}, [["Identity", ["flat"], ["i"]]], ["i"]),
              else_branch: build({}, {}, [["Identity", ["one"], ["k"]]], ["k"]),
            },
          ],
          ["MatMul", ["same", "d"], ["y"]],
        ],
        ["y"],
      ),
    ),
    x: tensor([2, 4, 6, 6], 10),
  },
  "what was said otherwise before opset 21": {
    onnx: writeOnnx(
      build(
        { x: ["n", 2, 6, 6] },
        {
          ...{ w: tensor([3, 2, 3, 3], 1), none: f32([0]), sizes: i64(2, 3, 8, 8), d: tensor([2, 5], 3) },
          ...{ grid: tensor([2, 4, 4, 2], 2), to: i64(2, 48, 1) },
        },
        [
          ["Conv", ["x", "w"], ["c"]],
          ["Resize", ["c", "none", "none", "sizes"], ["r"], { mode: "nearest" }],
          ["GridSample", ["r", "grid"], ["s"], { mode: "bilinear" }],
          ["Reshape", ["s", "to"], ["signal"]],
          ["DFT", ["signal"], ["spectrum"], { axis: 1 }],
          ["MatMul", ["spectrum", "d"], ["y"]],
        ],
        ["y"],
        17,
      ),
    ),
    x: tensor([2, 2, 6, 6], 13),
  },
  "recurrent layers of every cell": {
    onnx: writeOnnx(
      build(
        { x: [3, 2, 5] },
        {
          ...{ w: tensor([2, 16, 5], 1), r: tensor([2, 16, 4], 2), b: tensor([2, 32], 3), p: tensor([2, 12], 4) },
          ...{ flat: i64(3, 2, 8), h: tensor([1, 2, 4], 5), one: i64(1) },
          ...{ gw: tensor([1, 12, 8], 6), gr: tensor([1, 12, 4], 7), gb: tensor([1, 24], 8) },
          ...{ rw: tensor([1, 4, 4], 9), rr: tensor([1, 4, 4], 10), lengths: new Tensor("int32", [3, 2]) },
        },
        [
          [
            "LSTM",
            ["x", "w", "r", "b", "", "", "", "p"],
            ["both"],
            {
              ...{ direction: "bidirectional", hidden_size: 4 },
              activations: ["HardSigmoid", "Tanh", "ScaledTanh", "Sigmoid", "LeakyRelu", "Tanh"],
              ...{ activation_alpha: [0.3, 1.5, 0.2], activation_beta: [0.4, 0.7] },
            },
          ],
          ["Transpose", ["both"], ["turned"], { perm: [0, 2, 1, 3] }],
          ["Reshape", ["turned", "flat"], ["joined"]],
          [
            "GRU",
            ["joined", "gw", "gr", "gb", "", "h"],
            ["g"],
            { direction: "reverse", hidden_size: 4, linear_before_reset: 1 },
          ],
          ["Squeeze", ["g", "one"], ["s"]],
          ["RNN", ["s", "rw", "rr", "", "lengths"], ["", "y"], { hidden_size: 4, activations: ["Relu"], clip: 1.5 }],
        ],
        ["y"],
      ),
    ),
    x: tensor([3, 2, 5], 12),
  },
};

/** Small weights of int8. */
function bytes(dims: readonly number[]): Tensor<"int8"> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    "int8",
    Int8Array.from({ length: size }, (_, i) => ((i * 37) % 121) - 60),
    dims,
  );
}

async function run(bytes: Uint8Array, x: Tensor<"float32">): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  const outputs = await session.run({ [session.inputNames[0]!]: x });
  await session.release();
  return outputs[session.outputNames[0]!]!.data as Float32Array;
}

async function runOrt(bytes: Uint8Array, name: string, x: Tensor<"float32">): Promise<Float32Array> {
  const session = await ort!.InferenceSession.create(bytes);
  const outputs = await session.run({ [name]: new ort!.Tensor("float32", x.data, x.dims) });
  return Float32Array.from(Object.values(outputs)[0]!.data);
}

function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const largest = b.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0) / largest;
}

const PLANS: readonly (readonly [string, Partial<LayerPlan>])[] = [
  ["3 × INT4", {}],
  ["2 × INT8", { bits: 8, weightTerms: 2 }],
  ["4 × INT3, odd", { bits: 3, weightTerms: 4, digits: "odd" }],
  ["3 × INT5, mixed", { bits: 5, weightTerms: 3, digits: "mixed" }],
  ["unsigned with zero points", { weightTerms: 3, digits: "unsigned" }],
  ["outliers", { weightTerms: 2, outliers: 0.05 }],
  ["groups", { weightTerms: 2, granularity: { group: 5 } }],
];

describe.each(Object.entries(ZOO))("%s", (_, { onnx, x }) => {
  it.each(PLANS)("%s: both forms give what the container's weights give", async (_, layer) => {
    const { bytes } = await quantize(onnx, { plan: planOf(layer) });
    const expected = await run(bytes, x);
    for (const as of ["terms", "float32"] as const) {
      const exported = await exportOnnx(bytes, { as });
      const graph = readOnnx(exported);
      expect(graph.nodes.every((node) => node.domain === "")).toBe(true);
      expect(graph.opsets).toEqual({ "": 21 });
      expect(difference(await run(exported, x), expected)).toBeLessThan(1e-5);
      if (ort !== undefined)
        expect(difference(await runOrt(exported, graph.inputs[0]!.name, x), expected)).toBeLessThan(1e-5);
      if (as === "terms") {
        const types = new Set([...graph.initializers.values()].map((t) => t.type));
        const wide = (layer.bits ?? 4) > 4;
        expect(types.has(layer.digits === "unsigned" ? "uint4" : wide ? "int8" : "int4")).toBe(true);
      }
      expect(await exportOnnx(bytes, { as })).toEqual(exported);
    }
  });
});

describe("exportOnnx", () => {
  it("a real network, under a preset: the file's own bytes of weights are 4 bits a term", async () => {
    const onnx = readFileSync(new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url));
    const { bytes } = await quantize(onnx, { preset: "fast" });
    const [terms, floats] = [await exportOnnx(bytes), await exportOnnx(bytes, { as: "float32" })];
    expect(terms.length).toBeLessThan(floats.length * 0.45);
    const x = tensor([2, 1, 28, 28], 3);
    const expected = await run(floats, x);
    expect(difference(await run(terms, x), expected)).toBeLessThan(1e-5);
    expect(difference(await run(onnx, x), expected)).toBeLessThan(0.2);
    if (ort !== undefined) {
      const name = readOnnx(terms).inputs[0]!.name;
      for (const file of [terms, floats]) expect(difference(await runOrt(file, name, x), expected)).toBeLessThan(1e-5);
    }
  });

  it("spells Swish out for opsets that do not have it", async () => {
    const graph = build(
      { x: [2, 3] },
      { w: tensor([3, 4], 1) },
      [
        ["MatMul", ["x", "w"], ["p"]],
        ["com.microsoft/QuickGelu", ["p"], ["y"], { alpha: 0.7 }],
      ],
      ["y"],
    );
    const onnx = writeOnnx({ ...graph, opsets: { "": 17, "com.microsoft": 1 } });
    const { bytes } = await quantize(onnx, { preset: "float32" });
    const [exported, x] = [await exportOnnx(bytes), tensor([2, 3], 2)];
    expect(readOnnx(exported).nodes.map(({ op }) => op)).not.toContain("Swish");
    const expected = await run(onnx, x);
    expect(difference(await run(exported, x), expected)).toBeLessThan(1e-6);
    if (ort !== undefined) expect(difference(await runOrt(exported, "x", x), expected)).toBeLessThan(1e-5);
  });

  it("tells no type of a body's value that the file did not tell", async () => {
    const [on, i] = [build({}, {}, [["Shape", ["x"], ["s"]]], ["s"]), build({}, {}, [["Size", ["x"], ["e"]]], ["e"])];
    const graph = build(
      { x: ["n", 3], b: { type: "bool", shape: [] } },
      { w: tensor([3, 4], 1) },
      [
        ["If", ["b"], ["dims"], { then_branch: on, else_branch: i }],
        ["MatMul", ["x", "w"], ["y"]],
      ],
      ["y", "dims"],
    );
    const outputs = [graph.outputs[0]!, { ...graph.outputs[1]!, type: "int64" as const }];
    const { bytes } = await quantize(writeOnnx({ ...graph, outputs }), { check: false });
    const exported = await exportOnnx(bytes);
    const nodes = readModelProto(new StrictReader(exported)).graph!.node;
    const bodies = nodes.find((node) => node.op_type === "If")!.attribute.map(({ g }) => g!);
    expect(bodies.map((body) => body.output.map(({ type }) => type))).toEqual([[undefined], [undefined]]);
    if (ort !== undefined) await ort.InferenceSession.create(exported);
  });

  it("refuses what is no container, and forms that it does not know", async () => {
    await expect(exportOnnx(new Uint8Array(100))).rejects.toMatchObject({ code: "MODEL" });
    const { bytes } = await quantize(writeOnnx(network()));
    await expect(exportOnnx(bytes, { as: "int8" as "terms" })).rejects.toThrow(
      '"as" expected "terms" or "float32", got "int8"',
    );
  });

  it("rearranges weights as the passes did, backwards", () => {
    for (const group of [1, 2]) {
      const own = tensor([4, 3, 2, 5], 1);
      const ours = transposedWeights(own, group) as Tensor<"float32">;
      expect(rearranged(ours, "convTranspose", group)).toEqual(own);
    }
    expect(rearrangement([6, 2, 2, 3], "conv", 1).to).toEqual([6, 3, 2, 2]);
    expect(rearranged(new Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]), "transposed", 1).data).toEqual(
      Float32Array.of(1, 4, 2, 5, 3, 6),
    );
  });
});
