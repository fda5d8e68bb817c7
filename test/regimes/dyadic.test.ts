import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  add,
  bitLength,
  compare,
  dyadic,
  formatDyadic,
  fromNumber,
  multiply,
  parseDyadic,
  subtract,
  toNumber,
  toNumberUp,
  trailingZeros,
} from "../../src/regimes/dyadic.ts";

const numbers = fc.double({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 200), max: 2 ** 200 });

describe("dyadic numbers", () => {
  test("doubles go through unchanged, subnormal ones and -0 included", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(toNumber(fromNumber(x)) === x).toBe(true);
      }),
      { seed: 1, examples: [[Number.MIN_VALUE], [-Number.MIN_VALUE], [Number.MAX_VALUE], [-0], [2 ** -1022]] },
    );
  });

  test("normal form: odd numerator, zero with exponent 0", () => {
    expect(dyadic(12n, 1)).toEqual({ numerator: 3n, exponent: -1 });
    expect(dyadic(0n, 99)).toEqual({ numerator: 0n, exponent: 0 });
    expect(trailingZeros(1n << 95n)).toBe(95);
    expect(trailingZeros(-(3n << 64n))).toBe(64);
    expect(bitLength(-8n)).toBe(4);
  });

  test("arithmetic agrees with doubles where those are exact", () => {
    const small = fc
      .integer({ min: -(2 ** 20), max: 2 ** 20 })
      .chain((n) => fc.integer({ min: 0, max: 20 }).map((e) => n / 2 ** e));
    fc.assert(
      fc.property(small, small, (x, y) => {
        expect(toNumber(add(fromNumber(x), fromNumber(y)))).toBe(x + y);
        expect(toNumber(subtract(fromNumber(x), fromNumber(y)))).toBe(x - y);
        expect(toNumber(multiply(fromNumber(x), fromNumber(y))) === x * y).toBe(true);
        expect(Math.sign(compare(fromNumber(x), fromNumber(y)))).toBe(Math.sign(x - y));
      }),
      { seed: 2 },
    );
  });

  test("text goes round", () => {
    fc.assert(
      fc.property(numbers, (x) => {
        const value = fromNumber(x);
        expect(parseDyadic(formatDyadic(value))).toEqual(value);
      }),
      { seed: 3 },
    );
    expect(parseDyadic("-6/16")).toEqual({ numerator: -3n, exponent: 3 });
    expect(parseDyadic("0.375")).toEqual({ numerator: 3n, exponent: 3 });
  });

  test("bounds are rounded up, never down", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 90n), max: 1n << 90n }), fc.integer({ min: 0, max: 120 }), (n, e) => {
        const value = dyadic(n, e);
        const up = toNumberUp(value);
        expect(compare(fromNumber(up), value)).toBeGreaterThanOrEqual(0);
        expect(up - toNumber(value)).toBeLessThanOrEqual(Math.abs(up) * 2 ** -52);
      }),
      { seed: 4 },
    );
  });

  test("what is not dyadic is refused in words", () => {
    expect(() => parseDyadic("1/3")).toThrow('"text" expected a denominator that is a power of two, got 1/3');
    expect(() => parseDyadic("one")).toThrow(RangeError);
    expect(() => fromNumber(Number.NaN)).toThrow(RangeError);
  });
});
