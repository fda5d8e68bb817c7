import { BitbasisError, classOf, hasFiles, isOf, modelTooLarge, Turns } from "../core/index.ts";
import { abortable } from "./abort.ts";
import { copied } from "./copy.ts";

/** Everything that a model can be read from. A string is a URL, or a path where there are files; a Readable of Node gives pieces of bytes, as other iterables may. */
export type Source =
  | string
  | URL
  | Request
  | Response
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Blob
  | ArrayBufferLike
  | ArrayBufferView;

export interface ReadingOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((p: { phase: string; loaded: number; total: number }) => void) | undefined;
  /** Most bytes that are read. */
  readonly most?: number;
}

/** A source while it is read. Whoever gives up must `stop`, or the connection stays open. */
export class Reading {
  /**
   * The bytes as they arrive; bytes that are there already come as one chunk. Throws TypeError for something that is not a source,
   * BitbasisError MODEL where there is no model to be had, MEMORY for more than `most` bytes, and the reason of the signal.
   */
  readonly chunks: AsyncGenerator<Uint8Array>;
  /** A bare engine has none, and nothing that one would wait for. */
  private readonly stopping = typeof AbortController === "function" ? new AbortController() : undefined;
  private readonly follow = (): void => this.stop(this.options.signal?.reason);

  constructor(
    private readonly source: Source | Promise<Source>,
    private readonly options: ReadingOptions = {},
  ) {
    const { signal } = options;
    if (signal?.aborted) this.follow();
    else signal?.addEventListener("abort", this.follow, { once: true });
    this.chunks = this.read();
  }

  /** The file that is read, when it is one. */
  async file(): Promise<string | URL | undefined> {
    const from = await this.source;
    return isLocation(from) ? filePath(from) : undefined;
  }

  /** Most bytes that are read. */
  get most(): number {
    return this.options.most ?? Number.POSITIVE_INFINITY;
  }

  /** Aborts when the caller's signal does, and on `stop`. */
  get signal(): AbortSignal | undefined {
    return this.stopping?.signal;
  }

  /** From now on the caller's signal says nothing about this source. */
  detach(): void {
    this.options.signal?.removeEventListener("abort", this.follow);
  }

  /** Gives up, also in the middle of a wait: requests are aborted, streams and bodies are cancelled, read or not. */
  stop(reason?: unknown): void {
    this.detach();
    this.stopping?.abort(reason);
    Promise.resolve(this.source)
      .then(async (from) => {
        if (isOf(from, "Response")) await from.body?.cancel(reason);
        else if (isOf(from, "ReadableStream")) await from.cancel(reason);
        else if (isIterable(from)) from.destroy?.();
      })
      // A locked stream is one that `chunks` reads, which cancels it.
      .catch(() => undefined);
  }

  private async *read(): AsyncGenerator<Uint8Array> {
    const { most = Number.POSITIVE_INFINITY } = this.options;
    const from = await abortable(Promise.resolve(this.source), this.signal);
    this.signal?.throwIfAborted();
    let loaded = 0;
    for await (const chunk of this.open(from)) {
      loaded += chunk.length;
      if (loaded > most) throw modelTooLarge(loaded, most);
      yield chunk;
    }
  }

  private async *open(from: Source): AsyncGenerator<Uint8Array> {
    if (ArrayBuffer.isView(from) || isBuffer(from)) yield await ownBytes(from, this.signal);
    else if (isLocation(from)) yield* this.location(from);
    else if (isOf(from, "Blob")) yield* this.stream(from.stream(), from.size);
    else if (isOf(from, "ReadableStream")) yield* this.stream(from, 0);
    else if (isOf(from, "Response")) yield* this.response(from);
    else if (isOf(from, "Request")) yield* this.fetch(from);
    else if (isIterable(from)) yield* this.stream(streamOf(from, this.signal), 0);
    else {
      const got = from === null ? "null" : typeof from;
      throw new TypeError(`"source" expected a URL, path, Request, Response, stream, Blob or bytes, got ${got}`);
    }
  }

  private async *location(location: string | URL): AsyncGenerator<Uint8Array> {
    const path = filePath(location);
    if (path === undefined) {
      yield* this.fetch(location);
      return;
    }
    const { fileChunks } = await import("./files.ts");
    yield* fileChunks(path, shown(location), this.most, this.signal);
  }

  private async *fetch(request: string | URL | Request): AsyncGenerator<Uint8Array> {
    let response: Response;
    try {
      response = await fetch(request, { signal: this.signal ?? null });
    } catch (cause) {
      this.signal?.throwIfAborted();
      const url = isOf(request, "Request") ? request.url : request;
      throw new BitbasisError("MODEL", `cannot fetch ${shown(url)}: ${reasonOf(cause)}`, { cause });
    }
    yield* this.response(response);
  }

  private async *response(response: Response): AsyncGenerator<Uint8Array> {
    const { ok, url, status, body, headers } = response;
    if (!ok) {
      await body?.cancel().catch(() => undefined);
      throw new BitbasisError("MODEL", `expected a model from ${url || "the response"}, got HTTP status ${status}`);
    }
    if (!isOf(body, "ReadableStream"))
      throw new BitbasisError("MODEL", "expected a model, got a response without a body");
    const total = Number(headers.get("content-length") ?? 0);
    yield* this.stream(body, Number.isFinite(total) ? total : 0, url);
  }

  /** @param url - where the stream comes from, when it is a response's */
  private async *stream(stream: Readable, total: number, url?: string): AsyncGenerator<Uint8Array> {
    if (stream.locked) throw new TypeError('"source" expected a stream that nobody has read, got one that is in use');
    const reader = stream.getReader();
    const stop = (): void => {
      reader.cancel(this.signal?.reason).catch(() => undefined);
    };
    this.signal?.addEventListener("abort", stop, { once: true });
    let loaded = 0;
    try {
      for (;;) {
        this.signal?.throwIfAborted();
        const { done, value } = await reader.read();
        this.signal?.throwIfAborted();
        if (done) return;
        if (value === undefined || classOf(value) !== "Uint8Array") {
          throw new TypeError(`"source" expected a stream of Uint8Array, got a chunk of ${typeof value}`);
        }
        // A chunk that has been detached is an empty one too.
        if (value.length === 0) continue;
        loaded += value.length;
        this.options.onProgress?.({ phase: "load", loaded, total: Math.max(total, loaded) });
        // Whoever made the stream may write over a piece that was taken, and keep it: many read all into one buffer.
        yield new Uint8Array(value);
      }
    } catch (cause) {
      this.signal?.throwIfAborted();
      // A connection that breaks: the engine's words differ from runtime to runtime.
      if (url === undefined || !(cause instanceof TypeError)) throw cause;
      const from = shown(url || "the response");
      throw new BitbasisError("MODEL", `reading ${from} ended after ${loaded} bytes: ${reasonOf(cause)}`, { cause });
    } finally {
      this.signal?.removeEventListener("abort", stop);
      reader.cancel().catch(() => undefined);
    }
  }
}

/** What is used of a stream. */
interface Readable {
  readonly locked: boolean;
  getReader(): {
    read(): Promise<{ readonly done?: boolean | undefined; readonly value?: Uint8Array | undefined }>;
    cancel(reason?: unknown): Promise<unknown>;
  };
}

/** Pieces of bytes, of which a Readable of Node can be told that nobody wants more of them. */
interface Pieces extends AsyncIterable<Uint8Array> {
  destroy?(): void;
}

function isIterable(value: unknown): value is Pieces {
  return typeof (value as Partial<Pieces> | null)?.[Symbol.asyncIterator] === "function";
}

/** The wait for a piece ends with the signal: an iterator that is told to return does so when the piece has come. */
function streamOf(pieces: Pieces, signal: AbortSignal | undefined): Readable {
  const iterator = pieces[Symbol.asyncIterator]();
  const cancel = async (): Promise<void> => {
    pieces.destroy?.();
    await iterator.return?.();
  };
  const read = (): Promise<IteratorResult<Uint8Array>> => abortable(iterator.next(), signal);
  return { locked: false, getReader: () => ({ read, cancel }) };
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

/** A location that is a file, as a path or a file: URL; undefined for one that is fetched. */
function filePath(location: string | URL): string | URL | undefined {
  const isUrl = typeof location !== "string" || /^[a-z][a-z0-9+.-]+:/i.test(location);
  if (isUrl) return String(location).startsWith("file:") ? new URL(String(location)) : undefined;
  return hasFiles() ? location : undefined;
}

function isLocation(value: unknown): value is string | URL {
  return typeof value === "string" || classOf(value) === "URL";
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return ["ArrayBuffer", "SharedArrayBuffer"].includes(classOf(value));
}

/** A copy, since weights are packed when a run needs them: the caller may do with the bytes what it likes. */
export async function ownBytes(
  source: ArrayBufferLike | ArrayBufferView,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { byteLength } = source;
  const turns = new Turns(signal);
  return copied(
    () => bytesOf(source, byteLength),
    () => turns.next(),
  );
}

/** A view of so many bytes. */
function bytesOf(source: ArrayBufferLike | ArrayBufferView, length: number): Uint8Array {
  try {
    return ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, length)
      : new Uint8Array(source, 0, length);
  } catch (cause) {
    throw new TypeError('"source" expected bytes, got a detached ArrayBuffer', { cause });
  }
}

/** Control characters and quotes stay visible. */
function shown(location: string | URL): string {
  const text = String(location);
  return /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

/** `fetch failed` says nothing: what it failed for is in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
