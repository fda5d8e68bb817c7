import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { InferenceSession, type Preset, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, type NodeSpec } from "../graph/build.ts";
import { chances } from "../support/chances.ts";

/** Most pieces after which an abort is tried: by then the work is under way. */
const PIECES = 3;
/** Pieces that large work comes in at least: how long one takes is test/slow/gaps.mjs's to say. Without slices of steps it is 16 at most, those of copies included. */
const LEAST = 24;

/** Aborts work in the middle, which must end there and then, and tells in how many pieces the whole of it comes. */
async function pieces(run: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  for (const at of [1, PIECES]) {
    const reason = new Error("enough");
    expect(await chances(run, at, reason)).toEqual({ count: at, error: reason });
  }
  const { count, error } = await chances(run);
  expect(error).toBeUndefined();
  return count;
}

/** Comparing millions of elements one by one takes the test library half a minute. */
function digest({ data }: Tensor): string {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest("hex");
}

/** A loop that nothing ends. */
function endless(): Uint8Array {
  const body: Graph = {
    ...{ name: "body", opsets: { "": 17 }, initializers: new Map() },
    inputs: [
      { name: "i", type: "int64", shape: [] },
      { name: "goes", type: "bool", shape: [] },
      { name: "a", type: "float32", shape: [2] },
    ],
    outputs: [
      { name: "still", type: "bool", shape: [] },
      { name: "b", type: "float32", shape: [2] },
    ],
    nodes: [
      { name: "c", op: "Identity", domain: "", inputs: ["goes"], outputs: ["still"], attributes: {} },
      { name: "d", op: "Add", domain: "", inputs: ["a", "a"], outputs: ["b"], attributes: {} },
    ],
  };
  const loop = build({ x: [2] }, {}, [["Loop", ["", "", "x"], ["y"], { body }]], ["y"]);
  return writeOnnx(loop);
}

describe("an abort is honoured in the middle", () => {
  it.each(["scalar", "simd"] as const)("of one large step: %s", async (build_) => {
    const onnx = writeOnnx(build({ x: ["N"] }, {}, [["Erf", ["x"], ["y"]]], ["y"]));
    const session = await InferenceSession.create(onnx, { preset: "float32", build: build_ });
    const feeds = { x: new Tensor("float32", new Float32Array(2 ** 23).fill(0.5), [2 ** 23]) };
    const { y } = await session.run(feeds);
    expect(await pieces((signal) => session.run(feeds, { signal }))).toBeGreaterThan(LEAST);
    const again = await session.run(feeds, { signal: new AbortController().signal });
    expect(digest(again["y"]!)).toBe(digest(y!));
    await session.release();
  });

  it.each(["float32", "faithful"] as const)("of one large product: %s", async (preset) => {
    const data = Float32Array.from({ length: 2 ** 20 }, (_, i) => Math.sin(i));
    const w = new Tensor("float32", data, [1024, 1024]);
    const session = await InferenceSession.create(
      writeOnnx(build({ x: ["N", 1024] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y"])),
      { preset, build: "scalar" },
    );
    const feeds = { x: new Tensor("float32", data.subarray(0, 2 ** 18), [256, 1024]) };
    const { y } = await session.run(feeds);
    expect(await pieces((signal) => session.run(feeds, { signal }))).toBeGreaterThan(LEAST);
    const again = await session.run(feeds, { signal: new AbortController().signal });
    expect(digest(again["y"]!)).toBe(digest(y!));
    await session.release();
  });

  const noise = (n: number): Float32Array =>
    Float32Array.from({ length: n }, (_, i) => ((Math.imul(i, 2654435761) >>> 8) % 100_003) / 1000 - 50);
  const line = (n: number): Tensor => new Tensor("float32", noise(n), [n]);
  const i64 = (value: number): Tensor => new Tensor("int64", [BigInt(value)], [1]);
  const LENGTH = 2 ** 19;
  type Long = readonly [what: string, ...Parameters<typeof build>, feeds: Record<string, Tensor>];
  it.each([
    ["sort", { x: ["N"] }, { k: i64(LENGTH) }, [["TopK", ["x", "k"], ["y", "z"]]], ["y"], 17, { x: line(LENGTH) }],
    ["Unique", { x: ["N"] }, {}, [["Unique", ["x"], ["y"]]], ["y"], 17, { x: line(LENGTH) }],
    ["NonZero", { x: ["N"] }, {}, [["NonZero", ["x"], ["y"]]], ["y"], 17, { x: line(LENGTH) }],
    [
      "NonMaxSuppression",
      { b: [1, "N", 4], s: [1, 1, "N"] },
      { k: i64(LENGTH), t: f32([], [1]) },
      [["NonMaxSuppression", ["b", "s", "k", "t"], ["y"]]],
      ["y"],
      17,
      {
        b: new Tensor("float32", noise(2 ** 13), [1, 2 ** 11, 4]),
        s: new Tensor("float32", noise(2 ** 11), [1, 1, 2 ** 11]),
      },
    ],
  ] satisfies Long[])("of one long row: %s", async (_, inputs, constants, nodes, outputs, opset, feeds) => {
    const onnx = writeOnnx(build(inputs, constants, nodes, outputs, opset));
    const session = await InferenceSession.create(onnx, { preset: "float32", build: "scalar" });
    const { y } = await session.run(feeds);
    expect(await pieces((signal) => session.run(feeds, { signal }))).toBeGreaterThan(LEAST / 2);
    const again = await session.run(feeds, { signal: new AbortController().signal });
    expect(digest(again["y"] as Tensor)).toBe(digest(y as Tensor));
    await session.release();
  });

  const WIDE = 2 ** 24;
  /** Without the turns of copies there are 30 to 46 pieces fewer, without slices of steps 31 to 49 are left. */
  const COPIED: Record<string, number> = { Identity: 90, Concat: 290, Gather: 150, Transpose: 150, ScatterND: 190 };
  const wide = (...dims: number[]): Record<string, Tensor> => ({
    x: new Tensor("float32", new Float32Array(WIDE), dims),
  });
  it.each([
    ["Identity", { x: ["N"] }, {}, [["Identity", ["x"], ["y"]]], ["y"], 17, wide(WIDE)],
    ["Concat", { x: [1, "N"] }, {}, [["Concat", ["x", "x"], ["y"], { axis: 0 }]], ["y"], 17, wide(1, WIDE)],
    [
      "Gather",
      { x: [2, "N"] },
      { i: new Tensor("int64", [1n, 0n]) },
      [["Gather", ["x", "i"], ["y"]]],
      ["y"],
      17,
      wide(2, WIDE / 2),
    ],
    ["Transpose", { x: [2, "N"] }, {}, [["Transpose", ["x"], ["y"]]], ["y"], 17, wide(2, WIDE / 2)],
    [
      "ScatterND",
      { x: [2, "N"], u: [1, "N"] },
      { i: new Tensor("int64", [1n], [1, 1]) },
      [["ScatterND", ["x", "i", "u"], ["y"]]],
      ["y"],
      17,
      { ...wide(2, WIDE / 2), u: new Tensor("float32", new Float32Array(WIDE / 2), [1, WIDE / 2]) },
    ],
  ] satisfies Long[])(
    "of copies of feeds, rows and outputs: %s",
    async (what, inputs, constants, nodes, outputs, opset, feeds) => {
      const onnx = writeOnnx(build(inputs, constants, nodes, outputs, opset));
      const session = await InferenceSession.create(onnx, { preset: "float32" });
      expect(await pieces((signal) => session.run(feeds, { signal }))).toBeGreaterThan(COPIED[what]!);
      await session.release();
    },
  );

  it.each(["float32", "faithful", "fast"] as const)("of the first run, which packs all weights: %s", async (preset) => {
    const LAYERS = 12;
    const weights = Object.fromEntries(
      Array.from({ length: LAYERS }, (_, i) => [
        `w${i}`,
        f32(
          [64, 64],
          Array.from({ length: 4096 }, (_, k) => Math.sin(k * (i + 1)) / 8),
        ),
      ]),
    );
    const nodes = Array.from(
      { length: LAYERS },
      (_, i): NodeSpec => ["MatMul", [i === 0 ? "x" : `h${i - 1}`, `w${i}`], [i === LAYERS - 1 ? "y" : `h${i}`]],
    );
    const onnx = writeOnnx(build({ x: ["N", 64] }, weights, nodes, ["y"]));
    const feeds = { x: f32([2, 64]) };
    const whole = await InferenceSession.create(onnx, { preset });
    const { y } = await whole.run(feeds);
    const session = await InferenceSession.create(onnx, { preset });
    // Every layer is a chance; one that is taken leaves a session that goes on where it stood.
    for (const at of [2, 5, LAYERS]) {
      const reason = new Error("enough");
      expect(await chances((signal) => session.run(feeds, { signal }), at, reason)).toEqual({
        count: at,
        error: reason,
      });
    }
    const answered = async (signal: AbortSignal): Promise<void> => {
      expect(digest((await session.run(feeds, { signal }))["y"]!)).toBe(digest(y!));
    };
    const [first, second] = [await chances(answered), await chances(answered)];
    expect([first.error, second.error]).toEqual([undefined, undefined]);
    expect(first.count - second.count).toBeGreaterThanOrEqual(LAYERS);
    expect(session.memoryBytes).toBeLessThanOrEqual(whole.memoryBytes);
    for (const one of [whole, session]) await one.release();
  });

  const turned: NodeSpec = ["Gemm", ["x", "w"], ["y"], { transB: 1 }];
  const taps: NodeSpec = ["ConvTranspose", ["x", "w"], ["y"], { strides: [2, 2] }];
  // What is read as it is, is copied in four pieces of 4 MB, what is packed is copied and packed in as many; series are added in pieces of 2^21 elements, when their panels are clear. Taps are two halves of the weight. Behind
  // each node is a stop too, and convolutions have a Transpose before and behind them.
  it.each<[string, Preset, NodeSpec, readonly number[], readonly number[], stops: number]>([
    ["a constant that is read as it is", "float32", ["Add", ["x", "w"], ["y"]], [2 ** 22], [1], 3 + 1],
    ["a matrix", "float32", ["MatMul", ["x", "w"], ["y"]], [2048, 2048], [1, 2048], 3 + 3 + 1],
    ["a turned one", "float32", turned, [2048, 2048], [1, 2048], 3 + 3 + 1],
    ["a matrix", "faithful", ["MatMul", ["x", "w"], ["y"]], [2048, 4096], [1, 2048], 4 + 1],
    ["a kernel", "float32", ["Conv", ["x", "w"], ["y"]], [2048, 2048, 1, 1], [1, 2048, 2, 2], 3 + 3 + 3],
    ["taps", "float32", taps, [512, 512, 4, 4], [1, 512, 2, 2], 2 * (1 + 1) + 3],
    ["taps", "faithful", taps, [1024, 512, 4, 4], [1, 1024, 2, 2], 2 * 2 + 3],
  ])("of a first run, of one large weight, in pieces: %s, %s", async (_, preset, node, dims, inputs, stops) => {
    const w = new Tensor("float32", noise(dims.reduce((a, b) => a * b)), dims);
    const onnx = writeOnnx(build({ x: inputs }, { w }, [node], ["y"]));
    const feeds = { x: f32(inputs) };
    const whole = await InferenceSession.create(onnx, { preset });
    const { y } = await whole.run(feeds);
    const session = await InferenceSession.create(onnx, { preset });
    for (const at of [1, 2, 2]) {
      const reason = new Error("enough");
      const run = (signal: AbortSignal) => session.run(feeds, { signal });
      expect(await chances(run, at, reason)).toEqual({ count: at, error: reason });
    }
    const answered = async (signal: AbortSignal): Promise<void> => {
      expect(digest((await session.run(feeds, { signal }))["y"]!)).toBe(digest(y!));
    };
    const [first, second] = [await chances(answered), await chances(answered)];
    expect([first.error, second.error]).toEqual([undefined, undefined]);
    expect(first.count - second.count).toBe(stops);
    // What the runs before had begun was given back.
    expect(session.memoryBytes).toBeLessThanOrEqual(whole.memoryBytes);
    for (const one of [whole, session]) await one.release();
  });

  it("of programs for all lengths, node by node", async () => {
    const nodes = Array.from({ length: 20 }, (_, i): NodeSpec => ["Relu", [`h${i}`], [i === 19 ? "y" : `h${i + 1}`]]);
    const onnx = writeOnnx(build({ h0: ["N", 4] }, {}, nodes, ["y"]));
    const session = await InferenceSession.create(onnx, { preset: "float32" });
    const counted = (n: number) => chances((signal) => session.run({ h0: f32([n, 4]) }, { signal }));
    const [first, , third] = [await counted(10), await counted(20), await counted(30)];
    // The third on a line makes the programs of three sizes.
    expect(third.count - first.count).toBeGreaterThanOrEqual(2 * nodes.length);
    await session.release();
  });

  it("of folding in create", async () => {
    const chain = Array.from({ length: 4 }, (_, i): NodeSpec => ["Transpose", [`c${i}`], [`c${i + 1}`]]);
    const c0 = new Tensor("float32", new Float32Array(2 ** 20), [1024, 1024]);
    const onnx = writeOnnx(build({ x: [1024] }, { c0 }, [...chain, ["Add", ["x", "c4"], ["y"]]], ["y"]));
    // Each of the four is folded in a piece of its own.
    const { count, error } = await chances((signal) => InferenceSession.create(onnx, { signal }), 3);
    expect(count).toBe(3);
    expect(error).toMatchObject({ message: "enough" });
  });

  it("of a loop without end, which limits stop without a signal", async () => {
    const session = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 2 ** 40 } });
    for (const at of [1, 100, 1000]) {
      const reason = new Error("enough");
      const run = (signal: AbortSignal) => session.run({ x: f32([2]) }, { signal });
      expect(await chances(run, at, reason)).toEqual({ count: at, error: reason });
    }
    await session.release();
    const limited = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 1e8 } });
    await expect(limited.run({ x: f32([2]) })).rejects.toMatchObject({ code: "LIMIT" });
    await limited.release();
  });

  it("of a wait for the runs before it", async () => {
    const session = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 2 ** 40 } });
    const first = new AbortController();
    const running = session.run({ x: f32([2]) }, { signal: first.signal });
    // The run before it never ends: that this one does is the whole of it.
    const second = new AbortController();
    const waiting = session.run({ x: f32([2]) }, { signal: second.signal });
    second.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    first.abort();
    await expect(running).rejects.toThrow("abort");
    await session.release();
  });
});
