import type { LayerPlan, Plan } from "../../series/index.ts";
import { type Experiment, type ExperimentOptions, finding, type Table } from "../experiment.ts";
import { bars, cells, DECIBELS, lines, percent } from "./charts.ts";
import { type Evaluation, Study } from "./network.ts";

type Row = Evaluation & { readonly weightTerms: number; readonly activationTerms: number };

/** Evaluates INT-X plans of so many weight and activation terms; 0 stays in float32. */
async function rowsOf(
  study: Study,
  bits: number,
  pairs: readonly (readonly [number, number])[],
  options: ExperimentOptions,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [weightTerms, activationTerms] of pairs) {
    options.onProgress?.({ phase: "plans", loaded: rows.length, total: pairs.length });
    rows.push({ weightTerms, activationTerms, ...(await study.evaluate({ bits, weightTerms, activationTerms })) });
  }
  return rows;
}

function tableOf(rows: readonly Row[]): Table {
  const labelled = rows.some((r) => r.accuracy !== undefined);
  return {
    header: ["weight terms", "activation terms", "agreement", "dB", "bytes", ...(labelled ? ["accuracy"] : [])],
    rows: rows.map((r) => [
      ...[r.weightTerms, r.activationTerms, r.agreement.toFixed(4), r.decibels.toFixed(1), r.bytes],
      ...(labelled ? [(r.accuracy ?? 0).toFixed(4)] : []),
    ]),
  };
}

/** What all of these say beside their rows. */
function about(study: Study): { network: string; float32Accuracy: number | null } {
  return { network: study.network.name, float32Accuracy: study.accuracy ?? null };
}

const UP_TO_4 = [1, 2, 3, 4] as const;

export const grid: Experiment = {
  name: "series-grid",
  studies: true,
  summary:
    "Agreement of a network with its float32, 1 … 4 INT4 weight terms by 1 … 4 activation terms; 0 terms are float32.",
  run: async (options = {}) => {
    const study = await Study.create(options);
    const pairs = [0, ...UP_TO_4].flatMap((k) => [0, ...UP_TO_4].map((t) => [k, t] as const));
    const rows = await rowsOf(study, 4, pairs, options);
    const at = (k: number, t: number) => rows.find((r) => r.weightTerms === k && r.activationTerms === t)!;
    const accuracy = at(2, 2).accuracy;
    return {
      data: { ...about(study), rows },
      findings: [
        finding(
          "k = t = 2 of INT4, 8 bits",
          "0.98 of float32's answers",
          `${at(2, 2).agreement}`,
          at(2, 2).agreement >= 0.98,
        ),
        finding("k = t = 3, 12 bits", "0.998", `${at(3, 3).agreement}`, at(3, 3).agreement >= 0.998),
        finding(
          "the weaker side decides",
          "1 × 3 terms no better than 1 × float32",
          `${at(1, 3).decibels} dB, ${at(1, 0).decibels} dB`,
          Math.abs(at(1, 3).decibels - at(1, 0).decibels) < 3,
        ),
        {
          claim: "a 4-bit network surpasses its float32 (ResNet-50, published: 77.03 %)",
          expected: "accuracy above float32's",
          found:
            accuracy === undefined
              ? "no labels were given; agreement with float32 is what a series can be judged by"
              : `k = t = 2: ${accuracy}, float32: ${study.accuracy}; a difference at ${percent(1 - at(2, 2).agreement)} changed answers is chance`,
          verdict: accuracy === undefined ? "open" : "corrected",
        },
      ],
      tables: [tableOf(rows)],
      chart: [
        cells(
          `${study.network.name}: top-1 agreement with float32`,
          rows,
          "activationTerms",
          "weightTerms",
          "agreement",
          { x: "activation terms (0: float32)", y: "weight terms (0: float32)" },
        ),
      ],
    };
  },
};

export const sensitivity: Experiment = {
  name: "series-sensitivity",
  studies: true,
  summary: "1 … 5 INT3 weight terms at 4 activation terms: where further terms stop to matter.",
  run: async (options = {}) => {
    const study = await Study.create(options);
    const rows = await rowsOf(
      study,
      3,
      [1, 2, 3, 4, 5].map((k) => [k, 4] as const),
      options,
    );
    const gains = rows.slice(1).map((r, n) => r.decibels - rows[n]!.decibels);
    return {
      data: { ...about(study), rows },
      findings: [
        {
          claim: "2 or 3 weight terms are enough at 4 activation terms (published)",
          expected: "little gain beyond 3 terms",
          found: `gains of ${gains.map((g) => g.toFixed(0)).join(", ")} dB per term; terms pay until their bits reach the 12 of the activations`,
          verdict: gains[2]! < gains[1]! / 2 ? "confirmed" : "corrected",
        },
      ],
      tables: [tableOf(rows)],
      chart: [
        lines(
          "Signal over error by weight terms",
          rows.map((r) => ({ terms: r.weightTerms, decibels: r.decibels, what: "INT3, 4 activation terms" })),
          "terms",
          "decibels",
          "what",
          { log: false, titles: { x: "weight terms (INT3, 4 activation terms)", y: DECIBELS } },
        ),
      ],
    };
  },
};

export const asymmetry: Experiment = {
  name: "series-asymmetry",
  studies: true,
  summary: "The same terms spent on weights or on activations: k × t INT3 terms against t × k.",
  run: async (options = {}) => {
    const study = await Study.create(options);
    const mirrored = [
      [1, 2],
      [1, 4],
      [2, 3],
      [2, 4],
      [3, 4],
    ] as const;
    const rows = await rowsOf(
      study,
      3,
      mirrored.flatMap(
        ([a, b]) =>
          [
            [a, b],
            [b, a],
          ] as const,
      ),
      options,
    );
    const widest = Math.max(...mirrored.map((_, i) => Math.abs(rows[2 * i]!.decibels - rows[2 * i + 1]!.decibels)));
    const values = rows.map((r) => ({
      terms: [r.weightTerms, r.activationTerms].sort().join(" and "),
      decibels: r.decibels,
      what: r.weightTerms > r.activationTerms ? "more weight terms" : "more activation terms",
    }));
    return {
      data: { ...about(study), rows },
      findings: [
        {
          claim: "activations need more terms than weights (published: 2 to 3 against 4 to 8)",
          expected: "k × t terms with more activation terms clearly better than t × k",
          found: `mirrored plans differ by at most ${widest.toFixed(1)} dB, ${(widest / 6.02).toFixed(1)} bits, in either direction`,
          verdict: widest < 18 ? "corrected" : "confirmed",
        },
      ],
      tables: [tableOf(rows)],
      chart: [
        bars("Signal over error of mirrored plans", values, "terms", "decibels", "what", {
          ...{ x: "INT3 terms of the two sides", y: DECIBELS },
        }),
      ],
    };
  },
};

export const firstLayer: Experiment = {
  name: "series-first-layer",
  studies: true,
  summary:
    "Only the first layer is a series, 1 … 4 INT2, INT3 or INT4 terms of weights and activations; all others are float32.",
  run: async (options = {}) => {
    const study = await Study.create(options);
    const [first = ""] = await study.layers();
    const float: LayerPlan = { bits: 4, weightTerms: 0, activationTerms: 0 };
    const rows: (Row & { readonly bits: number })[] = [];
    for (const bits of [2, 3, 4]) {
      for (const terms of UP_TO_4) {
        const layers = { [first]: { bits, weightTerms: terms, activationTerms: terms } };
        const plan: Plan = { version: 1, default: float, layers };
        rows.push({ bits, weightTerms: terms, activationTerms: terms, ...(await study.evaluate(plan)) });
      }
    }
    const at = (bits: number, terms: number) => rows.find((r) => r.bits === bits && r.weightTerms === terms)!;
    const perBit = (at(4, 3).decibels - at(4, 2).decibels) / 4;
    return {
      data: { ...about(study), layer: first, rows },
      findings: [
        finding(
          "a term of the first layer alone is worth X·6 dB",
          "6 dB per bit",
          `${perBit.toFixed(1)} dB per bit`,
          perBit > 5,
        ),
        finding(
          "3 INT4 terms of the first layer change no answer",
          "agreement 1",
          `${at(4, 3).agreement}`,
          at(4, 3).agreement === 1,
        ),
      ],
      tables: [
        {
          header: ["X", "terms", "agreement", "dB"],
          rows: rows.map((r) => [r.bits, r.weightTerms, r.agreement.toFixed(4), r.decibels.toFixed(1)]),
        },
      ],
      chart: [
        lines(
          "Signal over error, first layer alone",
          rows.map((r) => ({ terms: r.weightTerms, decibels: r.decibels, what: `INT${r.bits}` })),
          "terms",
          "decibels",
          "what",
          { log: false, titles: { x: "terms of weights and of activations", y: DECIBELS } },
        ),
      ],
    };
  },
};
