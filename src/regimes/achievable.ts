// What the constructions can do inside a given architecture: an upper bound beside the lower ones.
import type { Style } from "./approximate.ts";
import { bitExtractionNetwork } from "./construct/bit-extraction.ts";
import { type CompositeShape, compositeCost, compositeNetwork } from "./construct/composite.ts";
import { interpolantNetwork } from "./construct/interpolant.ts";
import { scanNetwork } from "./construct/scan.ts";
import { tableFormat, tableNetwork } from "./construct/table.ts";
import { wideNetwork } from "./construct/wide.ts";
import type { Dyadic } from "./dyadic.ts";
import { encodePath } from "./encode.ts";
import type { DyadicNetwork } from "./network.ts";

/** A construction that fits, with the precision it needs and the error that it is sure of on every 1-Lipschitz function. */
export interface Achievable {
  /** Which construction it is. */
  readonly style: Style;
  /** 2^cells cells. */
  readonly cells: number;
  /** Fractional bits that it needs. */
  readonly b: number;
  /** Sup error over [0, 1], for every function with Lipschitz constant 1. */
  readonly error: number;
  /** Bit extraction: blocks of 2^block cells. */
  readonly block?: number;
  /** Composite: how its tables are cut. */
  readonly shape?: CompositeShape;
}

/** Builds it for a 1-Lipschitz function with values in [-1, 1], given by its exact values at k/2^cells. */
export function buildAchievable(
  { style, cells, b, block, shape }: Achievable,
  nodes: readonly Dyadic[],
): DyadicNetwork {
  if (style === "interpolant") return interpolantNetwork(nodes, 2 * cells);
  const path = encodePath(nodes, cells);
  switch (style) {
    case "scan":
      return scanNetwork(path, { a: 1, b });
    case "wide":
      return wideNetwork(path, { a: 1, b: b - 1 });
    case "bit-extraction":
      return bitExtractionNetwork(path, block!);
    case "table":
      return tableNetwork(path, { a: tableFormat(cells).a, b });
    case "composite":
      return compositeNetwork(path, shape);
  }
}

/** Beyond this many cells nothing of interest fits: 2^-40 is far below what the bounds say for networks that exist. */
const MOST_CELLS = 40;

/**
 * Every construction that fits into width and depth, best first for its precision: as b grows the error strictly falls. The magnitude
 * of the weights (2^a) is whatever the construction needs.
 *
 * @param width neurons of the narrowest hidden layer
 * @param depth affine maps
 */
export function achievable(width: number, depth: number): Achievable[] {
  const found: Achievable[] = [];
  for (let cells = 0; cells <= MOST_CELLS; cells++) {
    const h = 2 ** -cells;
    if (depth >= 2 && 2 ** cells + 1 <= width)
      found.push({ style: "interpolant", cells, b: Math.max(cells, 1), error: h / 2 + (h * h) / 2 });
    scan(width, depth, cells, found);
    wide(width, depth, cells, found);
    bitExtraction(width, depth, cells, found);
    table(width, depth, cells, found);
    composite(width, depth, cells, found);
  }
  found.sort((x, y) => x.b - y.b || x.error - y.error);
  let best = Number.POSITIVE_INFINITY;
  return found.filter(({ error }) => {
    if (error >= best) return false;
    best = error;
    return true;
  });
}

/** The best that fits at precision b, or undefined. */
export function achievableAt(all: readonly Achievable[], b: number): Achievable | undefined {
  return all.filter((one) => one.b <= b).at(-1);
}

/** Layers left for leaving the cells give the fewest bits with which that can be done. */
function leaveBits(n: number, layers: number): number {
  return layers < 1 ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil((n - 1) / layers));
}

function scan(width: number, depth: number, n: number, found: Achievable[]): void {
  if (n < 1 || width < 2) return;
  const b = leaveBits(n, depth - 2 ** n - n);
  if (Number.isFinite(b)) found.push({ style: "scan", cells: n, b, error: 2 ** -n });
}

function wide(width: number, depth: number, n: number, found: Achievable[]): void {
  if (n < 1 || 2 ** n + 1 > width) return;
  const b = leaveBits(n, depth - 2);
  // The slopes' halves take one bit more than the scaling.
  if (Number.isFinite(b)) found.push({ style: "wide", cells: n, b: b + 1, error: 2 ** -n });
}

function bitExtraction(width: number, depth: number, n: number, found: Achievable[]): void {
  if (width < 9) return;
  for (let q = 1; q < n; q++) {
    const a = Math.max(4, q + 1);
    const b = 2 * 2 ** q - 1;
    const layers = Math.ceil(n / a) + 2 ** (n - q) + 2 ** q + 2 + Math.ceil((n - 1) / b);
    if (layers <= depth) found.push({ style: "bit-extraction", cells: n, b, error: 5 * 2 ** -n, block: q });
  }
}

function table(width: number, depth: number, n: number, found: Achievable[]): void {
  if (n < 2) return;
  const J = 2 ** Math.floor(n / 2);
  const K = 2 ** n / J;
  if (Math.max(3 * K, 2 * J + 4) > width) return;
  const b = leaveBits(n, depth - 6);
  if (Number.isFinite(b))
    found.push({ style: "table", cells: n, b: Math.max(b, Math.ceil(n / 2)), error: 5 * 2 ** -n });
}

function composite(width: number, depth: number, n: number, found: Achievable[]): void {
  for (let cells = 3; cells <= n - 2; cells++) {
    for (let parts = 1; parts + cells < n && 4 * 2 ** parts <= width; parts++) {
      for (let blocks = 1; blocks + parts + cells <= n && 2 * 2 ** blocks <= width; blocks++) {
        const shape = { ranges: n - cells - parts - blocks, blocks, parts, cells };
        const cost = compositeCost(shape, n);
        // The fold must end before the bits have been taken out.
        if (cost.depth > depth || cost.width > width) continue;
        found.push({ style: "composite", cells: n, b: cost.b, error: 2 ** -n, shape });
      }
    }
  }
}
