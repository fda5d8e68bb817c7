import { shown } from "../core/index.ts";
import { maximum } from "./arithmetic.ts";

/**
 * A function Q^d → Q^m, in units of 1/s: a table of (2M + 1)^d · m integers in −M … M, inputs in lexicographic order with the last coordinate
 * fastest and from −M upwards, or a function of d integers that returns an integer (m = 1) or an array of m.
 */
export type Target = ArrayLike<number> | ((...x: number[]) => number | ArrayLike<number>);

/** Entries of a table at most. */
export const MAX_ENTRIES = 2 ** 26;

/** Number of inputs (2M + 1)^d; throws where it is more than can be listed. */
export function inputCount(p: number, d: number): number {
  if (!Number.isInteger(d) || d < 1) throw new RangeError(`"d" expected a positive integer, got ${shown(d)}`);
  const count = (2 * maximum(p) + 1) ** d;
  if (count > MAX_ENTRIES) throw new RangeError(`"d" and "p" expected at most 2^26 inputs, got (2^${p + 1} − 1)^${d}`);
  return count;
}

/** Coordinates of input number `index`. */
export function inputAt(index: number, p: number, d: number): number[] {
  const m = maximum(p);
  const side = 2 * m + 1;
  const x = new Array<number>(d);
  for (let i = d - 1; i >= 0; i--) {
    x[i] = (index % side) - m;
    index = Math.floor(index / side);
  }
  return x;
}

/** Writes the wanted outputs of inputs first … first + count − 1 to `out`, checked. */
export function fillTargets(
  target: Target,
  out: Int16Array | Int32Array,
  { p, d, outputs, first, count }: { p: number; d: number; outputs: number; first: number; count: number },
): void {
  const m = maximum(p);
  const store = (at: number, value: unknown): void => {
    if (!Number.isInteger(value) || Math.abs(value as number) > m) {
      throw new RangeError(
        `"f" expected integers in ${-m}..${m}, got ${String(value)} at input (${inputAt(first + Math.floor(at / outputs), p, d).join(", ")})`,
      );
    }
    out[at] = value as number;
  };
  if (typeof target !== "function") {
    for (let i = 0; i < count * outputs; i++) store(i, target[first * outputs + i]);
    return;
  }
  for (let i = 0; i < count; i++) {
    const value = target(...inputAt(first + i, p, d));
    if (typeof value === "number") {
      if (outputs !== 1) throw new RangeError(`"f" expected to return ${outputs} integers, got one`);
      store(i, value);
    } else {
      if (value?.length !== outputs)
        throw new RangeError(`"f" expected to return ${outputs} integers, got ${String(value)}`);
      for (let o = 0; o < outputs; o++) store(i * outputs + o, value[o]);
    }
  }
}

/** Throws unless `target` is a function or a table of the right size. */
export function checkTarget(target: Target, p: number, d: number, outputs: number): void {
  if (typeof target === "function") return;
  if (typeof target !== "object" || target === null || typeof target.length !== "number") {
    throw new TypeError(`"f" expected a table or a function, got ${target === null ? "null" : typeof target}`);
  }
  const wanted = inputCount(p, d) * outputs;
  if (target.length !== wanted) throw new RangeError(`"f" expected a table of ${wanted} entries, got ${target.length}`);
}
