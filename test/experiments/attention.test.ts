import { beforeAll, describe, expect, it } from "vitest";
import { experiments } from "../../src/experiments/attention/index.ts";
import { type ExperimentResult, plot, type Verdict } from "../../src/experiments/index.ts";
import { expectFindings } from "./findings.ts";

/** Claims that are not simply confirmed, by experiment and position. */
const OTHERS: Readonly<Record<string, Readonly<Record<number, Verdict>>>> = {
  "attention-audit": { 2: "open" },
  "attention-membership": { 1: "corrected" },
};
const results = new Map<string, ExperimentResult>();

/** Figures of an experiment, run once. */
async function data<T>(name: string): Promise<T> {
  if (!results.has(name)) results.set(name, await experiments.find((e) => e.name === name)!.run());
  return results.get(name)!.data as unknown as T;
}

describe("attention-threshold", () => {
  interface Row {
    readonly p: number;
    readonly d: number;
    readonly wrong: number;
    readonly wrongBelow: number;
    readonly leastWrongBelow: number;
  }
  let rows: {
    token: (Row & { symbols: number; bestReadoutBelow: number })[];
    accumulator: Row[];
    session: { p: number; embeddingBits: number; wrong: number; accuracy: number }[];
  };
  beforeAll(async () => {
    rows = await data("attention-threshold");
  });

  it("finds no error with p bits, p = 2…6, in both models", () => {
    for (const model of [rows.token, rows.accumulator]) {
      expect(model.map((r) => [r.p, r.wrong])).toEqual([2, 3, 4, 5, 6].map((p) => [p, 0]));
    }
    expect(rows.accumulator.map((r) => r.d)).toEqual([1, 2, 3, 4, 5]);
  });

  it("runs as an ONNX network in a session, with the same errors", () => {
    for (const { p, embeddingBits, wrong, accuracy } of rows.session) {
      const exact = rows.token.find((r) => r.p === p)!;
      expect(wrong).toBe(embeddingBits === p ? 0 : exact.wrongBelow);
      expect(accuracy === 1).toBe(embeddingBits === p);
    }
    expect(rows.session).toHaveLength(10);
  });

  it("finds at least the forced errors with p − 1 bits", () => {
    expect(rows.token.map((r) => r.leastWrongBelow)).toEqual([5, 9, 17, 33, 65]);
    for (const r of rows.token) {
      expect(r.bestReadoutBelow).toBeGreaterThanOrEqual(r.leastWrongBelow);
      expect(r.wrongBelow).toBeGreaterThanOrEqual(r.bestReadoutBelow);
    }
    for (const r of rows.accumulator) {
      expect(r.leastWrongBelow).toBeGreaterThan(0);
      expect(r.wrongBelow).toBeGreaterThanOrEqual(r.leastWrongBelow);
    }
  });
});

describe("attention-tight", () => {
  it("attains the counting bound: 44 of 49 at p = 2", async () => {
    const { rows, embeddings, machines, automata } = await data<{
      rows: { symbols: number; codes: number; correct: number; wrong: number; bound: number }[];
      embeddings: { models: number; colliding: number };
      machines: { machines: number; wrong: number };
      automata: { states: number; bound: number; wrong: number }[];
    }>("attention-tight");
    expect(rows.find((r) => r.symbols === 7 && r.codes === 3)).toMatchObject({ correct: 44, wrong: 5 });
    for (const r of rows) expect(r.wrong).toBe(r.bound);
    expect(embeddings).toEqual({ models: 2187, colliding: 2187 });
    expect(machines).toEqual({ machines: 36, wrong: 6 });
    expect(automata.map(({ wrong }) => wrong)).toEqual([7, 6, 5, 4, 3]);
  });
});

describe("attention-retrieval", () => {
  interface Row {
    readonly keys: string;
    readonly score: string;
    readonly bits: number;
    readonly lost: number;
    readonly retrieval: number;
    readonly certified: number;
  }
  let rows: readonly Row[];
  beforeAll(async () => {
    ({ rows } = await data<{ rows: Row[] }>("attention-retrieval"));
  });
  const of = (keys: string, score: string) => rows.filter((r) => r.keys === keys && r.score === score);

  it("shows that distinct near-duplicates are not found by q·k, and are with the correction", () => {
    const dot = of("near-duplicate", "dot");
    expect(dot.find((r) => r.bits === 7)!.lost).toBe(0);
    expect(dot.find((r) => r.bits === 7)!.retrieval).toBeLessThan(0.7);
    expect(dot.find((r) => r.bits === 12)!.retrieval).toBeGreaterThan(0.95);
    for (const keys of ["random", "clustered", "near-duplicate"]) {
      for (const r of of(keys, "nearest")) if (r.lost === 0) expect(r.retrieval).toBe(1);
    }
  });

  it("orders the sets: random keys need the fewest bits", () => {
    const first = (keys: string) => of(keys, "dot").find((r) => r.retrieval >= 0.99)!.bits;
    expect(first("random")).toBeLessThan(first("clustered"));
    expect(first("clustered")).toBeLessThan(first("near-duplicate"));
  });

  it("never certifies more than it retrieves", () => {
    for (const r of rows) expect(r.certified).toBeLessThanOrEqual(r.retrieval);
    expect(of("random", "dot").at(-1)!.certified).toBe(1);
  });
});

describe("attention-audit", () => {
  it("predicts the agreement of the quantized network, and proves less than it predicts", async () => {
    const { rows } = await data<{ rows: { layer: number; bits: number; kind: string; agreement: number }[] }>(
      "attention-audit",
    );
    const at = (layer: number, bits: number, kind: string) =>
      rows.find((r) => r.layer === layer && r.bits === bits && r.kind === kind)!.agreement;
    for (const layer of [0, 1]) {
      for (const bits of [4, 5, 6, 7, 8, 9, 10, 12]) {
        const predicted = at(layer, bits, "predicted");
        expect(Math.abs(at(layer, bits, "measured, scores quantized") - predicted)).toBeLessThan(bits < 6 ? 0.1 : 0.03);
        expect(at(layer, bits, "measured, network quantized")).toBeGreaterThan(predicted - (bits < 6 ? 0.25 : 0.08));
        expect(at(layer, bits, "proved")).toBeLessThanOrEqual(predicted);
      }
      expect(at(layer, 12, "measured, network quantized")).toBeGreaterThan(0.98);
    }
    for (const bits of [8, 10, 12])
      expect(at(0, bits, "measured, scores quantized")).toBeGreaterThanOrEqual(at(0, bits, "proved"));
  });
});

describe("attention-membership", () => {
  it("measures what the grid predicts", async () => {
    const { n, rows } = await data<{
      n: number;
      rows: { distance: number; bits: number; predicted: number; measured: number }[];
    }>("attention-membership");
    for (const { bits, predicted, measured } of rows) {
      const sigma = Math.sqrt((predicted * (1 - predicted)) / n) + 1 / n;
      // At 2 bits most coordinates round to 0: more pass than if they lay anywhere in their cells.
      if (bits === 2) expect(measured).toBeGreaterThan(predicted - 4 * sigma);
      else expect(Math.abs(measured - predicted)).toBeLessThan(4 * sigma);
    }
    const at = (distance: number, bits: number) => rows.find((r) => r.distance === distance && r.bits === bits)!;
    expect(at(0.01, 4).measured).toBeGreaterThan(0.2);
    expect(at(0.01, 8).measured).toBe(0);
  });
});

describe("attention-recall", () => {
  it("learns to copy and to recall, and breaks where the audit says", async () => {
    const { tasks, rows } = await data<{
      tasks: { task: string; float: number; predictedBits: number; measuredBits: number }[];
      rows: { task: string; bits: number; accuracy: number; predicted: number }[];
    }>("attention-recall");
    expect(tasks.map(({ task }) => task)).toEqual(["copy", "recall"]);
    for (const { task, float, predictedBits, measuredBits } of tasks) {
      expect(float).toBeGreaterThan(0.99);
      expect(Math.abs(predictedBits - measuredBits)).toBeLessThanOrEqual(1);
      const at = (bits: number) => rows.find((row) => row.task === task && row.bits === bits)!.accuracy;
      expect(at(2)).toBeLessThan(0.9);
      expect(at(12)).toBeGreaterThan(float - 0.01);
    }
  });
});

describe("every attention experiment", () => {
  it("has a name, a summary, JSON figures and charts", async () => {
    expect(new Set(experiments.map((e) => e.name)).size).toBe(experiments.length);
    for (const { name, summary } of experiments) {
      expect(name).toMatch(/^attention-[a-z-]+$/);
      expect(summary).toMatch(/\.$/);
      const figures = await data(name);
      expect(JSON.parse(JSON.stringify(figures))).toEqual(figures);
      expectFindings(results.get(name)!, OTHERS[name]);
      const svg = await plot(results.get(name)!.chart!);
      expect(svg).toMatch(/^<svg[^>]*>/);
      expect(svg).not.toContain("NaN");
    }
  });

  it("gives the same figures for the same seed, and stops when told to", async () => {
    const membership = experiments.find((e) => e.name === "attention-membership")!;
    const again = (await membership.run({ seed: 1 })).data;
    expect(JSON.stringify(again)).toBe(JSON.stringify(await data("attention-membership")));
    for (const e of experiments) {
      await expect(e.run({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    }
  });
});
