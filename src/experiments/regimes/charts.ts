import type { RegimePoint } from "../../regimes/index.ts";
import type { Json, VegaLiteSpec } from "../experiment.ts";

type Row = { readonly [key: string]: Json };

const REGIMES: Readonly<Record<RegimePoint["regime"], { readonly name: string; readonly colour: string }>> = {
  under: { name: "starved", colour: "#cc79a7" },
  proper: { name: "memory-limited", colour: "#009e73" },
  over: { name: "saturated", colour: "#999999" },
};

interface LineChart {
  title: string;
  rows: readonly Row[];
  x: string;
  y: string;
  series: string;
  xTitle: string;
  yTitle: string;
  logX?: boolean;
  logY?: boolean;
  /** Ticks of the x axis at whole numbers only. */
  whole?: boolean;
  /** Series drawn dashed: bounds, where the others are measured. */
  dashed?: readonly string[];
  /** Series drawn dotted, over others that they may lie on. */
  dotted?: readonly string[];
  /** Order of the series in the legend. */
  order: readonly string[];
}

/** So many values of x at most have a tick each. */
const TICKS = 12;
const WIDTH = 640;
const HEIGHT = 340;
/** Readable on white; the first eight are told apart without colour vision (Okabe and Ito). */
const COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#000000",
  "#999999",
  "#8c510a",
  "#c7b400",
];

function logScale(nice: boolean): { [key: string]: Json } {
  return { type: "log", base: 2, padding: 12, nice };
}

/** Lines with points, one per series, on axes that are logarithmic to base 2 where asked. */
export function lineChart(chart: LineChart): VegaLiteSpec {
  const {
    title,
    rows,
    x,
    y,
    series,
    xTitle,
    yTitle,
    logX = false,
    logY = false,
    whole = false,
    dashed = [],
    dotted = [],
    order,
  } = chart;
  const axis = (field: string, name: string, log: boolean): { [key: string]: Json } => ({
    field,
    type: "quantitative",
    title: name,
    scale: log ? logScale(field === y) : { zero: false, padding: 6 },
    ...(log
      ? {
          axis: {
            labelExpr:
              "abs(log(datum.value)/log(2)) < 11 && datum.value >= 1 ? format(datum.value, ',') : '2^' + round(log(datum.value)/log(2))",
            labelOverlap: true,
          },
        }
      : {}),
  });
  const values = [...new Set(rows.map((row) => row[x] as number))].sort((one, other) => one - other);
  const ticks = values.length <= TICKS ? { axis: { values, format: "," } } : {};
  const continuous = order.filter((name) => !dashed.includes(name) && !dotted.includes(name));
  const over = (row: Row): number => (dotted.includes(row[series] as string) ? 1 : 0);
  return {
    title,
    width: WIDTH,
    height: HEIGHT,
    // Lines are drawn in this order: dotted ones over those that they lie on.
    data: { values: [...rows].sort((one, other) => over(one) - over(other)) },
    mark: { type: "line", point: { size: 22 }, clip: true },
    encoding: {
      x: { ...axis(x, xTitle, logX), ...(whole ? { axis: { tickMinStep: 1, format: "d" } } : {}), ...ticks },
      y: axis(y, yTitle, logY),
      color: {
        field: series,
        type: "nominal",
        title: null,
        legend: { labelLimit: 320, symbolType: "stroke", symbolSize: 300 },
        scale: { domain: order, range: COLOURS.slice(0, order.length) },
        sort: order,
      },
      strokeDash: {
        field: series,
        type: "nominal",
        title: null,
        legend: { labelLimit: 320, symbolType: "stroke", symbolSize: 300 },
        sort: order,
        scale: {
          domain: order,
          range: order.map((name) =>
            dashed.includes(name) ? [6, 4] : dotted.includes(name) ? [2, 6] : gaps(continuous.indexOf(name)),
          ),
        },
      },
    },
  };
}

/** The first of the lines that are neither dashed nor dotted is whole; through the gaps of the others those that they lie on are seen. */
function gaps(index: number): readonly number[] {
  return index === 0 ? [1, 0] : [Math.max(4, 18 - 3 * index), 3];
}

const BOUNDS = {
  memory: "memory bound",
  vc: "VC bound",
  precision: "precision bound",
  achievable: "achievable (proved)",
} as const;

/** The lower bounds and what is achievable, over b; regimes as coloured bands below. Only what has values is named. */
export function regimeChart(title: string, points: readonly RegimePoint[]): VegaLiteSpec {
  // A bound far below the others only stretches the axis.
  const floor = Math.min(...points.map(({ memory, vc }) => Math.max(memory, vc))) / 16;
  const rows = points.flatMap((point) =>
    (Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]).flatMap((name) => {
      const value = point[name];
      return value === undefined || value < floor ? [] : [{ b: point.b + 1, error: value, series: BOUNDS[name] }];
    }),
  );
  const named = new Set<string>(rows.map(({ series }) => series));
  const lines = lineChart({
    title,
    rows,
    x: "b",
    y: "error",
    series: "series",
    xTitle: "b + 1 (fractional bits of a weight, plus one)",
    yTitle: "sup error",
    logX: true,
    logY: true,
    dashed: [BOUNDS.memory, BOUNDS.vc, BOUNDS.precision],
    order: Object.values(BOUNDS).filter((name) => named.has(name)),
  });
  const bands = bandsOf(points);
  const regimes = (Object.keys(REGIMES) as RegimePoint["regime"][])
    .map((regime) => REGIMES[regime])
    .filter(({ name }) => bands.some(({ regime }) => regime === name));
  const strip: VegaLiteSpec = {
    width: WIDTH,
    height: 24,
    data: { values: bands },
    mark: { type: "rect" },
    encoding: {
      x: { field: "from", type: "quantitative", scale: logScale(false), axis: null },
      x2: { field: "to" },
      color: {
        field: "regime",
        type: "nominal",
        title: "regime",
        scale: { domain: regimes.map(({ name }) => name), range: regimes.map(({ colour }) => colour) },
      },
    },
  };
  // Bands lie below the bits that they are of; lines and bands have a legend each, in which colour and dashes are one symbol.
  const resolve = { scale: { x: "shared", color: "independent", strokeDash: "independent" } };
  return { vconcat: [lines, strip], resolve } as unknown as VegaLiteSpec;
}

/** Points with one regime after another as one band, from its first b + 1 to that of the next one. */
function bandsOf(points: readonly RegimePoint[]): { from: number; to: number; regime: string }[] {
  const first = points.filter(({ regime }, i) => regime !== points[i - 1]?.regime);
  return first.map(({ b, regime }, i) => ({
    from: b + 1,
    to: (first[i + 1] ?? points.at(-1)!).b + 1,
    regime: REGIMES[regime].name,
  }));
}

/** A function and the network that approximates it. */
export function approximationChart(
  title: string,
  points: readonly { x: number; f: number; network: number }[],
): VegaLiteSpec {
  return lineChartPlain(
    title,
    points.flatMap(({ x, f, network }) => [
      { x, y: f, series: "function" },
      { x, y: network, series: "network" },
    ]),
  );
}

function lineChartPlain(title: string, rows: readonly Row[]): VegaLiteSpec {
  const chart = lineChart({
    title,
    rows,
    x: "x",
    y: "y",
    series: "series",
    xTitle: "x",
    yTitle: "value",
    order: ["function", "network"],
  });
  return { ...chart, mark: { type: "line", strokeWidth: 1.2 } };
}

/** What lowering costs at each precision. */
export function lowerChart(
  title: string,
  rows: readonly { bits: number; ratio: number; form: string }[],
): VegaLiteSpec {
  const order = [...new Set(rows.map(({ form }) => form))];
  return lineChart({
    title,
    rows: rows.map((row) => ({ ...row })),
    x: "bits",
    y: "ratio",
    series: "form",
    xTitle: "fractional bits of the lowered weights",
    yTitle: "memory of the original = 1",
    logY: true,
    whole: true,
    order,
  });
}
