import { checkFormat, clamp, EXACT, maximum, rdiv, rdivBig } from "./arithmetic.ts";
import { type Definition, definitions } from "./definitions.ts";
import { ERROR } from "./elementary.ts";
import * as interval from "./interval.ts";

/**
 * An activation: a name (see `activationNames`; spelling is free of case, blanks, hyphens and underscores, and `"5*hardtanh"` scales any of them
 * by a decimal), the table itself (2M + 1 integers in −M … M, entry k + M for the input k, in units of 1/s), or a function of real numbers.
 */
export type Activation = string | ArrayLike<number> | ((x: number) => number);

/** The value of the table at one input k, for |k| ≤ M: clamp(round(s·σ(k/s))). */
export type Entry = (k: number, m: number) => number;

/** Relative margin within which a value of a caller's function counts as a near tie: engines differ in the last bits of Math.exp. */
const FUNCTION_ERROR = 2 ** -40;

/** Names that `analyze` and the others know. */
export const activationNames: readonly string[] = Object.values(definitions).map((definition) => definition.name);

/**
 * The activation table of a format: entry k + M is clamp(round(s·σ(k/s))), ties away from zero.
 *
 * Rational activations are computed in integers. Transcendental ones are computed in doubles whose error is bounded; where that bound does not
 * decide the rounding, in 256-bit interval arithmetic; where that does not either, or where a caller's function comes within 2^−40 (relative) of
 * a tie without being on it, the table is refused: nothing is guessed.
 *
 * @throws TypeError, RangeError for a bad format, an unknown name, a table of the wrong size or with values outside −M … M, a function that
 *   returns NaN or comes too near a tie
 * @example
 * activationTable("relu", 2, 1); // Int32Array [0, 0, 0, 0, 1, 2, 3]
 */
export function activationTable(activation: Activation, p: number, s: number): Int32Array {
  checkFormat(p, s);
  const m = maximum(p);
  if (typeof activation !== "string" && typeof activation !== "function") return givenTable(activation, m);
  const entry = activationEntry(activation, s);
  return Int32Array.from({ length: 2 * m + 1 }, (_, i) => entry(i - m, m));
}

/** How an activation is called in results. */
export function activationName(activation: Activation): string {
  if (typeof activation === "string") {
    const { scale, definition } = parse(activation);
    return scale[0] === scale[1] ? definition.name : `${scale[0] / scale[1]}*${definition.name}`;
  }
  return typeof activation === "function" ? activation.name || "function" : "table";
}

/** Entries of a named activation or a function one at a time, for callers that do not need all of them. */
export function activationEntry(activation: string | ((x: number) => number), s: number): Entry {
  if (typeof activation === "function") return (k, m) => functionEntry(activation, k, s, m);
  const { scale, definition } = parse(activation);
  return (k, m) => namedEntry(definition, scale, k, s, m);
}

/**
 * σ of real numbers, by arithmetic that is the same on every engine.
 *
 * @throws TypeError for a table, which belongs to one format
 */
export function activationOfReal(activation: Activation): (x: number) => number {
  if (typeof activation === "function") return activation;
  if (typeof activation !== "string") throw new TypeError('"activation" expected a name or a function, got a table');
  const { scale, definition } = parse(activation);
  return (x) => {
    const ratio = definition.rational?.(x, 1);
    const value = ratio === undefined ? definition.real!.fast(x) : ratio[0] / ratio[1];
    return (value * scale[0]) / scale[1];
  };
}

/** Whether the activation is known to be monotone, and with it every table of it. */
export function isMonotone(activation: Activation): boolean {
  return typeof activation === "string" && parse(activation).definition.monotone === true;
}

function givenTable(table: ArrayLike<number>, m: number): Int32Array {
  if (typeof table !== "object" || table === null || typeof table.length !== "number") {
    throw new TypeError(
      `"activation" expected a name, a table or a function, got ${table === null ? "null" : typeof table}`,
    );
  }
  if (table.length !== 2 * m + 1) {
    throw new RangeError(`"activation" expected a table of ${2 * m + 1} entries, got ${table.length}`);
  }
  return Int32Array.from({ length: table.length }, (_, i) => {
    const value = table[i]!;
    if (!Number.isInteger(value) || Math.abs(value) > m) {
      throw new RangeError(`"activation" expected integers in ${-m}..${m}, got ${value} at entry ${i}`);
    }
    return value;
  });
}

function parse(text: string): { scale: readonly [number, number]; definition: Definition } {
  const parts =
    /^\s*(?:([+-]?\d{1,6}(?:\.\d{1,6})?)\s*\*)?\s*([a-zA-Z][a-zA-Z _-]*?)\s*(\d{1,6}(?:\.\d{1,6})?)?\s*$/.exec(text);
  const definition = parts === null ? undefined : definitions[parts[2]!.toLowerCase().replace(/[ _-]/g, "")];
  const factor = parts?.[1] ?? parts?.[3];
  if (
    definition === undefined ||
    (parts?.[3] !== undefined && (parts[1] !== undefined || definition.name !== "hardtanh"))
  ) {
    throw new RangeError(
      `"activation" expected one of ${activationNames.join(", ")}, or "5*NAME", got ${JSON.stringify(text)}`,
    );
  }
  if (factor === undefined) return { scale: [1, 1], definition };
  const denominator = 10 ** (factor.split(".")[1]?.length ?? 0);
  return { scale: [Math.round(Number(factor) * denominator), denominator], definition };
}

function namedEntry(definition: Definition, scale: readonly [number, number], k: number, s: number, m: number): number {
  const ratio = definition.rational?.(k, s);
  if (ratio !== undefined) {
    const numerator = ratio[0] * scale[0];
    const denominator = ratio[1] * scale[1];
    if (Math.abs(numerator) < EXACT && denominator < EXACT) return clamp(rdiv(numerator, denominator), m);
    return clamp(Number(rdivBig(BigInt(ratio[0]) * BigInt(scale[0]), BigInt(ratio[1]) * BigInt(scale[1]))), m);
  }
  const real = definition.real!;
  const x = k / s;
  const factor = (s * scale[0]) / scale[1];
  const sigma = real.fast(x);
  const error = ERROR * Math.abs(factor) * Math.max(1, Math.abs(x), Math.abs(sigma));
  const low = clamp(nearest(factor * sigma - error), m);
  if (low === clamp(nearest(factor * sigma + error), m)) return low;
  const value = interval.multiply(
    real.exact(interval.rational(BigInt(k), BigInt(s))),
    interval.rational(BigInt(s) * BigInt(scale[0]), BigInt(scale[1])),
  );
  const rounded = interval.round(value);
  if (rounded === undefined) {
    throw new RangeError(`${definition.name} at ${k}/${s} is within 2^-115 of a tie: its rounding cannot be decided`);
  }
  return clamp(rounded, m);
}

function functionEntry(f: (x: number) => number, k: number, s: number, m: number): number {
  const value = f(k / s);
  if (typeof value !== "number") {
    throw new TypeError(`"activation" expected to return a number, got ${typeof value} at x = ${k}/${s}`);
  }
  if (Number.isNaN(value)) throw new RangeError(`"activation" expected to return a number, got NaN at x = ${k}/${s}`);
  const scaled = s * value;
  if (Math.abs(scaled) > m + 1) return scaled > 0 ? m : -m;
  const error = FUNCTION_ERROR * Math.max(1, Math.abs(scaled));
  const low = clamp(nearest(scaled - error), m);
  const high = clamp(nearest(scaled + error), m);
  if (low === high) return low;
  if (isTie(value, s)) return clamp(nearest(scaled), m);
  throw new RangeError(
    `"activation" at x = ${k}/${s} gives ${scaled} in units of 1/${s}, too near a tie to round: pass the table instead`,
  );
}

/** Whether s·value is exactly a half-integer: value = n/2^e with few bits, so integers decide. */
function isTie(value: number, s: number): boolean {
  let n = value;
  let e = 0;
  for (; !Number.isInteger(n) && e < 60; e++) n *= 2;
  const doubled = 2n * BigInt(s) * BigInt(Number.isInteger(n) ? n : 0);
  const unit = 1n << BigInt(e);
  return doubled % unit === 0n && ((doubled / unit) & 1n) === 1n;
}

/** Nearest integer, ties away from zero. */
function nearest(x: number): number {
  const size = Math.floor(Math.abs(x) + 0.5);
  return x < 0 ? 0 - size : size;
}
