import { describe, expect, it } from "vitest";
import { Measure } from "../../src/session/compare.ts";
import { Tensor } from "../../src/tensor/index.ts";

function measured(a: number[][], b: number[][]): ReturnType<Measure["result"]> {
  const measure = new Measure();
  const tensor = (rows: number[][]): Tensor => new Tensor("float32", rows.flat(), [rows.length, rows[0]!.length]);
  measure.add(tensor(a), tensor(b));
  return measure.result();
}

describe("what compare measures", () => {
  it("takes the least cosine of the samples, the largest difference and the share of equal winners", () => {
    const result = measured(
      [
        [1, 0],
        [3, 4],
      ],
      [
        [1, 0],
        [4, 3],
      ],
    );
    expect(result).toMatchObject({ samples: 2, maxDifference: 0.25, top1Agreement: 0.5 });
    expect(result.cosineMin).toBeCloseTo(0.96, 12);
  });

  it("finds nothing between equal outputs, NaN and zeros included", () => {
    expect(measured([[0, 0]], [[0, 0]])).toMatchObject({ cosineMin: 1, maxDifference: 0, top1Agreement: 1 });
    expect(measured([[Number.NaN, 1]], [[Number.NaN, 1]]).maxDifference).toBe(0);
  });

  it("is infinitely far where only one of the two is NaN", () => {
    expect(measured([[Number.NaN, 1]], [[2, 1]]).maxDifference).toBe(Number.POSITIVE_INFINITY);
    expect(measured([[2, 1]], [[Number.NaN, 1]]).maxDifference).toBe(Number.POSITIVE_INFINITY);
  });
});
