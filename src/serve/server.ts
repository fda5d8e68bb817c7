import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { BitbasisError } from "../core/index.ts";
import { type Pool, PoolFull, WorkerLost } from "../pool/index.ts";
import { Bodies } from "./body.ts";
import { type Entry, findEntry, keyOf, versionsOf } from "./catalog.ts";
import { datatypeOf } from "./datatypes.ts";
import { HttpError } from "./http-error.ts";
import type { Metrics } from "./metrics.ts";
import { modelMetadata, readInfer, writeInfer } from "./protocol.ts";

export interface ServeOptions {
  readonly pool: Pool;
  readonly entries: readonly Entry[];
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  /** Most bytes of a body. */
  readonly maxBody: number;
  /** Milliseconds that a request may take to arrive, and again that it may wait and run. */
  readonly timeout: number;
}

/** What a handler answers with. */
interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body: object | Uint8Array | string;
}

/** Looked for when a slow client's time may be over. */
const CHECK_MS = 1000;
/** How much the last run counts in the mean time of one, by which Retry-After is said. */
const WEIGHT = 0.1;

/** A server of the Open Inference Protocol, version 2, with the extension for binary tensors. */
export class InferenceServer {
  private readonly http: Server;
  private readonly bodies: Bodies;
  private draining = false;
  private meanMs = 1;

  /** @throws BitbasisError UNSUPPORTED for a model with an input or output that the protocol has no datatype for */
  constructor(private readonly options: ServeOptions) {
    const { pool, entries, timeout, maxBody } = options;
    for (const entry of entries) {
      const { inputs, outputs } = pool.models.get(keyOf(entry))!;
      for (const { name, type } of [...inputs, ...outputs]) {
        if (datatypeOf(type) !== undefined) continue;
        throw new BitbasisError(
          "UNSUPPORTED",
          `${entry.path}: "${name}" is ${type}, for which the Open Inference Protocol has no datatype`,
        );
      }
    }
    this.bodies = new Bodies(maxBody);
    this.http = createServer(
      {
        requestTimeout: timeout,
        headersTimeout: timeout,
        connectionsCheckingInterval: CHECK_MS,
        maxHeaderSize: 16_384,
      },
      (request, response) => void this.answer(request, response),
    );
  }

  /**
   * Listens; port 0 takes a free one.
   *
   * @returns the port
   */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void =>
        reject(new Error(`cannot listen at ${host}:${port}: ${cause.message}`, { cause }));
      this.http.once("error", refuse).listen(port, host, resolve);
    });
    return (this.http.address() as AddressInfo).port;
  }

  /** Takes no further request, answers those that it has, and ends the workers. */
  async drain(): Promise<void> {
    this.draining = true;
    // A server of Node that is closed looks no longer at how long a request takes to arrive: what is not over after the time to arrive and the time to run never will be.
    const timer = setTimeout(() => this.http.closeAllConnections(), 2 * this.options.timeout);
    await new Promise<void>((resolve) => {
      this.http.close(() => resolve());
    });
    clearTimeout(timer);
    await this.options.pool.close();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const { log } = this.options;
    const { method = "", url = "" } = request;
    let reply: Reply;
    try {
      reply = await this.route(request, response);
    } catch (error) {
      reply = refusal(error);
      if (reply.status === 500) log.error({ err: error, method, url }, "a fault of the server");
    }
    const { status = 200, headers, body } = reply;
    const bytes =
      body instanceof Uint8Array
        ? body
        : typeof body === "string"
          ? Buffer.from(body)
          : Buffer.from(JSON.stringify(body));
    response.writeHead(status, {
      "content-type": "application/json",
      "content-length": bytes.length,
      ...(this.draining && { connection: "close" }),
      ...headers,
    });
    response.end(bytes);
    // What is left of a body that was refused is read and dropped, so that the client gets to read the answer; requestTimeout ends it.
    request.resume();
    log.info({ method, url, status, milliseconds: Math.round(10 * (performance.now() - start)) / 10 }, "request");
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<Reply> {
    const { pool, metrics, version, entries } = this.options;
    const { method, pathname, parts } = readPath(request);
    const [first, second, name, ...rest] = parts;
    if (pathname === "/metrics") {
      only(method, "GET");
      return { headers: { "content-type": metrics.registry.contentType }, body: await metrics.registry.metrics() };
    }
    if (first !== "v2") throw new HttpError(404, `nothing is at ${pathname}; the protocol is under /v2`);
    if (second === undefined) {
      only(method, "GET");
      return { body: { name: "bitbasis", version, extensions: ["binary_tensor_data"] } };
    }
    if (second === "health" && (name === "live" || name === "ready") && rest.length === 0) {
      only(method, "GET");
      const ok = name === "live" || this.ready();
      return { status: ok ? 200 : 503, body: { [name]: ok } };
    }
    if (second !== "models" || name === undefined) throw new HttpError(404, `nothing is at ${pathname}`);
    const named = rest[0] === "versions";
    const action = named ? rest[2] : rest[0];
    if (rest.length > (named ? 3 : 1) || (named && rest[1] === undefined))
      throw new HttpError(404, `nothing is at ${pathname}`);
    if (action === "infer") {
      only(method, "POST");
      return this.infer(request, response, name, named ? rest[1] : undefined);
    }
    const entry = findEntry(entries, name, named ? rest[1] : undefined);
    only(method, "GET");
    if (action === undefined)
      return { body: modelMetadata(name, versionsOf(entries, name), pool.models.get(keyOf(entry))!) };
    if (action !== "ready") throw new HttpError(404, `nothing is at ${pathname}`);
    return { status: this.ready() ? 200 : 503, body: { name, ready: this.ready() } };
  }

  private async infer(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    version: string | undefined,
  ): Promise<Reply> {
    const { entries, metrics, pool, timeout } = this.options;
    let labels = { model: "", version: "" };
    const stop = metrics.seconds.startTimer();
    let status = 500;
    try {
      if (this.draining) throw new HttpError(503, "the server is about to end", { "retry-after": "1" });
      const entry = findEntry(entries, name, version);
      labels = { model: entry.name, version: entry.version };
      const model = pool.models.get(keyOf(entry))!;
      return await this.bodies.with(request, async (body) => {
        const asked = readInfer(body, oneOf(request.headers["inference-header-content-length"]), model);
        const { outputs, milliseconds } = await limited(timeout, response, (signal) =>
          pool.run({ model: keyOf(entry), feeds: asked.feeds, fetches: [...asked.outputs.keys()], signal }),
        );
        metrics.runSeconds.observe(labels, milliseconds / 1000);
        this.meanMs += WEIGHT * (milliseconds - this.meanMs);
        const { headers, body: written } = writeInfer(
          asked,
          { name: entry.name, version: entry.version, digest: model.digest },
          outputs,
        );
        status = 200;
        return { headers, body: written };
      });
    } catch (error) {
      const known = error instanceof PoolFull ? this.busy(error) : error;
      status = refusal(known).status ?? 500;
      throw known;
    } finally {
      stop(labels);
      metrics.requests.inc({ ...labels, status });
    }
  }

  private busy({ message }: PoolFull): HttpError {
    const { pool } = this.options;
    const seconds = Math.ceil((this.meanMs * (pool.queued + pool.busy)) / Math.max(pool.threads.length, 1) / 1000);
    return new HttpError(429, message, { "retry-after": String(Math.max(seconds, 1)) });
  }

  private ready(): boolean {
    return !this.draining && this.options.pool.threads.length > 0;
  }
}

/** Runs with a signal that fires after `timeout`, or when the client has gone. */
async function limited<T>(
  timeout: number,
  response: ServerResponse,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const gone = (): void => controller.abort(new HttpError(499, "the client has gone"));
  const timer = setTimeout(
    () => controller.abort(new HttpError(504, `the run expected to end within ${timeout} ms`)),
    timeout,
  );
  response.once("close", gone);
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    response.off("close", gone);
  }
}

function refusal(error: unknown): Reply {
  const { message } = error as Error;
  const body = { error: message };
  if (error instanceof HttpError) return { status: error.status, headers: error.headers, body };
  if (error instanceof WorkerLost) return { status: 503, headers: { "retry-after": "1" }, body };
  if (error instanceof BitbasisError && (error.code === "LIMIT" || error.code === "MEMORY"))
    return { status: 413, body };
  if (error instanceof TypeError || error instanceof RangeError) return { status: 400, body };
  return { status: 500, body };
}

function readPath(request: IncomingMessage): { method: string; pathname: string; parts: string[] } {
  const pathname = (request.url ?? "").replace(/[?#].*$/s, "");
  try {
    const parts = pathname.split("/").slice(1).map(decodeURIComponent);
    if (parts.at(-1) === "") parts.pop();
    return { method: request.method ?? "", pathname, parts };
  } catch {
    throw new HttpError(400, `the path ${pathname} is not percent-encoded UTF-8`);
  }
}

function only(got: string, method: "GET" | "POST"): void {
  const allowed = method === "GET" ? ["GET", "HEAD"] : ["POST"];
  if (!allowed.includes(got)) throw new HttpError(405, `expected ${method}, got ${got}`, { allow: allowed.join(", ") });
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
