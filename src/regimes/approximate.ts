// approximate(): a network with exact dyadic weights, a certified error and a price in bits, for a function on [0, 1].
import { BitbasisError, checkPace, shown } from "../core/index.ts";
import { bitExtractionNetwork } from "./construct/bit-extraction.ts";
import { compositeNetwork, compositeShape } from "./construct/composite.ts";
import { interpolantNetwork } from "./construct/interpolant.ts";
import { scanNetwork } from "./construct/scan.ts";
import { tableNetwork } from "./construct/table.ts";
import { wideNetwork } from "./construct/wide.ts";
import {
  absolute,
  add,
  compare,
  type Dyadic,
  dyadic,
  fromNumber,
  multiply,
  shift,
  subtract,
  toNumberUp,
} from "./dyadic.ts";
import { encodePath, type Path } from "./encode.ts";
import { evaluatePoints, gridValue, unitGrid } from "./grid.ts";
import { type DyadicNetwork, type NetworkSize, networkSize } from "./network.ts";
import {
  describeViolation,
  type FunctionSource,
  findViolation,
  type Modulus,
  resolveTarget,
  type Target,
} from "./target.ts";

/**
 * `interpolant`: two layers, one neuron per cell; few cells or smooth functions. `scan`: width 2, memory-optimal, very deep.
 * `bit-extraction`: width 9, many slope bits in one weight. `table`: constant depth, width² bits. `composite`: tables of words, all of
 * width, depth and precision. `wide`: the scan with its cells side by side, for few bits in wide and shallow networks.
 */
export type Style = "interpolant" | "scan" | "wide" | "bit-extraction" | "table" | "composite";

export const STYLES: readonly Style[] = ["interpolant", "scan", "wide", "bit-extraction", "table", "composite"];

/** Cells are 2^n, n up to here: the scan would be 65 536 layers deep. */
const MOST_CELLS = 16;
/** Grids of up to n = 10 are verified point by point; beyond, up to this many points are. */
const MOST_POINTS = 2 ** 13 + 1;

/** How smooth the function is, and what the network may cost. */
export interface ApproximateOptions {
  /** K in |f(x) − f(y)| ≤ K|x − y|^exponent; positive. */
  lipschitz: number;
  /** Hölder exponent in (0, 1]; default 1. */
  exponent?: number;
  /** Largest error allowed. Give this or `budgetBits`. */
  error?: number;
  /** Largest memory allowed, in bits. Give this or `error`. */
  budgetBits?: number;
  /** `auto` (default) takes the construction with the least memory, or the least error within the budget. */
  style?: Style | "auto";
  /** Whether memory counts zero weights too (`dense`, the default) or not (`sparse`). */
  memory?: "dense" | "sparse";
  /** Rejects with its reason. */
  signal?: AbortSignal;
  /** Called in the phase `verify` with points evaluated. */
  onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/** A network, with what is proved and measured about it. */
export interface Approximation {
  /** One input in [0, 1], one output. */
  readonly network: DyadicNetwork;
  /** The construction that was taken. */
  readonly style: Style;
  /** 2^cells cells. */
  readonly cells: number;
  /** Proved: |f − network| is nowhere larger on [0, 1], given the modulus. */
  readonly supError: number;
  /** The largest error at the verified points; at most `supError`. */
  readonly measuredError: number;
  /** Points k/2^exponent that were evaluated exactly; `exhaustive` when these are all of a grid 8 times finer than the cells. */
  readonly verified: {
    /** How many. */
    readonly points: number;
    /** They are multiples of 2^-exponent. */
    readonly exponent: number;
    /** All points of that grid, not a part of them. */
    readonly exhaustive: boolean;
  };
  /** Dense or sparse memory in bits, as asked for. */
  readonly memoryBits: number;
  /** What the network costs to store. */
  readonly size: NetworkSize;
}

/**
 * Approximates a Lipschitz or Hölder function on [0, 1] by a ReLU network with exact dyadic weights.
 *
 * Source: design note A3, A4; "Three Quantization Regimes for ReLU Networks" (arXiv 2405.01952).
 *
 * @param f a function, 2^k + 1 samples, or breakpoints [x, y]; samples and breakpoints are joined by straight lines
 * @returns the network with its certified error and memory
 * @throws RangeError when two points contradict the Lipschitz constant (both are named), or when nothing fits the error or budget
 * @example
 * const { network, supError, memoryBits } = await approximate((x) => Math.abs(x - 0.3), { lipschitz: 1, error: 0.01 });
 */
export async function approximate(f: FunctionSource, options: ApproximateOptions): Promise<Approximation> {
  checkPace(options);
  const modulus = checkOptions(options);
  const target = resolveTarget(f);
  const coarse = 2 ** Math.min(target.nodes ?? 10, 12);
  checkModulus(target, Math.log2(coarse), modulus);
  const chosen = options.error !== undefined ? forError(target, modulus, options) : forBudget(target, modulus, options);
  return await certify(target, modulus, chosen, options);
}

interface Candidate {
  readonly style: Style;
  readonly cells: number;
  readonly network: DyadicNetwork;
  readonly size: NetworkSize;
  readonly bound: Dyadic;
}

function checkOptions({ lipschitz, exponent = 1, error, budgetBits, style = "auto" }: ApproximateOptions): Modulus {
  if (!(lipschitz > 0) || !Number.isFinite(lipschitz))
    throw new RangeError(`"lipschitz" expected a positive number, got ${shown(lipschitz)}`);
  if (!(exponent > 0 && exponent <= 1))
    throw new RangeError(`"exponent" expected a number in (0, 1], got ${shown(exponent)}`);
  if ((error === undefined) === (budgetBits === undefined))
    throw new RangeError('"error" or "budgetBits" expected, exactly one of them');
  if (error !== undefined && !(error > 0))
    throw new RangeError(`"error" expected a positive number, got ${shown(error)}`);
  if (budgetBits !== undefined && !(budgetBits > 0))
    throw new RangeError(`"budgetBits" expected a positive number, got ${shown(budgetBits)}`);
  if (style !== "auto" && !STYLES.includes(style))
    throw new RangeError(`"style" expected auto, ${STYLES.join(", ")}, got ${JSON.stringify(style)}`);
  return { constant: lipschitz, exponent };
}

function checkModulus(target: Target, e: number, modulus: Modulus): void {
  const violation = findViolation(nodesOf(target, e), modulus);
  if (violation !== undefined) throw new RangeError(describeViolation(violation, modulus));
}

function nodesOf(target: Target, e: number): Dyadic[] {
  return Array.from({ length: 2 ** e + 1 }, (_, k) => target.at(k, e));
}

/** The largest p with 2^-p ≥ K·2^(−αn): the unit of a path over 2^n cells. Rounded to the safe side where α < 1. */
export function pathUnit({ constant, exponent }: Modulus, n: number): number {
  const k = fromNumber(constant);
  if (exponent === 1) {
    let p = n - Math.ceil(Math.log2(constant));
    while (compare(dyadic(1n, p), shift(k, -n)) < 0) p--;
    while (compare(dyadic(1n, p + 1), shift(k, -n)) >= 0) p++;
    return p;
  }
  return Math.floor(exponent * n - Math.log2(constant) - 2 ** -40);
}

/** How far a Hölder function can stray inside a cell beyond what the path's slopes cover: max τ^α − τ, rounded up. 0 when Lipschitz. */
function bulge(exponent: number): number {
  if (exponent === 1) return 0;
  return (1 - exponent) * exponent ** (exponent / (1 - exponent)) * (1 + 2 ** -40);
}

/** Constructions that pay for reading garbage behind the borders of their blocks. */
const GARBAGE: ReadonlySet<Style> = new Set(["bit-extraction", "table"]);

/** The proved error of a construction over 2^n cells, before rounding of the target's own values. */
export function styleBound(style: Style, n: number, modulus: Modulus): Dyadic {
  const { constant, exponent } = modulus;
  if (style === "interpolant") {
    const half =
      exponent === 1
        ? shift(fromNumber(constant), -n - 1)
        : fromNumber(constant * 2 ** (-exponent * (n + 1)) * (1 + 2 ** -40));
    return add(half, dyadic(1n, interpolantGrid(n, modulus) + 1));
  }
  const unit = dyadic(1n, pathUnit(modulus, n));
  const units = add(dyadic(GARBAGE.has(style) ? 5n : 1n), fromNumber(bulge(exponent)));
  return multiply(unit, units);
}

/** Node values of the interpolant are multiples of 2^-grid: 1/32 of the interpolation error, or finer where that is free. */
function interpolantGrid(n: number, { constant, exponent }: Modulus): number {
  return Math.max(2 * n, Math.ceil(exponent * (n + 1) - Math.log2(constant)) + 4, 1);
}

/** The smallest number of cells that a construction can do. */
const LEAST_CELLS: Readonly<Record<Style, number>> = {
  interpolant: 0,
  scan: 1,
  wide: 1,
  "bit-extraction": 2,
  table: 2,
  composite: 5,
};

/** Builds one construction over 2^n cells. */
export function styleNetwork(target: Target, modulus: Modulus, style: Style, n: number): DyadicNetwork {
  const nodes = nodesOf(target, n);
  if (style === "interpolant") return interpolantNetwork(nodes, interpolantGrid(n, modulus));
  const path: Path = encodePath(nodes, pathUnit(modulus, n));
  switch (style) {
    case "scan":
      return scanNetwork(path);
    case "wide":
      return wideNetwork(path);
    case "bit-extraction":
      return bitExtractionNetwork(path, Math.min(Math.max(Math.floor(n / 2), 1), 4));
    case "table":
      return tableNetwork(path);
    case "composite":
      return compositeNetwork(path, compositeShape(n, path.p));
  }
}

function candidate(target: Target, modulus: Modulus, style: Style, n: number): Candidate {
  const network = styleNetwork(target, modulus, style, n);
  const slack = multiply(target.slack, dyadic(2n));
  return { style, cells: n, network, size: networkSize(network), bound: add(styleBound(style, n, modulus), slack) };
}

function price(size: NetworkSize, { memory = "dense" }: ApproximateOptions): number {
  return memory === "dense" ? size.denseMemory : size.sparseMemory;
}

function wanted({ style = "auto" }: ApproximateOptions): readonly Style[] {
  return style === "auto" ? STYLES : [style];
}

function forError(target: Target, modulus: Modulus, options: ApproximateOptions): Candidate {
  const error = fromNumber(options.error!);
  let best: Candidate | undefined;
  for (const style of wanted(options)) {
    let n = LEAST_CELLS[style];
    while (
      n <= MOST_CELLS &&
      compare(add(styleBound(style, n, modulus), multiply(target.slack, dyadic(2n))), error) > 0
    )
      n++;
    if (n > MOST_CELLS) continue;
    // A construction that needs much deeper cells than the best so far cannot win: every cell costs it at least two bits.
    if (best !== undefined && 2 ** (n + 1) > price(best.size, options)) continue;
    const next = candidate(target, modulus, style, n);
    if (best === undefined || price(next.size, options) < price(best.size, options)) best = next;
  }
  if (best !== undefined) return best;
  const least = wanted(options).map((style) => toNumberUp(styleBound(style, MOST_CELLS, modulus)));
  throw new RangeError(
    `"error" expected at least ${Math.min(...least)} (2^${MOST_CELLS} cells with ${options.style ?? "auto"}), got ${options.error}`,
  );
}

function forBudget(target: Target, modulus: Modulus, options: ApproximateOptions): Candidate {
  const budget = options.budgetBits!;
  let best: Candidate | undefined;
  let cheapest = Number.POSITIVE_INFINITY;
  for (const style of wanted(options)) {
    for (let n = LEAST_CELLS[style]; n <= MOST_CELLS; n++) {
      if (2 ** n > budget) break;
      const next = candidate(target, modulus, style, n);
      const cost = price(next.size, options);
      cheapest = Math.min(cheapest, cost);
      if (cost > budget) break;
      const order = best === undefined ? -1 : compare(next.bound, best.bound);
      if (order < 0 || (order === 0 && cost < price(best!.size, options))) best = next;
    }
  }
  if (best !== undefined) return best;
  const need = Number.isFinite(cheapest) ? `at least ${cheapest} bits` : "more bits";
  throw new RangeError(`"budgetBits" expected ${need} for style ${options.style ?? "auto"}, got ${budget}`);
}

/** Evaluates the network exactly on a grid and compares it with the function; refuses a function that broke its word. */
async function certify(
  target: Target,
  modulus: Modulus,
  { style, cells, network, size, bound }: Candidate,
  options: ApproximateOptions,
): Promise<Approximation> {
  const exponent = cells + 3;
  const total = 2 ** exponent + 1;
  const step = total <= MOST_POINTS ? 1 : 2 ** (exponent - 13);
  const points = step === 1 ? unitGrid(exponent) : unitGrid(13).map((k) => k * BigInt(step));
  checkModulus(target, Math.min(exponent, 13), modulus);
  const values = await evaluatePoints(network, [points], exponent, {
    signal: options.signal,
    onProgress: (loaded) => options.onProgress?.({ phase: "verify", loaded, total: points.length }),
  });
  let worst = dyadic(0n);
  points.forEach((k, i) => {
    const error = absolute(subtract(gridValue(values, 0, i), target.at(Number(k), exponent)));
    if (compare(error, worst) > 0) worst = error;
  });
  // Doubles that exceed the modulus by their own rounding are let pass; so is the trace that this leaves here.
  const allowed = multiply(bound, add(dyadic(1n), dyadic(1n, 36)));
  if (compare(worst, allowed) > 0)
    throw new BitbasisError(
      "INTERNAL",
      `a ${style} network with 2^${cells} cells broke its bound: ${toNumberUp(worst)}`,
    );
  return {
    network,
    style,
    cells,
    supError: toNumberUp(compare(worst, bound) > 0 ? allowed : bound),
    measuredError: toNumberUp(worst),
    verified: { points: points.length, exponent, exhaustive: step === 1 },
    memoryBits: price(size, options),
    size,
  };
}
