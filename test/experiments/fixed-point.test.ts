import { expect, test } from "vitest";
import { experiments } from "../../src/experiments/fixed-point/index.ts";
import type { Verdict } from "../../src/experiments/index.ts";
import { plot } from "../../src/experiments/plot.ts";
import { expectFindings } from "./findings.ts";

const OTHERS: Readonly<Record<string, Readonly<Record<number, Verdict>>>> = {
  "fixed-point-binary": { 1: "open" },
  "fixed-point-structured": { 1: "open" },
  "fixed-point-approximation": { 1: "corrected", 3: "open" },
};

// biome-ignore lint/suspicious/noExplicitAny: the figures are JSON of a shape that each test states.
async function run(name: string): Promise<any> {
  const experiment = experiments.find((e) => e.name === name)!;
  const result = await experiment.run();
  const { data, chart } = result;
  expectFindings(result, OTHERS[name]);
  expect(await plot(chart!)).toMatch(/^<svg/);
  return JSON.parse(JSON.stringify(data));
}

test("names are unique and say what they are", () => {
  expect(new Set(experiments.map((e) => e.name)).size).toBe(experiments.length);
  for (const { name, summary } of experiments) {
    expect(name).toMatch(/^fixed-point-[a-z-]+$/);
    expect(summary.length).toBeGreaterThan(30);
  }
});

test("(a) an interval takes nine parameters", async () => {
  expect(await run("fixed-point-indicator")).toMatchObject({ parameters: 9, widths: [2, 1, 1], wrong: 0 });
});

test("(b) 5·Hardtanh leaves ten of fifteen values out, whatever the bias, by both ways to enumerate", async () => {
  const { rows, leastMissing } = await run("fixed-point-hardtanh");
  expect(leastMissing).toBe(10);
  expect(rows.map((row: { missing: number[] }) => row.missing.length)).toEqual([11, 10, 10, 10, 11]);
  expect(rows.every((row: { agrees: boolean }) => row.agrees)).toBe(true);
});

test("(c) binary weights cost one to two orders of magnitude", async () => {
  const { rows } = await run("fixed-point-binary");
  const size = (p: number, activation: string, weights: string): number =>
    rows.find(
      (row: Record<string, unknown>) =>
        row["p"] === p && row["activation"] === activation && row["weights"] === weights,
    ).parameters;
  for (const activation of ["identity", "relu", "tanh"]) {
    expect(size(2, activation, "binary")).toBeLessThan(30_000);
    const ratio = size(3, activation, "binary") / size(3, activation, "full");
    expect(ratio).toBeGreaterThan(5);
    expect(ratio).toBeLessThan(200);
  }
});

test("functions of x + y keep to few parameters with weights ±1 at p = 7, max(x, y) does not", async () => {
  const { rows } = await run("fixed-point-structured");
  const of = (f: string, p: number, weights: string) =>
    rows.find(
      (row: { f: string; p: number; weights: string }) => row.f === f && row.p === p && row.weights === weights,
    );
  for (const f of ["|x + y|", "x + y ≥ 0"]) {
    expect(of(f, 7, "binary").parameters).toBeLessThan(2550);
    expect(of(f, 7, "binary").depth).toBeLessThanOrEqual(2);
  }
  expect(of("max(x, y)", 4, "binary").parameters).toBeGreaterThan(100_000);
  expect(of("max(x, y)", 4, "full").parameters).toBe(17);
});

test("(d) parameters grow with the number of entries, not with its square", async () => {
  const { rows } = await run("fixed-point-scaling");
  for (const row of rows.filter((r: { d: number; p: number }) => r.d === 2 && r.p > 1)) {
    const entries = (2 ** (row.p + 1) - 1) ** row.d;
    expect(row.parameters).toBeLessThan(20 * entries);
    expect(row.parameters).toBeGreaterThan(row.informationBound);
    expect(row.naive).toBeGreaterThan(entries ** 2);
  }
});

test("(e) without an activation networks compute everything exactly while s ≤ 2M", async () => {
  const { rows } = await run("fixed-point-identity");
  for (const { p, s, universal, parameters } of rows) {
    expect(universal).toBe(s <= 2 * (2 ** p - 1));
    expect(parameters !== null).toBe(universal);
  }
});

test("(f) floating-point networks give the same tables", async () => {
  const { rows } = await run("fixed-point-floating");
  for (const row of rows) {
    expect(row.floatWrong).toBe(0);
    expect(row.float).toBeLessThan(8 * row.inputs);
    expect(row.relu).toBeLessThan(8 * row.inputs);
  }
});

test("round-off: fine formats keep the accuracy, beyond s = 2M it is gone", async () => {
  const { results } = await run("fixed-point-round-off");
  for (const { accuracy, points } of results) {
    expect(accuracy).toBeGreaterThan(0.94);
    const at = (p: number, s: number) =>
      points.find((point: { p: number; s: number }) => point.p === p && point.s === s);
    expect(at(8, 32).accuracy).toBeGreaterThan(accuracy - 0.03);
    for (const point of points.filter((point: { belowThreshold: boolean }) => !point.belowThreshold)) {
      expect(point.separates).toBe(false);
      expect(point.accuracy).toBeLessThan(0.7);
    }
  }
});

test("real networks grow by √2 a bit on smooth functions, exact ones by 2, and both by 2 without smoothness", async () => {
  const { rows } = await run("fixed-point-approximation");
  expect(rows.length).toBe(24);
  const growth = (f: string, of: "real" | "exact"): number => {
    const at = (p: number) => rows.find((row: { f: string; p: number }) => row.f === f && row.p === p);
    return Math.sqrt(at(7)[of] / at(5)[of]);
  };
  for (const f of ["2x² − 1", "(5x³ − 3x)/2", "2/(1 + 25x²) − 1"]) {
    expect(growth(f, "real")).toBeLessThan(1.6);
    expect(growth(f, "exact")).toBeGreaterThan(1.7);
  }
  for (const of of ["real", "exact"] as const) expect(growth("a random table", of)).toBeGreaterThan(1.8);
  // Of 255 random entries hardly one lies within half a step of a line through its neighbours.
  expect(rows.at(-1).real).toBeGreaterThan(3 * 240);
  expect(rows.at(-1).real).toBeLessThanOrEqual(3 * 254 + 1);
});
