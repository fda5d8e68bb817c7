import { basename } from "node:path";
import type { Command } from "cac";
import { type Advice, advise, type LayerAdvice } from "../advise/index.ts";
import { adviseCharts } from "../experiments/advise-chart.ts";
import { plot } from "../experiments/plot.ts";
import { activationWidth, isFloat, weightWidth } from "../series/index.ts";
import { readModelFile, writeBytes } from "./files.ts";
import type { InputOptions } from "./inputs.ts";
import { readRange, readSamples, readTarget, writePlan } from "./plan-options.ts";
import { formatBytes, printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { STDIO } from "./stdio.ts";

interface Options extends InputOptions {
  readonly target?: unknown;
  readonly inputRange?: unknown;
  readonly output?: unknown;
  readonly svg?: unknown;
  readonly json?: boolean;
}

/** What is asked for where nothing is: outputs off by a hundredth of the largest. */
const DEFAULT_TARGET = "error=1e-2";

export function registerAdvise(command: Command): void {
  command
    .option("--target <NAME=VALUE>", "error=1e-3, agreement=0.99 or bytes=2MB", { default: DEFAULT_TARGET })
    .option("--input <NAME=FILE>", "Measure on this input, .npy, .npz or raw elements (repeatable; default procedural)")
    .option("--shape <NAME=1,3,224,224>", "Shape of a raw input (repeatable)")
    .option(
      "--input-range <LOW,HIGH>",
      "Values of procedural inputs, NAME=LOW,HIGH for one of them (repeatable; default 0,1 for pictures, -0.5,0.5)",
    )
    .option("-o, --output <file>", "Write the plan, for --plan; - is stdout")
    .option("--svg <file>", "Draw it; - is stdout")
    .option("--json", "Print one JSON document")
    .example("bitbasis advise model.onnx --target agreement=0.99 --input image=picture.npy -o plan.json")
    .action(async (model: string, options: Options) => {
      const target = readTarget(options.target);
      const { bytes: onnx, externalData } = await readModelFile(model);
      const samples = await readSamples(onnx, externalData, options);
      const advice = await withProgress((onProgress) =>
        advise(onnx, { target, externalData, onProgress, ...samples, ...readRange(options.inputRange) }),
      );
      if (options.output !== undefined) await writePlan(String(options.output), advice.plan);
      if (options.svg !== undefined) {
        const name = model === STDIO ? "model" : basename(model);
        await writeBytes(String(options.svg), new TextEncoder().encode(await plot(adviseCharts(name, advice))));
      }
      if ([options.output, options.svg].includes(STDIO)) return;
      if (options.json) printJson(advice);
      else printText(adviceText(advice));
    });
}

function adviceText({ summary, layers, answers, bytes }: Advice): string {
  const header = [
    "layer",
    "op",
    "weights",
    "bits w / a",
    "alone at 4",
    "8",
    "12",
    "16 bits",
    "share",
    "lost",
    "clipped",
  ];
  const rows = layers.map((layer) => [
    ...[layer.name, layer.op, layer.shape?.join("x") ?? "", bitsOf(layer)],
    ...[4, 8, 12, 16].map((bits) => figure(layer.errors.find((one) => one.bits === bits)?.error)),
    percent(layer.share),
    layer.weights === undefined ? "" : percent(layer.weights.lost),
    layer.weights === undefined ? "" : percent(layer.weights.saturated),
    layer.activation === undefined
      ? ""
      : `${layer.activation.name}, ${layer.activation.values} of ${2 ** (layer.activation.p + 1) - 1}`,
    layer.regime ?? "",
    [layer.reason, ...headNotes(layer)].join("; "),
  ]);
  const text = table([...header, "activation, values", "regime", "why"], rows);
  const said = answers.map(({ question, answer }) => `${question} ${answer}`);
  return [text, "", summary, ...said, `container: ${formatBytes(bytes)}`].join("\n");
}

function bitsOf({ plan, shape }: LayerAdvice): string {
  if (isFloat(plan)) return "float32";
  return `${shape === undefined ? "" : weightWidth(plan)} / ${activationWidth(plan)}`;
}

function headNotes({ heads = [] }: LayerAdvice): string[] {
  return heads.map(({ head, bits }) => `head ${head} wants ${bits ?? "more than 16"} bits`);
}

function figure(value: number | undefined): string {
  return value === undefined ? "" : value === 0 ? "0" : value.toExponential(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
