import { kindOf, shown } from "./shown.ts";

/** What to throw where an argument is of a wrong kind. */
export function wrongKind(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`"${name}" expected ${expected}, got ${kindOf(value)}`);
}

/** @throws TypeError unless it is an AbortSignal, or undefined */
export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongKind("signal", "an AbortSignal", signal);
}

/** @throws TypeError unless the options of a function are an object */
export function checkOptions(options: unknown): void {
  if (!isRecord(options)) throw wrongKind("options", "an object", options);
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
  const odd = (shape as unknown[]).find((extent) => !Number.isSafeInteger(extent) || (extent as number) < 0);
  if (odd !== undefined) throw new RangeError(`"${name}" expected integers of at least 0, got ${shown(odd)}`);
}

/** @throws TypeError unless they are bytes */
export function checkBytes(name: string, bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw wrongKind(name, "the bytes of a model (Uint8Array)", bytes);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
