import { type MakeCore, newCore } from "../core/index.ts";
import { isContainer, openContainer, readModelStream } from "../model/index.ts";
import { checked, type OpenModel, type OpenOptions, whole } from "./opened.ts";
import { concatenate, type Reading } from "./source.ts";

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
