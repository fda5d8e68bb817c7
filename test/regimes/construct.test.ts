import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bitExtractionNetwork, guardedWord } from "../../src/regimes/construct/bit-extraction.ts";
import { compositeCost, compositeNetwork, compositeShape } from "../../src/regimes/construct/composite.ts";
import { interpolantNetwork } from "../../src/regimes/construct/interpolant.ts";
import { planeNetwork } from "../../src/regimes/construct/plane.ts";
import { scanNetwork } from "../../src/regimes/construct/scan.ts";
import { tableNetwork } from "../../src/regimes/construct/table.ts";
import { wideNetwork } from "../../src/regimes/construct/wide.ts";
import {
  absolute,
  compare,
  type Dyadic,
  dyadic,
  formatDyadic,
  fromNumber,
  multiply,
  parseDyadic,
  subtract,
  toNumber,
} from "../../src/regimes/dyadic.ts";
import { encodePath, type Path, pathLevels } from "../../src/regimes/encode.ts";
import { evaluatePoints, gridValue, unitGrid } from "../../src/regimes/grid.ts";
import {
  type DyadicNetwork,
  type NetworkJson,
  networkFromJson,
  networkSize,
  networkToJson,
} from "../../src/regimes/network.ts";
import { resolveTarget } from "../../src/regimes/target.ts";
import { FUNCTIONS, lipschitzPath, lipschitzWalk, nodes } from "./helpers.ts";

interface Vector {
  func: string;
  kind: "scan" | "bitx" | "table";
  n: number;
  Gamma0: number;
  bits: string;
  x_exp: number;
  y: string[];
  layers: NetworkJson;
  stats: {
    W: number;
    L: number;
    a: number;
    b: number;
    dense_params: number;
    nnz: number;
    dense_bits: number;
    nnz_bits: number;
  };
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/nets.json", import.meta.url), "utf8")) as Vector[];

function build(kind: Vector["kind"], path: Path, stats?: Vector["stats"]): DyadicNetwork {
  if (kind === "scan") return scanNetwork(path);
  if (kind === "bitx") return bitExtractionNetwork(path, 3);
  return tableNetwork(path, { a: stats?.a ?? 4, b: stats?.b ?? 4 });
}

async function outputs(network: DyadicNetwork, exponent: number): Promise<Dyadic[]> {
  const values = await evaluatePoints(network, [unitGrid(exponent)], exponent);
  return Array.from({ length: 2 ** exponent + 1 }, (_, k) => gridValue(values, 0, k));
}

/** The largest error on a grid 8 times finer than the cells, in cells. */
async function errorInCells(network: DyadicNetwork, n: number, at: (k: number, e: number) => Dyadic): Promise<Dyadic> {
  const values = await outputs(network, n + 3);
  let worst = dyadic(0n);
  values.forEach((value, k) => {
    const error = absolute(subtract(value, at(k, n + 3)));
    if (compare(error, worst) > 0) worst = error;
  });
  return multiply(worst, dyadic(1n, -n));
}

describe.each(vectors)("vector $func $kind n=$n", (vector) => {
  const path: Path = {
    n: vector.n,
    p: vector.n,
    start: vector.Gamma0,
    offset: dyadic(0n),
    bits: [...vector.bits].map((bit) => (bit === "1" ? 1 : 0)),
  };
  test("the given network gives the given outputs and size", async () => {
    const network = networkFromJson(vector.layers);
    expect((await outputs(network, vector.x_exp)).map(formatDyadic)).toEqual(vector.y);
    const size = networkSize(network);
    const { W, L, a, b, dense_params, nnz, dense_bits, nnz_bits } = vector.stats;
    expect([size.width, size.depth, size.a, size.b]).toEqual([W, L, a, b]);
    expect([size.parameters, size.nonZero, size.denseMemory, size.sparseMemory]).toEqual([
      dense_params,
      nnz,
      dense_bits,
      nnz_bits,
    ]);
    expect(networkFromJson(networkToJson(network))).toEqual(network);
  });
  test("ours gives the same outputs at all points and is no larger", async () => {
    const network = build(vector.kind, path, vector.stats);
    expect((await outputs(network, vector.x_exp)).map(formatDyadic)).toEqual(vector.y);
    expect(networkSize(network).denseMemory).toBeLessThanOrEqual(vector.stats.dense_bits);
    expect(networkSize(network).depth).toBeLessThanOrEqual(vector.stats.L);
  });
});

describe("the encoder", () => {
  test("stays within a unit at every node, at all lengths of look-ahead traps", () => {
    for (const [name, f] of Object.entries(FUNCTIONS)) {
      for (let n = 1; n <= 9; n++) {
        const levels = pathLevels(lipschitzPath(f, n));
        levels.forEach((level, k) => {
          expect(Math.abs(f(k / 2 ** n) * 2 ** n - level), `${name} at ${k}/2^${n}`).toBeLessThanOrEqual(1 + 2 ** -30);
        });
      }
    }
  });
  test("an offset brings far functions near", () => {
    const path = encodePath(
      nodes((x) => 100.3 + x / 2, 4),
      4,
    );
    expect(toNumber(path.offset)).toBe(100);
    expect(Math.abs(path.start)).toBeLessThanOrEqual(16);
    expect(
      toNumber(
        encodePath(
          nodes((x) => -7 - x, 4),
          4,
        ).offset,
      ),
    ).toBe(-6);
  });
  test("guarded words leave the gap that one clip of slope 3 reads", () => {
    expect(formatDyadic(guardedWord([1, 0, 1]))).toBe(formatDyadic(parseDyadic("34/64")));
    expect(compare(guardedWord(new Array<1>(40).fill(1)), dyadic(2n)) < 0).toBe(true);
  });
});

/** The unkindest go up to n = 10; the others show nothing there that they do not show at 8. */
const HARD = new Set(["not dyadic", "wave", "kink", "chirp", "zigzag"]);
const scale = Object.entries(FUNCTIONS).map(([name, f]) => ({ name, f, most: HARD.has(name) ? 10 : 8 }));

describe.each(scale)("certified error on $name, every n up to $most, exhaustively", ({ f, most }) => {
  const target = resolveTarget(f);
  // Doubles of x/3 and the like exceed slope 1 by their rounding.
  const slack = 1 + 2 ** -30;
  test("scan: one unit", async () => {
    for (let n = 1; n <= most; n++) {
      const network = scanNetwork(lipschitzPath(f, n));
      const size = networkSize(network);
      expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(slack);
      expect([size.width, size.depth]).toEqual([2, 2 ** n + n + Math.max(n - 1, 1)]);
      for (const layer of network.layers.slice(2, -1)) {
        for (const { weights } of layer)
          for (const w of weights) expect(["1/2", "1", "2", "-1", "-1/2"]).toContain(formatDyadic(w));
      }
    }
  });
  test("wide: one unit, with ever fewer bits as the depth grows", async () => {
    for (let n = 1; n <= most; n++) {
      for (const layers of n > 8 ? [2] : [1, 2, 4]) {
        const b = Math.max(1, Math.ceil((n - 1) / layers));
        const network = wideNetwork(lipschitzPath(f, n), { a: n > 6 ? 5 : 1, b });
        expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(slack);
        const size = networkSize(network);
        expect(size.width).toBe(2 ** n + 1);
        expect(size.depth).toBeLessThanOrEqual(2 + layers);
        expect(size.b).toBeLessThanOrEqual(Math.max(b, n > 6 ? 5 : 1) + 1);
      }
    }
  });
  test("bit extraction: five units", async () => {
    for (let n = 2; n <= most; n++) {
      for (const q of new Set([1, Math.min(n - 1, 3)])) {
        const network = bitExtractionNetwork(lipschitzPath(f, n), q);
        expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(5);
        expect(networkSize(network)).toMatchObject({ width: 9 });
        expect(networkSize(network).b).toBeLessThanOrEqual(2 ** (q + 1) - 1 || 1);
      }
    }
  });
  test("table: five units at depth 9 at most", async () => {
    for (let n = 2; n <= most; n++) {
      const network = tableNetwork(lipschitzPath(f, n));
      expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(5);
      expect(networkSize(network).depth).toBeLessThanOrEqual(9);
    }
  });
  test("composite: one unit, within the announced width, depth and precision", async () => {
    for (let n = 5; n <= most; n++) {
      const shape = compositeShape(n);
      const network = compositeNetwork(lipschitzPath(f, n), shape);
      expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(slack);
      const size = networkSize(network);
      const cost = compositeCost(shape, n);
      expect(size.depth).toBeLessThanOrEqual(cost.depth);
      expect(size.width).toBeLessThanOrEqual(cost.width);
      expect(size.a).toBeLessThanOrEqual(cost.a);
      expect(size.b).toBeLessThanOrEqual(cost.b);
      expect(size.denseMemory).toBeLessThanOrEqual(cost.memory);
    }
  });
  test("interpolant: half a cell and the rounding", async () => {
    for (let n = 0; n <= most; n++) {
      const network = interpolantNetwork(nodes(f, n), 2 * n + 1);
      expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(slack * (0.5 + 2 ** -(n + 2)));
    }
  });
});

test("random walks: every shape of the composite, tables in a row included", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const n = 9;
    const walk = lipschitzWalk(seed, n + 3);
    const target = resolveTarget(walk);
    const path = encodePath(
      Array.from({ length: 2 ** n + 1 }, (_, k) => target.at(k, n)),
      n,
    );
    for (const [ranges, blocks, parts, cells] of [
      [0, 4, 2, 3],
      [1, 3, 2, 3],
      [2, 2, 2, 3],
      [3, 1, 1, 4],
      [4, 1, 1, 3],
      [0, 1, 5, 3],
    ] as const) {
      const network = compositeNetwork(path, { ranges, blocks, parts, cells });
      expect(toNumber(await errorInCells(network, n, target.at))).toBeLessThanOrEqual(1);
    }
  }
});

test("two inputs: 15/14 units on every node and between", async () => {
  const functions = [
    (x: number, y: number) => (Math.sin(4 * x) * Math.cos(3 * y)) / 8,
    (x: number, y: number) => Math.max(Math.abs(x - 0.3), Math.abs(y - 0.6)),
    (x: number, y: number) => Math.abs(((x * 9) % 2) - 1) / 18 - Math.abs(((y * 7) % 2) - 1) / 14,
    (x: number, y: number) => 0.9 - Math.min(x, y),
  ];
  for (const f of functions) {
    for (let n = 1; n <= 4; n++) {
      const cells = 2 ** n;
      const values = Array.from({ length: cells + 1 }, (_, i) =>
        Array.from({ length: cells + 1 }, (_, j) => fromNumber(f(i / cells, j / cells))),
      );
      const network = planeNetwork(values, n);
      const fine = 2 ** (n + 3);
      const side = BigInt(fine + 1);
      const xs = BigInt64Array.from({ length: (fine + 1) ** 2 }, (_, k) => BigInt(k) / side);
      const ys = BigInt64Array.from({ length: (fine + 1) ** 2 }, (_, k) => BigInt(k) % side);
      const grid = await evaluatePoints(network, [xs, ys], n + 3);
      let worst = 0;
      xs.forEach((x, k) => {
        const error = toNumber(gridValue(grid, 0, k)) - f(Number(x) / fine, Number(ys[k]!) / fine);
        worst = Math.max(worst, Math.abs(error) * cells);
      });
      expect(worst).toBeLessThanOrEqual(15 / 14 + 2 ** -30);
      expect(networkSize(network).width).toBeLessThanOrEqual(5);
      expect(networkSize(network).bitsPerWeight).toBeLessThanOrEqual(4);
    }
  }
});
