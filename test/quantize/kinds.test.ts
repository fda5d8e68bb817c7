import { describe, expect, test } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { differenceOf } from "../support/kinds/difference.ts";
import { feedsOf, KINDS, type Kind } from "../support/kinds/index.ts";

/** Names of all on the web are in a file as they are; below this size they weigh more than weights. */
const SMALL = 5000;

/** What structure alone does not see: activations that saturate an attention, and a picture whose edges are as steep as tanh. Measured plans keep the promise. */
const MEASURED = new Set(["decoder with huge activations", "pictures by transposed convolutions"]);

async function off(kind: Kind, bytes: Uint8Array, onnx: Uint8Array): Promise<number> {
  await using exact = await InferenceSession.create(onnx, { preset: "float32" });
  await using session = await InferenceSession.create(bytes);
  let most = 0;
  for (const n of [0, 1])
    most = Math.max(most, differenceOf(await session.run(feedsOf(kind, n)), await exact.run(feedsOf(kind, n))).largest);
  return most;
}

describe("networks of kinds that no preset was made on are within 2e-3 of float32 under faithful", () => {
  test.each(KINDS)("$name", async (kind) => {
    const onnx = writeOnnx(kind.make());
    const isMeasured = MEASURED.has(kind.name);
    const { bytes } = await quantize(onnx, { check: isMeasured, ...(kind.range && { inputRange: kind.range }) });
    expect(await off(kind, bytes, onnx)).toBeLessThan(2e-3);
    if (onnx.length > SMALL) expect(bytes.length).toBeLessThan(onnx.length);
  });
});

test("tables get bits where they err most, and layers stay small", async () => {
  const kind = KINDS.find(({ name }) => name === "decoder with huge activations")!;
  const onnx = writeOnnx(kind.make());
  const { bytes, report } = await quantize(onnx);
  // With tables of 12 bits come what may, all layers went to float32, 0.93 of the file, and it was off by 1.2e-2 all the same.
  expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
  expect(bytes.length / onnx.length).toBeLessThan(0.7);
  // Its table is in float32, or at least has more bits than by structure.
  expect(report.layers.find(({ op }) => op === "Gather")?.plan.weightBits ?? 32).toBeGreaterThan(13);
  // Bits that the caller gives stay.
  const plan = { version: 2, default: { bits: 4, weightTerms: 2, activationTerms: 2 }, tables: 8 } as const;
  const given = await quantize(onnx, { preset: "fast", plan });
  expect(given.report.layers.find(({ op }) => op === "Gather")!.plan).toMatchObject({ weightTerms: 2, weightBits: 8 });
});
