import fc from "fast-check";
import { expect, test } from "vitest";
import { randomIntegers } from "../../src/core/random.ts";
import { clamp, maximum, rdiv, rdivBig } from "../../src/fixed-point/arithmetic.ts";
import { createNetwork, evaluate, networkFromJson, networkSize, networkToJson } from "../../src/fixed-point/network.ts";
import { inputAt, inputCount } from "../../src/fixed-point/targets.ts";
import { verify } from "../../src/fixed-point/verify.ts";
import { vectors } from "./vectors.ts";

const published = vectors("networks").map((entry) => ({
  ...entry,
  network: createNetwork({
    p: entry.p,
    s: entry.s,
    activation: entry.act,
    layers: entry.layers.map(({ W, B }) => ({ inputs: W[0]!.length, outputs: B.length, weights: W.flat(), biases: B })),
  }),
}));

test("division rounds to the nearest, ties away from zero, and equals BigInt arithmetic", () => {
  expect([7, 8, 9, -7, -8, -9, 0].map((t) => rdiv(t, 6))).toEqual([1, 1, 2, -1, -1, -2, 0]);
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 2 ** 20 }), (t, s) => {
      expect(rdiv(t, s)).toBe(Number(rdivBig(BigInt(t), BigInt(s))));
    }),
  );
});

test("neurons equal the published vectors", () => {
  for (const { p, s, B, w, x, out } of vectors("neuron")) {
    const network = createNetwork({
      p,
      s,
      activation: "identity",
      layers: [{ inputs: w.length, outputs: 1, weights: w, biases: [B] }],
    });
    expect(evaluate(network, x)).toEqual([out]);
  }
});

test("networks give the published outputs, one by one and exhaustively", async () => {
  for (const { network, outputs, p, d, stats, act_table } of published) {
    expect([...network.table]).toEqual(act_table);
    expect(outputs.map((_, i) => evaluate(network, inputAt(i, p, d))[0])).toEqual(outputs);
    expect(await verify(network, outputs)).toEqual({ ok: true, evaluated: outputs.length });
    expect(networkSize(network)).toMatchObject({ parameters: stats.params, nonZero: stats.nnz, widths: stats.widths });
  }
});

test("the first counterexample is found", async () => {
  for (const { network, outputs, p, d } of published) {
    const m = maximum(p);
    const wrong = outputs.map((y, i) => (i % 5 === 3 ? (y === m ? m - 1 : y + 1) : y));
    expect(await verify(network, wrong)).toEqual({
      ok: false,
      evaluated: 4,
      counterexample: { input: inputAt(3, p, d), expected: [wrong[3]], actual: [outputs[3]] },
    });
  }
});

test("the SIMD kernel equals plain evaluation on random networks of odd shapes, large biases and several outputs", async () => {
  const random = randomIntegers(5);
  for (let i = 0; i < 40; i++) {
    const p = random(1, 9);
    const m = maximum(p);
    const d = p <= 3 ? random(1, 3) : 1;
    const widths = [d, ...Array.from({ length: random(0, 3) }, () => random(1, 19)), random(1, 3)];
    const reach = 10 ** random(0, 7);
    const network = createNetwork({
      p,
      s: random(1, 3 * m),
      activation: ["identity", "relu", "gelu", "cos"][i % 4]!,
      layers: widths.slice(1).map((outputs, l) => ({
        inputs: widths[l]!,
        outputs,
        weights: Array.from({ length: outputs * widths[l]! }, () => random(-m, m)),
        biases: Array.from({ length: outputs }, () => random(-reach, reach)),
      })),
    });
    const f = (...x: number[]): number[] => evaluate(network, x);
    const total = inputCount(p, d);
    expect(await verify(network, f)).toEqual({ ok: true, evaluated: total });
    const target = random(0, total - 1);
    let at = 0;
    const spoiled = (...x: number[]): number[] =>
      f(...x).map((y, o) => (at++ === target * widths.at(-1)! + o && o === 0 ? (y === 0 ? 1 : 0 - y) : y));
    const found = await verify(network, spoiled).catch((error: unknown) => error);
    expect(found).toMatchObject({ ok: false, evaluated: target + 1 });
  }
});

test("sums beyond 2^53 are exact", async () => {
  const network = createNetwork({
    p: 2,
    s: 2 ** 20,
    activation: "identity",
    layers: [
      { inputs: 1, outputs: 2, weights: [3, -3], biases: [2 ** 52, 1 - 2 ** 52] },
      { inputs: 2, outputs: 1, weights: [1, 1], biases: [0] },
    ],
  });
  expect(evaluate(network, [1])).toEqual([0]);
  expect(clamp(2 ** 52, 3)).toBe(3);
  expect(await verify(network, () => 0)).toEqual({ ok: true, evaluated: 7 });
});

test("networks survive JSON", () => {
  for (const { network } of published) {
    expect(networkFromJson(JSON.parse(JSON.stringify(networkToJson(network))))).toEqual(network);
  }
});

test("progress is reported and an abort is obeyed", async () => {
  const wide = { inputs: 2, outputs: 400, weights: new Int32Array(800), biases: new Float64Array(400) };
  const network = createNetwork({
    p: 7,
    s: 1,
    activation: "relu",
    layers: [
      wide,
      { ...wide, inputs: 400, weights: new Int32Array(160_000) },
      { inputs: 400, outputs: 1, weights: new Int32Array(400), biases: [0] },
    ],
  });
  const controller = new AbortController();
  const seen: number[] = [];
  const aborted = verify(network, () => 0, {
    signal: controller.signal,
    onProgress: ({ loaded, total }) => {
      expect(total).toBe(255 ** 2);
      seen.push(loaded);
      if (seen.length === 3) controller.abort(new Error("enough"));
    },
  });
  await expect(aborted).rejects.toThrow("enough");
  expect(seen).toHaveLength(3);
  expect(seen[2]).toBeLessThan(255 ** 2);
});

test("bad networks, inputs and tables are named", async () => {
  const layer = { inputs: 1, outputs: 1, weights: [1], biases: [0] };
  const make = (...layers: unknown[]) =>
    createNetwork({ p: 2, s: 1, activation: "relu", layers: layers as (typeof layer)[] });
  expect(() => make()).toThrow('"layers" expected at least one layer');
  expect(() => make({ ...layer, weights: [4] })).toThrow('"layers[0].weights" expected integers in -3..3, got 4 at 0');
  expect(() => make({ ...layer, weights: [1, 2] })).toThrow('"layers[0].weights" expected 1 integers, got 2');
  expect(() => make({ ...layer, biases: [0.5] })).toThrow(RangeError);
  expect(() => make(layer, { ...layer, inputs: 2, weights: [1, 1] })).toThrow('"layers[1].inputs" expected 1');
  const network = make(layer);
  expect(() => evaluate(network, [4])).toThrow(RangeError);
  expect(() => evaluate(network, [1, 1])).toThrow('"x" expected 1 integers, got 2');
  await expect(verify(network, [1, 2])).rejects.toThrow('"f" expected a table of 7 entries, got 2');
  await expect(verify(network, [0, 0, 0, 0, 0, 0, 9])).rejects.toThrow(
    '"f" expected integers in -3..3, got 9 at input (3)',
  );
  await expect(verify(network, () => Number.NaN)).rejects.toThrow("got NaN at input (-3)");
  await expect(verify(network, null as unknown as number[])).rejects.toThrow(TypeError);
  expect(() => networkFromJson({})).toThrow(TypeError);
  expect(() => networkFromJson({ ...networkToJson(network), version: 2 })).toThrow('"version" expected 1, got 2');
});
