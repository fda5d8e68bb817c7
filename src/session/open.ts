import { unsupportedError, unsupportedNodes } from "../graph/index.ts";
import { isContainer, limitTerms, type Model, readModel, readModelStream, totalTerms } from "../model/index.ts";
import { readOnnx } from "../onnx/index.ts";
import { quantizeGraph } from "../quantize/index.ts";
import type { WeightSeries } from "../series/index.ts";
import type { SessionOptions } from "./options.ts";
import { concatenate, readSource, type Source } from "./source.ts";

/** A model as a session holds it, with the terms that may still arrive. */
export interface OpenModel {
  readonly model: Model;
  readonly terms: { readonly loaded: number; readonly total: number };
  /** Waits for the next term; the series that have grown, none when there is no further one. */
  refine(): Promise<readonly WeightSeries[]>;
  close(): void;
}

/** Enough to tell a container from an ONNX file. */
const START_BYTES = 16;

/** Opens a container, or quantizes an ONNX file while loading it. */
export async function openModel(source: Source | Promise<Source>, options: SessionOptions): Promise<OpenModel> {
  checkTerms(options.terms);
  const chunks = readSource(source, options);
  const start = await readStart(chunks);
  if (!isContainer(start)) return openOnnx(await readRest(start, chunks), options);
  const opened = options.progressive
    ? await openStream(chain(start, chunks), options)
    : whole(readModel(await readRest(start, chunks)), options.terms);
  return checked(opened);
}

async function openOnnx(bytes: Uint8Array, options: SessionOptions): Promise<OpenModel> {
  const { preset, plan, externalData, onProgress, signal, terms } = options;
  const graph = readOnnx(bytes, externalData === undefined ? {} : { externalData });
  const model = await quantizeGraph(graph, {
    ...(preset !== undefined && { preset }),
    ...(plan !== undefined && { plan }),
    ...(onProgress !== undefined && { onProgress }),
    ...(signal !== undefined && { signal }),
  });
  return checked(whole(model, terms));
}

/** Throws one error that lists every node whose operator cannot run. */
function checked(opened: OpenModel): OpenModel {
  const error = unsupportedError(unsupportedNodes(opened.model.graph));
  if (error !== undefined) throw error;
  return opened;
}

/** A model that is all there. */
function whole(model: Model, terms: number | undefined): OpenModel {
  const total = totalTerms(model);
  const loaded = Math.min(total, terms ?? total);
  return {
    model: loaded < total ? limitTerms(model, loaded) : model,
    terms: { loaded, total },
    refine: async () => [],
    close: () => undefined,
  };
}

async function openStream(chunks: AsyncIterable<Uint8Array>, { terms }: SessionOptions): Promise<OpenModel> {
  const stream = await readModelStream(chunks);
  return {
    model: stream.model,
    get terms() {
      return stream.terms;
    },
    refine: async () => (stream.terms.loaded >= (terms ?? stream.terms.total) ? [] : stream.next()),
    close: () => {
      stream.close().catch(() => undefined);
    },
  };
}

function checkTerms(terms: number | undefined): void {
  if (terms !== undefined && (!Number.isInteger(terms) || terms < 1)) {
    throw new RangeError(`"terms" expected integer ≥ 1, got ${terms}`);
  }
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
