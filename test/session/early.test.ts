// What types, attributes and known extents rule out is refused by `create` also where sizes are free: no feeds mend it.
import { describe, expect, it } from "vitest";
import type { Graph, ValueInfo } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec, node } from "../graph/build.ts";

async function said(graph: Graph): Promise<string | undefined> {
  const opening = InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  return opening
    .then((session) => session.release())
    .then(
      () => undefined,
      (error: Error & { code?: string }) => `${error.name} ${error.code}: ${error.message}`,
    );
}

const IMAGE = ["N", 4, "H", "W"] as const;
const of = (type: ElementType, ...shape: (string | number)[]) => ({ type, shape });
const scalar = (type: ElementType, value: number): Tensor =>
  new Tensor(type, (type === "int64" ? [BigInt(value)] : [value]) as never, []);

type Row = readonly [
  what: string,
  inputs: Parameters<typeof build>[0],
  constants: Record<string, Tensor>,
  node: NodeSpec,
  message: RegExp,
  opset?: number,
];

const pool = (op: string, attributes: object, message: RegExp): Row => [
  `${op} ${JSON.stringify(attributes)}`,
  { x: IMAGE },
  {},
  [op, ["x"], ["y"], attributes as never],
  message,
];
const conv = (op: string, shape: number[], attributes: object, message: RegExp): Row => [
  `${op} [${shape}] ${JSON.stringify(attributes)}`,
  { x: IMAGE },
  { w: f32(shape) },
  [op, ["x", "w"], ["y"], attributes as never],
  message,
];
const ROWS: readonly Row[] = [
  ...([[], [0], [1, 2]] as const).map(
    (shape): Row => [
      `a pool of [${shape}]`,
      { x: shape },
      {},
      ["LpPool", ["x"], ["y"], { kernel_shape: [1], strides: [1] }],
      /three dimensions/,
    ],
  ),
  pool("MaxPool", { kernel_shape: [2, 0] }, /kernel \[2,0\] does not fit/),
  pool("LpPool", { kernel_shape: [2, 2], pads: [2, 0, 0, 0] }, /"pads" \[2,0,0,0\] expected less/),
  pool("MaxPool", { kernel_shape: [2, 2], strides: [0, 1] }, /"strides" expected 2 integers ≥ 1/),
  pool("MaxPool", { kernel_shape: [2, 2], dilations: [1, 1, 1] }, /"dilations" expected 2 integers ≥ 1/),
  pool("MaxPool", {}, /kernel \[\] does not fit/),
  conv("Conv", [3, 4, 2, 2], { kernel_shape: [2, 3] }, /"kernel_shape" \[2,3\] is not that of the weights/),
  conv("Conv", [3, 4, 2, 2], { strides: [1, 0] }, /"strides" expected/),
  conv("Conv", [3, 4, 2, 2], { pads: [1, 1] }, /"pads" expected 4 integers/),
  conv("Conv", [3, 5, 2, 2], {}, /4 channels do not fit the weights/),
  conv("Conv", [4, 2, 2, 2], { group: 0 }, /"group" expected integer ≥ 1/),
  conv("ConvTranspose", [4, 2, 2, 2], { output_padding: [1] }, /"output_padding" expected 2 integers/),
  conv("ConvTranspose", [3, 2, 2, 2], {}, /4 channels do not fit the weights/),
  ["MatMul", { x: ["N", "M", 3] }, { w: f32([4, 2]) }, ["MatMul", ["x", "w"], ["y"]], /the matrices do not fit/],
  ["Gemm", { x: ["N", 3], w: [4, "K"] }, {}, ["Gemm", ["x", "w"], ["y"]], /the matrices do not fit/],
  ["Add", { x: ["N", 3, "M"] }, { w: f32([2, 4, 1]) }, ["Add", ["x", "w"], ["y"]], /the shapes do not broadcast/],
  [
    "Where",
    { c: of("bool", "N", 2), x: ["N", 3] },
    {},
    ["Where", ["c", "x", "x"], ["y"]],
    /the shapes do not broadcast/,
  ],
  [
    "Concat",
    { x: ["N", 3], z: [2, 4] },
    {},
    ["Concat", ["z", "x"], ["y"], { axis: 0 }],
    /input 1 does not fit along axis 0/,
  ],
  [
    "Col2Im",
    { x: ["N", "C", "L"], s: of("int64", 2), b: of("int64", 2) },
    {},
    ["Col2Im", ["x", "s", "b"], ["y"], { strides: [0, 1] }],
    /"strides" expected 2 integers ≥ 1/,
    18,
  ],
  [
    "GroupNormalization",
    { x: IMAGE },
    { s: f32([4]) },
    ["GroupNormalization", ["x", "s", "s"], ["y"], { num_groups: 0 }],
    /"num_groups" expected integer ≥ 1/,
    21,
  ],
  [
    "MaxUnpool",
    { x: IMAGE, i: of("int64", ...IMAGE) },
    {},
    ["MaxUnpool", ["x", "i"], ["y"]],
    /"kernel_shape" is missing/,
  ],
  [
    "Attention without heads",
    { x: ["N", "L", "D"] },
    {},
    ["Attention", ["x", "x", "x"], ["y"]],
    /expected a number of heads ≥ 1/,
    23,
  ],
  [
    "Attention with half a past",
    { x: ["N", 2, "L", 4], p: ["N", 2, "P", 4] },
    {},
    ["Attention", ["x", "x", "x", "", "p"], ["y"]],
    /go together/,
    23,
  ],
  [
    "GroupQueryAttention with a sink",
    { x: ["N", "L", "D"], n: of("int32", "N"), t: of("int32") },
    { sink: f32([2]) },
    [
      "com.microsoft/GroupQueryAttention",
      ["x", "x", "x", "", "", "n", "t", "", "", "", "", "sink"],
      ["y"],
      { num_heads: 2, kv_num_heads: 2 },
    ],
    /head_sink is not supported/,
  ],
  [
    "SVMClassifier without labels",
    { x: ["N", "F"] },
    {},
    ["ai.onnx.ml/SVMClassifier", ["x"], ["y", "z"], { coefficients: [1], rho: [1], vectors_per_class: [1, 1] }],
    /one of "classlabels_strings" and "classlabels_ints" is expected/,
  ],
  [
    "SVMClassifier with counts below 0",
    { x: ["N", "F"] },
    {},
    [
      "ai.onnx.ml/SVMClassifier",
      ["x"],
      ["y", "z"],
      { classlabels_ints: [1, 2], coefficients: [1], rho: [1], vectors_per_class: [-5, 6] },
    ],
    /"vectors_per_class" expected integers ≥ 0/,
  ],
  [
    "Softmax of opset 9 with two outputs",
    { x: ["N", 3] },
    {},
    ["Softmax", ["x"], ["z", "y"]],
    /output 1 is not supported/,
    9,
  ],
];

describe("with free sizes create refuses", () => {
  it.each([...ROWS])("%s", async (...row) => {
    const [, inputs, constants, spec, message, opset = 17] = row as unknown as Row;
    const graph = build(inputs as never, constants, [spec], [spec[2].at(-1)!], opset);
    const domains = { ...graph.opsets, "com.microsoft": 1, "ai.onnx.ml": 1 };
    expect(await said({ ...graph, opsets: domains })).toMatch(message);
  });
});

describe("what runs between programs", () => {
  const inner = (inputs: readonly ValueInfo[], nodes: readonly NodeSpec[], outputs: readonly ValueInfo[]): Graph => ({
    ...{ name: "body", opsets: { "": 17 }, inputs, outputs, initializers: new Map() },
    nodes: nodes.map((spec, i) => ({ ...node(spec, i), name: `inner ${spec[1]} ${i}` })),
  });
  const counted: readonly ValueInfo[] = [
    { name: "i", type: "int64", shape: [] },
    { name: "go", type: "bool", shape: [] },
  ];
  const body = inner(
    counted,
    [
      ["Identity", ["go"], ["on"]],
      ["Identity", ["i"], ["j"]],
    ],
    [
      { name: "on", type: "bool", shape: [] },
      { name: "j", type: "int64", shape: [] },
    ],
  );
  const branch = (name: string): Graph =>
    inner([], [["Relu", ["x"], [name]]], [{ name, type: "float32", shape: undefined }]);
  const branches = { then_branch: branch("p"), else_branch: branch("q") };
  const sequence: NodeSpec = ["SequenceConstruct", ["x", "x"], ["s"]];

  it.each<[string, NodeSpec[], RegExp]>([
    [
      "a trip count of float32",
      [["Loop", ["f", ""], ["z"], { body }]],
      /the trip count expected int64 \[\], got float32/,
    ],
    [
      "two trip counts",
      [["Loop", ["two", ""], ["z"], { body }]],
      /the trip count expected int64 \[\], got int64 \[2\]/,
    ],
    ["a condition of int64", [["Loop", ["", "n"], ["z"], { body }]], /the condition expected bool \[\], got int64/],
    ["an If on float32", [["If", ["f"], ["z"], branches]], /the condition expected bool \[\], got float32/],
    [
      "a trip count that is a sequence",
      [sequence, ["Loop", ["s", ""], ["z"], { body }]],
      /expected a tensor, got a seq/,
    ],
    ["SequenceAt of a tensor", [["SequenceAt", ["x", "n"], ["z"]]], /input 0 expected a sequence, got a tensor/],
    ["SequenceLength of a tensor", [["SequenceLength", ["x"], ["z"]]], /input 0 expected a sequence, got a tensor/],
    ["ConcatFromSequence of a tensor", [["ConcatFromSequence", ["x"], ["z"], { axis: 0 }]], /expected a sequence/],
    [
      "a position that is a fraction",
      [sequence, ["SequenceAt", ["s", "f"], ["z"]]],
      /a position expected int32 or int64/,
    ],
    [
      "two positions",
      [sequence, ["SequenceErase", ["s", "two"], ["z"]]],
      /a position expected int32 or int64 \[\], got int64 \[2\]/,
    ],
    [
      "a sequence in a sequence",
      [sequence, ["SequenceInsert", ["s", "s"], ["z"]]],
      /expected a tensor, got a sequence/,
    ],
    ["SplitToSequence by fractions", [["SplitToSequence", ["x", "f"], ["z"]]], /"split" expected int32 or int64/],
  ])("%s is refused", async (_, nodes, message) => {
    const inputs = { x: ["N", 2], f: of("float32"), n: of("int64"), two: of("int64", 2) };
    const graph = build(inputs as never, {}, [...nodes, ["Relu", ["x"], ["y"]]], ["y"]);
    const outputs = graph.nodes.some(({ outputs }) => outputs.includes("z"))
      ? [{ ...graph.outputs[0]!, name: "z" }]
      : [];
    expect(await said({ ...graph, outputs: [...graph.outputs, ...outputs] })).toMatch(message);
  });

  it("what fits is not", async () => {
    const loop: NodeSpec = ["Loop", ["n", "c"], ["z"], { body }];
    const at: NodeSpec = ["SequenceAt", ["s", "n"], ["y"]];
    const inputs = { x: ["N", 2], n: of("int64"), c: of("bool", 1) };
    expect(await said(build(inputs as never, { k: i64(0), o: scalar("int64", 0) }, [sequence, loop, at], ["y"]))).toBe(
      undefined,
    );
  });
});

describe("a Scan over no slabs", () => {
  const body = (w: Tensor): Graph => ({
    ...{ name: "body", opsets: { "": 17 }, initializers: new Map([["w", w]]) },
    inputs: [{ name: "slab", type: "float32", shape: undefined }],
    outputs: [{ name: "sum", type: "float32", shape: undefined }],
    nodes: [node(["Add", ["slab", "w"], ["sum"]])],
  });
  const scan = (z: Tensor, axis: number, w: Tensor): Graph => {
    const attributes = { body: body(w), num_scan_inputs: 1, scan_input_axes: [axis] };
    const nodes: NodeSpec[] = [
      ["Scan", ["z"], ["t"], attributes],
      ["Concat", ["x", "t"], ["y"], { axis: 0 }],
    ];
    return build({ x: ["N"] }, { z }, nodes, ["y"]);
  };

  it("never runs its body, which may then be what it likes", async () => {
    const session = await InferenceSession.create(writeOnnx(scan(f32([0, 2]), 0, f32([3]))), { preset: "float32" });
    const { y } = await session.run({ x: f32([4]) });
    expect(y!.dims).toEqual([4]);
    await session.release();
  });

  it("is not one over slabs that are empty, or along the other axis", async () => {
    expect(await said(scan(f32([2, 0]), 0, f32([3])))).toMatch(/the shapes do not broadcast/);
    expect(await said(scan(f32([0, 2]), -1, f32([3])))).toMatch(/the shapes do not broadcast/);
    expect(await said(scan(f32([2, 2]), 0, f32([3])))).toMatch(/the shapes do not broadcast/);
  });
});

describe("without channels", () => {
  // An extent of 0 in a file is a free one.
  it.each<[string, Parameters<typeof build>[0], Record<string, Tensor>, NodeSpec]>([
    ["Conv", { x: [1, 0, 4, 4] }, { w: f32([2, 0, 3, 3]) }, ["Conv", ["x", "w"], ["y"]]],
    ["Conv with fed weights", { x: [1, 0, 4], w: [2, 0, 3] }, {}, ["Conv", ["x", "w"], ["y"]]],
    [
      "DeformConv",
      { x: [1, 0, 4, 4] },
      { w: f32([2, 0, 3, 3]), o: f32([1, 18, 2, 2]) },
      ["DeformConv", ["x", "w", "o"], ["y"]],
    ],
  ])("%s is refused", async (_, inputs, constants, spec) => {
    const graph = build(inputs, constants, [spec], ["y"], 19);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const feeds = Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, f32(shape as number[])]));
    await expect(session.run(feeds)).rejects.toThrow(/a convolution expected at least one input channel/);
    await session.release();
  });

  it("LRN gives nothing", async () => {
    const graph = build({ x: [1, 0, 2, 2] }, {}, [["LRN", ["x"], ["y"], { size: 3 }]], ["y"]);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    expect((await session.run({ x: f32([1, 0, 2, 2]) }))["y"]!.dims).toEqual([1, 0, 2, 2]);
    await session.release();
  });
});
