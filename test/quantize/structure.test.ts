import { describe, expect, test } from "vitest";
import type { Graph, Node } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { linearNodes } from "../../src/quantize/linear.ts";
import { prepare } from "../../src/quantize/quantize.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { Net } from "../support/kinds/net.ts";

type Step = readonly [op: string, inputs: string, attributes?: Node["attributes"]];

/** A network from steps whose outputs are called v0, v1, …; inputs are names, or numbers for constants. Weights: w (16 × 16), k (a convolution's). */
function graphOf(steps: readonly Step[], shape: readonly number[] = [2, 16]): Graph {
  const initializers = new Map<string, Tensor>([
    ["w", new Tensor("float32", noise(256, 1), [16, 16])],
    ["u", new Tensor("float32", noise(256, 2), [16, 16])],
    ["k", new Tensor("float32", noise(4 * 3 * 9, 3), [4, 3, 3, 3])],
    ["gain", new Tensor("float32", noise(16, 4), [16])],
    ["last", new Tensor("int64", BigInt64Array.of(-1n), [1])],
  ]);
  const nodes = steps.map(([op, inputs, attributes = {}], i): Node => {
    const names = inputs.split(" ").map((name) => {
      if (name === "_") return "";
      if (Number.isNaN(Number(name))) return name;
      initializers.set(`c${name}`, new Tensor("float32", [Number(name)], []));
      return `c${name}`;
    });
    return { name: `${op}${i}`, op, domain: "", inputs: names, outputs: [`v${i}`], attributes };
  });
  const outputs = [{ name: `v${steps.length - 1}`, type: "float32" as const, shape: undefined }];
  return {
    name: "g",
    opsets: { "": 17 },
    inputs: [{ name: "x", type: "float32", shape }],
    outputs,
    nodes,
    initializers,
  };
}

/** Names of the layers that stay in float32 because of where they stand. */
async function frontEnds(steps: readonly Step[], shape?: readonly number[]): Promise<string[]> {
  const { report } = await quantize(writeOnnx(graphOf(steps, shape)), { check: false });
  return report.layers.filter(({ reason }) => reason?.startsWith("float32: a logarithm")).map(({ name }) => name);
}

describe("layers of front ends stay in float32", () => {
  const keep = { keepdims: 1 };
  test.each<[string, Step[], string[], number[]?]>([
    [
      "a logarithm behind a floor",
      [
        ["MatMul", "x w"],
        ["Clip", "v0 1e-5"],
        ["Log", "v1"],
      ],
      ["MatMul0"],
    ],
    [
      "power spectrum, mel, logarithm: the linear layers on the way too",
      [
        ["MatMul", "x w"],
        ["Mul", "v0 v0"],
        ["MatMul", "v1 u"],
        ["Add", "v2 1e-6"],
        ["Log", "v3"],
        ["Mul", "v4 10"],
      ],
      ["MatMul0", "MatMul2"],
    ],
    [
      "a magnitude",
      [
        ["MatMul", "x w"],
        ["Pow", "v0 2"],
        ["ReduceSum", "v1 last", keep],
        ["Sqrt", "v2"],
      ],
      ["MatMul0"],
    ],
    [
      "a power below 1",
      [
        ["MatMul", "x w"],
        ["Abs", "v0"],
        ["Pow", "v1 0.3"],
      ],
      ["MatMul0"],
    ],
    [
      "a divisor",
      [
        ["MatMul", "x w"],
        ["Div", "x v0"],
      ],
      ["MatMul0"],
    ],
    [
      "a reciprocal, behind a convolution",
      [
        ["Conv", "x k"],
        ["Reciprocal", "v0"],
      ],
      ["Conv0"],
      [1, 3, 8, 8],
    ],
    [
      "a power of 2",
      [
        ["MatMul", "x w"],
        ["Pow", "v0 2"],
      ],
      [],
    ],
    [
      "a dividend",
      [
        ["MatMul", "x w"],
        ["Div", "v0 x"],
      ],
      [],
    ],
    [
      "an activation ends the walk",
      [
        ["MatMul", "x w"],
        ["Relu", "v0"],
        ["Add", "v1 1"],
        ["Log", "v2"],
      ],
      [],
    ],
    [
      "a layer with an activation is none",
      [
        ["Conv", "x k"],
        ["Relu", "v0"],
        ["Log", "v1"],
      ],
      [],
      [1, 3, 8, 8],
    ],
    [
      "a softmax",
      [
        ["MatMul", "x w"],
        ["Softmax", "v0"],
        ["Log", "v1"],
      ],
      [],
    ],
    [
      "the norm of a vector",
      [
        ["MatMul", "x w"],
        ["Mul", "v0 v0"],
        ["ReduceSum", "v1 last", keep],
        ["Sqrt", "v2"],
        ["Clip", "v3 1e-6"],
        ["Div", "v0 v4"],
      ],
      [],
    ],
    [
      "the norm of a vector, its root a power",
      [
        ["MatMul", "x w"],
        ["Pow", "v0 2"],
        ["ReduceSum", "v1 last", keep],
        ["Pow", "v2 0.5"],
        ["Div", "v0 v3"],
      ],
      [],
    ],
    [
      "a power of one half that is no divisor",
      [
        ["MatMul", "x w"],
        ["Pow", "v0 2"],
        ["ReduceSum", "v1 last", keep],
        ["Pow", "v2 0.5"],
        ["Mul", "v0 v3"],
      ],
      ["MatMul0"],
    ],
    [
      "turns of coordinates",
      [
        ["Sub", "x 0.5"],
        ["MatMul", "v0 w"],
        ["Mul", "v1 6.28"],
        ["Sin", "v2"],
        ["Cos", "v2"],
        ["Add", "v3 v4"],
        ["MatMul", "v5 u"],
      ],
      ["MatMul1"],
    ],
    [
      "sines within a network",
      [
        ["MatMul", "x w"],
        ["Relu", "v0"],
        ["MatMul", "v1 u"],
        ["Sin", "v2"],
      ],
      [],
    ],
    [
      "an RMS norm",
      [
        ["MatMul", "x w"],
        ["Pow", "v0 2"],
        ["ReduceMean", "v1", { axes: [-1] }],
        ["Add", "v2 1e-5"],
        ["Sqrt", "v3"],
        ["Div", "v0 v4"],
      ],
      [],
    ],
  ])("%s", async (_, steps, expected, shape) => {
    expect(await frontEnds(steps, shape)).toEqual(expected);
  });

  test("quiet bands keep their decibels", async () => {
    const steps: Step[] = [
      ["MatMul", "x w"],
      ["Mul", "v0 v0"],
      ["MatMul", "v1 u"],
      ["Abs", "v2"],
      ["Clip", "v3 1e-9"],
      ["Log", "v4"],
    ];
    const graph = graphOf(steps);
    const u = graph.initializers.get("u")!.data as Float32Array;
    // Columns are bands: each hears a part of the power, the last ones a millionth.
    for (let i = 0; i < 256; i++) u[i] = Math.abs(u[i]!) * 10 ** (-0.4 * (i % 16));
    const onnx = writeOnnx(graph);
    const x = new Tensor("float32", noise(32, 7), [2, 16]);
    const outputs = async (preset: "float32" | "faithful" | "fast" | "compact") => {
      await using session = await InferenceSession.create(onnx, { preset });
      return (await session.run({ x }))["v5"]!.data as Float32Array;
    };
    const exact = await outputs("float32");
    for (const preset of ["faithful", "fast", "compact"] as const) expect(await outputs(preset)).toEqual(exact);
  });
});

test("matrices behind an RMS norm are rounded to nearest, others by flips", async () => {
  const steps: Step[] = [
    ["MatMul", "x w"],
    ["Pow", "v0 2"],
    ["ReduceMean", "v1", { axes: [-1] }],
    ["Add", "v2 1e-5"],
    ["Sqrt", "v3"],
    ["Div", "v0 v4"],
    ["Mul", "v5 gain"],
    ["MatMul", "v6 u"],
  ];
  const { report } = await quantize(writeOnnx(graphOf(steps)), { preset: "fast", check: false });
  const rounding = report.layers.map(({ name, plan }) => [name, plan.rounding]);
  expect(rounding).toEqual([
    ["MatMul0", "squant"],
    ["MatMul7", undefined],
  ]);
});

describe("tables", () => {
  const lookup = (shared: boolean): Graph => ({
    name: "lookup",
    opsets: { "": 17 },
    inputs: [{ name: "ids", type: "int64", shape: ["N"] }],
    outputs: [{ name: "y", type: "float32", shape: undefined }],
    nodes: [
      { name: "embed", op: "Gather", domain: "", inputs: ["table", "ids"], outputs: ["e"], attributes: {} },
      ...(shared
        ? [
            {
              name: "turn",
              op: "Transpose",
              domain: "",
              inputs: ["table"],
              outputs: ["t"],
              attributes: { perm: [1, 0] },
            },
            { name: "logits", op: "MatMul", domain: "", inputs: ["e", "t"], outputs: ["y"], attributes: {} },
          ]
        : [{ name: "neg", op: "Neg", domain: "", inputs: ["e"], outputs: ["y"], attributes: {} }]),
    ],
    initializers: new Map([["table", new Tensor("float32", noise(200 * 24, 6), [200, 24])]]),
  });

  test.each([
    ["faithful", 13, 5e-4],
    ["fast", 8, 1e-2],
    ["compact", 6, 4e-2],
  ] as const)("%s: rows have %d bits and are dequantized when they are looked up", async (preset, bits, tolerance) => {
    const onnx = writeOnnx(lookup(false));
    const { bytes, report } = await quantize(onnx, { preset, check: false });
    const [row] = report.layers;
    expect(row).toMatchObject({ name: "embed", op: "Gather", shape: [200, 24], bytesBefore: 4 * 4800 });
    expect(row!.plan).toMatchObject({ weightBits: bits, activationTerms: 0 });
    expect(row!.bytesAfter).toBeLessThan(200 * (3 * bits + 4 + 2) + 200);
    await using session = await InferenceSession.create(bytes);
    const ids = BigInt64Array.of(0n, 199n, -1n, 7n, 7n);
    const { y } = await session.run({ ids: new Tensor("int64", ids, [5]) });
    const table = lookup(false).initializers.get("table")!.data as Float32Array;
    for (let i = 0; i < 5; i++) {
      const at = ((Number(ids[i]) + 200) % 200) * 24;
      for (let c = 0; c < 24; c++)
        expect(Math.abs(-(y!.data[24 * i + c] as number) - table[at + c]!)).toBeLessThan(tolerance);
    }
    await expect(session.run({ ids: new Tensor("int64", BigInt64Array.of(200n), [1]) })).rejects.toThrow(RangeError);
  });

  test("a table that is the last layer's matrix too is stored once", async () => {
    const onnx = writeOnnx(lookup(true));
    for (const preset of ["faithful", "fast", "compact"] as const) {
      const { bytes, report } = await quantize(onnx, { preset, check: false });
      expect(report.layers.length).toBe(1);
      expect(bytes.length).toBeLessThan(onnx.length);
      await using exact = await InferenceSession.create(onnx, { preset: "float32" });
      await using session = await InferenceSession.create(bytes);
      const feeds = { ids: new Tensor("int64", BigInt64Array.of(3n, 77n), [2]) };
      const [a, b] = [(await session.run(feeds))["y"]!.data, (await exact.run(feeds))["y"]!.data];
      const most = Math.max(...Array.from(b as Float32Array, Math.abs));
      for (let i = 0; i < b.length; i++) expect(Math.abs(Number(a[i]) - Number(b[i]))).toBeLessThan(most * 0.1);
    }
  });
});

describe("a recurrent state", () => {
  /** A dense layer, a GRU, another two; its state comes from an input, or starts at nothing. */
  function gated(streaming: boolean): Graph {
    const node = (name: string, op: string, inputs: string[], outputs: string[]): Node => {
      return { name, op, domain: "", inputs, outputs, attributes: op === "GRU" ? { hidden_size: 16 } : {} };
    };
    const float = (name: string, shape?: number[]) => ({ name, type: "float32" as const, shape });
    const state = streaming ? ["", "", "h"] : [];
    return {
      ...graphOf([]),
      inputs: [float("x", [3, 1, 16]), ...(streaming ? [float("h", [1, 1, 16])] : [])],
      outputs: [float("y"), ...(streaming ? [float("h2")] : [])],
      nodes: [
        node("first", "MatMul", ["x", "w"], ["a"]),
        node("second", "MatMul", ["a", "u"], ["b"]),
        node("gates", "GRU", ["b", "wx", "wh", ...state], ["c", "h2"]),
        node("last", "MatMul", ["c", "w2"], ["y"]),
      ],
      initializers: new Map([
        ...["w", "u", "w2"].map((name, i) => [name, new Tensor("float32", noise(256, i + 1), [16, 16])] as const),
        ...["wx", "wh"].map((name, i) => [name, new Tensor("float32", noise(768, i + 5), [1, 48, 16])] as const),
      ]),
    };
  }

  test("that runs hand on brings errors back: all layers have 16 bits under faithful, measured or not", async () => {
    for (const check of [false, true]) {
      const { report } = await quantize(writeOnnx(gated(true)), { check });
      expect(report.layers.length).toBe(5);
      for (const { plan } of report.layers) expect(plan.weightBits).toBe(16);
      expect(report.layers.find(({ op }) => op === "GRU")!.reason).toMatch(/^hands its state on/);
    }
  });

  test.each([
    ["fast", 10],
    ["compact", 8],
  ] as const)(
    "under %s has weights of %i bits by structure, and a quarter of the error as measured",
    async (preset, bits) => {
      const { report } = await quantize(writeOnnx(gated(true)), { preset, check: false });
      const gru = report.layers.find(({ op }) => op === "GRU")!;
      expect(gru.plan).toMatchObject({ weightBits: bits, activationTerms: 3 });
      expect(gru.reason).toMatch(/^hands its state on/);
      const [handed, own] = await Promise.all(
        [true, false].map(async (state) => (await quantize(writeOnnx(gated(state)), { preset })).report.check!),
      );
      expect(handed!.tolerance).toBe(own!.tolerance / 4);
      expect(handed!.measured).toBeLessThanOrEqual(handed!.tolerance);
    },
  );

  test("counts beside integers too, where a recurrent layer starts from an input and not from zeros of its size", async () => {
    const streaming = async (start: (net: Net) => string) => {
      const net = new Net("letters", 21);
      const looked = net.op("Gather", [net.table(40, 16), net.input("ids", ["length", 1], "int64")], { axis: 0 });
      const [, last] = net.recurrent("GRU", looked, 16, 16, [start(net)]);
      const prepared = await prepare(net.done([net.gemm(net.op("Squeeze", [last!, net.ints(0)]), 16, 40)]));
      return linearNodes(prepared).some((one) => one.streaming);
    };
    const all = (net: Net) => net.op("Slice", [net.input("states", [2, 1, 16]), net.ints(0), net.ints(1), net.ints(0)]);
    expect(await streaming(all)).toBe(true);
    const sizes = (net: Net) => {
      const shape = net.op("Shape", [net.input("unlike", ["layers", 1, 16])]);
      return net.op("ConstantOfShape", [shape]);
    };
    expect(await streaming(sizes)).toBe(false);
  });

  test("that starts anew in each run does not", async () => {
    const bits = { faithful: 13, fast: 7, compact: 4 } as const;
    for (const [preset, weightBits] of Object.entries(bits)) {
      const { report } = await quantize(writeOnnx(gated(false)), { preset: preset as keyof typeof bits, check: false });
      const gru = report.layers.find(({ op }) => op === "GRU")!;
      expect([preset, gru.plan.weightBits]).toEqual([preset, weightBits]);
      expect(gru.reason ?? "").not.toContain("state");
    }
  });
});

test.each([
  ["Conv", [8, 3, 5, 6], { group: 1 }, { depth: 3 * 5 * 6, uses: 8 * 3 * 5 }],
  ["Conv", [8, 3, 5, 3], { group: 2 }, { depth: 3 * 5 * 3, uses: 4 * 3 * 5 }],
  // An output sees every second row of the kernel and every third column, a last one perhaps not.
  ["ConvTranspose", [8, 3, 5, 6], { strides: [2, 3] }, { depth: 2 * 2 * 6, uses: 8 * 3 * 5 }],
  ["ConvTranspose", [8, 3, 5, 6], {}, { depth: 3 * 5 * 6, uses: 8 * 3 * 5 }],
  ["MatMul", [90, 8], {}, { depth: 90, uses: 8 }],
])("%s with weights %j says how long sums are and how often an activation is used", (op, dims, attributes, shape) => {
  const size = dims.reduce((product, dim) => product * dim);
  const node = {
    name: "a",
    op,
    domain: op.startsWith("Conv") ? "bitbasis" : "",
    inputs: ["x", "w"],
    outputs: ["y"],
    attributes,
  };
  const weights = new Tensor("float32", noise(size, 1), dims);
  const graph = { ...graphOf([]), nodes: [node], initializers: new Map([["w", weights]]) };
  expect(linearNodes(graph)).toMatchObject([{ shape }]);
});
