import {
  type Build,
  chooseBuild,
  environment,
  isRecord,
  type Limits,
  readLimits,
  shown,
  wrongKind,
} from "../core/index.ts";
import type { Cut } from "../parallel/index.ts";
import { checkQuantizeOptions } from "../quantize/index.ts";
import type { SessionOptions } from "./options.ts";

/** Options that have been checked, with what follows from them. */
export interface Settings {
  readonly options: SessionOptions;
  readonly build: Build;
  /** Nobody has named a build or a module: a model may have the relaxed one. */
  readonly mayRelax: boolean;
  readonly limits: Limits;
  readonly numThreads: number;
  readonly shards: { readonly count: number; readonly by: Cut } | undefined;
}

/** Each has an instance of the core and a stack of its own. */
const MOST_WORKERS = 64;

const OWN_PROVIDERS: readonly unknown[] = ["bitbasis", "wasm", "cpu"];

/**
 * Checks the options of a session.
 *
 * @throws TypeError, RangeError or BitbasisError BUILD that names the option, what was expected and what was given
 */
export function readSettings(options: SessionOptions): Settings {
  checkQuantizeOptions(options);
  const { terms, build = "auto", progressive, freeDimensionOverrides, executionProviders = ["bitbasis"] } = options;
  if (terms !== undefined) integer("terms", terms, 1);
  if (typeof build !== "string") throw wrongKind("build", "a text", build);
  if (progressive !== undefined && typeof progressive !== "boolean")
    throw wrongKind("progressive", "a boolean", progressive);
  if (freeDimensionOverrides !== undefined) {
    if (!isRecord(freeDimensionOverrides))
      throw wrongKind("freeDimensionOverrides", "sizes by name", freeDimensionOverrides);
    for (const [name, size] of Object.entries(freeDimensionOverrides)) {
      integer(`freeDimensionOverrides.${name}`, size, 0);
    }
  }
  checkProviders(executionProviders);
  const { intraOpNumThreads = 1 } = options;
  // onnxruntime's 0 is its default.
  const numThreads = options.numThreads ?? (intraOpNumThreads === 0 ? 1 : intraOpNumThreads);
  integer(options.numThreads === undefined ? "intraOpNumThreads" : "numThreads", numThreads, 1, MOST_WORKERS);
  const shards = readShards(options.shards);
  if (shards !== undefined && numThreads > 1)
    throw new RangeError(`"shards" and "numThreads" above 1 exclude each other, got ${shards.count} and ${numThreads}`);
  const chosen = chooseBuild(build);
  const isFree = build === "auto" && environment("BITBASIS_BUILD") === undefined && options.wasm === undefined;
  const mayRelax = isFree && chosen === "simd" && numThreads === 1 && shards === undefined;
  return { options, build: chosen, mayRelax, limits: readLimits(options.limits), numThreads, shards };
}

const CUTS: Readonly<Record<Cut, true>> = { channels: true, depth: true, terms: true };

function readShards(given: SessionOptions["shards"]): Settings["shards"] {
  if (given === undefined) return undefined;
  const { count, by = "channels" } = isRecord(given) ? given : { count: given };
  integer(isRecord(given) ? "shards.count" : "shards", count, 1, MOST_WORKERS);
  if (!Object.hasOwn(CUTS, by as string)) {
    const all = Object.keys(CUTS).map((one) => JSON.stringify(one));
    throw new RangeError(`"shards.by" expected one of ${all.join(", ")}, got ${shown(by)}`);
  }
  return { count: count as number, by: by as Cut };
}

function checkProviders(given: unknown): void {
  if (!Array.isArray(given)) throw wrongKind("executionProviders", "a list", given);
  const names = given.map((one: unknown) => (isRecord(one) ? one["name"] : one));
  const odd = names.find((name) => typeof name !== "string");
  if (odd !== undefined) throw wrongKind("executionProviders", "names, or objects with a name", odd);
  if (names.length === 0 || names.some((name) => OWN_PROVIDERS.includes(name))) return;
  throw new TypeError(
    `"executionProviders" expected "bitbasis", "wasm" or "cpu" among them, got ${names.map(shown).join(", ")}`,
  );
}

function integer(name: string, value: unknown, least: number, most = Number.POSITIVE_INFINITY): void {
  const expected = most < Number.POSITIVE_INFINITY ? `integer in ${least}..${most}` : `integer ≥ ${least}`;
  if (typeof value !== "number") throw wrongKind(name, expected, value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`"${name}" expected ${expected}, got ${value}`);
  }
}
