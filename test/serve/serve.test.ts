import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quantize } from "../../src/entries/quantize.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { slowModel, smallModel } from "../pool/models.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

interface Served {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: () => Record<string, unknown>[];
  readonly ended: Promise<number | null>;
}

async function serve(...args: string[]): Promise<Served> {
  const child = spawn(process.execPath, [MAIN, "serve", ...args, "--port", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr!.on("data", (chunk) => {
    log += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const line = new Promise<string>((resolve) => createInterface(child.stdout!).once("line", resolve));
  const url = await Promise.race([line, ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${log}`)))]);
  return {
    url,
    child,
    log: () =>
      log
        .trim()
        .split("\n")
        .map((one) => JSON.parse(one)),
    ended,
  };
}

async function stop({ child, ended }: Served): Promise<void> {
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
}

let folder: string;
let server: Served;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-serve-"));
  mkdirSync(join(folder, "line/2"), { recursive: true });
  mkdirSync(join(folder, "line/10"), { recursive: true });
  writeFileSync(join(folder, "line/2/model.onnx"), smallModel(2));
  writeFileSync(join(folder, "line/10/model.safetensors"), (await quantize(smallModel(10), { check: false })).bytes);
  writeFileSync(join(folder, "slow.onnx"), slowModel());
  server = await serve(
    join(folder, "line"),
    `heavy@a=${join(folder, "slow.onnx")}`,
    "--workers",
    "2",
    "--timeout",
    "5",
    "--max-body",
    "20000000",
    "--preset",
    "float32",
    "--queue",
    "2",
  );
});
afterAll(async () => {
  server?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

const values = noise(8, 5);
const request = (more: object = {}): object => ({
  id: "one",
  inputs: [{ name: "x", shape: [2, 4], datatype: "FP32", data: [...values], ...more }],
});

async function post(
  path: string,
  body: object | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${server.url}/v2/models/${path}`, {
    method: "POST",
    headers,
    body: body instanceof Uint8Array ? body : JSON.stringify(body),
  });
}

/** A request of so many rows to the slow model. */
async function heavy(rows: number): Promise<Response> {
  const head = Buffer.from(
    JSON.stringify({
      inputs: [{ name: "x", shape: [rows, 512], datatype: "FP32", parameters: { binary_data_size: rows * 2048 } }],
      outputs: [{ name: "y", parameters: { binary_data: true } }],
    }),
  );
  return post("heavy/infer", new Uint8Array(Buffer.concat([head, new Uint8Array(rows * 2048)])), {
    "inference-header-content-length": String(head.length),
  });
}

async function get(path: string): Promise<[number, unknown]> {
  const response = await fetch(server.url + path);
  return [response.status, await response.json()];
}

describe("bitbasis serve", () => {
  it("is alive and ready, and says what it serves", async () => {
    expect(await get("/v2")).toEqual([
      200,
      { name: "bitbasis", version: expect.any(String), extensions: ["binary_tensor_data"] },
    ]);
    expect(await get("/v2/health/live")).toEqual([200, { live: true }]);
    expect(await get("/v2/health/ready")).toEqual([200, { ready: true }]);
    expect(await get("/v2/models/line/ready")).toEqual([200, { name: "line", ready: true }]);
    const newest = await get("/v2/models/line");
    expect(newest).toMatchObject([
      200,
      { name: "line", versions: ["2", "10"], inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }] },
    ]);
    expect(await get("/v2/models/line/versions/10")).toEqual(newest);
    expect(await get("/v2/models/line/versions/2")).not.toEqual(newest);
    expect(await get("/v2/models/heavy/versions/a/ready")).toEqual([200, { name: "heavy", ready: true }]);
  });

  it("gives the bits of a session, in JSON and as binary data, of the version that is asked for", async () => {
    for (const [version, preset] of [
      ["2", "float32"],
      ["10", "faithful"],
    ] as const) {
      const session = await InferenceSession.create(smallModel(Number(version)), { preset });
      const { y } = await session.run({ x: new Tensor("float32", values, [2, 4]) });
      const answer = (await (await post(`line/versions/${version}/infer`, request())).json()) as {
        outputs: { data: number[] }[];
      };
      expect(answer).toMatchObject({
        model_name: "line",
        model_version: version,
        id: "one",
        outputs: [{ name: "y", shape: [2, 3], datatype: "FP32" }],
      });
      expect(Float32Array.from(answer.outputs[0]!.data)).toEqual(y!.data);
      const head = Buffer.from(
        JSON.stringify({
          ...request({ data: undefined, parameters: { binary_data_size: 32 } }),
          parameters: { binary_data_output: true },
        }),
      );
      const binary = await post(
        `line/versions/${version}/infer`,
        new Uint8Array(Buffer.concat([head, new Uint8Array(values.buffer)])),
        { "inference-header-content-length": String(head.length) },
      );
      const bytes = await binary.arrayBuffer();
      const length = Number(binary.headers.get("inference-header-content-length"));
      expect(new Float32Array(bytes.slice(length))).toEqual(y!.data);
      await session.release();
    }
  });

  it.each([
    ["nothing/infer", request(), 404, /no model "nothing"; there are heavy, line/],
    ["line/versions/3/infer", request(), 404, /no version "3"; it has 2, 10/],
    ["line/infer", request({ shape: [4, 2] }), 400, /expected shape \[N, 4\], got \[4, 2\]/],
    ["line/infer", request({ datatype: "INT8" }), 400, /expected datatype FP32/],
    ["line/infer", request({ name: "z" }), 400, /no input "z"/],
    ["line/infer", request({ data: [1] }), 400, /expected 8 elements, got 1/],
    ["line/nowhere", request(), 405, /expected GET/],
    ["line/infer/more", request(), 404, /nothing is at/],
    ["%ff/infer", request(), 400, /percent-encoded/],
    ["line/infer", new Uint8Array(20_000_001), 413, /at most 20000000 bytes, got 20000001/],
  ] as const)("refuses %s number %#", async (path, body, status, message) => {
    const response = await post(path, body as object);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
    expect(response.status).toBe(status);
  });

  it("refuses what is compressed, other methods and other paths", async () => {
    expect((await post("line/infer", request(), { "content-encoding": "gzip" })).status).toBe(415);
    const got = await fetch(`${server.url}/v2/models/line/infer`);
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    for (const path of ["/", "/v1", "/v2/models", "/v2/health", "/v2/health/x", "/v2/models/line/versions"]) {
      expect((await fetch(server.url + path)).status, path).toBe(404);
    }
  });

  it("ends a body that is longer than it was told to be, without a length", async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(2 ** 20));
      },
    });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    expect((await fetch(`${server.url}/v2/models/line/infer`, init)).status).toBe(413);
  });

  it("ends a client that is slow", async () => {
    const { port, hostname } = new URL(server.url);
    const text = await new Promise<string>((resolve, reject) => {
      let heard = "";
      const socket = connect(Number(port), hostname, () =>
        socket.write("POST /v2/models/line/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"),
      );
      socket.on("data", (chunk) => {
        heard += chunk;
      });
      socket.on("close", () => resolve(heard)).on("error", reject);
    });
    expect(text).toMatch(/^HTTP\/1.1 4\d\d /);
  });

  it("ends a run that takes too long, and answers 429 when too many wait", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => heavy(1000)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([429, 504]));
    const busy = all.filter(({ status }) => status === 429);
    expect(Number(busy[0]!.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await post("line/infer", request())).status).toBe(200);
  });

  it("counts for Prometheus and logs lines of JSON", async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    expect(text).toMatch(/^bitbasis_requests_total\{model="line",version="10",status="200"\} [1-9]/m);
    expect(text).toMatch(/^bitbasis_requests_total\{model="heavy",version="a",status="504"\} [1-9]/m);
    expect(text).toMatch(/^bitbasis_workers 2$/m);
    expect(text).not.toMatch(/nothing/);
    expect(server.log()).toContainEqual(
      expect.objectContaining({ msg: "request", method: "POST", url: "/v2/models/line/infer", status: 200 }),
    );
    expect(server.log().filter(({ status }) => status === 500)).toEqual([]);
  });

  it("serves on what it has opened when the file is replaced: the digest says so; a new server has another", async () => {
    const file = join(folder, "swap.onnx");
    writeFileSync(file, smallModel(1));
    const digest = async ({ url }: Served): Promise<unknown> =>
      ((await (await fetch(`${url}/v2/models/swap`)).json()) as { parameters: unknown }).parameters;
    const before = await serve(file, "--workers", "1");
    const [opened] = [await digest(before), writeFileSync(file, smallModel(2))];
    expect(await digest(before)).toEqual(opened);
    const answer = await (
      await fetch(`${before.url}/v2/models/swap/infer`, { method: "POST", body: JSON.stringify(request()) })
    ).json();
    expect((answer as { parameters: unknown }).parameters).toEqual(opened);
    await stop(before);
    const after = await serve(file, "--workers", "1");
    expect(await digest(after)).not.toEqual(opened);
    await stop(after);
  });

  it("answers on SIGTERM what it has begun, takes nothing more, and ends with 0", async () => {
    const own = await serve(join(folder, "slow.onnx"), "--workers", "1", "--preset", "float32");
    const body = JSON.stringify({
      inputs: [{ name: "x", shape: [100, 512], datatype: "FP32", data: new Array(100 * 512).fill(1) }],
    });
    const answers = [1, 2, 3].map(() => fetch(`${own.url}/v2/models/slow/infer`, { method: "POST", body }));
    await expect.poll(async () => (await fetch(`${own.url}/metrics`)).text()).toMatch(/^bitbasis_queue_length 2$/m);
    own.child.kill("SIGTERM");
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await own.ended).toBe(0);
    await expect(fetch(own.url)).rejects.toThrow();
    expect(own.log().at(-1)).toMatchObject({ msg: "ended" });
  });

  it("waits on SIGTERM no longer than its timeouts for a client that is slow", async () => {
    const own = await serve(join(folder, "line"), "--workers", "1", "--timeout", "2");
    const { port, hostname } = new URL(own.url);
    const socket = connect(Number(port), hostname, () =>
      socket.write("POST /v2/models/line/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"),
    );
    socket.on("error", () => undefined);
    await expect.poll(async () => (await fetch(`${own.url}/v2/health/ready`)).status).toBe(200);
    await stop(own);
    socket.destroy();
  });

  it("says what it cannot serve, before it listens", async () => {
    writeFileSync(join(folder, "bad.onnx"), "no model");
    for (const [args, message] of [
      [[join(folder, "missing.onnx")], /cannot read .*missing\.onnx/],
      [[join(folder, "bad.onnx")], /bitbasis: .*bad\.onnx: .*model/],
      [[join(folder, "slow.onnx"), join(folder, "slow.onnx")], /two models are called slow@1/],
      [[folder, "--workers", "0"], /--workers expected an integer/],
      [[`x@1=${join(folder, "line")}`], /expected one version, got 2/],
      [[join(folder, "line"), "--host", "192.0.2.1"], /cannot listen at 192\.0\.2\.1:0: /],
    ] as const) {
      const failed = await serve(...args).catch((error: Error) => error.message);
      expect(failed).toMatch(message);
    }
  });
});
