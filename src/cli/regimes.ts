import { basename } from "node:path";
import type { Command } from "cac";
import { plot } from "../experiments/plot.ts";
import { approximationChart, lowerChart, regimeChart } from "../experiments/regimes/charts.ts";
import { containerNetwork } from "../networks/container-network.ts";
import { lowerOnnx, type SharedSize } from "../networks/lower-onnx.ts";
import { networkToOnnx, regimeOfOnnx } from "../networks/regimes.ts";
import { reluNetwork } from "../networks/relu-network.ts";
import { readOnnx } from "../onnx/index.ts";
import {
  approximate,
  type DenseLayerJson,
  type DyadicNetwork,
  denseNetwork,
  evaluate,
  type FunctionSource,
  fromNumber,
  lowerPrecision,
  type NetworkJson,
  networkFromJson,
  networkToJson,
  type OutputGrid,
  type Recoding,
  type Regime,
  type RegimeOptions,
  regime,
  regimeCurve,
  resolveTarget,
  roundNetwork,
  STYLES,
  sliceNetwork,
  toNumber,
  uniformWidths,
} from "../regimes/index.ts";
import { readBytes, readJson, readModelFile, writeBytes } from "./files.ts";
import { printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { choice, integer, positive, UsageError } from "./usage.ts";

interface Options {
  width?: number;
  depth?: number;
  widths?: string | number;
  a?: number;
  b?: number;
  bits?: number;
  lipschitz?: number;
  exponent?: number;
  error?: number;
  budgetBits?: number;
  style?: string;
  memory?: string;
  recoding?: string;
  magnitude?: number;
  nonNegative?: boolean;
  round?: number;
  limit?: number;
  form?: string;
  output?: string;
  json?: boolean;
  svg?: string;
}

/** `bitbasis regimes classify|approximate|lower`. */
export function registerRegimes(command: Command): void {
  command
    .option("--width <n>", "classify: neurons of the widest layer")
    .option("--depth <n>", "classify: affine maps")
    .option("--widths <list>", "classify: widths from input to output, such as 1,64,64,1")
    .option("--a <n>", "classify: weights are at most 2^a (default 0)")
    .option("--b <n>", "classify: weights are multiples of 2^-b")
    .option("--bits <n>", "classify FILE.onnx: bits of a weight (default 8); lower: fractional bits wanted")
    .option("--lipschitz <K>", "approximate: Lipschitz or Hölder constant")
    .option("--exponent <alpha>", "approximate: Hölder exponent (default 1)")
    .option("--error <e>", "approximate: largest error allowed")
    .option("--budget-bits <n>", "approximate: largest memory allowed, in bits")
    .option("--style <name>", `approximate: auto, ${STYLES.join(", ")}`)
    .option("--memory <kind>", "approximate: dense or sparse (default dense)")
    .option("--recoding <name>", "lower: magnitude or signed digits (default magnitude)")
    .option("--magnitude <a>", "lower: weights of the result are at most 2^a (default 0)")
    .option("--non-negative", "lower: the inputs are never negative")
    .option("--limit <n>", "lower FILE.onnx: write convolutions out neuron by neuron, at most so many non-zero weights")
    .option("--form <name>", "lower FILE.onnx with convolutions: write it deeper or as slices (default deeper)")
    .option("--round <b>", "lower: first round all weights to multiples of 2^-b")
    .option("-o, --output <file>", "approximate, lower: write the network as .json or .onnx")
    .option("--json", "Print one JSON document")
    .option("--svg <file>", "Draw a chart")
    .example("bitbasis regimes classify --width 64 --depth 4 --a 1 --b 3")
    .example("bitbasis regimes classify model.onnx --bits 4 --svg curve.svg")
    .example("bitbasis regimes approximate samples.json --lipschitz 1 --error 0.01 -o network.json")
    .example("bitbasis regimes lower network.json --bits 1 -o lowered.onnx")
    .action(async (action: string, file: string | undefined, options: Options) => {
      const name = choice("action", action, ["classify", "approximate", "lower"] as const);
      if (name === "classify") await classify(file, options);
      else if (file === undefined) throw new UsageError(`regimes ${name} expected a file`);
      else await (name === "approximate" ? approximateFile(file, options) : lower(file, options));
    });
}

async function classify(file: string | undefined, options: Options): Promise<void> {
  let result: Regime;
  let a: number;
  let b: number;
  let grid: OutputGrid | undefined;
  if (file !== undefined) {
    const bits = options.bits === undefined ? 8 : integer("--bits", options.bits, 2, 64);
    for (const name of ["width", "depth", "widths", "a", "b"] as const)
      if (options[name] !== undefined) throw new UsageError(`--${name} is for sizes; ${file} has its own`);
    const { bytes, externalData } = await readModelFile(file);
    const found = regimeOfOnnx(bytes, { bits, externalData });
    ({ a, b, grid } = found);
    result = found;
  } else {
    if (options.b === undefined || (options.widths === undefined && options.width === undefined))
      throw new UsageError("regimes classify expected FILE.onnx, or --width and --depth, or --widths, and --b");
    a = options.a === undefined ? 0 : integer("--a", options.a, 0, 1024);
    b = integer("--b", options.b, 0, 1_000_000);
    result = regime({ ...sizes(options), a, b } as RegimeOptions);
  }
  if (options.svg !== undefined) {
    const most = Math.max(4 * result.bOver, 2 * b, 16);
    const precisions = [
      0,
      ...Array.from({ length: Math.ceil(4 * Math.log2(most)) + 1 }, (_, k) => Math.round(2 ** (k / 4))),
    ];
    const curve = regimeCurve(
      file === undefined ? widthsOf(options) : result.layers,
      a,
      [...new Set(precisions)],
      grid,
    );
    await draw(options.svg, [
      regimeChart(file === undefined ? "lower bounds and what is achievable" : basename(file), curve),
    ]);
  }
  if (options.json) return printJson({ ...result, a, b });
  const { bounds, achievable } = result;
  const rows: [string, string][] = [
    ["regime", result.regime],
    ["memory", `${Math.round(result.memoryBits)} bits (${result.parameters} weights of ${a + b + 1} bits)`],
    ["memory bound", exponential(bounds.memory)],
    ["VC bound", exponential(bounds.vc)],
    ["precision bound", bounds.precision === 0 ? "none" : exponential(bounds.precision)],
    [
      "achievable",
      achievable === undefined ? "" : `${exponential(achievable.error)} (${achievable.style}, b = ${achievable.b})`,
    ],
    ["starved below", `b = ${result.bUnder}`],
    [
      "saturated from",
      `b = ${result.bConstructive === undefined ? "" : `${result.bConstructive} (no construction gains) … `}${result.bOver} (proved)`,
    ],
  ];
  printText(
    `${rows
      .filter(([, value]) => value !== "")
      .map(([key, value]) => `${key.padEnd(15)} ${value}`)
      .join("\n")}\n\n${[result.advice, ...result.caveats].join("\n")}`,
  );
}

function sizes(options: Options): { widths: number[] } | { width: number; depth: number } {
  if (options.widths !== undefined) return { widths: widthsOf(options) };
  const width = integer("--width", options.width, 1, 1e9);
  return { width, depth: integer("--depth", options.depth, 1, 100_000) };
}

function widthsOf(options: Options): number[] {
  if (options.widths !== undefined)
    return String(options.widths)
      .split(",")
      .map((text) => integer("--widths", text, 1, 1e9));
  return [...uniformWidths(Number(options.width), Number(options.depth))];
}

async function approximateFile(file: string, options: Options): Promise<void> {
  const source = (await readJson(file)) as FunctionSource;
  const style = choice("--style", options.style ?? "auto", ["auto", ...STYLES] as const);
  const memory = choice("--memory", options.memory ?? "dense", ["dense", "sparse"] as const);
  if ((options.error === undefined) === (options.budgetBits === undefined))
    throw new UsageError("--error or --budget-bits expected, exactly one of them");
  const result = await withProgress((onProgress) =>
    approximate(source, {
      lipschitz: positive("--lipschitz", options.lipschitz),
      ...(options.exponent !== undefined && { exponent: positive("--exponent", options.exponent) }),
      ...(options.error !== undefined && { error: positive("--error", options.error) }),
      ...(options.budgetBits !== undefined && { budgetBits: positive("--budget-bits", options.budgetBits) }),
      style,
      memory,
      onProgress,
    }),
  );
  await save(options.output, result.network);
  if (options.svg !== undefined) {
    const target = resolve(source);
    const points = Array.from({ length: 513 }, (_, k) => ({
      x: k / 512,
      f: target(k),
      network: toNumber(evaluate(result.network, [fromNumber(k / 512)])[0]!),
    }));
    await draw(options.svg, [
      approximationChart(`${result.style}, 2^${result.cells} cells, error ≤ ${exponential(result.supError)}`, points),
    ]);
  }
  const { network, ...rest } = result;
  if (options.json)
    return printJson({
      ...rest,
      ...(options.output === undefined && { network: { inputs: 1, layers: networkToJson(network) } }),
    });
  printText(
    [
      `style     ${result.style}, 2^${result.cells} cells`,
      `error     at most ${exponential(result.supError)} (proved), ${exponential(result.measuredError)} at ${result.verified.points} points${result.verified.exhaustive ? ", all of the grid" : ""}`,
      `memory    ${result.size.denseMemory} bits, ${result.size.sparseMemory} without zeros`,
      `network   depth ${result.size.depth}, width ${result.size.width}, weights up to 2^${result.size.a} in steps of 2^-${result.size.b}`,
    ].join("\n"),
  );
}

/** Values at k/512 of samples or breakpoints that have been checked. */
function resolve(source: FunctionSource): (k: number) => number {
  const target = resolveTarget(source);
  return (k) => toNumber(target.at(k, 9));
}

async function lower(file: string, options: Options): Promise<void> {
  const bits = integer("--bits", options.bits, 1, 30);
  const limit = options.limit === undefined ? undefined : integer("--limit", options.limit, 1, 2 ** 26);
  if (file.endsWith(".onnx") && limit === undefined) {
    const { bytes, externalData } = await readModelFile(file);
    if (readOnnx(bytes, { externalData }).nodes.some(({ op }) => op === "Conv"))
      return lowerConvolutions(file, { bytes, externalData }, options);
  }
  const given = await readNetwork(file, limit);
  const { network: original, largestChange } =
    options.round === undefined
      ? { network: given, largestChange: 0 }
      : roundNetwork(given, integer("--round", options.round, 1, 60));
  const recoding: Recoding = choice("--recoding", options.recoding ?? "magnitude", ["magnitude", "signed"] as const);
  const settings = {
    recoding,
    nonNegativeInputs: options.nonNegative ?? false,
    magnitude: options.magnitude === undefined ? 0 : integer("--magnitude", options.magnitude, 0, 30),
  };
  const lowered = await lowerPrecision(original, bits, settings);
  const sliced = sliceNetwork(original, bits, recoding);
  await save(options.output, lowered.network);
  if (options.svg !== undefined) {
    const rows = [];
    for (let g = 1; g < Math.min(lowered.original.b, 9); g++) {
      const { ratio } = await lowerPrecision(original, g, settings);
      const slices = sliceNetwork(original, g, recoding);
      rows.push(
        { bits: g, ratio: ratio.sparse, form: "deeper, zeros not stored" },
        { bits: g, ratio: ratio.dense, form: "deeper, zeros stored" },
        { bits: g, ratio: slices.sparseMemory / lowered.original.sparseMemory, form: "digit slices, zeros not stored" },
        { bits: g, ratio: slices.denseMemory / lowered.original.denseMemory, form: "digit slices, zeros stored" },
      );
    }
    await draw(options.svg, [lowerChart(`${basename(file)}: memory after lowering`, rows)]);
  }
  const slices = {
    nonZero: sliced.nonZero,
    sparseMemory: sliced.sparseMemory,
    denseMemory: sliced.denseMemory,
    depth: sliced.depth,
    shifts: sliced.shifts,
  };
  const { network, ...receipt } = lowered;
  if (options.json)
    return printJson({
      ...receipt,
      slices,
      largestChange,
      ...(options.output === undefined && { network: { inputs: network.inputs, layers: networkToJson(network) } }),
    });
  const { original: before } = lowered;
  const rows = [
    [
      "original",
      before.depth,
      before.width,
      before.a,
      before.b,
      before.nonZero,
      before.sparseMemory,
      before.denseMemory,
    ],
    [
      "deeper",
      lowered.depth,
      lowered.width,
      lowered.a,
      lowered.b,
      lowered.nonZero,
      lowered.sparseMemory,
      lowered.denseMemory,
    ],
    ["digit slices", slices.depth, before.width, "", bits, slices.nonZero, slices.sparseMemory, slices.denseMemory],
  ];
  const text = table(["form", "depth", "width", "a", "b", "non-zeros", "sparse bits", "dense bits"], rows);
  const rounding = roundingText(options.round, largestChange);
  printText(`${text}${rounding}\nequal for all real inputs, proved layer by layer`);
}

type Model = Pick<Awaited<ReturnType<typeof readModelFile>>, "bytes" | "externalData">;

/** Convolutions stay convolutions. */
async function lowerConvolutions(file: string, { bytes, externalData }: Model, options: Options): Promise<void> {
  const bits = integer("--bits", options.bits, 1, 23);
  const form = choice("--form", options.form ?? "deeper", ["deeper", "slices"] as const);
  const recoding: Recoding = choice("--recoding", options.recoding ?? "magnitude", ["magnitude", "signed"] as const);
  const round = options.round === undefined ? {} : { round: integer("--round", options.round, 0, 23) };
  const lowered = lowerOnnx(bytes, { bits, form, recoding, externalData, ...round });
  if (options.output !== undefined) await writeBytes(options.output, lowered.onnx);
  if (options.svg !== undefined) {
    const rows = [];
    for (let g = 1; g < Math.min(lowered.original.b, 9); g++) {
      const { original, ...size } = lowerOnnx(bytes, { bits: g, recoding, externalData, ...round });
      rows.push(
        { bits: g, ratio: size.sparseMemory / original.sparseMemory, form: "zeros not stored" },
        { bits: g, ratio: size.denseMemory / original.denseMemory, form: "zeros stored" },
      );
    }
    await draw(options.svg, [lowerChart(`${basename(file)}: memory after lowering`, rows)]);
  }
  const { onnx: _, ...figures } = lowered;
  if (options.json) return printJson(figures);
  const row = (name: string, size: SharedSize) => [
    ...[name, size.depth, size.a, size.b, size.nonZero, size.sparseMemory, size.denseMemory, size.products],
  ];
  const header = ["form", "depth", "a", "b", "non-zeros", "sparse bits", "dense bits", "products"];
  const text = table(header, [row("original", lowered.original), row(form, lowered)]);
  printText(
    `${text}${roundingText(options.round, lowered.largestChange)}\nequal for all real inputs, proved layer by layer`,
  );
}

function roundingText(round: number | undefined, largestChange: number): string {
  return round === undefined
    ? ""
    : `\nrounded to multiples of 2^-${round} first: no weight moved by more than ${largestChange}`;
}

/** A network from .json (what `--output` writes, or [{ weights, bias }]), .onnx or a quantized container. */
async function readNetwork(file: string, limit: number | undefined): Promise<DyadicNetwork> {
  if (file.endsWith(".onnx")) {
    const { bytes, externalData } = await readModelFile(file);
    return reluNetwork(bytes, { externalData, ...(limit === undefined ? {} : { limit }) });
  }
  if (file.endsWith(".safetensors")) return containerNetwork(await readBytes(file));
  const json = (await readJson(file)) as readonly DenseLayerJson[] | { inputs: number; layers: NetworkJson };
  if (typeof json !== "object" || json === null)
    throw new UsageError(`${file} expected layers [{ weights, bias }], or what --output writes, got ${String(json)}`);
  return "layers" in json ? networkFromJson(json.layers, json.inputs) : denseNetwork(json);
}

async function save(output: string | undefined, network: DyadicNetwork): Promise<void> {
  if (output === undefined) return;
  const bytes = output.endsWith(".onnx")
    ? networkToOnnx(network)
    : new TextEncoder().encode(`${JSON.stringify({ inputs: network.inputs, layers: networkToJson(network) })}\n`);
  await writeBytes(output, bytes);
}

async function draw(file: string, charts: Parameters<typeof plot>[0]): Promise<void> {
  await writeBytes(file, new TextEncoder().encode(await plot(charts)));
}

function exponential(value: number): string {
  return value === 0 ? "0" : value.toPrecision(4);
}
