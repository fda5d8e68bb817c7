import { BitbasisError } from "../../src/core/index.ts";

/** What engines say when something of theirs went wrong, and what a sentence of ours says when a value in it is missing. */
const ENGINE = [
  /Cannot (read|set|mix|convert|destructure|access|delete|redefine)/,
  /is not (a function|iterable|defined|a constructor|an object|extensible|a valid)/,
  /Invalid (typed array|array buffer|array|string|count|DataView)/i,
  /Array buffer allocation failed|Maximum call stack|Map maximum size|Set maximum size/,
  /cannot be converted to a BigInt|Reduce of empty array|out of bounds|should be a multiple of/,
  /(?<!got )\bundefined\b|(?<!got )\bNaN\b|\[object /,
  /^(null|undefined)$|^$/,
];

/**
 * Why an error is not one that a caller may get: anything but a BitbasisError (INTERNAL excepted), a TypeError or a RangeError, and these only when the sentence
 * is the library's own. undefined for an error that is right.
 */
export function bareError(error: unknown): string | undefined {
  if (!(error instanceof Error)) return `not an error: ${String(error)}`;
  const text = `${error.name}: ${error.message}`;
  if (error instanceof BitbasisError) {
    if (error.code === "INTERNAL") return `INTERNAL: ${error.message}`;
    return /(?<!got )\bundefined\b|\[object /.test(error.message) ? text : undefined;
  }
  if (error.constructor !== TypeError && error.constructor !== RangeError) return text;
  // An error of a builtin has the builtin as its first frame: "at new Float32Array (<anonymous>)".
  const first = error.stack?.split("\n").find((line) => line.startsWith("    at ")) ?? "";
  return first.includes("(<anonymous>)") || ENGINE.some((words) => words.test(error.message)) ? text : undefined;
}
