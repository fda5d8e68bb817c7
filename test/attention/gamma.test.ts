import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalString, gamma, paddedString, type TokenGamma, verifyGamma } from "../../src/attention/index.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/gamma.json", import.meta.url), "utf8")).data;

interface TokenVector {
  readonly p: number;
  readonly d: number;
  readonly s: number;
  readonly alphabet: number;
  readonly capacity_p_minus_1: number;
  readonly min_errors_with_p_minus_1: number;
  readonly Wq: number;
  readonly Wk: number;
  readonly Wv: number;
  readonly Wo: number;
  readonly cls: readonly number[];
  readonly embA: readonly number[][];
  readonly traces: readonly Readonly<Record<string, number | number[]>>[];
}

describe("gamma, token precision", () => {
  it.each(vectors.B1 as TokenVector[])("reproduces the vectors at p = $p", (v) => {
    const g = gamma(v.p, v.d);
    expect([g.s, Number(g.alphabet), Number(g.capacityBelow), Number(g.leastWrongBelow)]).toEqual([
      v.s,
      v.alphabet,
      v.capacity_p_minus_1,
      v.min_errors_with_p_minus_1,
    ]);
    expect([g.layer.query, g.layer.key, g.layer.value, g.layer.output, g.layer.cls]).toEqual([
      v.Wq,
      v.Wk,
      v.Wv,
      v.Wo,
      v.cls,
    ]);
    expect(v.embA.map((_: number[], i: number) => g.symbol(i))).toEqual(v.embA);
    for (const t of v.traces) {
      const e = g.evaluate(g.symbol(t["a"] as number), g.symbol(t["b"] as number));
      expect({
        a: t["a"],
        b: t["b"],
        o: [...e.hidden].map((x) => x + 0),
        alpha: e.weights,
        exp: e.exp,
        den: e.denominator,
        mlp: e.readout,
        equal: Number(e.equal),
      }).toEqual(t);
    }
  });

  it.each([
    [2, 1, 7],
    [3, 1, 15],
    [4, 1, 31],
    [5, 1, 63],
    [6, 1, 127],
    [2, 2, 49],
    [3, 2, 225],
  ])("is right on all pairs at p = %i, d = %i", (p, d, n) => {
    expect(gamma(p, d).alphabet).toBe(BigInt(n));
    expect(verifyGamma(gamma(p, d))).toEqual({ pairs: n * n, wrong: 0 });
  });

  it("is right on samples where all pairs are too many", () => {
    expect(() => verifyGamma(gamma(8, 4))).toThrow(RangeError);
    expect(verifyGamma(gamma(8, 4), { samples: 20_000 })).toEqual({ pairs: 20_000, wrong: 0 });
  });

  it("keeps every intermediate within p bits", () => {
    const point = (p: number, d: number) =>
      fc.array(fc.integer({ min: 1 - 2 ** p, max: 2 ** p - 1 }), { minLength: d, maxLength: d });
    fc.assert(
      fc.property(
        fc
          .tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 4 }))
          .chain(([p, d]) => fc.tuple(fc.constant(gamma(p, d)), point(p, d), point(p, d))),
        ([g, i, j]: [TokenGamma, number[], number[]]) => {
          const e = g.evaluate(i, j);
          const all = [e.embeddings, e.scores, e.exp, e.denominator, e.weights, e.attention, e.hidden, e.readout].flat(
            3,
          ) as number[];
          expect(all.every((v) => Number.isInteger(v) && Math.abs(v) < 2 ** g.p)).toBe(true);
          expect(e.equal).toBe(i.every((v, c) => v === j[c]));
        },
      ),
    );
  });

  it("says that width buys the bits back", () => {
    expect(gamma(3, 2).caveat).toContain(
      "With width 4 instead of 2, 2 bits are enough again (2401 embeddings for 225 symbols)",
    );
  });
});

describe("gamma, accumulator precision", () => {
  it("reproduces the vectors", () => {
    for (const v of vectors.B2) {
      const g = gamma(v.p, v.d_min, { kind: "accumulator" });
      expect([g.s, g.leastDimension.free, String(g.rows), String(g.statesBelow), g.separates]).toEqual([
        v.s,
        v.d_min,
        v.rows,
        v.states_p_minus_1,
        true,
      ]);
      expect(v.p === 2 || !gamma(v.p, v.d_min - 1, { kind: "accumulator" }).separates).toBe(true);
    }
    for (const t of vectors.B2_traces) {
      const g = gamma(t.p, t.d, { kind: "accumulator" });
      expect(Number(g.evaluate(canonicalString(t.u_alice), canonicalString(t.u_bob)).equal)).toBe(t.out);
    }
  });

  it("needs d ≥ p − 1 without positions and d ≥ p with, p = 2 … 7", () => {
    const least = [2, 3, 4, 5, 6, 7].map((p) => gamma(p, 1, { kind: "accumulator" }).leastDimension);
    expect(least.map(({ free }) => free)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(least.map(({ known }) => known)).toEqual([2, 3, 4, 5, 6, 7]);
    for (const p of [2, 3, 4, 5, 6]) {
      const { free, known } = gamma(p, 1, { kind: "accumulator" }).leastDimensionWithMaximum;
      expect(free).toBeLessThanOrEqual(2 * p - 1);
      expect(known).toBeLessThanOrEqual(2 * p);
    }
  });

  it.each([
    [2, 2, 25, 18, 8],
    [3, 3, 1688, 1372, 317],
    [4, 4, 461_761, 405_000, 56_762],
    [5, 5, 496_218_272, 458_066_416, 38_151_857],
  ])("counts padded strings when positions are known, p = %i, d = %i", (p, d, rows, states, wrong) => {
    const g = gamma(p, d, { kind: "accumulator", positions: "known" });
    expect([g.separates, Number(g.rows), Number(g.statesBelow), Number(g.leastWrongBelow)]).toEqual([
      true,
      rows,
      states,
      wrong,
    ]);
    const below = gamma(p, d - 1, { kind: "accumulator", positions: "known" });
    expect([below.separates, below.leastWrongBelow]).toEqual([false, 0n]);
    expect(below.caveat).toContain("counting proves nothing");
  });

  it("pads to one length, with the counts asked for and no running count out of range", () => {
    for (const [p, d] of [
      [2, 1],
      [2, 2],
      [3, 2],
    ] as const) {
      const g = gamma(p, d, { kind: "accumulator", positions: "known" });
      const seen = new Set<string>();
      for (let i = 0; i < Number(g.rows); i++) {
        const u = g.counts(i);
        const word = paddedString(u, p);
        const counts = new Array<number>(d).fill(0);
        for (const { axis, sign } of word) {
          counts[axis]! += sign;
          expect(Math.abs(counts[axis]!)).toBeLessThan(2 ** p);
        }
        expect([word.length, counts.map((v) => v + 0)]).toEqual([d * (2 ** p - 1), u.map((v) => v + 0)]);
        seen.add(u.join());
      }
      expect(seen.size).toBe(Number(g.rows));
    }
    expect(() => paddedString([2], 2)).toThrow('"u" expected counts that a string of 3 tokens has, got 2');
  });

  it.each([
    [2, 1],
    [2, 2],
    [2, 3],
    [3, 1],
    [3, 2],
  ])("is right on all pairs of padded strings at p = %i, d = %i", (p, d) => {
    const g = gamma(p, d, { kind: "accumulator", positions: "known" });
    expect(verifyGamma(g)).toEqual({ pairs: Number(g.rows) ** 2, wrong: 0 });
  });

  it("is right on 5,000 samples of padded strings at p = 3, d = 3", () => {
    const g = gamma(3, 3, { kind: "accumulator", positions: "known" });
    expect(verifyGamma(g, { samples: 5000 })).toEqual({ pairs: 5000, wrong: 0 });
  });

  it.each([
    [2, 1],
    [2, 2],
    [3, 1],
    [3, 2],
  ])("is right on all pairs at p = %i, d = %i", (p, d) => {
    const g = gamma(p, d, { kind: "accumulator" });
    expect(verifyGamma(g)).toEqual({ pairs: Number(g.rows) ** 2, wrong: 0 });
  });

  it("is right on 20,000 samples at p = 4, d = 3", () => {
    expect(verifyGamma(gamma(4, 3, { kind: "accumulator" }), { samples: 20_000 })).toEqual({ pairs: 20_000, wrong: 0 });
  });

  it("does not depend on the order of the tokens while the counts stay in range", () => {
    const g = gamma(3, 2, { kind: "accumulator" });
    const token = fc.record({ axis: fc.integer({ min: 0, max: 1 }), sign: fc.constantFrom(1 as const, -1 as const) });
    fc.assert(
      fc.property(fc.array(token, { maxLength: 7 }), fc.array(token, { maxLength: 7 }), (x, y) => {
        const counts = [0, 1].map((axis) => [...x, ...y].reduce((sum, t) => sum + (t.axis === axis ? t.sign : 0), 0));
        const prefixes = [...x, ...y].map((_, i, all) => all.slice(0, i + 1));
        const count = (axis: number, s: typeof x) => s.reduce((sum, t) => sum + (t.axis === axis ? t.sign : 0), 0);
        fc.pre(prefixes.every((s) => Math.abs(count(0, s)) <= 7 && Math.abs(count(1, s)) <= 7));
        expect(g.evaluate(x, y).equal).toBe(counts.every((c) => c === 0));
      }),
    );
  });
});

describe("gamma, bad input", () => {
  it.each([
    [1, 1],
    [17, 1],
    [2, 0],
    [2, 65],
    [2.5, 1],
    [Number.NaN, 1],
  ])("refuses p = %d, d = %d", (p, d) => {
    expect(() => gamma(p, d)).toThrow(/expected integer in \d+\.\.\d+, got/);
  });

  it("refuses other kinds", () => {
    expect(() => gamma(2, 1, { kind: "value" as "token" })).toThrow(
      '"kind" expected "token" or "accumulator", got "value"',
    );
    expect(() => gamma(2, 1, { positions: "rotary" as "free" })).toThrow(
      '"positions" expected "free" or "known", got "rotary"',
    );
    expect(() => gamma("2" as unknown as number, 1)).toThrow(TypeError);
  });
});
