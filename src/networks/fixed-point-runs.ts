import { BitbasisError } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../onnx/index.ts";
import { type Feeds, signatureOf } from "../quantize/runner.ts";
import { InferenceSession } from "../session/session.ts";
import { type NumericData, sizeOf, Tensor } from "../tensor/index.ts";
import type { LayerFormat } from "./fixed-point-layers.ts";
import { FixedPointModel, type ModelLayer, type WrittenModel } from "./fixed-point-model.ts";

/** Samples of one run; formats that lose labels are mostly found out in the first. */
const BATCH = 16;
/** Elements of a layer's values that its scale is chosen by. */
const SEEN = 1 << 14;

/** How formats do on the samples. */
export interface FormatScore {
  /** Share of the label vectors that were looked at whose largest element is where it is in float32: of all where `kept`, else of at least 16. */
  readonly agreement: number;
  /** ‖y − f‖/‖f‖ over the outputs that were looked at, f in float32. */
  readonly error: number;
  /** At least the share that was asked for. */
  readonly kept: boolean;
}

interface Expected {
  readonly values: Float32Array;
  readonly labels: readonly number[];
}

/** Runs a network in fixed point on samples, beside itself in real numbers. */
export class FormatRuns {
  readonly layers: readonly ModelLayer[];
  /** Values of each layer in real numbers, after its activation, by key. */
  readonly values = new Map<string, Float32Array>();
  /** Label vectors in all samples. */
  labels = 0;
  private readonly real: WrittenModel;
  private readonly model: FixedPointModel;
  private readonly feeds: readonly Feeds[];
  private readonly expected: Expected[] = [];

  /** @param output whose labels count */
  constructor(
    graph: Graph,
    feeds: readonly Feeds[],
    private readonly output: string,
    private readonly signal: AbortSignal | undefined,
  ) {
    const free = graph.inputs.every(({ shape }) => typeof shape?.[0] === "string");
    this.feeds = free ? feeds.flatMap(cut) : feeds;
    if (new Set(feeds.map((one) => signatureOf(new Map([...one].map(([k, v]) => [k, row(v)]))))).size > 1)
      throw new RangeError('"samples" expected inputs of one shape, their batches apart');
    const shapes = Object.fromEntries([...this.feeds[0]!].map(([name, { dims }]) => [name, dims]));
    this.model = new FixedPointModel(graph, shapes);
    this.real = this.model.write();
    this.layers = this.real.layers;
  }

  /** Runs the samples in real numbers. */
  async reference(): Promise<void> {
    const kept = this.layers.map(({ key, value }) => ({ key, value }));
    const parts = new Map<string, Float32Array[]>(kept.map(({ key }) => [key, []]));
    await this.run(watched(this.real.graph, this.layers), (outputs, feeds) => {
      const { data, dims } = outputs[this.output]!;
      const values = data as Float32Array;
      if (values.length === 0) throw new RangeError('"samples" expected inputs that give labels, got empty outputs');
      if (!values.every(Number.isFinite)) throw new RangeError('"samples" expected inputs with finite outputs');
      this.expected.push({ values, labels: labelsOf(values, dims.at(-1) ?? 1) });
      for (const { key, value } of kept) {
        const tensor = outputs[value] ?? feeds.get(value)!;
        parts.get(key)!.push(thinned(tensor.data as Float32Array, SEEN / this.feeds.length));
      }
      return true;
    });
    for (const [key, list] of parts) this.values.set(key, Float32Array.from(list.flatMap((part) => [...part])));
    this.labels = this.expected.reduce((sum, { labels }) => sum + labels.length, 0);
  }

  /** @throws BitbasisError (`UNSUPPORTED`) where float32 does not compute the formats exactly */
  write(formats: ReadonlyMap<string, LayerFormat>): WrittenModel {
    return this.model.write(formats);
  }

  /** @returns undefined where the formats are not computed exactly; stops as soon as more labels are lost than may be */
  async score(formats: ReadonlyMap<string, LayerFormat>, asked: number): Promise<FormatScore | undefined> {
    let graph: Graph;
    try {
      ({ graph } = this.write(formats));
    } catch (error) {
      if (error instanceof BitbasisError && error.code === "UNSUPPORTED") return undefined;
      throw error;
    }
    const allowed = Math.floor((1 - asked) * this.labels + 1e-9);
    let [lost, missed, energy, seen] = [0, 0, 0, 0];
    await this.run(graph, (outputs, _, i) => {
      const { values, labels } = this.expected[i]!;
      const { data, dims } = outputs[this.output]!;
      const got = data as Float32Array;
      for (let k = 0; k < values.length; k++) {
        missed += (got[k]! - values[k]!) ** 2;
        energy += values[k]! ** 2;
      }
      labelsOf(got, dims.at(-1) ?? 1).forEach((label, k) => {
        if (label !== labels[k]) lost++;
      });
      seen += labels.length;
      return lost <= allowed || seen < BATCH;
    });
    return { agreement: 1 - lost / seen, error: Math.sqrt(missed / energy), kept: lost <= allowed };
  }

  /** Share of a layer's values that are ± M, by key, in the given formats. */
  async saturation(formats: ReadonlyMap<string, LayerFormat>): Promise<Map<string, number>> {
    const { graph, layers } = this.write(formats);
    const counts = new Map(layers.map(({ key }) => [key, { cut: 0, all: 0 }]));
    await this.run(watched(graph, layers), (outputs) => {
      for (const { key, value } of layers) {
        const m = 2 ** formats.get(key)!.p - 1;
        const count = counts.get(key)!;
        const { data } = outputs[value]!;
        for (const k of data as Float32Array) if (Math.abs(k) === m) count.cut++;
        count.all += data.length;
      }
      return true;
    });
    return new Map([...counts].map(([key, { cut, all }]) => [key, cut / Math.max(all, 1)]));
  }

  private async run(
    graph: Graph,
    each: (outputs: Record<string, Tensor>, feeds: Feeds, i: number) => boolean,
  ): Promise<void> {
    const paced = this.signal === undefined ? {} : { signal: this.signal };
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", ...paced });
    try {
      for (const [i, feeds] of this.feeds.entries())
        if (!each(await session.run(Object.fromEntries(feeds), paced), feeds, i)) return;
    } finally {
      await session.release();
    }
  }
}

/** The graph with the values of its layers as outputs too. */
function watched(graph: Graph, layers: readonly ModelLayer[]): Graph {
  const known = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const names = [...new Set(layers.map(({ value }) => value))].filter((name) => !known.has(name));
  const extra = names.map((name) => ({ name, type: "float32" as const, shape: undefined }));
  return { ...graph, outputs: [...graph.outputs, ...extra] };
}

/** Index of the largest of every vector; the first of equals. */
function labelsOf(values: Float32Array, width: number): number[] {
  return Array.from({ length: values.length / width }, (_, v) => {
    let best = v * width;
    for (let i = best + 1; i < (v + 1) * width; i++) if (values[i]! > values[best]!) best = i;
    return best - v * width;
  });
}

function thinned(values: Float32Array, most: number): Float32Array {
  const step = Math.max(1, Math.floor(values.length / most));
  return values.filter((_, i) => i % step === 0);
}

/** Batches of at most BATCH samples. */
function cut(feeds: Feeds): Feeds[] {
  const [count] = [...feeds.values()].map(({ dims }) => dims[0]!);
  if ([...feeds.values()].some(({ dims }) => dims[0] !== count)) return [feeds];
  return Array.from({ length: Math.ceil(count! / BATCH) }, (_, b) => {
    const [from, to] = [b * BATCH, Math.min((b + 1) * BATCH, count!)];
    return new Map([...feeds].map(([name, tensor]) => [name, rows(tensor, from, to)]));
  });
}

function rows(tensor: Tensor, from: number, to: number): Tensor {
  const { type, data, dims } = tensor;
  const size = sizeOf(dims.slice(1));
  const part = (data as NumericData).slice(from * size, to * size);
  return new Tensor(type as "float32", part as Float32Array, [to - from, ...dims.slice(1)]);
}

/** A tensor of the shape without its batch, for comparisons. */
function row(tensor: Tensor): Tensor {
  return rows(tensor, 0, Math.min(1, tensor.dims[0] ?? 0));
}
