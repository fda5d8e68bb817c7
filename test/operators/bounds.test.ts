// The first and the last value that a rule allows, and the one beyond: where a comparison that is off by one would show.
import { describe, expect, it } from "vitest";
import { normalize } from "../../src/graph/index.ts";
import { ranksOf } from "../../src/graph/ranks.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, type NodeSpec } from "../graph/build.ts";
import { agreesNode, f32, i64, type NodeCase, runNode } from "../support/run-node.ts";

const indices = (dims: readonly number[]): Tensor =>
  new Tensor(
    "int64",
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(i % 2)),
    dims,
  );

describe("batch axes of GatherND", () => {
  const of = (data: number[], at: number[], batch_dims: number): NodeCase => ({
    op: "GatherND",
    inputs: [f32(data), indices(at)],
    attributes: { batch_dims },
  });
  it.each([
    [[2, 3], [2, 1], 0],
    [[2, 3], [2, 1], 1],
    [[2, 3, 2], [2, 3, 1], 2],
    [[2, 3, 2], [2, 1], 1],
    [[2, 2], [1, 2], 0],
  ] as [number[], number[], number][])("%j at %j, %i: taken", async (data, at, batch) => {
    const c = of([...data], [...at], batch);
    const [y] = await runNode(c);
    const depth = at.at(-1)!;
    expect(y!.dims).toEqual([...at.slice(0, -1), ...data.slice(batch + depth)]);
    const inner = data.slice(batch + depth).reduce((a, b) => a * b, 1);
    const rows = at.slice(batch, -1).reduce((a, b) => a * b, 1);
    const perBatch = data.slice(batch).reduce((a, b) => a * b, 1);
    const expected = Array.from({ length: y!.size }, (_, i) => {
      const tuple = Math.floor(i / inner);
      let offset = 0;
      for (let k = 0; k < depth; k++)
        offset = offset * data[batch + k]! + Number(c.inputs[1] === "" ? 0 : c.inputs[1]!.data[tuple * depth + k]);
      return Number(f32([...data]).data[Math.floor(tuple / rows) * perBatch + offset * inner + (i % inner)]);
    });
    expect([...(y!.data as Float32Array)]).toEqual(expected);
  });
  it.each([
    [[2, 3], [2, 1], 2, "0..1, got 2"],
    [[2, 3], [2, 1], -1, "0..1, got -1"],
    [[2, 3, 4], [2, 1], 2, "0..1, got 2"],
    [[2], [2, 1], 1, "0..0, got 1"],
  ] as const)("%j at %j, %i: refused", async (data, at, batch, why) =>
    expect(runNode(of([...data], [...at], batch))).rejects.toThrow(why),
  );
});

describe("output_shape of ConvTranspose", () => {
  it("with an output padding, which is part of what is reached", async () => {
    const of = (extent: number): NodeCase => ({
      ...{ op: "ConvTranspose", inputs: [f32([1, 1, 3]), f32([1, 1, 3])] },
      attributes: { strides: [3], output_padding: [1], output_shape: [extent] },
    });
    // 2·3 + 1 + 2 + 1 with the padding; one more is left open by the stride.
    for (const extent of [9, 10, 11]) expect((await runNode(of(extent)))[0]!.dims).toEqual([1, 1, extent]);
    await expect(runNode(of(12))).rejects.toThrow("expected 1 extents in 1..[11]");
  });

  // Three inputs, a kernel of 3: 2·stride + 3 are reached, stride − 1 more are left open.
  it.each([1, 2, 3])("with stride %i", async (stride) => {
    const of = (extent: number): NodeCase => ({
      ...{ op: "ConvTranspose", inputs: [f32([1, 1, 3]), f32([1, 1, 3])] },
      attributes: { strides: [stride], output_shape: [extent] },
    });
    const most = 2 * stride + 3 + stride - 1;
    for (const extent of [1, 2, most - 1, most]) await agreesNode(of(extent));
    for (const extent of [0, -1, most + 1])
      await expect(runNode(of(extent))).rejects.toThrow(`expected 1 extents in 1..[${most}]`);
  });
});

describe("scales and zero points along an axis", () => {
  const bytes = (dims: readonly number[]): Tensor =>
    new Tensor(
      "uint8",
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 41) % 256),
      dims,
    );
  const shapes = [[4], [2, 3], [2, 3, 4], [3, 1, 2, 2]];
  it.each(
    shapes.flatMap((dims) =>
      dims.flatMap((extent, axis) => [axis, axis - dims.length].map((at) => [dims, at, extent] as const)),
    ),
  )("%j along %i", async (dims, axis, extent) => {
    const scale = f32(
      [extent],
      Array.from({ length: extent }, (_, i) => (i + 1) / 16),
    );
    const zero = new Tensor(
      "uint8",
      Array.from({ length: extent }, (_, i) => 100 + i),
      [extent],
    );
    for (const more of [[scale], [scale, zero]]) {
      await agreesNode({ op: "DequantizeLinear", opset: 19, inputs: [bytes(dims), ...more], attributes: { axis } });
      await agreesNode({ op: "QuantizeLinear", opset: 19, inputs: [f32(dims), ...more], attributes: { axis } });
    }
  });
});

describe("products that do not fit", () => {
  it.each([
    [
      [2, 3],
      [4, 2],
    ],
    [[3], [2]],
    [[2, 3], [2]],
    [[3], [2, 3]],
    [
      [2, 2, 3],
      [3, 3, 2],
    ],
    [[], [2]],
    [[2], []],
  ])("%j by %j", async (a, b) =>
    expect(runNode({ op: "MatMul", inputs: [f32(a), f32(b)] })).rejects.toThrow(/do not fit|no matrix product/),
  );
  it.each([
    [[3], [3]],
    [[3], [3, 2]],
    [[2, 3], [3]],
    [
      [1, 3],
      [3, 1],
    ],
    [
      [2, 1, 2, 3],
      [4, 3, 2],
    ],
    [[4, 2, 3], [3]],
    [[3], [4, 3, 2]],
  ])("%j by %j, which do", async (a, b) => agreesNode({ op: "MatMul", inputs: [f32(a), f32(b)] }));
});

describe("MultiHeadAttention of onnxruntime", () => {
  const of = (q: number[], k: number[], v: number[], num_heads = 2): NodeCase => ({
    ...{ op: "MultiHeadAttention", domain: "com.microsoft", attributes: { num_heads } },
    inputs: [f32(q), f32(k), f32(v)],
  });
  it.each<[string, NodeCase, string]>([
    [
      "keys of another batch",
      of([1, 2, 4], [2, 3, 4], [2, 3, 4]),
      "query and key expected the same batch, heads and size",
    ],
    [
      "keys of another size",
      of([1, 2, 4], [1, 3, 6], [1, 3, 4]),
      "query and key expected the same batch, heads and size",
    ],
    ["fewer values than keys", of([1, 2, 4], [1, 3, 4], [1, 2, 4]), "key and value do not fit"],
    ["more values than keys", of([1, 2, 4], [1, 3, 4], [1, 4, 4]), "key and value do not fit"],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
  it("takes values of another size", async () => {
    const [y] = await runNode(of([1, 2, 4], [1, 3, 4], [1, 3, 6]));
    expect(y!.dims).toEqual([1, 2, 6]);
  });
});

describe("the rank of a Reshape to part of a shape", () => {
  const spans = [0, 1, 2, 4, 9, -1, -3, -9].flatMap((start) =>
    [0, 1, 3, 4, 9, -1, -2, -9].map((end) => [start, end] as const),
  );
  it.each(spans)("from %i to %i", (start, end) => {
    const nodes: NodeSpec[] = [
      ["Shape", ["x"], ["s"]],
      ["Slice", ["s", "from", "to"], ["part"]],
      ["Reshape", ["x", "part"], ["y"]],
    ];
    const graph = build({ x: ["a", "b", "c", "d"] }, { from: i64(start), to: i64(end) }, nodes, ["y"]);
    expect(ranksOf(normalize(graph)).rank("y")).toBe([0, 1, 2, 3].slice(start, end).length);
  });

  it.each([
    [[0, 1], 2],
    [[3], 1],
    [[1, 2, 0], 3],
  ])("and of places %j", (at, rank) => {
    const nodes: NodeSpec[] = [
      ["Shape", ["x"], ["s"]],
      ["Gather", ["s", "at"], ["part"]],
      ["Reshape", ["x", "part"], ["y"]],
    ];
    const graph = build({ x: ["a", "b", "c", "d"] }, { at: i64(...at) }, nodes, ["y"]);
    expect(ranksOf(normalize(graph)).rank("y")).toBe(rank);
  });
});
