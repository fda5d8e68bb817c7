import { BitbasisError } from "../core/index.ts";
import type { VegaLiteSpec } from "./experiment.ts";

/** Each chart has scales and legends of its own: merged ones name series that a chart does not have. */
const APART = { scale: { color: "independent", strokeDash: "independent", shape: "independent" } };

/**
 * Draws Vega-Lite charts below one another as one SVG document, without a DOM. The same charts give the same bytes.
 *
 * vega and vega-lite are optional peer dependencies: they are large, and only charts need them.
 *
 * @param charts specifications with their data inside
 * @returns the text of an SVG document
 * @throws BitbasisError (`UNSUPPORTED`) when vega or vega-lite is not installed
 * @example
 * const svg = await plot([{ data: { values: [{ x: 1, y: 2 }] }, mark: "point",
 *   encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } }]);
 */
export async function plot(charts: readonly VegaLiteSpec[]): Promise<string> {
  if (charts.length === 0) throw new RangeError('"charts" expected at least one chart, got none');
  const [vega, lite] = await loadCharts();
  const spec = charts.length === 1 ? charts[0]! : { vconcat: charts, spacing: 40, resolve: APART };
  const { spec: compiled } = lite.compile({
    background: "white",
    ...spec,
  } as unknown as import("vega-lite").TopLevelSpec);
  // Clip paths are numbered by a global counter.
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * The packages that draw.
 * @throws BitbasisError (`UNSUPPORTED`) when they are not installed
 */
export async function loadCharts(): Promise<[typeof import("vega"), typeof import("vega-lite")]> {
  try {
    return await Promise.all([import("vega"), import("vega-lite")]);
  } catch (cause) {
    throw new BitbasisError(
      "UNSUPPORTED",
      'charts need the packages vega and vega-lite: run "npm install vega vega-lite"',
      {
        cause,
      },
    );
  }
}
