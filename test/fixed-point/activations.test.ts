import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { activationNames, activationTable } from "../../src/fixed-point/activations.ts";
import { maximum } from "../../src/fixed-point/arithmetic.ts";
import { definitions } from "../../src/fixed-point/definitions.ts";
import { ERROR } from "../../src/fixed-point/elementary.ts";
import * as interval from "../../src/fixed-point/interval.ts";
import { vectors } from "./vectors.ts";

test("tables equal the published vectors", () => {
  for (const { act, p, s, table } of vectors("activation_tables")) {
    expect([...activationTable(act, p, s)], `${act} p=${p} s=${s}`).toEqual(table);
  }
});

describe("the two ways to evaluate a transcendental activation", () => {
  const real = Object.values(definitions).filter((definition) => definition.real !== undefined);
  test.each(real.map((definition) => [definition.name, definition] as const))(
    "%s: doubles within their bound",
    (_, definition) => {
      fc.assert(
        fc.property(fc.integer({ min: -65535, max: 65535 }), fc.integer({ min: 1, max: 2 ** 20 }), (k, s) => {
          if (definition.rational?.(k, s) !== undefined) return;
          const x = k / s;
          const enclosure = definition.real!.exact(interval.rational(BigInt(k), BigInt(s)));
          const middle = Number(enclosure.lo >> 180n) / 2 ** 76;
          expect(Number(enclosure.hi - enclosure.lo) / 2 ** 256).toBeLessThan(2 ** -115);
          const bound = ERROR * Math.max(1, Math.abs(x), Math.abs(middle)) + 2 ** -70;
          expect(Math.abs(definition.real!.fast(x) - middle)).toBeLessThan(bound);
        }),
        { numRuns: 120, seed: 1 },
      );
    },
  );

  test("intervals decide what doubles cannot: sigmoid one step from its centre at a large even scale", () => {
    // s·σ(2/s) = s/2 + 1/2 − 1/(6s²) + …, which rounds down, by 1.5e−13 at s = 2^20: below what doubles resolve.
    const s = 2 ** 20;
    const table = activationTable("1*sigmoid", 16, s);
    expect([...table].every((value) => value === 65535)).toBe(true);
    const scaled = activationTable("0.1*sigmoid", 16, 1000);
    expect(scaled[maximum(16)]).toBe(50);
  });
});

test("exact ties go away from zero", () => {
  expect(activationTable("sigmoid", 2, 3)[3]).toBe(2); // 3/2
  expect(activationTable("leaky_relu", 6, 1)[63 - 50]).toBe(-1); // −1/2
  expect([...activationTable("0.5*identity", 2, 1)]).toEqual([-2, -1, -1, 0, 1, 1, 2]);
});

test("names are free of case and separators, and can be scaled", () => {
  for (const name of activationNames) {
    expect(activationTable(name.toUpperCase().replace("_", "-"), 3, 2)).toEqual(activationTable(name, 3, 2));
  }
  expect([...activationTable("5*Hardtanh", 3, 1)]).toEqual([...activationTable("hardtanh5", 3, 1)]);
  expect(activationTable("-2*relu", 3, 1)[14]).toBe(-7);
});

test("functions are sampled; near ties, NaN and other kinds are refused", () => {
  expect(activationTable((x) => Math.max(0, x), 3, 2)).toEqual(activationTable("relu", 3, 2));
  expect(activationTable((x) => 1 / (1 + Math.exp(-x)), 4, 5)).toEqual(activationTable("sigmoid", 4, 5));
  expect(activationTable((x) => 1 / x, 2, 1)[3]).toBe(3); // infinity saturates
  expect(() => activationTable((x) => x + 0.5 + 1e-13, 2, 1)).toThrow(
    /too near a tie to round: pass the table instead/,
  );
  expect(() => activationTable((x) => x / 2 + 1e-14, 2, 1)).toThrow(RangeError);
  expect(() => activationTable((x) => Math.log(x), 2, 1)).toThrow(
    '"activation" expected to return a number, got NaN at x = -3/1',
  );
  expect(() => activationTable((() => "1") as unknown as (x: number) => number, 2, 1)).toThrow(TypeError);
});

test("bad formats and tables are named", () => {
  for (const [p, s] of [
    [0, 1],
    [17, 1],
    [2.5, 1],
    [2, 0],
    [2, -1],
    [2, Number.NaN],
    [2, 2 ** 21],
  ] as const) {
    expect(() => activationTable("relu", p, s)).toThrow(RangeError);
  }
  expect(() => activationTable("relu", "2" as unknown as number, 1)).toThrow(TypeError);
  expect(() => activationTable("swish2", 2, 1)).toThrow(/expected one of identity, relu/);
  expect(() => activationTable([1, 2, 3], 2, 1)).toThrow('"activation" expected a table of 7 entries, got 3');
  expect(() => activationTable([0, 0, 0, 4, 0, 0, 0], 2, 1)).toThrow(
    '"activation" expected integers in -3..3, got 4 at entry 3',
  );
  expect(() => activationTable([0, 0, 0, Number.NaN, 0, 0, 0], 2, 1)).toThrow("got NaN");
  expect(() => activationTable(undefined as unknown as string, 2, 1)).toThrow(TypeError);
});
