// What `create` accepts, `run` runs: what no feeds can run is refused beforehand, and inspect says so too.
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { inspect, quantize } from "../../src/quantize/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32, type NodeSpec } from "../graph/build.ts";

/** What create and inspect say of a model and of its container. */
async function refusals(graph: Graph): Promise<unknown[]> {
  const onnx = writeOnnx(graph);
  const { bytes } = await quantize(onnx, { preset: "float32" });
  const said = [];
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
    expect(await refusals(graph)).toEqual([undefined, undefined, undefined, undefined]);
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
    expect(await refusals(graph)).toEqual([undefined, undefined, undefined, undefined]);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const feeds = (c: number) => ({ x: f32([2, 3]), c: new Tensor("bool", [c], []) });
    expect((await session.run(feeds(1)))["y"]!.dims).toEqual([2, 3]);
    await expect(session.run(feeds(0))).rejects.toThrow(/\(MatMul, opset 17\)/);
    await session.release();
  });
});
