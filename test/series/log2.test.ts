import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { log2 } from "../../src/series/log2.ts";

describe("log2", () => {
  it("is exact for powers of two, subnormal ones too", () => {
    for (let e = -1074; e <= 1023; e++) expect(log2(2 ** e)).toBe(e);
  });

  it("is the logarithm to the last bits", () => {
    fc.assert(
      fc.property(fc.double({ min: 5e-324, noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(Math.abs(log2(x) - Math.log2(x))).toBeLessThanOrEqual(4e-16 * (1 + Math.abs(Math.log2(x))));
      }),
    );
  });

  it("ends for what has no logarithm", () => {
    expect([0, -0, Number.POSITIVE_INFINITY, -1, Number.NaN].map(log2)).toEqual([
      Number.NEGATIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      Number.NaN,
    ]);
  });
});
