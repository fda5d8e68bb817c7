import type { UniversalityMap } from "../../fixed-point/index.ts";
import type { Json, VegaLiteSpec } from "../experiment.ts";

const VERDICTS = {
  binary: ["universal, with weights ±1 too", "#1b7837"],
  universal: ["universal", "#7fbf7b"],
  gaps: ["gaps between outputs", "#d6604d"],
  constant: ["activation is constant", "#b2182b"],
  inputs: ["two inputs are one", "#762a83"],
  scale: ["s > 2M: 0 and 1/s are one", "#d9d9d9"],
} as const;

/** The verdict over (p, s): one bar per stretch of scales, s on a logarithmic axis. */
export function mapChart(map: UniversalityMap): VegaLiteSpec {
  const values = map.rows.flatMap((runs, i) =>
    runs.map(({ from, to, verdict }) => ({ p: i + 1, from, to: to + 1, verdict: VERDICTS[verdict][0] })),
  );
  const known = Object.values(VERDICTS);
  return {
    title: `Networks with ${map.activation} over k/s, |k| < 2^p`,
    width: 640,
    height: 24 * map.maxP,
    data: { values },
    mark: { type: "bar", height: { band: 0.92 } },
    encoding: {
      y: { field: "p", type: "ordinal", title: "p (bits of magnitude)" },
      x: {
        field: "from",
        type: "quantitative",
        title: "scale s",
        scale: { type: "log", base: 2, domain: [1, map.maxS + 1], nice: false },
      },
      x2: { field: "to" },
      color: {
        field: "verdict",
        type: "nominal",
        title: null,
        legend: { labelLimit: 400 },
        scale: { domain: known.map(([label]) => label), range: known.map(([, color]) => color) },
      },
    },
  };
}

/** Points joined by lines, one line per series. */
export function lineChart(
  title: string,
  values: readonly { readonly [key: string]: Json }[],
  x: { field: string; title: string; type?: string; log?: boolean; ticks?: readonly number[] },
  y: { field: string; title: string; log?: boolean },
  series: { field: string; title: string } | undefined,
  mark: Json = { type: "line", point: true },
): VegaLiteSpec {
  return {
    title,
    width: 520,
    height: 280,
    data: { values },
    mark,
    encoding: {
      x: {
        field: x.field,
        type: x.type ?? "quantitative",
        title: x.title,
        ...(x.type === "ordinal" ? { axis: { labelAngle: 0 } } : {}),
        ...(x.ticks === undefined ? {} : { axis: { values: x.ticks }, scale: { nice: false } }),
        ...(x.log ? { scale: { type: "log" } } : {}),
      },
      y: {
        field: y.field,
        type: "quantitative",
        title: y.title,
        ...(y.log
          ? { scale: { type: "log" }, axis: { tickCount: decades(values, y.field) } }
          : { axis: { tickMinStep: 1 } }),
      },
      // Dashes beside colours: lines that lie on one another stay visible.
      ...(series === undefined ? {} : { color: nominal(series), strokeDash: nominal(series) }),
    },
  };
}

/** A bar per value of x, side by side for the series: equal values hide nothing. */
export function barChart(
  title: string,
  values: readonly { readonly [key: string]: Json }[],
  x: { field: string; title: string },
  y: { field: string; title: string },
  series: { field: string; title: string },
): VegaLiteSpec {
  return {
    title,
    width: 520,
    height: 280,
    data: { values },
    mark: "bar",
    encoding: {
      x: { ...x, type: "ordinal", axis: { labelAngle: 0 } },
      xOffset: { field: series.field },
      y: { ...y, type: "quantitative", axis: { tickMinStep: 1, format: "d" } },
      color: { ...series, type: "nominal", legend: { labelLimit: 400 } },
    },
  };
}

/** As many ticks as powers of ten: none in between. */
function decades(values: readonly { readonly [key: string]: Json }[], field: string): number {
  const numbers = values.flatMap((row) => (typeof row[field] === "number" ? [row[field]] : []));
  return Math.max(1, Math.ceil(Math.log10(Math.max(...numbers))) - Math.floor(Math.log10(Math.min(...numbers))));
}

function nominal({ field, title }: { field: string; title: string }): Json {
  return {
    field,
    type: "nominal",
    title: title === "" ? null : title,
    legend: { labelLimit: 400, symbolType: "stroke", symbolSize: 300 },
  };
}
