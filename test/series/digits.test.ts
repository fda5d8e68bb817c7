import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DigitSystem } from "../../src/series/index.ts";
import {
  joinDigits,
  largestQ,
  largestTail,
  nearestEven,
  publishedRecurrence,
  radixOf,
  splitDigits,
} from "../../src/series/index.ts";
import { anySeries } from "./series.ts";

interface Vector {
  X: number;
  n: number;
  mode: string;
  radix: number;
  Qmax: number;
  values: number[];
  Q: number[];
  digits_msd_first: number[][];
  maxerr: number;
  bound: number;
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/expansions.json", import.meta.url), "utf8")) as Vector[];
const system = (mode: string) => (mode === "balanced" ? "signed" : mode) as DigitSystem;

describe("published vectors", () => {
  test.each(vectors.map((v) => [`${v.mode} X=${v.X} n=${v.n}`, v] as const))("%s", (_, v) => {
    expect(radixOf(v.X, system(v.mode))).toBe(v.radix);
    expect(largestQ(v.X, v.n, system(v.mode))).toBe(v.Qmax);
    expect(v.values.map((x) => nearestEven(x * v.Qmax) + 0)).toEqual(v.Q);
    expect(v.Q.map((q) => splitDigits(q, v.X, v.n, system(v.mode)))).toEqual(v.digits_msd_first);
    expect(v.maxerr).toBeLessThanOrEqual(v.bound * (1 + 1e-12));
  });
});

describe("digits", () => {
  test("the table of largest Q", () => {
    const row = (bits: number, digits: DigitSystem) => [1, 2, 3, 4].map((k) => largestQ(bits, k, digits));
    expect(row(2, "mixed")).toEqual([1, 7, 31, 127]);
    expect(row(2, "signed")).toEqual([1, 5, 21, 85]);
    expect(row(2, "odd")).toEqual([1, 4, 13, 40]);
    expect(row(4, "mixed")).toEqual([7, 127, 2047, 32767]);
    expect(row(4, "signed")).toEqual([7, 119, 1911, 30583]);
  });

  test("join undoes split, and every digit fits its bits", () => {
    fc.assert(
      fc.property(anySeries, fc.double({ min: -1, max: 1, noNaN: true }), ({ bits, terms, digits }, x) => {
        const most = largestQ(bits, terms, digits);
        const q = Math.round((digits === "unsigned" ? Math.abs(x) : x) * most) + 0;
        const split = splitDigits(q, bits, terms, digits);
        expect(joinDigits(split, bits, digits)).toBe(q);
        split.forEach((d, i) => {
          const signed = digits === "signed" || digits === "odd" || (digits === "mixed" && i === 0);
          expect(d).toBeGreaterThanOrEqual(signed ? -(2 ** (bits - 1)) + Number(digits === "odd") : 0);
          expect(d).toBeLessThan(signed ? 2 ** (bits - 1) : 2 ** bits);
        });
        for (let m = 0; m < terms; m++) {
          const tail = joinDigits(split.slice(terms - m), bits, digits);
          expect(Math.abs(tail)).toBeLessThanOrEqual(largestTail(bits, m, digits));
        }
      }),
    );
  });

  test("a Q that does not fit is refused", () => {
    expect(() => splitDigits(8, 4, 1, "signed")).toThrow(RangeError);
    expect(() => splitDigits(-120 - 17, 4, 2, "signed")).toThrow(RangeError);
    expect(() => splitDigits(-1, 4, 2, "unsigned")).toThrow(RangeError);
    expect(() => splitDigits(41, 2, 4, "odd")).toThrow(RangeError);
    expect(() => splitDigits(0.5, 4, 2, "signed")).toThrow(RangeError);
  });

  test("nearestEven takes ties to even", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.5000000001].map(nearestEven)).toEqual([0, 2, 2, 0, -2, -2, 3]);
  });
});

describe("the published recurrence", () => {
  // series.md B1: the error sticks at s₁/(2(2^X − 1)) where one wide rounding reaches 2^(−X(n−1))/2.
  test.each([
    [2, 0.1669],
    [3, 0.0714],
    [4, 0.0333],
  ])("does not converge at X = %i, and one wide rounding does", (bits, stuck) => {
    const first = 1;
    const most = 2 ** (bits - 1) - 1;
    const worst = (terms: number) => {
      let published = 0;
      let ours = 0;
      for (let i = 0; i <= 20000; i++) {
        const x = (i / 10000 - 1) * most;
        published = Math.max(published, Math.abs(publishedRecurrence(x, first, bits, terms).residual));
        const step = most / largestQ(bits, terms, "signed");
        const q = nearestEven(x / step);
        const digits = splitDigits(q, bits, terms, "signed");
        ours = Math.max(ours, Math.abs(x - step * joinDigits(digits, bits, "signed")));
      }
      return { published, ours };
    };
    const many = Math.min(6, Math.floor(16 / bits));
    const last = worst(many).published;
    expect(last).toBeGreaterThan(stuck * 0.99);
    expect(last).toBeGreaterThan(worst(many - 1).published * 0.9);
    expect(last).toBeGreaterThan(20 * worst(many).ours);
    for (let n = 2; n * bits <= 16; n++) {
      expect(worst(n).ours).toBeLessThanOrEqual(worst(n - 1).ours / (2 ** bits * 0.9));
      expect(worst(n).ours).toBeLessThanOrEqual(2 ** (-bits * (n - 1)) / 2);
    }
  });

  test("its digits overflow or its residual grows, digit by digit", () => {
    const { digits, residual } = publishedRecurrence(0.5, 1, 4, 4);
    expect(digits).toEqual([0, 7, 7, 7]);
    expect(residual).toBeGreaterThan(0.03);
  });
});
