import { classOf, kindOf, shown } from "./shown.ts";

/** What to throw where an argument is of a wrong kind. */
export function wrongKind(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`"${name}" expected ${expected}, got ${kindOf(value)}`);
}

/** @throws TypeError unless it is an AbortSignal, or undefined */
export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal !== undefined && !isSignal(signal)) throw wrongKind("signal", "an AbortSignal", signal);
}

/** Its name alone is anybody's, and what only has that would be called in the middle of a run. */
function isSignal(value: unknown): boolean {
  if (classOf(value) !== "AbortSignal") return false;
  try {
    const { aborted, throwIfAborted } = value as AbortSignal;
    return typeof aborted === "boolean" && typeof throwIfAborted === "function";
  } catch {
    return false;
  }
}

/** @throws TypeError unless the options of a function, or what else has fields, are an object */
export function checkOptions(options: unknown, name = "options"): void {
  if (!isRecord(options)) throw wrongKind(name, "an object", options);
}

/** Options, with the two that functions which take their time have. @throws TypeError for what is none */
export function checkPace(options: unknown): void {
  checkOptions(options);
  const { signal, onProgress } = options as Record<string, unknown>;
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw wrongKind("onProgress", "a function", onProgress);
}

/** @throws TypeError unless it is a list */
export function checkList(name: string, list: unknown): void {
  if (!Array.isArray(list)) throw wrongKind(name, "a list", list);
}

/** @throws TypeError unless it is an object that holds lists of these names */
export function checkHolds(name: string, expected: string, value: unknown, ...lists: readonly string[]): void {
  if (!isRecord(value)) throw wrongKind(name, expected, value);
  for (const list of lists) if (!Array.isArray(value[list])) throw wrongKind(`${name}.${list}`, "a list", value[list]);
}

/** @throws TypeError or RangeError unless it is a list of extents, or undefined */
export function checkExtents(name: string, shape: unknown): void {
  if (shape === undefined) return;
  checkList(name, shape);
  for (const extent of shape as unknown[])
    if (!Number.isSafeInteger(extent) || (extent as number) < 0)
      throw new RangeError(`"${name}" expected integers of at least 0, got ${shown(extent)}`);
}

/** @throws TypeError or RangeError unless it is an integer of a range */
export function checkInteger(name: string, value: unknown, low: number, high: number): void {
  if (typeof value !== "number") throw wrongKind(name, "an integer", value);
  if (!Number.isSafeInteger(value) || value < low || value > high)
    throw new RangeError(`"${name}" expected an integer in ${low}..${high}, got ${value}`);
}

/** @throws TypeError unless they are bytes */
export function checkBytes(name: string, bytes: unknown): asserts bytes is Uint8Array {
  if (classOf(bytes) !== "Uint8Array") throw wrongKind(name, "the bytes of a model (Uint8Array)", bytes);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
