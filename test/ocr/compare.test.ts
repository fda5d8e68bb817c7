import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argmax, cosine, maxDifference, median } from "../../examples/ocr/compare.ts";

describe("comparing outputs", () => {
  it("measures the angle and the largest difference", () => {
    expect(cosine([3, 4], [4, 3])).toBeCloseTo(24 / 25, 15);
    expect(cosine([1, 2], [-2, -4])).toBeCloseTo(-1, 15);
    expect(maxDifference([1, 2, 3], [1, 2, -4])).toBe(7 / 4);
  });

  it("treats zeros, NaN and unequal lengths as what they are", () => {
    expect(cosine([0, 0], [0, 0])).toBe(1);
    expect(cosine([0, 0], [1, 0])).toBe(0);
    expect(cosine([Number.NaN], [1])).toBeNaN();
    expect(maxDifference([0], [0])).toBe(0);
    expect(maxDifference([1], [0])).toBe(Number.POSITIVE_INFINITY);
    expect(maxDifference([1, Number.NaN], [1, 2])).toBeNaN();
    expect(() => cosine([1], [1, 2])).toThrow(RangeError);
    expect(() => maxDifference([1], [])).toThrow(RangeError);
  });

  it("finds the first of the greatest, and the middle", () => {
    expect(argmax([1, 5, 5, 2])).toBe(1);
    expect(argmax([9, 1, 2, 8], 1, 2)).toBe(1);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it("is 1 for a positive multiple, and 0 apart for the same", () => {
    const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, (v) => {
        expect(
          cosine(
            v,
            v.map((x) => 3 * x),
          ),
        ).toBeCloseTo(1, 12); // the square root rounds
        expect(maxDifference(v, v)).toBe(0);
      }),
    );
  });
});
