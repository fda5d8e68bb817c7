// Weights of 17 … 32 bits: a layer is a sum of products of a few terms each, against sums in BigInt.
import { describe, expect, it } from "vitest";
import { InferenceSession, type LayerPlan, type Plan, type Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { expand } from "../../src/entries/series.ts";
import type { Graph } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { fuse, nearestEven, wideLattice } from "../../src/series/index.ts";
import { build } from "../graph/build.ts";
import { noiseTensor as tensor } from "../model/models.ts";

const f = Math.fround;
const planOf = (layer: LayerPlan): Plan => ({ version: 1, default: layer });
const [ROWS, DEPTH, OUT] = [5, 40, 9];

const PRODUCT = build(
  { x: ["N", DEPTH] },
  { w: tensor([DEPTH, OUT], 1), c: tensor([OUT], 2) },
  [
    ["MatMul", ["x", "w"], ["h"]],
    ["Add", ["h", "c"], ["y"]],
  ],
  ["y"],
);
const X = tensor([ROWS, DEPTH], 3);

async function run(
  source: Uint8Array,
  x: Tensor,
  options?: Parameters<typeof InferenceSession.create>[1],
): Promise<Float32Array> {
  const session = await InferenceSession.create(source, options);
  const { y } = await session.run({ x });
  await session.release();
  return y!.data as Float32Array;
}

/** A row of n-bit activations: its scale, and q − z. */
function activations(row: Float32Array, n: number): { scale: number; values: bigint[] } {
  const [lo, hi] = [Math.min(0, ...row), Math.max(0, ...row)];
  const scale = f(f(hi - lo) / (2 ** n - 1));
  const inverse = f(1 / scale);
  const zero = Math.min(nearestEven(f(-lo * inverse)) - 2 ** (n - 1), 2 ** (n - 1) - 1);
  const clamp = (q: number) => Math.min(Math.max(q, -(2 ** (n - 1))), 2 ** (n - 1) - 1);
  return { scale, values: Array.from(row, (v) => BigInt(clamp(nearestEven(f(v * inverse)) + zero) - zero)) };
}

/** Of each output channel: Q = nearest(w / s), s a power of two, which is exact in f64. */
function wideIntegers(w: Tensor<"float32">, bits: number, terms: number): { scale: number; values: bigint[] }[] {
  return Array.from({ length: OUT }, (_, o) => {
    const column = Array.from({ length: DEPTH }, (_, k) => w.data[k * OUT + o]!);
    const { scale } = wideLattice(Math.max(...column.map(Math.abs)), bits, terms, "signed");
    return { scale, values: column.map((v) => BigInt(nearestEven(v / scale))) };
  });
}

describe("a layer with weights of more than 16 bits", () => {
  it.each([
    [4, 8, 3],
    [4, 5, 2],
    [8, 4, 4],
    [2, 16, 3],
    [3, 7, 2],
    [5, 6, 2],
    [6, 4, 2],
    [7, 4, 2],
  ])("X = %i, k = %i: %i products, whose integers add up to W·A, in both builds", async (bits, terms, pieces) => {
    const activationTerms = Math.floor(16 / bits);
    const n = bits * activationTerms;
    const { bytes } = await quantize(writeOnnx(PRODUCT), {
      plan: planOf({ bits, weightTerms: terms, activationTerms }),
    });
    const { weights, graph } = readModel(bytes);
    expect(weights.size).toBe(pieces);
    expect(graph.initializers.has("w")).toBe(false);
    const series = [...weights.values()];
    const whole = wideIntegers(PRODUCT.initializers.get("w") as Tensor<"float32">, bits, terms);
    const expected = new Float32Array(ROWS * OUT);
    for (let r = 0; r < ROWS; r++) {
      const { scale, values } = activations(X.data.subarray(DEPTH * r, DEPTH * (r + 1)), n);
      for (let o = 0; o < OUT; o++) {
        const dot = (w: (k: number) => bigint) => values.reduce((sum, a, k) => sum + a * w(k), 0n);
        const sums = series.map((one) => {
          const fused = fuse(one);
          return dot((k) => BigInt(fused[o * DEPTH + k]!));
        });
        // Integer for integer: the sum of the products is the product with the wide integers.
        const finest = whole[o]!.scale;
        const joined = sums.reduce((sum, s, p) => sum + s * BigInt(series[p]!.scales[o]! / finest), 0n);
        expect(joined).toBe(dot((k) => whole[o]!.values[k]!));
        const parts = sums.map((s, p) => f(f(Number(s)) * f(scale * series[p]!.scales[o]!)));
        // The least significant product runs first.
        const sum = parts.reduce((all, part) => f(all + part));
        expected[r * OUT + o] = f(sum + (PRODUCT.initializers.get("c")!.data[o] as number));
        // Nothing is lost on the way but what float32 outputs lose.
        const exact = Number(joined) * finest * scale;
        const size = Number(
          dot((k) => (whole[o]!.values[k]! < 0n ? -1n : 1n) * whole[o]!.values[k]! * (values[k]! < 0n ? -1n : 1n)),
        );
        expect(Math.abs(sum - exact)).toBeLessThanOrEqual(2 ** -22 * size * finest * scale);
      }
    }
    for (const name of ["scalar", "simd"] as const) expect(await run(bytes, X, { build: name })).toEqual(expected);
  });

  const conv = (attributes: object, w: readonly number[], op = "Conv"): Graph =>
    build(
      { x: [1, 6, 5, 5] },
      { w: tensor(w, 5), c: tensor([op === "Conv" ? w[0]! : w[1]!], 6) },
      [
        [op, ["x", "w", "c"], ["h"], attributes as never],
        ["Relu", ["h"], ["y"]],
      ],
      ["y"],
    );
  it.each([
    ["a convolution", conv({ pads: [1, 1, 1, 1] }, [8, 6, 3, 3])],
    ["groups", conv({ group: 2 }, [4, 3, 3, 3])],
    ["a depthwise convolution", conv({ group: 6, pads: [1, 1, 1, 1] }, [6, 1, 3, 3])],
    ["a transposed convolution", conv({ strides: [2, 2] }, [6, 4, 3, 3], "ConvTranspose")],
  ])("%s: weights are float32's, bias and activation come once", async (_, graph) => {
    const x = tensor([1, 6, 5, 5], 7);
    const exact = await run(writeOnnx(graph), x, { preset: "float32" });
    const largest = exact.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const off = async (layer: Partial<LayerPlan>): Promise<number> => {
      const plan = planOf({ bits: 4, weightTerms: 8, activationTerms: 4, ...layer });
      const y = await run((await quantize(writeOnnx(graph), { plan })).bytes, x);
      return y.reduce((most, v, i) => Math.max(most, Math.abs(v - exact[i]!)), 0) / largest;
    };
    // Activations have 16 bits, or none are rounded.
    expect(await off({})).toBeLessThan(5e-5);
    expect(await off({ activationTerms: 0 })).toBeLessThan(1e-6);
    expect(await off({ granularity: "tensor", activationTerms: 0 })).toBeLessThan(1e-6);
    expect(await off({ granularity: { group: 4 }, activationTerms: 0 })).toBeLessThan(1e-6);
  });

  it("what cannot be cut keeps 16 bits and says so; weights count once in the report", async () => {
    const [hidden, size] = [3, 4];
    const graph = build(
      { x: [2, 1, size] },
      { w: tensor([1, hidden, size], 1), r: tensor([1, hidden, hidden], 2), v: tensor([hidden, 2], 3) },
      [
        ["RNN", ["x", "w", "r"], ["s", "h"], { hidden_size: hidden }],
        ["MatMul", ["h", "v"], ["y"]],
      ],
      ["y"],
    );
    const { report } = await quantize(writeOnnx(graph), {
      plan: planOf({ bits: 4, weightTerms: 8, activationTerms: 4 }),
    });
    expect(report.layers.find((l) => l.plan.weightTerms === 4)!.reason).toContain("no sum of products");
    const pieces = report.layers.filter(({ op }) => op === "MatMul");
    expect(pieces.map(({ plan, bytesBefore }) => [plan.weightTerms, bytesBefore])).toEqual(
      expect.arrayContaining([
        [3, 4 * hidden * 2],
        [3, 0],
        [2, 0],
      ]),
    );
    // What the last terms leave is below half a step of the finest lattice: 2^-32 of the largest weight, and a bit for the power of two.
    expect(Math.min(...pieces.map(({ errorBound }) => errorBound))).toBeLessThan(2 ** -31);
  });

  it("refuses what has no exact pieces, in a sentence", async () => {
    const base: LayerPlan = { bits: 4, weightTerms: 8, activationTerms: 4 };
    const wrong: readonly [Partial<LayerPlan>, RegExp][] = [
      [{ digits: "odd" }, /signed digits, no outliers and all pairs beyond 16 bits/],
      [{ outliers: 0.01 }, /signed digits, no outliers and all pairs beyond 16 bits/],
      [{ pairs: { upTo: 4 } }, /signed digits, no outliers and all pairs beyond 16 bits/],
      [{ zeroPoint: true }, /at most 16 bits of a weight beside weightBits, rounding or zeroPoint, got 32/],
      [{ weightTerms: 9 }, /"plan.default.weightTerms" expected integer in 0..8, got 9/],
      [{ activationTerms: 5 }, /"plan.default.activationTerms" expected integer in 0..4, got 5/],
    ];
    for (const [part, message] of wrong) {
      await expect(quantize(writeOnnx(PRODUCT), { plan: planOf({ ...base, ...part }) })).rejects.toThrow(message);
    }
  });

  it("a series says whether a layer runs it", async () => {
    const of = async (bits: number, terms: number, digits: "signed" | "odd" = "signed") =>
      (await expand(X, { bits, terms, digits })).warnings.join();
    expect(await of(4, 4)).toBe("");
    expect(await of(4, 8)).toContain("sum of products");
    expect(await of(4, 9)).toContain("reconstruction");
    expect(await of(4, 8, "odd")).toContain("reconstruction");
  });
});
