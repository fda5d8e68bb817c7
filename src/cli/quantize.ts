import type { CAC } from "cac";
import { readModel } from "../model/index.ts";
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import { checkTarget, type InputRange, type QuantizationReport, quantize, type Target } from "../quantize/index.ts";
import {
  activationWidth,
  checkPlan,
  LARGEST_SUM,
  LARGEST_WIDTH,
  type Plan,
  type Preset,
  weightWidth,
} from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { heading } from "./commands.ts";
import { readJson, readModelFile, writeBytes } from "./files.ts";
import { type InputOptions, readFeeds } from "./inputs.ts";
import { formatBytes, printJson, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { assignment, choice, integer, repeated, UsageError } from "./usage.ts";

export const PRESETS: readonly Preset[] = ["float32", "faithful", "fast", "compact"];

interface Options extends InputOptions {
  readonly output?: unknown;
  readonly preset?: unknown;
  readonly plan?: unknown;
  readonly bits?: unknown;
  readonly weightTerms?: unknown;
  readonly activationTerms?: unknown;
  readonly target?: unknown;
  readonly savePlan?: unknown;
  readonly check?: boolean;
  readonly synth?: boolean;
  readonly inputRange?: unknown;
  readonly json?: boolean;
}

export function registerQuantize(cli: CAC): void {
  cli
    .command(...heading("quantize"))
    .option("-o, --output <file>", "Where the container goes; - is stdout")
    .option("--preset <P>", `${PRESETS.join(", ")} (default faithful)`)
    .option("--plan <file>", "A plan as JSON; overrides the preset, per layer")
    .option("--bits <X>", "Bits of one term, for all layers")
    .option("--weight-terms <k>", "Weight terms, for all layers")
    .option("--activation-terms <t>", "Activation terms, for all layers")
    .option(
      "--target <NAME=VALUE>",
      "bytes=2MB, error=1e-3 or agreement=0.99: the fewest bits that reach it, on --input or procedural inputs",
    )
    .option("--input <NAME=FILE>", "With --target: measure on this input, .npy, .npz or raw elements (repeatable)")
    .option("--save-plan <file>", "With --target: write the plan that was found, for --plan")
    .option("--no-check", "Plan by structure and weights alone: no run on procedural inputs")
    .option(
      "--synth",
      "Fit weights of 8 bits and fewer to procedural inputs, or to text that a decoder writes itself: slower, less error in the same bytes",
    )
    .option(
      "--input-range <LOW,HIGH>",
      "Values of the inputs, NAME=LOW,HIGH for one of them (repeatable; default 0,1 for pictures, -0.5,0.5)",
    )
    .option("--force", "Let the container replace the model itself")
    .option("--json", "Print the report as one JSON document")
    .example("bitbasis quantize model.onnx -o model.safetensors --preset fast")
    .action(async (model: string, options: Options) => {
      if (options.output === undefined) throw new UsageError("quantize expected -o OUT.safetensors");
      const how = await readPlan(options);
      if ("target" in how && options.check === false)
        throw new UsageError("--target measures; it expected no --no-check beside it");
      for (const name of ["input", "savePlan"] as const)
        if (options[name] !== undefined && !("target" in how))
          throw new UsageError(`${name === "input" ? "--input" : "--save-plan"} expected --target beside it`);
      const { bytes: onnx, externalData } = await readModelFile(model);
      const given = await readSamples(onnx, externalData, options);
      const measure = {
        ...("target" in how ? given : { check: options.check ?? true }),
        synth: options.synth ?? false,
        ...readRange(options.inputRange),
      };
      const { bytes, report } = await withProgress((onProgress) =>
        quantize(onnx, { ...how, ...measure, externalData, onProgress }),
      );
      await writeBytes(String(options.output), bytes);
      if (options.savePlan !== undefined) await writePlan(String(options.savePlan), readModel(bytes).plan);
      if (options.json) printJson(report);
      else process.stderr.write(`${reportTable(report)}\n`);
    });
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
export async function readPlan(options: Options): Promise<{ preset?: Preset } | { plan: Plan } | { target: Target }> {
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

export function reportTable(report: QuantizationReport): string {
  const rows = report.layers.map((layer) => [
    layer.name,
    layer.op,
    layer.shape?.join("x") ?? "",
    `${weightWidth(layer.plan)} / ${activationWidth(layer.plan)}`,
    layer.relativeError.toExponential(2),
    layer.accumulatorBits,
    formatBytes(layer.bytesAfter),
    layer.reason ?? "",
  ]);
  const total = `${formatBytes(report.bytesBefore)} -> ${formatBytes(report.bytesAfter)} (${((100 * report.bytesAfter) / report.bytesBefore).toFixed(1)} %)`;
  return `${table(["layer", "op", "weights", "bits w / a", "rel. error", "acc. bits", "size", "why"], rows)}\n${total}\n${checkLine(report)}`;
}

function checkLine({ check, unchecked, synth }: QuantizationReport): string {
  const fitted = synth === undefined ? "" : `\n${synth}`;
  return `${measuredLine({ check, unchecked })}${fitted}`;
}

function measuredLine({ check, unchecked }: Pick<QuantizationReport, "check" | "unchecked">): string {
  if (check === undefined)
    return unchecked === undefined ? "planned by structure and weights" : `not measured: ${unchecked}`;
  const { target, agreement, tolerance, predicted, measured = predicted, inputs } = check;
  if (target !== undefined && check.measured === undefined)
    return `planned for ${target} by the weights alone: ${unchecked}`;
  const share = agreement === undefined ? "" : `, agreement ${(100 * agreement).toFixed(2)} %`;
  if (target !== undefined) return `measured error ${measured.toExponential(1)}${share}, for ${target} on ${inputs}`;
  const asked =
    measured > tolerance ? `no plan was found that keeps the ${tolerance} asked for` : `asked for ${tolerance}`;
  return `measured error ${measured.toExponential(1)}, ${asked}, predicted ${predicted.toExponential(1)} on ${inputs}`;
}
