// What operators demand of their inputs where a definition leaves it open, and constants that several nodes read in different ways.
import { describe, expect, it } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, type NodeSpec } from "../graph/build.ts";
import { disagreement } from "../support/fuzz/agree.ts";
import { agreesNode, f32, i64, runModel, runNode } from "../support/run-node.ts";

describe("pools", () => {
  it.each(["MaxPool", "AveragePool", "LpPool"])("%s: pads are smaller than the kernel", async (op) => {
    const attributes = { kernel_shape: [2, 2], pads: [0, 0, 2, 0] };
    await expect(runNode({ op, inputs: [f32([1, 1, 4, 4])], attributes })).rejects.toThrow(
      /"pads" \[0,0,2,0\] expected less than the kernel \[2,2\]/,
    );
    await agreesNode({ op, inputs: [f32([1, 1, 4, 4])], attributes: { ...attributes, pads: [1, 0, 1, 1] } });
    // Pads do not count beside auto_pad.
    const auto = { ...attributes, auto_pad: "VALID" };
    expect((await runNode({ op, inputs: [f32([1, 1, 4, 4])], attributes: auto }))[0]!.dims).toEqual([1, 1, 3, 3]);
  });

  it("have no window over an empty axis, but may have no samples", async () => {
    const c = { op: "MaxPool", attributes: { kernel_shape: [2, 2], pads: [1, 0, 1, 0] } };
    await expect(runNode({ ...c, inputs: [f32([1, 1, 0, 4])] })).rejects.toThrow(/an empty axis/);
    expect((await runNode({ ...c, inputs: [f32([0, 1, 4, 4])] }))[0]!.dims).toEqual([0, 1, 5, 3]);
  });
});

describe("ConvTranspose of an empty axis", () => {
  it.each([[[]], [[1]]])("is the bias wherever the kernel reaches, weights constant: %j", async (constants) => {
    for (const strides of [
      [1, 1],
      [2, 1],
    ]) {
      const inputs = [f32([2, 1, 0, 3]), f32([1, 2, 4, 2]), f32([2], [0.5, -3])];
      const [y] = await runNode({ op: "ConvTranspose", inputs, constants, attributes: { strides } });
      const height = 4 - strides[0]!;
      expect(y!.dims).toEqual([2, 2, height, 4]);
      const channel = (value: number): number[] => new Array<number>(4 * height).fill(value);
      const sample = [...channel(0.5), ...channel(-3)];
      expect([...(y!.data as Float32Array)]).toEqual([...sample, ...sample]);
    }
  });

  it("has no output_shape", async () => {
    const inputs = [f32([1, 1, 0, 3]), f32([1, 1, 4, 2])];
    const attributes = { output_shape: [3, 4] };
    await expect(runNode({ op: "ConvTranspose", inputs, attributes })).rejects.toThrow(/an empty axis/);
  });
});

describe("Pad that crops one side by more than there is", () => {
  it.each([
    [0, [-1, 2]],
    [0, [2, -1]],
    [2, [-3, 5]],
    [2, [5, -3]],
    [2, [-2, 3]],
    [1, [-3, 3]],
  ] as const)("is the value where the other side adds: %i elements, pads %j", async (extent, [before, after]) => {
    const inputs = [f32([3, extent]), i64(0, before, 0, after), f32([], [9])];
    const made = extent + before + after;
    for (const constants of [[1, 2], [1], [0, 1, 2]]) {
      const [y] = await runNode({ op: "Pad", inputs, constants });
      expect(y!.dims).toEqual([3, made]);
      expect([...(y!.data as Float32Array)]).toEqual(new Array<number>(3 * made).fill(9));
    }
    for (const mode of ["edge", "reflect", "wrap"]) {
      await expect(runNode({ op: "Pad", inputs: inputs.slice(0, 2), attributes: { mode } })).rejects.toThrow(
        `mode "${mode}" cannot fill an axis without elements`,
      );
    }
  });

  it("needs no elements where the output has none", async () => {
    const inputs = [f32([0, 2]), i64(-1, -2, 1, 3)];
    for (const mode of ["constant", "edge", "reflect", "wrap"]) {
      const [y] = await runNode({ op: "Pad", inputs, attributes: { mode } });
      expect(y!.dims).toEqual([0, 3]);
    }
  });

  it.each([[[-3, 0]], [[1, -4]]])("is refused where nothing is left to take from: pads %j", async (amounts) => {
    const inputs = [f32([2]), i64(...amounts)];
    await expect(runNode({ op: "Pad", inputs })).rejects.toThrow("the pads crop more than there is");
  });
});

/** A graph over x [2, 4, 5, 6] and constants. */
async function agreesGraph(nodes: readonly NodeSpec[], constants: Record<string, Tensor>): Promise<void> {
  const outputs = nodes.map(([, , [name]]) => name!);
  const graph = build({ x: [2, 4, 5, 6] }, constants, nodes, outputs);
  const feeds = { x: f32([2, 4, 5, 6]) };
  expect(disagreement(graph, feeds, await runModel(graph, feeds))).toBeUndefined();
}

describe("constant weights that others read too", () => {
  const w = f32([4, 4, 3, 3]);
  it("in other groups, and transposed", async () => {
    await agreesGraph(
      [
        ["ConvTranspose", ["x", "w"], ["a"], { group: 2 }],
        ["ConvTranspose", ["x", "w"], ["b"], { group: 1 }],
        ["Conv", ["x", "w"], ["c"]],
        ["Conv", ["w", "w"], ["d"]],
      ],
      { w },
    );
  });

  it("as data, before and after", async () => {
    await agreesGraph(
      [
        ["GlobalAveragePool", ["w"], ["a"]],
        ["ConvTranspose", ["x", "w"], ["b"], { group: 2, dilations: [1, 2] }],
        ["MaxPool", ["w"], ["c"], { kernel_shape: [2, 2] }],
      ],
      { w },
    );
    await agreesGraph([["ConvTranspose", ["w", "w"], ["a"]]], { w });
    await agreesGraph([["Conv", ["w", "w"], ["a"]]], { w });
  });

  it("twice in an elementwise operator, with leading ones", async () => {
    const c = f32([1, 4, 5]);
    const [scale, bias] = [f32([4]), f32([4])];
    for (const op of ["PRelu", "Pow", "Add", "Less"]) {
      const nodes: readonly NodeSpec[] = [
        ["InstanceNormalization", ["c", "scale", "bias"], ["n"], { epsilon: 0.01 }],
        [op, ["c", "c"], ["y"]],
      ];
      await agreesGraph(nodes, { c, scale, bias });
    }
  });
});

it.each([
  [[3], [1, 3]],
  [[3], [1, 1]],
  [
    [2, 3],
    [2, 1, 1],
  ],
  [
    [1, 3],
    [2, 3],
  ],
])("PRelu of [%s] refuses a slope of [%s], which broadcasts the other way", async (x, slope) => {
  await expect(runNode({ op: "PRelu", opset: 17, inputs: [f32(x), f32(slope)] })).rejects.toThrow(
    `the slope [${slope}] expected to broadcast to the input [${x}]`,
  );
});

describe("recurrent operators", () => {
  const inputs = (directions: number): Tensor[] => [
    f32([3, 2, 4]),
    f32([directions, 12, 4]),
    f32([directions, 12, 3]),
    f32([directions, 24]),
  ];

  it.each(["forward", "bidirectional"])("have the directions that the attribute says: %s", async (direction) => {
    const count = direction === "forward" ? 1 : 2;
    const c = { op: "LSTM", outputs: 3, attributes: { hidden_size: 3, direction } };
    for (const constants of [[], [1, 2, 3]]) {
      await agreesNode({ ...c, inputs: inputs(count), constants });
      for (const [i, wrong] of inputs(count + 1).entries()) {
        if (i === 0) continue;
        const some = inputs(count).map((x, at) => (at === i ? wrong : x));
        await expect(runNode({ ...c, inputs: some, constants }), `input ${i}`).rejects.toThrow(/node "node/);
      }
    }
  });

  it("also of their states", async () => {
    const c = { op: "GRU", outputs: 2, attributes: { hidden_size: 3 } };
    const [x, w, r, b] = [f32([3, 2, 4]), f32([1, 9, 4]), f32([1, 9, 3]), f32([1, 18])];
    await agreesNode({ ...c, inputs: [x, w, r, b, "", f32([1, 2, 3])], constants: [] });
    await expect(runNode({ ...c, inputs: [x, w, r, b, "", f32([2, 2, 3])] })).rejects.toThrow(/node "node/);
  });
});

it("NaN of float64 outputs is the canonical one", async () => {
  const x = new Tensor("float64", Float64Array.of(-1, Number.NaN, 4, 0), [4]);
  new DataView((x.data as Float64Array).buffer).setBigUint64(8, 0xfff8_dead_beef_0001n, true);
  for (const op of ["Sqrt", "Identity"]) {
    const [y] = await runNode({ op, inputs: [x] });
    const bits = new BigUint64Array((y!.data as Float64Array).buffer);
    const nan = 0x7ff8_0000_0000_0000n;
    expect([...bits].filter((_, i) => Number.isNaN((y!.data as Float64Array)[i]))).toEqual(
      op === "Sqrt" ? [nan, nan] : [nan],
    );
  }
});

it("statistics of LayerNormalization are float32 for float64 inputs, as ONNX types them", async () => {
  const x = new Tensor("float64", Float64Array.of(1, 2, 3, 4, 6, 8), [2, 3]);
  const graph = build(
    { x: { type: "float64", shape: [2, 3] } },
    { s: new Tensor("float64", Float64Array.of(1, 1, 1), [3]) },
    [["LayerNormalization", ["x", "s"], ["y", "mean", "inverse"]]],
    ["y", "mean", "inverse"],
  );
  const session = await InferenceSession.create(writeOnnx(graph));
  const { y, mean, inverse } = await session.run({ x });
  expect([y!.type, mean!.type, inverse!.type]).toEqual(["float64", "float32", "float32"]);
  expect([...(mean!.data as Float32Array)]).toEqual([2, 6]);
});
