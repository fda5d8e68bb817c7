import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BitbasisError, InferenceSession, type SessionOptions, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

const ONNX = writeOnnx(
  build(
    { x: ["N", 3], z: ["N", 3] },
    {},
    [
      ["Add", ["x", "z"], ["y"]],
      ["Mul", ["x", "z"], ["p"]],
    ],
    ["y", "p"],
  ),
);

function feeds(n = 2): { x: Tensor<"float32">; z: Tensor<"float32"> } {
  const [x, z] = [f32([n, 3]), f32([n, 3], new Array(3 * n).fill(2))] as Tensor<"float32">[];
  return { x: x!, z: z! };
}

let session: InferenceSession;
beforeAll(async () => {
  session = await InferenceSession.create(ONNX, { preset: "float32" });
});
afterAll(() => session.release());

/** Every kind of value that an option is not. */
const ODD: readonly unknown[] = [null, 5, -1, 1.5, Number.NaN, "text", true, [], {}, () => 1, Symbol("s"), 7n];

describe("every option in every wrong kind", () => {
  const own = (error: unknown): void => {
    const known = error instanceof BitbasisError || error instanceof TypeError || error instanceof RangeError;
    expect(known, String(error)).toBe(true);
    expect((error as Error).message).toMatch(/expected|allow|has no output/);
    expect((error as Error).message).not.toMatch(/undefined|is not a|Cannot|\[object|Invalid/);
    expect((error as { code?: string }).code).not.toBe("INTERNAL");
  };

  it.each([
    ...["preset", "plan", "terms", "numThreads", "build", "wasm", "externalData", "limits", "progressive", "signal"],
    ...["onProgress", "freeDimensionOverrides", "executionProviders", "intraOpNumThreads"],
  ])("%s", async (name) => {
    for (const value of ODD) {
      const options = {
        [name]: value,
        ...(name === "numThreads" || name === "intraOpNumThreads" ? { build: "x" } : {}),
      };
      const opened = await InferenceSession.create(ONNX, options as SessionOptions).catch((error: unknown) => error);
      if (opened instanceof InferenceSession) await opened.release();
      else own(opened);
    }
  });

  it("the options themselves", async () => {
    for (const options of [null, 5, "fast", true]) {
      const opening = InferenceSession.create(ONNX, options as unknown as SessionOptions);
      await expect(opening).rejects.toThrow(/^"options" expected an object, got /);
    }
  });

  it("of a run", async () => {
    for (const value of ODD) {
      for (const run of [
        () => session.run(feeds(), value as string[]),
        () => session.run(feeds(), ["y"], value as object),
        () => session.run(feeds(), { signal: value as AbortSignal }),
        () => session.run(feeds(), [value as string]),
        () => session.run(feeds(), { y: value as Tensor }),
        () => session.run(value as Record<string, Tensor>),
        () => session.run({ ...feeds(), x: value as Tensor }),
        () => session.run({ ...feeds(), x: { type: value, dims: value, data: value } as Tensor }),
        () => session.run({ ...feeds(), x: { type: "float32", dims: [2, 3], data: value } as never }),
      ]) {
        const outcome: unknown = await run().catch((error: unknown) => error);
        if (outcome instanceof Error) own(outcome);
      }
    }
  });
});

describe("builds", () => {
  it("that are named are used or refused", async () => {
    // behind a flag of Node 20
    const isOld = Number.parseInt(process.versions.node, 10) <= 20;
    if (isOld)
      await expect(InferenceSession.create(ONNX, { build: "relaxed" })).rejects.toMatchObject({ code: "BUILD" });
    for (const build of ["scalar", "simd", "auto", ...(isOld ? [] : (["relaxed"] as const))] as const) {
      const own = await InferenceSession.create(ONNX, { build, preset: "float32" });
      expect((await own.run(feeds()))["y"]!.data).toEqual((await session.run(feeds()))["y"]!.data);
      await own.release();
    }
  });

  it("in place of the inlined one must be ours", async () => {
    const text = (...parts: (string | number[])[]): Uint8Array =>
      Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part)] : part)));
    const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const empty = text(magic);
    const asks = text(magic, [1, 4, 1, 0x60, 0, 0], [2, 9, 1, 3], "env", [1], "f", [0, 0]);
    const lattice = readFileSync(new URL("../../build/lattice.wasm", import.meta.url));
    const broken = readFileSync(new URL("../../build/simd.wasm", import.meta.url)).subarray(0, 900);
    const bad: [BufferSource, RegExp][] = [
      [empty as Uint8Array<ArrayBuffer>, /got one that has no /],
      [asks as Uint8Array<ArrayBuffer>, /got one that imports the function "f" of "env"/],
      [lattice, /got one that has no /],
      [broken as Uint8Array<ArrayBuffer>, /got a damaged one/],
    ];
    for (const [wasm, message] of bad) {
      const opening = InferenceSession.create(ONNX, { wasm });
      await expect(opening).rejects.toMatchObject({ code: "BUILD", message: expect.stringMatching(message) });
    }
  });

  it("of another version are refused", async () => {
    const code = new Uint8Array(readFileSync(new URL("../../build/scalar.wasm", import.meta.url)));
    // The magic number of programs, 0x50534242, as the signed LEB128 of an i32.const; another number is another format.
    const magic = [0xc2, 0x84, 0xcd, 0x82, 0x05];
    const at = code.findIndex((_, i) => magic.every((byte, j) => code[i + j] === byte));
    expect(at).toBeGreaterThan(0);
    code[at]! ^= 1;
    await expect(InferenceSession.create(ONNX, { wasm: code })).rejects.toMatchObject({
      code: "BUILD",
      message: '"wasm" expected a module of this version of bitbasis, got one of another',
    });
  });
});

describe("onnxruntime's options", () => {
  it("are accepted", async () => {
    const options: SessionOptions = {
      ...{ preset: "float32", graphOptimizationLevel: "all", enableProfiling: true, logSeverityLevel: 3, logId: "a" },
      ...{ executionMode: "sequential", enableCpuMemArena: true, enableMemPattern: true, interOpNumThreads: 1 },
      ...{ preferredOutputLocation: "cpu", extra: { session: {} }, intraOpNumThreads: 1 },
    };
    const own = await InferenceSession.create(ONNX, options);
    expect((await own.run(feeds(), { tag: "t", logSeverityLevel: 2, terminate: false }))["y"]!.dims).toEqual([2, 3]);
    await own.release();
  });

  it("executionProviders must hold one of ours", async () => {
    for (const providers of [["wasm"], ["webgpu", { name: "cpu" }], ["cuda", "bitbasis"], []]) {
      await (await InferenceSession.create(ONNX, { executionProviders: providers })).release();
    }
    const opening = InferenceSession.create(ONNX, { executionProviders: ["webgpu", { name: "cuda" }] });
    await expect(opening).rejects.toThrow(
      '"executionProviders" expected "bitbasis", "wasm" or "cpu" among them, got "webgpu", "cuda"',
    );
  });

  it("freeDimensionOverrides fix named dimensions", async () => {
    const own = await InferenceSession.create(ONNX, { preset: "float32", freeDimensionOverrides: { N: 2, other: 9 } });
    expect(own.inputMetadata.map(({ shape }) => shape)).toEqual([
      [2, 3],
      [2, 3],
    ]);
    // A static shape takes a bare array.
    const { y } = await own.run({ x: new Float32Array(6), z: new Float32Array(6).fill(1) });
    expect(y!.data).toEqual(new Float32Array(6).fill(1));
    await expect(own.run(feeds(3))).rejects.toThrow('input "x" expected float32 [2, 3], got float32 [3, 3]');
    await own.release();
  });
});

describe("feeds", () => {
  it("are read when run is called", async () => {
    const expected = (await session.run(feeds()))["y"]!.data;
    const given = feeds();
    const [first, second] = [session.run(given), session.run(given)];
    given.x.data.fill(99);
    (given as Record<string, Tensor>)["z"] = f32([9, 3]);
    expect((await first)["y"]!.data).toEqual(expected);
    expect((await second)["y"]!.data).toEqual(expected);
  });

  it("that have been detached or disposed of are refused", async () => {
    const given = feeds();
    structuredClone(given.x.data.buffer, { transfer: [given.x.data.buffer as ArrayBuffer] });
    await expect(session.run(given)).rejects.toThrow(
      'input "x" expected 6 elements, got 0: its buffer has been detached or resized',
    );
    const gone = feeds();
    gone.z.dispose();
    await expect(session.run(gone)).rejects.toThrow("disposed");
  });

  it("may have any name", async () => {
    const names = ["__proto__", "toString"] as const;
    const inputs = Object.fromEntries(names.map((name) => [name, [2]]));
    const own = await InferenceSession.create(
      writeOnnx(build(inputs, {}, [["Add", [...names], ["constructor"]]], ["constructor"])),
      { preset: "float32" },
    );
    await expect(own.run({})).rejects.toThrow('input "__proto__" expected float32 [2], got nothing');
    const given = Object.fromEntries(names.map((name) => [name, f32([2], [1, 2])]));
    const outputs = await own.run(given, ["constructor"]);
    expect(Object.hasOwn(outputs, "constructor")).toBe(true);
    expect(outputs["constructor"]!.data).toEqual(Float32Array.of(2, 4));
    await own.release();
  });
});

describe("fetches", () => {
  it("fill the tensor that is given, and make one for null", async () => {
    const into = new Tensor("float32", new Float32Array(6), [2, 3]);
    const outputs = await session.run(feeds(), { y: into, p: null });
    expect(outputs["y"]).toBe(into);
    const fresh = await session.run(feeds());
    expect(into.data).toEqual(fresh["y"]!.data);
    expect(outputs["p"]!.data).toEqual(fresh["p"]!.data);
    const theirs = { type: "float32", dims: [2, 3], data: new Float32Array(8).subarray(2), location: "cpu" };
    expect((await session.run(feeds(), { y: theirs }))["y"]).toBe(theirs);
    expect([...theirs.data]).toEqual([...into.data]);
  });

  it("must fit", async () => {
    const bad: [Tensor, typeof TypeError | typeof RangeError, string][] = [
      [new Tensor("int32", new Int32Array(6), [2, 3]), TypeError, "the tensor to fill int32 [2, 3]"],
      [f32([3, 2]), RangeError, 'output "y" is float32 [2, 3], the tensor to fill float32 [3, 2]'],
      [f32([6]), RangeError, "the tensor to fill float32 [6]"],
    ];
    for (const [into, kind, message] of bad) {
      const running = session.run(feeds(), { y: into });
      await expect(running).rejects.toThrow(message);
      await expect(running).rejects.toBeInstanceOf(kind);
    }
  });
});
