// The functions that are approximated: exact values at dyadic points, and what is known of their steepness.
import {
  absolute,
  compare,
  type Dyadic,
  dyadic,
  fromNumber,
  multiply,
  scaled,
  shift,
  subtract,
  toNumber,
} from "./dyadic.ts";

/**
 * A function on [0, 1]: JavaScript code, 2^k + 1 equally spaced samples, or breakpoints [x, y] with x ascending from 0 to 1. Samples
 * and breakpoints are joined by straight lines. A function is taken at its word: its doubles are its values.
 */
export type FunctionSource = ((x: number) => number) | ArrayLike<number> | readonly (readonly [number, number])[];

/** |f(x) − f(y)| ≤ constant·|x − y|^exponent. */
export interface Modulus {
  /** Lipschitz or Hölder constant, positive. */
  readonly constant: number;
  /** Hölder exponent in (0, 1]; 1 is Lipschitz. */
  readonly exponent: number;
}

export interface Target {
  /** Value at k/2^e, exact up to `slack`. */
  at(k: number, e: number): Dyadic;
  /** How far `at` may be off: 0, or 2^-60 where a straight line between breakpoints has no dyadic value. */
  readonly slack: Dyadic;
  /** The function is straight between the points k/2^nodes; undefined where nothing is known between points. */
  readonly nodes: number | undefined;
}

const ROUNDING = 60;

/** @throws TypeError or RangeError that says what is wrong with which sample */
export function resolveTarget(f: FunctionSource): Target {
  if (typeof f === "function")
    return { at: (k, e) => finite(f(k / 2 ** e), k, e), slack: dyadic(0n), nodes: undefined };
  if (f === null || typeof f !== "object" || typeof f.length !== "number")
    throw new TypeError(`"f" expected a function, samples or breakpoints, got ${f === null ? "null" : typeof f}`);
  if (f.length < 2) throw new RangeError(`"f" expected at least 2 samples or breakpoints, got ${f.length}`);
  if (Array.isArray(f[0])) return breakpoints(f as readonly (readonly [number, number])[]);
  return samples(f as ArrayLike<number>);
}

function finite(value: number, k: number, e: number): Dyadic {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new RangeError(`"f" expected finite numbers, got ${value} at x = ${k / 2 ** e}`);
  return fromNumber(value);
}

function samples(values: ArrayLike<number>): Target {
  const nodes = Math.log2(values.length - 1);
  if (!Number.isInteger(nodes))
    throw new RangeError(`"f" expected 2^k + 1 samples, got ${values.length}; use breakpoints [x, y] for any others`);
  const exact = Array.from(values, (value, k) => finite(value, k, nodes));
  const at = (k: number, e: number): Dyadic => {
    if (e <= nodes) return exact[k * 2 ** (nodes - e)]!;
    const parts = 2 ** (e - nodes);
    const left = Math.floor(k / parts);
    const part = k - left * parts;
    if (part === 0) return exact[left]!;
    const rise = subtract(exact[left + 1]!, exact[left]!);
    return subtract(exact[left]!, multiply(rise, dyadic(BigInt(-part), e - nodes)));
  };
  return { at, slack: dyadic(0n), nodes };
}

function breakpoints(points: readonly (readonly [number, number])[]): Target {
  const exact = points.map((point, i) => {
    if (!Array.isArray(point) || point.length !== 2 || !point.every((value) => Number.isFinite(value)))
      throw new RangeError(`"f[${i}]" expected a breakpoint [x, y] of finite numbers, got ${JSON.stringify(point)}`);
    if (i > 0 && point[0] <= points[i - 1]![0])
      throw new RangeError(`"f[${i}]" expected x above ${points[i - 1]![0]}, got ${point[0]}`);
    return { x: fromNumber(point[0]), y: fromNumber(point[1]) };
  });
  if (points[0]![0] !== 0 || points.at(-1)![0] !== 1)
    throw new RangeError(`"f" expected breakpoints from x = 0 to x = 1, got ${points[0]![0]} to ${points.at(-1)![0]}`);
  const grid = exact.reduce((most, { x }) => Math.max(most, x.exponent), 0);
  const at = (k: number, e: number): Dyadic => {
    const x = dyadic(BigInt(k), e);
    let low = 0;
    let high = exact.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (compare(exact[middle]!.x, x) <= 0) low = middle;
      else high = middle;
    }
    const [left, right] = [exact[low]!, exact[high]!];
    const along = multiply(subtract(x, left.x), subtract(right.y, left.y));
    if (along.numerator === 0n) return left.y;
    const width = subtract(right.x, left.x);
    // along/width, rounded down to 2^-ROUNDING.
    const common = Math.max(along.exponent + ROUNDING, width.exponent);
    const numerator = scaled(shift(along, ROUNDING), common);
    const divisor = scaled(width, common);
    const quotient = numerator >= 0n ? numerator / divisor : -((-numerator + divisor - 1n) / divisor);
    return subtract(left.y, dyadic(-quotient, ROUNDING));
  };
  const powers = exact.every(({ x }, i) => i === 0 || subtract(x, exact[i - 1]!.x).numerator === 1n);
  return { at, slack: powers ? dyadic(0n) : dyadic(1n, ROUNDING), nodes: grid <= 24 ? grid : undefined };
}

/** Where a function is steeper than it was said to be. */
export interface Violation {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** |y₁ − y₀| / |x₁ − x₀|^exponent. */
  readonly constant: number;
}

/**
 * Looks for two points of the grid k/2^e that contradict the modulus: neighbours, and for a Hölder exponent below 1 all pairs at
 * distance 2^-j. An excess of 2^-40 of the value is the rounding of doubles and is let pass.
 */
export function findViolation(values: readonly Dyadic[], modulus: Modulus): Violation | undefined {
  const cells = values.length - 1;
  for (let gap = 1; gap <= (modulus.exponent === 1 ? 1 : cells); gap *= 2) {
    const width = gap / cells;
    // For a Lipschitz constant this is exact: the width is a power of two.
    const most = modulus.constant * width ** modulus.exponent;
    const allowed = fromNumber(most * (1 + 2 ** -40));
    for (let k = 0; k + gap <= cells; k++) {
      const rise = absolute(subtract(values[k + gap]!, values[k]!));
      if (compare(rise, allowed) <= 0) continue;
      const size = Math.max(Math.abs(toNumber(values[k]!)), Math.abs(toNumber(values[k + gap]!)));
      if (toNumber(rise) <= most + size * 2 ** -40) continue;
      return {
        x: [k / cells, (k + gap) / cells],
        y: [toNumber(values[k]!), toNumber(values[k + gap]!)],
        constant: toNumber(rise) / width ** modulus.exponent,
      };
    }
  }
  return undefined;
}

/** The violated pair as a sentence. */
export function describeViolation({ x, y, constant }: Violation, modulus: Modulus): string {
  const law = modulus.exponent === 1 ? "Lipschitz constant" : `Hölder constant at exponent ${modulus.exponent}`;
  return `"f" expected ${law} ${modulus.constant}, got ${constant.toPrecision(6)} between (${x[0]}, ${y[0]}) and (${x[1]}, ${y[1]})`;
}
