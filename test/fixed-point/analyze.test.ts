import { beforeAll, expect, test } from "vitest";
import { Lattice } from "../../src/core/index.ts";
import { activationTable } from "../../src/fixed-point/activations.ts";
import { analyze } from "../../src/fixed-point/analyze.ts";
import { universalityMap } from "../../src/fixed-point/map.ts";
import { criterion, gcds } from "../../src/fixed-point/sets.ts";
import { processorTime } from "../support/processor-time.ts";
import { vectors } from "./vectors.ts";

let lattice: Lattice;
beforeAll(async () => {
  lattice = await Lattice.create();
});

const scales = [...Array.from({ length: 16 }, (_, i) => i + 1), 32, 64, 127, 128, 256, 512];

test("verdicts of all activations and formats equal the published vectors, in the analysis and in the map", async () => {
  for (const [name, lists] of Object.entries(vectors("activation_universality"))) {
    const listed = (list: keyof typeof lists, p: number, s: number): boolean =>
      (lists[list] ?? []).some((cell) => cell[0] === p && cell[1] === s);
    const map = universalityMap(name, { maxP: 8, maxS: 512 });
    for (let p = 1; p <= 8; p++) {
      for (const s of scales) {
        const { g, h } = gcds(lattice, activationTable(name, p, s));
        expect(criterion(g, p, s).holds).toBe(!listed("S_fail", p, s));
        expect(criterion(h, p, s).holds).toBe(!listed("N_fail", p, s));
        const { universal, binaryUniversal } = await analyze(name, p, s);
        expect([universal, binaryUniversal], `${name} ${p} ${s}`).toEqual([
          !listed("not_universal", p, s),
          !listed("not_binary", p, s),
        ]);
        const { verdict } = map.rows[p - 1]!.find((run) => run.from <= s && s <= run.to)!;
        expect(verdict === "binary" || verdict === "universal").toBe(universal);
        expect(verdict === "binary").toBe(binaryUniversal);
      }
    }
  }
});

test("p = 1: every table and scale equals the closure of all networks", async () => {
  for (const [s, table, universal] of vectors("p1_exhaustive")) {
    expect((await analyze(table, 1, s)).universal, `[${table}] s=${s}`).toBe(universal);
  }
});

test("5·Hardtanh at p = 3, s = 1: gaps of five, ten values missing whatever the bias", async () => {
  const analysis = await analyze("5*hardtanh", 3, 1);
  expect(analysis).toMatchObject({
    universal: false,
    binaryUniversal: false,
    g: 5,
    h: 5,
    criterion: { left: 48, right: 1, holds: false },
    separates: true,
    bias: 0,
    residue: { modulus: 5, remainder: 0 },
    missing: [-6, -4, -3, -2, -1, 1, 2, 3, 4, 6],
  });
  expect(analysis.reason).toMatch(/^not universal: outputs differ by multiples of g = 5/);
});

test("where the published conditions are silent or wrong", async () => {
  // The divisibility lemma as printed: r = 3 divides every output of sign at p = 5, s = 3, and yet all of Q is reached.
  const sign = await analyze("sign", 5, 3);
  expect(sign.universal).toBe(true);
  expect(sign.published.divisibility).toEqual({ holds: true, verdict: "not universal", agrees: false, r: 3 });
  // The necessary condition holds, the network is constant.
  const sigmoid = await analyze("sigmoid", 1, 2);
  expect(sigmoid.universal).toBe(false);
  expect(sigmoid.published.necessary).toMatchObject({ holds: true, verdict: "silent" });
  expect(sigmoid.reason).toMatch(/constant/);
  // The sufficient condition holds, but one input and zero are one to every neuron.
  const relu = await analyze("relu", 3, 16);
  expect(relu.universal).toBe(false);
  expect(relu.unseparated).toEqual([0, 1]);
  expect(relu.published.sufficient).toMatchObject({ holds: true, condition1: true, agrees: false });
  // N = Q without S = Q for a table that is not constant.
  const custom = await analyze([1, 1, 1, 1, 1, 1, 1, 6, 6, 6, 6, 6, 6, 6, 6], 3, 1);
  expect(custom).toMatchObject({ universal: false, g: 5, h: 1 });
  expect(custom.published.necessary.holds).toBe(true);
});

test("p = 16 answers in under a second", async () => {
  for (const [name, s] of [
    ["gelu", 1],
    ["mish", 65535],
    ["sign", 131070],
    ["relu", 131071],
    ["0.5*step", 3],
  ] as const) {
    const before = processorTime();
    const { universal, separates, missingCount } = await analyze(name, 16, s);
    expect(processorTime() - before).toBeLessThan(1000);
    expect(universal).toBe(separates && missingCount === 0);
  }
});

test("lists of missing values are cut, their count is not", async () => {
  const { missing, missingCount, reason } = await analyze("30000*step", 16, 1);
  expect(missing).toHaveLength(4096);
  expect(missingCount).toBe(131071 - 7);
  expect(reason).toMatch(/with output bias 0\/1, 131064 of 131071/);
});

test("the map of p ≤ 12, s ≤ 1024 takes under a second and covers every scale", () => {
  for (const name of ["sigmoid", "mish", "step"]) {
    const before = processorTime();
    const { rows } = universalityMap(name);
    expect(processorTime() - before).toBeLessThan(1000);
    expect(rows).toHaveLength(12);
    for (const row of rows) {
      expect(row[0]!.from).toBe(1);
      expect(row.at(-1)!.to).toBe(1024);
      for (let i = 1; i < row.length; i++) expect(row[i]!.from).toBe(row[i - 1]!.to + 1);
    }
  }
});
