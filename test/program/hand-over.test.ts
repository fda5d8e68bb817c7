import { afterEach, describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";
import { checkSessions } from "../support/checked/core.ts";

let restore = (): void => {};
afterEach(() => restore());

const scalar = (value: number): Tensor => new Tensor("float32", [value], []);
const BOUNDS = { low: scalar(0), high: scalar(6) };

/** The block of a mobile network, stride and pads as they are there, with a layer of 5 channels behind. */
function block(c: { channels: number; stride: number; pads: readonly number[]; bounds?: Record<string, Tensor> }) {
  const { channels, stride, pads, bounds = BOUNDS } = c;
  const constants = {
    ...{ expand: noise([channels, 8, 1, 1], 1), b: noise([channels], 2), depthwise: noise([channels, 1, 3, 3], 3) },
    ...{ project: noise([5, channels, 1, 1], 4), ...bounds },
  };
  const nodes: Parameters<typeof build>[2] = [
    ["Conv", ["x", "expand", "b"], ["c"]],
    ["Clip", ["c", "low", "high"], ["k"]],
    ["Conv", ["k", "depthwise", "b"], ["d"], { group: channels, strides: [stride, stride], pads: [...pads] }],
    ["Clip", ["d", "low", "high"], ["l"]],
    ["Conv", ["l", "project"], ["y"]],
  ];
  return (outputs: readonly string[]) =>
    writeOnnx(build({ x: [2, 8, "height", "width"] }, constants, nodes, [...outputs]));
}

/** Activations of 12 bits everywhere. */
const PLAN = {
  version: 1,
  default: { bits: 4, weightTerms: 2, activationTerms: 3, zeroPoint: true },
} as const;

interface Ran {
  readonly bits: Int32Array;
  /** Steps that quantize. */
  readonly steps: number;
}

async function run(
  model: Uint8Array,
  x: Tensor,
  options: Parameters<typeof InferenceSession.create>[1] = {},
): Promise<Ran> {
  await using session = await InferenceSession.create(model, { plan: PLAN, build: "simd", ...options });
  const { y } = await session.run({ x });
  const steps = (await session.profile({ x })).filter(({ kernel }) => kernel.startsWith("quantize")).length;
  return { bits: new Int32Array((y!.data as Float32Array).slice().buffer), steps };
}

describe("what comes out of a Clip between two constants", () => {
  const cases = [
    { channels: 16, stride: 1, pads: [1, 1, 1, 1], size: [7, 9] },
    { channels: 24, stride: 2, pads: [0, 0, 1, 1], size: [8, 6] },
    { channels: 32, stride: 1, pads: [0, 0, 0, 0], size: [5, 5] },
    // Several blocks of outputs, which end within a line.
    { channels: 128, stride: 2, pads: [1, 1, 1, 1], size: [23, 37] },
  ] as const;

  for (const { size, ...shape } of cases) {
    it(`is written as the integers of the next layer, with the bits of a step of its own: ${JSON.stringify(shape)}`, async () => {
      const model = block(shape);
      const x = noise([2, 8, ...size], 5);
      const handed = await run(model(["y"]), x);
      // An output of the model exists for itself.
      const apart = await run(model(["y", "k", "l"]), x);
      expect([handed.steps, apart.steps]).toEqual([1, 3]);
      expect(handed.bits).toEqual(apart.bits);
      expect((await run(model(["y"]), x, { build: "scalar" })).bits).toEqual(apart.bits);
      expect((await run(model(["y"]), x, { numThreads: 2 })).bits).toEqual(apart.bits);
    });
  }

  const bounds: [string, number, number, number, number][] = [
    ["that are not 0 and a power of two", -1.3, 5.3, 1, 7],
    ["below 0", -4, -1, 1, 7],
    ["above 0", 0.5, 2, 1, 7],
    ["that nearly all values are beyond, whose products by r overflow", -1, 6, 1e38, 7],
    ["in lines of less than a tile", 0, 6, 1, 3],
    ["in lines of one pixel", 0, 6, 1, 1],
  ];
  for (const [what, low, high, size, width] of bounds) {
    it(`is so for bounds ${what}`, async () => {
      const model = block({
        ...{ channels: 16, stride: 1, pads: [1, 1, 1, 1] },
        bounds: { low: scalar(low), high: scalar(high) },
      });
      const x = noise([2, 8, 5, width], 5);
      const values = x.data as Float32Array;
      for (let i = 0; i < values.length; i++) values[i]! *= size;
      const handed = await run(model(["y"]), x);
      const apart = await run(model(["y", "k", "l"]), x);
      expect([handed.steps, apart.steps]).toEqual([1, 3]);
      expect(handed.bits).toEqual(apart.bits);
      expect((await run(model(["y"]), x, { build: "scalar" })).bits).toEqual(apart.bits);
    });
  }

  it("reads and writes nothing else, and carries what is not finite to the outputs that see it", async () => {
    const model = block({ channels: 16, stride: 2, pads: [1, 1, 1, 1] });
    const x = noise([2, 8, 7, 9], 5);
    (x.data as Float32Array).set([Number.NaN, Number.POSITIVE_INFINITY], 33);
    const apart = await run(model(["y", "k", "l"]), x);
    const holes = apart.bits.filter((bits) => bits === 0x7fc00000).length;
    expect(holes).toBeGreaterThan(0);
    expect(holes).toBeLessThan(apart.bits.length / 2);
    for (const core of ["simd", "scalar"] as const) {
      restore = checkSessions();
      const handed = await run(model(["y"]), x, { build: core });
      restore();
      expect(handed).toEqual({ bits: apart.bits, steps: 1 });
    }
  });

  it("takes the range of the Clip, not that of the values", async () => {
    const model = block({ channels: 16, stride: 1, pads: [1, 1, 1, 1] });
    const x = noise([2, 8, 6, 6], 6);
    // The first sample alone, beside another one: values of the one decide nothing of the other.
    const one = new Tensor(
      "float32",
      (x.data as Float32Array).map((value, i) => (i < 288 ? value : 0)),
      x.dims,
    );
    const [both, alone] = [await run(model(["y"]), x), await run(model(["y"]), one)];
    expect(alone.bits.slice(0, 180)).toEqual(both.bits.slice(0, 180));
  });

  it("is so in programs for a range of sizes", async () => {
    const model = block({ channels: 16, stride: 1, pads: [1, 1, 1, 1] })(["y"]);
    await using session = await InferenceSession.create(model, { plan: PLAN, build: "simd" });
    for (const height of [5, 6, 7, 8, 9, 6, 10]) {
      const x = noise([2, 8, height, 9], height);
      const { y } = await session.run({ x });
      expect(new Int32Array((y!.data as Float32Array).slice().buffer)).toEqual((await run(model, x)).bits);
    }
  });

  const others: [string, Record<string, Tensor>, object][] = [
    ["a Clip without an upper bound", { low: scalar(0), high: scalar(Number.POSITIVE_INFINITY) }, {}],
    ["a Clip that guards against overflow", { low: scalar(-65504), high: scalar(65504) }, {}],
    ["activations of 8 bits", BOUNDS, { default: { ...PLAN.default, activationTerms: 2 } }],
  ];
  for (const [what, bounds, other] of others) {
    it(`is quantized by its own range: ${what}`, async () => {
      const model = block({ channels: 16, stride: 1, pads: [1, 1, 1, 1], bounds });
      const options = { plan: { ...PLAN, ...other } };
      expect((await run(model(["y"]), noise([2, 8, 6, 6], 6), options)).steps).toBe(3);
    });
  }

  it("is written for itself where a bias is not finite", async () => {
    const model = block({ channels: 16, stride: 1, pads: [1, 1, 1, 1], bounds: { ...BOUNDS, b: odd(16) } });
    const x = noise([2, 8, 6, 6], 6);
    const [handed, apart] = [await run(model(["y"]), x), await run(model(["y", "k", "l"]), x)];
    expect(handed).toEqual(apart);
  });
});

function odd(channels: number): Tensor {
  const b = noise([channels], 2);
  (b.data as Float32Array)[1] = Number.NaN;
  return b;
}
