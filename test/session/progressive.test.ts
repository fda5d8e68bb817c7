import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, it } from "vitest";
import { BitbasisError, InferenceSession, type SessionOptions, type Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { readModel, writeModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";
import { parted } from "../support/containers.ts";

const ONNX = writeOnnx(
  build(
    { x: ["N", 8] },
    {
      w: f32([8, 8]),
      v: f32(
        [8, 4],
        Array.from({ length: 32 }, (_, i) => Math.sin(i)),
      ),
    },
    [
      ["MatMul", ["x", "w"], ["h"]],
      ["Relu", ["h"], ["r"]],
      ["MatMul", ["r", "v"], ["y"]],
    ],
    ["y"],
  ),
);
const PLAN = { version: 1, default: { bits: 4, weightTerms: 4, activationTerms: 2 } } as const;
const FEEDS = { x: f32([2, 8]) };

let container: Uint8Array;
/** Where each term's section begins. */
let begins: number[];
beforeAll(async () => {
  container = (await quantize(ONNX, { plan: PLAN })).bytes;
  const { text, data } = parted(container);
  const { __metadata__: _, header: __, ...sections } = JSON.parse(text) as Record<string, { data_offsets: number[] }>;
  begins = Object.values(sections).map(({ data_offsets: [begin] }) => container.length - data.length + begin!);
});

/** A stream that gives what `push` gives it, and says whether it was cancelled. */
class Pushed {
  cancelled = false;
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      this.controller = controller;
    },
    cancel: () => {
      this.cancelled = true;
    },
  });

  push(bytes: Uint8Array): void {
    this.controller.enqueue(bytes);
  }

  end(): void {
    this.controller.close();
  }
}

async function stalled(options: SessionOptions = {}): Promise<{ session: InferenceSession; source: Pushed }> {
  const source = new Pushed();
  source.push(container.slice(0, begins[2]));
  const session = await InferenceSession.create(source.stream, { progressive: true, ...options });
  return { session, source };
}

function bits(tensor: Tensor | undefined): Uint32Array {
  return new Uint32Array((tensor!.data as Float32Array).slice().buffer);
}

async function limited(terms: number): Promise<Uint32Array> {
  const session = await InferenceSession.create(container, { terms });
  const { y } = await session.run(FEEDS);
  await session.release();
  return bits(y);
}

describe("a term that its panels do not hold", () => {
  it("is taken all the same: −8 under −8 is −136, below int8", async () => {
    const plan = { version: 1, default: { bits: 4, weightTerms: 2, activationTerms: 2 } } as const;
    const model = readModel((await quantize(ONNX, { plan })).bytes);
    for (const { planes } of model.weights.values()) for (const plane of planes) plane[0] = 0x88;
    const bytes = writeModel(model) as Uint8Array<ArrayBuffer>;
    const session = await InferenceSession.create(new Blob([bytes]).stream(), { progressive: true });
    const kernels = async (): Promise<string[]> => (await session.profile(FEEDS)).map(({ kernel }) => kernel);
    await session.run(FEEDS);
    expect(await kernels()).toContain("gemm_i8_i16_4x8");
    expect(await session.refine()).toBe(true);
    const refined = bits((await session.run(FEEDS))["y"]);
    expect(await kernels()).not.toContain("gemm_i8_i16_4x8");
    expect(await kernels()).toContain("gemm_i16_i16_4x8");
    const whole = await InferenceSession.create(bytes);
    expect(refined).toEqual(bits((await whole.run(FEEDS))["y"]));
    for (const one of [session, whole]) await one.release();
  });
});

describe("a damaged term", () => {
  it("is lost for good: it is said every time, never counted, and the session goes on without it", async () => {
    const damaged = container.slice();
    damaged[begins[2]! + 3]! ^= 4;
    const session = await InferenceSession.create(new Blob([damaged]).stream(), { progressive: true });
    for (let i = 0; i < 3; i++) {
      await expect(session.refine()).rejects.toMatchObject({
        code: "MODEL",
        message: 'the container is damaged: the section "term 2" does not match its digest',
      });
      expect(session.terms).toEqual({ loaded: 1, total: 4 });
    }
    // Another batch makes a new program: it must not see the lost term either.
    expect(bits((await session.run(FEEDS))["y"])).toEqual(await limited(1));
    expect(bits((await session.run({ x: f32([1, 8]) }))["y"])).toEqual((await limited(1)).slice(0, 4));
    await session.release();
    expect(session.terms).toEqual({ loaded: 1, total: 4 });
  });

  it("that is cut short is said every time", async () => {
    const session = await InferenceSession.create(new Blob([container.slice(0, -3)]).stream(), { progressive: true });
    expect(await session.refine()).toBe(true);
    expect(await session.refine()).toBe(true);
    for (let i = 0; i < 2; i++) await expect(session.refine()).rejects.toThrow("cut short");
    expect(session.terms.loaded).toBe(3);
    await session.release();
  });
});

describe("while refine waits for a stalled stream", () => {
  it("runs go on, on the terms that are there", async () => {
    const { session, source } = await stalled();
    const refined = session.refine();
    expect(bits((await session.run(FEEDS))["y"])).toEqual(await limited(1));
    source.push(container.slice(begins[2], begins[3]));
    expect(await refined).toBe(true);
    expect(session.terms.loaded).toBe(2);
    expect(bits((await session.run(FEEDS))["y"])).toEqual(await limited(2));
    await session.release();
  });

  it("a term that arrives during a run is taken after it", async () => {
    const { session, source } = await stalled();
    source.push(container.slice(begins[2], begins[3]));
    const [first, refined, second] = await Promise.all([session.run(FEEDS), session.refine(), session.run(FEEDS)]);
    expect(refined).toBe(true);
    expect(bits(first["y"])).toEqual(await limited(1));
    expect([await limited(1), await limited(2)]).toContainEqual(bits(second["y"]));
    await session.release();
  });

  it("release goes on, refine is refused, and the stream is cancelled", async () => {
    const { session, source } = await stalled();
    const refined = session.refine();
    const refused = expect(refined).rejects.toMatchObject({ code: "RELEASED" });
    await session.release();
    await refused;
    expect(source.cancelled).toBe(true);
    await expect(session.refine()).rejects.toMatchObject({ code: "RELEASED" });
  });

  it("a signal ends the wait and not the stream", async () => {
    const { session, source } = await stalled();
    const reason = new Error("later");
    const controller = new AbortController();
    const [first, second] = [session.refine({ signal: controller.signal }), session.refine()];
    setTimeout(() => controller.abort(reason), 5);
    await expect(first).rejects.toBe(reason);
    await expect(session.refine({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    source.push(container.slice(begins[2]));
    source.end();
    expect(await second).toBe(true);
    expect(session.terms.loaded).toBe(2);
    while (await session.refine());
    expect(session.terms).toEqual({ loaded: 4, total: 4 });
    expect(bits((await session.run(FEEDS))["y"])).toEqual(await limited(4));
    await session.release();
  });

  it("the signal of create says nothing any more", async () => {
    const controller = new AbortController();
    const { session, source } = await stalled({ signal: controller.signal });
    controller.abort();
    source.push(container.slice(begins[2], begins[3]));
    expect(await session.refine()).toBe(true);
    await session.release();
  });

  it("takes no more terms than were asked for", async () => {
    const { session, source } = await stalled({ terms: 2 });
    source.push(container.slice(begins[2]));
    expect([await session.refine(), await session.refine()]).toEqual([true, false]);
    expect(session.terms).toEqual({ loaded: 2, total: 4 });
    await session.release();
  });

  it.each([[5], [null], [{ signal: {} }]])("options %j are refused", async (options) => {
    const { session } = await stalled();
    await expect(session.refine(options as object)).rejects.toBeInstanceOf(TypeError);
    await session.release();
  });
});

describe("create", () => {
  it("stops at a stalled stream when it is told to, and cancels it", async () => {
    for (const sent of [0, 10, 300]) {
      for (const progressive of [false, true]) {
        const source = new Pushed();
        if (sent > 0) source.push(container.slice(0, sent));
        const reason = new Error("enough");
        const controller = new AbortController();
        setTimeout(() => controller.abort(reason), 5);
        const opening = InferenceSession.create(source.stream, { signal: controller.signal, progressive });
        await expect(opening).rejects.toBe(reason);
        expect(source.cancelled).toBe(true);
      }
    }
    const never = new Promise<Uint8Array>(() => undefined);
    await expect(InferenceSession.create(never, { signal: AbortSignal.timeout(5) })).rejects.toThrow("timeout");
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array, SessionOptions]>([
    ["a damaged first term", (bytes) => bytes.with(begins[1]! + 1, bytes[begins[1]! + 1]! ^ 1), { progressive: true }],
    ["an option", (bytes) => bytes, { terms: -1 }],
    ["a core", (bytes) => bytes, { wasm: new Uint8Array(8) }],
    ["the size", (bytes) => bytes, { limits: { bytes: 100 } }],
  ])("that rejects for %s cancels the stream", async (_, edit, options) => {
    const [stream, body] = [new Pushed(), new Pushed()];
    for (const source of [stream, body]) source.push(edit(container));
    await expect(InferenceSession.create(stream.stream, options)).rejects.toThrow();
    await expect(InferenceSession.create(new Response(body.stream), options)).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect([stream.cancelled, body.cancelled]).toEqual([true, true]);
  });

  it("that rejects leaves no socket open", async () => {
    const open = new Set<object>();
    const server = createServer((request, response) => {
      open.add(response);
      response.on("close", () => open.delete(response));
      response.writeHead(request.url === "/missing" ? 404 : 200).write(container.slice(0, begins[2]! + 1));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const attempts: Promise<unknown>[] = [
      InferenceSession.create(`${origin}/missing`),
      InferenceSession.create(`${origin}/`, { signal: AbortSignal.timeout(50) }),
      InferenceSession.create(`${origin}/`, { limits: { bytes: 50 } }),
      InferenceSession.create(`${origin}/`, { progressive: true, wasm: new Uint8Array(4) }),
      InferenceSession.create(fetch(`${origin}/`), { terms: 0 }),
    ];
    for (const outcome of await Promise.allSettled(attempts)) expect(outcome.status).toBe("rejected");
    const session = await InferenceSession.create(`${origin}/`, { progressive: true });
    await session.release();
    for (let i = 0; i < 200 && open.size > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(open.size).toBe(0);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("says what cannot be read, in sentences of ours", async () => {
    const used = new Response(container as Uint8Array<ArrayBuffer>);
    await used.arrayBuffer();
    const detached = container.slice().buffer;
    structuredClone(detached, { transfer: [detached] });
    const bad: [unknown, RegExp][] = [
      ["/a\0b", /^cannot read "\/a\\u0000b": ERR_INVALID_ARG_VALUE \(a path holds no NUL character\)$/],
      ["", /^cannot read "": ENOENT/],
      ["file://elsewhere/m.onnx", /ERR_INVALID_FILE_URL_HOST \(it names another machine\)$/],
      ["http://127.0.0.1:1/m.onnx", /^cannot fetch http:\/\/127\.0\.0\.1:1\/m\.onnx: /],
      ["http://", /^cannot fetch http:\/\/: /],
      [used, /nobody has read|without a body/],
      [detached, /detached|no bytes/],
      [new Blob([]).stream(), /no bytes/],
      [new ReadableStream({ start: (c) => c.enqueue("text") }), /a chunk of string$/],
      [null, /got null$/],
      [{}, /got object$/],
    ];
    for (const [source, message] of bad) {
      const error: unknown = await InferenceSession.create(source as string).catch((e: unknown) => e);
      expect((error as Error).message).toMatch(message);
      expect(error instanceof BitbasisError || error instanceof TypeError).toBe(true);
    }
  });
});
