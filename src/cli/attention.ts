import { basename } from "node:path";
import type { Command } from "cac";
import {
  type AccumulatorModel,
  certify,
  equalitySensitivity,
  gamma,
  type Kind,
  type Positions,
  type Sensitivity,
  type SensitivityOptions,
  type TokenModel,
  verifyGamma,
} from "../attention/index.ts";
import { auditCharts, sensitivityCharts } from "../experiments/attention/charts.ts";
import { plot } from "../experiments/plot.ts";
import { AUDIT_PRESETS, type Audit, type AuditOptions, audit } from "../networks/attention-audit.ts";
import { gammaOnnx } from "../networks/attention-onnx.ts";
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { readJson, readModelFile, writeBytes } from "./files.ts";
import { type InputOptions, readFeeds } from "./inputs.ts";
import { readMatrix, streamMatrix } from "./matrix.ts";
import { printAside, printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { assignment, choice, integer, repeated, UsageError } from "./usage.ts";

interface Options extends InputOptions {
  readonly p?: unknown;
  readonly d?: unknown;
  readonly kind?: unknown;
  readonly positions?: unknown;
  readonly pair?: unknown;
  readonly samples?: unknown;
  readonly embeddingBits?: unknown;
  readonly output?: unknown;
  readonly queries?: unknown;
  readonly bits?: unknown;
  readonly granularity?: unknown;
  readonly score?: unknown;
  readonly collisionsOnly?: boolean;
  readonly stream?: boolean;
  readonly preset?: unknown;
  readonly json?: boolean;
  readonly svg?: unknown;
}

const ACTIONS = ["gamma", "certify", "sensitivity", "audit"] as const;

/** `bitbasis attention gamma|certify|sensitivity|audit`. */
export function registerAttention(command: Command): void {
  command
    .option("--p <n>", "gamma, certify: bits without the sign, 2..16")
    .option("--d <n>", "gamma, certify: width of embedding or value (default 1)")
    .option("--kind <kind>", "gamma, certify: token or accumulator (default token)")
    .option(
      "--positions <c>",
      "gamma, certify --kind accumulator: machines that know positions: free (none) or known (default free; certify: known)",
    )
    .option("--pair <i;j>", "gamma: show every intermediate for two symbols, such as --pair=-1,2;3,1")
    .option("--samples <n>", "gamma: verify on random pairs instead of all")
    .option("-o, --output <file>", "gamma: write the token layer as .onnx")
    .option("--embedding-bits <n>", "gamma: bits of the embeddings in that file (default p)")
    .option("--queries <file>", "sensitivity: .npy [m, d] (default the keys)")
    .option("--bits <list>", "sensitivity, audit: bit widths such as 2..12 or 4,8 (default 2..12)")
    .option("--granularity <g>", "sensitivity: tensor, channel or a group size (default tensor)")
    .option("--score <s>", "sensitivity: dot or nearest (default dot)")
    .option("--collisions-only", "sensitivity: leave out what takes time n·m")
    .option("--stream", "sensitivity: read the keys from disk as often as needed, never all at once")
    .option("--preset <P>", `audit: compare with ${AUDIT_PRESETS.join(", ")} (default faithful)`)
    .option("--input <NAME=FILE>", "audit: feed an input from .npy, .npz or raw elements (repeatable)")
    .option("--random <N>", "audit: generated inputs (default 4)")
    .option("--seed <S>", "audit: their seed", { default: 0 })
    .option("--shape <NAME=1,3,48,320>", "audit: their shape (repeatable)")
    .option("--json", "Print one JSON document")
    .option("--svg <file>", "sensitivity, audit: draw a chart")
    .example("bitbasis attention gamma --p 3 --d 2")
    .example("bitbasis attention certify embedding.json --p 2 --d 1")
    .example("bitbasis attention sensitivity keys.npy --svg curve.svg")
    .example("bitbasis attention audit model.onnx --preset fast")
    .action(async (action: string, file: string | undefined, options: Options) => {
      const name = choice("action", action, ACTIONS);
      if (name === "gamma" && file !== undefined)
        throw new UsageError(`attention gamma expected options only, got ${file}`);
      if (name === "gamma") return gammaAction(options);
      if (file === undefined) throw new UsageError(`attention ${name} expected a file`);
      if (name === "certify") return certifyAction(file, options);
      if (name === "sensitivity") return sensitivityAction(file, options);
      return auditAction(file, options);
    });
}

/** Counts beyond 2^53 exist: in JSON all of them are strings. */
function printPlain(value: unknown): void {
  printJson(JSON.parse(JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? v.toString() : v))));
}

function sizes(options: Options, positions: Positions): { p: number; d: number; kind: Kind; positions: Positions } {
  return {
    p: integer("--p", options.p, 2, 16),
    d: integer("--d", options.d ?? 1, 1, 64),
    kind: choice<Kind>("--kind", options.kind ?? "token", ["token", "accumulator"]),
    positions: choice<Positions>("--positions", options.positions ?? positions, ["free", "known"]),
  };
}

async function gammaAction(options: Options): Promise<void> {
  const { p, d, kind, positions } = sizes(options, "free");
  const g = gamma(p, d, { kind, positions });
  if (options.output !== undefined) {
    if (kind !== "token") throw new UsageError("--output expected --kind token");
    const embeddingBits = integer("--embedding-bits", options.embeddingBits ?? p, 1, p);
    await writeBytes(String(options.output), gammaOnnx(p, d, { embeddingBits }));
  }
  const size = g.kind === "token" ? g.alphabet : g.rows;
  const samples = options.samples === undefined ? undefined : integer("--samples", options.samples, 1, 2 ** 26);
  const verified =
    samples === undefined && size * size > 2n ** 26n
      ? undefined
      : verifyGamma(g, samples === undefined ? {} : { samples });
  let trace: unknown;
  if (options.pair !== undefined) {
    const [i, j] = points(String(options.pair), d, 2 ** p - 1);
    trace = g.kind === "token" ? g.evaluate(i, j) : g.evaluate(g.word(i), g.word(j));
  }
  if (options.json) return printPlain({ ...g, verified: verified ?? null, ...(trace !== undefined && { trace }) });
  const below =
    g.kind === "token"
      ? `${g.capacityBelow} embeddings with ${p - 1} bits: at least ${g.leastWrongBelow} of ${size * size} answers wrong, whatever follows them`
      : g.separates
        ? `${g.statesBelow} states with ${p - 1} bits: at least ${g.leastWrongBelow} of ${size * size} answers wrong, whatever reads them`
        : `${g.statesBelow} states with ${p - 1} bits: no separation at this d, see below`;
  const checked =
    verified === undefined
      ? "not verified here: too many pairs; give --samples"
      : `${verified.wrong} wrong of ${verified.pairs} ${samples === undefined ? "pairs, all there are" : "random pairs"}`;
  printText(
    [g.definition, "", `with p = ${p} bits      ${checked}`, `with p - 1 bits    ${below}`, "", g.caveat].join("\n") +
      (trace === undefined ? "" : `\n\n${JSON.stringify(trace, null, 2)}`),
  );
}

/** `1,-2;1,3` as two vectors. */
function points(text: string, d: number, most: number): [number[], number[]] {
  const vectors = text.split(";").map((part) => part.split(",").map((v) => integer("--pair", v, -most, most)));
  if (vectors.length !== 2 || vectors.some((v) => v.length !== d)) {
    throw new UsageError(
      `--pair expected two vectors of ${d} numbers, such as ${Array(d).fill(1)};${Array(d).fill(2)}, got ${text}`,
    );
  }
  return vectors as [number[], number[]];
}

async function certifyAction(file: string, options: Options): Promise<void> {
  const { p, d, kind, positions } = sizes(options, "known");
  const model = await readJson(file);
  if (typeof model !== "object" || model === null)
    throw new UsageError(`${file} expected an object with "embedding" or "update"`);
  const c = certify(model as TokenModel | AccumulatorModel, { p, d, kind, positions });
  if (options.json) return printPlain(c);
  const found =
    c.collision === undefined
      ? "No two inputs collide in this model."
      : "symbols" in c.collision
        ? `Symbols ${c.collision.first} (${c.collision.symbols[0]}) and ${c.collision.second} (${c.collision.symbols[1]}) share the code (${c.collision.code}).`
        : `After x = ${spell(c.collision.x)} and x' = ${spell(c.collision.other)} the state is the same; y = ${spell(c.collision.y)} tells them apart.`;
  printText(
    [
      found,
      `This model answers at least ${c.wrong} inputs wrongly; every model of its class${"positions" in c ? ` (positions: ${c.positions})` : ""} at least ${c.leastWrong}.`,
      "",
      ...c.argument,
      "",
      c.caveat,
    ].join("\n"),
  );
}

function spell(tokens: readonly { readonly axis: number; readonly sign: number }[]): string {
  return tokens.length === 0 ? "(nothing)" : tokens.map((t) => `${t.sign > 0 ? "+" : "-"}e${t.axis + 1}`).join(" ");
}

async function sensitivityAction(file: string, options: Options): Promise<void> {
  if (options.stream && options.queries === undefined && !options.collisionsOnly)
    throw new UsageError("--stream expected --queries FILE or --collisions-only beside it");
  const keys = options.stream ? await streamMatrix(file) : await readMatrix(file);
  const queries = options.queries === undefined ? undefined : await readMatrix(String(options.queries));
  if (queries !== undefined && queries.d !== keys.d) {
    throw new UsageError(`--queries expected rows of ${keys.d} numbers as the keys have, got ${queries.d}`);
  }
  const settings: SensitivityOptions = {
    bits: bitWidths(options.bits),
    granularity: granularity(options.granularity),
    score: choice("--score", options.score ?? "dot", ["dot", "nearest"] as const),
    retrieval: !options.collisionsOnly,
    ...(queries && { queries: queries.data }),
  };
  const result = await withProgress((onProgress) =>
    equalitySensitivity(keys.data, [keys.n, keys.d], { ...settings, onProgress }),
  );
  if (options.svg !== undefined) await draw(String(options.svg), sensitivityCharts(basename(file), result));
  if (options.json) return printJson(result);
  printText(sensitivityText(result));
}

function granularity(value: unknown): SensitivityOptions["granularity"] & {} {
  if (value === undefined || value === "tensor") return "tensor";
  if (value === "channel") return "channel";
  return { group: integer("--granularity", value, 1, 65536) };
}

/** `2..12`, `4,8` or `8`. */
function bitWidths(value: unknown): number[] {
  const text = String(value ?? "2..12");
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  const list = range === null ? text.split(",") : [range[1]!, range[2]!];
  const bits = list.map((b) => integer("--bits", b, 2, 16));
  if (range === null) return bits;
  if (bits[0]! > bits[1]!) throw new UsageError(`--bits expected LEAST..MOST, got ${text}`);
  return Array.from({ length: bits[1]! - bits[0]! + 1 }, (_, i) => bits[0]! + i);
}

function percent(fraction: number | undefined): string {
  return fraction === undefined ? "" : `${(100 * fraction).toFixed(1)}%`;
}

function sensitivityText(s: Sensitivity): string {
  const deep = s.rows.some((row) => row.retrieval !== undefined);
  const rows = s.rows.map((r) => [
    r.bits,
    r.lost,
    r.distinct,
    ...(deep ? [percent(r.retrieval), percent(r.softmax), percent(r.certified)] : []),
    r.firstPairs.map(([i, j]) => `${i}=${j}`).join(" "),
  ]);
  const header = [
    "bits",
    "lost pairs",
    "distinct",
    ...(deep ? ["retrieved", "softmax > 1/2", "certified"] : []),
    "first",
  ];
  const safe =
    s.safeBits === undefined
      ? "No width of these is safe: the widest still makes different keys equal."
      : `From ${s.safeBits} bits on no two different keys become equal${s.provedBits === undefined ? "" : `; proved from ${s.provedBits} bits on`}.`;
  const notes = [
    `${s.keys} keys of width ${s.width}, ${s.queries} queries, granularity ${JSON.stringify(s.granularity)}, score ${s.score}`,
    ...(s.unquantized === undefined
      ? []
      : [`${percent(s.unquantized)} of the queries find their key by q·k before any quantization`]),
    ...(s.duplicates > 0 ? [`${s.duplicates} pairs are equal as given: no width tells them apart`] : []),
    ...(s.zeroKeys > 0 ? [`${s.zeroKeys} keys are all zero: q·k never prefers them`] : []),
  ];
  return `${notes.join("\n")}\n\n${table(header, rows)}\n\n${safe}`;
}

async function auditAction(file: string, options: Options): Promise<void> {
  const { bytes: onnx, externalData } = await readModelFile(file);
  const preset = choice("--preset", options.preset ?? "faithful", AUDIT_PRESETS);
  const settings = {
    ...{ preset, externalData, bits: bitWidths(options.bits) },
    ...(options.input === undefined
      ? generation(options)
      : { samples: await readSamples(onnx, externalData, options) }),
  };
  const result = await withProgress((onProgress) => audit(onnx, { ...settings, onProgress }));
  if (options.svg !== undefined && result.blocks.length === 0)
    printAside("bitbasis: no attention, so there is nothing to draw");
  else if (options.svg !== undefined) await draw(String(options.svg), auditCharts(basename(file), result));
  if (options.json) return printJson(result);
  printText(auditText(result));
}

/** Given inputs; those that are not given come from --random. */
function readSamples(
  onnx: Uint8Array,
  externalData: ExternalData,
  options: Options,
): Promise<Record<string, Tensor>[]> {
  const inputs = readOnnx(onnx, { externalData }).inputs.map(({ name, type, shape = [] }) => ({
    name,
    isTensor: true,
    type,
    shape,
  }));
  return readFeeds(inputs, options);
}

function generation(options: Options): Pick<AuditOptions, "generate" | "seed" | "shapes"> {
  const shapes = repeated(options.shape).map((text) => {
    const [name, dims] = assignment("--shape", text);
    return [name, dims.split(/[,x]/).map((d) => integer("--shape", d, 1, 2 ** 31 - 1))] as const;
  });
  return {
    generate: integer("--random", options.random ?? 4, 1, 100_000),
    seed: integer("--seed", options.seed ?? 0, 0, 2 ** 32 - 1),
    shapes: Object.fromEntries(shapes),
  };
}

function auditText(result: Audit): string {
  if (result.blocks.length === 0) return result.summary;
  const bits = result.presetBits;
  const rows = result.blocks.flatMap((block) =>
    block.heads.map((h) => {
      const now = h.rows.find((row) => row.bits === bits)!;
      return [
        `${h.layer}.${h.head}`,
        h.tokens[0] === h.tokens[1] ? h.tokens[0] : `${h.tokens[0]}-${h.tokens[1]}`,
        h.width,
        h.blurredUpTo ?? "-",
        h.safeBits ?? "none",
        h.provedBits ?? "",
        h.agreementBits ?? "none",
        now.lost,
        percent(now.agreement),
        percent(now.variation),
        percent(now.outputError),
        h.verdict,
      ];
    }),
  );
  const header = [
    "layer.head",
    "tokens",
    "width",
    "blurs up to",
    "safe from",
    "proved from",
    "agrees from",
    `lost at ${bits}`,
    `agrees at ${bits}`,
    "softmax moves",
    "output error",
    "verdict",
  ];
  const layers = result.blocks.map(
    (b) =>
      `layer ${b.layer}: ${b.name} (${b.operators.join(", ")})${b.masked ? ", masked" : ""}${b.note === undefined ? "" : `; ${b.note}`}`,
  );
  return [
    result.summary,
    "",
    ...layers,
    "",
    ...(rows.length > 0 ? [table(header, rows), ""] : []),
    'Bits: "blurs up to" is the widest at which different tokens of a sequence become equal; "agrees from" the least from which on',
    '99 % of the queries prefer the same key as in float32. Measured on these inputs; "proved" by the distances of the keys seen.',
    `"softmax moves": mean total variation of the attention weights at ${bits} bits; "output error": what that alone does to the head's output, relative.`,
  ].join("\n");
}

async function draw(path: string, charts: Parameters<typeof plot>[0]): Promise<void> {
  await writeBytes(path, new TextEncoder().encode(await plot(charts)));
}
