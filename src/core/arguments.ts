import { kindOf } from "./shown.ts";

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

/** @throws TypeError unless they are bytes */
export function checkBytes(name: string, bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw wrongKind(name, "the bytes of a model (Uint8Array)", bytes);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
