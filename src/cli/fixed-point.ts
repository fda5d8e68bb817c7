import type { Command } from "cac";
import { mapChart } from "../experiments/fixed-point/charts.ts";
import { plot } from "../experiments/plot.ts";
import {
  type Activation,
  type Analysis,
  analyze,
  networkFromJson,
  networkToJson,
  sets,
  synthesize,
  universalityMap,
  verify,
} from "../fixed-point/index.ts";
import { exportFixedPoint } from "../networks/fixed-point.ts";
import { readJson, STDIO, writeBytes } from "./files.ts";
import { type FitCommand, fitAction } from "./fixed-point-fit.ts";
import { printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { choice, integer, UsageError } from "./usage.ts";

interface Options extends FitCommand {
  readonly activation?: unknown;
  readonly p?: unknown;
  readonly s?: unknown;
  readonly d?: unknown;
  readonly weights?: unknown;
  readonly bias?: unknown;
  readonly table?: unknown;
  readonly maxS?: unknown;
  readonly svg?: unknown;
}

/** Values of a set that are printed; JSON has all. */
const LISTED = 32;
const ACTIONS = ["analyze", "sets", "synthesize", "verify", "map", "fit"] as const;

/** `bitbasis fixed-point analyze|sets|synthesize|verify|map|fit`. */
export function registerFixedPoint(command: Command): void {
  command
    .option(
      "--activation <name or file>",
      "analyze, sets, synthesize, map: name such as relu or 5*hardtanh, or a .json file with the table",
    )
    .option("--p <n>", "analyze, sets, synthesize: bits of magnitude, 1..16")
    .option("--s <n>", "analyze, sets, synthesize: scale; numbers are k/s with |k| < 2^p")
    .option("--d <n>", "synthesize: inputs (default 1)")
    .option("--bias <n>", "sets: output bias in units of 1/s (default 0)")
    .option("--weights <w>", "synthesize: full or binary (default full)")
    .option("--table <file>", "verify: the table that the network should compute")
    .option("-o, --output <file>", "synthesize: write the network, as .json or .onnx; fit: as .onnx")
    .option("--max-p <n>", "map, fit: largest p (default 12)")
    .option("--max-s <n>", "map: largest s (default 1024)")
    .option("--input <NAME=FILE>", "fit: samples, .npy, .npz or raw elements (repeatable; default procedural)")
    .option("--shape <NAME=1,3,224,224>", "fit: shape of a raw input (repeatable)")
    .option("--input-range <LOW,HIGH>", "fit: values of procedural inputs (repeatable)")
    .option("--agreement <share>", "fit: share of labels that is to stay (default 1)")
    .option("--one", "fit: one p and s for all numbers, instead of formats by layer")
    .option("--json", "Print one JSON document")
    .option("--svg <file>", "map: draw it; - is stdout")
    .example("bitbasis fixed-point analyze --activation 5*hardtanh --p 3 --s 1")
    .example("bitbasis fixed-point sets --activation 5*hardtanh --p 3 --s 1")
    .example("bitbasis fixed-point synthesize table.json --activation relu --p 4 --s 1 --d 2 -o network.onnx")
    .example("bitbasis fixed-point verify network.json --table table.json")
    .example("bitbasis fixed-point fit model.onnx --input image=pictures.npy -o fixed.onnx")
    .example("bitbasis fixed-point map --activation sigmoid --svg map.svg")
    .action(async (action: string, file: string | undefined, options: Options) => {
      const name = choice("action", action, ACTIONS);
      if (["analyze", "sets", "map"].includes(name) && file !== undefined)
        throw new UsageError(`fixed-point ${name} expected options only, got ${file}`);
      if (name === "analyze") return analyzeAction(options);
      if (name === "sets") return setsAction(options);
      if (name === "map") return mapAction(options);
      if (file === undefined) throw new UsageError(`fixed-point ${name} expected a file; - is stdin`);
      if (name === "synthesize") return synthesizeAction(file, options);
      return name === "fit" ? fitAction(file, options) : verifyAction(file, options);
    });
}

async function activationOf(options: Options): Promise<Activation> {
  if (typeof options.activation !== "string") throw new UsageError("--activation expected a name or a .json file");
  if (!options.activation.endsWith(".json")) return options.activation;
  return numbers(await readJson(options.activation), options.activation);
}

function formatOf(options: Options): [number, number] {
  return [integer("--p", options.p, 1, 16), integer("--s", options.s, 1, 2 ** 20)];
}

/** A list of numbers, alone or as the "table" of an object. */
function numbers(json: unknown, file: string): number[] {
  const list = Array.isArray(json) ? json : (json as { table?: unknown } | null)?.table;
  if (!Array.isArray(list) || list.some((value) => typeof value !== "number")) {
    throw new TypeError(`${file} expected a JSON array of numbers, or an object with one as "table"`);
  }
  return list as number[];
}

async function analyzeAction(options: Options): Promise<void> {
  const analysis = await analyze(await activationOf(options), ...formatOf(options));
  if (options.json) printJson(analysis);
  else printText(describe(analysis));
}

function describe(analysis: Analysis): string {
  const { activation, p, s, g, h, criterion, published } = analysis;
  const missing = analysis.missing?.slice(0, 24) ?? [];
  const more = analysis.missingCount - missing.length;
  const rows: [string, string][] = [
    ["format", `p = ${p}, s = ${s}: ${2 ** (p + 1) - 1} numbers k/${s}`],
    ["activation", `${activation}, g = ${g}, h = ${h}`],
    ["verdict", analysis.reason],
    ["criterion", `2(M − 1)(g − s) = ${criterion.left} < ${criterion.right}: ${criterion.holds}`],
    [
      "inputs told apart",
      `${analysis.separates}${analysis.unseparated ? `, not ${analysis.unseparated.join(" and ")}` : ""}`,
    ],
    ["weights ±1", analysis.binaryUniversal ? "universal" : "not universal"],
    [
      "missing values",
      missing.length === 0
        ? "none"
        : `${missing.join(" ")}${more > 0 ? ` and ${more} more` : ""} (output bias ${analysis.bias})`,
    ],
    ...Object.entries(published).map(([name, { holds, verdict, agrees }]): [string, string] => [
      `published, ${name}`,
      `${holds ? "holds" : "does not hold"}: ${verdict}${agrees ? "" : ", which is wrong here"}`,
    ]),
  ];
  return table(["", ""], rows).split("\n").slice(2).join("\n");
}

async function setsAction(options: Options): Promise<void> {
  const format = formatOf(options);
  const bias = integer("--bias", options.bias ?? 0, -(2 ** 31), 2 ** 31);
  const found = await sets(await activationOf(options), ...format, bias);
  if (options.json) return printJson(found);
  const list = (values: readonly number[]): string =>
    values.length <= LISTED
      ? values.join(" ")
      : `${values.slice(0, LISTED / 2).join(" ")} … ${values.slice(-LISTED / 2).join(" ")}`;
  const rows = [
    ["V", found.gaps.length, list(found.gaps), "gaps between outputs"],
    [`S_${bias}`, found.s.length, list(found.s), "sums of weighted gaps"],
    [`N_${bias}`, found.n.length, list(found.n), "sums of weighted outputs"],
  ];
  const all = 2 ** (format[0] + 1) - 1;
  printText(`${table(["set", "size", `in units of 1/${format[1]}`, ""], rows)}\n\nQ has ${all} values.`);
}

async function synthesizeAction(file: string, options: Options): Promise<void> {
  const [p, s] = formatOf(options);
  const d = options.d === undefined ? 1 : integer("--d", options.d, 1, 26);
  const weights = options.weights === undefined ? "full" : choice("--weights", options.weights, ["full", "binary"]);
  const [activation, wanted] = [await activationOf(options), numbers(await readJson(file), file)];
  const result = await withProgress((onProgress) => synthesize(wanted, { d, activation, p, s, weights, onProgress }));
  if (result.network === undefined) {
    if (options.json) printJson(result);
    else printText(`impossible: ${result.reason}`);
    process.exitCode = 1;
    return;
  }
  const { network, ...report } = result;
  if (options.output !== undefined) {
    const name = String(options.output);
    const json = `${JSON.stringify(networkToJson(network))}\n`;
    await writeBytes(name, name.endsWith(".onnx") ? exportFixedPoint(network) : new TextEncoder().encode(json));
    if (name === STDIO) return;
  }
  if (options.json) printJson(options.output === undefined ? { ...report, network: networkToJson(network) } : report);
  else {
    const rows = [
      ["construction", report.construction],
      ["parameters", `${report.parameters}, ${report.nonZero} of them not 0`],
      ["layers", report.widths.join(" → ")],
      ["one box per input", `${report.naive} parameters`],
      ["information bound", `${report.informationBound} parameters`],
      ["verified", `on all ${wanted.length} inputs`],
    ];
    printText(table(["", ""], rows).split("\n").slice(2).join("\n"));
  }
}

async function verifyAction(file: string, options: Options): Promise<void> {
  if (options.table === undefined) throw new UsageError("fixed-point verify expected --table");
  const network = networkFromJson(await readJson(file));
  const wanted = numbers(await readJson(String(options.table)), String(options.table));
  const result = await withProgress((onProgress) => verify(network, wanted, { onProgress }));
  if (options.json) printJson(result);
  else if (result.counterexample === undefined) printText(`equal on all ${result.evaluated} inputs`);
  else {
    const { input, expected, actual } = result.counterexample;
    printText(`differs at (${input.join(", ")}): expected ${expected.join(", ")}, got ${actual.join(", ")}`);
  }
  if (!result.ok) process.exitCode = 1;
}

async function mapAction(options: Options): Promise<void> {
  const activation = await activationOf(options);
  if (typeof activation !== "string") throw new UsageError("fixed-point map expected the name of an activation");
  const maxP = options.maxP === undefined ? 12 : integer("--max-p", options.maxP, 1, 16);
  const maxS = options.maxS === undefined ? 1024 : integer("--max-s", options.maxS, 1, 2 ** 20);
  const map = universalityMap(activation, { maxP, maxS });
  if (options.svg !== undefined)
    await writeBytes(String(options.svg), new TextEncoder().encode(await plot([mapChart(map)])));
  if (options.svg === STDIO) return;
  if (options.json) printJson(map);
  else {
    const rows = map.rows.map((runs, i) => [
      i + 1,
      runs.map(({ from, to, verdict }) => `${from}..${to} ${verdict}`).join(", "),
    ]);
    printText(table(["p", "scales s"], rows));
  }
}
