import { type Build, chooseBuild, kindOf, shown } from "../core/index.ts";
import { checkPlan, PRESETS } from "../series/index.ts";
import { type Limits, readLimits } from "./limits.ts";
import type { SessionOptions } from "./options.ts";

/** Options that have been checked, with what follows from them. */
export interface Settings {
  readonly options: SessionOptions;
  readonly build: Build;
  readonly limits: Limits;
  readonly numThreads: number;
}

const OWN_PROVIDERS: readonly unknown[] = ["bitbasis", "wasm", "cpu"];

/**
 * Checks the options of a session.
 *
 * @throws TypeError, RangeError or BitbasisError BUILD that names the option, what was expected and what was given
 */
export function readSettings(options: SessionOptions): Settings {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  const { preset, plan, terms, build = "auto", progressive, signal, onProgress } = options;
  const { externalData, freeDimensionOverrides, executionProviders = ["bitbasis"] } = options;
  if (preset !== undefined && !PRESETS.includes(preset)) {
    throw new RangeError(`"preset" expected one of ${PRESETS.join(", ")}, got ${shown(preset)}`);
  }
  if (plan !== undefined) checkPlan(plan);
  if (terms !== undefined) integer("terms", terms, 1);
  if (typeof build !== "string") throw wrong("build", "a text", build);
  if (progressive !== undefined && typeof progressive !== "boolean")
    throw wrong("progressive", "a boolean", progressive);
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== "function") throw wrong("onProgress", "a function", onProgress);
  if (externalData !== undefined && !isRecord(externalData) && !Array.isArray(externalData))
    throw wrong("externalData", "files by location", externalData);
  if (freeDimensionOverrides !== undefined) {
    if (!isRecord(freeDimensionOverrides))
      throw wrong("freeDimensionOverrides", "sizes by name", freeDimensionOverrides);
    for (const [name, size] of Object.entries(freeDimensionOverrides)) {
      integer(`freeDimensionOverrides.${name}`, size, 0);
    }
  }
  checkProviders(executionProviders);
  const numThreads = options.numThreads ?? options.intraOpNumThreads ?? 1;
  integer(options.numThreads === undefined ? "intraOpNumThreads" : "numThreads", numThreads, 1);
  return { options, build: chooseBuild(build), limits: readLimits(options.limits), numThreads };
}

/** @throws TypeError unless it is an AbortSignal, or undefined */
export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrong("signal", "an AbortSignal", signal);
}

function checkProviders(given: unknown): void {
  if (!Array.isArray(given)) throw wrong("executionProviders", "a list", given);
  const names = given.map((one: unknown) => (isRecord(one) ? one["name"] : one));
  const odd = names.find((name) => typeof name !== "string");
  if (odd !== undefined) throw wrong("executionProviders", "names, or objects with a name", odd);
  if (names.length === 0 || names.some((name) => OWN_PROVIDERS.includes(name))) return;
  throw new TypeError(
    `"executionProviders" expected "bitbasis", "wasm" or "cpu" among them, got ${names.map(shown).join(", ")}`,
  );
}

function integer(name: string, value: unknown, least: number): void {
  if (typeof value !== "number") throw wrong(name, `integer ≥ ${least}`, value);
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`"${name}" expected integer ≥ ${least}, got ${value}`);
  }
}

function wrong(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`"${name}" expected ${expected}, got ${kindOf(value)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
