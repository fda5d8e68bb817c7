import { describe, expect, it, vi } from "vitest";
import { Core } from "../../src/core/index.ts";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Attribute, Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";

type Feeds = Record<string, Tensor>;

/** Answers of both builds, each asked for all feeds twice over: what was compiled for others serves again. */
async function run(graph: Graph, ...feeds: Feeds[]): Promise<Record<string, Tensor>[]> {
  const all: Record<string, Tensor>[][] = [];
  for (const build of ["scalar", "simd"] as const) {
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", build });
    for (let i = 0; i < 2; i++) {
      const answers = [];
      for (const one of feeds) answers.push(await session.run(one));
      all.push(answers);
    }
    await session.release();
  }
  for (const other of all.slice(1)) expect(other).toEqual(all[0]);
  return all[0]!;
}

function numbers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor!.data as ArrayLike<number | bigint>, Number);
}

/** The sum of x, which is too large to be taken for a shape, as an integer. */
const COUNT: readonly NodeSpec[] = [
  ["ReduceSum", ["x"], ["sum"], { keepdims: 0 }],
  ["Cast", ["sum"], ["n"], { to: 7 }],
  ["Unsqueeze", ["n", "zero"], ["nn"]],
];

/** 2,000 numbers, the first `ones` of them 1. */
function counted(ones: number): Tensor {
  return f32(
    [2000],
    Array.from({ length: 2000 }, (_, i) => (i < ones ? 1 : 0)),
  );
}

describe("shapes that depend on what has been computed", () => {
  const cases: [string, NodeSpec[], number[], number[]][] = [
    ["Reshape", [["Reshape", ["v", "to"], ["y"]]], [2, 3], [3, 2]],
    ["Expand", [["Expand", ["one", "nn"], ["y"]]], [2], [3]],
    ["Tile", [["Tile", ["v", "nn"], ["y"]]], [12], [18]],
    ["Slice", [["Slice", ["v", "zero", "nn"], ["y"]]], [2], [3]],
    ["Range", [["Range", ["none", "n", "unit"], ["y"]]], [2], [3]],
    ["TopK", [["TopK", ["v", "nn"], ["y", "index"]]], [2], [3]],
    ["ConstantOfShape", [["ConstantOfShape", ["nn"], ["y"]]], [2], [3]],
    ["Split", [["Split", ["v", "parts"], ["y", "rest"]]], [2], [3]],
    ["Pad", [["Pad", ["v", "to2"], ["y"]]], [10], [12]],
    ["Resize", [["Resize", ["v", "", "scale"], ["y"], { mode: "nearest" }]], [12], [18]],
  ];
  it.each(cases)("%s", async (_, nodes, two, three) => {
    const graph = build(
      { x: [2000] },
      {
        zero: i64(0),
        none: new Tensor("int64", [0], []),
        unit: new Tensor("int64", [1], []),
        minus: i64(-1),
        six: i64(6),
        one: f32([1], [7]),
        v: f32([6], [6, 5, 4, 3, 2, 1]),
      },
      [
        ...COUNT,
        ["Concat", ["nn", "minus"], ["to"], { axis: 0 }],
        ["Concat", ["nn", "nn"], ["to2"], { axis: 0 }],
        ["Sub", ["six", "nn"], ["left"]],
        ["Concat", ["nn", "left"], ["parts"], { axis: 0 }],
        ["Cast", ["nn"], ["scale"], { to: 1 }],
        ...nodes,
        ["Cast", ["y"], ["f"], { to: 1 }],
        ["Neg", ["f"], ["z"]],
      ],
      ["z"],
    );
    const [a, b, c] = await run(graph, { x: counted(2) }, { x: counted(3) }, { x: counted(2) });
    expect([a!["z"]!.dims, b!["z"]!.dims]).toEqual([two, three]);
    expect(c).toEqual(a);
  });

  it("are learned one after the other, and outputs made on the way are kept", async () => {
    const graph = build(
      { x: [2000] },
      { zero: i64(0), v: f32([8], [1, 2, 3, 4, 5, 6, 7, 8]) },
      [
        ...COUNT,
        ["Slice", ["v", "zero", "nn"], ["part"]],
        ["ReduceMax", ["part"], ["most"], { keepdims: 0 }],
        ["Sub", ["most", "sum"], ["d"]],
        ["Add", ["d", "most"], ["e"]],
        ["Cast", ["e"], ["m"], { to: 7 }],
        ["Unsqueeze", ["m", "zero"], ["mm"]],
        ["Expand", ["sum", "mm"], ["y"]],
      ],
      ["part", "y", "sum"],
    );
    const [answer] = await run(graph, { x: counted(5) });
    expect(numbers(answer!["part"])).toEqual([1, 2, 3, 4, 5]);
    expect(numbers(answer!["y"])).toEqual([5, 5, 5, 5, 5]);
    expect(numbers(answer!["sum"])).toEqual([5]);
  });

  it("are refused with the node's name when they are none", async () => {
    const graph = build(
      { x: [2000] },
      { zero: i64(0), v: f32([6]) },
      [...COUNT, ["Reshape", ["v", "nn"], ["y"]]],
      ["y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph));
    await expect(session.run({ x: counted(4) })).rejects.toMatchObject({
      code: "MODEL",
      message: expect.stringContaining('node "Reshape_3" (Reshape, opset 17): cannot take shape [4]'),
    });
    // A session outlives a request that does not fit.
    expect((await session.run({ x: counted(6) }))["y"]!.dims).toEqual([6]);
    await session.release();
  });
});

describe("operators whose results have shapes of their own", () => {
  const one = (
    op: string,
    inputs: Parameters<typeof build>[0],
    outputs: string[],
    attributes: Record<string, Attribute> = {},
  ): Graph => build(inputs, {}, [[op, Object.keys(inputs), outputs, attributes]], outputs);

  it("NonZero, followed by steps on what it found", async () => {
    const graph = build(
      { x: [2, "n"] },
      {},
      [
        ["NonZero", ["x"], ["at"]],
        ["Transpose", ["at"], ["rows"], { perm: [1, 0] }],
        ["GatherND", ["x", "rows"], ["y"]],
        ["Neg", ["y"], ["z"]],
      ],
      ["at", "z"],
    );
    const [some, none] = await run(
      graph,
      { x: f32([2, 3], [0, 2, -0, Number.NaN, 0, 3]) },
      { x: f32([2, 3], [0, 0, 0, 0, 0, 0]) },
    );
    expect(some!["at"]!.dims).toEqual([2, 3]);
    expect(numbers(some!["at"])).toEqual([0, 1, 1, 1, 0, 2]);
    expect(numbers(some!["z"])).toEqual([-2, Number.NaN, -3]);
    expect([none!["at"]!.dims, none!["z"]!.dims]).toEqual([[2, 0], [0]]);
  });

  it("Compress along an axis and over all elements", async () => {
    const inputs = { x: [3, 2], c: { type: "bool", shape: ["k"] } } as const;
    const feeds = (...flags: number[]): Feeds => ({
      x: f32([3, 2], [1, 2, 3, 4, 5, 6]),
      c: new Tensor("bool", Uint8Array.from(flags)),
    });
    const [rows] = await run(one("Compress", inputs, ["y"], { axis: 0 }), feeds(0, 1, 1));
    expect([rows!["y"]!.dims, numbers(rows!["y"])]).toEqual([
      [2, 2],
      [3, 4, 5, 6],
    ]);
    const [columns] = await run(one("Compress", inputs, ["y"], { axis: -1 }), feeds(0, 1));
    expect(numbers(columns!["y"])).toEqual([2, 4, 6]);
    const [all] = await run(one("Compress", inputs, ["y"]), feeds(1, 0, 0, 1));
    expect(numbers(all!["y"])).toEqual([1, 4]);
    const session = await InferenceSession.create(writeOnnx(one("Compress", inputs, ["y"], { axis: 1 })));
    await expect(session.run(feeds(1, 1, 1))).rejects.toMatchObject({ code: "MODEL" });
  });

  it("Unique of elements, sorted and as they come, NaN once", async () => {
    const outputs = ["y", "first", "inverse", "counts"];
    const x = f32([7], [2, 1, Number.NaN, 1, 3, Number.NaN, 2]);
    const [sorted] = await run(one("Unique", { x: ["n"] }, outputs), { x });
    expect(outputs.map((name) => numbers(sorted![name]))).toEqual([
      [1, 2, 3, Number.NaN],
      [1, 0, 4, 2],
      [1, 0, 3, 0, 2, 3, 1],
      [2, 2, 1, 2],
    ]);
    const [plain] = await run(one("Unique", { x: ["n"] }, outputs, { sorted: 0 }), { x });
    expect(outputs.map((name) => numbers(plain![name]))).toEqual([
      [2, 1, Number.NaN, 3],
      [0, 1, 2, 4],
      [0, 1, 2, 1, 3, 2, 0],
      [2, 2, 2, 1],
    ]);
  });

  it("Unique of strings and of one element, with nothing to run after it", async () => {
    const outputs = ["y", "first", "inverse", "counts"];
    const [one_] = await run(one("Unique", { x: { type: "int64", shape: ["n"] } }, outputs), { x: i64(0) });
    expect(outputs.map((name) => numbers(one_![name]))).toEqual([[0], [0], [0], [1]]);
    const x = new Tensor("string", ["b", "a", "b"]);
    const [texts] = await run(one("Unique", { x: { type: "string", shape: ["n"] } }, outputs), { x });
    expect(texts!["y"]).toMatchObject({ type: "string", data: ["a", "b"], dims: [2] });
    expect(numbers(texts!["counts"])).toEqual([1, 2]);
  });

  it("Unique of rows and columns", async () => {
    const x = f32([3, 2], [3, 1, 0, 5, 3, 1]);
    const [rows] = await run(one("Unique", { x: [3, 2] }, ["y", "first"], { axis: 0 }), { x });
    expect([rows!["y"]!.dims, numbers(rows!["y"]), numbers(rows!["first"])]).toEqual([
      [2, 2],
      [0, 5, 3, 1],
      [1, 0],
    ]);
    const [columns] = await run(one("Unique", { x: [3, 2] }, ["y"], { axis: -1 }), { x });
    expect(numbers(columns!["y"])).toEqual([1, 3, 5, 0, 1, 3]);
  });

  it("NonMaxSuppression: the best of what overlaps, by class and batch", async () => {
    const shapes = { boxes: [1, 4, 4], scores: [1, 2, 4], most: { type: "int64", shape: [1] } } as const;
    const limits = { iou: { type: "float32", shape: [1] }, score: { type: "float32", shape: [1] } } as const;
    // The first two share 0.9 of 1.1 square units, the last two touch.
    const feeds = {
      boxes: f32([1, 4, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11, 0, 11, 1, 12]),
      scores: f32([1, 2, 4], [0.9, 0.95, 0.5, 0.5, 0.1, 0.2, 0.6, 0.4]),
      most: i64(3),
      iou: f32([1], [0.5]),
      score: f32([1], [0.15]),
    };
    const graph = one("NonMaxSuppression", { ...shapes, ...limits }, ["y"]);
    const [both, strict] = await run(graph, feeds, { ...feeds, score: f32([1], [0.55]) });
    expect(both!["y"]!.dims).toEqual([6, 3]);
    expect(numbers(both!["y"])).toEqual([0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 1, 2, 0, 1, 3, 0, 1, 1]);
    expect(numbers(strict!["y"])).toEqual([0, 0, 1, 0, 1, 2]);
    // Centre and size say the same boxes; without a number of boxes there are none.
    const centered = f32([1, 4, 4], [0.5, 0.5, 1, 1, 0.6, 0.5, 1, 1, 10.5, 0.5, 1, 1, 11.5, 0.5, 1, 1]);
    const other = one("NonMaxSuppression", { ...shapes, ...limits }, ["y"], { center_point_box: 1 });
    expect((await run(other, { ...feeds, boxes: centered }))[0]).toEqual(both);
    const { boxes, scores } = feeds;
    const none = one("NonMaxSuppression", { boxes: [1, 4, 4], scores: [1, 2, 4] }, ["y"]);
    expect((await run(none, { boxes, scores }))[0]!["y"]!.dims).toEqual([0, 3]);
  });
});

describe("memory", () => {
  it("of programs for contents that never come back is given back", async () => {
    const graph = build(
      { x: [2000] },
      { unit: new Tensor("int64", [1], []), zero: i64(0) },
      [
        ["ReduceSum", ["x"], ["sum"], { keepdims: 0 }],
        ["Cast", ["sum"], ["n"], { to: 7 }],
        ["Add", ["n", "unit"], ["m"]],
        ["Range", ["n", "m", "unit"], ["r"]],
        ["NonZero", ["r"], ["at"]],
        ["Add", ["at", "r"], ["y"]],
      ],
      ["y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const sizes: number[] = [];
    for (let i = 1; i <= 900; i++) {
      expect(numbers((await session.run({ x: counted(i) }))["y"])).toEqual([i]);
      if (i % 300 === 0) sizes.push(session.memoryBytes);
    }
    expect(sizes[2]).toBe(sizes[1]);
    await session.release();
  });
});

it("of the programs that are kept the one goes that has not been run for longest", async () => {
  // A shape that is fed: a program for each content.
  const graph = build(
    { s: { type: "int64", shape: [1] } },
    { one: f32([1], [7]) },
    [["Expand", ["one", "s"], ["y"]]],
    ["y"],
  );
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  const write = vi.spyOn(Core.prototype, "write");
  const writes = async (size: number): Promise<number> => {
    const before = write.mock.calls.length;
    expect((await session.run({ s: i64(size) }))["y"]!.dims).toEqual([size]);
    return write.mock.calls.length - before;
  };
  // The largest first, so that the arena stays where it is and no program is written again for that.
  await writes(400);
  for (let size = 1; size < 256; size++) expect(await writes(size)).toBe(1);
  for (const size of [400, 1, 2, 255]) expect(await writes(size)).toBe(0);
  // Two more take the places of 3 and 4, then two of those of 5 and 6.
  for (const size of [300, 301]) expect(await writes(size)).toBe(1);
  for (const size of [400, 1, 2, 255, 300, 301, 5]) expect(await writes(size)).toBe(0);
  for (const size of [3, 4]) expect(await writes(size)).toBe(1);
  for (const size of [5, 3, 4, 400, 1]) expect(await writes(size)).toBe(0);
  for (const size of [6, 7]) expect(await writes(size)).toBe(1);
  write.mockRestore();
  await session.release();
});
