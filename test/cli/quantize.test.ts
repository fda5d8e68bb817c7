import { describe, expect, test } from "vitest";
import { reportTable } from "../../src/cli/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { noiseTensor } from "../model/models.ts";
import { towers } from "../quantize/networks.ts";

const last = (text: string): string => text.split("\n").at(-1)!;
const coarse = { bits: 2, weightTerms: 1, activationTerms: 0 } as const;

describe("what quantize prints", () => {
  test("a promise that is kept", async () => {
    const { report } = await quantize(writeOnnx(towers()));
    expect(last(reportTable(report))).toMatch(
      /^measured error \S+e-\d+, asked for 0\.0007, predicted \S+ on x \[1x48\]: tones and 1\/f noise in -0\.5…0\.5 \(guessed\)$/,
    );
  });

  test("a promise that cannot be kept, since a layer is given two bits: what is reached, and a container all the same", async () => {
    const plan = { version: 1, default: coarse, layers: { loud: coarse } } as const;
    const { report, bytes } = await quantize(writeOnnx(towers()), { preset: "faithful", plan });
    const { tolerance, measured } = report.check!;
    expect(measured).toBeGreaterThan(tolerance);
    expect(last(reportTable(report))).toContain(
      `measured error ${measured!.toExponential(1)}, no plan was found that keeps the 0.0007 asked for, predicted`,
    );
    await using session = await InferenceSession.create(bytes);
    expect((await session.run({ x: noiseTensor([1, 48], 5) }))["y"]!.dims).toEqual([1, 32]);
  });

  test("why nothing was measured", async () => {
    const outputs = [...towers().outputs, { name: "s", type: "string" as const, shape: undefined }];
    const graph = towers();
    const same = { name: "same", op: "Identity", domain: "", inputs: ["t"], outputs: ["s"], attributes: {} };
    const inputs = [...graph.inputs, { name: "t", type: "string" as const, shape: [1] }];
    const { report } = await quantize(writeOnnx({ ...graph, inputs, outputs, nodes: [...graph.nodes, same] }));
    expect(last(reportTable(report))).toBe('not measured: its input "t" is string');
  });

  test("a plan of another network is refused by name, with what this one has", async () => {
    const plan = { version: 1, default: coarse, layers: { nowhere: coarse } } as const;
    for (const about of [{ plan }, { plan, preset: "fast" }] as const)
      await expect(quantize(writeOnnx(towers()), about)).rejects.toThrow(
        '"plan.layers" expected names of linear layers or of their weights, got "nowhere"; the network has "stem", "loud", "quiet"',
      );
  });
});
