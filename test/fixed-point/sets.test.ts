import { beforeAll, expect, test } from "vitest";
import { Lattice } from "../../src/core/index.ts";
import { activationTable } from "../../src/fixed-point/activations.ts";
import { maximum } from "../../src/fixed-point/arithmetic.ts";
import { countUnseparated, separation } from "../../src/fixed-point/separation.ts";
import { criterion, enumerate, gapsOf, gcds, reachable, sets, setsOf, values } from "../../src/fixed-point/sets.ts";
import { compareSeparation, compareSets } from "./brute-force.ts";
import { vectors } from "./vectors.ts";

let lattice: Lattice;
beforeAll(async () => {
  lattice = await Lattice.create();
});

test("V, S, N, g and h equal the published vectors, by the closed form and by enumeration", async () => {
  for (const e of vectors("sets")) {
    const table = e.table === undefined ? activationTable(e.act, e.p, e.s) : Int32Array.from(e.table);
    expect(gcds(lattice, table)).toEqual({ g: e.g, h: e.h });
    expect(setsOf(lattice, table, e.p, e.s, e.B)).toEqual({ gaps: e.V, s: e.S, n: e.N });
    expect(await sets(e.table ?? e.act, e.p, e.s, e.B)).toEqual({ gaps: e.V, s: e.S, n: e.N });
    const sums = [enumerate(lattice, e.V, e.p, e.s, 3), enumerate(lattice, new Set(table), e.p, e.s, 3)];
    expect(sums.map((sum) => values(sum.reachable(e.B), 1))).toEqual([e.S, e.N]);
    expect(values(reachable(lattice, e.g, e.B, e.p, e.s), 0)).toEqual(e.S_missing);
    expect(values(reachable(lattice, e.h, e.B, e.p, e.s), 0)).toEqual(e.N_missing);
    expect(criterion(e.g, e.p, e.s).holds).toBe(e.exists_b_S);
    expect(criterion(e.h, e.p, e.s).holds).toBe(e.exists_b_N);
  }
});

test("the criterion equals the published vectors, and a bias exists exactly when bias 0 does", () => {
  for (const [p, s, g, holds] of vectors("criterion")) {
    expect(criterion(g, p, s).holds).toBe(holds);
    const all = (bias: number): boolean => reachable(lattice, g, bias, p, s).every((byte) => byte === 1);
    expect(all(0)).toBe(holds);
    if (!holds) for (let bias = 1; bias < Math.min(g, 64); bias++) expect(all(bias)).toBe(false);
  }
});

test("brute force and closed form agree on 20,000 sets of named and random tables", () => {
  const { cases, mismatches } = compareSets(lattice, 20_000);
  expect(cases).toBeGreaterThanOrEqual(20_000);
  expect(mismatches).toEqual([]);
});

test("an enumeration says how many summands its sums need", () => {
  expect(enumerate(lattice, [1], 2, 1, 0).rounds).toBeGreaterThan(1);
  expect(enumerate(lattice, [0], 2, 1, 0).rounds).toBe(0);
  expect(gapsOf(Int32Array.from([1, 1, 1]))).toEqual([0]);
});

test("V is what the definition says, for outputs with holes of every width", () => {
  for (const step of [1, 3, 31, 32, 33, 100]) {
    const table = Int32Array.from({ length: 40 }, (_, i) => ((i * i * step) % 997) - 400);
    const gaps = new Set([...table].flatMap((x) => [...table].map((y) => x - y)));
    expect(gapsOf(table)).toEqual([...gaps].sort((x, y) => x - y));
  }
});

test("V of as many outputs as there are has no pairs looked at one by one", async () => {
  // 2^16 and 2^17 outputs: 4e9 and 2e10 pairs, of which a set took minutes.
  const relu = await sets("relu", 16, 1);
  expect(relu.gaps.length).toBe(2 * maximum(16) + 1);
  const holes = Int32Array.from({ length: 2 * maximum(16) + 1 }, (_, i) => (i === 1 ? 0 : i) - maximum(16));
  expect(gapsOf(holes).length).toBe(4 * maximum(16) + 1);
});

test("separation equals the published vectors and the definition", () => {
  for (const { p, s, table, separates } of vectors("separation")) {
    expect(separation(Int32Array.from(table), p, s).separates).toBe(separates);
  }
  const { cases, mismatches } = compareSeparation(lattice, 700);
  expect(cases).toBeGreaterThanOrEqual(700);
  expect(mismatches).toEqual([]);
});

test("two inputs that are named as unseparated are", () => {
  const spike = Int32Array.from([2, 2, 2, 3, 2, 2, 2]);
  expect(separation(spike, 2, 6)).toEqual({ separates: false, unseparated: [-1, 1] });
  expect(countUnseparated(lattice, spike, 2, 6)).toBe(1);
  expect(separation(activationTable("relu", 3, 16), 3, 16).unseparated).toEqual([0, 1]);
  expect(maximum(3) * 2).toBeLessThan(16);
});

test("a bias that is no integer is named", async () => {
  await expect(sets("relu", 3, 1, 0.5)).rejects.toThrow('"bias" expected an integer, got 0.5');
});
