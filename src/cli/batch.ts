import type { Command } from "cac";
import type { Item, Runner } from "../batch/index.ts";
import { isContainer } from "../model/index.ts";
import { type Parcel, type Parcels, poolModel } from "../pool/index.ts";
import { PRESETS, type Preset } from "../series/index.ts";
import { Tensor } from "../tensor/index.ts";
import { asJson } from "./elements.ts";
import { makeFolder, readModelFile } from "./files.ts";
import { readTensor, toNpy } from "./inputs.ts";
import { type JobOptions, jobsOf } from "./jobs.ts";
import { printAside, printJson, printText } from "./print.ts";
import { withProgress } from "./progress.ts";
import { choice, integer, UsageError } from "./usage.ts";

interface Options extends JobOptions {
  readonly output?: unknown;
  readonly format: unknown;
  readonly preset: unknown;
  readonly terms?: unknown;
  readonly json?: boolean;
}

export function registerBatch(command: Command): void {
  command
    .option("--output <dir>", "Folder of the outputs; a batch that was interrupted goes on from what is there")
    .option("--workers <n>", "Threads (default: one per core)")
    .option("--redis <url>", "Let workers on other machines run it, which bitbasis worker starts")
    .option("--verify <n>", "Run every n-th input twice, on different workers, and compare; 0 for none", { default: 0 })
    .option("--format <f>", "npy: a file per output; jsonl: values in results.jsonl", { default: "npy" })
    .option("--preset <P>", `For an .onnx file: ${PRESETS.join(", ")}`, { default: "faithful" })
    .option("--terms <n>", "Weight terms to use at most")
    .option("--json", "Print one JSON document")
    .example("bitbasis batch model.safetensors 'pictures/*.npy' --output out")
    .action(async (path: string, words: readonly string[], options: Options) => {
      if (options.output === undefined) throw new UsageError("batch expected --output DIR");
      if (words.length === 0) throw new UsageError("batch expected inputs: files, folders, globs or a manifest");
      const jobs = jobsOf(options);
      const format = FORMATS[choice("--format", options.format, ["npy", "jsonl"])];
      const preset = choice<Preset>("--preset", options.preset, PRESETS);
      const terms = options.terms === undefined ? undefined : integer("--terms", options.terms, 1, 8);
      const { findItems, runBatch } = await import("../batch/index.ts");
      const items = await findItems(words);
      await makeFolder(String(options.output));
      const { bytes, externalData, limits } = await readModelFile(path);
      const plan = isContainer(bytes.subarray(0, 16)) ? {} : { preset, externalData, limits };
      const model = await withProgress((onProgress) => poolModel("model", bytes, { ...plan, terms, onProgress }));
      const runner = await jobs.open(model);
      try {
        const folder = String(options.output);
        const read = (item: Item): Promise<Parcels> => readItem(runner, item);
        const result = await withProgress((onProgress) =>
          runBatch({ items, folder, runner, read, format, verify: jobs.verify, onProgress }),
        );
        const { failed, ...counts } = result;
        for (const { id, reason } of failed) printAside(`bitbasis: "${id}": ${reason}`);
        if (failed.length > 0) process.exitCode = 1;
        if (options.json) printJson(result);
        else
          printText(
            `${Object.entries(counts)
              .map(([name, count]) => `${name} ${count}`)
              .join(", ")}, failed ${failed.length}`,
          );
      } finally {
        await runner.close();
      }
    });
}

const FORMATS = {
  npy: { extension: "npy", encode: ({ type, data, dims }: Parcel) => toNpy(new Tensor(type, data, dims)) },
  jsonl: { json: asJson },
} as const;

/** The inputs of a model from the files of an item. */
async function readItem({ facts }: Runner, { files }: Item): Promise<Parcels> {
  const only = files[""];
  if (only !== undefined && facts.inputs.length !== 1 && !only.endsWith(".npz")) {
    throw new RangeError(`${only} expected a .npz file: the model has ${facts.inputs.length} inputs`);
  }
  const unknown = Object.keys(files).find((name) => name !== "" && !facts.inputs.some((input) => input.name === name));
  if (unknown !== undefined) throw new RangeError(`the model has no input "${unknown}"`);
  const feeds: Record<string, Parcel> = {};
  for (const { name, type, shape } of facts.inputs) {
    const file = files[name] ?? only;
    if (file === undefined) throw new RangeError(`no file for the input "${name}"`);
    const tensor = await readTensor({ name, type, shape: shape ?? [], isTensor: true }, file);
    feeds[name] = { type: tensor.type, dims: tensor.dims, data: tensor.data };
  }
  return feeds;
}
