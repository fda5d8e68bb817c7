import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { stackedTables } from "../../src/quantize/stacked-tables.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../model/models.ts";

/** Five matrices of 6 × 16, looked up and multiplied with. */
function experts(how: "Gather" | "GatherND", type: "int32" | "int64" = "int64"): Graph {
  const stack = new Tensor("float32", noise(5 * 6 * 16, 1), [5, 6, 16]);
  const constants = { stack, last: new Tensor("int64", BigInt64Array.of(-1n), [1]) };
  const at = how === "Gather" ? "which" : "tuples";
  const io = { which: { type, shape: ["N", 2] }, x: { type: "float32" as const, shape: ["N", 2, 1, 6] } };
  return build(
    io,
    constants,
    [
      ...(how === "Gather" ? [] : [["Unsqueeze", ["which", "last"], ["tuples"], {}] as const]),
      [how, ["stack", at], ["own"], {}],
      ["MatMul", ["x", "own"], ["y"], {}],
    ] as never,
    ["y", "own"],
    21,
  );
}

const X = new Tensor("float32", noise(3 * 2 * 6, 2), [3, 2, 1, 6]);
const WHICH = [0, 4, -1, 2, -5, 3];

describe("matrices that are looked up in a stack", () => {
  test.each([
    ["Gather", "int64"],
    ["Gather", "int32"],
    ["GatherND", "int64"],
  ] as const)("by %s of %s, from the end too, are the same by their rows", async (how, type) => {
    const graph = experts(how, type);
    const data = type === "int64" ? BigInt64Array.from(WHICH, BigInt) : Int32Array.from(WHICH);
    const feeds = { which: new Tensor(type, data as never, [3, 2]), x: X };
    const { own, y } = await run(writeOnnx(graph), feeds, "float32");
    const stack = graph.initializers.get("stack")!.data as Float32Array;
    expect(own!.dims).toEqual([3, 2, 6, 16]);
    WHICH.forEach((place, i) => {
      const at = ((place + 5) % 5) * 96;
      expect(own!.data.slice(96 * i, 96 * i + 96)).toEqual(stack.slice(at, at + 96));
    });
    const { bytes, report } = await quantize(writeOnnx(graph), { preset: "compact", check: false });
    expect(report.layers.filter(({ op }) => op === "Gather").map(({ shape }) => shape)).toEqual([[30, 16]]);
    const coarse = await run(bytes, feeds, undefined);
    const largest = (y!.data as Float32Array).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    (y!.data as Float32Array).forEach((v, i) => {
      expect(Math.abs((coarse["y"]!.data as Float32Array)[i]! - v)).toBeLessThan(0.1 * largest);
    });
  });

  test.each([
    ["an output", (g: Graph) => ({ ...g, outputs: [...g.outputs, { ...g.outputs[0]!, name: "stack" }] })],
    ["a constant that is multiplied too", (g: Graph) => withReader(g, "MatMul", ["x", "stack"])],
    ["a stack that is cut along another axis", (g: Graph) => withReader(g, "Gather", ["stack", "last"], { axis: 1 })],
  ])("stays as it is: %s", (_, changed) => {
    const graph = changed(experts("Gather"));
    expect(stackedTables(graph)).toBe(graph);
  });

  test("coordinates of unknown length stay", () => {
    const graph = experts("GatherND");
    const nodes = graph.nodes.map((node) => (node.op === "Unsqueeze" ? { ...node, op: "Identity" } : node));
    const other = { ...graph, nodes };
    expect(stackedTables(other)).toBe(other);
  });
});

function withReader(graph: Graph, op: string, inputs: string[], attributes = {}): Graph {
  const node = { name: "more", op, domain: "", inputs, outputs: ["more"], attributes };
  return { ...graph, nodes: [...graph.nodes, node] };
}

async function run(bytes: Uint8Array, feeds: Record<string, Tensor>, preset: "float32" | undefined) {
  const session = await InferenceSession.create(bytes, preset === undefined ? {} : { preset });
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}
