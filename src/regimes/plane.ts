// approximatePlane(): functions of two inputs.
import { checkPace, shown } from "../core/index.ts";
import { planeNetwork } from "./construct/plane.ts";
import {
  absolute,
  compare,
  type Dyadic,
  dyadic,
  fromNumber,
  multiply,
  shift,
  subtract,
  toNumber,
  toNumberUp,
} from "./dyadic.ts";
import { evaluatePoints, gridValue } from "./grid.ts";
import { type DyadicNetwork, type NetworkSize, networkSize } from "./network.ts";

/** How smooth the function of two variables is, and what the network may cost. */
export interface PlaneOptions {
  /** K in |f(x) − f(y)| ≤ K·max(|x₁ − y₁|, |x₂ − y₂|); positive. */
  lipschitz: number;
  /** Largest error allowed. Give this or `budgetBits`. */
  error?: number;
  /** Largest dense memory allowed, in bits. Give this or `error`. */
  budgetBits?: number;
  /** Rejects with its reason. */
  signal?: AbortSignal;
  /** Called in the phase `verify` with points evaluated. */
  onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/** A network of two inputs in [0, 1], with what is proved and measured about it. */
export interface PlaneApproximation {
  /** Two inputs, one output. */
  readonly network: DyadicNetwork;
  /** A grid of 2^cells × 2^cells squares. */
  readonly cells: number;
  /** Proved for the whole square, given the constant. */
  readonly supError: number;
  /** The largest error at the verified points. */
  readonly measuredError: number;
  /** Points of the grid k/2^exponent that were evaluated exactly. */
  readonly verified: {
    /** How many. */
    readonly points: number;
    /** Their coordinates are multiples of 2^-exponent. */
    readonly exponent: number;
  };
  /** Dense memory in bits. */
  readonly memoryBits: number;
  /** What the network costs to store. */
  readonly size: NetworkSize;
}

/** 128 × 128 squares, a network 16 000 layers deep. */
const MOST_CELLS = 7;

/**
 * Approximates a function on the unit square by a network of width 5 whose memory is a constant number of bits per node, which is
 * optimal up to a constant: no node value is ever stored, only changes of at most 4 units.
 *
 * @param f (x, y) with 0 ≤ x, y ≤ 1; its doubles are taken as its values
 * @throws RangeError when neighbouring nodes contradict the constant, or nothing fits the error or budget
 * @example
 * const { network, supError } = await approximatePlane((x, y) => Math.max(x, 1 - y), { lipschitz: 1, error: 0.1 });
 */
export async function approximatePlane(
  f: (x: number, y: number) => number,
  options: PlaneOptions,
): Promise<PlaneApproximation> {
  checkPace(options);
  const { lipschitz, error, budgetBits } = options;
  if (typeof f !== "function") throw new TypeError(`"f" expected a function, got ${typeof f}`);
  if (!(lipschitz > 0) || !Number.isFinite(lipschitz))
    throw new RangeError(`"lipschitz" expected a positive number, got ${shown(lipschitz)}`);
  if ((error === undefined) === (budgetBits === undefined))
    throw new RangeError('"error" or "budgetBits" expected, exactly one of them');
  const wanted = error ?? budgetBits;
  if (typeof wanted !== "number" || !(wanted > 0))
    throw new RangeError(
      `"${error === undefined ? "budgetBits" : "error"}" expected a positive number, got ${shown(wanted)}`,
    );
  const power = Math.ceil(Math.log2(lipschitz) - 2 ** -40);
  const constant = fromNumber(lipschitz);
  const lift = compare(dyadic(1n, -power), constant) < 0 ? power + 1 : power;
  const bound = (n: number): Dyadic => multiply(dyadic(1n, n - lift), upTo15Over14);
  let found: { n: number; network: DyadicNetwork } | undefined;
  for (let n = 1; n <= MOST_CELLS; n++) {
    if (error !== undefined) {
      if (compare(bound(n), fromNumber(error)) > 0) continue;
      found = { n, network: planeNetwork(nodesOf(f, n, lipschitz), n - lift) };
      break;
    }
    // Every node costs 30 weights of at least 3 bits.
    if (90 * 4 ** n > budgetBits!) break;
    const network = planeNetwork(nodesOf(f, n, lipschitz), n - lift);
    if (networkSize(network).denseMemory > budgetBits!) break;
    found = { n, network };
  }
  if (found === undefined) {
    if (error !== undefined)
      throw new RangeError(`"error" expected at least ${toNumberUp(bound(MOST_CELLS))}, got ${error}`);
    const least = networkSize(planeNetwork(nodesOf(f, 1, lipschitz), 1 - lift)).denseMemory;
    throw new RangeError(`"budgetBits" expected at least ${least}, got ${budgetBits}`);
  }
  const { n, network } = found;
  const exponent = Math.min(n + 3, 7);
  const side = 2 ** exponent + 1;
  const xs = BigInt64Array.from({ length: side * side }, (_, k) => BigInt(Math.floor(k / side)));
  const ys = BigInt64Array.from({ length: side * side }, (_, k) => BigInt(k % side));
  const values = await evaluatePoints(network, [xs, ys], exponent, {
    signal: options.signal,
    onProgress: (loaded) => options.onProgress?.({ phase: "verify", loaded, total: xs.length }),
  });
  let worst = dyadic(0n);
  for (let k = 0; k < xs.length; k++) {
    const exact = fromNumber(f(Number(xs[k]!) / 2 ** exponent, Number(ys[k]!) / 2 ** exponent));
    const difference = absolute(subtract(gridValue(values, 0, k), exact));
    if (compare(difference, worst) > 0) worst = difference;
  }
  const allowed = multiply(bound(n), fromNumber(1 + 2 ** -36));
  if (compare(worst, allowed) > 0)
    throw new RangeError(
      `"f" expected Lipschitz constant ${lipschitz} in the maximum norm, but strays ${toNumberUp(worst)} from a network that would stay within ${toNumberUp(bound(n))}`,
    );
  const size = networkSize(network);
  return {
    network,
    cells: n,
    supError: toNumberUp(bound(n)),
    measuredError: toNumberUp(worst),
    verified: { points: xs.length, exponent },
    memoryBits: size.denseMemory,
    size,
  };
}

/** 15/14 rounded up to 2^-40. */
const upTo15Over14 = dyadic((15n << 40n) / 14n + 1n, 40);

function nodesOf(f: (x: number, y: number) => number, n: number, lipschitz: number): Dyadic[][] {
  const cells = 2 ** n;
  const values = Array.from({ length: cells + 1 }, (_, i) =>
    Array.from({ length: cells + 1 }, (_, j) => {
      const value = f(i / cells, j / cells);
      if (typeof value !== "number" || !Number.isFinite(value))
        throw new RangeError(`"f" expected finite numbers, got ${value} at (${i / cells}, ${j / cells})`);
      return fromNumber(value);
    }),
  );
  const most = shift(fromNumber(lipschitz * (1 + 2 ** -40)), -n);
  const check = (i: number, j: number, k: number, l: number): void => {
    const rise = absolute(subtract(values[k]![l]!, values[i]![j]!));
    if (compare(rise, most) <= 0) return;
    throw new RangeError(
      `"f" expected Lipschitz constant ${lipschitz} in the maximum norm, got ${(toNumber(rise) * cells).toPrecision(6)} between ` +
        `(${i / cells}, ${j / cells}) and (${k / cells}, ${l / cells})`,
    );
  };
  for (let i = 0; i <= cells; i++)
    for (let j = 0; j <= cells; j++) {
      if (i < cells) check(i, j, i + 1, j);
      if (j < cells) check(i, j, i, j + 1);
      if (i < cells && j < cells) {
        check(i, j, i + 1, j + 1);
        check(i + 1, j, i, j + 1);
      }
    }
  return values;
}
