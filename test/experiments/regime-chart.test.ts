import { describe, expect, it } from "vitest";
import { plot } from "../../src/experiments/plot.ts";
import { regimeChart } from "../../src/experiments/regimes/charts.ts";
import { regimeCurve, uniformWidths } from "../../src/regimes/index.ts";

const PRECISIONS = [0, 1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256];

/** How often the SVG has the text as a label. */
function labels(svg: string, text: string): number {
  return svg.split(`>${text}</text>`).length - 1;
}

/** Where marks lie whose label begins so: the first number after `before`. Both plots begin at the same x. */
function marks(svg: string, label: string, before: string): number[] {
  return svg
    .split("<path ")
    .filter((mark) => mark.startsWith(`aria-label="${label}`) && mark.includes(before))
    .map((mark) => Number.parseFloat(mark.split(before)[1]!));
}

describe("the chart of the regimes", () => {
  it("names each line and each regime once", async () => {
    const svg = await plot([regimeChart("lines", regimeCurve(uniformWidths(64, 4), 1, PRECISIONS))]);
    for (const name of ["memory bound", "VC bound", "precision bound", "achievable (proved)"])
      expect(labels(svg, name), name).toBe(1);
    for (const name of ["starved", "memory-limited", "saturated"]) expect(labels(svg, name), name).toBe(1);
  });

  it("names nothing that it does not draw", async () => {
    const layers = [1, 64, 64, 64, 1].map((width, l, all) => ({ width, parameters: width * ((all[l - 1] ?? 0) + 1) }));
    const svg = await plot([regimeChart("layers", regimeCurve(layers, 1, PRECISIONS.slice(6)))]);
    expect(labels(svg, "memory bound")).toBe(1);
    expect(labels(svg, "achievable (proved)")).toBe(0);
    expect(labels(svg, "starved")).toBe(0);
  });

  it("has the bands below the bits at which they begin", async () => {
    const points = regimeCurve(uniformWidths(64, 4), 1, PRECISIONS);
    const svg = await plot([regimeChart("bands", points)]);
    const begins = points.filter(({ regime }, i) => regime !== points[i - 1]?.regime).map(({ b }) => b + 1);
    expect(begins).toEqual([1, 5, 65]);
    const bands = marks(svg, "from:", ' d="M');
    const dots = begins.map((b) => marks(svg, `b + 1 (fractional bits of a weight, plus one): ${b};`, "translate(")[0]);
    expect(bands).toEqual(dots);
  });
});
