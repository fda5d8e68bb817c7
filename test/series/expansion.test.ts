import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Core, completed } from "../../src/core/index.ts";
import {
  addTerm,
  digitsOf,
  expand,
  expandWeights,
  fromRows,
  fuse,
  joinDigits,
  largestQ,
  nearestEven,
  splitDigits,
  termWeight,
  toRows,
} from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { anySeries, asExpansion } from "./series.ts";

let scalar: Core;
let simd: Core;
beforeAll(async () => {
  scalar = await Core.create("scalar");
  simd = await completed(() => Core.create("simd"))();
});

const weight = fc.oneof(
  { weight: 8, arbitrary: fc.float({ min: -4, max: 4, noNaN: true }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, -0, 1, -1, 2 ** -149, 2 ** -126, Math.fround(3.4e38), -Math.fround(1e-30)),
  },
);
const anyTensor = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }))
  .chain(([rows, columns]) =>
    fc
      .array(weight, { minLength: rows * columns, maxLength: rows * columns })
      .map((values) => ({ rows, columns, values })),
  );

describe("expandWeights", () => {
  test("keeps its bound at every number of terms, digits and Q agree, both builds agree", () => {
    fc.assert(
      fc.property(anyTensor, anySeries, fc.boolean(), ({ rows, columns, values }, plan, perTensor) => {
        const tensor = new Tensor("float32", Float32Array.from(values), [rows, columns]);
        const series = expandWeights(simd, tensor, { name: "w", axis: 0, ...plan, perTensor });
        const reference = expandWeights(scalar, tensor, { name: "w", axis: 0, ...plan, perTensor });
        expect(series).toEqual(reference);

        for (let n = 1; n <= plan.terms; n++) {
          const bound = series.bound(n) * (1 + 1e-9);
          expect(
            asExpansion(series)
              .residual(n)
              .data.every((v) => Math.abs(v) <= bound),
          ).toBe(true);
        }
        const digits = Array.from({ length: plan.terms }, (_, i) => digitsOf(series, i));
        const fused = fuse(series);
        const prefix = new Int32Array(rows * columns);
        let largest = 0;
        let side = 0;
        for (let n = 0; n < plan.terms; n++) {
          addTerm(series, n, prefix);
          expect(Array.from(prefix)).toEqual(Array.from(fuse(series, n + 1)));
          for (let r = 0; r < rows; r++) {
            const row = prefix.subarray(r * columns, (r + 1) * columns);
            const positive = row.reduce((sum, v) => sum + Math.max(v, 0), 0);
            const negative = row.reduce((sum, v) => sum - Math.min(v, 0), 0);
            largest = Math.max(largest, positive + negative);
            side = Math.max(side, positive, negative);
          }
        }
        expect([series.largestL1, series.largestSum]).toEqual([largest, side]);
        let squares = 0;
        let missed = 0;
        for (let e = 0; e < fused.length; e++) {
          const r = Math.floor(e / columns);
          const zero = series.zeros?.[r] ?? 0;
          const scale = series.scales[r]!;
          const most = largestQ(plan.bits, plan.terms, plan.digits);
          const low = plan.digits === "unsigned" ? 0 : -most;
          const q = scale === 0 ? zero : Math.min(Math.max(nearestEven(tensor.data[e]! / scale) + zero, low), most);
          expect(fused[e]! + zero).toBe(q + 0);
          const split = digits.map((d) => d[e]!);
          expect(split).toEqual(splitDigits(q, plan.bits, plan.terms, plan.digits));
          expect(joinDigits(split, plan.bits, plan.digits)).toBe(q + 0);
          squares += tensor.data[e]! ** 2;
          missed += (tensor.data[e]! - scale * fused[e]!) ** 2;
        }
        if (squares > 0 && squares < 1e30) expect(series.relativeError ** 2).toBeCloseTo(missed / squares, 10);
      }),
      { numRuns: 300 },
    );
  });

  test("takes the least-error scale of its window", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 9, maxLength: 40 }), (values) => {
        const data = Float32Array.from(values);
        const absmax = data.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
        fc.pre(absmax > 1e-20);
        const tensor = new Tensor("float32", data, [1, data.length]);
        const series = expandWeights(simd, tensor, { name: "w", axis: 0, bits: 4, terms: 2 });
        const error = (s: number) => data.reduce((sum, w) => sum + (w - s * nearestEven(w / s)) ** 2, 0);
        const ours = error(series.scales[0]!);
        for (let q = 119; q >= 119 - 59; q--) {
          expect(ours).toBeLessThanOrEqual(error(Math.fround(absmax / q)) * (1 + 1e-9) + 1e-30);
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ["−127 … 127", 127, 127],
    ["−128 … 127", 128, 127],
    ["−100 … 100", 100, 100],
    ["−8 … 7", 8, 7],
  ])("weights on the grid %s are exact with three signed INT4 digits", (_, low, high) => {
    const step = 0.0371;
    const data = Float32Array.from({ length: low + high + 1 }, (_, i) => step * (i - low));
    const series = expandWeights(simd, new Tensor("float32", data, [1, data.length]), {
      name: "w",
      axis: 0,
      bits: 4,
      terms: 3,
    });
    expect(series.relativeError).toBeLessThan(1e-7);
    const ratio = fuse(series)[0]! / -low;
    expect(Number.isInteger(ratio)).toBe(true);
  });

  test("rows run along any axis", () => {
    const shape = [2, 3, 4];
    const data = Float32Array.from({ length: 24 }, (_, i) => i);
    expect(Array.from(toRows(data, shape, 1).subarray(0, 8))).toEqual([0, 1, 2, 3, 12, 13, 14, 15]);
    for (const axis of [0, 1, 2]) {
      expect(fromRows(toRows(data, shape, axis), shape, axis)).toEqual(data);
      const series = expandWeights(simd, new Tensor("float32", data, shape), { name: "w", axis, bits: 8, terms: 2 });
      expect(series.rows).toBe(shape[axis]);
      const back = asExpansion(series).reconstruct().data;
      expect(data.every((w, i) => Math.abs(w - back[i]!) <= series.bound() * 1.001)).toBe(true);
    }
  });

  test("NaN and infinity name the tensor", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const tensor = new Tensor("float32", Float32Array.of(1, 2, bad, 4), [2, 2]);
      for (const core of [scalar, simd]) {
        expect(() => expandWeights(core, tensor, { name: "conv1.weight", axis: 0, bits: 4, terms: 2 })).toThrow(
          `weights "conv1.weight" [2,2] hold ${bad} at element 2`,
        );
        expect(core.bytesInUse).toBe(0);
      }
    }
  });

  test("zeros, empty tensors and scalars", () => {
    const options = { name: "w", axis: 0, bits: 4, terms: 3 };
    const zeros = expandWeights(simd, new Tensor("float32", new Float32Array(6), [2, 3]), options);
    expect([...zeros.scales, zeros.bound(), zeros.relativeError, zeros.largestL1]).toEqual([0, 0, 0, 0, 0]);
    expect(fuse(zeros).every((q) => q === 0)).toBe(true);
    for (const shape of [
      [0, 3],
      [3, 0],
    ]) {
      const empty = expandWeights(simd, new Tensor("float32", new Float32Array(0), shape), options);
      expect(empty.rows).toBe(shape[0]);
      expect(fuse(empty).length).toBe(0);
    }
    const one = expandWeights(simd, new Tensor("float32", Float32Array.of(-0.75), []), options);
    expect(asExpansion(one).reconstruct().data[0]).toBeCloseTo(-0.75, 6);
  });

  test("outliers stay on the lattice and make the rest finer", () => {
    const data = Float32Array.from({ length: 1000 }, (_, i) => Math.fround(Math.sin(i * 1.7) / 10));
    data[17] = 3;
    data[717] = -2.5;
    const tensor = new Tensor("float32", data, [1, 1000]);
    const plain = expandWeights(simd, tensor, { name: "w", axis: 0, bits: 4, terms: 1 });
    const series = expandWeights(simd, tensor, { name: "w", axis: 0, bits: 4, terms: 1, outliers: 0.002 });
    expect(Array.from(series.sparse!.indices)).toEqual([17, 717]);
    expect(series.relativeError).toBeLessThan(plain.relativeError / 5);
    expect(
      asExpansion(series)
        .residual(1)
        .data.every((v) => Math.abs(v) <= series.bound() * 1.0001),
    ).toBe(true);
    const fused = fuse(series);
    expect(series.largestL1).toBe(fused.reduce((sum, q) => sum + Math.abs(q), 0));
    data.fill(0);
    data[3] = 1;
    const lonely = expandWeights(simd, tensor, { name: "w", axis: 0, bits: 4, terms: 2, outliers: 0.5 });
    expect(
      asExpansion(lonely)
        .residual(2)
        .data.every((v) => Math.abs(v) <= lonely.bound() * 1.0001),
    ).toBe(true);
    const few = { name: "w", axis: 0, bits: 4, terms: 1 };
    expect(asExpansion(expandWeights(simd, tensor, { ...few, outliers: 0.01 })).warnings).toEqual([]);
    for (let i = 0; i < 1000; i++) data[i] = i % 40 === 0 ? 5 + i / 1000 : Math.fround(Math.sin(i * 1.7) / 10);
    expect(asExpansion(expandWeights(simd, tensor, { ...few, outliers: 0.025 })).warnings).toEqual([
      expect.stringMatching(/^2\.50 % of the elements are outliers/),
    ]);
    expect(() => expandWeights(simd, tensor, { name: "w", axis: 0, bits: 4, terms: 1, outliers: 1 })).toThrow(
      RangeError,
    );
  });
});

describe("expand", () => {
  const tensor = new Tensor(new Float32Array([0.5, -1, 0.25, 1, 1 / 3, 0]), [2, 3]);

  test("the fewest terms that keep a tolerance", async () => {
    for (const tolerance of [0.2, 0.01, 1e-4]) {
      const series = await expand(tensor, { bits: 4, tolerance });
      expect(series.bound()).toBeLessThanOrEqual(tolerance);
      if (series.terms > 1) {
        const shorter = await expand(tensor, { bits: 4, terms: series.terms - 1 });
        expect(shorter.bound()).toBeGreaterThan(tolerance);
      }
    }
    expect((await expand(tensor, { bits: 4, tolerance: 1e-6 })).terms).toBe(6);
    await expect(expand(tensor, { bits: 4, tolerance: 1e-16 })).rejects.toThrow(/"tolerance" expected number ≥/);
  });

  test("one scale without an axis, one per row with one", async () => {
    expect(new Set((await expand(tensor, { bits: 4, terms: 2 })).scales).size).toBe(1);
    const rows = await expand(new Tensor(new Float32Array([1, 2, 3, 40]), [2, 2]), { bits: 4, terms: 2, axis: 0 });
    expect(new Set(rows.scales).size).toBe(2);
    expect(rows.residual(0).data).toEqual(Float64Array.of(1, 2, 3, 40));
  });

  test("reconstruct rounds s·(Q − zero) once", async () => {
    const series = await expand(tensor, { bits: 3, terms: 2, digits: "unsigned", axis: 0 });
    expect(series.zeros).toBeDefined();
    const fused = fuse(series);
    expect(series.reconstruct().data).toEqual(
      Float32Array.from(fused, (q, i) => Math.fround(q * series.scales[Math.floor(i / 3)]!)),
    );
    expect(termWeight(series, 0)).toBe(8);
  });

  test.each([
    [{ bits: 1, terms: 1 }, '"bits" expected integer in 2..8, got 1'],
    [{ bits: 4, terms: 0 }, '"terms" expected integer in 1..12 for signed digits of 4 bits, got 0'],
    [{ bits: 4, terms: 13 }, '"terms" expected integer in 1..12 for signed digits of 4 bits, got 13'],
    [{ bits: 4, terms: 9, digits: "unsigned" as const }, '"terms" expected integer in 1..8 for unsigned digits'],
    [{ bits: 4, terms: 2, axis: 0, group: 2 }, '"group" expected a divisor of the 3 elements of a row, got 2'],
    [{ bits: 4, terms: 2, axis: 0, group: 0 }, '"group" expected a divisor of the 3 elements of a row, got 0'],
    [{ bits: 4, terms: 5, outliers: 0.1 }, '"outliers" expected 0 with more than 16 bits, got 0.1'],
    [{ bits: 4, terms: 2, zeroPoint: true, outliers: "auto" as const }, "expected 0 with zero points, got auto"],
    [{ bits: 4, terms: 2, digits: "unsigned" as const, outliers: "auto" as const }, "expected 0 with unsigned digits"],
    [{ bits: 4, terms: 1, axis: 2 }, '"axis" expected integer in -2..1, got 2'],
    [{ bits: 4, tolerance: -1 }, '"tolerance" expected number > 0, got -1'],
    [{ bits: 4, tolerance: 1, terms: 1 }, "got both"],
    [{ bits: 4 }, "got neither"],
  ])("%j is refused", async (options, message) => {
    await expect(expand(tensor, options)).rejects.toThrow(message);
  });

  test("only float32", async () => {
    await expect(expand(new Tensor(Int32Array.of(1)), { bits: 4, terms: 1 })).rejects.toThrow(TypeError);
  });
});
