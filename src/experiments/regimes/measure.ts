import {
  type Achievable,
  buildAchievable,
  evaluatePoints,
  gridValue,
  networkSize,
  resolveTarget,
  subtract,
  toNumber,
} from "../../regimes/index.ts";
import { valuesAt } from "./functions.ts";

/** The largest error found, and where was looked. */
export interface MeasuredError {
  readonly error: number;
  readonly points: number;
  readonly where: string;
}

/** Words of more than this many bits leave 64-bit integers; then points are evaluated in BigInt, and fewer of them. */
const SHORT = 20;
/** Cells up to which all quarter cells are evaluated, in 64-bit integers. */
const ALL = 12;
/** Points times weights that are not zero, in BigInt: some five seconds. */
const COST = 2 ** 23;
/** Points spread over the rest. */
const SPREAD = 128;
/** Quarter cells from a border on in which errors beyond the path's lie. */
const BORDER = 6;

/**
 * The error of a construction on samples, in exact arithmetic. From one cell after a border of a block to the next border the network is the path of the encoder,
 * whose error is at most a cell; whatever is larger lies in the cell after a border. So all quarter cells there are evaluated, and some elsewhere: an even spread
 * alone found 2^-12.03 at width 9, depth 300, b = 31, where the borders have 2^-10.31.
 */
export async function measureError(
  best: Achievable,
  samples: readonly number[],
  size: { width: number; depth: number; b: number },
  signal?: AbortSignal,
): Promise<MeasuredError> {
  const target = resolveTarget(samples);
  const network = buildAchievable(best, valuesAt(samples, best.cells));
  const own = networkSize(network);
  if (own.width > size.width || own.depth > size.depth || own.b > size.b)
    throw new Error(`${best.style} does not fit ${size.width}×${size.depth} at b = ${size.b}`);
  const e = best.cells + 2;
  const { at, where } = places(best, own.nonZero);
  const points = BigInt64Array.from(at, BigInt);
  const values = await evaluatePoints(network, [points], e, { signal });
  let error = 0;
  at.forEach((k, i) => {
    error = Math.max(error, Math.abs(toNumber(subtract(gridValue(values, 0, i), target.at(k, e)))));
  });
  return { error, points: at.length, where };
}

/** Cells of a block whose border may show; undefined where there is none. */
export function blockCells({ style, cells, block, shape }: Achievable): number | undefined {
  if (style === "bit-extraction") return 2 ** block!;
  if (style === "table") return 2 ** Math.floor(cells / 2);
  // Two copies, half a sub-block apart.
  if (style === "composite") return 2 ** (shape!.cells - 1);
  return undefined;
}

function places(best: Achievable, weights: number): { at: number[]; where: string } {
  const quarters = 4 * 2 ** best.cells;
  if (best.cells <= ALL && best.b <= SHORT)
    return { at: Array.from({ length: quarters + 1 }, (_, k) => k), where: "everywhere" };
  const step = Math.max(1, Math.floor(quarters / SPREAD) - 1);
  const spread = Array.from({ length: Math.floor(quarters / step) + 1 }, (_, k) => k * step);
  const cells = blockCells(best);
  if (cells === undefined) return { at: spread, where: "spread" };
  const borders = quarters / 4 / cells;
  const most = best.b <= SHORT ? borders : Math.max(8, Math.floor(COST / weights / BORDER));
  const every = Math.max(1, Math.ceil(borders / most));
  const chosen = Array.from({ length: Math.ceil(borders / every) }, (_, i) => i * every);
  const near = chosen.flatMap((k) => Array.from({ length: BORDER }, (_, j) => 4 * cells * k + j));
  const at = [...new Set([...spread, ...near])].filter((k) => k <= quarters).sort((x, y) => x - y);
  return { at, where: every === 1 ? "at the borders" : `at ${chosen.length} of ${borders} borders` };
}
