import { describe, expect, test } from "vitest";
import { atOnce } from "../../src/core/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { evenColumns } from "../../src/quantize/even-columns.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { feedsOf, KINDS } from "../support/kinds/index.ts";

/** y = x · w, columns of the input weighing 1 and `small` in turn, some of them nothing at all; `twice` reads the matrix again. */
function network(small: number, { twice = false, behind = "" } = {}): Graph {
  const scale = (row: number) => (row === 3 ? 0 : row % 2 === 0 ? 1 : small);
  const w = new Tensor(
    "float32",
    noise(6 * 8, 1).map((v, i) => Math.fround(v * scale(Math.floor(i / 8)))),
    [6, 8],
  );
  const node = (name: string, op: string, inputs: string[], output: string) =>
    ({ name, op, domain: "", inputs, outputs: [output], attributes: {} }) as const;
  return {
    name: "g",
    opsets: { "": 17 },
    inputs: [{ name: "x", type: "float32", shape: ["N", 6] }],
    outputs: [{ name: "y", type: "float32", shape: undefined }],
    nodes: [
      ...(behind === "" ? [] : [node("before", behind, ["x"], "moved")]),
      node("product", "MatMul", [behind === "" ? "x" : "moved", "w"], "y"),
      ...(twice ? [node("again", "MatMul", ["x", "w"], "z")] : []),
    ],
    initializers: new Map([["w", w]]),
  };
}

describe("columns of inputs in units of their own", () => {
  test("are brought to one scale by powers of two, which the inputs are divided by", () => {
    const before = network(1e-3);
    const { nodes, initializers } = atOnce(evenColumns(before));
    expect(nodes.map(({ op, inputs }) => [op, ...inputs])).toEqual([
      ["Mul", "x", "w#columns"],
      ["MatMul", "product#columns", "w"],
    ]);
    const powers = initializers.get("w#columns")!.data as Float32Array;
    const [even, given] = [initializers, before.initializers].map((all) => all.get("w")!.data as Float32Array);
    const largest = (data: Float32Array, row: number) =>
      data.subarray(8 * row, 8 * row + 8).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    const most = Math.max(...[0, 1, 2, 3, 4, 5].map((row) => largest(given!, row)));
    for (let row = 0; row < 6; row++) {
      expect(Number.isInteger(Math.log2(powers[row]!))).toBe(true);
      for (let n = 0; n < 8; n++) expect(even![8 * row + n]! * powers[row]!).toBe(given![8 * row + n]!);
      if (row !== 3) expect(largest(even!, row)).toBeGreaterThan(most / 2);
      expect(largest(even!, row)).toBeLessThanOrEqual(most);
    }
  });

  test.each([
    ["columns within 64 times", network(1 / 32)],
    ["a matrix that is read twice", network(1e-3, { twice: true })],
    ["a layer behind a function", network(1e-3, { behind: "Exp" })],
  ])("%s stay as they are", (_, graph) => {
    expect(atOnce(evenColumns(graph))).toBe(graph);
  });

  test.each([[], [6], [6, 0], [0, 8], [2, 3, 8]])(
    "weights of shape %j, which no matrix is or which hold nothing, stay as they are",
    (...dims) => {
      const graph = network(0.001);
      const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => 1000 ** -(i % 3));
      const initializers = new Map([...graph.initializers, ["w", new Tensor("float32", data, dims)] as const]);
      const odd = { ...graph, initializers };
      expect(atOnce(evenColumns(odd))).toBe(odd);
    },
  );

  test("the float32 answers are the same bits", async () => {
    const onnx = writeOnnx(network(1e-3));
    await using session = await InferenceSession.create(onnx, { preset: "float32" });
    const x = noise(5 * 6, 2);
    const { y } = await session.run({ x: new Tensor("float32", x, [5, 6]) });
    const w = network(1e-3).initializers.get("w")!.data as Float32Array;
    const expected = Float32Array.from({ length: 5 * 8 }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < 6; k++)
        sum = Math.fround(sum + Math.fround(x[6 * Math.floor(i / 8) + k]! * w[8 * k + (i % 8)]!));
      return sum;
    });
    expect(y!.data).toEqual(expected);
  });

  // 0.12, 3.7e-2 and 0.18 before; with activations of eight bits, cosines of 0.06 to 0.9.
  test.each(KINDS.filter(({ name }) => name.includes("unequal scale")))("$name: no weight is lost", async (kind) => {
    const onnx = writeOnnx(kind.make());
    await using exact = await InferenceSession.create(onnx, { preset: "float32" });
    for (const [preset, most] of [
      ["faithful", 5e-4],
      ["fast", 6e-2],
    ] as const) {
      await using session = await InferenceSession.create(onnx, { preset });
      for (const n of [0, 1]) {
        const [got, expected] = [await session.run(feedsOf(kind, n)), await exact.run(feedsOf(kind, n))].map(
          (outputs) => Object.values(outputs)[0]!.data as Float32Array,
        );
        const top = expected!.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
        const off = expected!.reduce((a, v, i) => Math.max(a, Math.abs(v - got![i]!)), 0);
        expect(off / top, preset).toBeLessThan(most);
      }
    }
  });
});
