import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ExperimentOptions, StudyNetwork, Verdict } from "../../src/experiments/experiment.ts";
import { plot } from "../../src/experiments/plot.ts";
import { experiments } from "../../src/experiments/series/index.ts";
import { largestQ } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { expectFindings } from "./findings.ts";

/** What is published and true only with a change. */
const VERDICTS: Readonly<Record<string, Record<number, Verdict>>> = {
  "series-convergence": { 1: "corrected" },
  "series-basis": { 1: "corrected" },
  "series-grid": { 3: "corrected" },
  "series-sensitivity": { 0: "corrected" },
  "series-asymmetry": { 0: "corrected" },
  "series-pairs": { 2: "corrected" },
  "series-cost": { 0: "corrected" },
  "series-scaling": { 3: "open" },
};

const run = async <T>(name: string, options: ExperimentOptions = {}): Promise<T> => {
  const result = await experiments.find((experiment) => experiment.name === name)!.run(options);
  const { data, chart, tables } = result;
  expectFindings(result, VERDICTS[name]);
  expect(await plot(chart!)).toMatch(/^<svg/);
  for (const { header, rows } of tables!) for (const row of rows) expect(row.length).toBe(header.length);
  return JSON.parse(JSON.stringify(data)) as T;
};

/** 100 Fashion-MNIST pictures on a trained network. */
function trained(): StudyNetwork {
  const file = inflateSync(readFileSync(new URL("../fixtures/fashion_mnist/pictures.bin", import.meta.url)));
  const pictures = Float32Array.from(file.subarray(200, 200 + 100 * 784), (x) => (x / 255 - 0.286) / 0.353);
  return {
    name: "fmnist_resnet",
    onnx: readFileSync(new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url)),
    inputs: [{ image: new Tensor("float32", pictures, [100, 1, 28, 28]) }],
    labels: Array.from(file.subarray(0, 100)),
  };
}

interface Row {
  weightTerms: number;
  activationTerms: number;
  agreement: number;
  decibels: number;
  accuracy?: number;
  bytes: number;
}

test("names of their own", () => {
  expect(experiments.map(({ name }) => name)).toEqual([
    "series-convergence",
    "series-first-layer",
    "series-grid",
    "series-sensitivity",
    "series-asymmetry",
    "series-clipping",
    "series-basis",
    "series-pairs",
    "series-cost",
    "series-scaling",
  ]);
});

describe("tensors", () => {
  test("16, 8 and 4 times less error per term; the published recurrence stops at s₁/(2(2^X − 1))", async () => {
    interface Convergence {
      bits: number;
      terms: number;
      error: number;
      bound: number;
      ratio: number | null;
      exact: number;
      published: number;
    }
    const { rows } = await run<{ rows: Convergence[] }>("series-convergence");
    expect(rows.length).toBe(24);
    for (const { bits, terms, error, bound, ratio, published } of rows) {
      expect(error).toBeLessThanOrEqual(bound);
      // Q_max grows a little faster than the radix; beyond 16 bits scales are powers of two, and the step there costs or gains up to a bit.
      const steady = bits * terms <= 16 || bits * (terms - 1) > 16;
      const grows = largestQ(bits, terms, "signed") / largestQ(bits, terms - 1, "signed");
      if (ratio !== null && steady) expect(Math.abs(ratio / grows - 1)).toBeLessThan(0.2);
      const stuck = 1 / ((2 ** (bits - 1) - 1) * 2 * (2 ** bits - 1));
      if (terms >= 4) expect(published).toBeGreaterThan(0.9 * stuck);
    }
    const last = rows.at(-1)!;
    expect([last.bits, last.terms]).toEqual([4, 8]);
    expect(last.exact).toBeGreaterThan(0.97);
  }, 120_000);

  test("clipping pays for heavy tails only, and says when a tail is too heavy", async () => {
    interface Clip {
      shape: string;
      rule: string;
      wanted: number;
      kept: number;
      plain: number;
      error: number;
      warning: boolean;
    }
    const { rows } = await run<{ rows: Clip[] }>("series-clipping");
    const of = (shape: string) => rows.find((r) => r.shape === shape)!;
    for (const shape of ["constant", "uniform", "bimodal"]) expect(of(shape)).toMatchObject({ wanted: 0, kept: 0 });
    for (const row of rows) {
      expect(row.error).toBeLessThanOrEqual(row.plain);
      expect(row.warning).toBe(row.kept > 0.01);
    }
    expect(of("laplace").error).toBeLessThan(0.7 * of("laplace").plain);
    expect(of("one of 1e6").wanted).toBeGreaterThan(0);
    expect(of("power 1").wanted).toBeGreaterThanOrEqual(0.009);
    const growing = ["power 8", "power 4", "power 2"].map((shape) => of(shape).wanted);
    expect(growing).toEqual([...growing].sort((a, b) => a - b));
  });

  test("at equal bytes low-bit terms beat sparse ones by 6 dB a bit", async () => {
    interface Basis {
      shape: string;
      bitsPerWeight: number;
      lowBit: number;
      sparseAfterOneTerm: number;
      sparseAlone: number;
    }
    const { rows } = await run<{ rows: Basis[] }>("series-basis");
    for (const row of rows) {
      if (row.shape !== "power 2") expect(row.lowBit).toBeGreaterThanOrEqual(row.sparseAfterOneTerm);
      if (row.shape === "gaussian" && row.bitsPerWeight === 16) {
        expect(row.lowBit - rows.find((r) => r.shape === "gaussian" && r.bitsPerWeight === 12)!.lowBit).toBeGreaterThan(
          23,
        );
        expect(row.lowBit - row.sparseAfterOneTerm).toBeGreaterThan(60);
      }
    }
  });
});

describe("networks", () => {
  test("the grid of a trained network: 8 bits nearly float32, 12 bits float32; 6 dB per bit", async () => {
    const network = trained();
    const data = await run<{ float32Accuracy: number; rows: Row[] }>("series-grid", { network });
    const at = (k: number, t: number) => data.rows.find((r) => r.weightTerms === k && r.activationTerms === t)!;
    expect(data.rows.length).toBe(25);
    expect(at(0, 0)).toMatchObject({ agreement: 1, decibels: 200, accuracy: data.float32Accuracy });
    expect(at(2, 2).agreement).toBeGreaterThanOrEqual(0.98);
    expect(at(3, 3).agreement).toBe(1);
    expect(at(3, 3).decibels - at(2, 2).decibels).toBeGreaterThan(15);
    // The weaker side decides.
    expect(Math.abs(at(1, 3).decibels - at(1, 0).decibels)).toBeLessThan(3);
    expect(Math.abs(at(3, 1).decibels - at(0, 1).decibels)).toBeLessThan(3);
  }, 120_000);

  test("on the generated network: terms stop to matter where the activations are the coarser part; weights and activations need the same", async () => {
    const { rows } = await run<{ rows: Row[] }>("series-sensitivity");
    const decibels = rows.map((r) => r.decibels);
    for (let k = 1; k < 3; k++) expect(decibels[k]! - decibels[k - 1]!).toBeGreaterThan(10);
    expect(decibels[4]! - decibels[3]!).toBeLessThan(0.7 * (decibels[2]! - decibels[1]!));
    const { rows: mirrored } = await run<{ rows: Row[] }>("series-asymmetry");
    for (let i = 0; i < mirrored.length; i += 2) {
      expect(Math.abs(mirrored[i]!.decibels - mirrored[i + 1]!.decibels)).toBeLessThan(14);
    }
  }, 120_000);

  test("the first layer alone: X·6 dB per term", async () => {
    const { rows } = await run<{ rows: (Row & { bits: number })[] }>("series-first-layer");
    for (const bits of [2, 3, 4]) {
      const own = rows.filter((r) => r.bits === bits).map((r) => r.decibels);
      expect(own[2]! - own[1]!).toBeGreaterThan(3 * bits);
    }
    expect(rows.find((r) => r.bits === 4 && r.weightTerms === 3)!.agreement).toBe(1);
  }, 120_000);
});

describe("products", () => {
  test("errors of pair sets are those that are published, within a factor of 1.6; the whole set is one fused product", async () => {
    interface Pairs {
      bits: number;
      terms: number;
      upTo: number;
      lowBit: number;
      fused: number;
      error: number;
    }
    const { rows } = await run<{ rows: Pairs[] }>("series-pairs");
    const at = (bits: number, terms: number, upTo: number) =>
      rows.find((r) => r.bits === bits && r.terms === terms && r.upTo === upTo)!;
    // Our activations have a zero point, which the published ones have not: ours may be better.
    for (const [bits, terms, upTo, published] of [
      [4, 2, 4, 0.021],
      [4, 3, 4, 0.0031],
      [4, 3, 6, 0.00098],
      [3, 3, 4, 0.035],
    ] as const) {
      expect(at(bits, terms, upTo).error).toBeLessThan(1.6 * published);
      expect(at(bits, terms, upTo).error).toBeGreaterThan(published / 4);
    }
    expect(at(4, 3, 4)).toMatchObject({ lowBit: 6, fused: 3 });
    expect(at(4, 3, 6)).toMatchObject({ lowBit: 9, fused: 1 });
    expect(at(4, 3, 5).error / at(4, 3, 6).error).toBeLessThan(1.3);
  });

  test("fused terms cost the same whatever their number", async () => {
    interface Cost {
      name: string;
      macs: number;
      lowBitMacs: number;
      error: number;
    }
    const { rows } = await run<{ rows: Cost[] }>("series-cost");
    const at = (name: string) => rows.find((r) => r.name === name)!;
    expect(at("3 × INT4").macs).toBe(at("1 × INT4").macs);
    expect(at("3 × INT4").lowBitMacs).toBe(9 * at("1 × INT4").lowBitMacs);
    // k terms of INT-X are one INT(kX).
    expect(at("2 × INT4").error / at("1 × INT8").error).toBeLessThan(1.4);
    expect(at("4 × INT2").error / at("1 × INT8").error).toBeLessThan(3);
  });

  test.skipIf(process.env["BITBASIS_CHECKED"] !== undefined)(
    "weights spread over workers: the same bits, 1/n of the bytes, and sums that travel",
    async () => {
      interface Spread {
        cut: string;
        workers: number;
        digest: string;
        weights: number;
        activations: number;
        sums: number;
      }
      const { rows } = await run<{ rows: Spread[] }>("series-scaling");
      const at = (cut: string, workers: number) => rows.find((r) => r.cut === cut && r.workers === workers)!;
      expect(rows.map(({ workers }) => workers)).toEqual([1, 2, 3, 4, 8, 16, 1, 2, 3, 4, 8, 16, 1, 2, 3, 4, 8, 16]);
      expect(new Set(rows.map(({ digest }) => digest)).size).toBe(1);
      expect(at("channels", 8).sums).toBe(at("channels", 1).sums);
      expect(at("depth", 8).sums).toBe(8 * at("depth", 1).sums);
      expect(at("channels", 4).activations).toBe(4 * at("channels", 1).activations);
      expect(at("channels", 8).weights).toBeLessThan(at("channels", 1).weights / 6);
      // A dense operand of one term takes as much as one of all.
      expect(at("terms", 2).weights).toBe(at("terms", 1).weights);
    },
  );
});
