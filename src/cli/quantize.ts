import type { Command } from "cac";
import { readModel } from "../model/index.ts";
import { type QuantizationReport, quantize } from "../quantize/index.ts";
import { activationWidth, PRESETS, weightWidth } from "../series/index.ts";
import { readModelFile, writeBytes } from "./files.ts";
import type { InputOptions } from "./inputs.ts";
import { type PlanOptions, readPlan, readRange, readSamples, writePlan } from "./plan-options.ts";
import { formatBytes, printAside, printJson, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { UsageError } from "./usage.ts";

interface Options extends PlanOptions, InputOptions {
  readonly output?: unknown;
  readonly savePlan?: unknown;
  readonly check?: boolean;
  readonly synth?: boolean;
  readonly inputRange?: unknown;
  readonly json?: boolean;
}

export function registerQuantize(command: Command): void {
  command
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
      else printAside(reportTable(report));
    });
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
