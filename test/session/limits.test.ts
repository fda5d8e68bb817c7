import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import type { LoweredStep } from "../../src/program/lowering.ts";
import { WorkMeter } from "../../src/session/limits.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";

type Inputs = Parameters<typeof build>[0];

function model(inputs: Inputs, initializers: Record<string, Tensor>, nodes: NodeSpec[], output = "y"): Uint8Array {
  return writeOnnx(build(inputs, initializers, nodes, [output], 17));
}

/** What is refused, with the JavaScript and WASM memory that it took. */
async function refusal(bytes: Uint8Array, feeds: Record<string, Tensor> = {}, limits = {}): Promise<Error> {
  const before = process.memoryUsage().arrayBuffers;
  try {
    const session = await InferenceSession.create(bytes, { preset: "float32", limits });
    try {
      await session.run(feeds);
    } finally {
      expect(session.memoryBytes).toBeLessThan(2 ** 28);
      await session.release();
    }
  } catch (error) {
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28);
    return error as Error;
  }
  throw new Error("expected a refusal");
}

describe("a small file that asks for gigabytes is refused", () => {
  const huge = i64(2 ** 14, 2 ** 15);
  it.each<[string, NodeSpec[], Record<string, Tensor>]>([
    ["ConstantOfShape", [["ConstantOfShape", ["s"], ["y"]]], { s: huge }],
    ["Expand", [["Expand", ["c", "s"], ["y"]]], { c: f32([1]), s: huge }],
    ["Tile", [["Tile", ["c", "s"], ["y"]]], { c: f32([1, 1]), s: huge }],
    [
      "Range",
      [["Range", ["a", "b", "d"], ["y"]]],
      Object.fromEntries([0n, 2n ** 28n, 1n].map((v, i) => ["abd"[i]!, new Tensor("int64", [v], [])])),
    ],
    ["Pad", [["Pad", ["c", "p"], ["y"]]], { c: f32([1, 1]), p: i64(2 ** 14, 0, 0, 2 ** 15) }],
    [
      "Resize",
      [["Resize", ["c", "", "", "s"], ["y"], { mode: "nearest" }]],
      { c: f32([1, 1, 1, 1]), s: i64(1, 1, 2 ** 14, 2 ** 15) },
    ],
    [
      "Concat doubling a constant",
      Array.from({ length: 28 }, (_, i): NodeSpec => {
        const c = i === 0 ? "c" : `c${i}`;
        return ["Concat", [c, c], [i === 27 ? "y" : `c${i + 1}`], { axis: 0 }];
      }),
      { c: f32([4]) },
    ],
  ])("%s", async (_, nodes, initializers) => {
    const error = await refusal(model({}, initializers, nodes));
    expect(error).toMatchObject({ name: "BitbasisError", code: "MEMORY" });
  });

  it("a thousand constants of the largest kind that is folded", async () => {
    const nodes = Array.from({ length: 1000 }, (_, i): NodeSpec[] => [
      ["ConstantOfShape", [`s${i}`], [`a${i}`], { value: new Tensor("float32", [i]) }],
      ["ReduceMax", [`a${i}`, "zero"], [`m${i}`], { keepdims: 1 }],
    ]).flat();
    const sizes = Array.from({ length: 1000 }, (_, i) => [`s${i}`, i64(1, 2 ** 20 - i)] as const);
    nodes.push(["Concat", sizes.map((_, i) => `m${i}`), ["y"], { axis: 0 }]);
    const start = process.cpuUsage();
    const bytes = model({}, { ...Object.fromEntries(sizes), zero: i64(1) }, nodes);
    const before = process.memoryUsage().arrayBuffers;
    const session = await InferenceSession.create(bytes, { preset: "float32" }).catch(() => undefined);
    await session?.run({}).catch(() => undefined);
    await session?.release();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 29);
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(30);
  });
});

describe("limits", () => {
  const square = model({ x: ["N", 64] }, { w: f32([64, 64]) }, [["MatMul", ["x", "w"], ["y"]]]);

  it("of memory count the program, its weights and its values", async () => {
    const error = await refusal(square, { x: f32([4096, 64]) }, { bytes: 2 ** 20 });
    expect(error).toMatchObject({ code: "MEMORY" });
    expect(error.message).toMatch(/^\d+ bytes of memory are needed, "limits\.bytes" allows 1048576$/);
    const session = await InferenceSession.create(square, { preset: "float32", limits: { bytes: 2 ** 20 } });
    await expect(session.run({ x: f32([4096, 64]) })).rejects.toMatchObject({ code: "MEMORY" });
    // A request that fits is answered after one that did not.
    expect((await session.run({ x: f32([4, 64]) }))["y"]!.dims).toEqual([4, 64]);
    expect(session.memoryBytes).toBeLessThanOrEqual(2 ** 20);
    await session.release();
  });

  it("of memory count the file", async () => {
    const options = { limits: { bytes: 1000 } };
    for (const source of [square, new Blob([square as Uint8Array<ArrayBuffer>])]) {
      await expect(InferenceSession.create(source, options)).rejects.toMatchObject({
        code: "MEMORY",
        message: expect.stringMatching(/^the model has \d+ bytes or more, "limits\.bytes" allows 1000$/),
      });
    }
    await expect(InferenceSession.create(new URL(import.meta.url), options)).rejects.toThrow("or more");
  });

  it("of work name the node that takes most of it, before any of it is done", async () => {
    const session = await InferenceSession.create(square, { preset: "float32", limits: { macs: 64 * 64 * 100 } });
    expect((await session.run({ x: f32([50, 64]) }))["y"]!.dims).toEqual([50, 64]);
    const error: unknown = await session.run({ x: f32([200, 64]) }).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: "BitbasisError", code: "LIMIT" });
    expect((error as Error).message).toMatch(
      /^the run takes .* multiply-accumulates, "limits.macs" allows 4\.10e\+5; node "MatMul_0" \(MatMul\) alone takes 8\.19e\+5$/,
    );
    await session.release();
  });

  it("of work add up over the programs of a run", () => {
    const steps = [{ node: "a", op: "Relu", macs: 0, bytes: 60 } as LoweredStep];
    const meter = new WorkMeter(100);
    meter.add({ steps, work: 60 });
    expect(() => meter.add({ steps, work: 60 })).toThrow(
      'the run takes 120 multiply-accumulates, "limits.macs" allows 100',
    );
  });

  it.each([
    [{ bytes: 0 }, RangeError, '"limits.bytes" expected a number ≥ 1, got 0'],
    [{ macs: Number.NaN }, RangeError, '"limits.macs" expected a number ≥ 1, got NaN'],
    [{ macs: "1" }, TypeError, '"limits.macs" expected a number ≥ 1, got string'],
    [null, TypeError, '"limits" expected an object with "bytes" and "macs", got null'],
  ])("%j are refused", async (limits, kind, message) => {
    const opening = InferenceSession.create(square, { limits: limits as object });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toBeInstanceOf(kind);
  });

  it("may be infinite", async () => {
    const limits = { bytes: Number.POSITIVE_INFINITY, macs: Number.POSITIVE_INFINITY };
    const session = await InferenceSession.create(square, { preset: "float32", limits });
    expect((await session.run({ x: f32([2, 64]) }))["y"]!.dims).toEqual([2, 64]);
    await session.release();
  });
});
