import { BitbasisError, checkBytes, checkOptions, isRecord, now, wrongKind, yieldToEventLoop } from "../core/index.ts";
import type { ExternalData } from "../onnx/index.ts";
import { checkPreset, checkQuantizeOptions, quantize } from "../quantize/index.ts";
import { checkPlan, type Plan, type Preset } from "../series/index.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";
import type { SessionOptions } from "./options.ts";
import { InferenceSession } from "./session.ts";

/** How far one output under one preset, plan or container is from float32. */
export interface Comparison {
  /** The preset, or the name that a plan or container was given. */
  readonly preset: string;
  /** Name of the output. */
  readonly output: string;
  /** Samples compared: entries along the first axis of outputs of rank ≥ 2, else runs. */
  readonly samples: number;
  /** Least cosine over the samples. */
  readonly cosineMin: number;
  /** Largest max|a − b| / max|b| of a run, b being float32. */
  readonly maxDifference: number;
  /** Share of vectors along the last axis whose largest element is at the same place; for outputs of rank ≥ 2. */
  readonly top1Agreement?: number;
  /** Size of the container. */
  readonly bytes: number;
  /** Median time of a run. */
  readonly milliseconds: number;
}

/** What is compared, and within which limits. */
export interface CompareOptions {
  /** Default: faithful, fast, compact; none beside plans or containers. */
  readonly presets?: readonly Preset[];
  /** Plans to compare too, by a name for the row. */
  readonly plans?: Readonly<Record<string, Plan>>;
  /** Containers of the same network to compare too, by a name for the row. */
  readonly containers?: Readonly<Record<string, Uint8Array>>;
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
  /** As `SessionOptions.limits`, of every session that is compared. */
  readonly limits?: SessionOptions["limits"];
  /** Looked at all the way: while quantizing, and within some 50 ms in a run. */
  readonly signal?: AbortSignal;
  /** Called after every run: `loaded` of `total` of all runs of all rows are done. */
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
}

/**
 * Compares presets, plans and containers with the network's own float32 on the given feeds.
 *
 * @param onnx - the FP32 network
 * @param feeds - one record of tensors per run
 * @returns a row per preset and output
 * @throws as `InferenceSession.create` and `run`, and `quantize`
 * @example
 * for (const row of await compare(onnx, [{ image }])) console.log(row.preset, row.cosineMin);
 */
export async function compare(
  onnx: Uint8Array,
  feeds: Iterable<Readonly<Record<string, Tensor>>>,
  options: CompareOptions = {},
): Promise<Comparison[]> {
  checkBytes("onnx", onnx);
  checkOptions(options);
  const { plans = {}, containers = {}, externalData, limits, signal, onProgress } = options;
  for (const [name, one] of Object.entries({ plans, containers }))
    if (!isRecord(one)) throw wrongKind(name, "a record by name", one);
  const alone = Object.keys({ ...plans, ...containers }).length === 0;
  const { presets = alone ? (["faithful", "fast", "compact"] as const) : [] } = options;
  checkQuantizeOptions({ externalData, signal, onProgress });
  if (!Array.isArray(presets)) throw wrongKind("presets", "a list of presets", presets);
  for (const [i, preset] of presets.entries()) checkPreset(`presets[${i}]`, preset);
  for (const plan of Object.values(plans)) checkPlan(plan);
  for (const [name, bytes] of Object.entries(containers)) checkBytes(`containers.${name}`, bytes);
  if (!isRecord(feeds) && !Array.isArray(feeds)) throw wrongKind("feeds", "records of tensors", feeds);
  if (typeof feeds[Symbol.iterator] !== "function")
    throw new TypeError('"feeds" expected a list of records of tensors, one per run, got one object');
  const runs = [...feeds];
  const load = {
    ...(externalData !== undefined && { externalData }),
    ...(limits !== undefined && { limits }),
    ...(signal !== undefined && { signal }),
  };
  const reference = await InferenceSession.create(onnx, { preset: "float32", ...load });
  const ways: readonly (readonly [string, () => Promise<Uint8Array>])[] = [
    ...presets.map((preset) => [preset, async () => (await quantize(onnx, { preset, ...load })).bytes] as const),
    ...Object.entries(plans).map(
      ([name, plan]) => [name, async () => (await quantize(onnx, { plan, ...load })).bytes] as const,
    ),
    ...Object.entries(containers).map(([name, bytes]) => [name, async () => bytes] as const),
  ];
  const total = runs.length * (ways.length + 1);
  let loaded = 0;
  const runAll = async (
    session: InferenceSession,
    phase: string,
    use: (outputs: Record<string, Tensor>, run: number) => void,
  ): Promise<number> => {
    const times: number[] = [];
    // The first run lowers the network; its time is none of a run.
    if (runs[0] !== undefined) await session.run(runs[0], signal === undefined ? {} : { signal });
    for (const [i, feed] of runs.entries()) {
      signal?.throwIfAborted();
      const start = now();
      const outputs = await session.run(feed, signal === undefined ? {} : { signal });
      times.push(now() - start);
      use(outputs, i);
      onProgress?.({ phase, loaded: ++loaded, total });
      await yieldToEventLoop();
    }
    return median(times);
  };
  try {
    const expected: Record<string, Tensor>[] = [];
    await runAll(reference, "float32", (outputs) => expected.push(outputs));
    const rows: Comparison[] = [];
    for (const [preset, make] of ways) {
      const bytes = await make();
      const session = await InferenceSession.create(bytes, load).catch((error: unknown) => {
        if (!Object.hasOwn(containers, preset) || !(error instanceof BitbasisError)) throw error;
        throw new BitbasisError(error.code, `"${preset}": ${error.message}`, { cause: error });
      });
      try {
        const odd = session.outputNames.find((name) => !reference.outputNames.includes(name));
        if (odd !== undefined) throw new RangeError(`"${preset}" is of another network: it has an output "${odd}"`);
        const measures = new Map(session.outputNames.map((name) => [name, new Measure()]));
        const milliseconds = await runAll(session, preset, (outputs, i) => {
          for (const [name, measure] of measures) measure.add(outputs[name]!, expected[i]![name]!);
        });
        for (const [output, measure] of measures)
          rows.push({ preset, output, ...measure.result(), bytes: bytes.length, milliseconds });
      } finally {
        await session.release();
      }
    }
    return rows;
  } finally {
    await reference.release();
  }
}

/** Accumulates how far outputs are from the reference. */
export class Measure {
  private count = 0;
  private cosineMin = 1;
  private maxDifference = 0;
  private vectors = 0;
  private agreeing = 0;

  add(a: Tensor, b: Tensor): void {
    const [x, y] = [numbers(a), numbers(b)];
    const samples = b.dims.length >= 2 ? b.dims[0]! : 1;
    const size = sizeOf(b.dims) / Math.max(samples, 1);
    this.count += samples;
    for (let s = 0; s < samples; s++) {
      this.cosineMin = Math.min(
        this.cosineMin,
        cosine(x.subarray(s * size, (s + 1) * size), y.subarray(s * size, (s + 1) * size)),
      );
    }
    this.maxDifference = Math.max(this.maxDifference, relativeDifference(x, y));
    const last = b.dims.at(-1) ?? 1;
    if (b.dims.length < 2 || last < 2) return;
    for (let at = 0; at < y.length; at += last) {
      this.vectors++;
      if (argmax(x, at, last) === argmax(y, at, last)) this.agreeing++;
    }
  }

  result(): Pick<Comparison, "samples" | "cosineMin" | "maxDifference" | "top1Agreement"> {
    const { cosineMin, maxDifference } = this;
    const top1 = this.vectors > 0 ? { top1Agreement: this.agreeing / this.vectors } : {};
    return { samples: this.count, cosineMin, maxDifference, ...top1 };
  }
}

function numbers({ data }: Tensor): Float64Array {
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
}

/** Cosine of two vectors; 1 for two zero vectors, 0 when only one is zero. */
function cosine(x: Float64Array, y: Float64Array): number {
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    xy += x[i]! * y[i]!;
    xx += x[i]! * x[i]!;
    yy += y[i]! * y[i]!;
  }
  if (xx === 0 && yy === 0) return 1;
  return xx === 0 || yy === 0 ? 0 : Math.min(1, xy / Math.sqrt(xx * yy));
}

/** max|x − y| / max|y|; infinite when the two disagree on NaN. */
function relativeDifference(x: Float64Array, y: Float64Array): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    if (Number.isNaN(x[i]!) && Number.isNaN(y[i]!)) continue;
    const d = Math.abs(x[i]! - y[i]!);
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, d);
    largest = Math.max(largest, Math.abs(y[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}

function argmax(values: Float64Array, at: number, length: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[at + i]! > values[at + best]!) best = i;
  return best;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : sorted[sorted.length >> 1]!;
}
