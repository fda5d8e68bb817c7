import { type MakeCore, newCore } from "../core/index.ts";
import { checkSupported } from "../graph/index.ts";
import { isContainer, limitTerms, type Model, openContainer, readModelStream, totalTerms } from "../model/index.ts";
import { loadOperators } from "../program/operators/chunks.ts";
import type { WeightSeries } from "../series/index.ts";
import type { SessionOptions } from "./options.ts";
import type { Override } from "./overrides.ts";
import { concatenate, type Reading } from "./source.ts";

/** A model as a session holds it, with the terms that may still arrive. */
export interface OpenModel {
  readonly model: Model;
  /** The digest that its container carries; of an ONNX source the model with all its terms, whose container would carry one. */
  readonly container: string | Model;
  readonly terms: { readonly loaded: number; readonly total: number };
  /** Waits for the next term; false when there is no further one. Throws the same error again and again once the rest is lost. */
  arrived(): Promise<boolean>;
  /** Adds the term that has arrived; the series that have grown. */
  take(): readonly WeightSeries[];
  /** Present when initializers of the model may be fed. */
  readonly override?: Override;
}

/** What of the options decides how a model is opened. */
export type OpenOptions = Pick<
  SessionOptions,
  "preset" | "plan" | "check" | "terms" | "externalData" | "progressive" | "onProgress"
>;

/** Enough to tell a container from an ONNX file. */
const START_BYTES = 16;

/** Opens a container, or quantizes an ONNX file while loading it. */
export async function openModel(
  reading: Reading,
  options: OpenOptions,
  makeCore: MakeCore = newCore,
): Promise<OpenModel> {
  const { chunks } = reading;
  const start = await readStart(chunks);
  if (!isContainer(start)) {
    const bytes = await readRest(start, chunks);
    const { openOnnx } = await import("./open-onnx.ts");
    return openOnnx(bytes, options, reading, makeCore);
  }
  if (options.progressive) return checked(await openStream(chain(start, chunks), options));
  const bytes = await readRest(start, chunks);
  const { model, sha256 } = openContainer(bytes);
  return checked(whole(model, options.terms, sha256));
}

/** Throws one error that lists every node whose operator cannot run. */
export async function checked(opened: OpenModel): Promise<OpenModel> {
  await loadOperators(opened.model.graph);
  checkSupported(opened.model.graph);
  return opened;
}

/** A model that is all there. */
export function whole(model: Model, terms: number | undefined, container: string | Model = model): OpenModel {
  const total = totalTerms(model);
  const loaded = Math.min(total, terms ?? total);
  return {
    model: loaded < total ? limitTerms(model, loaded) : model,
    container,
    terms: { loaded, total },
    arrived: async () => false,
    take: () => [],
  };
}

async function openStream(chunks: AsyncIterable<Uint8Array>, { terms }: OpenOptions): Promise<OpenModel> {
  const stream = await readModelStream(chunks);
  return {
    model: stream.model,
    container: stream.sha256,
    get terms() {
      return stream.terms;
    },
    arrived: async () => (terms === undefined || stream.terms.loaded < terms) && stream.arrived(),
    take: () => stream.take(),
  };
}

async function readStart(chunks: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  const start: Uint8Array[] = [];
  for (let bytes = 0; bytes < START_BYTES; ) {
    const { done, value } = await chunks.next();
    if (done) break;
    start.push(value);
    bytes += value.length;
  }
  return concatenate(start);
}

async function readRest(start: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all = [start];
  for await (const chunk of chunks) all.push(chunk);
  return concatenate(all);
}

async function* chain(start: Uint8Array, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  yield* chunks;
}
