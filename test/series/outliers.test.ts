import { describe, expect, test } from "vitest";
import { chooseOutliers, expand, OUTLIER_BITS } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { DISTRIBUTIONS, samples } from "./distributions.ts";

const COUNT = 2 ** 18;

describe("chooseOutliers", () => {
  test("takes the best count of all, at most 1 %", () => {
    for (const distribution of Object.keys(DISTRIBUTIONS) as (keyof typeof DISTRIBUTIONS)[]) {
      const row = samples(distribution, 4000, 7);
      const sizes = row.map(Math.abs).sort().reverse();
      const gains = Array.from(sizes.subarray(0, 41), (v, m) =>
        m === 0 ? 0 : Math.log2(sizes[0]! / v) - (OUTLIER_BITS * m) / 4000,
      );
      const best = Math.max(...gains);
      const { gain, count, threshold, rule } = chooseOutliers(row);
      if (best < 0.25) expect(rule).not.toBe("distribution-free");
      else expect(gain).toBeGreaterThanOrEqual(best - 1e-6);
      expect(row.filter((w) => Math.abs(w) > threshold).length).toBe(count);
    }
  });

  // The published table: kept in percent and gain in bits, 2^18 samples as one row.
  test.each([
    ["uniform", 0, 0, 0.01, 0.05],
    ["bimodal", 0, 0, 0.01, 0.05],
    ["gaussian", 0.29, 0.55, 0.1, 0.1],
    ["laplace", 0.59, 1.04, 0.15, 0.2],
    ["student3", 1.0, 3.84, 0.1, 0.8],
    // The mean of a Cauchy sample, and the Laplace rule with it, is what the draw makes it: 1 % at least.
    ["cauchy", 1.4, 12.6, 0.4, 3],
  ] as const)("%s keeps %d %% and gains %d bits", (distribution, kept, gain, keptBy, gainBy) => {
    const choice = chooseOutliers(samples(distribution, COUNT, 2));
    expect(Math.abs((100 * choice.count) / COUNT - kept)).toBeLessThanOrEqual(keptBy);
    expect(Math.abs(choice.gain - gain)).toBeLessThanOrEqual(gainBy);
  });

  test("constant rows, zeros and an empty row have none", () => {
    for (const row of [new Float32Array(500).fill(3), new Float32Array(500), new Float32Array(0)]) {
      expect(chooseOutliers(row)).toMatchObject({ count: 0, rule: "none" });
    }
  });

  test("an outlier must fit the lattice of its row", () => {
    const row = samples("uniform", 1000, 3);
    row[17] = 1e6;
    expect(chooseOutliers(row).count).toBe(1);
    expect(chooseOutliers(row, 4681).count).toBe(0);
  });
});

describe("expand with automatic outliers", () => {
  test.each(Object.keys(DISTRIBUTIONS) as (keyof typeof DISTRIBUTIONS)[])(
    "%s: the bound holds",
    async (distribution) => {
      const data = samples(distribution, 2 ** 14, 5);
      const tensor = new Tensor("float32", data, [2 ** 14]);
      const [plain, auto] = await Promise.all(
        ([0, "auto"] as const).map((outliers) => expand(tensor, { bits: 4, terms: 1, outliers })),
      );
      for (const missed of auto!.residual(1).data)
        expect(Math.abs(missed)).toBeLessThanOrEqual(auto!.bound() * (1 + 1e-9));
      expect(auto!.relativeError).toBeLessThanOrEqual(plain!.relativeError);
      expect(auto!.sparseShare).toBe((auto!.sparse?.indices.length ?? 0) / 2 ** 14);
      expect(auto!.warnings.length).toBe(auto!.sparseShare > 0.01 ? 1 : 0);
      if (distribution === "uniform") expect(auto!.sparse).toBeUndefined();
      if (distribution === "laplace") expect(auto!.bound()).toBeLessThan(plain!.bound() / 2);
    },
  );

  test("one stray element of 4,000 times the rest stays out of the way of a row; one of 1e6 does not fit and is left in", async () => {
    const stray = (size: number) => {
      const data = samples("gaussian", 2048, 6);
      data[100] = size;
      return new Tensor("float32", data, [2048]);
    };
    const kept = await expand(stray(4000), { bits: 4, terms: 1, outliers: "auto" });
    expect(kept.sparse!.indices).toContain(100);
    const plain = await expand(stray(4000), { bits: 4, terms: 1 });
    expect(kept.relativeError).toBeLessThan(plain.relativeError / 5);
    const left = await expand(stray(1e6), { bits: 4, terms: 1, outliers: "auto" });
    expect(left.bound()).toBeGreaterThan(1e4);
    expect(left.residual(1).data.every((r) => Math.abs(r) <= left.bound())).toBe(true);
  });
});
