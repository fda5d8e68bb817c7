// What callers do to a session, its source and its feeds while it works, or between two calls: it answers as if they had waited, or says what they did.
import { describe, expect, it } from "vitest";
import { InferenceSession, type Source, type Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

const wave = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * i));
const w = f32([64, 64], wave(4096));
const onnx = writeOnnx(
  build(
    { x: ["N", 64] },
    { w },
    [
      ["MatMul", ["x", "w"], ["a"]],
      ["Softmax", ["a"], ["b"]],
      ["MatMul", ["b", "w"], ["y"]],
    ],
    ["y"],
  ),
);
const feed = (rows: number): Tensor => f32([rows, 64], wave(rows * 64));
const answer = async (session: InferenceSession, rows = 3): Promise<string> =>
  String((await session.run({ x: feed(rows) }))["y"]!.data);
const detach = ({ buffer }: Uint8Array): void => {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
};

describe.each(["float32", "fast"] as const)("bytes of a model, %s, are the session's own", async (preset) => {
  const { bytes } = await quantize(onnx, { preset });
  // At every place where a tensor may begin some are aligned, and views.
  const sources: [string, Uint8Array][] = [
    ["a container", bytes],
    ...[0, 1, 2, 3].map((by): [string, Uint8Array] => {
      const shifted = new Uint8Array(onnx.length + by).subarray(by);
      shifted.set(onnx);
      return [`an ONNX file at ${by}`, shifted];
    }),
  ];

  it.each(sources)("%s: overwritten or gone once create is done", async (_, source) => {
    const expected = await answer(await InferenceSession.create(source, { preset }));
    for (const meddle of [(own: Uint8Array) => own.fill(0), detach]) {
      const own = new Uint8Array(source.buffer.slice(0)).subarray(source.byteOffset);
      const session = await InferenceSession.create(own, { preset });
      expect(own).toEqual(source);
      meddle(own);
      expect(await answer(session)).toBe(expected);
      await session.release();
    }
  });

  /** Pieces of a source, all in one buffer, which is written over as soon as the next is asked for. */
  async function* pieces(of: Uint8Array, size: number, made = new Uint8Array(of.length)): AsyncGenerator<Uint8Array> {
    const buffer = made.subarray(0, Math.min(size, of.length));
    for (let at = 0; at < of.length; at += size) {
      const piece = of.subarray(at, at + size);
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
      buffer.fill(0xff);
    }
  }
  const stream = (of: Uint8Array, size: number): ReadableStream<Uint8Array> => {
    const each = pieces(of, size);
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      const { done, value } = await each.next();
      if (done) controller.close();
      else controller.enqueue(value);
    };
    return new ReadableStream({ pull }, { highWaterMark: 0 });
  };

  it.each<[string, (of: Uint8Array, size: number) => Source]>([
    ["an iterator", (of, size) => pieces(of, size)],
    ["an iterator, as Node's Buffers,", (of, size) => pieces(of, size, Buffer.alloc(of.length))],
    ["a stream", stream],
    ["a response with a stream of its caller's", (of, size) => new Response(stream(of, size) as BodyInit)],
  ])("%s reads all pieces into one buffer", async (_, read) => {
    for (const [of, progressive] of [
      [bytes, false],
      [bytes, true],
      [onnx, false],
    ] as const) {
      const expected = await answer(await InferenceSession.create(of, { preset }));
      for (const size of [7, 1000, 1e9]) {
        const session = await InferenceSession.create(read(of, size), { progressive, preset });
        while (await session.refine());
        expect(await answer(session)).toBe(expected);
        await session.release();
      }
    }
  });
});

describe("a source that goes away while it is read", () => {
  const gone = (of: Uint8Array): Uint8Array => {
    detach(of);
    return of;
  };
  it.each<[string, () => Source, string | RegExp]>([
    ["a buffer that is detached already", () => gone(onnx.slice()), "got a detached ArrayBuffer"],
    [
      "a buffer that is detached when create has begun",
      () => {
        const own = onnx.slice();
        queueMicrotask(() => detach(own));
        return own;
      },
      "got a detached ArrayBuffer",
    ],
    [
      "a stream of a piece that has been detached",
      () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(gone(onnx.slice()));
            controller.close();
          },
        }),
      "there are no bytes",
    ],
    [
      "an iterator of the same",
      () =>
        (async function* () {
          yield gone(onnx.slice());
        })(),
      "there are no bytes",
    ],
  ])("is named: %s", async (_, source, message) => {
    const error: Error = await InferenceSession.create(source()).then(
      () => new Error("was created"),
      (reason) => reason,
    );
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/Cannot perform/);
  });
});

describe("runs of one session", () => {
  it("of different sizes keep to their own, whichever of them are aborted and when", async () => {
    const session = await InferenceSession.create(onnx, { preset: "fast" });
    const sizes = [1, 3, 17, 200];
    const expected = new Map<number, string>();
    for (const rows of sizes) expected.set(rows, await answer(session, rows));
    const [given, late] = [new Error("enough"), new AbortController()];
    let [done, aborted] = [0, 0];
    const runs = Array.from({ length: 120 }, async (_, i) => {
      const rows = sizes[i % sizes.length]!;
      const controller = i % 5 === 4 ? late : new AbortController();
      const running = session.run({ x: feed(rows) }, { signal: controller.signal });
      // At once, after some turns, when half of the others are through, or never.
      if (i % 5 === 0) controller.abort(given);
      if (i % 5 === 1) for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (i % 5 === 1) controller.abort(given);
      try {
        expect(String((await running)["y"]!.data)).toBe(expected.get(rows));
        if (++done === 30) late.abort(given);
      } catch (error) {
        expect(error).toBe(given);
        aborted++;
      }
    });
    await Promise.all(runs);
    expect(done + aborted).toBe(120);
    expect(done).toBeGreaterThanOrEqual(48);
    expect(aborted).toBeGreaterThanOrEqual(24);
    for (const rows of sizes) expect(await answer(session, rows)).toBe(expected.get(rows));
    await session.release();
  });

  it("are over before it is released, and refused afterwards", async () => {
    const session = await InferenceSession.create(onnx);
    const expected = await answer(session);
    const controller = new AbortController();
    const [first, second] = [answer(session), session.run({ x: feed(200) }, { signal: controller.signal })];
    const released = [session.release(), session.release()];
    const third = session.run({ x: feed(3) });
    controller.abort(new Error("enough"));
    expect(await first).toBe(expected);
    await expect(second).rejects.toThrow("enough");
    await expect(third).rejects.toMatchObject({ code: "RELEASED" });
    await Promise.all(released);
    expect(session.memoryBytes).toBe(0);
  });

  it("read feeds that say something else each time they are asked", async () => {
    const session = await InferenceSession.create(onnx);
    const expected = await answer(session);
    let asked = 0;
    const x = {
      type: "float32",
      data: feed(3).data,
      get dims() {
        return asked++ < 3 ? [3, 64] : [3000, 64];
      },
    };
    expect(String((await session.run({ x } as never))["y"]!.data)).toBe(expected);
    const size = { ...x, dims: new Proxy([3, 64], { get: (t, key) => (key === "0" ? 3000 : Reflect.get(t, key)) }) };
    await expect(session.run({ x: size } as never)).rejects.toThrow("expected 192000 elements, got 192");
    const mine = new Error("mine");
    const thrower = {
      get x(): Tensor {
        throw mine;
      },
    };
    await expect(session.run(thrower)).rejects.toBe(mine);
    expect(await answer(session)).toBe(expected);
    await session.release();
  });

  it("take no list with holes for a sequence", async () => {
    const graph = build({}, {}, [["SequenceLength", ["q"], ["n"]]], ["n"]);
    const session = await InferenceSession.create(
      writeOnnx({
        ...graph,
        inputs: [{ name: "q", type: "float32", shape: ["N"], holder: "sequence" }],
        outputs: [{ name: "n", type: "int64", shape: undefined }],
      }),
    );
    const holes = [f32([2])];
    holes[2] = f32([3]);
    await expect(session.run({ q: holes })).rejects.toThrow('input "q[1]" expected float32 [N], got nothing');
    const long: Tensor[] = [];
    long.length = 2 ** 30;
    await expect(session.run({ q: long })).rejects.toThrow('input "q[0]" expected float32 [N], got nothing');
    await session.release();
  });
});
