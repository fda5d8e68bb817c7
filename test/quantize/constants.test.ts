import { describe, expect, test } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { build, i64, type NodeSpec } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";
import { expectOutputs, nodeByNode } from "../graph/node-by-node.ts";

const float = (v: number): Tensor => new Tensor("float32", [v], []);

/** The rows of the report: name, weight terms, reason. */
async function rows(graph: Graph): Promise<[string, number, string | undefined][]> {
  const { report } = await quantize(writeOnnx(graph), { preset: "fast", check: false });
  return report.layers.map(({ name, plan, reason }) => [name, plan.weightTerms, reason]);
}

describe("weights that are expressions of constants", () => {
  const v = noise([6, 4, 3, 3], 1);
  const g = noise([6, 1, 1, 1], 2);
  const weightNorm = build(
    { x: ["N", 4, 6, 6] },
    { v, g, axes: i64(1, 2, 3) },
    [
      ["ReduceL2", ["v", "axes"], ["n"]],
      ["Div", ["v", "n"], ["d"]],
      ["Mul", ["d", "g"], ["w"]],
      ["Conv", ["x", "w"], ["y"]],
    ],
    ["y"],
    18,
  );

  test("weight normalization becomes weights", async () => {
    expect((await rows(weightNorm)).map(([name, terms]) => [name, terms])).toEqual([["Conv_3", 2]]);
    const x = noise([2, 4, 6, 6], 3);
    await expectOutputs(weightNorm, { x }, await nodeByNode(weightNorm, { x }));
    const { bytes } = await quantize(writeOnnx(weightNorm), { preset: "float32" });
    expect(readModel(bytes).graph.nodes.map(({ op }) => op)).toEqual(["Transpose", "Conv", "Transpose"]);
  });

  test("the core's bits are those of a run", async () => {
    const nodes = [
      ["Exp", ["c"], ["e"]],
      ["ReduceSum", ["e", "axes"], ["s"]],
      ["Div", ["e", "s"], ["w"]],
      ["MatMul", ["x", "w"], ["y"]],
    ] as const;
    const c = noise([7, 5], 4);
    const graph = build({ x: [7, 7] }, { c, axes: i64(1) }, nodes, ["y"]);
    const identity = new Tensor(
      "float32",
      Array.from({ length: 49 }, (_, i) => (i % 8 === 0 ? 1 : 0)),
      [7, 7],
    );
    const folded = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const late = build({ c: [7, 5] }, { axes: i64(1) }, nodes.slice(0, 3), ["w"]);
    const running = await InferenceSession.create(writeOnnx(late), { preset: "float32" });
    const { y } = await folded.run({ x: identity });
    const { w } = await running.run({ c });
    expect(y!.data).toEqual(w!.data);
    expect((await folded.profile({ x: identity })).map(({ op }) => op)).not.toContain("Exp");
  });

  test("shapes that depend on computed constants are left to the session", async () => {
    const graph = build(
      { x: [1, 2] },
      { c: new Tensor("float32", [-200, 0, -200, 1], [4]) },
      [
        ["Exp", ["c"], ["e"]],
        ["NonZero", ["e"], ["i"]],
        ["Gather", ["e", "i"], ["g"]],
        ["Add", ["x", "g"], ["y"]],
      ],
      ["y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "fast", check: false });
    const { y } = await session.run({ x: new Tensor("float32", [0, 0], [1, 2]) });
    expect([...(y!.data as Float32Array)]).toEqual([1, Math.fround(Math.E)]);
  });

  test("an index beyond their axis is refused when the model is read, with its node", async () => {
    const graph = build(
      { x: [2] },
      { c: noise([4], 1), at: i64(1, -54_531) },
      [
        ["Exp", ["c"], ["e"]],
        ["Gather", ["e", "at"], ["g"]],
        ["Add", ["x", "g"], ["y"]],
      ],
      ["y"],
    );
    const refused = {
      code: "MODEL",
      message: expect.stringMatching(/"Gather_1" \(Gather.*\).*index -54531 on axis 0 expected one of -4\.\.3/),
    };
    for (const preset of ["float32", "fast"] as const)
      await expect(InferenceSession.create(writeOnnx(graph), { preset })).rejects.toMatchObject(refused);
    await expect(quantize(writeOnnx(graph), { preset: "fast" })).rejects.toMatchObject(refused);
  });

  test("results that are larger than what they are made of stay expressions", async () => {
    const graph = build(
      { x: [100, 100] },
      { a: noise([100, 1], 1), b: noise([1, 100], 2) },
      [
        ["Exp", ["a"], ["e"]],
        ["MatMul", ["e", "b"], ["w"]],
        ["Add", ["x", "w"], ["y"]],
      ],
      ["y"],
    );
    const { bytes } = await quantize(writeOnnx(graph), { preset: "fast", check: false });
    expect(bytes.length).toBeLessThan(8000);
    const x = noise([100, 100], 3);
    await expectOutputs(graph, { x }, await nodeByNode(graph, { x }));
  });
});

describe("a table that rows are looked up in and that is multiplied", () => {
  const table = noise([64, 16], 5);
  const tied = (last: "MatMul" | "Gemm"): Graph =>
    build(
      { ids: { type: "int64", shape: [1, "n"] } },
      { table, b: noise([64], 6), flat: i64(-1, 16) },
      [
        ["Gather", ["table", "ids"], ["h"]],
        ["Relu", ["h"], ["r"]],
        ["Reshape", ["r", "flat"], ["f"]],
        ...(last === "Gemm"
          ? ([["Gemm", ["f", "table", "b"], ["y"], { transB: 1 }]] as const)
          : ([
              ["Transpose", ["table"], ["t"], { perm: [1, 0] }],
              ["MatMul", ["r", "t"], ["m"]],
              ["Add", ["m", "b"], ["y"]],
            ] as const)),
      ],
      ["y"],
    );
  const ids = new Tensor("int64", BigInt64Array.of(0n, 3n, 63n, 7n), [1, 4]);

  test.each(["MatMul", "Gemm"] as const)("is stored once: %s", async (last) => {
    const graph = tied(last);
    await expectOutputs(graph, { ids }, await nodeByNode(graph, { ids }));
    const { bytes } = await quantize(writeOnnx(graph), { preset: "fast", check: false });
    const model = readModel(bytes);
    expect([...model.weights.keys()]).toEqual(["table"]);
    expect([...model.graph.initializers.values()].some(({ size }) => size === table.size)).toBe(false);
    const { bytes: exact } = await quantize(writeOnnx(graph), { preset: "float32" });
    const stored = [...readModel(exact).graph.initializers.values()].filter(({ size }) => size === table.size);
    expect(stored).toHaveLength(1);
  });

  test.each([
    ["faithful", 2e-3],
    ["fast", 0.05],
    ["compact", 0.05],
  ] as const)("%s answers from the series", async (preset, tolerance) => {
    const graph = tied("MatMul");
    const wanted = (await nodeByNode(graph, { ids })).get("y")!.data as Float32Array;
    const answers = await Promise.all(
      (["simd", "scalar"] as const).map(async (build) => {
        const session = await InferenceSession.create(writeOnnx(graph), { preset, build });
        return (await session.run({ ids }))["y"]!.data as Float32Array;
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const error = wanted.reduce((most, v, i) => Math.max(most, Math.abs(v - answers[0]![i]!)), 0);
    expect(error / largest).toBeLessThan(tolerance);
    expect(error).toBeGreaterThan(0);
  });

  test.each(["before", "behind"] as const)(
    "of bytes, turned %s it is dequantized, is stored once, as it lies",
    async (turned) => {
      const point = { scale: new Tensor("float32", [0.02], []), zero: new Tensor("uint8", [117], []) };
      const bytes = new Tensor(
        "uint8",
        Uint8Array.from({ length: table.size }, (_, i) => (i * 37) % 256),
        table.dims,
      );
      const dequantized = (from: string, to: string): NodeSpec => ["DequantizeLinear", [from, "scale", "zero"], [to]];
      const turn = (from: string, to: string): NodeSpec => ["Transpose", [from], [to], { perm: [1, 0] }];
      const graph = build(
        { ids: { type: "int64", shape: [1, "n"] } },
        { q: bytes, ...point },
        [
          ["Gather", ["q", "ids"], ["g"]],
          dequantized("g", "h"),
          ["Relu", ["h"], ["r"]],
          ...(turned === "before" ? [turn("q", "t"), dequantized("t", "w")] : [dequantized("q", "d"), turn("d", "w")]),
          ["MatMul", ["r", "w"], ["y"]],
        ],
        ["y"],
      );
      await expectOutputs(graph, { ids }, await nodeByNode(graph, { ids }));
      const { bytes: container, report } = await quantize(writeOnnx(graph), { preset: "faithful", check: false });
      const { weights } = readModel(container);
      expect([...weights.values()].map(({ shape }) => shape)).toEqual([table.dims]);
      // Bits of its grid, not those of tables that lie on none.
      expect(report.layers[0]!.plan).toMatchObject({ weightBits: 8 });
    },
  );

  test("a refined session answers as one that had all terms, the looked up rows too", async () => {
    const { bytes } = await quantize(writeOnnx(tied("MatMul")), { preset: "faithful" });
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    const session = await InferenceSession.create(stream, { progressive: true });
    const coarse = await session.run({ ids });
    while (await session.refine());
    const refined = await session.run({ ids });
    const whole = await InferenceSession.create(bytes);
    expect(refined).toEqual(await whole.run({ ids }));
    expect(refined).not.toEqual(coarse);
  });
});

describe("layers that stay in float32 say why", () => {
  const x = { x: ["N", 4] };

  test("Gemm with a turned input is under the plan", async () => {
    const graph = build(
      { x: [8, 5] },
      { w: noise([8, 6], 1), c: noise([6], 2) },
      [["Gemm", ["x", "w", "c"], ["y"], { transA: 1 }]],
      ["y"],
    );
    expect(await rows(graph)).toEqual([["Gemm_0", 2, "first layer"]]);
    const feeds = { x: noise([8, 5], 3) };
    const wanted = (await nodeByNode(graph, feeds)).get("y")!.data as Float32Array;
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "faithful" });
    const { y } = await session.run(feeds);
    expect(y!.dims).toEqual([5, 6]);
    (y!.data as Float32Array).forEach((v, i) => {
      expect(Math.abs(v - wanted[i]!)).toBeLessThan(2e-3);
    });
  });

  test.each([
    ["a constant on the left", [["MatMul", ["w", "x"], ["y"]]], { w: noise([3, 4], 1) }, /left/],
    ["more than two axes", [["MatMul", ["x", "w"], ["y"]]], { w: noise([2, 4, 3], 1) }, /3 axes/],
    ["a vector", [["MatMul", ["x", "w"], ["y"]]], { w: noise([4], 1) }, /1 axes/],
    [
      "weights from the input",
      [
        ["Exp", ["x"], ["e"]],
        ["Gemm", ["x", "e"], ["y"], { transB: 1 }],
      ],
      {},
      /computed while the model runs/,
    ],
  ] as [string, Parameters<typeof build>[2], Record<string, Tensor>, RegExp][])(
    "%s",
    async (_what, nodes, constants, why) => {
      const [row, ...others] = await rows(build(x, constants, nodes, ["y"]));
      expect(others).toEqual([]);
      expect(row![1]).toBe(0);
      expect(row![2]).toMatch(why);
    },
  );

  test("inside of an If they are under the plan", async () => {
    const body = (scale: number): Graph =>
      build(
        {},
        { w: noise([4, 3], 1), s: float(scale) },
        [
          ["MatMul", ["x", "w"], ["m"]],
          ["Mul", ["m", "s"], ["o"]],
        ],
        ["o"],
      );
    const graph = build(
      { x: [2, 4], c: { type: "bool", shape: [] } },
      {},
      [["If", ["c"], ["y"], { then_branch: body(1), else_branch: body(2) }]],
      ["y"],
    );
    expect((await rows(graph)).map(([, terms]) => terms)).toEqual([2, 2]);
  });
});
