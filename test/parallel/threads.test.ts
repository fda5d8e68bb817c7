import { readFileSync } from "node:fs";
import workers from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ConvStep } from "../../src/core/abi/conv.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import type { Step } from "../../src/core/index.ts";
import { InferenceSession, type SessionOptions, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { piecesOf } from "../../src/parallel/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { digest, isGone, recordWorkers } from "./workers.ts";

// A checked core has a memory of its own.
const threaded = describe.skipIf(process.env["BITBASIS_CHECKED"] !== undefined);
const COUNTS = [2, 3, 4, 8];

/** A session that does have its threads. */
async function open(onnx: Uint8Array, numThreads: number, options: SessionOptions = {}): Promise<InferenceSession> {
  const session = await InferenceSession.create(onnx, { ...options, numThreads });
  expect(session.numThreads).toBe(numThreads);
  return session;
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

threaded("the bits of one thread", () => {
  const committed: Record<string, string> = JSON.parse(
    readFileSync(new URL("../fixtures/digests.json", import.meta.url), "utf8"),
  );

  it.each(Object.keys(committed))("of %s, with 2, 3, 4 and 8 threads, also in slices", async (key) => {
    const [network, preset] = key.split(" ") as [string, "fast"];
    const onnx = new Uint8Array(readFileSync(new URL(`../fixtures/models/${network}.onnx`, import.meta.url)));
    const image = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026)) as Tensor;
    for (const count of COUNTS) {
      const session = await open(onnx, count, { preset, build: count === 3 ? "scalar" : "simd" });
      const { signal } = new AbortController();
      for (const options of [{}, { signal }]) {
        expect(digest((await session.run({ image }, options))["logits"]!)).toBe(committed[key]);
      }
      await session.release();
    }
  });

  /** Every family of steps, with as much work as is shared. */
  const x = [4, 16, 32, 32];
  const nodes: NodeSpec[] = [
    ["Conv", ["x", "w3"], ["conv"], { pads: [1, 1, 1, 1] }],
    ["Conv", ["x", "dw"], ["depthwise"], { group: 16, pads: [1, 1, 1, 1] }],
    ["ConvTranspose", ["x", "wt"], ["transposed"], { strides: [2, 2] }],
    ["MatMul", ["x", "m"], ["rows"]],
    ["MatMul", ["x", "x"], ["product"]],
    ["Softmax", ["x"], ["softmax"]],
    ["LayerNormalization", ["x", "scale"], ["norm"]],
    ["ReduceSum", ["x", "axis"], ["sums"], { keepdims: 0 }],
    ["ReduceMax", ["x"], ["largest"], { axes: [3] }],
    ["ArgMax", ["x"], ["arg"], { axis: 1 }],
    ["CumSum", ["x", "axis0"], ["cumulated"]],
    ["TopK", ["x", "k"], ["top", "where"]],
    ["Erf", ["x"], ["erf"]],
    ["Add", ["x", "bias"], ["added"]],
    ["Greater", ["x", "bias"], ["greater"]],
    ["Where", ["greater", "x", "erf"], ["chosen"]],
    ["Cast", ["x"], ["whole"], { to: 7 }],
    ["Transpose", ["x"], ["turned"], { perm: [3, 1, 0, 2] }],
    ["MaxPool", ["x"], ["pooled"], { kernel_shape: [3, 3], strides: [2, 2] }],
    ["AveragePool", ["x"], ["averaged"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
    ["GlobalAveragePool", ["x"], ["mean"]],
    ["Resize", ["x", "", "scales"], ["resized"], { mode: "linear" }],
    ["Gather", ["x", "picks"], ["gathered"], { axis: 2 }],
    ["GatherElements", ["x", "where"], ["elements"], { axis: 3 }],
    ["ScatterElements", ["x", "where", "top"], ["scattered"], { axis: 3 }],
    // one row, whose parts come in order
    ["Reshape", ["x", "line"], ["flat"]],
    ["CumSum", ["flat", "axis0"], ["running"]],
    ["TopK", ["flat", "k"], ["topOfAll", "whereOfAll"]],
    ["ArgMax", ["flat"], ["argOfAll"], { axis: 0 }],
    ["GridSample", ["x", "grid"], ["sampled"]],
    ["Concat", ["x", "x"], ["joined"], { axis: 1 }],
    ["Reshape", ["x", "sequence"], ["s"]],
    ["LSTM", ["s", "lw", "lr"], ["lstm"], { hidden_size: 16 }],
    ["GRU", ["s", "gw", "gr"], ["gru"], { hidden_size: 16 }],
  ];
  const random = (seed: number, dims: number[]): Tensor =>
    randomTensor("float32", dims, uniformNumbers(seed)) as Tensor;
  const graph = build(
    { x, grid: [4, 32, 32, 2] },
    {
      ...{ w3: random(1, [24, 16, 3, 3]), dw: random(2, [16, 1, 3, 3]), wt: random(3, [16, 8, 2, 2]) },
      ...{ m: random(4, [32, 40]), scale: random(5, [32]), bias: random(6, [16, 1, 1]), axis: i64(1) },
      ...{
        axis0: new Tensor("int64", [0n], []),
        k: i64(3),
        line: i64(-1),
        picks: i64(5, 1, 30, 2, 2, -1, 0, 9),
        sequence: i64(32, 8, 256),
      },
      scales: f32([4], [1, 1, 2, 2]),
      ...{
        lw: random(7, [1, 64, 256]),
        lr: random(8, [1, 64, 16]),
        gw: random(9, [1, 48, 256]),
        gr: random(10, [1, 48, 16]),
      },
    },
    nodes,
    nodes.flatMap(([, , outputs]) => [...outputs]).filter((name) => name !== "s"),
  );

  it.each(["float32", "faithful", "fast", "compact"] as const)(
    "of every family of steps in %s, for numbers and for what is none",
    async (preset) => {
      const onnx = writeOnnx(graph);
      const one = await InferenceSession.create(onnx, { preset });
      const feeds = [1, 2].map((seed) => {
        const data = random(seed, x).data as Float32Array;
        if (seed === 2) data.set([Number.NaN, Number.POSITIVE_INFINITY], 40_000);
        return { x: new Tensor("float32", data, x), grid: random(3, [4, 32, 32, 2]) };
      });
      const expected = [];
      for (const feed of feeds) expected.push(await one.run(feed));
      await one.release();
      for (const count of COUNTS) {
        const session = await open(onnx, count, { preset });
        for (let turn = 0; turn < 4; turn++) {
          const outputs = await session.run(feeds[turn % 2]!);
          for (const [name, tensor] of Object.entries(outputs)) {
            expect(digest(tensor), `${name} with ${count} threads`).toBe(digest(expected[turn % 2]![name]!));
          }
        }
        await session.release();
      }
    },
  );

  it("of sizes that grow, and with them the memory and the programs of ranges", async () => {
    const onnx = writeOnnx(
      build(
        { x: ["N", 256] },
        { w: random(1, [256, 96]) },
        [
          ["MatMul", ["x", "w"], ["h"]],
          ["Softmax", ["h"], ["y"]],
        ],
        ["y"],
      ),
    );
    const [one, three] = [await InferenceSession.create(onnx), await open(onnx, 3)];
    for (const rows of [40, 41, 42, 43, 44, 50, 64, 65, 300, 5000, 7]) {
      const feeds = { x: random(rows, [rows, 256]) };
      expect(digest((await three.run(feeds))["y"]!), `${rows} rows`).toBe(digest((await one.run(feeds))["y"]!));
    }
    expect(three.memoryBytes).toBeGreaterThan(2 ** 23);
    await Promise.all([one.release(), three.release()]);
  });
});

describe("what is shared", () => {
  const step: Step = { opcode: Opcode.Copy, words: [] };

  it("is decided by the work of a step", () => {
    expect(piecesOf({ step, macs: 100_000, bytes: 10_000 }, 2)).toBe(0);
    expect(piecesOf({ step, macs: 0, bytes: 100_000 }, 2)).toBe(1);
    expect(piecesOf({ step, macs: 399_999, bytes: 0 }, 2)).toBe(0);
    expect(piecesOf({ step, macs: 1_000_000, bytes: 0 }, 2)).toBe(2);
    // A depthwise layer takes four times as long for a product.
    expect(piecesOf({ step: { opcode: Opcode.DepthwiseI16, words: [] }, macs: 100_000, bytes: 0 }, 2)).toBe(1);
    expect(piecesOf({ step: { opcode: Opcode.DepthwiseF32, words: [] }, macs: 99_999, bytes: 0 }, 2)).toBe(0);
    const each = [2, 3, 4, 8, 64].map((threads) => piecesOf({ step, macs: 1e9, bytes: 0 }, threads));
    expect(each).toEqual([4, 3, 2, 2, 2]);
  });

  it("is not cut finer than the pixels of a layer that hands over are worth", () => {
    const words = new Array<number>(ConvStep.length).fill(1);
    const each = [1, 48, 96, 191, 192, 288, 384].map((pixels) => {
      words[ConvStep.outWidth] = pixels;
      return piecesOf({ step: { opcode: Opcode.ConvI8, words }, macs: 1e9, bytes: 0 }, 2);
    });
    expect(each).toEqual([1, 1, 1, 1, 2, 3, 4]);
  });
});

threaded("what goes wrong", () => {
  const gather = writeOnnx(
    build({ x: [1000, 64], i: { type: "int64", shape: ["N"] } }, {}, [["Gather", ["x", "i"], ["y"]]], ["y"]),
  );

  it("is told with the words of one thread, wherever the index is, and the session goes on", async () => {
    const [one, four] = [await InferenceSession.create(gather), await open(gather, 4)];
    const x = f32([1000, 64]);
    for (const wrong of [[0], [3999], [100, 3000], [2500, 2600, 3999]]) {
      const indices = new BigInt64Array(4000).map((_, i) => BigInt(i % 1000));
      for (const [n, at] of wrong.entries()) indices[at] = BigInt(5000 + n);
      const feeds = { x, i: new Tensor("int64", indices, [4000]) };
      const error = (await one.run(feeds).catch((thrown: unknown) => thrown)) as Error;
      expect(error.message).toContain("index 5000 on axis 0");
      await expect(four.run(feeds)).rejects.toThrow(error.message);
    }
    const right = { x, i: new Tensor("int64", new BigInt64Array(4000).fill(7n), [4000]) };
    expect(digest((await four.run(right))["y"]!)).toBe(digest((await one.run(right))["y"]!));
    await Promise.all([one.release(), four.release()]);
  });

  it("an abort in the middle of a step that all work on", async () => {
    const onnx = writeOnnx(build({ x: ["N"] }, {}, [["Erf", ["x"], ["y"]]], ["y"]));
    const session = await open(onnx, 3, { preset: "float32", build: "scalar" });
    const x = new Tensor("float32", new Float32Array(2 ** 23).fill(0.5), [2 ** 23]);
    const signal = AbortSignal.timeout(20);
    await expect(session.run({ x }, { signal })).rejects.toBe(
      await new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(signal.reason));
      }),
    );
    expect((await session.run({ x }))["y"]!.data[5]).toBeCloseTo(0.5205);
    await session.release();
  });

  it("more memory than the limit allows is refused, as on one thread", async () => {
    const onnx = writeOnnx(build({ x: ["N"] }, {}, [["Erf", ["x"], ["y"]]], ["y"]));
    const session = await open(onnx, 2, { limits: { bytes: 2 ** 22 } });
    const run = (size: number): Promise<unknown> => session.run({ x: f32([size]) });
    await expect(run(2 ** 20)).rejects.toMatchObject({ code: "MEMORY" });
    await run(2 ** 17);
    await session.release();
  });

  const wide = writeOnnx(build({ x: ["N"] }, {}, [["Erf", ["x"], ["y"]]], ["y"]));
  const feeds = { x: new Tensor("float32", new Float32Array(2 ** 20).fill(0.5), [2 ** 20]) };

  it("release ends the workers, and so does a create that fails", async () => {
    const made = recordWorkers();
    const session = await open(wide, 3);
    await session.run(feeds);
    expect(made.map(isGone)).toEqual([false, false]);
    await session.release();
    expect(made.map(isGone)).toEqual([true, true]);
    await expect(InferenceSession.create(new Uint8Array(5), { numThreads: 2 })).rejects.toMatchObject({
      code: "MODEL",
    });
    await vi.waitFor(() => expect(made.map(isGone)).toEqual([true, true, true]));
  });

  it("a worker that dies between runs leaves a session on one thread", async () => {
    const made = recordWorkers();
    const session = await open(wide, 3);
    const { y } = await session.run(feeds);
    await made[1]!.terminate();
    await vi.waitFor(() => expect(session.numThreads).toBe(1));
    expect(digest((await session.run(feeds))["y"]!)).toBe(digest(y!));
    await vi.waitFor(() => expect(made.map(isGone)).toEqual([true, true]));
    await session.release();
  });

  it("one that dies with a piece of a step in its hands fails the run, and only that", async () => {
    const dies = `
      const { parentPort } = require("node:worker_threads");
      parentPort.once("message", ({ control }) => {
        parentPort.postMessage("ready");
        while (Atomics.load(control, 0) === 0); // no job yet
        Atomics.sub(control, 17, 1); // of its own queue, to which the other comes last
        process.exit(3);
      });`;
    recordWorkers(() => new workers.Worker(dies, { eval: true }));
    const session = await open(wide, 2, { build: "scalar" });
    const x = new Tensor("float32", new Float32Array(2 ** 22), [2 ** 22]);
    await expect(session.run({ x })).rejects.toMatchObject({
      code: "WORKER",
      message: "a worker of the session has died: it ended with code 3",
    });
    expect(session.numThreads).toBe(1);
    expect((await session.run(feeds))["y"]!.data[5]).toBeCloseTo(0.5205);
    await session.release();
  });

  it.each([
    [
      "workers that cannot be started",
      () => recordWorkers(() => new workers.Worker("throw new Error('no')", { eval: true })),
      /no worker could be started \(a worker of the session has died: no\)/,
    ],
    ["no shared memory", () => vi.stubGlobal("SharedArrayBuffer", undefined), /not cross-origin isolated/],
    ["a page that is not isolated", () => vi.stubGlobal("crossOriginIsolated", false), /not cross-origin isolated/],
  ])("%s are a warning, and one thread", async (_, arrange, why) => {
    arrange();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const session = await InferenceSession.create(wide, { numThreads: 4 });
    expect(session.numThreads).toBe(1);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(/^bitbasis: "numThreads" is 4, but .*; running on one thread$/);
    expect(warn.mock.calls[0]![0]).toMatch(why);
    expect((await session.run(feeds))["y"]!.data[5]).toBeCloseTo(0.5205);
    await session.release();
  });

  it("a count that makes no sense is refused", async () => {
    for (const numThreads of [0, 65, 1.5, Number.NaN]) {
      await expect(InferenceSession.create(wide, { numThreads })).rejects.toThrow(
        `"numThreads" expected integer in 1..64, got ${numThreads}`,
      );
    }
  });
});
