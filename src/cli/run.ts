import { join } from "node:path";
import type { Command } from "cac";
import { isContainer } from "../model/index.ts";
import { receipt, receiptText } from "../receipt/index.ts";
import { PRESETS, type Preset } from "../series/index.ts";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import type { Tensor } from "../tensor/index.ts";
import { asJson, elementsOf } from "./elements.ts";
import { isThere, makeFolder, readModelFile, STDIO, writeBytes } from "./files.ts";
import { type InputOptions, readFeeds, toNpy } from "./inputs.ts";
import { printJson, printText } from "./print.ts";
import { withProgress } from "./progress.ts";
import { readLabels, topText } from "./top.ts";
import { BUILDS, choice, integer, UsageError } from "./usage.ts";

interface Options extends InputOptions {
  readonly output?: unknown;
  readonly preset?: unknown;
  readonly terms?: unknown;
  readonly threads?: unknown;
  readonly shards?: unknown;
  readonly force?: boolean;
  readonly receipt?: unknown;
  readonly build?: unknown;
  readonly top?: unknown;
  readonly labels?: unknown;
  readonly json?: boolean;
}

export function registerRun(command: Command): void {
  command
    .option("--input <NAME=FILE>", "Feed an input from .npy, .npz or raw elements (repeatable)")
    .option("--random", "Feed the other inputs seeded random tensors")
    .option("--seed <S>", "Seed of the random tensors", { default: 0 })
    .option("--shape <NAME=1,3,224,224>", "Shape of a random or raw input (repeatable)")
    .option("--output <dir>", "Write each output to DIR/NAME.npy; - is stdout, for a model with one output")
    .option("--force", "Let the outputs replace files that are there")
    .option("--preset <P>", `For an .onnx file: ${PRESETS.join(", ")} (default faithful)`)
    .option("--terms <n>", "Weight terms to use at most")
    .option("--threads <n>", "Threads", { default: 1 })
    .option("--build <B>", `${BUILDS.join(", ")}: used or refused`, { default: "auto" })
    .option("--top <k>", "Print the k largest elements of each output's vectors, with --labels by name")
    .option("--labels <file>", "Names of the classes, one per line, a JSON list, or a JSON object by index")
    .option("--shards <n>", "Workers that hold the weights between them")
    .option("--receipt <file>", "Write a receipt, with which bitbasis verify runs this again; - is stdout")
    .option("--json", "Print one JSON document")
    .example("bitbasis run model.safetensors --input image=cat.npy --output out")
    .action(async (model: string, options: Options) => {
      const settings: SessionOptions = {
        numThreads: integer("--threads", options.threads ?? 1, 1, 64),
        build: choice("--build", options.build, BUILDS),
        ...(options.shards !== undefined && { shards: integer("--shards", options.shards, 1, 64) }),
        ...(options.preset !== undefined && { preset: choice<Preset>("--preset", options.preset, PRESETS) }),
        ...(options.terms !== undefined && { terms: integer("--terms", options.terms, 1, 8) }),
      };
      const top = options.top === undefined ? undefined : integer("--top", options.top, 1, 1_000_000);
      if (options.labels !== undefined && top === undefined) throw new UsageError("--labels expected --top K");
      const labels = options.labels === undefined ? undefined : await readLabels(String(options.labels));
      const { bytes, externalData, limits } = await readModelFile(model);
      if (settings.preset !== undefined && isContainer(bytes.subarray(0, 16))) {
        throw new UsageError(
          "--preset is for .onnx files: a container carries its plan; --terms uses fewer terms of it",
        );
      }
      const session = await withProgress((onProgress) =>
        InferenceSession.create(bytes, { ...settings, externalData, limits, onProgress }),
      );
      const { outputNames } = session;
      if (options.output === STDIO && outputNames.length !== 1) {
        throw new UsageError(
          `--output - expected a model with one output, got ${outputNames.length}: ${outputNames.join(", ")}`,
        );
      }
      const files =
        options.output === undefined || options.output === STDIO
          ? undefined
          : await outputFiles(String(options.output), outputNames, options.force === true);
      const [feeds = {}] = await readFeeds(session.inputMetadata, options);
      const outputs = await session.run(feeds);
      if (options.receipt !== undefined) {
        const onnx = isContainer(bytes.subarray(0, 16)) ? undefined : bytes;
        const text = `${receiptText(await receipt(session, feeds, outputs, onnx))}\n`;
        await writeBytes(String(options.receipt), new TextEncoder().encode(text));
      }
      await session.release();
      if (options.output === STDIO) {
        await writeBytes(STDIO, toNpy(outputs[outputNames[0]!]!));
        return;
      }
      if (files !== undefined) {
        await makeFolder(String(options.output));
        for (const [name, file] of files) await writeBytes(file, toNpy(outputs[name]!));
      }
      if (options.json) printJson(Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, asJson(t)])));
      else if (options.receipt !== STDIO)
        for (const [name, tensor] of Object.entries(outputs))
          printText(top === undefined ? describeOutput(name, tensor) : topText(name, tensor, top, labels));
    });
}

/** Where `--output` puts an output. */
export function outputFile(directory: string, name: string): string {
  return join(directory, `${name.replaceAll(/[^\w.-]/g, "_")}.npy`);
}

/**
 * The file of each output, known before the model runs.
 *
 * @throws UsageError for two outputs of one file, also where a file system does not tell cases apart, and unless `force` for a file that is there
 */
async function outputFiles(directory: string, names: readonly string[], force: boolean): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const name of names) {
    const file = outputFile(directory, name);
    const owner = owners.get(file.toLowerCase());
    if (owner !== undefined) {
      throw new UsageError(
        `--output: the outputs ${JSON.stringify(owner)} and ${JSON.stringify(name)} would both be ${file}; --json prints them all`,
      );
    }
    if (!force && (await isThere(file))) throw new UsageError(`${file} is there already; --force replaces it`);
    owners.set(file.toLowerCase(), name);
    files.set(name, file);
  }
  return files;
}

function describeOutput(name: string, { type, dims, data }: Tensor): string {
  const values = Array.from(elementsOf({ type, data: data.slice(0, 8) as Tensor["data"] }), (v) =>
    typeof v === "number" ? Number(v.toPrecision(6)) : v,
  );
  return `${name}: ${type} [${dims.join(", ")}]  ${values.join(" ")}${data.length > 8 ? " …" : ""}`;
}
