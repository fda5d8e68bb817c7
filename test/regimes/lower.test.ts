import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { denseJson, denseNetwork } from "../../src/regimes/dense.ts";
import { digitsOf } from "../../src/regimes/digits.ts";
import { bitLength, dyadic, formatDyadic, parseDyadic } from "../../src/regimes/dyadic.ts";
import { type LowerOptions, lowerPrecision } from "../../src/regimes/lower.ts";
import { lowerLayer, provesEqual } from "../../src/regimes/lower-layer.ts";
import {
  type DyadicNetwork,
  denseLayer,
  evaluate,
  evaluateRational,
  networkSize,
  type RationalPoint,
} from "../../src/regimes/network.ts";
import { evaluateSliced, sliceNetwork } from "../../src/regimes/slices.ts";
import { random } from "./helpers.ts";

function randomNetwork(dims: readonly number[], a: number, b: number, seed: number, density = 1): DyadicNetwork {
  const next = random(seed);
  const limit = 2 ** (a + b);
  const value = () => dyadic(next() < density ? BigInt(Math.floor(next() * (2 * limit + 1)) - limit) : 0n, b);
  return {
    inputs: dims[0]!,
    layers: dims.slice(1).map((outputs, l) =>
      denseLayer(
        Array.from({ length: outputs }, () => Array.from({ length: dims[l]! }, value)),
        Array.from({ length: outputs }, value),
      ),
    ),
  };
}

/** Points that lie on no grid: odd denominators, far out and near. */
function points(inputs: number, count: number, seed: number): RationalPoint[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const denominator = BigInt(2 * Math.floor(next() * 500_000) + 3);
    const reach = 10 ** Math.floor(next() * 9);
    return {
      numerators: Array.from({ length: inputs }, () => BigInt(Math.floor((next() - 0.5) * reach))),
      denominator,
    };
  });
}

type Value = ReturnType<typeof evaluateRational>;

function same(x: Value, y: Value): boolean {
  return (
    x.numerators.length === y.numerators.length &&
    x.numerators.every((value, i) => value << BigInt(y.exponent) === y.numerators[i]! << BigInt(x.exponent))
  );
}

interface Vector {
  g: number;
  naf: boolean;
  orig: { W: string[][]; b: string[] }[];
  conv: { W: string[][]; b: string[] }[];
  x: string[][];
  y: string[][];
}
const vectors = JSON.parse(
  readFileSync(new URL("../vectors/converted_nets.json", import.meta.url), "utf8"),
) as Vector[];
const read = (layers: Vector["orig"]) => denseNetwork(layers.map(({ W, b }) => ({ weights: W, bias: b })));

describe.each(vectors)("vector with $g fractional bits", (vector) => {
  test("original, given conversion and ours give the given outputs", async () => {
    const original = read(vector.orig);
    const converted = read(vector.conv);
    const own = await lowerPrecision(original, vector.g);
    for (const [k, x] of vector.x.entries()) {
      for (const network of [original, converted, own.network])
        expect(evaluate(network, x.map(parseDyadic)).map(formatDyadic)).toEqual(vector.y[k]);
    }
    expect(own.depth).toBeLessThanOrEqual(networkSize(converted).depth);
    expect(own.nonZero).toBeLessThanOrEqual(networkSize(converted).nonZero);
    expect(denseNetwork(denseJson(original))).toEqual(original);
  });
});

describe("200 random networks and more", () => {
  const shapes = [
    [1, 3, 1],
    [2, 5, 4, 2],
    [3, 8, 8, 2],
    [5, 2, 7, 3, 1],
    [4, 6],
  ];
  const formats: readonly (readonly [number, number, number, LowerOptions])[] = [
    [0, 7, 1, {}],
    [0, 7, 1, { recoding: "signed" }],
    [0, 7, 2, {}],
    [0, 7, 3, { recoding: "signed" }],
    [0, 7, 4, {}],
    [1, 7, 1, {}],
    [1, 7, 3, { rescale: false }],
    [2, 5, 2, { rescale: false, recoding: "signed" }],
    [2, 5, 1, { rescale: false, magnitude: 1 }],
    [3, 9, 4, { rescale: false, magnitude: 2 }],
    [0, 15, 8, {}],
    [0, 2, 1, { nonNegativeInputs: true }],
  ];
  const cases = formats.flatMap(([a, b, bits, options], f) =>
    shapes.map((dims, s) => ({ a, b, bits, options, dims, seed: 10 * f + s })),
  );
  let converted = 0;
  test.each(cases)("$dims a=$a b=$b → $bits $options", async ({ a, b, bits, options, dims, seed }) => {
    for (let copy = 0; copy < 4; copy++) {
      const network = randomNetwork(dims, a, b, 1000 * copy + seed, copy === 3 ? 0.3 : 1);
      if (networkSize(network).b <= bits) continue;
      converted++;
      const lowered = await lowerPrecision(network, bits, options);
      const sliced = sliceNetwork(network, bits, options.recoding);
      for (const point of points(dims[0]!, 12, seed + copy)) {
        const { denominator } = point;
        const numerators = options.nonNegativeInputs
          ? point.numerators.map((n) => (n < 0n ? -n : n))
          : point.numerators;
        const expected = evaluateRational(network, { numerators, denominator });
        expect(same(evaluateRational(lowered.network, { numerators, denominator }), expected)).toBe(true);
        expect(same(evaluateSliced(sliced, { numerators, denominator }), expected)).toBe(true);
      }
      expect(lowered.b).toBeLessThanOrEqual(bits);
      expect(lowered.a).toBeLessThanOrEqual(options.magnitude ?? 0);
      expect(lowered).toMatchObject(networkSize(lowered.network));
      const split = options.nonNegativeInputs ? 0 : 1;
      expect(lowered.depth).toBe(split + lowered.layers.reduce((sum, { layers }) => sum + layers, 0));
    }
  });
  test("that was at least 200", () => {
    expect(converted).toBeGreaterThanOrEqual(200);
  });
});

describe("the network of the receipt, 4-32-32-32-3 with b = 7", () => {
  const network = randomNetwork([4, 32, 32, 32, 3], 0, 7, 5);
  test("weights 0, ±1/2, ±1 at no more than 1.15 times the sparse memory, depth 29, width 96", async () => {
    const lowered = await lowerPrecision(network, 1);
    const used = new Set(
      lowered.network.layers.flatMap((layer) =>
        layer.flatMap(({ weights, bias }) => [bias, ...weights].map(formatDyadic)),
      ),
    );
    for (const weight of used) expect(["0", "1/2", "-1/2", "1", "-1"]).toContain(weight);
    expect(lowered.ratio.sparse).toBeLessThanOrEqual(1.15);
    expect([lowered.depth, lowered.width]).toEqual([29, 96]);
    for (const point of points(4, 10, 3))
      expect(same(evaluateRational(lowered.network, point), evaluateRational(network, point))).toBe(true);
  });
  test("signed digits make it smaller than the original", async () => {
    const lowered = await lowerPrecision(network, 1, { recoding: "signed" });
    expect(lowered.ratio.sparse).toBeLessThan(1);
    expect(lowered.depth).toBe(29);
  });
});

describe("digits", () => {
  test("add up, stay within 2^g, and signed ones at g = 1 never stand side by side", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(1n << 40n), max: 1n << 40n }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom("magnitude" as const, "signed" as const),
        (value, g, recoding) => {
          const digits = digitsOf(value, g, recoding);
          let sum = 0n;
          for (const digit of [...digits].reverse()) sum = (sum << BigInt(g)) + BigInt(digit);
          expect(sum).toBe(value);
          for (const digit of digits) expect(Math.abs(digit)).toBeLessThanOrEqual(2 ** g);
          if (recoding === "signed" && g === 1) {
            for (let k = 1; k < digits.length - 1; k++) expect(digits[k] === 0 || digits[k - 1] === 0).toBe(true);
          }
          // A leading 1 is merged into the digit below, so that recoding never makes a weight longer than its bits.
          if (g === 1) expect(digits.length).toBeLessThanOrEqual(bitLength(value));
        },
      ),
      { seed: 1, numRuns: 2000 },
    );
  });
});

test("a layer that is not equal is not proved equal", () => {
  const layer = randomNetwork([3, 4], 0, 5, 1).layers[0]!;
  const { layers } = lowerLayer(layer, 3, { bits: 1, magnitude: 0, recoding: "magnitude" });
  expect(provesEqual(layer, layers, 3)).toBe(true);
  const wrong = structuredClone(layers);
  const neuron = wrong.at(-1)![0]! as { bias: ReturnType<typeof dyadic> };
  neuron.bias = dyadic(1n, 30);
  expect(provesEqual(layer, wrong, 3)).toBe(false);
  const negative = structuredClone(layers);
  (negative[0]![0]! as { bias: ReturnType<typeof dyadic> }).bias = dyadic(-1n, 3);
  expect(provesEqual(layer, negative, 3)).toBe(false);
});

describe("bad input is refused in words", () => {
  const network = randomNetwork([2, 3, 1], 0, 4, 1);
  test("no bits to lower", async () => {
    await expect(lowerPrecision(network, 4)).rejects.toThrow(
      '"bits" expected less than the network\'s 4 fractional bits, got 4',
    );
    await expect(lowerPrecision(network, 9)).rejects.toThrow(RangeError);
    await expect(lowerPrecision(network, 0)).rejects.toThrow('"bits" expected an integer in 1..30, got 0');
    await expect(lowerPrecision(network, 1, { magnitude: -1 })).rejects.toThrow('"magnitude"');
  });
  test("weights that are not dyadic are named", () => {
    expect(() => denseNetwork([{ weights: [[0.5, 1]] }, { weights: [["1/3"]] }])).toThrow(
      'layer 1, neuron 0, weight 0 expected a dyadic number, got "1/3"',
    );
    expect(() => denseNetwork([{ weights: [[Number.NaN]] }])).toThrow("layer 0, neuron 0, weight 0");
    expect(() => denseNetwork([{ weights: [[1], [1, 2]] }])).toThrow("layer 0, neuron 1 expected 1 weights, got 2");
    expect(() => denseNetwork([{ weights: [[1]], bias: [] }])).toThrow("layer 0 expected 1 biases, got 0");
  });
});
