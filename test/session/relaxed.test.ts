import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RelaxedDots } from "../../src/core/index.ts";
import { DotKind } from "../../src/core/relaxed.ts";
import { InferenceSession, type Plan, type SessionOptions, type Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32 } from "../graph/build.ts";
import { allowRelaxed } from "../support/relaxed.ts";

const KERNEL = "gemm_u7_i8_4x8";

// What the engine is worth is not asked here: each kernel has its turn.
const dots: { now: RelaxedDots; fault: Error | undefined } = { now: { sums32: true, sums16: false }, fault: undefined };
vi.mock("../../src/core/relaxed.ts", async (original) => ({
  ...(await original<typeof import("../../src/core/relaxed.ts")>()),
  relaxedKind: async () => (dots.now.sums32 ? DotKind.Exact : DotKind.Saturating),
  relaxedDots: async () => {
    if (dots.fault !== undefined) throw dots.fault;
    return dots.now;
  },
}));
beforeAll(allowRelaxed);
afterAll(() => vi.restoreAllMocks());

const random = uniformNumbers(7);
const weights = (...dims: number[]) => {
  const { data } = randomTensor("float32", dims, random);
  return f32(
    dims,
    Array.from(data as Float32Array, (v, i) => (v * (1 + (i % 5))) / 32),
  );
};
/** Convolutions with and without a border, one of groups, one of few channels, a transposed one, and two products. */
const ONNX = writeOnnx(
  build(
    { x: ["N", 3, 5, 6] },
    {
      ...{ a: weights(130, 3, 3, 3), b: weights(24, 130, 3, 3), bias: weights(24), c: weights(16, 24, 1, 1) },
      ...{
        d: weights(256, 16, 1, 1),
        e: weights(128, 128, 3, 3),
        f: weights(128, 12, 2, 2),
        g: weights(12, 131),
        h: weights(131, 11),
      },
    },
    [
      ["Conv", ["x", "a"], ["xa"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
      ["Relu", ["xa"], ["ra"]],
      ["Conv", ["ra", "b", "bias"], ["xb"], { kernel_shape: [3, 3], pads: [1, 0, 1, 1], strides: [2, 1] }],
      ["HardSwish", ["xb"], ["rb"]],
      ["Conv", ["rb", "c"], ["xc"], { kernel_shape: [1, 1] }],
      ["Conv", ["xc", "d"], ["xd"], { kernel_shape: [1, 1] }],
      ["Conv", ["xd", "e"], ["xe"], { kernel_shape: [3, 3], group: 2, pads: [1, 1, 1, 1] }],
      ["ConvTranspose", ["xe", "f"], ["xf"], { kernel_shape: [2, 2], strides: [2, 2] }],
      ["Transpose", ["xf"], ["xt"], { perm: [0, 2, 3, 1] }],
      ["MatMul", ["xt", "g"], ["xg"]],
      ["MatMul", ["xg", "h"], ["y"]],
    ],
    ["y"],
  ),
);

const plan = (layer: Partial<Plan["default"]>): Plan => ({
  version: 2,
  default: { bits: 4, weightTerms: 1, activationTerms: 2, ...layer },
});
const PLANS = {
  "4 bits": plan({}),
  "7 bits with zero points": plan({ weightTerms: 2, weightBits: 7, zeroPoint: true }),
  "4 bits, odd digits": plan({ bits: 2, weightTerms: 2, activationTerms: 4, digits: "odd" }),
  "4 bits, unsigned digits": plan({ bits: 2, weightTerms: 2, activationTerms: 4, digits: "unsigned" }),
  "4 bits, mixed digits, activations of 7": plan({
    bits: 2,
    weightTerms: 2,
    activationTerms: 4,
    digits: "mixed",
    activationBits: 7,
  }),
  "4 bits with outliers": plan({ outliers: 0.01 }),
};

async function outcome(options: SessionOptions): Promise<{ bits: Uint32Array; kernels: string[] }> {
  const session = await InferenceSession.create(ONNX, options);
  const x = randomTensor("float32", [2, 3, 5, 6], uniformNumbers(3)) as Tensor;
  const { y } = await session.run({ x });
  const kernels = (await session.profile({ x })).map(({ kernel }) => kernel);
  await session.release();
  return { bits: new Uint32Array((y!.data as Float32Array).slice().buffer), kernels };
}

describe("the relaxed build", () => {
  for (const [name, plan] of Object.entries(PLANS)) {
    it.each([
      { sums32: true, sums16: false },
      { sums32: false, sums16: true },
    ])(`gives the bits of the scalar one: ${name}, %o`, async (now) => {
      dots.now = now;
      const expected = await outcome({ build: "scalar", plan });
      const relaxed = await outcome({ build: "relaxed", plan });
      expect(relaxed.bits).toEqual(expected.bits);
      expect(expected.kernels).not.toContain(KERNEL);
      const count = relaxed.kernels.filter((kernel) => kernel === KERNEL).length;
      // 7 bits are no weights for sums in int16, and panels that outliers do not fit are wider
      if (now.sums16 && name.startsWith("7")) expect(count).toBe(0);
      else expect(count).toBeGreaterThanOrEqual(name.includes("outliers") ? 1 : 4);
    });
  }

  it("is taken for a model that it is faster for, unless a build is named", async () => {
    const kernels = async (options: SessionOptions): Promise<boolean> => {
      return (await outcome({ plan: PLANS["4 bits"], ...options })).kernels.includes(KERNEL);
    };
    dots.now = { sums32: false, sums16: true };
    expect(await kernels({})).toBe(true);
    expect(await kernels({ build: "simd" })).toBe(false);
    expect(await kernels({ plan: PLANS["7 bits with zero points"] })).toBe(false);
    vi.stubEnv("BITBASIS_BUILD", "simd");
    expect(await kernels({})).toBe(false);
    vi.unstubAllEnvs();
    dots.now = { sums32: true, sums16: false };
    expect(await kernels({ plan: PLANS["7 bits with zero points"] })).toBe(true);
    dots.now = { sums32: false, sums16: false };
    expect(await kernels({})).toBe(false);
    dots.fault = new Error("an engine that adds wrongly");
    expect(await kernels({})).toBe(false);
    await expect(outcome({ build: "relaxed" })).rejects.toThrow(dots.fault);
    dots.fault = undefined;
  });

  it("runs on threads", async () => {
    dots.now = { sums32: false, sums16: true };
    const plan = PLANS["4 bits"];
    const { bits } = await outcome({ build: "scalar", plan });
    const threads = await outcome({ build: "relaxed", plan, numThreads: 2 });
    expect(threads.bits).toEqual(bits);
    expect(threads.kernels).toContain(KERNEL);
  });

  it("is refused with a module that is another build's", async () => {
    const wasm = readFileSync(new URL("../../build/simd.wasm", import.meta.url));
    await expect(outcome({ build: "relaxed", wasm })).rejects.toThrow(
      '"wasm" expected a module of the build "relaxed"',
    );
  });

  it("takes no kernel of its own where none is worth it", async () => {
    dots.now = { sums32: false, sums16: false };
    expect((await outcome({ build: "relaxed", plan: PLANS["4 bits"] })).kernels).not.toContain(KERNEL);
  });

  it("refines in place: with all terms it has the bits of a session that begins with them", async () => {
    dots.now = { sums32: false, sums16: true };
    const { quantize } = await import("../../src/entries/quantize.ts");
    const { bytes } = await quantize(ONNX, { plan: PLANS["4 bits, odd digits"] });
    const x = randomTensor("float32", [2, 3, 5, 6], uniformNumbers(3)) as Tensor;
    const data = async (session: InferenceSession) => (await session.run({ x }))["y"]!.data;
    const whole = await InferenceSession.create(bytes, { build: "scalar" });
    const session = await InferenceSession.create(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(), {
      build: "relaxed",
      progressive: true,
    });
    const first = await data(session);
    while (await session.refine());
    expect(await data(session)).toEqual(await data(whole));
    expect(first).not.toEqual(await data(whole));
    for (const one of [session, whole]) await one.release();
  });
});
