import { synthesize } from "../../fixed-point/index.ts";
import type { Experiment } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

/** One random table per p; p = 3 is the largest whose binary network stays below 10^6 parameters for all activations shown. */
export const binary: Experiment = {
  name: "fixed-point-binary",
  summary: "One random f: Q² → Q with weights in Q and with weights ±1, p = 1 … 3: depth, width, parameters",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows = [];
    const activations = ["identity", "relu", "tanh"];
    for (const p of [1, 2, 3]) {
      for (const [i, activation] of activations.entries()) {
        onProgress?.({ phase: "synthesize", loaded: (p - 1) * activations.length + i, total: 3 * activations.length });
        for (const weights of ["full", "binary"] as const) {
          const result = await synthesize(randomTable(p, 2, seed), { d: 2, activation, p, s: 1, weights, signal });
          if (result.network === undefined) throw new Error(result.reason);
          const { construction, parameters, nonZero, depth, width } = result;
          rows.push({ p, activation, weights, construction, parameters, nonZero, depth, width });
        }
      }
    }
    const values = rows.map((row) => ({ ...row, series: `${row.activation}, ${row.weights}` }));
    return {
      data: { seed, rows },
      chart: [
        lineChart(
          "A random f: Q² → Q, s = 1",
          values,
          { field: "p", title: "p", type: "ordinal" },
          { field: "parameters", title: "parameters", log: true },
          { field: "series", title: "activation, weights" },
        ),
      ],
    };
  },
};
