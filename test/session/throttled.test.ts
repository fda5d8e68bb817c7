import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { serve } from "../../examples/progressive/serve.ts";
import { agreement, watch } from "../../examples/progressive/watch.ts";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";

it("a network answers from the first terms of a slow download, and sharpens to what the whole file gives", async () => {
  const onnx = readFileSync(new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url));
  const file = inflateSync(readFileSync(new URL("../fixtures/fashion_mnist/pictures.bin", import.meta.url)));
  const pictures = Float32Array.from(file.subarray(200, 200 + 50 * 784), (x) => (x / 255 - 0.286) / 0.353);
  const feeds = { image: new Tensor("float32", pictures, [50, 1, 28, 28]) };
  const { bytes } = await quantize(onnx, {
    plan: { version: 1, default: { bits: 4, weightTerms: 3, activationTerms: 3 } },
  });
  const float = await InferenceSession.create(onnx, { preset: "float32" });
  const reference = (await float.run(feeds))["logits"]!.data as Float32Array;
  const served = await serve(bytes, { rate: bytes.length / 2 });
  try {
    const stages = await watch(served, feeds);
    expect(stages.map(({ terms }) => terms)).toEqual([1, 2, 3]);
    const [first, , last] = stages;
    // The first terms are a third of the digits, beside the graph and what stays in float32.
    expect(first!.bytes).toBeLessThan(bytes.length * 0.75);
    expect(last!.bytes).toBe(bytes.length);
    for (const { terms, output } of stages) {
      const whole = await InferenceSession.create(bytes, { terms });
      expect(output).toEqual((await whole.run(feeds))["logits"]!.data);
    }
    const agreements = stages.map(({ output }) => agreement(output, reference, 10));
    expect(agreements[0]).toBeGreaterThan(0.5);
    expect(agreements[1]).toBeGreaterThanOrEqual(0.98);
    expect(agreements[2]).toBe(1);
    // Plain bit slices lose the answers: what they cut off has a mean.
    const slices = await quantize(onnx, {
      plan: { version: 1, default: { bits: 4, weightTerms: 3, activationTerms: 3, digits: "mixed" } },
    });
    const sliced = await InferenceSession.create(slices.bytes, { terms: 1 });
    const other = (await sliced.run(feeds))["logits"]!.data as Float32Array;
    expect(agreement(other, reference, 10)).toBeLessThan(agreements[0]!);
  } finally {
    await served.close();
  }
}, 60_000);
