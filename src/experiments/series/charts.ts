import type { Json, VegaLiteSpec } from "../experiment.ts";

type Row = { readonly [key: string]: Json };

/** One line per value of `colour`. */
export function lines(
  title: string,
  values: readonly Row[],
  x: string,
  y: string,
  colour: string,
  { log }: { readonly log: boolean },
): VegaLiteSpec {
  return {
    title,
    width: 560,
    height: 320,
    data: { values },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: x, type: "ordinal", sort: null, axis: { labelAngle: 0 } },
      y: { field: y, type: "quantitative", ...(log ? { scale: { type: "log" }, axis: { format: ".0e" } } : {}) },
      color: { field: colour, type: "nominal", title: null, sort: null, legend: { labelLimit: 300 } },
    },
  };
}

/** A cell per pair of x and y, with its value written in it. */
export function cells(title: string, values: readonly Row[], x: string, y: string, value: string): VegaLiteSpec {
  const place = { x: { field: x, type: "ordinal", axis: { labelAngle: 0 } }, y: { field: y, type: "ordinal" } };
  return {
    title,
    width: 420,
    height: 300,
    data: { values },
    layer: [
      {
        mark: "rect",
        encoding: { ...place, color: { field: value, type: "quantitative", scale: { scheme: "blues" } } },
      },
      { mark: { type: "text" }, encoding: { ...place, text: { field: value, type: "quantitative", format: ".3f" } } },
    ],
  };
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
