import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { type Graph, type Node, specialize } from "../../src/graph/index.ts";
import { topological } from "../../src/graph/order.ts";
import { UniqueNames } from "../../src/graph/passes/names.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { processorTime } from "../support/processor-time.ts";
import { f32 } from "./build.ts";

type Made = [op: string, inputs: string[], outputs: string[], attributes?: Node["attributes"]];

/** Nodes that are all named alike, as some exporters write them. */
function model(shape: number[], made: Made[], initializers: Record<string, Tensor>, output: string): Uint8Array {
  return writeOnnx(graphOf(shape, made, initializers, [output]));
}

function graphOf(shape: number[], made: Made[], initializers: Record<string, Tensor>, outputs: string[]): Graph {
  const nodes = made.map(([op, inputs, outputs, attributes = {}]) => ({
    ...{ name: "same", domain: "", op, inputs, outputs, attributes },
  }));
  return {
    ...{ name: "large", opsets: { "": 17 }, nodes, initializers: new Map(Object.entries(initializers)) },
    inputs: [{ name: "x", type: "float32", shape }],
    outputs: outputs.map((name) => ({ name, type: "float32", shape: undefined })),
  };
}

function chain(count: number, make: (value: string, i: number) => [string, string[]]): Made[] {
  return Array.from({ length: count }, (_, i): Made => {
    const [op, inputs] = make(i === 0 ? "x" : `v${i - 1}`, i);
    return [op, inputs, [`v${i}`]];
  });
}

/** CPU seconds of this process for opening and running a model. */
async function seconds(bytes: Uint8Array, shape: number[], preset: "float32" | "fast" = "float32"): Promise<number> {
  const start = processorTime();
  const session = await InferenceSession.create(bytes, { preset });
  const { length } = Object.keys(await session.run({ x: f32(shape) }));
  await session.release();
  expect(length).toBe(1);
  return (processorTime() - start) / 1000;
}

/** A linear time grows fourfold with four times the nodes, a quadratic one sixteenfold. */
async function growsLinearly(time: (count: number) => Promise<number>, count: number): Promise<void> {
  await time(count >> 2);
  const small = Math.max(await time(count >> 2), 0.05);
  expect((await time(count)) / small).toBeLessThan(9);
}

describe("time is linear in the size of the file", () => {
  const relus = (n: number) => chain(n, (v, i) => (i % 2 === 0 ? ["Relu", [v]] : ["Add", [v, "x"]]));

  it.each<[string, (n: number) => Promise<number>, number]>([
    ["a chain of nodes of one name", (n) => seconds(model([1, 4], relus(n), {}, `v${n - 1}`), [1, 4]), 16_000],
    [
      "values that all live to the end",
      (n) => {
        const nodes = chain(n, (v) => ["Sigmoid", [v]]);
        const all = nodes.map(([, , [out]]) => out!);
        return seconds(model([1, 4], [...nodes, ["Concat", all, ["y"], { axis: 0 }]], {}, "y"), [1, 4]);
      },
      8000,
    ],
    [
      "convolutions that share their weights",
      (n) =>
        seconds(
          model(
            [1, 2, 2, 2],
            chain(n, (v) => ["Conv", [v, "w"]]),
            { w: f32([2, 2, 1, 1]) },
            `v${n - 1}`,
          ),
          [1, 2, 2, 2],
          "fast",
        ),
      2000,
    ],
    [
      "products by one number",
      (n) =>
        seconds(
          model(
            [1, 4],
            chain(n, (v) => ["Mul", [v, "s"]]),
            { s: new Tensor("float32", [1.0001], []) },
            `v${n - 1}`,
          ),
          [1, 4],
        ),
      8000,
    ],
    [
      "constants that are outputs",
      async (n) => {
        const names = Array.from({ length: n }, (_, i) => `c${i}`);
        const constants = Object.fromEntries(names.map((name, i) => [name, f32([1], [i])]));
        const graph = graphOf([1], [["Sum", ["x", ...names], ["y"]], ...relus(n)], constants, ["y", ...names]);
        const start = processorTime();
        expect(specialize(graph, { x: { type: "float32", shape: [1] } }).nodes.length).toBeGreaterThan(n);
        return (processorTime() - start) / 1000;
      },
      4000,
    ],
  ])("%s", (_, time, count) => growsLinearly(time, count));
});

describe("names", () => {
  it("are numbered as if every number were tried, in as many steps as there are names", () => {
    const names = new UniqueNames();
    expect(["a", "a", "a_2", "a", "a_2", "a"].map((base) => names.unique(base))).toEqual([
      ...["a", "a_1", "a_2", "a_3", "a_2_1", "a_4"],
    ]);
    for (let i = 0; i < 200_000; i++) names.unique("same");
    expect(names.unique("same")).toBe("same_200000");
  });
});

describe("topological order", () => {
  const node = (name: string, ...inputs: string[]): Node => ({
    ...{ name, op: "Concat", domain: "", inputs, outputs: [name], attributes: {} },
  });

  it("looks at a node with many inputs twice, and takes those in their order", () => {
    const values = Array.from({ length: 200_000 }, (_, i) => `v${i}`);
    const nodes = [{ ...node("all"), inputs: values }, ...values.map((v) => node(v, "x"))];
    const sorted = topological(nodes, new Set(["x"]));
    expect(sorted.map((n) => n.name)).toEqual([...values, "all"]);
  });

  it("names a cycle behind a node that has other inputs too", () => {
    const nodes = [node("a", "x", "c", "b"), node("b", "a"), node("c", "x")];
    expect(() => topological(nodes, new Set(["x"]))).toThrow('the graph has a cycle: "a" → "b" → "a"');
  });
});
