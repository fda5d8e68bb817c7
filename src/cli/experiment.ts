import type { Command } from "cac";
import { type Finding, listExperiments, plot, type StudyNetwork } from "../experiments/index.ts";
import { InferenceSession } from "../session/session.ts";
import { readBytes, STDIO, writeBytes } from "./files.ts";
import { readFeeds, readNpy } from "./inputs.ts";
import { printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { suggestion } from "./suggest.ts";
import { integer, UsageError } from "./usage.ts";

interface Options {
  readonly seed?: unknown;
  readonly svg?: unknown;
  readonly json?: boolean;
  readonly model?: unknown;
  readonly input?: unknown;
  readonly labels?: unknown;
}

export function registerExperiment(command: Command): void {
  command
    .option("--seed <S>", "Seed of its random choices")
    .option("--svg <file>", "Draw its figures; - is stdout")
    .option("--model <file>", "An ONNX network to study instead of the generated one")
    .option("--input <NAME=FILE>", "Its input: .npy, .npz or raw elements (repeatable)")
    .option("--labels <file>", "The right classes, .npy")
    .option("--json", "Print its figures as one JSON document instead of the table of findings")
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
        const names = all.map((e) => e.name);
        throw new UsageError(`no experiment "${name}"${suggestion(name, names) || `; there are ${names.join(", ")}`}`);
      }
      if (options.model !== undefined && !experiment.studies) {
        const others = all.filter(({ studies }) => studies).map((e) => e.name);
        throw new UsageError(`--model is for ${others.join(", ")}, got ${name}`);
      }
      for (const other of ["input", "labels"] as const)
        if (options[other] !== undefined && options.model === undefined)
          throw new UsageError(`--${other} expected --model beside it`);
      const seed = options.seed === undefined ? {} : { seed: integer("--seed", options.seed, 0, 2 ** 32 - 1) };
      const network = options.model === undefined ? {} : { network: await readNetwork(options) };
      const {
        data,
        findings,
        tables = [],
        chart,
      } = await withProgress((onProgress) => experiment.run({ onProgress, ...seed, ...network }));
      if (options.svg !== undefined) {
        if (chart === undefined) throw new UsageError(`experiment "${name}" has no chart`);
        await writeBytes(String(options.svg), new TextEncoder().encode(await plot(chart)));
      }
      if (options.svg === STDIO) return;
      if (options.json) printJson(data);
      else {
        const figures = tables.map(({ header, rows }) => `\n\n${table(header, rows)}`).join("");
        printText(`${experiment.summary}\n\n${findingsText(findings)}${figures}`);
      }
    });
}

/** Characters of a line of each column; sentences go on below. */
const COLUMNS = { claim: 38, expected: 30, found: 38 };

function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ claim, expected, found, verdict }, i) => {
    const cells = [
      wrap(claim, COLUMNS.claim),
      wrap(expected, COLUMNS.expected),
      wrap(found, COLUMNS.found),
      [verdict],
    ] as const;
    const lines = Math.max(...cells.map((cell) => cell.length));
    const own = Array.from({ length: lines }, (_, line) => cells.map((cell) => cell[line] ?? ""));
    return i === 0 ? own : [["", "", "", ""], ...own];
  });
  return table(["claim", "expected", "found", "verdict"], rows);
}

/** Lines of whole words, none longer than `width` unless a word is. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

async function readNetwork(options: Options): Promise<StudyNetwork> {
  const file = String(options.model);
  const bytes = await readBytes(file);
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  const inputs = await readFeeds(session.inputMetadata, { input: options.input });
  await session.release();
  const network = { name: file, onnx: bytes, inputs };
  if (options.labels === undefined) return network;
  const labels = await readNpy(String(options.labels));
  return { ...network, labels: Array.from(labels.data as ArrayLike<number | bigint>, Number) };
}
