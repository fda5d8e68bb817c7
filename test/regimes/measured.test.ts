// The figures of the published study whose inputs were random: structure exactly, errors and sparsity to 20 %.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bitExtractionNetwork } from "../../src/regimes/construct/bit-extraction.ts";
import { scanNetwork } from "../../src/regimes/construct/scan.ts";
import { wideNetwork } from "../../src/regimes/construct/wide.ts";
import { absolute, compare, type Dyadic, dyadic, subtract, toNumber } from "../../src/regimes/dyadic.ts";
import { encodePath } from "../../src/regimes/encode.ts";
import { evaluatePoints, gridValue, unitGrid } from "../../src/regimes/grid.ts";
import { type DyadicNetwork, networkSize } from "../../src/regimes/network.ts";
import { resolveTarget } from "../../src/regimes/target.ts";
import { lipschitzWalk } from "./helpers.ts";

interface Stats {
  W: number;
  L: number;
  a: number;
  b: number;
  dense_params: number;
  nnz: number;
}
const read = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
const slope = read("slope") as (Stats & { n: number; err: number })[];
const { under, proper } = read("regime_experiment") as {
  under: { b: number; n: number; stats: Stats; err: number }[];
  proper: { m: number; n: number; kind: string; stats: Stats; err: number }[];
};

const target = resolveTarget(lipschitzWalk(1, 12));
const path = (n: number) =>
  encodePath(
    Array.from({ length: 2 ** n + 1 }, (_, k) => target.at(k, n)),
    n,
  );

async function measured(network: DyadicNetwork, exponent: number): Promise<number> {
  const values = await evaluatePoints(network, [unitGrid(exponent)], exponent);
  let worst: Dyadic = dyadic(0n);
  for (let k = 0; k <= 2 ** exponent; k++) {
    const error = absolute(subtract(gridValue(values, 0, k), target.at(k, exponent)));
    if (compare(error, worst) > 0) worst = error;
  }
  return toNumber(worst);
}

const near = (value: number, wanted: number) => expect(Math.abs(value / wanted - 1)).toBeLessThanOrEqual(0.2);

describe("slope.json", () => {
  test.each(slope)("scan with n=$n", async (row) => {
    const network = scanNetwork(path(row.n));
    const size = networkSize(network);
    expect([size.width, size.depth, size.a, size.b, size.parameters]).toEqual([
      row.W,
      row.L,
      row.a,
      row.b,
      row.dense_params,
    ]);
    near(size.nonZero, row.nnz);
    near(await measured(network, 12), row.err);
  });
});

describe("regime_experiment.json", () => {
  test.each(under)("starved: b=$b, n=$n", async ({ b, n, stats, err }) => {
    const network = wideNetwork(path(n), { a: 1, b });
    const size = networkSize(network);
    expect([size.width, size.a]).toEqual([stats.W, stats.a]);
    // With 8 bits one layer does the scaling for which the study took two.
    const layers = 2 + Math.ceil((n - 1) / b);
    expect([size.depth, size.parameters]).toEqual([layers, stats.dense_params - 2 * (stats.L - layers)]);
    expect(size.b).toBeLessThanOrEqual(stats.b);
    near(size.nonZero, stats.nnz);
    near(await measured(network, Math.min(n + 3, 11)), err);
  });
  test.each(proper.filter(({ m }) => m <= 8))(
    "memory-limited: words of $m bits, n=$n",
    async ({ m, n, kind, stats, err }) => {
      const network = kind === "scan" ? scanNetwork(path(n)) : bitExtractionNetwork(path(n), Math.log2(m));
      const size = networkSize(network);
      expect([size.width, size.b]).toEqual([stats.W, stats.b]);
      // The level at 0 is positive here and needs a bit more where the whole start is one bias.
      expect(size.a - stats.a).toBeLessThanOrEqual(1);
      // One layer less than the study: the clamp and the first scaling are one map.
      expect(size.depth).toBe(kind === "scan" ? stats.L : stats.L - 1);
      near(size.nonZero, stats.nnz);
      near(await measured(network, 13), err);
    },
  );
});
