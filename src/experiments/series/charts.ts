import type { Json, VegaLiteSpec } from "../experiment.ts";

type Row = { readonly [key: string]: Json };

/** Title of an axis. */
export const DECIBELS = "signal over error, dB";

interface Titles {
  readonly x: string;
  readonly y: string;
}

const SIZE = { width: 560, height: 320 };

/** One line per value of `colour`, told apart by dashes too, since lines may lie on one another. `placed`: x where its number is, not one step per value. */
export function lines(
  title: string,
  values: readonly Row[],
  x: string,
  y: string,
  colour: string,
  { log, titles, placed = false }: { readonly log: boolean; readonly titles: Titles; readonly placed?: boolean },
): VegaLiteSpec {
  const series = new Set(values.map((row) => row[colour])).size;
  const name = { field: colour, type: "nominal", title: null, sort: null };
  const legend = series > 1 ? { labelLimit: 300, symbolType: "stroke", symbolSize: 300 } : null;
  const xs = [...new Set(values.map((row) => row[x] as number))];
  return {
    ...{ title, ...SIZE, data: { values } },
    mark: { type: "line", point: true },
    encoding: {
      x: placed
        ? {
            field: x,
            type: "quantitative",
            title: titles.x,
            axis: { values: xs, labelOverlap: true },
            scale: { nice: false, padding: 12 },
          }
        : { field: x, type: "ordinal", sort: null, title: titles.x, axis: { labelAngle: 0 } },
      y: {
        field: y,
        type: "quantitative",
        title: titles.y,
        ...(log ? logarithmic(values.map((row) => row[y] as number)) : {}),
      },
      color: { ...name, legend },
      strokeDash: { ...name, legend },
    },
  };
}

/** Ticks at powers of ten alone where there are several. */
function logarithmic(values: readonly number[]): { [key: string]: Json } {
  const decades = Math.ceil(Math.log10(Math.max(...values))) - Math.floor(Math.log10(Math.min(...values)));
  return { scale: { type: "log" }, axis: { format: ".0e", tickCount: Math.max(decades, 1) } };
}

/** A bar per value of x, side by side for the values of `colour`. */
export function bars(
  title: string,
  values: readonly Row[],
  x: string,
  y: string,
  colour: string,
  titles: Titles,
): VegaLiteSpec {
  const series = new Set(values.map((row) => row[colour])).size;
  const name = { field: colour, type: "nominal", title: null, sort: null };
  return {
    ...{ title, ...SIZE, data: { values } },
    mark: "bar",
    encoding: {
      x: { field: x, type: "nominal", sort: null, title: titles.x, axis: { labelAngle: 0 } },
      xOffset: { field: colour, sort: null },
      y: { field: y, type: "quantitative", title: titles.y },
      color: { ...name, legend: series > 1 ? { labelLimit: 300 } : null },
    },
  };
}

/** A cell per pair of x and y, with its value, a share, written in it. */
export function cells(
  title: string,
  values: readonly Row[],
  x: string,
  y: string,
  value: string,
  titles: Titles,
): VegaLiteSpec {
  const place = {
    x: { field: x, type: "ordinal", title: titles.x, axis: { labelAngle: 0 } },
    y: { field: y, type: "ordinal", title: titles.y },
  };
  const least = Math.min(...values.map((row) => row[value] as number));
  return {
    ...{ title, width: 420, height: 300, data: { values } },
    layer: [
      {
        mark: "rect",
        encoding: { ...place, color: { field: value, type: "quantitative", scale: { scheme: "blues" } } },
      },
      {
        mark: { type: "text" },
        encoding: {
          ...place,
          text: { field: value, type: "quantitative", format: ".3f" },
          color: { condition: { test: `datum['${value}'] > ${(1 + least) / 2}`, value: "white" }, value: "black" },
        },
      },
    ],
  };
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
