import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  lowerBounds,
  memoryBits,
  overThreshold,
  parameterCount,
  underThreshold,
  uniformWidths,
  vcUpperBound,
} from "../../src/regimes/bounds.ts";

interface Row {
  W: number;
  L: number;
  a: number;
  params: number;
  vc_upper: number;
  b_under: number;
  b_over: number;
  samples: { b: number; memory: number; vc: number; precision: number }[];
}
const rows = JSON.parse(readFileSync(new URL("../vectors/regimes.json", import.meta.url), "utf8")) as Row[];

test("there are vectors", () => expect(rows).toHaveLength(20));

describe.each(rows)("vector W=$W L=$L a=$a", (row) => {
  const widths = uniformWidths(row.W, row.L);
  test("parameters, VC bound and thresholds", () => {
    expect(parameterCount(widths)).toBe(row.params);
    expect(vcUpperBound(widths)).toBe(row.vc_upper);
    expect(underThreshold(widths, row.a)).toBe(row.b_under);
    expect(overThreshold(widths, row.a)).toBe(row.b_over);
  });
  test.each(row.samples)("the three bounds at b=$b", (sample) => {
    const bounds = lowerBounds(widths, row.a, sample.b);
    for (const name of ["memory", "vc", "precision"] as const) {
      expect(Math.abs(bounds[name] - sample[name])).toBeLessThanOrEqual(1e-9 * Math.max(sample[name], 1e-300));
    }
  });
});

test("memory in bits does not overflow where 2^(a+b+1) does", () => {
  expect(memoryBits([1, 4, 1], 1, 5000)).toBe(13 * 5002);
});

test("widths of the layers themselves never give a larger VC bound than their maximum", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }), (hidden) => {
      const widest = Math.max(...hidden);
      expect(vcUpperBound([1, ...hidden, 1])).toBeLessThanOrEqual(vcUpperBound([1, ...hidden.map(() => widest), 1]));
    }),
    { seed: 1, numRuns: 60 },
  );
});

test("the bounds fall as the precision grows", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 0, max: 40 }),
      (W, L, b) => {
        const widths = uniformWidths(W, L);
        const now = lowerBounds(widths, 1, b);
        const next = lowerBounds(widths, 1, b + 1);
        expect(next.memory).toBeLessThan(now.memory);
        expect(next.precision).toBeLessThan(now.precision);
        expect(next.vc).toBe(now.vc);
      },
    ),
    { seed: 2, numRuns: 60 },
  );
});

test("sizes whose bounds lie beyond 2^53 have bounds too", () => {
  const widths = uniformWidths(1e9, 1000);
  const vc = vcUpperBound(widths);
  expect(vc).toBeGreaterThan(2 ** 53);
  expect(vc).toBeGreaterThanOrEqual(parameterCount(widths));
  expect(overThreshold(widths, 0, vc)).toBeGreaterThan(0);
});
