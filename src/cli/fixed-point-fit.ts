import { type Fit, fitFormats } from "../networks/fixed-point-fit.ts";
import { readModelFile, writeBytes } from "./files.ts";
import type { InputOptions } from "./inputs.ts";
import { readRange, readSamples } from "./plan-options.ts";
import { printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { STDIO } from "./stdio.ts";
import { integer, UsageError } from "./usage.ts";

export interface FitCommand extends InputOptions {
  readonly one?: boolean;
  readonly agreement?: unknown;
  readonly inputRange?: unknown;
  readonly maxP?: unknown;
  readonly output?: unknown;
  readonly json?: boolean;
}

/** `bitbasis fixed-point fit MODEL.onnx`: exit 1 where no format keeps the labels. */
export async function fitAction(file: string, options: FitCommand): Promise<void> {
  const agreement = options.agreement === undefined ? 1 : Number(options.agreement);
  if (!(agreement > 0 && agreement <= 1))
    throw new UsageError(`--agreement expected a number above 0 and at most 1, got ${String(options.agreement)}`);
  const maxP = options.maxP === undefined ? {} : { maxP: integer("--max-p", options.maxP, 1, 14) };
  const { bytes, externalData } = await readModelFile(file);
  const samples = await readSamples(bytes, externalData, options);
  const result = await withProgress((onProgress) =>
    fitFormats(bytes, {
      ...{ formats: options.one ? "one" : "layer", agreement, externalData, onProgress },
      ...maxP,
      ...samples,
      ...readRange(options.inputRange),
    }),
  );
  const { onnx, ...report } = result;
  if (options.output !== undefined) await writeBytes(String(options.output), onnx);
  if (!result.kept) process.exitCode = 1;
  if (options.output === STDIO) return;
  if (options.json) printJson(report);
  else printText(fitText(result));
}

function fitText({ kept, agreement, error, p, weightBits, labels, inputs, generated, layers }: Fit): string {
  const header = ["layer", "op", "activation", "p", "weights", "values", "s", "universal", "lost", "clipped", "at ±M"];
  const rows = layers.map((layer) => [
    ...[layer.name, layer.op, layer.activation ?? "", layer.p],
    ...[layer.weights === 0 ? "" : unit(layer.weightScale), unit(layer.scale), layer.s ?? ""],
    layer.universal === undefined ? "" : layer.universal ? "yes" : "no",
    ...[layer.lostWeights, layer.saturatedWeights].map((share) => (layer.weights === 0 ? "" : percent(share))),
    percent(layer.saturated),
  ]);
  const said = kept
    ? `p = ${p} (integers of ${p + 1} bits) at most: ${percent(agreement)} of ${labels} labels stay, outputs off by ${error.toExponential(1)}`
    : `no format up to p = ${p} keeps the labels: at most ${percent(agreement)} stay in this one`;
  const warning = generated
    ? "\nThe inputs were made up, and say little of real ones: give samples with --input NAME=FILE.npy."
    : "";
  return `${table(header, rows)}\n\n${said}. Weights take ${Math.ceil(weightBits / 8)} bytes. Measured on ${inputs}.${warning}`;
}

/** The step of numbers: 1/64, 1, 4. */
function unit(scale: number): string {
  return scale > 1 ? `1/${scale}` : String(1 / scale);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
