import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "cac";
import type { Item } from "../batch/index.ts";
import type { Outcome, Sweep } from "../sweep/index.ts";
import { makeFolder } from "./files.ts";
import { type JobOptions, jobsOf } from "./jobs.ts";
import { printAside, printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { integer, UsageError } from "./usage.ts";
import { packageVersion } from "./version.ts";

interface Options extends JobOptions {
  readonly output?: unknown;
  readonly from: unknown;
  readonly to?: unknown;
  readonly chunk?: unknown;
  readonly json?: boolean;
}

/** Failures that are printed; results.jsonl has all. */
const LISTED = 10;

export function registerSweep(command: Command): void {
  command
    .option("--output <dir>", "Folder of results.jsonl; a sweep that was interrupted goes on from what is there")
    .option("--from <i>", "First number of the range", { default: 0 })
    .option("--to <i>", "End of the range, not included (default: all)")
    .option("--chunk <n>", "Numbers per job")
    .option("--workers <n>", "Threads (default: one per core)")
    .option("--redis <url>", "Let workers on other machines compute it, which bitbasis worker starts")
    .option("--verify <n>", "Compute every n-th job twice, on different workers, and compare; 0 for none", {
      default: 0,
    })
    .option("--json", "Print one JSON document")
    .example("bitbasis sweep tables --to 1000 --output tables")
    .action(async (name: string | undefined, options: Options) => {
      const { loadSweep, SWEEP_NAMES, sweepModel } = await import("../sweep/index.ts");
      if (name === undefined) return list(await Promise.all(SWEEP_NAMES.map(loadSweep)), options);
      const sweep = await loadSweep(name).catch((error: Error) => {
        throw new UsageError(error.message);
      });
      if (options.output === undefined) throw new UsageError("sweep expected --output DIR");
      const most = sweep.endless ? 2 ** 31 : sweep.size;
      const from = integer("--from", options.from, 0, most - 1);
      const to = integer("--to", options.to ?? sweep.size, from + 1, most);
      const chunk = integer("--chunk", options.chunk ?? sweep.chunk, 1, 1e6);
      const { verify, open } = jobsOf(options);
      const folder = String(options.output);
      await makeFolder(folder);
      const { runBatch } = await import("../batch/index.ts");
      const runner = await open(sweepModel(name, packageVersion()));
      try {
        const jobs = ranges(from, to, chunk);
        const { failed } = await withProgress((onProgress) =>
          runBatch({
            items: [...jobs.keys()].map((id): Item => ({ id, files: {} })),
            folder,
            runner,
            read: async ({ id }) => ({ range: { type: "int64", dims: [2], data: jobs.get(id)! } }),
            format: { json: ({ data }) => (data as readonly string[]).map((text) => JSON.parse(text)) },
            verify,
            onProgress,
          }),
        );
        for (const { id, reason } of failed) printAside(`bitbasis: ${id}: ${reason}`);
        const wrong = (await outcomes(folder)).filter(({ ok }) => !ok);
        if (failed.length + wrong.length > 0) process.exitCode = 1;
        if (options.json) return printJson({ sweep: name, from, to, wrong, failed });
        for (const outcome of wrong.slice(0, LISTED)) printText(JSON.stringify(outcome));
        printText(
          `${name} ${from}…${to - 1}: ${to - from} computed, ${wrong.length} wrong, ${failed.length} jobs failed`,
        );
      } finally {
        await runner.close();
      }
    });
}

function list(sweeps: readonly Sweep[], { json }: Options): void {
  const rows = sweeps.map(({ name, size, endless, summary }) => ({ name, size, endless, summary }));
  if (json) printJson(rows);
  else {
    const cells = rows.map((row) => [row.name, row.endless ? `${row.size} or more` : row.size, row.summary]);
    printText(table(["sweep", "numbers", "what it checks"], cells));
  }
}

/** Jobs by their names, which sort as they lie in the range. */
function ranges(from: number, to: number, chunk: number): Map<string, BigInt64Array> {
  const jobs = new Map<string, BigInt64Array>();
  for (let start = from; start < to; start += chunk) {
    const end = Math.min(start + chunk, to);
    const id = [start, end - 1].map((i) => String(i).padStart(10, "0")).join("-");
    jobs.set(id, BigInt64Array.of(BigInt(start), BigInt(end)));
  }
  return jobs;
}

async function outcomes(folder: string): Promise<Outcome[]> {
  const lines = (await readFile(join(folder, "results.jsonl"), "utf8")).trim().split("\n");
  return lines.flatMap((line) => {
    const { outputs } = JSON.parse(line) as { readonly outputs: { readonly outcomes: { readonly values: Outcome[] } } };
    return outputs.outcomes.values;
  });
}
