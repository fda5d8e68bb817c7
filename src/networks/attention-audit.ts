import { integerIn } from "../attention/checks.ts";
import type { SensitivityRow } from "../attention/index.ts";
import { createWorkbench, type Workbench } from "../attention/kernels.ts";
import { KeySet } from "../attention/keys.ts";
import { sensitivityOn } from "../attention/sensitivity.ts";
import { checkInteger, checkList, checkOptions, checkPace, shown } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import { type ExternalData, readOnnx, writeOnnx } from "../onnx/index.ts";
import { activationWidth, PRESETS, type Preset, presetDefault } from "../series/index.ts";
import { InferenceSession } from "../session/session.ts";
import type { Tensor } from "../tensor/index.ts";
import { type AttentionBlock, findAttention } from "./attention-blocks.ts";
import { captureGraph } from "./attention-capture.ts";
import { type HeadSample, splitHeads } from "./attention-heads.ts";
import { generateSample } from "./attention-samples.ts";
import { type Shift, softmaxShift } from "./attention-shift.ts";

/** Presets that round attention's operands. */
export type AuditPreset = Exclude<Preset, "float32">;
/** All presets but `float32`. */
export const AUDIT_PRESETS: readonly AuditPreset[] = PRESETS.filter((preset) => preset !== "float32");

/** Agreement that counts as "the same attention". */
export const AGREEMENT = 0.99;

/** What `audit` runs the network on, and what it looks at. */
export interface AuditOptions {
  /** Inputs to run the network on; generated ones when absent. */
  readonly samples?: Iterable<Readonly<Record<string, Tensor>>>;
  /** Shapes of generated inputs, by name. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** How many inputs to generate, 1..10,000, default 4. All are made before the first is run. */
  readonly generate?: number;
  /** Of the generated inputs, 0..2^32 − 1: the same seed gives the same inputs. Default 0. */
  readonly seed?: number;
  /** Bit widths to look at, 2…16, default 2…12; the preset's is added. */
  readonly bits?: readonly number[];
  /** The preset to compare with, default `faithful`. */
  readonly preset?: AuditPreset;
  /** ONNX external data by location. */
  readonly externalData?: ExternalData;
  /** Rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Called in the phase `capture` with samples run, and in the phase `audit` with blocks of samples looked at. */
  readonly onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/** One bit width for one head, over all sequences of all samples. */
export interface AuditRow {
  /** Bits of a key and of a query, sign included. */
  readonly bits: number;
  /** Pairs of different tokens of one sequence whose keys have become equal. */
  readonly lost: number;
  /** Fraction of queries that still prefer, strictly, the key that they prefer in float32. */
  readonly agreement: number;
  /** Fraction of queries for which that is proved from the float32 scores. */
  readonly certified: number;
  /**
   * How far the softmax moves: total variation distance from float32, mean over queries and worst, 0…1. Near-ties that flip count for what they weigh. Absent
   * where the network does not tell the scale of its scores.
   */
  readonly variation?: number;
  /** Of the query that moves most, 0…1. */
  readonly worstVariation?: number;
  /** Error of the head's output from that alone, relative to the output (root of mean squares). */
  readonly outputError?: number;
}

/** What was found about one head, over all sequences of all samples. */
export interface AuditHead {
  /** Position of the block in the network, and of the head in the block. */
  readonly layer: number;
  /** From 0. */
  readonly head: number;
  /** d, numbers in a key. */
  readonly width: number;
  /** Sequences looked at, and the shortest and longest of them. */
  readonly sequences: number;
  /** Keys of the shortest sequence, and of the longest. */
  readonly tokens: readonly [number, number];
  /** Queries looked at, over all sequences. */
  readonly queries: number;
  /** Pairs of different tokens of one sequence. */
  readonly pairs: number;
  /** One per bit width, ascending. */
  readonly rows: readonly AuditRow[];
  /** The largest of the bit widths at which unequal tokens become equal; absent when none does. */
  readonly blurredUpTo?: number;
  /** The least from which on none does; absent when the widest does. */
  readonly safeBits?: number;
  /** From here on none can, by the least distance of the keys seen. */
  readonly provedBits?: number;
  /** The least bit width from which on at least 99 % of the queries prefer the same key; absent when the widest does not. */
  readonly agreementBits?: number;
  /** Under the preset: `keeps`; `blurs`: unequal tokens become equal; `shifts`: more than 1 % of the queries prefer another key. */
  readonly verdict: "keeps" | "blurs" | "shifts";
}

/** One softmax attention of the network, with its heads. */
export interface AuditBlock {
  /** Position of the block in the network, from 0. */
  readonly layer: number;
  /** Of the softmax's node, or of the fused operator's. */
  readonly name: string;
  /** ONNX operators that make it up, in order. */
  readonly operators: readonly string[];
  /** Whether queries may not see all keys. */
  readonly masked: boolean;
  /** Those that could be looked at, in order. */
  readonly heads: readonly AuditHead[];
  /** Why a block has fewer heads than the network: keys that are all zero, or sequences of one token. */
  readonly note?: string;
}

/** What `audit` found. */
export interface Audit {
  /** One sentence: what was found on what. */
  readonly summary: string;
  /** The inputs were made up, not given: their tokens differ more than real ones do, and the widths are 2 to 3 bits too optimistic. */
  readonly generated: boolean;
  /** Samples in all inputs: the sizes of their batches. */
  readonly samples: number;
  /** The preset that verdicts are about. */
  readonly preset: AuditPreset;
  /** Bits of an activation under it. */
  readonly presetBits: number;
  /** Empty for a network without attention. */
  readonly blocks: readonly AuditBlock[];
}

/**
 * Finds the attention of a network, runs it in float32, and tells for every layer and head at how many bits unequal tokens become equal and queries
 * lose the key they prefer.
 *
 * Keys are quantized as `equalitySensitivity` does: symmetric, nearest, one scale per head and sequence; queries with one scale each. Scores are q·k alone: a relative
 * position bias added later is not seen, a mask is. What holds for the samples need not hold for other inputs; the safe widths are measured.
 *
 * @param onnx an ONNX model that a session can run
 * @throws BitbasisError of the session for a model that it cannot read or run; TypeError, RangeError for options; the reason of `signal`
 * @example
 * const { blocks } = await audit(await readFile("model.onnx"));
 * for (const { heads } of blocks) for (const h of heads) console.log(h.layer, h.head, h.safeBits, h.verdict);
 */
export async function audit(onnx: Uint8Array, options: AuditOptions = {}): Promise<Audit> {
  checkPace(options);
  for (const name of ["bits", "samples"] as const) if (options[name] !== undefined) checkList(name, options[name]);
  const { preset = "faithful", externalData, signal, onProgress } = options;
  if (!AUDIT_PRESETS.includes(preset))
    throw new RangeError(`"preset" expected ${AUDIT_PRESETS.join(", ")}, got ${shown(preset)}`);
  checkInteger("generate", options.generate ?? 4, 1, MOST_GENERATED);
  checkInteger("seed", options.seed ?? 0, 0, 2 ** 32 - 1);
  checkOptions(options.shapes ?? {}, "shapes");
  const plan = presetDefault(preset);
  const presetBits = activationWidth(plan);
  for (const b of options.bits ?? []) integerIn("bits", b, 2, 16);
  const bits = [...new Set([...(options.bits ?? [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), presetBits])].sort(
    (a, b) => a - b,
  );
  const graph = readOnnx(onnx, externalData === undefined ? {} : { externalData });
  const blocks = findAttention(graph);
  const samples = options.samples === undefined ? generated(graph, options) : [...options.samples];
  if (samples.length === 0) throw new RangeError('"samples" expected at least one, got none');
  const about = {
    generated: options.samples === undefined,
    samples: samples.reduce((sum, feeds) => sum + batchOf(feeds), 0),
    preset,
    presetBits,
  };
  if (blocks.length === 0) {
    return {
      summary: "The network has no attention: no MatMul, Softmax, MatMul of computed operands, and no fused Attention.",
      ...about,
      samples: 0,
      blocks: [],
    };
  }
  const session = await InferenceSession.create(writeOnnx(captureGraph(graph, captured(blocks))), {
    preset: "float32",
    ...(signal && { signal }),
  });
  const bench = await createWorkbench();
  const collected = blocks.map(() => new Map<number, Collector>());
  const notes = blocks.map(() => new Set<string>());
  try {
    for (const [index, feeds] of samples.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ phase: "capture", loaded: index, total: samples.length });
      const values = { ...feeds, ...(await session.run(feeds, signal ? { signal } : {})) };
      const batch = batchOf(feeds);
      for (const [layer, block] of blocks.entries()) {
        const weights = block.weights === undefined ? undefined : values[block.weights];
        const captured = block.values === undefined ? undefined : values[block.values];
        for (const sample of splitHeads(block, values[block.queries]!, values[block.keys]!, weights, captured, batch)) {
          const reason = unusable(sample);
          if (reason !== undefined) notes[layer]!.add(reason);
          else await collect(collected[layer]!, bench, block, sample, bits, signal);
        }
        onProgress?.({
          phase: "audit",
          loaded: index * blocks.length + layer + 1,
          total: samples.length * blocks.length,
        });
      }
    }
  } finally {
    await session.release();
  }
  const audited = blocks.map((block, layer) => ({
    layer,
    name: block.name,
    operators: block.operators,
    masked: block.masked,
    heads: [...collected[layer]!.values()].sort((a, b) => a.head - b.head).map((c) => summarize(c, layer, presetBits)),
    ...(notes[layer]!.size > 0 && { note: [...notes[layer]!].join("; ") }),
  }));
  return { summary: sentence(audited, about), ...about, blocks: audited };
}

/** First dimension of the inputs. */
function batchOf(feeds: Readonly<Record<string, Tensor>>): number {
  return Object.values(feeds)[0]?.dims[0] ?? 1;
}

/** Queries, keys, values, and the softmax where there is one. */
function captured(blocks: readonly AttentionBlock[]): ReadonlySet<string> {
  return new Set(blocks.flatMap((b) => [b.queries, b.keys, b.weights, b.values].filter((name) => name !== undefined)));
}

const MOST_GENERATED = 10_000;

function* seeds(options: AuditOptions): Generator<number> {
  for (let i = 0; i < (options.generate ?? 4); i++) yield (options.seed ?? 0) + 7919 * i;
}

function generated(graph: Graph, options: AuditOptions): Record<string, Tensor>[] {
  return Array.from(seeds(options), (seed) => generateSample(graph, options.shapes ?? {}, seed));
}

interface Collector {
  readonly head: number;
  readonly width: number;
  sequences: number;
  tokens: [number, number];
  queries: number;
  pairs: number;
  provedBits: number;
  readonly rows: Map<number, { lost: number; agreed: number; certified: number; shift?: Shift }>;
}

async function collect(
  heads: Map<number, Collector>,
  bench: Workbench,
  block: AttentionBlock,
  sample: HeadSample,
  bits: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { head, width, tokens, keys, mask } = sample;
  const queries = levelRows(sample.queries, width);
  const set = new KeySet(`keys of ${block.name}, head ${head}`, keys, tokens, width);
  const result = await sensitivityOn(bench, set, { queries, bits, ...(mask && { mask }), ...(signal && { signal }) });
  let c = heads.get(head);
  if (c === undefined) {
    c = { head, width, sequences: 0, tokens: [tokens, tokens], queries: 0, pairs: 0, provedBits: 2, rows: new Map() };
    heads.set(head, c);
  }
  c.sequences++;
  c.tokens = [Math.min(c.tokens[0], tokens), Math.max(c.tokens[1], tokens)];
  c.queries += result.queries;
  c.pairs += (tokens * (tokens - 1)) / 2 - result.duplicates;
  c.provedBits = Math.max(c.provedBits, result.provedBits ?? 2);
  for (const row of result.rows) add(c, row, result.queries, softmaxShift(sample, row.bits));
}

/**
 * Each row divided by its largest magnitude: a session quantizes each row of queries on its own, and a factor per query changes no preference.
 */
function levelRows(queries: Float32Array, width: number): Float32Array {
  const levelled = new Float32Array(queries.length);
  for (let at = 0; at < queries.length; at += width) {
    const largest = queries.subarray(at, at + width).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    if (largest === 0) continue;
    for (let c = at; c < at + width; c++) levelled[c] = queries[c]! / largest;
  }
  return levelled;
}

function add(c: Collector, row: SensitivityRow, queries: number, shift: Shift | undefined): void {
  const sums = c.rows.get(row.bits) ?? { lost: 0, agreed: 0, certified: 0 };
  if (shift !== undefined) {
    const { shift: own } = sums;
    sums.shift =
      own === undefined
        ? shift
        : {
            queries: own.queries + shift.queries,
            variation: own.variation + shift.variation,
            worst: Math.max(own.worst, shift.worst),
            error: own.error + shift.error,
            size: own.size + shift.size,
          };
  }
  sums.lost += row.lost;
  sums.agreed += Math.round(row.retrieval! * queries);
  sums.certified += Math.round(row.certified! * queries);
  c.rows.set(row.bits, sums);
}

function summarize(c: Collector, layer: number, presetBits: number): AuditHead {
  const rows = [...c.rows].map(([bits, { lost, agreed, certified, shift }]) => ({
    bits,
    lost,
    agreement: agreed / c.queries,
    certified: certified / c.queries,
    ...(shift && { variation: shift.variation / shift.queries, worstVariation: shift.worst }),
    ...(shift && shift.size > 0 && { outputError: Math.sqrt(shift.error / shift.size) }),
  }));
  const blurredUpTo = rows.findLast((row) => row.lost > 0)?.bits;
  const safeBits = blurredUpTo === undefined ? rows[0]!.bits : rows.find((row) => row.bits > blurredUpTo)?.bits;
  const shiftedUpTo = rows.findLast((row) => row.agreement < AGREEMENT)?.bits;
  const agreementBits = shiftedUpTo === undefined ? rows[0]!.bits : rows.find((row) => row.bits > shiftedUpTo)?.bits;
  const now = rows.find((row) => row.bits === presetBits)!;
  return {
    layer,
    head: c.head,
    width: c.width,
    sequences: c.sequences,
    tokens: c.tokens,
    queries: c.queries,
    pairs: c.pairs,
    rows,
    ...(blurredUpTo !== undefined && { blurredUpTo }),
    ...(safeBits !== undefined && { safeBits }),
    provedBits: c.provedBits,
    ...(agreementBits !== undefined && { agreementBits }),
    verdict: now.lost > 0 ? "blurs" : now.agreement < AGREEMENT ? "shifts" : "keeps",
  };
}

/** Why a sample says nothing about equality. */
function unusable({ tokens, keys, queries, head }: HeadSample): string | undefined {
  if (tokens < 2) return "sequences of one token have nothing to tell apart; give longer inputs";
  if (keys.every((v) => v === 0)) return `head ${head}: keys are all zero on some sample`;
  if (queries.every((v) => v === 0)) return `head ${head}: queries are all zero on some sample`;
  return undefined;
}

function sentence(
  blocks: readonly AuditBlock[],
  about: { generated: boolean; samples: number; preset: string; presetBits: number },
): string {
  const heads = blocks.flatMap((b) => b.heads);
  const count = (verdict: AuditHead["verdict"]) => heads.filter((h) => h.verdict === verdict).length;
  return (
    `${heads.length} heads in ${blocks.length} attention blocks, on ${about.samples} ${about.generated ? "generated" : "given"} sample${about.samples === 1 ? "" : "s"}: ` +
    `at the ${about.presetBits} bits of "${about.preset}" ${count("keeps")} keep, ${count("shifts")} shift, ${count("blurs")} blur.` +
    (about.generated ? " Generated inputs are optimistic: on real ones heads need 2 to 3 bits more." : "")
  );
}
