import { describe, expect, test } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import type { Graph, ValueInfo } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { branchesOf } from "../../src/quantize/branches.ts";
import { quantize } from "../../src/quantize/index.ts";
import { plan } from "../../src/quantize/plan-model.ts";
import { weightWidth } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, type NodeSpec } from "../graph/build.ts";
import { noise } from "../model/models.ts";

const RATE = { type: "int64", shape: [] } as const;
const number = (v: number): Tensor => new Tensor("int64", BigInt64Array.of(BigInt(v)), []);
const matrix = (seed: number, factor = 1): Tensor<"float32"> =>
  new Tensor(
    "float32",
    noise(32 * 32, seed).map((w) => factor * w),
    [32, 32],
  );

/** x·w → If(rate is 16000) then ·a else ·b: two networks in one file, by the rate of the sound. */
function rates(a: string, b: string, condition: readonly NodeSpec[] = [["Equal", ["rate", "16k"], ["is16k"]]]): Graph {
  const body = (weights: string, out: string): Graph => ({
    ...build({}, {}, [["MatMul", ["h", weights], [out]]], [out]),
    nodes: [{ name: `times ${out}`, op: "MatMul", domain: "", inputs: ["h", weights], outputs: [out], attributes: {} }],
  });
  return build(
    { x: [1, 32], rate: RATE },
    { "16k": number(16000), w: matrix(1), a: matrix(2), b: matrix(3, 20) },
    [
      ["MatMul", ["x", "w"], ["m"]],
      ["Tanh", ["m"], ["h"]],
      ...condition,
      ["If", ["is16k"], ["y"], { then_branch: body(a, "then"), else_branch: body(b, "else") }],
    ],
    ["y"],
  );
}

describe("branches that an input chooses", () => {
  const shown = (graph: Graph): string[] => branchesOf(graph).map(({ names }) => names);

  test("are the values that it is compared with, and one that it is not", () => {
    expect(shown(rates("a", "b"))).toEqual(["rate = 16000", "rate = 15999"]);
    const [first] = branchesOf(rates("a", "b"));
    expect(first!.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(first!.graph.initializers.get("rate")).toEqual(number(16000));
    // Through other conditions and changes of shape, the constant on either side.
    const long: NodeSpec[] = [
      ["Unsqueeze", ["rate", "axis"], ["r"]],
      ["Less", ["16k", "r"], ["above"]],
      ["Not", ["above"], ["upTo"]],
      ["Squeeze", ["upTo"], ["is16k"]],
    ];
    expect(shown(rates("a", "b", long))).toEqual(["rate = 16000", "rate = 15999"]);
  });

  test("a boolean is true and false; what decides nothing, and what has many elements, is fed as ever", () => {
    const asked = (input: Omit<ValueInfo, "name">, condition: readonly NodeSpec[]): Graph => {
      const graph = rates("a", "b", condition);
      return { ...graph, inputs: [graph.inputs[0]!, { name: "rate", ...input }] };
    };
    const cast: NodeSpec[] = [["Cast", ["rate"], ["is16k"], { to: 9 }]];
    expect(shown(asked({ type: "bool", shape: [1] }, cast))).toEqual(["rate = true", "rate = false"]);
    expect(shown(asked({ type: "int32", shape: [1] }, cast))).toEqual(["rate = 1", "rate = 0"]);
    expect(shown(asked({ type: "int64", shape: [2] }, cast))).toEqual([""]);
    expect(shown(asked({ type: "float32", shape: [] }, cast))).toEqual([""]);
    expect(shown(rates("a", "b", [["Greater", ["m", "16k"], ["is16k"]]]))).toEqual([""]);
  });

  test("a number between integers, which a Cast is compared with, is no value of a switch", async () => {
    const graph = rates("a", "b", [
      ["Cast", ["rate"], ["f"], { to: 1 }],
      ["Greater", ["f", "half"], ["is16k"]],
    ]);
    const half = new Tensor("float32", [0.5], []);
    const asked = { ...graph, initializers: new Map([...graph.initializers, ["half", half] as const]) };
    expect(shown(asked)).toEqual(["rate = 1", "rate = 0"]);
    expect((await quantize(writeOnnx(asked), { preset: "fast" })).report.unchecked).toBeUndefined();
  });

  test("are measured each, and the report says at which values", async () => {
    const onnx = writeOnnx(rates("a", "b"));
    const { report, bytes } = await quantize(onnx, { preset: "fast" });
    expect(report.unchecked).toBeUndefined();
    expect(report.check!.inputs).toMatch(/^rate = 16000, x \[1x32\].*; rate = 15999, x \[1x32\]/);
    expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
    for (const { reason } of report.layers) expect(reason).toMatch(/of the squared error|^last layer/);
    // And both run as they were measured.
    await using exact = await InferenceSession.create(onnx, { preset: "float32" });
    await using session = await InferenceSession.create(bytes);
    const x = new Tensor("float32", noise(32, 9), [1, 32]);
    for (const rate of [16000, 8000]) {
      const [a, b] = [await session.run({ x, rate: number(rate) }), await exact.run({ x, rate: number(rate) })];
      const [got, want] = [a["y"]!.data as Float32Array, b["y"]!.data as Float32Array];
      const norm = (v: Float32Array) => Math.sqrt(v.reduce((sum, one) => sum + one * one, 0));
      expect(norm(got.map((v, i) => v - want[i]!)) / norm(want)).toBeLessThan(3 * report.check!.tolerance);
    }
  });

  test("with the same weights have one plan for them, and store them once", async () => {
    const { report, bytes } = await quantize(writeOnnx(rates("a", "a")), { preset: "fast" });
    const plans = report.layers.filter(({ name }) => name.startsWith("times")).map((layer) => layer.plan);
    expect(plans).toHaveLength(2);
    expect(plans[0]).toEqual(plans[1]);
    expect([...readModel(bytes).weights.keys()].filter((name) => name === "a")).toHaveLength(1);
  });

  test("give a plan for a target too: bits where they are needed in the one that is asked for first", async () => {
    const { layers = {}, check } = await plan(writeOnnx(rates("a", "b")), { target: { error: 0.1 } });
    expect(check!.inputs).toMatch(/^rate = 16000, x/);
    expect(weightWidth(layers["times then"]!)).toBeLessThan(13);
    expect(weightWidth(layers["times else"]!)).toBeGreaterThanOrEqual(13);
  });
});

describe("free dimensions", () => {
  test.each([512, 576, 480, 1280])(
    "a window of %i is found, which no usual length is a multiple of",
    async (window) => {
      const graph = build(
        { x: ["batch", "samples"], state: { type: "float32", shape: [2, "", 8] } },
        {
          w: new Tensor("float32", noise(window * 8, 5), [window, 8]),
        },
        [
          ["MatMul", ["x", "w"], ["a"]],
          ["Add", ["state", "a"], ["b"]],
          ["ReduceMean", ["b"], ["y"], { axes: [0] }],
        ],
        ["y"],
      );
      const { report } = await quantize(writeOnnx(graph), { preset: "fast" });
      expect(report.check!.inputs).toContain(`x [1x${window}]`);
      expect(report.check!.inputs).toContain("state [2x1x8]");
    },
  );
});
