import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Graph } from "../../../src/graph/graph.ts";
import { writeOnnx } from "../../../src/onnx/index.ts";
import { Tensor } from "../../../src/tensor/index.ts";
import { build, f32 } from "../../graph/build.ts";
import { interpret } from "../oracle/index.ts";
import { disagreement } from "./agree.ts";
import { judge } from "./judge.ts";
import { randomGraph } from "./random-graph.ts";
import { SEEDS } from "./seeds.ts";

const SCRIPT = fileURLToPath(new URL("../../slow/fuzz.mjs", import.meta.url));
/** Rows whose sums, after the weights of a product, are 0.5 and 0.75 of terms of two millions. */
const ROWS = {
  product: [2e6, -1e6 + 0.25, 0, -2e6, 0.375, 2e6 / 3],
  sum: [2e6, -2e6, 0.5, -1e6, 1e6, 0.75],
};
/** About a minute of one core of 2024; `npm run fuzz` does a million. */
const COUNT = 20_000;

// The short form of `npm run fuzz`.
it(`finds no fault in ${COUNT} random and damaged models`, { timeout: 3_600_000 }, () => {
  const { stdout } = spawnSync(process.execPath, [SCRIPT, "--json", "--count", String(COUNT)], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  const { counts, faults } = JSON.parse(stdout.trim().split("\n").at(-1)!) as {
    counts: Record<string, number>;
    faults: unknown[];
  };
  expect(faults).toEqual([]);
  expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(COUNT);
  // An input must get past the reader often enough for its answer to say something.
  expect(counts["agree"]).toBeGreaterThan(COUNT / 40);
  expect(counts["ok"]).toBeGreaterThan(COUNT / 10);
});

it.each(SEEDS.map((seed, i) => [i, seed.graph.name, seed] as const))(
  "seed %i runs as it is: %s",
  async (_, __, { graph, feeds }) => {
    expect(await judge(writeOnnx(graph), feeds)).toEqual({ outcome: "ok" });
  },
);

it("gives the same graph for the same seed", () => {
  expect(writeOnnx(randomGraph(7).graph)).toEqual(writeOnnx(randomGraph(7).graph));
  expect(writeOnnx(randomGraph(7).graph)).not.toEqual(writeOnnx(randomGraph(8).graph));
});

it("sees an answer that is not the model's", async () => {
  const told = build({ x: [3] }, { b: f32([1], [1]) }, [["Add", ["x", "b"], ["y"]]], ["y"]);
  const meant = build({ x: [3] }, { b: f32([1], [1]) }, [["Sub", ["x", "b"], ["y"]]], ["y"]);
  const feeds = { x: new Tensor("float32", [1, 2, 3]) };
  expect(await judge(writeOnnx(told), feeds, told)).toEqual({ outcome: "agree" });
  expect((await judge(writeOnnx(told), feeds, meant)).outcome).toBe("differs");
});

it("knows that 1 + erf is 0 in float32 far below 0, and how far below", async () => {
  const graph = build({ x: [1] }, {}, [["Gelu", ["x"], ["y"]]], ["y"], 20);
  const feeds = { x: new Tensor("float32", [-5.5], [1]) };
  expect(await judge(writeOnnx(graph), feeds, graph)).toEqual({ outcome: "agree" });
  const y = (value: number) => ({ y: new Tensor("float32", [value], [1]) });
  expect(disagreement(graph, feeds, y(0))).toBeUndefined();
  expect(disagreement(graph, feeds, y(-0.001))).toMatch(/"y"\[0\] = /);
});

it.each<[string, Graph]>([
  ["a product", build({ x: [2, 3] }, { w: f32([3, 1], [1, 2, 3]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"])],
  ["the logarithm of a sum", build({ x: [2, 3] }, {}, [["ReduceLogSum", ["x"], ["y"], { axes: [1] }]], ["y"], 13)],
])("holds %s whose terms cancel to the magnitude of these, and no longer than that", (_, graph) => {
  // Σ|x·w| is some 4e6, of which float32 knows a quarter at best, and what is left of the sums is below one.
  const x = new Tensor("float32", graph.nodes[0]!.op === "MatMul" ? ROWS.product : ROWS.sum, [2, 3]);
  const exact = interpret(graph, { x }).get("y")!;
  const off = (by: number) => {
    const y = Float32Array.from(exact.data as Float32Array, (v) => v + by);
    return disagreement(graph, { x }, { y: new Tensor("float32", y, exact.dims) });
  };
  expect(off(0.25)).toBeUndefined();
  expect(off(1000)).toMatch(/"y"\[\d\] = /);
});
