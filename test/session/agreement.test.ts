import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { argmax, cosine } from "../../examples/ocr/compare.ts";
import { InferenceSession, type Preset, Tensor } from "../../src/entries/index.ts";

/** Fashion-MNIST pictures with labels; see the folder's README. */
const COUNT = 200;
const file = inflateSync(readFileSync(new URL("../fixtures/fashion_mnist/pictures.bin", import.meta.url)));
const labels = file.subarray(0, COUNT);
const pictures = Float32Array.from(file.subarray(COUNT), (x) => (x / 255 - 0.286) / 0.353);

async function logits(onnx: Uint8Array, preset: Preset): Promise<Float32Array> {
  await using session = await InferenceSession.create(onnx, { preset });
  const { logits } = await session.run({ image: new Tensor("float32", pictures, [COUNT, 1, 28, 28]) });
  return logits!.data as Float32Array;
}

const classes = (values: Float32Array) => Array.from({ length: COUNT }, (_, i) => argmax(values, 10 * i, 10));

function leastCosine(a: Float32Array, b: Float32Array): number {
  const rows = Array.from({ length: COUNT }, (_, i) => [10 * i, 10 * i + 10] as const);
  return Math.min(...rows.map(([from, to]) => cosine(a.subarray(from, to), b.subarray(from, to))));
}

test("the fixture holds what its README says", () => {
  expect(file.length).toBe(COUNT * (1 + 28 * 28));
  expect(new Set(labels).size).toBe(10);
});

/**
 * Pictures whose class is that of float32, and the least cosine of the logits. Bounds one per cent or more below what 1,000 pictures gave:
 * faithful 1.000 for all three, fast 0.997 … 0.998, compact 0.965 … 0.996 (bench/agreement.mjs).
 */
describe.each([
  { name: "fmnist_resnet", right: 0.87, compact: [0.93, 0.9] },
  { name: "fmnist_mobilenet", right: 0.87, compact: [0.98, 0.98] },
  { name: "fmnist_vit", right: 0.77, compact: [0.95, 0.9] },
] as const)("$name on pictures", ({ name, right, compact }) => {
  const onnx = new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
  let reference: Float32Array;
  beforeAll(async () => {
    reference = await logits(onnx, "float32");
  });

  test("float32 classifies as it was trained to", () => {
    const hits = classes(reference).filter((c, i) => c === labels[i]).length;
    expect(hits / COUNT).toBeGreaterThan(right);
  });

  test.each<[Preset, readonly [number, number]]>([
    ["faithful", [0.995, 0.9999]],
    ["fast", [0.98, 0.99]],
    ["compact", compact],
  ])("%s gives the classes of float32", async (preset, [agreement, least]) => {
    const values = await logits(onnx, preset);
    const expected = classes(reference);
    const same = classes(values).filter((c, i) => c === expected[i]).length;
    expect(same / COUNT).toBeGreaterThanOrEqual(agreement);
    expect(leastCosine(values, reference)).toBeGreaterThan(least);
  });
});
