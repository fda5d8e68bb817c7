import { describe, expect, it } from "vitest";
import { pairsPerBlock } from "../../src/core/index.ts";
import { exactnessOf, exactnessOfProduct } from "../../src/program/kernel.ts";
import type { WeightSeries } from "../../src/series/index.ts";

const LIMIT = 2n ** 31n - 1n;
const series = (largestSum: number): WeightSeries => ({
  ...{ name: "w", shape: [1, 1], axis: 0, rows: 1, columns: 1, bits: 4, terms: 3, digits: "signed" },
  ...{ scales: new Float32Array(1), planes: [], largestL1: largestSum, largestSum },
});

describe("exactness of a linear layer", () => {
  it("changes exactly where the bound leaves int32", () => {
    const edge = Math.floor((2 ** 31 - 1) / 4095);
    expect(exactnessOf(series(edge), 12).exactInInt32).toBe(true);
    expect(exactnessOf(series(edge + 1), 12).exactInInt32).toBe(false);
    const depth = Math.floor((2 ** 31 - 1) / 4095 ** 2);
    expect(exactnessOfProduct(depth, 12).exactInInt32).toBe(true);
    expect(exactnessOfProduct(depth + 1, 12).exactInInt32).toBe(false);
  });

  it.each([
    [1911, 12],
    [119, 8],
    [7, 4],
    [4095, 12],
  ])("cuts blocks of operands up to %i by %i-bit activations as late as int32 allows", (largest, bits) => {
    const pairs = pairsPerBlock(largest, 2 ** (bits - 1));
    const product = BigInt(largest) * 2n ** BigInt(bits - 1);
    expect(2n * BigInt(pairs) * product <= LIMIT).toBe(true);
    expect(2n * BigInt(pairs + 1) * product <= LIMIT).toBe(false);
  });

  it("gives the block of 548 products of series.md for 12-bit signed digits", () => {
    expect(2 * exactnessOf(series(1e9), 12).pairsPerBlock).toBe(548);
  });

  it("keeps a pair of the largest operands below int32", () => {
    const outlier = { ...series(1e9), sparse: { indices: new Uint32Array(1), values: new Int16Array(1) } };
    expect(exactnessOf(outlier, 16).pairsPerBlock).toBe(1);
    expect(2 * (2 ** 15 - 1) * 2 ** 15).toBeLessThan(2 ** 31);
  });

  it("never gives a block of no pairs", () => {
    expect(pairsPerBlock(30583, 2 ** 15)).toBe(1);
    expect(2 * 30583 * 2 ** 15).toBeLessThan(2 ** 31);
  });
});
