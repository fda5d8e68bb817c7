import { expect, test } from "vitest";
import type { Graph, Node } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { shareConstants } from "../../src/quantize/shared.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noiseTensor } from "../model/models.ts";

const node = (op: string, inputs: string[], output: string, attributes: Node["attributes"] = {}): Node => ({
  ...{ name: output, op, domain: "", inputs, outputs: [output], attributes },
});

/** A branch that transposes the weights for itself. */
function branch(name: string, op: string): Graph {
  return {
    ...{ name, opsets: { "": 17 }, inputs: [], initializers: new Map<string, Tensor>() },
    outputs: [{ name: `${name}.y`, type: "float32", shape: undefined }],
    nodes: [
      node("Transpose", ["w"], `${name}.t`, { perm: [1, 0] }),
      node("MatMul", ["x", `${name}.t`], `${name}.z`),
      node(op, [`${name}.z`], `${name}.y`),
    ],
  };
}

test("weights that two branches compute alike are stored once, and both read them", async () => {
  const graph: Graph = {
    ...{ name: "twice", opsets: { "": 17 } },
    inputs: [
      { name: "x", type: "float32", shape: [2, 64] },
      { name: "yes", type: "bool", shape: [] },
    ],
    outputs: [{ name: "y", type: "float32", shape: undefined }],
    nodes: [node("If", ["yes"], "y", { then_branch: branch("then", "Tanh"), else_branch: branch("else", "Relu") })],
    initializers: new Map<string, Tensor>([["w", noiseTensor([48, 64], 1)]]),
  };
  const onnx = writeOnnx(graph);
  for (const preset of ["float32", "fast"] as const) {
    const { bytes } = await quantize(onnx, { preset });
    const { graph: stored, weights } = readModel(bytes);
    const large = [...stored.initializers.values()].filter(({ size }) => size === 48 * 64);
    expect(large.length + weights.size).toBe(1);
    await using session = await InferenceSession.create(bytes);
    await using exact = await InferenceSession.create(onnx, { preset: "float32" });
    for (const yes of [true, false]) {
      const feeds = { x: noiseTensor([2, 64], 4), yes: new Tensor("bool", Uint8Array.of(Number(yes)), []) };
      const [a, b] = [(await session.run(feeds))["y"]!, (await exact.run(feeds))["y"]!];
      for (const [i, v] of (b.data as Float32Array).entries())
        expect(Math.abs((a.data as Float32Array)[i]! - v)).toBeLessThan(preset === "float32" ? 1e-6 : 0.2);
    }
  }
});

test("outputs, what the file names, and what is read in another way keep their names", () => {
  const w = noiseTensor([16, 16], 1);
  const copy = (): Tensor => new Tensor("float32", (w.data as Float32Array).slice(), [16, 16]);
  const graph: Graph = {
    ...{ name: "copies", opsets: { "": 17 } },
    inputs: [{ name: "x", type: "float32", shape: [2, 16] }],
    outputs: ["y", "d"].map((name) => ({ name, type: "float32" as const, shape: undefined })),
    nodes: [
      node("MatMul", ["x", "a"], "k"),
      node("MatMul", ["k", "b"], "l"),
      node("MatMul", ["l", "c"], "m"),
      node("MatMul", ["m", "d"], "n"),
      node("Add", ["n", "e"], "y"),
    ],
    initializers: new Map(["a", "b", "c", "d", "e"].map((name) => [name, copy()])),
  };
  const { initializers, nodes } = shareConstants(graph, new Set(["a"]));
  expect([...initializers.keys()]).toEqual(["a", "b", "d", "e"]);
  expect(nodes.map(({ inputs }) => inputs[1])).toEqual(["a", "b", "b", "d", "e"]);
});
