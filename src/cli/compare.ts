import type { Command } from "cac";
import type { ValueInfo } from "../graph/index.ts";
import { withSizes } from "../graph/sizes.ts";
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import { canBeMade, checkRange, proceduralInputs } from "../quantize/procedural.ts";
import { prepare } from "../quantize/quantize.ts";
import { recordsFor } from "../quantize/records.ts";
import { shapesOf } from "../quantize/shapes.ts";
import { type Plan, PRESETS, type Preset } from "../series/index.ts";
import { type Comparison, compare } from "../session/compare.ts";
import { InferenceSession } from "../session/session.ts";
import type { Shape } from "../tensor/index.ts";
import { readModelFile } from "./files.ts";
import { type InputOptions, type MakeRecords, readFeeds } from "./inputs.ts";
import { readPlan, readRange } from "./plan-options.ts";
import { formatBytes, printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { choice, repeated } from "./usage.ts";

interface Options extends InputOptions {
  readonly preset?: unknown;
  readonly plan?: unknown;
  readonly bits?: unknown;
  readonly weightTerms?: unknown;
  readonly activationTerms?: unknown;
  readonly inputRange?: unknown;
  readonly json?: boolean;
}

export function registerCompare(command: Command): void {
  command
    .option("--input <NAME=FILE>", "Feed an input from .npy, .npz or raw elements (repeatable)")
    .option(
      "--random <N>",
      "Feed the other inputs N records of procedural inputs, those that quantize checks with: dead leaves, tones, 1/f noise, ids",
    )
    .option("--seed <S>", "Seed of the random tensors", { default: 0 })
    .option("--shape <NAME=1,3,224,224>", "Shape of a random or raw input (repeatable)")
    .option("--preset <P>", "Compare this preset (repeatable; default all, or none beside plans and containers)")
    .option("--plan <file>", "Compare this plan (repeatable)")
    .option("--bits <X>", "Compare a plan with X bits of one term for all layers")
    .option("--weight-terms <k>", "Its weight terms")
    .option("--activation-terms <t>", "Its activation terms")
    .option(
      "--input-range <LOW,HIGH>",
      "Values of procedural inputs, NAME=LOW,HIGH for one of them (repeatable; default 0,1 for pictures, -0.5,0.5)",
    )
    .option("--json", "Print one JSON document")
    .example("bitbasis compare model.onnx --random 4 --shape image=1,3,224,224")
    .example("bitbasis compare model.onnx model.safetensors --plan plan.json --input image=picture.npy")
    .action(async (model: string, files: readonly string[], options: Options) => {
      const { bytes: onnx, externalData, limits } = await readModelFile(model);
      const plans = await readPlans(options);
      const containers = Object.fromEntries(
        await Promise.all(files.map(async (file) => [file, (await readModelFile(file)).bytes] as const)),
      );
      const alone = Object.keys({ ...plans, ...containers }).length === 0;
      const named = repeated(options.preset).map((p) => choice<Preset>("--preset", p, PRESETS));
      const session = await InferenceSession.create(onnx, { preset: "float32", externalData, limits });
      const make = options.random === undefined ? undefined : await procedural(onnx, externalData, options.inputRange);
      const feeds = await readFeeds(session.inputMetadata, options, make);
      await session.release();
      const rows = await withProgress((onProgress) =>
        compare(onnx, feeds, {
          ...{ onProgress, externalData, limits, plans, containers },
          presets: named.length > 0 ? named : alone ? PRESETS : ["float32"],
        }),
      );
      if (options.json) printJson(rows);
      else printText(comparisonTable(rows));
    });
}

/** Plans of `--plan` by file, and that of `--bits`, `--weight-terms`, `--activation-terms`. */
async function readPlans(options: Options): Promise<Record<string, Plan>> {
  const { bits, weightTerms, activationTerms } = options;
  const uniform = [bits, weightTerms, activationTerms].some((value) => value !== undefined);
  const given = [
    ...repeated(options.plan).map((plan) => [plan, { plan }] as const),
    ...(uniform ? [[`--bits ${String(bits ?? 4)}`, { bits, weightTerms, activationTerms }] as const] : []),
  ];
  const read = given.map(async ([name, how]) => {
    const found = await readPlan(how);
    return "plan" in found ? [[name, found.plan] as const] : [];
  });
  return Object.fromEntries((await Promise.all(read)).flat());
}

/** The inputs that `quantize` measures with; undefined where a type is not made, which is random then. */
async function procedural(
  onnx: Uint8Array,
  externalData: ExternalData | undefined,
  range: unknown,
): Promise<MakeRecords | undefined> {
  const read = readOnnx(onnx, externalData === undefined ? {} : { externalData });
  if (!read.inputs.every(canBeMade)) return undefined;
  const about = readRange(range);
  checkRange(about.inputRange, read.inputs);
  const graph = await prepare(read);
  return (known, count, seed) => {
    const sized = { ...graph, inputs: sizedInputs(graph.inputs, known) };
    const how = { ...about, seed: seed + 1 };
    const records = recordsFor(sized, { ...how, part: true }, count);
    if (typeof records !== "string") return records.feeds;
    // What `quantize` does not measure is compared all the same.
    return proceduralInputs(sized, { ...how, shapes: shapesOf(sized) }, count).feeds;
  };
}

/** Inputs with the shapes that were given, and the sizes that these say of others by name. */
function sizedInputs(inputs: readonly ValueInfo[], known: ReadonlyMap<string, Shape>): ValueInfo[] {
  const sizes = new Map<string, number>();
  for (const { name, shape = [] } of inputs)
    for (const [axis, d] of shape.entries())
      if (known.has(name) && typeof d === "string" && d !== "") sizes.set(d, known.get(name)![axis]!);
  return withSizes(inputs, sizes).map((input) => ({ ...input, shape: known.get(input.name) ?? input.shape }));
}

function comparisonTable(rows: readonly Comparison[]): string {
  return table(
    ["preset", "output", "samples", "least cosine", "max|a-b|/max|b|", "top-1", "size", "median ms"],
    rows.map((r) => [
      r.preset,
      r.output,
      r.samples,
      r.cosineMin.toFixed(7),
      r.maxDifference.toExponential(2),
      r.top1Agreement === undefined ? "" : `${(100 * r.top1Agreement).toFixed(2)}%`,
      formatBytes(r.bytes),
      r.milliseconds.toFixed(2),
    ]),
  );
}
