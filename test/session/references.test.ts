import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { locate, NETWORKS, randomPicture } from "../support/networks.ts";
import { deviation, type Reference, summarize } from "../support/references.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** max|a − b| / max|b| that float32 networks of this depth may differ by when sums are taken in another order; seen: at most 2.5e-5 (the detector). */
const TOLERANCE = 1e-4;

function reference(name: string): Reference {
  return JSON.parse(readFileSync(new URL(`../fixtures/references/${name}.json`, import.meta.url), "utf8")) as Reference;
}

describe.each(NETWORKS)("$name in float32 against onnxruntime", (network) => {
  const place = locate(network, ROOT);
  if ("missing" in place) {
    test(`not run, ${place.missing}`, ({ skip }) => skip(place.missing));
    return;
  }
  const bytes = new Uint8Array(readFileSync(place.path));
  test.each(["simd", "scalar"] as const)("%s", async (build) => {
    await using session = await InferenceSession.create(bytes, { preset: "float32", build });
    for (const { seed, shape, outputs } of reference(network.name).cases) {
      const input = new Tensor("float32", randomPicture(seed, shape, network), shape);
      const results = await session.run({ [network.input]: input });
      expect(Object.keys(results)).toEqual(Object.keys(outputs));
      for (const [name, summary] of Object.entries(outputs)) {
        expect(results[name]!.dims, name).toEqual(summary.dims);
        expect(deviation(results[name]!.data as Float32Array, summary), `${name} ${shape}`).toBeLessThanOrEqual(
          TOLERANCE,
        );
      }
    }
  });
});

describe("the check itself", () => {
  const dims = [10, 700];
  const data = Float32Array.from({ length: 7000 }, (_, i) => Math.sin(i * i));
  const summary = summarize(data, dims);

  test("accepts the same values, a whole fixture exactly", () => {
    expect(deviation(data, summary)).toBeLessThan(3.1e-5);
    expect(deviation(data.subarray(0, 700), summarize(data.subarray(0, 700), [700]))).toBe(0);
  });

  test.each([0, 1, 699, 700, 3333, 6999])("finds one element that is off, at %i", (at) => {
    const changed = data.slice();
    changed[at]! += 1.01e-4;
    expect(deviation(changed, summary)).toBeGreaterThan(TOLERANCE);
  });

  test("a NaN is no small deviation, and lengths must fit", () => {
    const broken = data.slice();
    broken[5]! = Number.NaN;
    expect(deviation(broken, summary)).toBeNaN();
    expect(() => deviation(data.subarray(1), summary)).toThrow('"data" expected 7000 elements, got 6999');
  });
});
