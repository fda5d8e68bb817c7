// One bit per cell: a path of steps ±unit that follows a function. Source: design note A3.
import { type Dyadic, dyadic, scaled, shift, subtract } from "./dyadic.ts";

/** A path over 2^n cells: it starts at `offset + start·2^-p` and moves by ±2^-p per cell, up where the bit is 1. */
export interface Path {
  readonly n: number;
  /** The unit is 2^-p. */
  readonly p: number;
  /** Level at x = 0 in units, above `offset`; |start| ≤ 2^n. */
  readonly start: number;
  readonly offset: Dyadic;
  /** 2^n bits. */
  readonly bits: readonly (0 | 1)[];
}

/**
 * Follows node values that move by at most one unit per cell; afterwards |value − path| ≤ unit at every node.
 *
 * The choice looks ahead: it compares the *next* node with the present level. Deciding on the present node would double the error.
 *
 * @param nodes 2^n + 1 exact values at k/2^n
 * @param p the unit is 2^-p
 */
export function encodePath(nodes: readonly Dyadic[], p: number): Path {
  const cells = nodes.length - 1;
  const n = Math.log2(cells);
  const offset = pathOffset(nodes[0]!, n, p);
  const levels = nodes.map((value) => shift(subtract(value, offset), p));
  const start = roundHalfEven(levels[0]!);
  let level = start;
  const bits: (0 | 1)[] = [];
  for (let k = 1; k <= cells; k++) {
    const { numerator, exponent } = levels[k]!;
    const e = Math.max(exponent, 0);
    const up = scaled({ numerator, exponent }, e) >= BigInt(level) << BigInt(e);
    bits.push(up ? 1 : 0);
    level += up ? 1 : -1;
  }
  return { n, p, start, offset, bits };
}

/** The path's level in units at every node, `start` included. */
export function pathLevels(path: Path): number[] {
  const levels = [path.start];
  for (const bit of path.bits) levels.push(levels.at(-1)! + 2 * bit - 1);
  return levels;
}

/** 0 where the first value lies within 2^n units of it, else the nearest multiple of 2^(n+1) units. */
function pathOffset(first: Dyadic, n: number, p: number): Dyadic {
  const span = shift(first, p - n);
  const e = Math.max(span.exponent, 0);
  const value = scaled(span, e);
  const one = 1n << BigInt(e);
  if (value >= -one && value <= one) return dyadic(0n);
  return dyadic((value + one) >> BigInt(e + 1), p - n - 1);
}

/** The nearest integer, ties to even. The caller guarantees that it is a safe integer. */
export function roundHalfEven(value: Dyadic): number {
  return Number(nearestInteger(value));
}

/** The nearest integer, ties to even. */
export function nearestInteger({ numerator, exponent }: Dyadic): bigint {
  if (exponent <= 0) return numerator << BigInt(-exponent);
  const e = BigInt(exponent);
  const floor = numerator >> e;
  const rest = numerator - (floor << e);
  const half = 1n << (e - 1n);
  const up = rest > half || (rest === half && (floor & 1n) === 1n);
  return up ? floor + 1n : floor;
}
