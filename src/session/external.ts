import { nodeModule } from "../core/index.ts";
import { type ExternalData, ExternalFiles, filesBeside, type ModelProto } from "../onnx/index.ts";
import { concatenate, ownBytes, Reading } from "./source.ts";

/** ONNX external data as a session takes them: files by location, as bytes or, in onnxruntime-web's form, as a URL or path. */
export type ExternalSources = ExternalData | readonly { readonly path: string; readonly data: Uint8Array | string }[];

/** All external data of a model: those given, and the files beside a model that was read from a path. */
export async function externalFiles(
  model: ModelProto,
  reading: Reading,
  given: ExternalSources | undefined,
): Promise<ExternalFiles> {
  const read = new Set<Uint8Array>();
  const loaded = Array.isArray(given) ? await Promise.all(given.map((one) => load(one, reading, read))) : given;
  const files = new ExternalFiles(loaded as ExternalData | undefined);
  // The caller may do with bytes of his what he likes: float32 weights are read when a run packs them.
  await files.own(async (bytes) => (read.has(bytes) ? bytes : ownBytes(bytes, reading.signal)));
  const path = await reading.file();
  if (path === undefined) return files;
  const name = typeof path === "string" ? path : nodeModule("node:url").fileURLToPath(path);
  const folder = nodeModule("node:path").dirname(name);
  return filesBeside(model, folder, { given: files, signal: reading.signal, most: reading.most });
}

async function load(
  one: { readonly path: string; readonly data: Uint8Array | string },
  { signal, most }: Reading,
  read: Set<Uint8Array>,
): Promise<{ path: string; data: Uint8Array }> {
  if (typeof one?.data !== "string") return one as { path: string; data: Uint8Array };
  const chunks: Uint8Array[] = [];
  for await (const chunk of new Reading(one.data, { signal, most }).chunks) chunks.push(chunk);
  const data = concatenate(chunks);
  read.add(data);
  return { path: one.path, data };
}
