import { synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { barChart, lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

interface Row extends Readonly<Record<"p" | "parameters" | "nonZero" | "depth" | "width", number>> {
  readonly [key: string]: Json;
  readonly activation: string;
  readonly weights: "full" | "binary";
  readonly construction: string;
}

/** One random table per p; p = 3 is the largest whose binary network stays below 10^6 parameters for all activations shown. */
export const binary: Experiment = {
  name: "fixed-point-binary",
  summary: "One random f: Q² → Q with weights in Q and with weights ±1, p = 1 … 3: depth, width, parameters",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: Row[] = [];
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
    const ratios = activations.map((activation) => {
      const own = rows.filter((row) => row.p === 3 && row.activation === activation);
      return (
        own.find((row) => row.weights === "binary")!.parameters / own.find((row) => row.weights === "full")!.parameters
      );
    });
    return {
      data: { seed, rows },
      findings: [
        finding(
          "Weights ±1 compute whatever full weights compute",
          `all ${rows.length} tables, every input checked`,
          `${rows.length} networks built and verified`,
          true,
        ),
        {
          claim: "and cost more parameters",
          expected: "not predicted",
          found: `${ratios.map((ratio) => `${ratio.toFixed(0)} times`).join(", ")} at p = 3 (${activations.join(", ")})`,
          verdict: "open",
        },
      ],
      chart: [
        lineChart(
          "A random f: Q² → Q, s = 1",
          values,
          { field: "p", title: "p", type: "ordinal" },
          { field: "parameters", title: "parameters", log: true },
          { field: "series", title: "activation, weights" },
        ),
        lineChart(
          "The same networks: width",
          values,
          { field: "p", title: "p", type: "ordinal" },
          { field: "width", title: "neurons of the widest layer", log: true },
          { field: "series", title: "activation, weights" },
        ),
        barChart(
          "The same networks: depth",
          values,
          { field: "p", title: "p" },
          { field: "depth", title: "affine layers" },
          { field: "series", title: "activation, weights" },
        ),
      ],
    };
  },
};
