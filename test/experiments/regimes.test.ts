import { describe, expect, test } from "vitest";
import { plot } from "../../src/experiments/plot.ts";
import { valuesAt, walk } from "../../src/experiments/regimes/functions.ts";
import { experiments } from "../../src/experiments/regimes/index.ts";
import { blockCells, measureError } from "../../src/experiments/regimes/measure.ts";
import {
  achievable,
  buildAchievable,
  evaluatePoints,
  gridValue,
  resolveTarget,
  type Style,
  subtract,
  toNumber,
  unitGrid,
} from "../../src/regimes/index.ts";
import { expectFindings } from "./findings.ts";

const run = async <T>(name: string): Promise<{ data: T; svg: string }> => {
  const result = await experiments.find((experiment) => experiment.name === name)!.run();
  const { data, chart } = result;
  expectFindings(result, name === "regimes-run-time" ? { 1: "corrected" } : {});
  return { data: data as T, svg: await plot(chart!) };
};

test("there are six, with names of their own", () => {
  expect(experiments.map(({ name }) => name)).toEqual([
    "regimes-family",
    "regimes-memory",
    "regimes-smoothness",
    "regimes-conversion",
    "regimes-cost",
    "regimes-run-time",
  ]);
});

describe("error against memory", () => {
  test("no construction is below the entropy bound, the scan stays within 25 of it, the composite overtakes table and bit extraction", async () => {
    interface Row {
      style: Style;
      cells: number;
      denseMemory: number;
      proved: number;
      measured: number;
      provedTimesMemory: number;
    }
    const { data, svg } = await run<{
      rows: Row[];
      slopes: Record<Style, number>;
      plane: { cells: number; bitsPerNode: number }[];
    }>("regimes-memory");
    for (const row of data.rows) {
      expect(row.proved * (row.denseMemory + 1)).toBeGreaterThanOrEqual(1);
      expect(row.measured).toBeLessThanOrEqual(row.proved);
    }
    const at = (style: Style, cells: number) =>
      data.rows.find((row) => row.style === style && row.cells === cells)!.provedTimesMemory;
    for (let cells = 3; cells <= 10; cells++) expect(at("scan", cells)).toBeLessThanOrEqual(25);
    expect(at("composite", 10)).toBeLessThan(at("table", 10) / 4);
    expect(at("composite", 13)).toBeLessThan(80);
    expect(data.slopes.scan).toBeCloseTo(-1.05, 1);
    for (const { cells, bitsPerNode } of data.plane.filter((row) => row.cells >= 4))
      expect(bitsPerNode, String(cells)).toBeLessThan(130);
    expect(svg).toMatch(/^<svg/);
  });
});

describe("smoothness", () => {
  test("one bit per cell gains nothing from smoothness beyond 1; node values do", async () => {
    const { data, svg } = await run<{ slopes: { s: number; style: Style; slope: number }[] }>("regimes-smoothness");
    const slope = (style: Style, s: number) => data.slopes.find((row) => row.style === style && row.s === s)!.slope;
    for (const s of [1, 1.5, 2, 2.5]) expect(slope("scan", s)).toBeCloseTo(-1.05, 1);
    expect(slope("scan", 0.5)).toBeGreaterThan(-0.65);
    expect(slope("interpolant", 2)).toBeLessThan(-1.5);
    expect(slope("interpolant", 0.5)).toBeGreaterThan(-0.5);
    expect(svg).toContain("smoothness");
  });
});

test("the composite's cells grow like width² · depth · precision", () => {
  const cells = (width: number, depth: number, b: number) =>
    2 **
    Math.max(
      ...achievable(width, depth)
        .filter((one) => one.style === "composite" && one.b <= b)
        .map((one) => one.cells),
    );
  const share: number[] = [];
  for (const [width, depth, b] of [
    [48, 80, 32],
    [96, 80, 32],
    [192, 80, 32],
    [96, 160, 32],
    [96, 320, 64],
    [192, 320, 64],
    [384, 640, 128],
  ] as const)
    share.push((width * width * depth * b) / cells(width, depth, b));
  expect(Math.max(...share) / Math.min(...share)).toBeLessThan(4.01);
});

test("the error of bit extraction lies behind the borders of its blocks, and is looked for there", async () => {
  const samples = walk(1, 12);
  const size = { width: 9, depth: 100 };
  const all = achievable(size.width, size.depth).filter((one) => one.style === "bit-extraction");
  const best = all.filter((one) => one.b <= 15).at(-1)!;
  const border = 4 * blockCells(best)!;
  const target = resolveTarget(samples);
  const network = buildAchievable(best, valuesAt(samples, best.cells));
  const e = best.cells + 2;
  const values = await evaluatePoints(network, [unitGrid(e)], e);
  const error = (k: number) => Math.abs(toNumber(subtract(gridValue(values, 0, k), target.at(k, e))));
  const points = Array.from({ length: 2 ** e + 1 }, (_, k) => k);
  const inside = Math.max(...points.filter((k) => k % border >= 4).map(error));
  const behind = Math.max(...points.filter((k) => k % border < 6).map(error));
  expect(inside).toBeLessThanOrEqual(2 ** -best.cells);
  expect(behind).toBeGreaterThan(1.5 * inside);
  const measured = await measureError(best, samples, { ...size, b: 15 });
  expect(measured).toEqual({ error: behind, points: 2 ** e + 1, where: "everywhere" });
  // Longer words, in BigInt: fewer points, all borders among them.
  const long = all.filter((one) => one.b > 20).at(0)!;
  const { points: count, where } = await measureError(long, samples, { ...size, b: long.b });
  expect(where).toBe("at the borders");
  expect(count).toBeGreaterThanOrEqual((6 * 2 ** long.cells) / blockCells(long)!);
  await expect(measureError(best, samples, { width: 8, depth: 100, b: 15 })).rejects.toThrow("does not fit 8×100");
});

test("lowered and sliced networks run: the same function, at most five times the multiplications, more time", async () => {
  interface Row {
    network: string;
    form: string;
    bits: number;
    depth: number;
    products: number;
    difference: number;
    ratio: number;
  }
  const { data, svg } = await run<{ rows: Row[] }>("regimes-run-time");
  expect(data.rows.map(({ network, form, bits }) => `${network}, ${form} ${bits}`)).toEqual([
    ...["original 7", "deeper 1", "deeper 2", "deeper 4", "slices 1", "slices 2", "slices 4"].map(
      (x) => `perceptron, ${x}`,
    ),
    ...["ReLU network 1", "ReLU network 2", "ReLU network 4"].map((x) => `perceptron, ${x}`),
    ...["original 7", "deeper 1", "deeper 2", "deeper 4", "slices 1", "slices 2", "slices 4"].map(
      (x) => `residual network, ${x}`,
    ),
  ]);
  const depth = (form: string, bits: number) => data.rows.find((row) => row.form === form && row.bits === bits)!.depth;
  expect([depth("original", 7), depth("deeper", 1), depth("slices", 1), depth("ReLU network", 1)]).toEqual([
    3, 21, 3, 22,
  ]);
  for (const { form, products, difference, ratio } of data.rows) {
    expect(difference).toBeLessThan(1e-5);
    expect(products).toBeLessThan(5);
    expect(ratio).toBeGreaterThan(form === "original" ? 0.999 : 0);
  }
  expect(svg).toContain("residual network, slices");
});
