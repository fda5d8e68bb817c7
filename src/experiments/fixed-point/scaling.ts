import { synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

type Row = {
  d: number;
  p: number;
  activation: string;
  construction: string;
  parameters: number;
  nonZero: number;
  naive: number;
  informationBound: number;
  power: number;
};

/** How parameters grow with the bits, against 2^2p, the published box construction, and what counting says is needed. */
export const scaling: Experiment = {
  name: "fixed-point-scaling",
  summary:
    "Parameters for random tables, p = 1 … 4, d = 1 and 2, against 2^(2p), one box per input, and the information bound",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: Row[] = [];
    for (const d of [1, 2]) {
      for (const p of [1, 2, 3, 4]) {
        onProgress?.({ phase: "synthesize", loaded: (d - 1) * 4 + p, total: 8 });
        for (const activation of ["relu", "identity", "gelu", "sigmoid"]) {
          const result = await synthesize(randomTable(p, d, seed), { d, activation, p, s: 1, signal });
          if (result.network === undefined) throw new Error(result.reason);
          const { construction, parameters, nonZero, naive, informationBound } = result;
          rows.push({ d, p, activation, construction, parameters, nonZero, naive, informationBound, power: 4 ** p });
        }
      }
    }
    const charts = [1, 2].map((d) => {
      const own = rows.filter((row) => row.d === d);
      const values = [
        ...own.map(({ p, activation, parameters }) => ({ p, series: activation, parameters })),
        ...own
          .filter((row) => row.activation === "relu")
          .flatMap(({ p, naive, informationBound, power }) => [
            { p, series: "one box per input", parameters: naive },
            { p, series: "information bound", parameters: informationBound },
            { p, series: "2^(2p)", parameters: power },
          ]),
      ];
      return lineChart(
        `A random f: Q^${d} → Q, s = 1`,
        values,
        { field: "p", title: "p", type: "ordinal" },
        { field: "parameters", title: "parameters", log: true },
        { field: "series", title: "" },
      );
    });
    const perEntry = rows.map((row) => row.parameters / (2 ** (row.p + 1) - 1) ** row.d);
    const below = rows.filter((row) => row.parameters < row.informationBound).length;
    return {
      data: { seed, rows },
      findings: [
        finding(
          "Parameters grow with the entries of the table, not with their square",
          "a constant factor per entry",
          `at most ${Math.max(...perEntry).toFixed(1)} per entry in ${rows.length} networks`,
          Math.max(...perEntry) < 20,
        ),
        finding("No network is below the information bound", "0", `${below} of ${rows.length}`, below === 0),
      ],
      chart: charts,
    };
  },
};
