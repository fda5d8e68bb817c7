// What `create` accepts, `run` runs: what no feeds can run is refused beforehand, and inspect says so too.
import { describe, expect, it } from "vitest";
import type { Attribute, Graph } from "../../src/graph/index.ts";
import { writeModel } from "../../src/model/index.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { inspect, quantize, quantizeGraph } from "../../src/quantize/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";

const RUNS = [undefined, undefined, undefined, undefined, undefined];

/** What quantize says of a model, and create and inspect of it and of a container of it, as earlier releases wrote them whether they ran or not. */
async function refusals(graph: Graph): Promise<unknown[]> {
  const onnx = writeOnnx(graph);
  const bytes = writeModel(await quantizeGraph(readOnnx(onnx), { preset: "float32" }));
  const quantized = quantize(onnx, { preset: "float32", check: false });
  const said: unknown[] = [await quantized.then(() => undefined).catch((error: Error) => error.message)];
  for (const source of [onnx, bytes]) {
    const opened = InferenceSession.create(source, { preset: source === onnx ? "float32" : undefined } as object);
    said.push(await opened.then(() => undefined).catch((error: Error) => error.message));
    said.push((await inspect(source)).refused);
  }
  return said;
}

const MISFITS: readonly (readonly [string, readonly NodeSpec[], RegExp])[] = [
  ["shapes that do not broadcast", [["Add", ["x", "w"], ["y"]]], /\(Add, opset 17\)/],
  ["a product of other extents", [["MatMul", ["x", "w"], ["y"]]], /\(MatMul, opset 17\)/],
  [
    "far down",
    [
      ["Relu", ["x"], ["a"]],
      ["Flatten", ["a"], ["b"]],
      ["Gemm", ["b", "w"], ["y"]],
    ],
    /\((Gemm|MatMul), opset 17\)/,
  ],
];

describe("with static inputs", () => {
  it.each(MISFITS)("%s are refused", async (_, nodes, message) => {
    for (const said of await refusals(build({ x: [2, 3, 4] }, { w: f32([5, 7]) }, nodes, ["y"])))
      expect(said).toMatch(message);
  });

  it("a model that runs is not", async () => {
    const graph = build({ x: [2, 7] }, { w: f32([7, 5]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
    expect(await refusals(graph)).toEqual(RUNS);
  });
});

describe("with free sizes", () => {
  it("types that do not fit are refused, shapes are left to the run", async () => {
    const [w, d] = [f32([5, 7]), new Tensor("float64", new Float64Array(3), [3])];
    for (const said of await refusals(build({ x: ["N", 3] }, { d }, [["Add", ["x", "d"], ["y"]]], ["y"])))
      expect(said).toMatch(/\(Add, opset 17\): input 1 expected type float32 as input 0, got float64/);
    for (const said of await refusals(build({ x: ["N", "M"] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y"])))
      expect(said).toBeUndefined();
  });

  it("freeDimensionOverrides count as sizes", async () => {
    const onnx = writeOnnx(build({ x: ["N", "M"] }, { w: f32([5, 7]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
    const create = (M: number) => InferenceSession.create(onnx, { freeDimensionOverrides: { N: 2, M } });
    await expect(create(6)).rejects.toThrow(/\(MatMul, opset 17\)/);
    await (await create(5)).release();
  });
});

describe("branches of an If", () => {
  const branch = (nodes: readonly NodeSpec[], name: string): Graph => {
    const graph = build({}, {}, nodes, [name]);
    return { ...graph, nodes: graph.nodes.map((node) => ({ ...node, name: `${node.name}/${name}` })) };
  };
  const model = (node: NodeSpec): Graph =>
    build(
      { x: [2, 3], c: { type: "bool", shape: [] } },
      { d: new Tensor("float64", new Float64Array(3), [3]) },
      [["If", ["c"], ["y"], { then_branch: branch([["Relu", ["x"], ["p"]]], "p"), else_branch: branch([node], "q") }]],
      ["y"],
    );

  it("are held to types", async () => {
    for (const said of await refusals(model(["Add", ["x", "d"], ["q"]])))
      expect(said).toMatch(/\(Add, opset 17\): input 1 expected type float32 as input 0, got float64/);
  });

  it("but not to shapes: exporters write some that are never taken", async () => {
    const graph = model(["MatMul", ["x", "x"], ["q"]]);
    expect(await refusals(graph)).toEqual(RUNS);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const feeds = (c: number) => ({ x: f32([2, 3]), c: new Tensor("bool", [c], []) });
    expect((await session.run(feeds(1)))["y"]!.dims).toEqual([2, 3]);
    await expect(session.run(feeds(0))).rejects.toThrow(/\(MatMul, opset 17\)/);
    await session.release();
  });
});

/** A graph whose body comes behind a value that no feeds' shapes tell, so that the check has to go on beyond it. */
function withBody(op: "Loop" | "Scan" | "If", body: readonly NodeSpec[], count: Tensor | undefined): Graph {
  const inputs = {
    If: {},
    Loop: { i: { type: "int64", shape: [] }, go: { type: "bool", shape: [] }, s: [2, 3] },
    Scan: { s: [3] },
  }[op];
  const named = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map((n) => ({ ...n, name: `inner ${n.name}` })),
  });
  const made = named(build(inputs as never, {}, body, op === "Loop" ? ["go", "q"] : ["q"]));
  const attributes: Record<string, Attribute> = {
    If: { then_branch: made, else_branch: named(build({}, {}, [["Relu", ["x"], ["r"]]], ["r"])) },
    Loop: { body: made },
    Scan: { body: made, num_scan_inputs: 1 },
  }[op];
  const node: NodeSpec = [op, { If: ["c"], Loop: ["n", "", "x"], Scan: ["x"] }[op], ["y"], attributes];
  const counted = { n: { type: "int64", shape: [] } } as const;
  return build(
    {
      x: [2, 3],
      ...(op === "If" && { c: { type: "bool", shape: [] } }),
      ...(op === "Loop" && count === undefined && counted),
    },
    {
      d: new Tensor("float64", new Float64Array(3), [3]),
      w: f32([5, 7]),
      zero: i64(0),
      ...(count !== undefined && { n: count }),
    },
    [node],
    ["y"],
  );
}

const MANY = new Tensor("int64", [3n], []);

describe("bodies", () => {
  const wrongType: NodeSpec = ["Add", ["s", "d"], ["q"]];
  it.each([
    ["Loop", [wrongType], undefined, /\(Add, opset 17\): input 1 expected type float32 as input 0, got float64/],
    ["Scan", [wrongType], undefined, /\(Add, opset 17\): input 1 expected type float32 as input 0, got float64/],
    ["Loop", [["Transpose", ["s"], ["q"], { perm: [0, 1, 2] }]], undefined, /Transpose/],
    ["Loop", [["Slice", ["s", "zero", "zero", "zero", "zero"], ["q"]]], undefined, /a step is 0/],
    ["Loop", [["Gather", ["s", "i"], ["q"], { axis: 5 }]], undefined, /axis 5 expected one of a tensor of rank 2/],
    ["Loop", [["MatMul", ["s", "w"], ["q"]]], MANY, /\(MatMul, opset 17\): the matrices do not fit/],
    ["Scan", [["MatMul", ["s", "w"], ["q"]]], undefined, /\(MatMul, opset 17\): the matrices do not fit/],
    ["If", [["Add", ["x", "d"], ["q"]]], undefined, /got float64/],
  ] as const)("of a %s: what they cannot do for whatever feeds is refused (%#)", async (op, body, count, message) => {
    for (const said of await refusals(withBody(op, body as never, count))) expect(said).toMatch(message);
  });

  it.each([
    ["Loop", [["MatMul", ["s", "w"], ["q"]]], undefined],
    ["Loop", [["MatMul", ["s", "w"], ["q"]]], new Tensor("int64", [0n], [])],
    ["If", [["Transpose", ["x"], ["q"], { perm: [0, 1, 2] }]], undefined],
  ] as const)("of a %s: extents of a body that may not run are left to the run (%#)", async (op, body, count) => {
    expect(await refusals(withBody(op, body as never, count))).toEqual(RUNS);
  });
});

describe("behind what depends on data", () => {
  const behind = (node: NodeSpec, shape: readonly (number | string)[] = [2, 3]): Graph =>
    build(
      { x: shape as number[] },
      { d: new Tensor("float64", new Float64Array(3), [3]), w: f32([5, 7]) },
      [["NonZero", ["x"], ["i"]], node],
      ["y"],
    );

  it.each([
    [["Add", ["i", "d"], ["y"]], /\(Add, opset 17\): input 1 expected type int64 as input 0, got float64/],
    [["Transpose", ["i"], ["y"], { perm: [0, 1, 2] }], /Transpose/],
    [["MatMul", ["x", "w"], ["y"]], /the matrices do not fit/],
  ] as const)("what is known counts (%#)", async (node, message) => {
    for (const said of await refusals(behind(node as never))) expect(said).toMatch(message);
  });

  it("what is not known does not", async () => {
    expect(await refusals(behind(["MatMul", ["x", "w"], ["y"]], ["N", "M"]))).toEqual(RUNS);
    expect(await refusals(behind(["Slice", ["w", "i", "i"], ["y"]]))).toEqual(RUNS);
  });
});

describe("what we do not have", () => {
  const ones = (n: number): number[] => new Array<number>(n).fill(1);
  const resized = (shape: number[], scales: number[], attributes = {}, type = "float32"): Graph =>
    build(
      { x: { type: type as "float32", shape } },
      { s: f32([scales.length], scales) },
      [["Resize", ["x", "", "s"], ["y"], { mode: "linear", ...attributes }]],
      ["y"],
      19,
    );
  const pooled = (op: string, rank: number): Graph =>
    build({ x: [1, 2, ...ones(rank).map(() => 3)] }, {}, [[op, ["x"], ["y"], { kernel_shape: ones(rank) }]], ["y"]);
  it.each([
    [
      "linear Resize of bytes",
      resized([1, 2, 4, 4], [1, 1, 2, 2], {}, "uint8"),
      /mode "linear" is not supported for uint8/,
    ],
    ["MaxPool over four axes", pooled("MaxPool", 4), /at most three spatial axes, got 4/],
    ["AveragePool over four axes", pooled("AveragePool", 4), /at most three spatial axes, got 4/],
    [
      "ConvTranspose over four axes",
      build({ x: [1, 1, 3, 3, 3, 3], w: [1, 1, 1, 1, 1, 1] }, {}, [["ConvTranspose", ["x", "w"], ["y"]]], ["y"]),
      /at most three spatial axes, got 4/,
    ],
    [
      "cubic GridSample over three axes",
      build(
        { x: [1, 1, 3, 3, 3], g: [1, 2, 2, 2, 3] },
        {},
        [["GridSample", ["x", "g"], ["y"], { mode: "cubic" }]],
        ["y"],
        20,
      ),
      /cubic interpolation expected an input of four dimensions/,
    ],
    [
      "DepthToSpace of strings",
      build(
        { x: { type: "string", shape: [1, 4, 1, 1] } },
        {},
        [["DepthToSpace", ["x"], ["y"], { blocksize: 2 }]],
        ["y"],
      ),
      /strings are not supported/,
    ],
    [
      "Gemm of integers by a fraction",
      build({ x: { type: "int32", shape: [2, 2] } }, {}, [["Gemm", ["x", "x"], ["y"], { alpha: 0.25 }]], ["y"]),
      /"alpha" = 0.25 of int32 is not supported/,
    ],
    [
      "an output of AveragePool that it has not",
      build({ x: [1, 1, 4] }, {}, [["AveragePool", ["x"], ["y", "z"], { kernel_shape: [2] }]], ["y", "z"]),
      /output 1 is not supported/,
    ],
    [
      "an output of an operator that becomes others",
      build({ x: [1, 2, 3] }, { s: i64(1, 1, 2, 3) }, [["AffineGrid", ["x", "s"], ["y", "z"]]], ["y", "z"], 20),
      /output 1 is not supported/,
    ],
  ] as const)("%s is refused by create, not by the first run", async (_, graph, message) => {
    for (const said of await refusals(graph)) expect(said).toMatch(message);
  });

  it("an If without a condition, and lists of ai.onnx.ml that are none", async () => {
    const body = build({}, {}, [["Relu", ["x"], ["p"]]], ["p"]);
    const If = build({ x: [2] }, {}, [["If", [""], ["y"], { then_branch: body, else_branch: body }]], ["y"]);
    const encoder = (values: Attribute): Graph => ({
      ...build(
        { x: { type: "string", shape: [1] } },
        {},
        [["ai.onnx.ml/LabelEncoder", ["x"], ["y"], { keys_strings: ["a"], values_int64s: values }]],
        ["y"],
      ),
      opsets: { "": 17, "ai.onnx.ml": 2 },
    });
    const create = (graph: Graph) => InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    await expect(create(If)).rejects.toThrow(/the condition is missing/);
    await expect(create(encoder(5))).rejects.toThrow(/"values_int64s" expected integers/);
    await expect(create(encoder([0.5]))).rejects.toThrow(/"values_int64s" expected (integers|a list)/);
  });

  it("two last axes of any rank are resized", async () => {
    for (const shape of [
      [2, 2],
      [1, 2, 2],
      [1, 1, 2, 2],
      [1, 1, 1, 2, 2],
    ]) {
      const graph = resized(shape, [...ones(shape.length - 2), 2, 1], { mode: "nearest" });
      const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
      const { y } = await session.run({ x: f32(shape, [1, 2, 3, 4]) });
      expect([...(y!.data as Float32Array)]).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
      await session.release();
    }
  });

  it.each(["uint8", "int8"] as const)("bytes are picked by nearest neighbours: %s", async (type) => {
    const graph = resized([1, 1, 2, 2], [1, 1, 2, 2], { mode: "nearest" }, type);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const { y } = await session.run({ x: new Tensor(type, [1, 2, 3, 100], [1, 1, 2, 2]) });
    expect([y!.type, ...(y!.data as Uint8Array)]).toEqual([
      type,
      1,
      1,
      2,
      2,
      1,
      1,
      2,
      2,
      3,
      3,
      100,
      100,
      3,
      3,
      100,
      100,
    ]);
    await session.release();
  });
});
