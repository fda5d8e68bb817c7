// Layers of any shape, held against the reference bit for bit.
import fc from "fast-check";
import { expect } from "vitest";
import { Activation } from "../../src/core/abi/conv.ts";
import { BUILDS, RELAXED_BUILDS, run } from "./harness.ts";
import { bitsOf, canonical, type Linear, outSize, plain, type Shape } from "./layer.ts";
import { reference } from "./reference.ts";

/** All builds, thread counts and slices of a thread give the bits of the reference. */
export async function check(l: Linear): Promise<Float32Array> {
  if (l.dots === undefined && l.bits > 0 && l.weightBits === undefined && l.weights.every((w) => Math.abs(w) < 128))
    await check({ ...l, weightBits: 8 });
  return everyWay(l, canonical(reference(l)));
}

/** All builds, thread counts and slices of a thread give these bits, of any NaN the canonical ones. */
export async function everyWay(l: Linear, expected: Int32Array): Promise<Float32Array> {
  let result: Float32Array = new Float32Array();
  for (const build of l.dots === undefined ? BUILDS : RELAXED_BUILDS) {
    for (const [threads, slices] of [
      [1, 1],
      [3, 1],
      [1, 5],
    ] as const) {
      result = await run(build, l, threads, slices);
      const actual = l.bits > 0 ? bitsOf(result) : canonical(result);
      const at = actual.findIndex((b, i) => b !== expected[i]);
      const seen = new Float32Array(expected.buffer);
      if (at >= 0)
        expect.fail(
          `${build}, ${threads} threads, ${slices} slices: [${at}] expected ${seen[at]}, got ${result[at]}; ${JSON.stringify(l.shape)}`,
        );
      expect(actual.length).toBe(expected.length);
    }
  }
  return result;
}

/** Layers of 3 × 3 taps, of so many lines and columns at most, for the tiles of Winograd's kernels, of which the last may not be whole. */
export const tiled = (extent: number, pad: number): fc.Arbitrary<Shape> =>
  fc
    .record({
      batch: fc.integer({ min: 1, max: 3 }),
      inHeight: fc.integer({ min: 1, max: extent }),
      inWidth: fc.integer({ min: 1, max: extent }),
      channels: fc.integer({ min: 16, max: 27 }),
      outChannels: fc.constantFrom(8, 16, 24),
      kernelHeight: fc.constant(3),
      kernelWidth: fc.constant(3),
      pads: fc.tuple(fc.nat(pad), fc.nat(pad), fc.nat(pad), fc.nat(pad)),
    })
    .map(plain)
    .filter((s) => outSize(s).every((n) => n > 0));

/** Layers of all kinds, small. */
export const shapes: fc.Arbitrary<Shape> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    // half of them are pictures, whose depth is 1
    inDepth: fc.constantFrom(1, 1, 1, 2, 3, 5),
    kernelDepth: fc.constantFrom(1, 1, 2, 3),
    strideDepth: fc.constantFrom(1, 2),
    dilationDepth: fc.constantFrom(1, 2),
    depthPads: fc.constantFrom<[number, number]>([0, 0], [1, 0], [0, 2], [1, 1]),
    inHeight: fc.integer({ min: 1, max: 9 }),
    inWidth: fc.integer({ min: 1, max: 9 }),
    channels: fc.integer({ min: 1, max: 9 }),
    groups: fc.integer({ min: 1, max: 3 }),
    outChannels: fc.integer({ min: 1, max: 19 }),
    kernelHeight: fc.integer({ min: 1, max: 4 }),
    kernelWidth: fc.integer({ min: 1, max: 4 }),
    strideHeight: fc.integer({ min: 1, max: 3 }),
    strideWidth: fc.integer({ min: 1, max: 3 }),
    dilationHeight: fc.integer({ min: 1, max: 2 }),
    dilationWidth: fc.integer({ min: 1, max: 2 }),
    pads: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
  })
  .filter((s) => outSize(s).every((n) => n > 0));

export const activations: fc.Arbitrary<Partial<Linear>> = fc.oneof(
  fc.constant({}),
  fc.constant({ activation: Activation.Clip }),
  fc.constant({ activation: Activation.Clip, low: -1, high: 1.5 }),
  fc.constant({ activation: Activation.HardSwish }),
  fc.constant({ factor: -1.5 }),
  fc.constant({ activation: Activation.Clip, low: 0, high: 1, factor: 1.7, shift: 0.3 }),
  fc.constant({ activation: Activation.HardSwish, factor: 0.9, shift: -0.2 }),
);

export const seeds = fc.integer({ min: 0, max: 2 ** 31 });
