import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Activation } from "../../src/core/abi/conv.ts";
import { activations, check, seeds, shapes } from "./exact.ts";
import { bitsOf, type Linear, layer, plain, type Shape } from "./layer.ts";

const NAN = 0x7fc00000;

const TALL = { kernelHeight: 5, kernelWidth: 5, pads: [2, 2, 2, 2] } as const;

describe("Depthwise", () => {
  const depthwise = (shape: Shape, options: Parameters<typeof layer>[1]): Linear => ({
    ...layer({ ...shape, channels: 1, outChannels: 1 }, options),
    depthwise: true,
  });
  const wide = fc.tuple(shapes, fc.integer({ min: 1, max: 35 })).map(([s, groups]) => ({ ...s, groups }));

  it("int16 equals the exact reference", async () => {
    await fc.assert(
      fc.asyncProperty(
        wide,
        activations,
        seeds,
        fc.integer({ min: 2, max: 14 }),
        fc.boolean(),
        async (shape, a, seed, bits, withBias) => {
          await check(depthwise(shape, { seed, bits, largest: 1911, withBias, ...a }));
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each([12, 16])("int16 is exact where %i-bit activations and 16-bit weights leave int32", async (bits) => {
    const shape = plain({
      batch: 2,
      inHeight: 7,
      inWidth: 9,
      groups: 19,
      kernelHeight: 7,
      kernelWidth: 7,
      pads: [3, 3, 2, 3],
    });
    const base = depthwise(shape, { seed: bits, bits, largest: 30583, blocks: true, activation: Activation.HardSwish });
    await check(base);
    await check({
      ...base,
      input: base.input.map((x) => (x < 0 ? -1 : 1)),
      weights: base.weights.map((w) => (w < 0 ? -30583 : 30583)),
    });
    await check({ ...base, pairsPerBlock: 1 });
  });

  it("f32 equals the reference", async () => {
    await fc.assert(
      fc.asyncProperty(wide, activations, seeds, fc.boolean(), async (shape, a, seed, withBias) => {
        await check(depthwise(shape, { seed, bits: 0, withBias, ...a }));
      }),
      { numRuns: 80 },
    );
  });

  it.each([
    // Kernels three and five wide whose taps lie side by side share columns between four pixels; the others look like them. Rows of outputs may see no more than the padding above and below.
    ["3 × 3", { kernelHeight: 3 }],
    ["1 × 3", { kernelHeight: 1 }],
    ["3 × 3 over every second row, its taps two rows apart", { kernelHeight: 3, strideHeight: 2, dilationHeight: 2 }],
    ["2 × 3 × 3", { kernelHeight: 3, inDepth: 3, kernelDepth: 2 }],
    ["3 × 3 over every second column", { kernelHeight: 3, strideWidth: 2 }],
    ["3 × 3, its taps two columns apart", { kernelHeight: 3, dilationWidth: 2 }],
    ["5 × 5", TALL],
    ["5 × 5 over three lines, more above than the kernel has", { ...TALL, inHeight: 3, pads: [6, 2, 1, 2] as const }],
    ["5 × 5 over every second line", { ...TALL, strideHeight: 2 }],
    ["5 × 5 over every second column", { ...TALL, strideWidth: 2 }],
    ["1 × 5 over one line", { inHeight: 1, kernelHeight: 1, kernelWidth: 5, pads: [0, 2, 0, 2] as const }],
    ["7 × 7", { kernelHeight: 7, kernelWidth: 7, pads: [3, 3, 3, 3] as const }],
    ["5 × 5 of 512 channels, which lie in the same sets of the cache", { ...TALL, inWidth: 9, groups: 512 }],
    ["5 × 5 where no column is inside", { ...TALL, inWidth: 3 }],
  ])("f32 equals the reference: %s", async (_, shape) => {
    const pads = [1, 1, 1, 1] as const;
    const some = plain({ batch: 2, inHeight: 7, inWidth: 19, groups: 21, kernelWidth: 3, pads, ...shape });
    await check(depthwise(some, { seed: 3, bits: 0, withBias: true, activation: Activation.HardSwish }));
    await check(depthwise(some, { seed: 4, bits: 0, withBias: false }));
  });

  it("poisons single channels only", async () => {
    const base = depthwise(
      plain({ batch: 2, inHeight: 5, inWidth: 5, groups: 11, kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 1] }),
      { seed: 1, bits: 8 },
    );
    base.input[(5 * 5 + 12) * 11 + 9] = Number.NaN;
    const result = await check(base);
    expect([...bitsOf(result)].filter((b) => b === NAN).length).toBe(9);
  });

  it.each([0, 4, 20, 24])("poisons no more than the outputs that see pixel %i of 25", async (pixel) => {
    for (const pads of [
      [1, 1, 1, 1],
      [2, 2, 2, 2],
      [0, 0, 0, 0],
      [2, 0, 0, 2],
    ] as const)
      for (const batch of [1, 2]) {
        const shape = plain({ batch, inHeight: 5, inWidth: 5, groups: 19, kernelHeight: 3, kernelWidth: 3, pads });
        const base = depthwise(shape, { seed: 1, bits: 8 });
        for (const channel of [0, 7, 8, 18]) base.input[(25 * (batch - 1) + pixel) * 19 + channel] = Number.NaN;
        await check(base);
      }
  });

  it("handles 112 pixels in a row and 5×5 kernels", async () => {
    await check(
      depthwise(plain({ inHeight: 6, inWidth: 112, groups: 32, kernelHeight: 5, kernelWidth: 5, pads: [2, 2, 2, 2] }), {
        seed: 1,
        bits: 12,
      }),
    );
  });
});
