import {
  type Achievable,
  achievable,
  achievableAt,
  lowerBounds,
  overThreshold,
  underThreshold,
  uniformWidths,
  vcUpperBound,
} from "../../regimes/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { walk } from "./functions.ts";
import { type MeasuredError, measureError } from "./measure.ts";

/** Width, depth and the precisions that are tried. */
const NETWORKS: readonly { width: number; depth: number; precisions: readonly number[] }[] = [
  // Wide and shallow: starved up to b = 5, limited by its width from there on.
  { width: 520, depth: 4, precisions: [1, 2, 3, 4, 5, 6, 8, 12] },
  // Narrow and deep: bits travel in words until extracting them eats the depth.
  { width: 9, depth: 300, precisions: [1, 3, 7, 15, 31, 63, 127, 255, 511] },
  // Neither: too few bits for the composite below 16, then memory-limited, then the depth is too small for longer words.
  { width: 48, depth: 320, precisions: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] },
];
const SAMPLES = 12;
/** At fixed width and depth: the lower bound, what is proved achievable and what is measured, as the precision grows. */
export const family: Experiment = {
  name: "regimes-family",
  summary:
    "The three precision regimes at fixed width and depth: lower bounds, proved and measured error of the best construction at each b.",
  async run({ seed = 1, signal, onProgress } = {}) {
    const samples = walk(seed, SAMPLES);
    const rows: { [key: string]: Json }[] = [];
    const total = NETWORKS.reduce((sum, { precisions }) => sum + precisions.length, 0);
    let done = 0;
    for (const { width, depth, precisions } of NETWORKS) {
      const widths = uniformWidths(width, depth);
      const vc = vcUpperBound(widths);
      const all = achievable(width, depth);
      const measured = new Map<Achievable, MeasuredError>();
      for (const b of precisions) {
        signal?.throwIfAborted();
        const bounds = lowerBounds(widths, 1, b, vc);
        const lower = Math.max(bounds.memory, bounds.vc, bounds.precision);
        const best = achievableAt(all, b);
        // The same construction serves several precisions.
        if (best !== undefined && !measured.has(best))
          measured.set(best, await measureError(best, samples, { width, depth, b }, signal));
        const row: { [key: string]: Json } = {
          width,
          depth,
          b,
          lower,
          memory: bounds.memory,
          vc: bounds.vc,
          precision: bounds.precision,
        };
        rows.push({
          ...row,
          style: best?.style ?? null,
          cells: best?.cells ?? null,
          proved: best?.error ?? null,
          measured: best === undefined ? null : measured.get(best)!.error,
          points: best === undefined ? null : measured.get(best)!.points,
          where: best === undefined ? null : measured.get(best)!.where,
          bUnder: underThreshold(widths, 1, vc),
          bOver: overThreshold(widths, 1, vc),
        });
        onProgress?.({ phase: `${width}×${depth}`, loaded: ++done, total });
      }
    }
    const chart = NETWORKS.map(({ width, depth }) => {
      const own = rows.filter((row) => row["width"] === width && row["depth"] === depth);
      const lines = own.flatMap((row) =>
        (["measured", "proved", "lower"] as const).flatMap((name) =>
          row[name] === null ? [] : [{ b: row["b"]!, error: row[name]!, series: NAMES[name] }],
        ),
      );
      return lineChart({
        title: `width ${width}, depth ${depth}`,
        rows: lines,
        x: "b",
        y: "error",
        series: "series",
        xTitle: "b (fractional bits of a weight)",
        yTitle: "sup error",
        logX: true,
        logY: true,
        dashed: [NAMES.lower],
        dotted: [NAMES.measured],
        order: Object.values(NAMES),
      });
    });
    const built = rows.filter((row) => row["measured"] !== null);
    const below = built.filter((row) => (row["measured"] as number) > (row["proved"] as number)).length;
    const under = rows.filter(
      (row) => row["proved"] !== null && (row["proved"] as number) < (row["lower"] as number),
    ).length;
    return {
      data: rows,
      findings: [
        finding("No construction errs more than is proved", "0", `${below} of ${built.length} networks`, below === 0),
        finding(
          "and none is proved better than the lower bound",
          "0",
          `${under} of ${built.length} networks`,
          under === 0,
        ),
      ],
      chart,
    };
  },
};

/** In the order in which they are drawn. */
const NAMES = { proved: "proved for every function", measured: "measured on a random walk", lower: "lower bound" };
