import { BitbasisError } from "../core/index.ts";

/** Everything that a model can be read from. A string is a URL, or a path where there are files. */
export type Source =
  | string
  | URL
  | Request
  | Response
  | ReadableStream<Uint8Array>
  | Blob
  | ArrayBufferLike
  | Uint8Array;

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((p: { phase: string; loaded: number; total: number }) => void) | undefined;
}

/**
 * The bytes of a source as they arrive; bytes that are there already come as one chunk.
 *
 * @throws TypeError for something that is not a source, BitbasisError "MODEL" when a server answers with an error
 */
export async function* readSource(
  source: Source | Promise<Source>,
  options: LoadOptions = {},
): AsyncGenerator<Uint8Array> {
  const from = await source;
  options.signal?.throwIfAborted();
  if (from instanceof Uint8Array) yield from;
  else if (isBuffer(from)) yield new Uint8Array(from);
  else if (typeof from === "string" || from instanceof URL) yield* readLocation(from, options);
  else if (from instanceof Blob) yield* readStream(from.stream(), from.size, options);
  else if (from instanceof ReadableStream) yield* readStream(from, 0, options);
  else if (from instanceof Response) yield* readResponse(from, options);
  else if (from instanceof Request) yield* readResponse(await fetch(from, signalOf(options)), options);
  else
    throw new TypeError(`"source" expected a URL, path, Request, Response, stream, Blob or bytes, got ${typeof from}`);
}

export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return (
    value instanceof ArrayBuffer || (typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer)
  );
}

function signalOf({ signal }: LoadOptions): RequestInit {
  return signal === undefined ? {} : { signal };
}

async function* readLocation(location: string | URL, options: LoadOptions): AsyncGenerator<Uint8Array> {
  const isUrl = location instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(location);
  const isFile = isUrl
    ? String(location).startsWith("file:")
    : typeof process === "object" && typeof process.versions?.node === "string";
  if (!isFile) {
    yield* readResponse(await fetch(location, signalOf(options)), options);
    return;
  }
  const { readFile } = await import("node:fs/promises");
  const path = isUrl ? new URL(location) : location;
  yield await readFile(path, signalOf(options) as { signal?: AbortSignal });
}

async function* readResponse(response: Response, options: LoadOptions): AsyncGenerator<Uint8Array> {
  if (!response.ok) {
    throw new BitbasisError(
      "MODEL",
      `expected a model from ${response.url || "the response"}, got HTTP status ${response.status}`,
    );
  }
  if (response.body === null) throw new BitbasisError("MODEL", "expected a model, got a response without a body");
  yield* readStream(response.body, Number(response.headers.get("content-length") ?? 0), options);
}

async function* readStream(
  stream: ReadableStream<Uint8Array>,
  total: number,
  options: LoadOptions,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let loaded = 0;
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) return;
      loaded += value.length;
      options.onProgress?.({ phase: "load", loaded, total });
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
