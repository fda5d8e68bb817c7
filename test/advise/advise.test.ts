import { describe, expect, test } from "vitest";
import { type Advice, advise } from "../../src/entries/advise.ts";
import { adviseCharts } from "../../src/experiments/advise-chart.ts";
import { plot } from "../../src/experiments/plot.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { checkPlan } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { network, towers } from "../quantize/networks.ts";

const onnx = writeOnnx(towers());
const vectors = (seed: number) => ({ x: new Tensor("float32", noise(2 * 48, seed), [2, 48]) });
const samples = [vectors(1), vectors(2)];

describe("advice", () => {
  test("reaches the target with fewer bytes than the same bits everywhere, by a plan with a reason on every line", async () => {
    for (const target of [{ error: 0.02 }, { agreement: 1 }, { bytes: 9000 }]) {
      const advice = await advise(onnx, { target, samples });
      checkPlan(advice.plan);
      for (const { reason } of Object.values(advice.plan.layers!)) expect(reason).not.toBe("");
      const { bytes } = await quantize(onnx, { plan: advice.plan });
      expect(bytes.length).toBe(advice.bytes);
      if ("error" in target) expect(advice.measured!.error).toBeLessThanOrEqual(target.error!);
      if ("agreement" in target) expect(advice.measured!.agreement).toBe(1);
      if ("bytes" in target) expect(bytes.length).toBeLessThanOrEqual(target.bytes!);
      else expect(bytes.length).toBeLessThan(advice.uniform!.bytes);
      expect(advice.measured!.inputs).toBe("2 given samples");
    }
  });

  test("says of each layer what it does alone, what it loses, and what it is due to", async () => {
    const { layers, summary, answers } = await advise(onnx, { target: { error: 0.02 }, samples });
    expect(layers.map(({ name }) => name)).toEqual(["stem", "loud", "quiet"]);
    const [stem, loud, quiet] = layers as [Advice["layers"][0], Advice["layers"][0], Advice["layers"][0]];
    for (const { errors } of [stem, loud]) {
      expect(errors.map(({ bits }) => bits)).toEqual([4, 8, 12, 16]);
      expect(errors.map(({ error }) => error)).toEqual(errors.map(({ error }) => error).sort((a, b) => b - a));
    }
    expect(loud.errors[0]!.error).toBeGreaterThan(100 * quiet.errors[0]!.error);
    expect(quiet.weights!.error).toBeGreaterThan(loud.weights!.error);
    expect(quiet.weights!.lost).toBeGreaterThan(loud.weights!.lost);
    expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(stem.activation).toMatchObject({ name: "relu", separates: true });
    expect(stem.activation!.values).toBe(2 ** stem.activation!.p);
    expect(summary).toMatch(/^\d+ bits suffice for \d of 3 layers.*Measured on 2 given samples: error .*, \d+ bytes; /);
    expect(answers.map(({ question }) => question)).toEqual([
      "Which layer first?",
      "Weights only?",
      "Does the regime predict my accuracy?",
    ]);
    expect(answers[0]!.answer).toMatch(/^Alone at 4 bits, these move the outputs most: (loud|stem) /);
  });

  test("without activations in integers less error is left, and is said", async () => {
    const { measured, weightsOnly } = await advise(onnx, { target: { error: 0.02 }, samples });
    expect(weightsOnly!.error).toBeLessThanOrEqual(1.05 * measured!.error);
    expect(weightsOnly!.error).toBeGreaterThan(0);
  });

  test("of a network that cannot be run is a plan for bytes from its weights", async () => {
    const graph = towers();
    const stopped = writeOnnx({
      ...graph,
      nodes: [...graph.nodes, { name: "w", op: "NonZero", domain: "", inputs: ["y"], outputs: ["z"], attributes: {} }],
      outputs: [{ name: "z", type: "int64", shape: undefined }],
    });
    const advice = await advise(stopped, { target: { bytes: 9000 } });
    expect(advice.measured).toBeUndefined();
    expect(advice.summary).toContain("nothing was measured");
    expect(advice.answers[0]!.answer).toBe("Not known: the network was not run.");
    await expect(advise(stopped, { target: { error: 0.1 } })).rejects.toThrow(
      "its NonZero is computed outside of the core",
    );
  });

  test("has the regime of ReLU networks, and why others have none", async () => {
    const about = await advise(onnx, { target: { error: 0.05 }, samples });
    expect(about.regime).toContain("Tanh");
    expect(about.answers.at(-1)!.answer).toMatch(/^No, and here it does not apply: /);
    const graph = towers();
    const nodes = graph.nodes.map((node) => (node.op === "Tanh" ? { ...node, op: "Relu" } : node));
    const relu = await advise(writeOnnx({ ...graph, nodes }), { target: { error: 0.05 }, samples });
    expect(relu.regime).toMatchObject({ bitsUnder: expect.any(Number), bitsOver: expect.any(Number) });
    for (const { regime } of relu.layers) expect(["under", "proper", "over"]).toContain(regime);
  });

  test("draws its layers", async () => {
    const svg = await plot(adviseCharts("network", await advise(writeOnnx(network()), { target: { error: 0.1 } })));
    for (const text of ["stem", "depthwise", "dense2", "activations", "16 bits"]) expect(svg).toContain(text);
  });

  test("needs a target", async () => {
    await expect(advise(onnx, {} as never)).rejects.toThrow('"target" expected { error }');
    await expect(advise(7 as never, { target: { error: 1 } })).rejects.toThrow('"onnx" expected');
  });
});
