// Layers that leave pairs of terms out, against the sum over the pairs of digit products in BigInt; weights or activations alone; groups.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InferenceSession, type LayerPlan, type Plan, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import {
  dequantize,
  fusedProducts,
  nearestEven,
  type PairSet,
  termWeight,
  type WeightSeries,
} from "../../src/series/index.ts";
import { digitsOf } from "../../src/series/weights.ts";
import { build } from "../graph/build.ts";
import { noiseTensor as tensor } from "../model/models.ts";

const f = Math.fround;
const planOf = (layer: LayerPlan): Plan => ({ version: 1, default: layer });

interface Shape {
  readonly groups: number;
  readonly channels: number;
  readonly outChannels: number;
  readonly kernel: number;
}
const CONVS: readonly (readonly [string, Shape])[] = [
  ["3 × 3 over an odd number of channels", { groups: 1, channels: 5, outChannels: 9, kernel: 3 }],
  ["two groups", { groups: 2, channels: 4, outChannels: 8, kernel: 3 }],
  ["depthwise", { groups: 6, channels: 1, outChannels: 1, kernel: 3 }],
  ["1 × 1", { groups: 1, channels: 8, outChannels: 3, kernel: 1 }],
];
const SIZE = 4;

function conv({ groups, channels, outChannels, kernel }: Shape): Uint8Array {
  const pad = (kernel - 1) / 2;
  return writeOnnx(
    build(
      { x: [1, groups * channels, SIZE, SIZE] },
      { w: tensor([groups * outChannels, channels, kernel, kernel], 3), b: tensor([groups * outChannels], 4) },
      [["Conv", ["x", "w", "b"], ["y"], { group: groups, pads: [pad, pad, pad, pad] }]],
      ["y"],
    ),
  );
}

/** Digits of activations, by definition: q − z in the signed system, most significant first; the first digit takes what is left. */
function activationTerms(x: Float32Array, bits: number, terms: number): { scale: number; terms: number[][] } {
  const n = Math.min(bits * terms, 15);
  const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)];
  const scale = f(f(hi - lo) / (2 ** n - 1));
  const inverse = f(1 / scale);
  const zero = Math.min(nearestEven(f(-lo * inverse)) - 2 ** (n - 1), 2 ** (n - 1) - 1);
  const parts = Array.from({ length: terms }, () => [] as number[]);
  for (const v of x) {
    const q = Math.min(Math.max(nearestEven(f(v * inverse)) + zero, -(2 ** (n - 1))), 2 ** (n - 1) - 1);
    let rest = q - zero;
    for (let j = terms - 1, weight = 1; j >= 0; j--) {
      // The last digit has what n leaves of X bits.
      const width = j === terms - 1 ? n - bits * (terms - 1) : bits;
      const half = 2 ** (width - 1);
      const digit = j === 0 ? rest : ((((rest + half) % 2 ** width) + 2 ** width) % 2 ** width) - half;
      parts[j]!.push(digit * weight);
      weight *= 2 ** width;
      rest = (rest - digit) / 2 ** width;
    }
  }
  return { scale, terms: parts };
}

/** The weights' terms on the finest lattice, OHWI; zero points and outliers with the first. */
function weightTerms(series: WeightSeries): number[][] {
  return Array.from({ length: series.planes.length }, (_, i) => {
    const part = Array.from(digitsOf(series, i), (d) => d * termWeight(series, i));
    if (i > 0) return part;
    series.sparse?.indices.forEach((e, s) => {
      part[e] = part[e]! + series.sparse!.values[s]!;
    });
    return part.map((v, e) => v - (series.zeros?.[Math.floor(e / series.columns)] ?? 0));
  });
}

/** Σ over the pairs of Σ over the layer, each a product of one weight term and one activation term. */
function reference(
  shape: Shape,
  series: WeightSeries,
  bias: Float32Array,
  x: Float32Array,
  layer: LayerPlan,
): Float32Array {
  const { groups, channels, outChannels, kernel } = shape;
  const { bits, activationTerms: t, pairs = "all" } = layer;
  const a = activationTerms(x, bits, t);
  const w = weightTerms(series);
  const keeps = (i: number, j: number): boolean =>
    pairs === "all" || ("upTo" in pairs ? i + j <= pairs.upTo : pairs.some((p) => p[0] === i && p[1] === j));
  const out = new Float32Array(groups * outChannels * SIZE * SIZE);
  const pad = (kernel - 1) / 2;
  for (let o = 0, at = 0; o < groups * outChannels; o++) {
    const group = Math.floor(o / outChannels);
    for (let oy = 0; oy < SIZE; oy++) {
      for (let ox = 0; ox < SIZE; ox++, at++) {
        let sum = 0n;
        for (let ky = 0; ky < kernel; ky++) {
          for (let kx = 0; kx < kernel; kx++) {
            const [y, xx] = [oy + ky - pad, ox + kx - pad];
            if (y < 0 || xx < 0 || y >= SIZE || xx >= SIZE) continue;
            for (let c = 0; c < channels; c++) {
              const wAt = ((o * kernel + ky) * kernel + kx) * channels + c;
              const xAt = ((group * channels + c) * SIZE + y) * SIZE + xx;
              for (let i = 1; i <= w.length; i++) {
                for (let j = 1; j <= t; j++) {
                  if (keeps(i, j)) sum += BigInt(w[i - 1]![wAt]! * a.terms[j - 1]![xAt]!);
                }
              }
            }
          }
        }
        out[at] = f(f(f(Number(sum)) * f(a.scale * series.scales[o]!)) + bias[o]!);
      }
    }
  }
  return out;
}

const SETS: readonly PairSet[] = [
  { upTo: 2 },
  { upTo: 3 },
  { upTo: 4 },
  { upTo: 5 },
  [[1, 1]],
  [
    [1, 2],
    [2, 1],
    [3, 3],
  ],
  [
    [1, 1],
    [1, 3],
    [2, 2],
  ],
  "all",
];

describe("a layer that leaves pairs out", () => {
  it.each(CONVS)(
    "%s: the sum over its pairs, integer for integer, in both builds",
    async (_, shape) => {
      const x = tensor([1, shape.groups * shape.channels, SIZE, SIZE], 7);
      for (const pairs of SETS) {
        for (const own of [{}, { digits: "odd" }, { outliers: 0.1 }] as const) {
          const layer: LayerPlan = { bits: 4, weightTerms: 3, activationTerms: 3, pairs, ...own };
          const { bytes } = await quantize(conv(shape), { plan: planOf(layer) });
          const model = readModel(bytes);
          const bias = tensor([shape.groups * shape.outChannels], 4).data;
          const expected = reference(shape, model.weights.get("w")!, bias, x.data, layer);
          for (const name of ["scalar", "simd"] as const) {
            const session = await InferenceSession.create(bytes, { build: name });
            const { y } = await session.run({ x });
            expect(y!.data).toEqual(expected);
            await session.release();
          }
        }
      }
    },
    60_000,
  );

  it("other widths, up to 16 bits", async () => {
    const [, shape] = CONVS[0]!;
    const x = tensor([1, shape.channels, SIZE, SIZE], 8);
    for (const [bits, terms, pairs] of [
      [8, 2, { upTo: 3 }],
      [2, 7, { upTo: 6 }],
      [
        3,
        5,
        [
          [1, 1],
          [2, 3],
          [5, 1],
        ],
      ],
      [4, 4, { upTo: 5 }],
    ] as const) {
      const layer: LayerPlan = { bits, weightTerms: terms, activationTerms: terms, pairs };
      const { bytes } = await quantize(conv(shape), { plan: planOf(layer) });
      const session = await InferenceSession.create(bytes);
      const { y } = await session.run({ x });
      const bias = tensor([shape.outChannels], 4).data;
      expect(y!.data).toEqual(reference(shape, readModel(bytes).weights.get("w")!, bias, x.data, layer));
    }
  });

  it("sharpens in place as its weight terms arrive", async () => {
    const [, shape] = CONVS[0]!;
    const { bytes } = await quantize(conv(shape), {
      plan: planOf({ bits: 4, weightTerms: 3, activationTerms: 3, pairs: { upTo: 4 } }),
    });
    const x = tensor([1, shape.channels, SIZE, SIZE], 9);
    const session = await InferenceSession.create(new Response(bytes as Uint8Array<ArrayBuffer>), {
      progressive: true,
    });
    for (let terms = 1; ; terms++) {
      const whole = await InferenceSession.create(bytes, { terms });
      expect((await session.run({ x }))["y"]!.data).toEqual((await whole.run({ x }))["y"]!.data);
      if (!(await session.refine())) break;
    }
    expect(session.terms).toEqual({ loaded: 3, total: 3 });
  });
});

describe("fusedProducts", () => {
  it("covers every pair of a set once, in as many products as a staircase has steps", () => {
    const some = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([k, t]) =>
      fc.record({
        k: fc.constant(k),
        t: fc.constant(t),
        steps: fc.array(fc.integer({ min: 0, max: t }), { minLength: k, maxLength: k }),
        stairs: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(some, ({ k, t, steps, stairs }) => {
        const lengths = stairs ? [...steps].sort((a, b) => b - a) : steps;
        const set = lengths.flatMap((l, i) => Array.from({ length: l }, (_, j): [number, number] => [i + 1, j + 1]));
        const products = fusedProducts(set, k, t);
        const covered = products.flatMap((p) =>
          p.weightTerms.flatMap((i) => p.activationTerms.map((j) => `${i + 1},${j + 1}`)),
        );
        expect(covered.sort()).toEqual(set.map((p) => p.join()).sort());
        expect(products.length).toBe(new Set(lengths.filter((l) => l > 0)).size);
      }),
    );
    expect(fusedProducts("all", 3, 3).length).toBe(1);
    expect(fusedProducts({ upTo: 5 }, 3, 4).map((p) => p.activationTerms.length)).toEqual([4, 3, 2]);
    // Columns are fewer than rows here.
    expect(
      fusedProducts(
        [
          [1, 1],
          [2, 1],
          [2, 2],
          [3, 2],
        ],
        3,
        2,
      ).length,
    ).toBe(2);
  });
});

const MLP = build(
  { x: ["N", 20] },
  { w: tensor([20, 12], 1), v: tensor([12, 4], 2), c: tensor([4], 5) },
  [
    ["MatMul", ["x", "w"], ["h"]],
    ["Relu", ["h"], ["r"]],
    ["MatMul", ["r", "v"], ["s"]],
    ["Add", ["s", "c"], ["y"]],
  ],
  ["y"],
);
const X = { x: tensor([3, 20], 6) };

async function run(
  source: Uint8Array,
  options: Parameters<typeof InferenceSession.create>[1] = {},
): Promise<ArrayLike<number>> {
  const session = await InferenceSession.create(source, options);
  const { y } = await session.run(X);
  await session.release();
  return y!.data as Float32Array;
}

describe("weights alone", () => {
  it("multiply in float32 what the series stands for, at every number of terms, refined in place too", async () => {
    const { bytes, report } = await quantize(writeOnnx(MLP), {
      plan: planOf({ bits: 4, weightTerms: 3, activationTerms: 0 }),
    });
    expect(report.layers.map((l) => [l.plan.activationTerms, l.accumulatorBits, l.exactInInt32])).toEqual([
      [0, 0, false],
      [0, 0, false],
    ]);
    const stream = await InferenceSession.create(new Response(bytes as Uint8Array<ArrayBuffer>), { progressive: true });
    for (const terms of [1, 2, 3]) {
      const { weights } = readModel(bytes);
      const floats = new Map(
        [...weights].map(([name, s]) => {
          const cut = { ...s, planes: s.planes.slice(0, terms) };
          return [name, new Tensor("float32", dequantize(cut), s.shape)] as const;
        }),
      );
      const graph = { ...MLP, initializers: new Map([...MLP.initializers, ...floats]) };
      const expected = await run(writeOnnx(graph), { preset: "float32" });
      expect(await run(bytes, { terms })).toEqual(expected);
      expect((await stream.run(X))["y"]!.data).toEqual(expected);
      await stream.refine();
    }
  });
});

describe("activations alone", () => {
  it("are rounded as beside integer weights, then multiplied in float32", async () => {
    const layer: LayerPlan = { bits: 4, weightTerms: 0, activationTerms: 2 };
    const one = build({ x: ["N", 20] }, { w: tensor([20, 12], 1) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
    const { bytes } = await quantize(writeOnnx(one), { plan: planOf(layer) });
    expect(readModel(bytes).weights.size).toBe(0);
    const rounded = new Float32Array(60);
    for (let r = 0; r < 3; r++) {
      const row = X.x.data.slice(20 * r, 20 * r + 20);
      const { scale, terms } = activationTerms(row, 4, 2);
      for (let c = 0; c < 20; c++) rounded[20 * r + c] = f((terms[0]![c]! + terms[1]![c]!) * scale);
    }
    const plain = await InferenceSession.create(writeOnnx(one), { preset: "float32" });
    const { y } = await plain.run({ x: new Tensor("float32", rounded, [3, 20]) });
    expect(await run(bytes)).toEqual(y!.data);
  });

  it.each(CONVS)("%s: fine activations are nearly float32's, coarse ones are not", async (_, shape) => {
    const x = { x: tensor([1, shape.groups * shape.channels, SIZE, SIZE], 7) };
    const outputs = [];
    for (const activationTerms of [4, 1]) {
      const session = await InferenceSession.create(conv(shape), {
        plan: planOf({ bits: 4, weightTerms: 0, activationTerms }),
      });
      outputs.push((await session.run(x))["y"]!.data as Float32Array);
    }
    const float = await InferenceSession.create(conv(shape), { preset: "float32" });
    const y = (await float.run(x))["y"]!.data as Float32Array;
    const worst = (a: Float32Array) => a.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0);
    expect(worst(outputs[0]!)).toBeLessThan(1e-3);
    expect(worst(outputs[1]!)).toBeGreaterThan(1e-2);
  });
});

describe("groups of input channels", () => {
  it("are products of their own, added in ascending order, then bias and activation", async () => {
    const group = 8;
    const layer: LayerPlan = { bits: 4, weightTerms: 2, activationTerms: 2 };
    const w = tensor([20, 12], 1);
    const c = tensor([12], 5);
    const graph = build(
      { x: ["N", 20] },
      { w, c },
      [
        ["MatMul", ["x", "w"], ["s"]],
        ["Add", ["s", "c"], ["a"]],
        ["Relu", ["a"], ["y"]],
      ],
      ["y"],
    );
    const { bytes, report } = await quantize(writeOnnx(graph), { plan: planOf({ ...layer, granularity: { group } }) });
    expect(report.layers.map((l) => l.shape)).toEqual([
      [8, 12],
      [8, 12],
      [4, 12],
    ]);
    let sum: Float32Array | undefined;
    for (let from = 0; from < 20; from += group) {
      const count = Math.min(group, 20 - from);
      const part = build(
        { x: ["N", count] },
        { w: new Tensor("float32", w.data.slice(12 * from, 12 * (from + count)), [count, 12]) },
        [["MatMul", ["x", "w"], ["y"]]],
        ["y"],
      );
      const cut = new Float32Array(3 * count);
      for (let r = 0; r < 3; r++) cut.set(X.x.data.subarray(20 * r + from, 20 * r + from + count), r * count);
      const session = await InferenceSession.create(writeOnnx(part), { plan: planOf(layer) });
      const y = (await session.run({ x: new Tensor("float32", cut, [3, count]) }))["y"]!.data as Float32Array;
      sum = sum === undefined ? y : sum.map((v, i) => v + y[i]!);
    }
    const expected = sum!.map((v, i) => Math.max(0, f(v + c.data[i % 12]!)));
    expect(await run(bytes)).toEqual(expected);
  });

  it.each(CONVS)("%s: nearer to float32, and the graph is whole", async (_, shape) => {
    const data = tensor([1, shape.groups * shape.channels, SIZE, SIZE], 7);
    const error = async (granularity: NonNullable<LayerPlan["granularity"]>) => {
      const layer: LayerPlan = { bits: 4, weightTerms: 1, activationTerms: 3, granularity };
      const session = await InferenceSession.create((await quantize(conv(shape), { plan: planOf(layer) })).bytes);
      const float = await InferenceSession.create(conv(shape), { preset: "float32" });
      const [a, b] = await Promise.all([session, float].map((s) => s.run({ x: data })));
      return (a!["y"]!.data as Float32Array).reduce((sum, v, i) => sum + (v - Number(b!["y"]!.data[i])) ** 2, 0);
    };
    const [grouped, whole] = [await error({ group: 2 }), await error("channel")];
    if (shape.groups > 1) expect(grouped).toBe(whole);
    else expect(grouped).toBeLessThan(whole);
  });
});
