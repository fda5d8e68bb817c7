/**
 * Numbers of Q_{p,s} = {−M … M}/s with M = 2^p − 1, as integers k meaning k/s. Rounding is to the nearest, ties away from zero, then
 * saturation ("On Expressive Power of Quantized Neural Networks under Fixed-Point Arithmetic", arXiv 2409.00297, section 2).
 */

/** The largest p that is accepted: |Q| = 131,071. */
export const MAX_P = 16;
/** The largest s that is accepted. */
export const MAX_S = 2 ** 20;

/** M = 2^p − 1. */
export function maximum(p: number): number {
  return 2 ** p - 1;
}

/** Throws unless p is an integer in 1..16 and s an integer in 1..2^20. */
export function checkFormat(p: number, s: number): void {
  for (const [name, value, limit] of [
    ["p", p, MAX_P],
    ["s", s, MAX_S],
  ] as const) {
    if (typeof value !== "number") throw new TypeError(`"${name}" expected a number, got ${typeof value}`);
    if (!Number.isInteger(value) || value < 1 || value > limit) {
      throw new RangeError(`"${name}" expected an integer in 1..${limit}, got ${value}`);
    }
  }
}

/** t/s rounded to the nearest integer, ties away from zero; exact for integers |t| < 2^53, s > 0. */
export function rdiv(t: number, s: number): number {
  const a = Math.abs(t);
  const r = a % s;
  const q = (a - r) / s + (2 * r >= s ? 1 : 0);
  return t < 0 ? 0 - q : q;
}

/** A real number to the nearest integer, ties away from zero (Math.round takes −1/2 to 0). */
export function roundAway(x: number): number {
  const whole = Math.trunc(x);
  return (Math.abs(x - whole) < 0.5 ? whole : whole + Math.sign(x)) + 0;
}

/** The same as rdiv without a bound on t. */
export function rdivBig(t: bigint, s: bigint): bigint {
  return t >= 0n ? (2n * t + s) / (2n * s) : -((-2n * t + s) / (2n * s));
}

export function clamp(k: number, m: number): number {
  return k > m ? m : k < -m ? -m : k;
}

export function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return Math.abs(a);
}

/** An integer sum beside which a double stays exact. */
export const EXACT = 2 ** 53;
