import {
  evaluatePoints,
  gridValue,
  networkSize,
  resolveTarget,
  type Style,
  styleNetwork,
  subtract,
  toNumber,
  unitGrid,
} from "../../regimes/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { logSlope, sobolev } from "./functions.ts";

const SMOOTHNESS = [0.5, 0.75, 1, 1.5, 2, 2.5];
const CONSTRUCTIONS: readonly Style[] = ["scan", "interpolant"];
const SAMPLES = 11;

/** Beyond Lipschitz: how fast the error falls with the memory for functions of Sobolev smoothness s. */
export const smoothness: Experiment = {
  name: "regimes-smoothness",
  summary:
    "Random functions of Sobolev smoothness s: measured error against memory for one bit per cell (scan) and for node values (interpolant).",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: { [key: string]: Json }[] = [];
    const slopes: { [key: string]: Json }[] = [];
    for (const [done, s] of SMOOTHNESS.entries()) {
      const samples = sobolev(seed, s, SAMPLES);
      const target = resolveTarget(samples);
      const exponent = Math.min(s, 1);
      const modulus = { constant: constantOf(samples, exponent), exponent };
      for (const style of CONSTRUCTIONS) {
        const own: (readonly [number, number])[] = [];
        for (let n = 3; n <= 9; n++) {
          const network = styleNetwork(target, modulus, style, n);
          const { denseMemory } = networkSize(network);
          const values = await evaluatePoints(network, [unitGrid(SAMPLES)], SAMPLES, { signal });
          let error = 0;
          for (let k = 0; k <= 2 ** SAMPLES; k++)
            error = Math.max(error, Math.abs(toNumber(subtract(gridValue(values, 0, k), target.at(k, SAMPLES)))));
          rows.push({ s, style, cells: n, memory: denseMemory, error });
          own.push([denseMemory, error]);
        }
        slopes.push({ s, style, constant: modulus.constant, exponent, slope: logSlope(own) });
      }
      onProgress?.({ phase: `s = ${s}`, loaded: done + 1, total: SMOOTHNESS.length });
    }
    const chart = CONSTRUCTIONS.map((style) =>
      lineChart({
        title: `${style}: error against memory for functions of smoothness s`,
        rows: rows
          .filter((row) => row["style"] === style)
          .map((row) => ({ memory: row["memory"]!, error: row["error"]!, series: `s = ${row["s"]}` })),
        x: "memory",
        y: "error",
        series: "series",
        xTitle: "dense memory in bits",
        yTitle: "measured sup error",
        logX: true,
        logY: true,
        order: SMOOTHNESS.map((s) => `s = ${s}`),
      }),
    );
    const of = (style: Style) => slopes.filter((row) => row["style"] === style);
    const text = (style: Style) =>
      of(style)
        .map((row) => `s = ${row["s"]}: ${(row["slope"] as number).toFixed(2)}`)
        .join(", ");
    const rough = of("scan").filter((row) => (row["s"] as number) <= 1);
    const smooth = of("scan").filter((row) => (row["s"] as number) > 1);
    return {
      data: { rows, slopes },
      findings: [
        finding(
          "One bit per cell: the error falls like memory^-s up to s = 1",
          "slope −s",
          text("scan"),
          rough.every((row) => Math.abs((row["slope"] as number) + (row["s"] as number)) < 0.12),
        ),
        finding(
          "and gains nothing from more smoothness",
          "slope −1 beyond s = 1",
          smooth.map((row) => (row["slope"] as number).toFixed(2)).join(", "),
          smooth.every((row) => Math.abs((row["slope"] as number) + 1) < 0.12),
        ),
        finding(
          "Node values do gain",
          "steeper than −1 from s = 1.5 on",
          text("interpolant"),
          of("interpolant").every((row) => (row["s"] as number) < 1.5 || (row["slope"] as number) < -1.1),
        ),
      ],
      chart,
    };
  },
};

/** The smallest constant for which no two samples at a distance 2^-j contradict the exponent. */
function constantOf(samples: readonly number[], exponent: number): number {
  const cells = samples.length - 1;
  let constant = 0;
  for (let gap = 1; gap <= cells; gap *= 2) {
    const width = (gap / cells) ** exponent;
    for (let k = 0; k + gap <= cells; k++)
      constant = Math.max(constant, Math.abs(samples[k + gap]! - samples[k]!) / width);
  }
  return constant * (1 + 2 ** -30);
}
