import { maximum, synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";

interface Row extends Readonly<Record<"p" | "parameters" | "depth" | "width", number>> {
  readonly [key: string]: Json;
  readonly f: string;
  readonly weights: "full" | "binary";
  readonly construction: string;
}

/** Functions of one sum, and one that is none. */
const FUNCTIONS: readonly (readonly [name: string, f: (m: number) => (x: number, y: number) => number])[] = [
  ["|x + y|", (m) => (x, y) => Math.min(Math.abs(x + y), m)],
  ["x + y ≥ 0", (m) => (x, y) => (x + y >= 0 ? m : 0)],
  ["max(x, y)", () => (x, y) => Math.max(x, y)],
];
const SUMS = [1, 2, 3, 4, 5, 6, 7];
/** max at p = 5 with weights ±1 would take some 5 · 10⁶ parameters. */
const OTHERS = [1, 2, 3, 4];

/** Structured f: Q² → Q with full weights and with ±1: what is a function of one sum stays small up to p = 7; for the rest every entry costs. */
export const structured: Experiment = {
  name: "fixed-point-structured",
  summary:
    "Structured f: Q² → Q with weights in Q and with weights ±1: functions of x + y up to p = 7, max(x, y) up to p = 4: parameters",
  async run({ signal, onProgress } = {}) {
    const rows: Row[] = [];
    for (const [index, [name, make]] of FUNCTIONS.entries()) {
      for (const p of name.startsWith("max") ? OTHERS : SUMS) {
        onProgress?.({ phase: "synthesize", loaded: index, total: FUNCTIONS.length });
        for (const weights of ["full", "binary"] as const) {
          const f = make(maximum(p));
          const wanted = (x?: number, y?: number): number => f(x!, y!);
          const made = await synthesize(wanted, {
            d: 2,
            activation: "relu",
            p,
            s: 1,
            weights,
            ...(signal && { signal }),
          });
          if (made.network === undefined) throw new Error(made.reason);
          const { construction, parameters, depth, width } = made;
          rows.push({ f: name, p, weights, construction, parameters, depth, width });
        }
      }
    }
    const at = (name: string, p: number, weights: string): number =>
      rows.find((row) => row.f === name && row.p === p && row.weights === weights)!.parameters;
    const sums = FUNCTIONS.slice(0, 2).map(([name]) => name);
    const growth = at("max(x, y)", 4, "binary") / at("max(x, y)", 3, "binary");
    const wall = at("max(x, y)", 4, "binary") * growth ** 3;
    return {
      data: { rows },
      findings: [
        finding(
          "Functions of x + y take few parameters with weights ±1 too, at p = 7",
          "below 10 · 255",
          sums.map((name) => `${name}: ${at(name, 7, "binary")} against ${at(name, 7, "full")}`).join("; "),
          sums.every((name) => at(name, 7, "binary") < 2550),
        ),
        {
          claim: "What is no function of one sum is out of reach at p = 7 with weights ±1",
          expected:
            "every entry off the background needs a neuron with a weight per step of both axes: × 8 to 16 a bit",
          found: `max(x, y): ${at("max(x, y)", 4, "binary")} at p = 4 (full: ${at("max(x, y)", 4, "full")}), × ${growth.toFixed(1)} a bit, so some ${wall.toExponential(0)} at p = 7`,
          verdict: "open",
        },
      ],
      tables: [
        {
          header: ["f", "p", "weights", "construction", "parameters", "layers"],
          rows: rows.map((r) => [r.f, r.p, r.weights, r.construction, r.parameters, r.depth]),
        },
      ],
      chart: [
        lineChart(
          "Structured f: Q² → Q, ReLU, s = 1",
          rows.map((row) => ({ ...row, series: `${row.f}, ${row.weights}` })),
          { field: "p", title: "p", type: "ordinal" },
          { field: "parameters", title: "parameters", log: true },
          { field: "series", title: "function, weights" },
        ),
      ],
    };
  },
};
