import { describe, expect, test } from "vitest";
import { approximate, STYLES } from "../../src/regimes/approximate.ts";
import { fromNumber, toNumber } from "../../src/regimes/dyadic.ts";
import { evaluate } from "../../src/regimes/network.ts";
import { approximatePlane } from "../../src/regimes/plane.ts";
import { lipschitzWalk } from "./helpers.ts";

const wave = (x: number) => Math.sin(6 * x) / 6;

describe("approximate", () => {
  test("every style keeps the error asked for, steep, shallow and far functions included", async () => {
    const cases = [
      { f: wave, lipschitz: 1, error: 0.03 },
      { f: (x: number) => 7 * Math.cos(3 * x) + 20, lipschitz: 21, error: 0.9 },
      { f: (x: number) => -300 + x / 40, lipschitz: 1 / 40, error: 0.001 },
      { f: (x: number) => Math.abs(x - 0.37), lipschitz: 3, error: 0.11 },
    ];
    for (const { f, lipschitz, error } of cases) {
      for (const style of STYLES) {
        const result = await approximate(f, { lipschitz, error, style });
        expect(result.style).toBe(style);
        expect(result.supError).toBeLessThanOrEqual(error);
        expect(result.measuredError).toBeLessThanOrEqual(result.supError);
        expect(result.verified.exhaustive).toBe(true);
        expect(result.memoryBits).toBe(result.size.denseMemory);
        for (const x of [0, 0.3125, 1])
          expect(Math.abs(toNumber(evaluate(result.network, [fromNumber(x)])[0]!) - f(x))).toBeLessThanOrEqual(
            result.supError,
          );
      }
    }
  });

  test("auto has the least memory, and within a budget the least error", async () => {
    for (const memory of ["dense", "sparse"] as const) {
      const best = await approximate(wave, { lipschitz: 1, error: 0.02, memory });
      for (const style of STYLES) {
        const other = await approximate(wave, { lipschitz: 1, error: 0.02, style, memory });
        expect(best.memoryBits).toBeLessThanOrEqual(other.memoryBits);
      }
    }
    for (const budgetBits of [500, 5000, 60_000]) {
      const best = await approximate(wave, { lipschitz: 1, budgetBits });
      expect(best.memoryBits).toBeLessThanOrEqual(budgetBits);
    }
    // A rough function: the scan overtakes the interpolant. With more bits still the interpolant holds every kink exactly.
    const walk = lipschitzWalk(4, 12);
    expect((await approximate(walk, { lipschitz: 1, budgetBits: 2000 })).style).toBe("interpolant");
    expect((await approximate(walk, { lipschitz: 1, budgetBits: 20_000 })).style).toBe("scan");
  });

  test("Hölder exponents: the root at its steep end", async () => {
    for (const style of STYLES) {
      const result = await approximate(Math.sqrt, { lipschitz: 1, exponent: 0.5, error: 0.2, style });
      expect(result.measuredError).toBeLessThanOrEqual(result.supError);
      expect(result.supError).toBeLessThanOrEqual(0.2);
    }
    await expect(approximate(Math.sqrt, { lipschitz: 1, error: 0.1 })).rejects.toThrow(
      '"f" expected Lipschitz constant 1, got 32',
    );
  });

  test("samples and breakpoints are functions too", async () => {
    const sampled = await approximate([0, 0.25, 0.125], { lipschitz: 0.5, error: 0.01 });
    expect(sampled.supError).toBeLessThanOrEqual(0.01);
    const broken = await approximate(
      [
        [0, 1],
        [0.3, 0.7],
        [1, 1],
      ],
      { lipschitz: 1, error: 0.02, style: "scan" },
    );
    expect(broken.measuredError).toBeLessThanOrEqual(broken.supError);
  });

  test("beyond n = 10 a sample of the grid is verified, and the result says so", async () => {
    const { verified, cells } = await approximate(lipschitzWalk(1, 6), {
      lipschitz: 1,
      error: 2 ** -12,
      style: "scan",
    });
    expect(cells).toBe(12);
    expect(verified).toEqual({ points: 8193, exponent: 15, exhaustive: false });
  });
});

describe("bad input is refused in words", () => {
  const options = { lipschitz: 1, error: 0.1 };
  test("the violated pair is named", async () => {
    await expect(approximate([0, 0.5, 0.1, 0.2, 0.3], options)).rejects.toThrow(
      '"f" expected Lipschitz constant 1, got 2.00000 between (0, 0) and (0.25, 0.5)',
    );
    await expect(approximate((x) => (x < 0.5 ? 0 : 0.25), options)).rejects.toThrow("between (0.499");
    await expect(approximate([0, 0.5, 0.5, 0.5, 0.9], { ...options, exponent: 0.5, lipschitz: 0.8 })).rejects.toThrow(
      "Hölder constant at exponent 0.5 0.8, got 1.00000 between (0, 0) and (0.25, 0.5)",
    );
  });
  test("budgets and errors out of reach", async () => {
    await expect(approximate(wave, { lipschitz: 1, budgetBits: 5 })).rejects.toThrow(
      /"budgetBits" expected at least \d+ bits/,
    );
    await expect(approximate(wave, { lipschitz: 1, budgetBits: 1000, style: "composite" })).rejects.toThrow(
      /at least \d+ bits for style composite, got 1000/,
    );
    await expect(approximate(wave, { lipschitz: 1, error: 1e-9, style: "scan" })).rejects.toThrow(
      '"error" expected at least 0.0000152',
    );
  });
  test("options", async () => {
    await expect(approximate(wave, { lipschitz: 1 })).rejects.toThrow("exactly one");
    await expect(approximate(wave, { lipschitz: 0, error: 1 })).rejects.toThrow(
      '"lipschitz" expected a positive number, got 0',
    );
    await expect(approximate(wave, { ...options, exponent: 2 })).rejects.toThrow('"exponent"');
    await expect(approximate(wave, { ...options, style: "magic" as "scan" })).rejects.toThrow(
      '"style" expected auto, interpolant',
    );
    await expect(approximate([1, 2, 3, 4], options)).rejects.toThrow("2^k + 1 samples, got 4");
    await expect(approximate(() => Number.NaN, options)).rejects.toThrow("finite numbers, got NaN at x = 0");
    await expect(approximate("x" as unknown as number[], options)).rejects.toThrow(TypeError);
    await expect(
      approximate(
        [
          [0, 1],
          [0.5, 1],
        ],
        options,
      ),
    ).rejects.toThrow("from x = 0 to x = 1");
    await expect(approximate(wave, { ...options, signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow(
      "stop",
    );
  });
});

describe("approximatePlane", () => {
  const f = (x: number, y: number) => Math.max(x, 1 - y);
  test("keeps the error, at any constant and offset", async () => {
    const result = await approximatePlane(f, { lipschitz: 1, error: 0.1 });
    expect(result.supError).toBeLessThanOrEqual(0.1);
    expect(result.measuredError).toBeLessThanOrEqual(result.supError);
    const steep = await approximatePlane((x, y) => 50 - 3 * x + 2 * y, { lipschitz: 5, error: 0.8 });
    expect(steep.measuredError).toBeLessThanOrEqual(steep.supError);
    const small = await approximatePlane(f, { lipschitz: 1, budgetBits: 10_000 });
    expect(small.memoryBits).toBeLessThanOrEqual(10_000);
  });
  test("refuses what it cannot do", async () => {
    await expect(approximatePlane((x, y) => x + y, { lipschitz: 1, error: 0.1 })).rejects.toThrow(
      "in the maximum norm, got 2.00000 between (0, 0) and",
    );
    await expect(approximatePlane(f, { lipschitz: 1, error: 1e-6 })).rejects.toThrow(
      '"error" expected at least 0.0083',
    );
    await expect(approximatePlane(f, { lipschitz: 1, budgetBits: 10 })).rejects.toThrow(
      '"budgetBits" expected at least 972',
    );
  });
});
