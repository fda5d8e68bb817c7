#!/usr/bin/env node
import { type CAC, cac } from "cac";
import { registerAttention } from "./attention.ts";
import { registerBatch } from "./batch.ts";
import { registerCompare } from "./compare.ts";
import { registerExperiment } from "./experiment.ts";
import { registerExport } from "./export.ts";
import { STDIO } from "./files.ts";
import { registerFixedPoint } from "./fixed-point.ts";
import { registerInspect } from "./inspect.ts";
import { registerQuantize } from "./quantize.ts";
import { registerRegimes } from "./regimes.ts";
import { registerRun } from "./run.ts";
import { registerSeries } from "./series.ts";
import { registerServe } from "./serve.ts";
import { registerVerify } from "./verify.ts";
import { packageVersion } from "./version.ts";
import { registerWorker } from "./worker.ts";

const COMMANDS: readonly ((cli: CAC) => void)[] = [
  registerQuantize,
  registerRun,
  registerVerify,
  registerCompare,
  registerInspect,
  registerExport,
  registerSeries,
  registerRegimes,
  registerAttention,
  registerFixedPoint,
  registerExperiment,
  registerServe,
  registerBatch,
  registerWorker,
];

/** Runs the command line; resolves to the exit code: 0 success, 1 failure, 2 usage. */
export async function main(argv: readonly string[]): Promise<number> {
  const cli = cac("bitbasis");
  for (const register of COMMANDS) register(cli);
  cli.version(packageVersion());
  cli.help();
  try {
    cli.parse(
      argv.map((word) => (word === "-" ? STDIO : word)),
      { run: false },
    );
    if (cli.options["help"] || cli.options["version"]) return 0;
    if (cli.matchedCommand === undefined) {
      const [word] = cli.args;
      process.stderr.write(
        word === undefined
          ? "bitbasis: expected a command; see bitbasis --help\n"
          : `bitbasis: unknown command "${word}"; see bitbasis --help\n`,
      );
      return 2;
    }
    await cli.runMatchedCommand();
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    const { name, message } = error as Error;
    process.stderr.write(`bitbasis: ${message.replaceAll(STDIO, "-")}\n`);
    return name === "CACError" || name === "UsageError" ? 2 : 1;
  }
}

process.exitCode = await main(process.argv);
