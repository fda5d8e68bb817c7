/**
 * Outputs of another runtime as small fixtures that still check every element. An output of at most {@link WHOLE} elements is kept as it
 * is. A larger one is kept as multiples of max|b| / 32767 (16 bits, deflated: maps and probabilities are nearly all zero, so 265,000
 * elements take a few kilobytes). Each kept element is off by at most half such a step, and {@link deviation} adds that half step, 1.53e-5
 * of max|b|, to what it finds: its result is never below the true max|a − b| / max|b|, and at most 3.1e-5 above it.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";

export interface Reference {
  readonly network: string;
  /** Package and version that computed it. */
  readonly by: string;
  readonly cases: readonly ReferenceCase[];
}

export interface ReferenceCase {
  /** Of the input, with the shape: see randomPicture. */
  readonly seed: number;
  readonly shape: readonly number[];
  readonly outputs: Readonly<Record<string, Summary>>;
}

export interface Summary {
  readonly dims: readonly number[];
  /** max|b|. */
  readonly largest: number;
  /** Every element in order, or its multiple of largest / LEVELS as base64 of deflated little-endian int16. */
  readonly values: readonly number[] | string;
}

export const WHOLE = 2048;
const LEVELS = 32767;

/** What the fixture keeps of an output. */
export function summarize(data: ArrayLike<number>, dims: readonly number[]): Summary {
  let largest = 0;
  for (let i = 0; i < data.length; i++) largest = Math.max(largest, Math.abs(data[i]!));
  if (data.length <= WHOLE) return { dims: [...dims], largest, values: Array.from(data) };
  const steps = Buffer.alloc(2 * data.length);
  for (let i = 0; i < data.length; i++) steps.writeInt16LE(Math.round((data[i]! / largest) * LEVELS), 2 * i);
  return { dims: [...dims], largest, values: deflateRawSync(steps, { level: 9 }).toString("base64") };
}

/**
 * max|a − b| / max|b|, b being the reference: an upper bound, over all elements. NaN when the output has a NaN.
 *
 * @throws RangeError when the lengths differ
 */
export function deviation(data: ArrayLike<number>, { dims, largest, values }: Summary): number {
  const size = dims.reduce((product, n) => product * n, 1);
  if (data.length !== size) throw new RangeError(`"data" expected ${size} elements, got ${data.length}`);
  let most = 0;
  const kept = typeof values === "string" ? inflateRawSync(Buffer.from(values, "base64")) : undefined;
  for (let i = 0; i < size; i++) {
    const expected = kept === undefined ? Number(values[i]) : (kept.readInt16LE(2 * i) / LEVELS) * largest;
    const difference = Math.abs(data[i]! - expected);
    if (Number.isNaN(difference)) return Number.NaN;
    most = Math.max(most, difference);
  }
  return most / largest + (kept === undefined ? 0 : 0.5 / LEVELS);
}
