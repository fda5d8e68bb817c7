import type { CAC } from "cac";
import { listExperiments, plot } from "../experiments/index.ts";
import { STDIO, writeBytes } from "./files.ts";
import { printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { integer, UsageError } from "./usage.ts";

interface Options {
  readonly seed?: unknown;
  readonly svg?: unknown;
  readonly json?: boolean;
}

export function registerExperiment(cli: CAC): void {
  cli
    .command("experiment [name]", "Reproduce a published experiment; no name lists them")
    .option("--seed <S>", "Seed of its random choices")
    .option("--svg <file>", "Draw its figures; - is stdout")
    .option("--json", "Print one JSON document")
    .example("bitbasis experiment attention-threshold --svg threshold.svg")
    .action(async (name: string | undefined, options: Options) => {
      const all = await listExperiments();
      if (name === undefined) {
        const rows = all.map(({ name, summary }) => ({ name, summary }));
        if (options.json) printJson(rows);
        else
          printText(
            table(
              ["name", "what it measures"],
              rows.map((row) => [row.name, row.summary]),
            ),
          );
        return;
      }
      const experiment = all.find((e) => e.name === name);
      if (experiment === undefined) {
        throw new UsageError(`no experiment "${name}"; there are ${all.map((e) => e.name).join(", ")}`);
      }
      const seed = options.seed === undefined ? {} : { seed: integer("--seed", options.seed, 0, 2 ** 32 - 1) };
      const { data, chart } = await withProgress((onProgress) => experiment.run({ onProgress, ...seed }));
      if (options.svg !== undefined) {
        if (chart === undefined) throw new UsageError(`experiment "${name}" has no chart`);
        await writeBytes(String(options.svg), new TextEncoder().encode(await plot(chart)));
      }
      if (options.svg !== STDIO) printJson(data);
    });
}
