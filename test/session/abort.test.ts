import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, type NodeSpec } from "../graph/build.ts";
import { chances } from "../support/chances.ts";

/** Milliseconds from the abort, which comes `after` some, to the rejection: the least of three, as other processes use the machine too. */
async function patience(session: InferenceSession, feeds: Record<string, Tensor>, after: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController();
    const reason = new Error("enough");
    let aborted = 0;
    setTimeout(() => {
      aborted = performance.now();
      controller.abort(reason);
    }, after);
    await expect(session.run(feeds, { signal: controller.signal })).rejects.toBe(reason);
    times.push(performance.now() - aborted);
  }
  return Math.min(...times);
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
    const feeds = { x: new Tensor("float32", new Float32Array(2 ** 25).fill(0.5), [2 ** 25]) };
    const start = performance.now();
    const { y } = await session.run(feeds);
    expect(performance.now() - start).toBeGreaterThan(100);
    expect(await patience(session, feeds, 30)).toBeLessThan(50);
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
    const feeds = { x: new Tensor("float32", data, [1024, 1024]) };
    const start = performance.now();
    const { y } = await session.run(feeds);
    expect(performance.now() - start).toBeGreaterThan(100);
    expect(await patience(session, feeds, 30)).toBeLessThan(50);
    const again = await session.run(feeds, { signal: new AbortController().signal });
    expect(digest(again["y"]!)).toBe(digest(y!));
    await session.release();
  });

  const noise = (n: number): Float32Array =>
    Float32Array.from({ length: n }, (_, i) => ((Math.imul(i, 2654435761) >>> 8) % 100_003) / 1000 - 50);
  const line = (n: number): Tensor => new Tensor("float32", noise(n), [n]);
  const i64 = (value: number): Tensor => new Tensor("int64", [BigInt(value)], [1]);
  const LENGTH = 2 ** 20;
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
        b: new Tensor("float32", noise(2 ** 15), [1, 2 ** 13, 4]),
        s: new Tensor("float32", noise(2 ** 13), [1, 1, 2 ** 13]),
      },
    ],
  ] satisfies Long[])("of one long row: %s", async (_, inputs, constants, nodes, outputs, opset, feeds) => {
    const onnx = writeOnnx(build(inputs, constants, nodes, outputs, opset));
    const session = await InferenceSession.create(onnx, { preset: "float32", build: "scalar" });
    const start = performance.now();
    const { y } = await session.run(feeds);
    expect(performance.now() - start).toBeGreaterThan(20);
    expect(await patience(session, feeds, 5)).toBeLessThan(50);
    const again = await session.run(feeds, { signal: new AbortController().signal });
    expect(digest(again["y"] as Tensor)).toBe(digest(y as Tensor));
    await session.release();
  });

  const WIDE = 2 ** 24;
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
    async (_, inputs, constants, nodes, outputs, opset, feeds) => {
      const onnx = writeOnnx(build(inputs, constants, nodes, outputs, opset));
      const session = await InferenceSession.create(onnx, { preset: "float32" });
      expect(await patience(session, feeds, 0)).toBeLessThan(50);
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

  it("of folding in create", async () => {
    const chain = Array.from({ length: 4 }, (_, i): NodeSpec => ["Transpose", [`c${i}`], [`c${i + 1}`]]);
    const c0 = new Tensor("float32", new Float32Array(2 ** 20), [1024, 1024]);
    const onnx = writeOnnx(build({ x: [1024] }, { c0 }, [...chain, ["Add", ["x", "c4"], ["y"]]], ["y"]));
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      let aborted = 0;
      setTimeout(() => {
        aborted = performance.now();
        controller.abort(new Error("enough"));
      }, 0);
      await expect(InferenceSession.create(onnx, { signal: controller.signal })).rejects.toThrow("enough");
      times.push(performance.now() - aborted);
    }
    expect(Math.min(...times)).toBeLessThan(50);
  });

  it("of a loop without end, which limits stop without a signal", async () => {
    const session = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 2 ** 40 } });
    expect(await patience(session, { x: f32([2]) }, 30)).toBeLessThan(50);
    await session.release();
    const limited = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 1e8 } });
    await expect(limited.run({ x: f32([2]) })).rejects.toMatchObject({ code: "LIMIT" });
    await limited.release();
  });

  it("of a wait for the runs before it", async () => {
    const session = await InferenceSession.create(endless(), { preset: "float32", limits: { macs: 2 ** 40 } });
    const first = new AbortController();
    const running = session.run({ x: f32([2]) }, { signal: first.signal });
    expect(await patience(session, { x: f32([2]) }, 20)).toBeLessThan(50);
    first.abort();
    await expect(running).rejects.toThrow("abort");
    await session.release();
  });
});
