// Options and arguments of `bitbasis/quantize`: every one with every wrong kind, limits, signals, and which cores do the work.
import { afterEach, describe, expect, it, vi } from "vitest";
import { Core } from "../../src/core/index.ts";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { compare, inspect, quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";
import { chances } from "../support/chances.ts";
import { WRONG_KINDS } from "../support/wrong-kinds.ts";

const weights = f32(
  [64, 64],
  new Array<number>(4096).fill(0).map((_, i) => Math.sin(i)),
);
/** exp(w) is a constant that only the core can compute. */
const model = writeOnnx(
  build(
    { x: [2, 64] },
    { w: weights },
    [
      ["Exp", ["w"], ["e"]],
      ["MatMul", ["x", "e"], ["y"]],
    ],
    ["y"],
  ),
);

/** Which wrong values make sense after all. */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  onProgress: ["a function"],
  externalData: ["an object"],
  limits: ["an object"],
  "limits.bytes": ["a huge number"],
  "limits.macs": ["a huge number"],
};

/** Sets `a.b` of an object. */
const withOption = (path: string, value: unknown): object => {
  const [name = "", inner] = path.split(".");
  return { [name]: inner === undefined ? value : { [inner]: value } };
};

type Call = (options: never) => Promise<unknown>;
const FUNCTIONS: readonly (readonly [string, Call, readonly string[]])[] = [
  [
    "quantize",
    (options) => quantize(model, options),
    ["preset", "plan", "signal", "onProgress", "externalData", "limits", "limits.bytes", "limits.macs"],
  ],
  ["inspect", (options) => inspect(model, options), ["externalData"]],
  [
    "compare",
    (options) => compare(model, [], options),
    ["presets", "signal", "onProgress", "externalData", "limits", "limits.bytes", "limits.macs"],
  ],
];

describe.each(FUNCTIONS)("%s", (_, call, options) => {
  const cases = options.flatMap((option) =>
    WRONG_KINDS.filter(([kind]) => !TAKEN[option]?.includes(kind)).map(
      ([kind, value]) => [option, kind, value] as const,
    ),
  );
  it.each(cases)("says what %s expects in place of %s", async (option, _kind, value) => {
    const error = await call(withOption(option, value) as never).catch((e: unknown) => e);
    expect([TypeError, RangeError]).toContain((error as Error)?.constructor);
    // What lies in a plan, a list or limits is named with its place.
    expect((error as Error).message).toMatch(new RegExp(`^"${option}[^"]*("[^"]*"[^"]*)?" expected .*`));
  });

  it.each(WRONG_KINDS.filter(([kind]) => kind !== "an object"))(
    "says that its options are no %s",
    async (_kind, value) => {
      await expect(call(value as never)).rejects.toThrow(/^"options" expected an object, got/);
    },
  );
});

describe("arguments", () => {
  it.each(WRONG_KINDS)("%s is no model and no feeds", async (_kind, value) => {
    await expect(quantize(value as never)).rejects.toThrow(/^"onnx" expected the bytes of a model/);
    await expect(inspect(value as never)).rejects.toThrow(/^"bytes" expected the bytes of a model/);
    await expect(compare(value as never, [])).rejects.toThrow(/^"onnx" expected the bytes of a model/);
    if (!Array.isArray(value)) await expect(compare(model, value as never)).rejects.toThrow(/^"feeds" expected/);
  });
});

describe("limits", () => {
  it("refuse a larger file, and a larger memory", async () => {
    await expect(quantize(model, { limits: { bytes: 1000 } })).rejects.toMatchObject({
      code: "MEMORY",
      message: `the model takes ${model.length} bytes, "limits.bytes" allows 1000`,
    });
    const square = f32([512, 512]);
    const large = writeOnnx(build({ x: [2, 512] }, { square }, [["MatMul", ["x", "square"], ["y"]]], ["y"]));
    const bytes = large.length + 2 ** 16;
    await expect(quantize(large, { limits: { bytes } })).rejects.toMatchObject({ code: "MEMORY" });
    await expect(compare(model, [], { limits: { bytes: 1000 } })).rejects.toMatchObject({ code: "MEMORY" });
    const feeds = [{ x: f32([2, 64]) }];
    await expect(compare(model, feeds, { limits: { macs: 1 } })).rejects.toMatchObject({ code: "LIMIT" });
    expect(await compare(model, feeds, { limits: { bytes: 2 ** 24, macs: 1e6 }, presets: ["fast"] })).toHaveLength(1);
  });

  it("leave in the graph what is more work than allowed", async () => {
    const operators = async (macs: number) =>
      (await inspect((await quantize(model, { limits: { macs } })).bytes)).operators;
    expect(await operators(1e9)).not.toHaveProperty("Exp");
    expect(await operators(100)).toHaveProperty("Exp");
  });
});

describe("a signal", () => {
  const reason = new Error("enough");

  it("that has been given stops them at once", async () => {
    const signal = AbortSignal.abort(reason);
    await expect(quantize(model, { signal })).rejects.toBe(reason);
    await expect(compare(model, [{ x: f32([2, 64]) }], { signal })).rejects.toBe(reason);
  });

  it("is honoured in the middle of constants that are computed beforehand", async () => {
    // Four products of 2^30 multiply-accumulates, which are folded: seconds, and some hundred pieces each, whatever a piece takes.
    const w = f32([1024, 1024], new Array<number>(2 ** 20).fill(0.5));
    const nodes = Array.from(
      { length: 4 },
      (_, i) => ["MatMul", [i === 0 ? "w" : `a${i - 1}`, "w"], [`a${i}`]] as const,
    );
    const graph = build({ x: [2, 1024] }, { w }, [...nodes, ["MatMul", ["x", "a3"], ["y"]]], ["y"]);
    const onnx = writeOnnx(graph);
    const create = (signal: AbortSignal) =>
      InferenceSession.create(onnx, { preset: "float32", build: "scalar", signal });
    for (const at of [50, 400]) expect(await chances(create, at, reason)).toEqual({ count: at, error: reason });
  });
});

describe("cores", () => {
  afterEach(() => vi.restoreAllMocks());

  it("of a session are all of its module, its build and its limit", async () => {
    const { loadModule } = await import("../../src/core/index.ts");
    const wasm = await loadModule("scalar");
    const made = vi.spyOn(Core, "create");
    const session = await InferenceSession.create(model, { wasm, build: "scalar", limits: { bytes: 2 ** 26 } });
    await session.run({ x: new Tensor("float32", new Float32Array(128), [2, 64]) });
    await session.release();
    expect(made.mock.calls.length).toBeGreaterThanOrEqual(3);
    for (const call of made.mock.calls) expect(call).toEqual(["scalar", wasm, 2 ** 26]);
  });

  it("take a Response once", async () => {
    const { scalar } = { scalar: new URL("../../build/scalar.wasm", import.meta.url) };
    const { readFile } = await import("node:fs/promises");
    const response = new Response(new Uint8Array(await readFile(scalar)));
    const session = await InferenceSession.create(model, { wasm: response, build: "scalar" });
    await session.release();
  });
});
