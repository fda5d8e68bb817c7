import type { Command } from "cac";
import { openReceipt, parseReceipt, runAgain, type Verification } from "../receipt/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { naming, readBytes, readModelFile } from "./files.ts";
import { type InputOptions, readFeeds, readNpy } from "./inputs.ts";
import { printJson, printText } from "./print.ts";
import { withProgress } from "./progress.ts";
import { outputFile } from "./run.ts";
import { UsageError } from "./usage.ts";

interface Options extends InputOptions {
  readonly model?: unknown;
  readonly output?: unknown;
  readonly json?: boolean;
}

export function registerVerify(command: Command): void {
  command
    .option("--model <model>", "The .onnx file or the container")
    .option("--input <NAME=FILE>", "Feed an input from .npy, .npz or raw elements (repeatable)")
    .option("--random", "Feed the other inputs seeded random tensors")
    .option("--seed <S>", "Seed of the random tensors", { default: 0 })
    .option("--shape <NAME=1,3,224,224>", "Shape of a random or raw input (repeatable)")
    .option(
      "--output <claimed>",
      "The folder of the claimed outputs, as run --output wrote them: says which element differs first",
    )
    .option("--json", "Print one JSON document")
    .example("bitbasis verify receipt.json --model model.safetensors --input image=cat.npy --output out")
    .action(async (path: string, options: Options) => {
      if (options.model === undefined) throw new UsageError("verify expected --model MODEL");
      const text = new TextDecoder().decode(await readBytes(path));
      const receipt = await naming(path, async () => parseReceipt(text));
      const { bytes, externalData, limits } = await readModelFile(String(options.model));
      const session = await withProgress((onProgress) =>
        openReceipt(receipt, bytes, { externalData, limits, onProgress }),
      );
      const [feeds = {}] = await readFeeds(session.inputMetadata, options);
      const claimed = new Map<string, Tensor>();
      if (options.output !== undefined) {
        for (const name of Object.keys(receipt.outputs)) {
          claimed.set(name, await readNpy(outputFile(String(options.output), name)));
        }
      }
      const result = await runAgain(session, receipt, feeds, Object.fromEntries(claimed));
      await session.release();
      if (options.json) printJson(result, spellNumber);
      else printText(describeResult(result));
      if (!result.ok) process.exitCode = 1;
    });
}

function describeResult({ differs }: Verification): string {
  if (differs === undefined) return "the same bits";
  const { output, index, expected, got } = differs;
  if (expected === undefined) return `output "${output}" differs; --output with the claimed outputs says where`;
  const at = index === undefined ? "" : ` at element ${index}`;
  return `output "${output}" differs${at}: expected ${spelled(expected)}, got ${spelled(got!)}`;
}

function spelled(value: number | bigint | string): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** What JSON cannot say of a number is written as text. */
function spellNumber(_key: string, value: unknown): unknown {
  const lost =
    typeof value === "bigint" || (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)));
  return lost ? spelled(value as number | bigint) : value;
}
