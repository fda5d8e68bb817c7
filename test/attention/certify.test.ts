import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bestCount,
  certify,
  exhaustEmbeddings,
  exhaustMachines,
  gamma,
  leastWrongPairs,
  oneBitTables,
  type State,
  tightEmbedding,
} from "../../src/attention/index.ts";

const point = (bits: number, width: number) =>
  fc.array(fc.integer({ min: 1 - 2 ** bits, max: 2 ** bits - 1 }), { minLength: width, maxLength: width });

describe("certify, token precision", () => {
  it("finds a collision in every embedding of p − 1 bits, and Γ tells the two inputs apart", () => {
    fc.assert(
      fc.property(
        fc.constantFrom([2, 1], [3, 1], [2, 2], [4, 1]).chain(([p, d]) =>
          fc.record({
            p: fc.constant(p!),
            d: fc.constant(d!),
            embedding: fc.array(point(p! - 1, d!), {
              minLength: (2 ** (p! + 1) - 1) ** d!,
              maxLength: (2 ** (p! + 1) - 1) ** d!,
            }),
          }),
        ),
        ({ p, d, embedding }) => {
          const c = certify({ embedding }, { p, d });
          const g = gamma(p, d);
          expect(c.impossible).toBe(true);
          expect(c.leastWrong).toBe(g.leastWrongBelow);
          const { first, second, symbols } = c.collision!;
          expect(embedding[first]).toEqual(embedding[second]);
          expect([g.evaluate(symbols[0], symbols[0]).equal, g.evaluate(symbols[1], symbols[0]).equal]).toEqual([
            true,
            false,
          ]);
          expect(c.wrong).toBeGreaterThanOrEqual(c.leastWrong);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is impossible for all 3^7 one-bit embeddings at p = 2", () => {
    expect(exhaustEmbeddings()).toEqual({ models: 2187, colliding: 2187 });
  });

  it("agrees with a search over embeddings and readouts: 44 of 49", () => {
    expect(bestCount(7, 3)).toEqual({ pairs: 49, correct: 44, classes: [5, 1, 1] });
    const tight = certify({ embedding: tightEmbedding(2) }, { p: 2, d: 1 });
    expect([tight.wrong, tight.leastWrong]).toEqual([5n, 5n]);
    for (const [symbols, codes] of [
      [4, 3],
      [6, 2],
      [9, 3],
    ] as const)
      expect(bestCount(symbols, codes).correct).toBe(symbols ** 2 - (symbols - codes + 1));
  });

  it("computes few tables at all with one-bit attention", () => {
    // Each is a function of A's and B's codes in {−1, 0, 1}².
    const tables = oneBitTables();
    expect(tables.every((t) => t.split(",").length === 9)).toBe(true);
    expect(tables).toContain("0,0,0,0,0,0,0,0,0");
  });

  it("counts the least wrong answers of two given embeddings as a search over readouts does", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(1)), { minLength: 1, maxLength: 6 }), (codes) => {
        const a = codes.map(([x]) => x);
        const b = codes.map(([, y]) => y);
        let best = Number.POSITIVE_INFINITY;
        for (let readout = 0; readout < 64; readout++) {
          let wrong = 0;
          for (const [i, ca] of a.entries()) {
            for (const [j, cb] of b.entries()) wrong += Number(((readout >> (2 * ca + cb)) & 1) !== Number(i === j));
          }
          best = Math.min(best, wrong);
        }
        expect(Number(leastWrongPairs(a, b))).toBe(best);
      }),
    );
  });

  it("says that wider codes of p − 1 bits are enough", () => {
    const c = certify({ width: 2, embedding: (_, i) => [(i % 3) - 1, (Math.floor(i / 3) % 3) - 1] }, { p: 2, d: 1 });
    expect([c.impossible, c.leastWrong, c.wrong, c.collision]).toEqual([false, 0n, 0n, undefined]);
    expect(c.argument[0]).toContain("9 codes for 7 symbols");
    const collapsed = certify({ width: 2, embedding: () => [0, 0] }, { p: 2, d: 1 });
    expect(collapsed.collision).toMatchObject({ first: 0, second: 1 });
    expect(collapsed.wrong).toBe(7n);
  });

  it("tells the argument in words", () => {
    const c = certify({ embedding: ([v]) => [Math.sign(v!)] }, { p: 2, d: 1 });
    expect(c.argument.join(" ")).toContain("7 - 3 + 1 = 5 of the 49 answers are wrong");
    expect(c.caveat).toContain("a width of 2 is enough for 1-bit numbers");
  });
});

describe("certify, accumulator precision", () => {
  it("is impossible for all 46,656 one-bit update machines at p = 2, d = 1", () => {
    expect(exhaustMachines()).toEqual({ models: 46_656, colliding: 46_656 });
  });

  it("gives strings that a caller's machine cannot tell apart", () => {
    const update = (state: State, token: { axis: number; sign: number }, position: number): State => ({
      numerator: state.numerator.map((n, j) => (j === token.axis ? Math.max(-3, Math.min(3, n + token.sign)) : n)),
      denominator: Math.min(3, position),
    });
    const c = certify({ update }, { p: 3, d: 2, kind: "accumulator" });
    expect([c.bits, c.rows, c.states, c.impossible, c.leastWrong]).toEqual([2, 225n, 196n, true, 30n]);
    const end = (x: readonly { axis: number; sign: number }[]) =>
      x.reduce<State>((s, t, i) => update(s, t, i), { numerator: [0, 0], denominator: 0 });
    const { x, other, y, state } = c.collision!;
    expect(end(x)).toEqual(state);
    expect(end(other)).toEqual(state);
    const g = gamma(3, 2, { kind: "accumulator" });
    expect([g.evaluate(x, y).equal, g.evaluate(other, y).equal]).toEqual([true, false]);
    expect(c.wrong).toBeGreaterThanOrEqual(c.leastWrong);
  });

  it("finds none in the p-bit machine of Γ itself", () => {
    const update = (s: State, t: { axis: number; sign: number }): State => ({
      numerator: s.numerator.map((n, j) => (j === t.axis ? n + t.sign : n)),
      denominator: 0,
    });
    const c = certify({ bits: 3, update }, { p: 3, d: 2, kind: "accumulator" });
    expect([c.collision, c.wrong, c.impossible]).toEqual([undefined, 0n, false]);
  });
});

describe("certify, bad input", () => {
  it("names what is wrong", () => {
    expect(() => certify({ embedding: [[0]] }, { p: 2, d: 1 })).toThrow(
      '"embedding" expected a table of 7 rows, got 1',
    );
    expect(() => certify({ embedding: () => [2] }, { p: 2, d: 1 })).toThrow(
      '"embedding[0]" expected integer in -1..1, got 2',
    );
    expect(() => certify({ embedding: () => [0, 0] }, { p: 2, d: 1 })).toThrow(
      '"embedding" expected 1 numbers per code, got 2 at 0',
    );
    expect(() => certify({ embedding: () => [Number.NaN] }, { p: 2, d: 1 })).toThrow(RangeError);
    expect(() => certify({ update: [] }, { p: 2, d: 1, kind: "accumulator" })).toThrow(
      '"update" expected a table of at least 3 positions, got 0',
    );
    expect(() => certify({ embedding: () => [0] }, { p: 2, d: 1, kind: "accumulator" } as never)).toThrow(
      '"model" expected "update" for kind "accumulator"',
    );
    expect(() => certify({ embedding: () => [0] }, { p: 16, d: 2 })).toThrow("at most 4194304 symbols");
    expect(() => certify({ embedding: () => [0] }, { p: 1, d: 1 })).toThrow('"p" expected integer in 2..16, got 1');
  });
});
