import { shown } from "../core/index.ts";

const WORDS: Readonly<Record<string, readonly unknown[]>> = {
  graphOptimizationLevel: ["disabled", "basic", "extended", "layout", "all"],
  executionMode: ["sequential", "parallel"],
  logSeverityLevel: [0, 1, 2, 3, 4],
};

/** @throws RangeError for a value that onnxruntime does not know either, of a session's options or a run's; those that it knows change nothing here */
export function checkWords(options: object): void {
  for (const [name, words] of Object.entries(WORDS)) {
    const value: unknown = Reflect.get(options, name);
    if (value !== undefined && !words.includes(value))
      throw new RangeError(`"${name}" expected one of ${words.join(", ")}, got ${shown(value)}`);
  }
}
