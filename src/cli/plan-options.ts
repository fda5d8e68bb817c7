// What commands that plan bits are asked for: a plan, and what it is measured on.
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import { checkTarget, type InputRange, type Target } from "../quantize/index.ts";
import { checkPlan, LARGEST_SUM, LARGEST_WIDTH, type Plan, PRESETS, type Preset } from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { readJson, writeBytes } from "./files.ts";
import { type InputOptions, readFeeds } from "./inputs.ts";
import { assignment, choice, integer, repeated, UsageError } from "./usage.ts";

export interface PlanOptions {
  readonly preset?: unknown;
  readonly plan?: unknown;
  readonly bits?: unknown;
  readonly weightTerms?: unknown;
  readonly activationTerms?: unknown;
  readonly target?: unknown;
}

/** Samples from `--input`, if there are any. */
export async function readSamples(
  onnx: Uint8Array,
  externalData: ExternalData,
  options: InputOptions,
): Promise<{ samples?: Record<string, Tensor>[] }> {
  if (options.input === undefined) {
    // Procedural inputs have shapes of their own: one that is given and not used would mislead.
    if (options.shape !== undefined) throw new UsageError("--shape is of a raw --input, and expected one beside it");
    return {};
  }
  const { inputs } = readOnnx(onnx, { externalData });
  const known = inputs.map(({ name, type, shape = [] }) => ({ name, type, shape, isTensor: true }));
  return { samples: await readFeeds(known, { input: options.input, shape: options.shape }) };
}

/** A plan as the file that `--plan` reads. */
export async function writePlan(path: string, plan: Plan): Promise<void> {
  await writeBytes(path, new TextEncoder().encode(`${JSON.stringify(plan, null, 2)}\n`));
}

const UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20 };

/** `bytes=2MB`, `error=1e-3`, `agreement=0.99`. */
export function readTarget(text: unknown): Target {
  const [name, value] = assignment("--target", String(text));
  const [, digits = "", unit = ""] = /^([\d.]+(?:e[+-]?\d+)?)\s*([A-Za-z]*)$/i.exec(value) ?? [];
  const factor = name === "bytes" ? UNITS[unit] : unit === "" ? 1 : undefined;
  const number = digits === "" || factor === undefined ? Number.NaN : Number(digits) * factor;
  const target = { [name]: name === "bytes" ? Math.floor(number) : number };
  try {
    checkTarget(target);
  } catch (cause) {
    throw new UsageError(`--target expected bytes=2MB, error=1e-3 or agreement=0.99, got ${String(text)}`, { cause });
  }
  return target;
}

/** What `--input-range` gives: one pair for all, or pairs by name. */
export function readRange(given: unknown): { inputRange?: InputRange } {
  const texts = repeated(given);
  if (texts.length === 0) return {};
  const pair = (text: string): readonly [number, number] => {
    const [low, high, ...more] = text.split(",").map(Number);
    if (more.length > 0 || !Number.isFinite(low) || !Number.isFinite(high)) {
      throw new UsageError(`--input-range expected LOW,HIGH or NAME=LOW,HIGH, got ${text}`);
    }
    return [low!, high!];
  };
  if (texts.length === 1 && !texts[0]!.includes("=")) return { inputRange: pair(texts[0]!) };
  const named = texts.map((text) => assignment("--input-range", text));
  return { inputRange: Object.fromEntries(named.map(([name, text]) => [name, pair(text)])) };
}

/** What `--preset`, `--plan`, `--target` or `--bits`, `--weight-terms`, `--activation-terms` ask for. */
export async function readPlan(
  options: PlanOptions,
): Promise<{ preset?: Preset } | { plan: Plan } | { target: Target }> {
  const single = [options.bits, options.weightTerms, options.activationTerms].some((v) => v !== undefined);
  if ([options.preset, options.plan, options.target, single || undefined].filter((v) => v !== undefined).length > 1) {
    throw new UsageError(
      "expected only one of --preset, --plan, --target and --bits/--weight-terms/--activation-terms",
    );
  }
  if (options.target !== undefined) return { target: readTarget(options.target) };
  if (options.plan !== undefined) {
    const path = String(options.plan);
    const plan = await readJson(path);
    try {
      checkPlan(plan);
    } catch (cause) {
      throw new UsageError(`${path}: ${(cause as Error).message}`, { cause });
    }
    return { plan };
  }
  if (single) {
    const bits = integer("--bits", options.bits ?? 4, 2, 8);
    const weightTerms = integer("--weight-terms", options.weightTerms ?? 2, 0, LARGEST_SUM / 2);
    // Activations have no more bits than one operand.
    const most = Math.min(weightTerms, Math.floor(LARGEST_WIDTH / bits));
    const activationTerms = integer("--activation-terms", options.activationTerms ?? most, 0, 8);
    return { plan: { version: 1, default: { bits, weightTerms, activationTerms } } };
  }
  return options.preset === undefined ? {} : { preset: choice("--preset", options.preset, PRESETS) };
}
