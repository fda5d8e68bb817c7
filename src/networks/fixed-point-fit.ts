import { BitbasisError, checkBytes, checkInteger, checkPace, shown } from "../core/index.ts";
import { analyze, clamp, maximum, roundAway } from "../fixed-point/index.ts";
import { type ExternalData, ExternalFiles, readOnnx, writeOnnx } from "../onnx/index.ts";
import type { InputRange } from "../quantize/options.ts";
import { recordsFor, type Samples } from "../quantize/records.ts";
import type { LayerFormat } from "./fixed-point-layers.ts";
import { integerWeights, type ModelLayer, tableOf } from "./fixed-point-model.ts";
import { FormatRuns, type FormatScore } from "./fixed-point-runs.ts";

/** What formats are looked for, and on what they are tried. */
export interface FitOptions {
  /** Records of tensors, one per run; where the first dimension of the inputs is free, it counts samples. Default: 16 procedural records, which say little of real ones. */
  readonly samples?: Samples;
  /** `layer` (default): every layer has p and scales of its own. `one`: one p and one s for all numbers of the network, as in the theory. */
  readonly formats?: "layer" | "one";
  /** Share of the labels that is to stay, above 0 and at most 1; default 1. */
  readonly agreement?: number;
  /** Largest p that is tried, 1..14; default 12. */
  readonly maxP?: number;
  /** Least and largest value of procedural inputs, for all or by name. */
  readonly inputRange?: InputRange;
  /** ONNX external data by location. */
  readonly externalData?: ExternalData;
  /** Looked at within some 50 ms. */
  readonly signal?: AbortSignal;
  /** Called before each format that is tried: `loaded` is how many have been, `total` is the most there can be. */
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
}

/** The format of one layer, and what the network loses in it. */
export interface FitLayer extends LayerFormat {
  /** The node's name, or the input's. */
  readonly name: string;
  /** ONNX operator, or `input`. */
  readonly op: string;
  /** The activation behind it, where there is one. */
  readonly activation?: string;
  /** What sums are divided by: weightScale · the input's scale / scale. Layers with weights only. */
  readonly s?: number;
  /** Networks of this p, s and activation represent every function (`analyze`). Layers with weights only; it says nothing about the labels. */
  readonly universal?: boolean;
  /** Why, in one sentence. */
  readonly reason?: string;
  /** Number of weights; 0 for inputs and sums. */
  readonly weights: number;
  /** Share of weights that saturate, 0…1. */
  readonly saturatedWeights: number;
  /** Share of weights that are not 0 and round to 0, 0…1. */
  readonly lostWeights: number;
  /** Share of the layer's values that are ± M on the samples, 0…1. */
  readonly saturated: number;
}

/** The smallest formats that were found. */
export interface Fit {
  /** The labels stay, as many as were asked for; else these formats are the best of those tried. */
  readonly kept: boolean;
  /** Share of labels that are those of float32, 0…1. */
  readonly agreement: number;
  /** ‖y − f‖/‖f‖ of the outputs, f in float32. */
  readonly error: number;
  /** Largest p of a layer. */
  readonly p: number;
  /** Bits of all weights, signs included, in the formats of their layers. */
  readonly weightBits: number;
  /** Label vectors that were compared. */
  readonly labels: number;
  /** What they are labels of, for people. */
  readonly inputs: string;
  /** The inputs were made up, not given. */
  readonly generated: boolean;
  /** From the inputs to the outputs. */
  readonly layers: readonly FitLayer[];
  /** Formats that were tried: uniform ones, p ascending. */
  readonly tried: readonly {
    /** Bits of magnitude. */
    readonly p: number;
    /** Where all numbers have one. */
    readonly s?: number;
    /** Of the labels that were looked at: runs stop when too many are lost. */
    readonly agreement: number;
  }[];
  /** The network in these formats as ONNX, inputs and outputs in real units: the same bits and labels in any runtime, since all its sums are exact in float32. */
  readonly onnx: Uint8Array;
}

type Formats = ReadonlyMap<string, LayerFormat>;

interface Found {
  readonly formats: Formats;
  readonly score: FormatScore;
}

/** Largest s in one format for all, as an exponent: s(2^p + 1) stays below 2^24. */
const MAX_SHIFT = 12;
const RECORDS = 16;

/**
 * Finds the smallest fixed-point formats in which an MLP or CNN keeps its labels: integers of p bits and a sign, one rounding per neuron, powers of two as scales. Formats are tried from
 * p = 1 upwards, each by running the network in exact fixed-point arithmetic on the samples. With formats per layer, scales are those of least squared error of weights and values,
 * and once one p does for all, layers give up bits one by one, the largest first.
 *
 * @param onnx a network of Conv, Gemm, MatMul, sums, pooling, activation functions and what moves numbers, float32 in and out
 * @returns formats, losses by layer, and the network in them
 * @throws BitbasisError (`UNSUPPORTED`) for other operators, with their node; TypeError, RangeError for options and samples; the reason of `signal`
 * @example
 * const { p, layers, onnx: exact } = await fitFormats(onnx, { samples: [{ image }] });
 */
export async function fitFormats(onnx: Uint8Array, options: FitOptions = {}): Promise<Fit> {
  checkBytes("onnx", onnx);
  checkPace(options);
  const { formats = "layer", agreement = 1, maxP = 12, signal, externalData } = options;
  if (formats !== "layer" && formats !== "one")
    throw new RangeError(`"formats" expected "layer" or "one", got ${JSON.stringify(formats)}`);
  if (typeof agreement !== "number" || !(agreement > 0 && agreement <= 1))
    throw new RangeError(`"agreement" expected a number above 0 and at most 1, got ${shown(agreement)}`);
  checkInteger("maxP", maxP, 1, 14);
  const graph = readOnnx(onnx, { externalData: new ExternalFiles(externalData) });
  const output = graph.outputs[0];
  if (output?.type !== "float32" || graph.inputs.length === 0 || graph.inputs.some(({ type }) => type !== "float32"))
    throw new BitbasisError("UNSUPPORTED", "a fit expected inputs and a first output of float32");
  const records = recordsFor(graph, options, RECORDS);
  if (typeof records === "string") throw new BitbasisError("UNSUPPORTED", `the network cannot be fitted: ${records}`);
  const runs = new FormatRuns(graph, records.feeds, output.name, signal);
  await runs.reference();
  const search = new Search(runs, agreement, maxP, options);
  const { formats: best, score } = formats === "one" ? await search.one() : await search.layers();
  const layers = await describe(runs, best);
  return {
    ...score,
    p: Math.max(...layers.map(({ p }) => p)),
    weightBits: layers.reduce((sum, { weights, p }) => sum + weights * (p + 1), 0),
    labels: runs.labels,
    inputs: records.names,
    generated: !records.given,
    layers,
    tried: search.tried,
    onnx: writeOnnx(runs.write(best).graph),
  };
}

class Search {
  readonly tried: { p: number; s?: number; agreement: number }[] = [];
  private runsDone = 0;

  constructor(
    private readonly runs: FormatRuns,
    private readonly agreement: number,
    private readonly maxP: number,
    private readonly options: FitOptions,
  ) {}

  /** One p and s for all; the s of least error among those that do. */
  async one(): Promise<Found> {
    let best: Found | undefined;
    for (let p = 1; p <= this.maxP && best?.score.kept !== true; p++) {
      // Beyond 2M no neuron tells 0 from 1/s.
      for (let shift = 0; shift <= Math.min(p, MAX_SHIFT); shift++) {
        const s = 2 ** shift;
        const formats = new Map(this.runs.layers.map(({ key }) => [key, { p, weightScale: s, scale: s }]));
        best = better(best, await this.score(formats, { p, s }, this.maxP * MAX_SHIFT));
      }
    }
    return this.found(best);
  }

  /** The first p that does for all layers, then fewer bits where that is enough. */
  async layers(): Promise<Found> {
    const { layers } = this.runs;
    const total = this.maxP + layers.length * 2;
    let best: Found | undefined;
    for (let p = 1; p <= this.maxP && best?.score.kept !== true; p++) {
      const formats = new Map(layers.map((layer) => [layer.key, scalesFor(this.runs, layer, p)]));
      best = better(best, await this.score(formats, { p }, total));
    }
    let found = this.found(best);
    if (!found.score.kept) return found;
    const bySize = [...layers].sort((a, b) => sizeOfLayer(b) - sizeOfLayer(a));
    for (const layer of bySize) {
      for (;;) {
        const { p } = found.formats.get(layer.key)!;
        if (p === 1) break;
        const formats = new Map(found.formats).set(layer.key, scalesFor(this.runs, layer, p - 1));
        const narrower = await this.score(formats, undefined, total);
        if (narrower?.score.kept !== true) break;
        found = narrower;
      }
    }
    return found;
  }

  private async score(
    formats: Formats,
    uniform: { p: number; s?: number } | undefined,
    total: number,
  ): Promise<Found | undefined> {
    const { signal, onProgress } = this.options;
    signal?.throwIfAborted();
    onProgress?.({ phase: "fit", loaded: Math.min(this.runsDone++, total), total });
    const score = await this.runs.score(formats, this.agreement);
    if (score === undefined) return undefined;
    if (uniform !== undefined) this.tried.push({ ...uniform, agreement: score.agreement });
    return { formats, score };
  }

  private found(best: Found | undefined): Found {
    if (best !== undefined) return best;
    throw new BitbasisError("UNSUPPORTED", `float32 computes no format up to p = ${this.maxP} of this network exactly`);
  }
}

function better(a: Found | undefined, b: Found | undefined): Found | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.score.kept !== b.score.kept) return a.score.kept ? a : b;
  if (!a.score.kept && a.score.agreement !== b.score.agreement) return a.score.agreement > b.score.agreement ? a : b;
  return b.score.error < a.score.error ? b : a;
}

function sizeOfLayer({ linear }: ModelLayer): number {
  return linear?.weights.length ?? 0;
}

/** The scales of least squared error for weights and values of p bits. */
function scalesFor({ values }: FormatRuns, { key, linear }: ModelLayer, p: number): LayerFormat {
  return {
    p,
    weightScale: linear === undefined ? 1 : bestScale(linear.weights, p),
    scale: bestScale(values.get(key)!, p),
  };
}

/** The power of two s for which clamp(round(x·s))/s is nearest to x. */
function bestScale(numbers: Float32Array, p: number): number {
  const m = maximum(p);
  const most = numbers.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  if (!(most > 0)) return 1;
  let first = 1;
  while (most * first > m) first /= 2;
  while (2 * most * first <= m) first *= 2;
  let [best, least] = [first, Number.POSITIVE_INFINITY];
  // From the scale at which nothing saturates on; tails may be cut off, and few bits cut off more.
  for (let s = first; s <= 16 * first; s *= 2) {
    let error = 0;
    for (const x of numbers) error += (clamp(roundAway(x * s), m) / s - x) ** 2;
    if (error < least) [best, least] = [s, error];
  }
  return best;
}

async function describe(runs: FormatRuns, formats: Formats): Promise<FitLayer[]> {
  const saturation = await runs.saturation(formats);
  const layers: FitLayer[] = [];
  for (const { key, name, op, linear, activation, s } of runs.write(formats).layers) {
    const format = formats.get(key)!;
    const m = maximum(format.p);
    const weights = linear?.weights ?? new Float32Array();
    const rounded = integerWeights(weights, format);
    const share = (test: (w: number, i: number) => boolean): number =>
      weights.reduce((sum, w, i) => sum + (test(w, i) ? 1 : 0), 0) / Math.max(weights.length, 1);
    const verdict =
      s === undefined
        ? undefined
        : await analyze(
            activation === undefined ? "identity" : tableOf(activation.of, format.scale, m),
            format.p,
            Math.min(s, 2 ** 20),
          );
    layers.push({
      ...{ name, op, ...format, weights: weights.length },
      ...(activation && { activation: activation.name }),
      ...(s !== undefined && { s }),
      ...(verdict && { universal: verdict.universal, reason: verdict.reason }),
      saturatedWeights: share((w) => Math.abs(roundAway(w * format.weightScale)) > m),
      lostWeights: share((w, i) => w !== 0 && rounded[i] === 0),
      saturated: saturation.get(key)!,
    });
  }
  return layers;
}
