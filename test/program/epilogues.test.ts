import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";

const scalar = (value: number): Tensor => new Tensor("float32", [value], []);

/** A convolution, HardSwish, a product and a sum with a number, and a layer that reads the result. */
function network(group: number, channels: number, outputs: readonly string[], constants: Record<string, Tensor>) {
  const w = noise([channels, channels / group, 3, 3], 1);
  const b = noise([channels], 2);
  const v = noise([5, channels, 1, 1], 3);
  const nodes: Parameters<typeof build>[2] = [
    ["Conv", ["x", "w", "b"], ["c"], { group, pads: [1, 1, 1, 1] }],
    ["HardSwish", ["c"], ["h"]],
    ["Mul", ["factor", "h"], ["m"]],
    ["Add", ["m", "shift"], ["a"]],
    ["Conv", ["a", "v"], ["y"]],
  ];
  return writeOnnx(build({ x: [2, channels, 7, 9] }, { w, b, v, ...constants }, nodes, [...outputs]));
}

async function run(model: Uint8Array, preset: "float32" | "faithful" | "fast" | "compact", channels: number) {
  const session = await InferenceSession.create(model, { preset });
  const feeds = { x: noise([2, channels, 7, 9], 4) };
  const { y } = await session.run(feeds);
  const binary = (await session.profile(feeds)).filter(({ kernel }) => kernel.startsWith("binary")).length;
  await session.release();
  return { bits: new Int32Array((y!.data as Float32Array).buffer.slice(0)), binary };
}

describe("what a convolution does to its outputs in the end", () => {
  const numbers = { factor: scalar(1.3), shift: scalar(-0.21) };

  for (const preset of ["float32", "faithful", "fast", "compact"] as const) {
    for (const [group, channels] of [
      [1, 12],
      [16, 16],
      [1, 32],
    ] as const) {
      it(`is what the operators do, bit for bit: ${preset}, ${channels} channels in ${group} groups`, async () => {
        const fused = await run(network(group, channels, ["y"], numbers), preset, channels);
        // An output of the model exists for itself, and what is read twice does.
        const apart = await run(network(group, channels, ["y", "h", "m", "a"], numbers), preset, channels);
        expect([fused.binary, apart.binary]).toEqual([0, 2]);
        expect(fused.bits).toEqual(apart.bits);
      });
    }
  }

  it("is left to the operators where a constant is not one number, or raises the rank", async () => {
    const channel = noise([1, 8, 1, 1], 5);
    const several = await run(network(1, 8, ["y"], { ...numbers, factor: channel }), "fast", 8);
    expect(several.binary).toBe(2);
    const shift = await run(network(1, 8, ["y"], { ...numbers, shift: channel }), "fast", 8);
    expect(shift.binary).toBe(1);
  });

  /** Two convolutions and a matrix product whose results are added to what was there before, with a Clip behind some. */
  function residual(channels: number, outputs: readonly string[]) {
    const v = (seed: number) => noise([channels, channels, 1, 1], seed);
    const bounds = { low: scalar(-0.5), high: scalar(0.75) };
    const nodes: Parameters<typeof build>[2] = [
      ["Conv", ["x", "v"], ["c"]],
      ["Add", ["c", "x"], ["s"]],
      ["Relu", ["s"], ["r"]],
      ["Conv", ["r", "w"], ["d"]],
      ["Conv", ["r", "u"], ["e"]],
      ["Add", ["d", "e"], ["t"]],
      ["Clip", ["t", "low", "high"], ["k"]],
      ["Transpose", ["k"], ["l"], { perm: [0, 2, 3, 1] }],
      ["MatMul", ["l", "m"], ["p"]],
      ["Add", ["l", "p"], ["y"]],
    ];
    const weights = { v: v(1), w: v(2), u: v(6), m: noise([channels, channels], 3), ...bounds };
    return writeOnnx(build({ x: [2, channels, 7, 9] }, weights, nodes, [...outputs]));
  }

  for (const preset of ["float32", "faithful", "fast", "compact"] as const) {
    it(`holds for sums with what was there before: ${preset}`, async () => {
      const fused = await run(residual(16, ["y"]), preset, 16);
      const apart = await run(residual(16, ["y", "c", "d", "e", "p"]), preset, 16);
      expect([fused.binary, apart.binary]).toEqual([0, 3]);
      expect(fused.bits).toEqual(apart.bits);
      // A panel that is filled in part is copied to its place, where nothing is added.
      expect((await run(residual(12, ["y"]), preset, 12)).binary).toBe(3);
    });
  }
});
