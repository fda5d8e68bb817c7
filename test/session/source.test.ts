import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { InferenceSession, type SessionOptions, type Source } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";

const MODEL = new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url);
const SIMD = new URL("../../build/simd.wasm", import.meta.url);
const bytes = new Uint8Array(readFileSync(MODEL));

let server: Server;
let origin: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/model.onnx") response.end(bytes);
    else if (request.url === "/simd.wasm") response.end(readFileSync(SIMD));
    else if (request.url === "/missing") response.writeHead(404).end("<html>not here</html>");
    else response.end("<!doctype html><title>index</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 5000) yield bytes.subarray(at, at + 5000);
}

async function opens(source: Source | Promise<Source>, options?: SessionOptions): Promise<void> {
  const session = await InferenceSession.create(source, options);
  expect(session.inputNames).toEqual(["image"]);
  await session.release();
}

describe("a session opens", () => {
  it.each<[string, () => Source | Promise<Source>]>([
    ["a path", () => fileURLToPath(MODEL)],
    ["a file URL", () => MODEL],
    ["the text of a file URL", () => MODEL.href],
    ["an http URL", () => new URL(`${origin}/model.onnx`)],
    ["the text of an http URL", () => `${origin}/model.onnx`],
    ["a Request", () => new Request(`${origin}/model.onnx`)],
    ["a promise of a Response", () => fetch(`${origin}/model.onnx`)],
    ["a stream", () => new Blob([bytes]).stream()],
    ["a Blob", () => new Blob([bytes])],
    ["an ArrayBuffer", () => bytes.slice().buffer],
    ["a Uint8Array", () => bytes],
    ["a Node Buffer at an odd offset", () => Buffer.concat([Buffer.alloc(1), bytes]).subarray(1)],
    ["a DataView", () => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)],
    ["bytes of another realm", () => runInNewContext("Uint8Array").from(bytes)],
    ["a buffer of another realm", () => runInNewContext("Uint8Array").from(bytes).buffer],
    ["a Readable of Node", () => createReadStream(MODEL)],
    ["what a generator yields", () => pieces()],
    ["bytes that trickle in", () => trickle(bytes.subarray(0, 4096), bytes.subarray(4096))],
  ])("%s", (_, source) => opens(source()));

  it("says how far it is", async () => {
    const phases = new Set<string>();
    let last = 0;
    await opens(`${origin}/model.onnx`, {
      onProgress: ({ phase, loaded, total }) => {
        phases.add(phase);
        expect(loaded).toBeLessThanOrEqual(Math.max(total, loaded));
        last = loaded;
      },
    });
    expect([...phases].sort()).toEqual(["load", "quantize"]);
    expect(last).toBeGreaterThan(0);
  });
});

describe("a Readable of Node", () => {
  it("that stalls is given up with the signal, and closed", async () => {
    const stalled = new Readable({ read: () => undefined });
    stalled.push(bytes.subarray(0, 4096));
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 20);
    await expect(InferenceSession.create(stalled, { signal: controller.signal })).rejects.toBe(reason);
    expect(stalled.destroyed).toBe(true);
  });

  it("is closed where the model is refused, also before it is read", async () => {
    const damaged = Readable.from([new Uint8Array(64).fill(0x3c), bytes]);
    await expect(InferenceSession.create(damaged)).rejects.toMatchObject({ code: "MODEL" });
    expect(damaged.destroyed).toBe(true);
    const unread = createReadStream(MODEL);
    await expect(InferenceSession.create(unread, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
    await expect.poll(() => unread.destroyed).toBe(true);
  });

  it("of texts is refused, and an error of its own is passed on", async () => {
    await expect(InferenceSession.create(Readable.from(["text"]))).rejects.toThrow(
      '"source" expected a stream of Uint8Array, got a chunk of string',
    );
    await expect(InferenceSession.create(createReadStream("/no/such/model.onnx"))).rejects.toThrow("ENOENT");
  });
});

describe("a session says why it cannot open", () => {
  it.each<[string, () => unknown, string]>([
    ["a missing file", () => "/no/such/model.onnx", "ENOENT"],
    ["a missing page", () => `${origin}/missing`, "HTTP status 404"],
    ["a page in place of a model", () => `${origin}/index.html`, "HTML"],
    ["a number", () => 7, '"source" expected a URL, path, Request, Response, stream, Blob or bytes, got number'],
    ["nothing", () => undefined, "got undefined"],
    ["an empty file", () => new Uint8Array(0), "there are no bytes"],
  ])("%s", async (_, source, message) => {
    await expect(InferenceSession.create(source() as Source)).rejects.toThrow(message);
  });

  it("when it is told to stop", async () => {
    const reason = new Error("changed my mind");
    await expect(InferenceSession.create(bytes, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = InferenceSession.create(bytes, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
  });

  it("of a pipe: it reads what comes, to a limit, and waits for no writer when it is told to stop", async () => {
    const pipe = join(mkdtempSync(join(tmpdir(), "bitbasis-pipe-")), "pipe");
    execFileSync("mkfifo", [pipe]);
    const [opened] = await Promise.all([InferenceSession.create(pipe), writeFile(pipe, bytes)]);
    expect(opened.inputNames).toEqual(["image"]);
    await opened.release();
    const limits = { bytes: 2 ** 20 };
    await expect(InferenceSession.create("/dev/zero", { limits })).rejects.toMatchObject({ code: "MEMORY" });
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(InferenceSession.create(pipe, { signal: controller.signal })).rejects.toBe(reason);
    // Else the thread that opens the pipe for the session waits, and the process does for it.
    await writeFile(pipe, "");
    rmSync(dirname(pipe), { recursive: true });
  });

  it("when an option makes no sense", async () => {
    const bad: [SessionOptions, string][] = [
      [{ preset: "tiny" as "fast" }, '"preset" expected one of'],
      [{ build: "avx" as "simd" }, '"auto", "scalar", "simd" or "relaxed", got "avx"'],
      [{ terms: 0 }, '"terms" expected integer ≥ 1, got 0'],
      [{ numThreads: 0 }, '"numThreads" expected integer in 1..64, got 0'],
    ];
    for (const [options, message] of bad)
      await expect(InferenceSession.create(bytes, options)).rejects.toThrow(message);
  });
});

describe("the wasm option", () => {
  it("takes a module, bytes, a URL or a Response", async () => {
    const code = new Uint8Array(readFileSync(SIMD));
    const given = [
      new WebAssembly.Module(code),
      code,
      code.buffer,
      new URL(`${origin}/simd.wasm`),
      fetch(`${origin}/simd.wasm`),
    ];
    for (const wasm of given) await opens(bytes, { wasm });
  });

  it("names what came in place of a module", async () => {
    const page = InferenceSession.create(bytes, { wasm: new URL(`${origin}/kernels.wasm`) });
    await expect(page).rejects.toThrow(
      `"wasm" expected a WebAssembly module, got HTML from ${origin}/kernels.wasm (HTTP status 200)`,
    );
    await expect(InferenceSession.create(bytes, { wasm: bytes })).rejects.toThrow("got other bytes");
  });
});

describe("numThreads", () => {
  it("is answered once with a warning where a module is given, and the model runs", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await opens(bytes, { numThreads: 4, wasm: readFileSync(new URL("../../build/simd.wasm", import.meta.url)) });
    expect(warn).toHaveBeenCalledTimes(1);
    expect(String(warn.mock.calls[0])).toContain("one thread");
    warn.mockRestore();
  });
});

describe("a container", () => {
  it("that arrives slowly is the same model as one that is there", async () => {
    const { bytes: container } = await quantize(bytes, { preset: "fast" });
    const slow = await InferenceSession.create(
      trickle(container.subarray(0, 3), container.subarray(3, 9), container.subarray(9)),
      { progressive: true },
    );
    const { loaded, total } = slow.terms;
    expect(loaded).toBe(1);
    let refinements = 0;
    while (await slow.refine()) refinements++;
    expect(refinements).toBe(total - 1);
    await slow.release();
  });
});

function trickle(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}
