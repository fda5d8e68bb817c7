/** A command line that cannot be understood: exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The values of an option that may be repeated. */
export function repeated(value: unknown): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

/** `NAME=VALUE` as its two parts. */
export function assignment(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new UsageError(`${option} expected NAME=VALUE, got ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A whole number within bounds. */
export function integer(option: string, value: unknown, least: number, most: number): number {
  const number = numberOf(value);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new UsageError(`${option} expected an integer in ${least}..${most}, got ${given(value)}`);
  }
  return number;
}

/** A number. */
export function real(option: string, value: unknown): number {
  const number = numberOf(value);
  if (!Number.isFinite(number)) throw new UsageError(`${option} expected a number, got ${given(value)}`);
  return number;
}

/** A number above 0. */
export function positive(option: string, value: unknown): number {
  const number = numberOf(value);
  if (!(number > 0)) throw new UsageError(`${option} expected a positive number, got ${given(value)}`);
  return number;
}

/** A value as an error tells it. */
function given(value: unknown): string {
  return value === undefined || value === "" ? "nothing" : String(value);
}

/** NaN for what is no number, and for nothing, which JavaScript takes for 0. */
function numberOf(value: unknown): number {
  return String(value).trim() === "" ? Number.NaN : Number(value);
}

/** One of a list of words. */
export function choice<T extends string>(option: string, value: unknown, words: readonly T[]): T {
  if ((words as readonly unknown[]).includes(value)) return value as T;
  throw new UsageError(`${option} expected one of ${words.join(", ")}, got ${given(value)}`);
}

/** Builds of the core that may be asked for. */
export const BUILDS = ["auto", "scalar", "simd", "relaxed"] as const;
