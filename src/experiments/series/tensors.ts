import { chooseOutliers, type DigitSystem, expand, publishedRecurrence } from "../../series/index.ts";
import { Tensor } from "../../tensor/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { bars, DECIBELS, lines, percent } from "./charts.ts";
import { decibels } from "./network.ts";
import { SHAPES, type Shape, samplesOf } from "./samples.ts";

const SIDE = 512;

/** One row of a convergence table. */
export type Convergence = {
  readonly terms: number;
  /** Largest |error| over the largest |element|, and what is proved of it. */
  readonly error: number;
  readonly bound: number;
  /** By how much the error fell. */
  readonly ratio: number | null;
  /** Part of the elements that are exact. */
  readonly exact: number;
  /** The same error for the recurrence as it is published: digit = nearest(residual/s) clipped to INT-X, s /= 2^X. */
  readonly published: number;
};

/** How a series converges to its tensor, term by term, one scale for all. */
export async function convergence(
  tensor: Tensor<"float32">,
  bits: number,
  most: number,
  digits: DigitSystem = "signed",
): Promise<Convergence[]> {
  const largest = tensor.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  const rows: Convergence[] = [];
  for (let terms = 1; terms <= most; terms++) {
    const series = await expand(tensor, { bits, terms, digits });
    const error = series.residual(terms).data.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / largest;
    const first = largest / (2 ** (bits - 1) - 1);
    const published = tensor.data.reduce(
      (m, v) => Math.max(m, Math.abs(publishedRecurrence(v, first, bits, terms).residual)),
      0,
    );
    rows.push({
      terms,
      error,
      bound: series.bound() / largest,
      ratio: terms === 1 || error === 0 ? null : rows.at(-1)!.error / error,
      exact: series.exactShare(),
      published: published / largest,
    });
  }
  return rows;
}

export const tensorConvergence: Experiment = {
  name: "series-convergence",
  summary:
    "A 512 × 512 Gaussian tensor as 1 … 8 terms of INT2, INT3 and INT4: error per term beside the published recurrence.",
  run: async ({ seed = 1, signal, onProgress } = {}) => {
    const tensor = new Tensor("float32", samplesOf("gaussian", SIDE * SIDE, seed), [SIDE, SIDE]);
    const rows: (Convergence & { readonly bits: number })[] = [];
    for (const bits of [2, 3, 4]) {
      signal?.throwIfAborted();
      onProgress?.({ phase: "convergence", loaded: bits - 2, total: 3 });
      rows.push(...(await convergence(tensor, bits, 8)).map((row) => ({ bits, ...row })));
    }
    const values = rows.flatMap(({ bits, terms, error, published }) => [
      { terms, error, what: `INT${bits}` },
      { terms, error: published, what: `INT${bits}, as published` },
    ]);
    const at = (bits: number, terms: number) => rows.find((r) => r.bits === bits && r.terms === terms)!;
    const ratios = [2, 3, 4].map((bits) => at(bits, 3).ratio ?? 0);
    const steady = ratios.every((ratio, i) => Math.abs(ratio / 4 / 2 ** i - 1) < 0.15);
    const stuck = at(4, 8).published;
    return {
      data: { rows },
      findings: [
        finding(
          "the error falls by 2^X per term",
          "4, 8, 16 for INT2, INT3, INT4",
          ratios.map((r) => r.toFixed(1)).join(", "),
          steady,
        ),
        {
          claim:
            "the published recurrence converges (digit = nearest(residual / s), s /= 2^X, digits clipped to INT-X)",
          expected: "the same as ours",
          found: `stops at ${stuck.toExponential(1)} of the largest element, ours is at ${at(4, 8).error.toExponential(1)} after 8 terms of INT4`,
          verdict: stuck > 100 * at(4, 8).error ? "corrected" : "confirmed",
        },
        finding(
          "FP = xINT: 8 terms of INT4 are float32",
          "98 % of the elements exact",
          `${percent(at(4, 8).exact)} exact`,
          at(4, 8).exact > 0.97,
        ),
      ],
      tables: [
        {
          header: ["X", "terms", "max error / absmax", "bound", "ratio", "exact", "as published"],
          rows: rows.map((r) => [
            ...[r.bits, r.terms, r.error.toExponential(2), r.bound.toExponential(2), r.ratio?.toFixed(1) ?? ""],
            ...[percent(r.exact), r.published.toExponential(2)],
          ]),
        },
      ],
      chart: [
        lines("Largest error of a series by its terms", values, "terms", "error", "what", {
          ...{ log: true, titles: { x: "terms", y: "largest error / absmax" } },
        }),
      ],
    };
  },
};

type Clipped = {
  readonly shape: Shape;
  readonly rule: string;
  /** Part that the rule would keep with a lattice as fine as it likes, and what that gains in bits per weight. */
  readonly wanted: number;
  readonly gain: number;
  /** Part that is kept, and relative errors without and with it. */
  readonly kept: number;
  readonly plain: number;
  readonly error: number;
  readonly bound: number;
  readonly warning: boolean;
};

export const clipping: Experiment = {
  name: "series-clipping",
  summary:
    "Where clipping pays: outliers kept by the automatic threshold and error of one INT4 term, ten shapes of weights.",
  run: async ({ seed = 1, signal } = {}) => {
    const rows: Clipped[] = [];
    for (const shape of SHAPES) {
      signal?.throwIfAborted();
      const data = samplesOf(shape, 2 ** 16, seed);
      const tensor = new Tensor("float32", data, [data.length]);
      const free = chooseOutliers(data);
      const [plain, kept] = [
        await expand(tensor, { bits: 4, terms: 1 }),
        await expand(tensor, { bits: 4, terms: 1, outliers: "auto" }),
      ];
      rows.push({
        ...{ shape, rule: free.rule, wanted: free.count / data.length, gain: free.gain },
        ...{ kept: kept.sparseShare, plain: plain.relativeError, error: kept.relativeError, bound: kept.bound() },
        warning: kept.warnings.length > 0,
      });
    }
    const of = (shape: Shape) => rows.find((r) => r.shape === shape)!;
    const light = (["constant", "uniform", "bimodal"] as const).every((shape) => of(shape).kept === 0);
    return {
      data: { rows },
      findings: [
        finding(
          "light tails have no outliers",
          "M_sa empty",
          `${light ? "empty" : "not empty"} for constant, uniform, bimodal`,
          light,
        ),
        finding(
          "Laplace weights keep few",
          "0.59 %, worth 1.0 bit",
          `${percent(of("laplace").wanted)}, worth ${of("laplace").gain.toFixed(1)} bits`,
          Math.abs(of("laplace").wanted - 0.0059) < 0.002,
        ),
        finding(
          "M_sa grows beyond 1 % only where the tail falls slower than x^−3",
          "κ = 8, 4: below 1 %; κ = 2, 1: at 1 % and more",
          (["power 8", "power 4", "power 2", "power 1"] as const).map((shape) => percent(of(shape).wanted)).join(", "),
          of("power 8").wanted < 0.0095 && of("power 4").wanted < 0.0095 && of("power 2").wanted > 0.0095,
        ),
      ],
      tables: [
        {
          header: ["shape", "rule", "would keep", "gain, bits", "kept", "error without", "error with", "warns"],
          rows: rows.map((r) => [
            ...[r.shape, r.rule, percent(r.wanted), r.gain.toFixed(2), percent(r.kept)],
            ...[r.plain.toFixed(3), r.error.toFixed(3), r.warning ? "yes" : ""],
          ]),
        },
      ],
      chart: [
        bars(
          "Relative error of one INT4 term per tensor",
          rows.flatMap(({ shape, plain, error }) => [
            { shape, error: plain, what: "all clipped at absmax" },
            { shape, error, what: "outliers kept beside" },
          ]),
          "shape",
          "error",
          "what",
          { x: "shape of the weights", y: "relative error" },
        ),
      ],
    };
  },
};

/** Bits of a sparse element: index and value. */
const SPARSE_BITS = 48;

export const basis: Experiment = {
  name: "series-basis",
  summary: "Equal bytes spent on further low-bit terms or on exact sparse elements, Gaussian and Laplace weights.",
  run: async ({ seed = 1 } = {}) => {
    const count = 2 ** 16;
    const rows: {
      shape: string;
      bitsPerWeight: number;
      lowBit: number;
      sparseAfterOneTerm: number;
      sparseAlone: number;
    }[] = [];
    for (const shape of ["gaussian", "laplace", "power 2"] as const) {
      const data = samplesOf(shape, count, seed);
      const tensor = new Tensor("float32", data, [count]);
      for (let terms = 1; terms <= 4; terms++) {
        const dense = await expand(tensor, { bits: 4, terms });
        const first = (await expand(tensor, { bits: 4, terms: 1 })).residual(1).data;
        const [afterFirst, alone] = [first, Float64Array.from(data)].map((rest, i) => {
          const kept = Math.floor((count * 4 * (terms - (i === 0 ? 1 : 0))) / SPARSE_BITS);
          return withoutLargest(rest, kept) / norm(data);
        });
        rows.push({
          ...{ shape, bitsPerWeight: 4 * terms, lowBit: decibels(dense.relativeError ** -2) },
          ...{ sparseAfterOneTerm: decibels(afterFirst! ** -2), sparseAlone: decibels(alone! ** -2) },
        });
      }
    }
    const names = { lowBit: "low-bit terms", sparseAfterOneTerm: "one term, then sparse", sparseAlone: "sparse alone" };
    const ahead = (shape: string): number =>
      Math.min(
        ...rows.filter((r) => r.shape === shape).map((r) => r.lowBit - Math.max(r.sparseAfterOneTerm, r.sparseAlone)),
      );
    const light = Math.min(ahead("gaussian"), ahead("laplace"));
    return {
      data: { rows },
      findings: [
        finding(
          "further low-bit terms are the better basis at equal bytes, Gaussian and Laplace weights",
          "low-bit terms ahead everywhere",
          `ahead by ${light.toFixed(1)} dB where it is closest`,
          light >= 0,
        ),
        {
          claim: "also under a tail that falls like x^−2",
          expected: "low-bit terms ahead everywhere",
          found: `${ahead("power 2").toFixed(1)} dB where it is closest: one scale for all is lost on such a tail`,
          verdict: ahead("power 2") >= 0 ? "confirmed" : "corrected",
        },
      ],
      tables: [
        {
          header: ["shape", "bits per weight", ...Object.values(names).map((name) => `${name}, dB`)],
          rows: rows.map((r) => [r.shape, r.bitsPerWeight, r.lowBit, r.sparseAfterOneTerm, r.sparseAlone]),
        },
      ],
      chart: (["gaussian", "laplace", "power 2"] as const).map((shape) =>
        lines(
          `Signal over error, ${shape}`,
          rows
            .filter((r) => r.shape === shape)
            .flatMap((r) =>
              (Object.keys(names) as (keyof typeof names)[]).map((key) => ({
                ...{ bits: r.bitsPerWeight, decibels: r[key], what: names[key] },
              })),
            ),
          "bits",
          "decibels",
          "what",
          { log: false, titles: { x: "bits per weight", y: DECIBELS } },
        ),
      ),
    };
  },
};

/** The norm of what is left when the `kept` largest elements are exact. */
function withoutLargest(values: Float64Array, kept: number): number {
  return norm(
    values
      .map(Math.abs)
      .sort()
      .subarray(0, values.length - kept),
  );
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2;
  return Math.sqrt(sum);
}
