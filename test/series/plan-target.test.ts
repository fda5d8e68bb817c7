import { expect, test } from "vitest";
import { checkPlan, expand, plan } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";

const layer = (name: string, size: number, spread: number) => ({
  name,
  weights: new Tensor(
    "float32",
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size) * (i % 8 === 0 ? spread : 1)),
    [8, size / 8],
  ),
  axis: 0,
});
const layers = [layer("small", 64, 6), layer("large", 4096, 6), layer("zero", 64, 0)];
layers[2]!.weights.data.fill(0);
const terms = async (target: Parameters<typeof plan>[1]["target"]) => {
  const made = await plan(layers, { target });
  checkPlan(made);
  return Object.fromEntries(Object.entries(made.layers!).map(([name, { weightTerms }]) => [name, weightTerms]));
};

test("the fewest terms that keep an error", async () => {
  expect(await terms({ relativeError: 1 })).toEqual({ small: 1, large: 1, zero: 1 });
  expect(await terms({ relativeError: 0.03 })).toEqual({ small: 2, large: 2, zero: 1 });
  expect(await terms({ relativeError: 0.002 })).toEqual({ small: 3, large: 3, zero: 1 });
  await expect(plan(layers, { target: { relativeError: 1e-9 } })).rejects.toThrow(
    /expected at least .* for layer "small"/,
  );
});

test("a budget goes to small, fragile layers first, and is kept", async () => {
  const one = 32 + 2048 + 32;
  await expect(plan(layers, { target: { bytes: one - 1 } })).rejects.toThrow(`"target.bytes" expected at least ${one}`);
  expect(await terms({ bytes: one })).toEqual({ small: 1, large: 1, zero: 1 });
  expect(await terms({ bytes: one + 32 })).toEqual({ small: 2, large: 1, zero: 1 });
  expect(await terms({ bytes: one + 32 + 2048 })).toMatchObject({ large: 2, zero: 1 });
  expect(await terms({ bytes: 1e9 })).toEqual({ small: 4, large: 4, zero: 1 });
});

test("what a budget leaves goes to the layer with the most squared error for each of its weights", async () => {
  const seen = new Set<string>();
  for (let spread = 2; spread < 60; spread += 4) {
    const both = [layer("few", 64, spread), layer("many", 256, 2)];
    const urgencies = await Promise.all(
      both.map(async ({ name, weights, axis }) => {
        const { relativeError } = await expand(weights, { axis, bits: 4, terms: 1 });
        return { name, urgency: relativeError ** 2 / weights.size };
      }),
    );
    const most = urgencies.reduce((best, one) => (one.urgency > best.urgency ? one : best)).name;
    seen.add(most);
    // Enough for the larger one's second term, not for both.
    const { layers: planned } = await plan(both, { target: { bytes: 32 + 128 + 128 } });
    if (most === "many") expect(planned!["many"]!.weightTerms, `spread ${spread}`).toBe(2);
    else expect(planned!["few"]!.weightTerms, `spread ${spread}`).toBeGreaterThan(1);
  }
  expect([...seen].length).toBeGreaterThan(0);
});
