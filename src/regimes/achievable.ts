// What the constructions can do inside a given architecture: an upper bound beside the lower ones.
import type { Style } from "./approximate.ts";
import { compositeCost } from "./construct/composite.ts";

/** A construction that fits, with the precision it needs and the error that it is sure of on every 1-Lipschitz function. */
export interface Achievable {
  readonly style: Style;
  /** 2^cells cells. */
  readonly cells: number;
  /** Fractional bits that it needs. */
  readonly b: number;
  readonly error: number;
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
    if (layers <= depth) found.push({ style: "bit-extraction", cells: n, b, error: 5 * 2 ** -n });
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
        const cost = compositeCost({ ranges: n - cells - parts - blocks, blocks, parts, cells }, n);
        // The fold must end before the bits have been taken out.
        if (cost.depth > depth || cost.width > width) continue;
        found.push({ style: "composite", cells: n, b: cost.b, error: 2 ** -n });
      }
    }
  }
}
