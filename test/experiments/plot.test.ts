import { expect, test } from "vitest";
import { plot } from "../../src/experiments/plot.ts";

const chart = {
  data: { values: [1, 2, 3].map((x) => ({ x, y: x * x })) },
  mark: { type: "line", clip: true },
  encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } },
};

test("charts become one SVG document, the same bytes each time", async () => {
  const one = await plot([chart]);
  expect(one).toMatch(/^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  expect(one).toContain("<path");
  expect(await plot([chart])).toBe(one);
  const two = await plot([chart, chart]);
  expect(two.length).toBeGreaterThan(1.5 * one.length);
  expect(await plot([chart, chart])).toBe(two);
});

test("no chart at all is an error", async () => {
  await expect(plot([])).rejects.toThrow('"charts" expected at least one chart, got none');
});
