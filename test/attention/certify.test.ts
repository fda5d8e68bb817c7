import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bestCount,
  canonicalString,
  certify,
  exhaustAutomata,
  exhaustEmbeddings,
  exhaustMachines,
  gamma,
  leastWrongPairs,
  oneBitTables,
  type State,
  type Step,
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

/** By definition: every input of the class run token by token, and by final state the smaller of its equal and unequal inputs. */
function bestReadout(
  p: number,
  d: number,
  positions: "free" | "known",
  update: (state: State, token: Step, position: number) => State,
): number {
  const g = gamma(p, d, { kind: "accumulator", positions });
  const finals = new Map<string, [number, number]>();
  const words = Array.from({ length: Number(g.rows) }, (_, i) => g.counts(i));
  for (const u of words) {
    for (const v of words) {
      const end = [...g.word(u), ...g.word(v)].reduce(update, { numerator: u.map(() => 0), denominator: 0 });
      const key = `${end.numerator};${end.denominator}`;
      const counts = finals.get(key) ?? [0, 0];
      counts[u.every((n, j) => n + v[j]! === 0) ? 0 : 1]++;
      finals.set(key, counts);
    }
  }
  return [...finals.values()].reduce((sum, [equal, unequal]) => sum + Math.min(equal, unequal), 0);
}

/** A pure update from a seed, any state of one bit to any other. */
function randomMachine(seed: number, d: number): (state: State, token: Step, position?: number) => State {
  return (state, token, position = 0) => {
    let h = seed;
    for (const v of [...state.numerator, state.denominator, token.axis, token.sign, position])
      h = Math.imul(h ^ (v + 7), 0x9e3779b1) ^ (h >>> 15);
    h ^= h >>> 13;
    return {
      numerator: Array.from({ length: d }, (_, j) => (Math.floor((h >>> 0) / 3 ** j) % 3) - 1),
      denominator: (h >>> 20) & 1,
    };
  };
}

describe("certify, accumulator precision", () => {
  it("counts the wrong answers of the best readout as going through all inputs does, in both classes", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const machine = randomMachine(seed, 1);
      const free = certify({ update: (s, t) => machine(s, t) }, { p: 2, d: 1, kind: "accumulator", positions: "free" });
      expect([Number(free.wrong), free.exact]).toEqual([bestReadout(2, 1, "free", (s, t) => machine(s, t)), true]);
      expect(free.leastWrong).toBe(2n);
      expect(free.wrong).toBeGreaterThanOrEqual(2n);
      const wide = randomMachine(seed, 2);
      const known = certify({ update: wide }, { p: 2, d: 2, kind: "accumulator", positions: "known" });
      expect([Number(known.wrong), known.exact]).toEqual([bestReadout(2, 2, "known", wide), true]);
      expect(known.leastWrong).toBe(8n);
      expect(known.wrong).toBeGreaterThanOrEqual(8n);
    }
  });

  it("is tight without positions: no automaton of K = 1 … 5 states errs less than 7 − K + 1, some no more", () => {
    expect([1, 2, 3, 4, 5].map((states) => exhaustAutomata(states))).toEqual([
      { machines: 1, wrong: 7 },
      { machines: 12, wrong: 6 },
      { machines: 216, wrong: 5 },
      { machines: 5248, wrong: 4 },
      { machines: 160_675, wrong: 3 },
    ]);
    expect(exhaustMachines()).toEqual({ machines: 36, wrong: 6 });
  });

  it("forbids nothing to a one-bit machine that knows positions, and one answers all 49 canonical inputs", () => {
    // The numerator counts at positions 0, 1, 2 and 4 and stands still at 3 and 5; "equal": the length is even and the numerator 0.
    const rows = [1, 1, 1, 0, 1, 0].map((step) => [
      { numerator: [step], denominator: 0 },
      { numerator: [-step], denominator: 0 },
    ]);
    const counts = [-3, -2, -1, 0, 1, 2, 3];
    const wrong = counts
      .flatMap((u) => counts.map((v) => [u, v] as const))
      .filter(([u, v]) => {
        const word = [...canonicalString([u]), ...canonicalString([v])];
        let numerator = 0;
        word.forEach(({ sign }, t) => {
          numerator = Math.max(-1, Math.min(1, numerator + rows[t]![sign > 0 ? 0 : 1]!.numerator[0]!));
        });
        return (word.length % 2 === 0 && numerator === 0) !== (u + v === 0);
      });
    expect(wrong).toEqual([]);
    const c = certify({ update: rows }, { p: 2, d: 1, kind: "accumulator", positions: "known" });
    expect([c.impossible, c.leastWrong, c.rows, c.states]).toEqual([false, 0n, 4n, 6n]);
    expect(c.argument[0]).toContain("counting forbids nothing at d = 1");
    expect(() => certify({ update: rows }, { p: 2, d: 1, kind: "accumulator", positions: "free" })).toThrow(
      '"update" expected a table of one row, the same at every position, for positions "free", got 6',
    );
  });

  it("does not let a machine of the class without positions see them", () => {
    const update = (state: State, _: Step, position: number): State => ({ ...state, numerator: [position % 2] });
    expect(() => certify({ update }, { p: 2, d: 1, kind: "accumulator", positions: "free" })).toThrow(
      '"update numerator" expected integer in -1..1, got NaN',
    );
    let calls = 0;
    const impure = (): State => ({ numerator: [((Math.imul(++calls, 0x9e3779b1) >>> 16) % 3) - 1], denominator: 0 });
    expect(() => certify({ update: impure }, { p: 2, d: 1, kind: "accumulator", positions: "free" })).toThrow(
      "the same state for the same state, token and position",
    );
  });

  it.each(["free", "known"] as const)(
    "gives strings that a caller's machine cannot tell apart, positions %s",
    (positions) => {
      const d = positions === "free" ? 2 : 3;
      const update = (state: State, token: Step, position = 0): State => ({
        numerator: state.numerator.map((n, j) => (j === token.axis ? Math.max(-3, Math.min(3, n + token.sign)) : n)),
        denominator: positions === "known" ? Math.min(3, position) : 0,
      });
      const c = certify({ update }, { p: 3, d, kind: "accumulator", positions });
      expect([c.bits, c.rows, c.states, c.impossible, c.leastWrong]).toEqual(
        positions === "free" ? [2, 225n, 196n, true, 30n] : [2, 1688n, 1372n, true, 317n],
      );
      const end = (x: readonly Step[]) =>
        x.reduce<State>((s, t, i) => update(s, t, i), { numerator: new Array<number>(d).fill(0), denominator: 0 });
      const { x, other, y, state, final } = c.collision!;
      expect(end(x)).toEqual(state);
      expect(end(other)).toEqual(state);
      expect(end([...x, ...y])).toEqual(final);
      expect(end([...other, ...y])).toEqual(final);
      if (positions === "known") expect([x.length, other.length, y.length]).toEqual([21, 21, 21]);
      const g = gamma(3, d, { kind: "accumulator" });
      expect([g.evaluate(x, y).equal, g.evaluate(other, y).equal]).toEqual([true, false]);
      expect(c.wrong).toBeGreaterThanOrEqual(c.leastWrong);
      expect(c.exact).toBe(positions === "free");
    },
  );

  it("finds none in the p-bit machine of Γ itself", () => {
    const update = (s: State, t: Step): State => ({
      numerator: s.numerator.map((n, j) => (j === t.axis ? Math.max(-7, Math.min(7, n + t.sign)) : n)),
      denominator: 0,
    });
    for (const positions of ["free", "known"] as const) {
      const c = certify({ bits: 3, update }, { p: 3, d: 2, kind: "accumulator", positions });
      expect([c.collision, c.wrong, c.impossible]).toEqual([undefined, 0n, false]);
    }
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
      '"update" expected a table of at least 6 positions, the length of x|y, got 0',
    );
    expect(() => certify({ embedding: () => [0] }, { p: 2, d: 1, kind: "accumulator" } as never)).toThrow(
      '"model" expected "update" for kind "accumulator"',
    );
    expect(() => certify({ embedding: () => [0] }, { p: 16, d: 2 })).toThrow("at most 4194304 symbols");
    expect(() => certify({ update: (s) => s }, { p: 16, d: 1, kind: "accumulator" })).toThrow(
      "at most 67108864 tokens to go through, got 4294901760",
    );
    expect(() => certify({ update: [] }, { p: 2, d: 1, kind: "accumulator", positions: "some" as never })).toThrow(
      '"positions" expected "free" or "known", got "some"',
    );
    expect(() => certify({ embedding: () => [0] }, { p: 1, d: 1 })).toThrow('"p" expected integer in 2..16, got 1');
  });
});
