import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Activation } from "../../src/core/abi/conv.ts";
import { allowRelaxed } from "../support/relaxed.ts";
import { activations, check, seeds, shapes, tiled } from "./exact.ts";
import { run } from "./harness.ts";
import { bitsOf, layer, outSize, plain, random, type Shape } from "./layer.ts";

const NAN = 0x7fc00000;

it.each([
  ["ConvI16", { bits: 8, largest: 3000 }],
  ["ConvI8", { bits: 8, largest: 60, weightBits: 8 }],
  ["ConvI4", { bits: 5, largest: 7, weightBits: 4 }],
  ["ConvI16 in blocks", { bits: 16, largest: 30000, blocks: true }],
  ["ConvF32", { bits: 0 }],
])("%s adds what lies elsewhere, between bounds", async (_, options) => {
  const shape = plain({ batch: 2, inHeight: 3, inWidth: 5, channels: 32, outChannels: 32, kernelHeight: 2 });
  const [, outHeight, outWidth] = outSize(shape);
  const addend = Float32Array.from({ length: 2 * outHeight! * outWidth! * 32 }, (__, i) => Math.sin(i));
  const more = { addend, addendMin: -0.8, addendMax: 0.9, factor: 0.7, shift: 0.1 };
  await check({ ...layer(shape, { seed: 7, ...options }), ...more });
});

it.each([16, 17, 24, 31, 32, 48, 57])(
  "ConvF32 of fewer than four rows, several panels abreast: %i columns",
  async (outChannels) => {
    for (const inWidth of [1, 2, 3]) {
      const shape = plain({ batch: 2, inWidth, channels: 19, groups: 2, outChannels, kernelHeight: 1 });
      const addend = Float32Array.from({ length: 4 * inWidth * outChannels }, (_, i) => Math.sin(i));
      // Only whole panels are given something to add (src/program/epilogues.ts).
      const more = outChannels % 8 === 0 ? { addend, addendMin: -0.8, factor: 0.7, shift: 0.1 } : {};
      await check({ ...layer(shape, { seed: 5, bits: 0, withBias: true }), ...more });
    }
  },
);

it.each([
  ["ConvF32", { bits: 0 }],
  ["ConvI16", { bits: 8, largest: 3000 }],
  ["ConvI8", { bits: 8, largest: 60, weightBits: 8 }],
])(
  "%s of one row under many panels, a panel of every quarter at a time or two, and those that are left",
  async (_, options) => {
    for (const outChannels of [64, 88, 107]) {
      const shape = plain({ batch: 2, inWidth: 1, channels: 19, groups: 2, outChannels, kernelHeight: 1 });
      for (const withBias of [false, true]) await check(layer(shape, { seed: outChannels, withBias, ...options }));
    }
  },
);

it("WinogradI16 gives the bits of the sums of all taps", async () => {
  await fc.assert(
    fc.asyncProperty(
      tiled(9, 2),
      activations,
      seeds,
      fc.boolean(),
      fc.boolean(),
      async (shape, a, seed, withBias, odd) => {
        const l = layer(shape, { seed, bits: 9, largest: 127, withBias, ...a, isTiled: true, border: true });
        if (odd) l.input[seed % l.input.length] = [Number.NaN, Number.POSITIVE_INFINITY][seed & 1]!;
        await check({ ...l, weightBits: 8 });
      },
    ),
    { numRuns: 12 },
  );
});

it("WinogradI16 at its widest, operands of 10 and 9 bits, and in several blocks of tiles, with an addend", async () => {
  const shape = plain({
    ...{ batch: 2, inHeight: 13, inWidth: 11, channels: 260, outChannels: 8 },
    ...{ kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 1] },
  });
  const addend = Float32Array.from({ length: 2 * 13 * 11 * 8 }, (_, i) => Math.sin(i));
  const options = { isTiled: true, border: true, weightBits: 10, addend, addendMin: -0.8, factor: 0.7, shift: 0.1 };
  const few = plain({ ...shape, inHeight: 4, inWidth: 5, channels: 17 });
  await check({
    ...layer(few, { seed: 3, bits: 9, largest: 511, ...options, addend: addend.subarray(0, 2 * 4 * 5 * 8) }),
  });
  await check(layer(shape, { seed: 7, bits: 8, largest: 100, ...options }));
});

/** Rows of several tiles of four, of which only the inner ones are merged, and a last one that is not whole. */
const few = fc
  .record({
    inHeight: fc.integer({ min: 1, max: 3 }),
    inWidth: fc.integer({ min: 4, max: 23 }),
    channels: fc.integer({ min: 1, max: 13 }),
    groups: fc.integer({ min: 1, max: 2 }),
    // Two columns, or a panel of 8 and two more.
    outChannels: fc.constantFrom(1, 2, 9, 10),
    kernelHeight: fc.integer({ min: 1, max: 2 }),
    kernelWidth: fc.integer({ min: 1, max: 3 }),
    pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
  })
  .map(plain)
  .filter((s) => outSize(s).every((n) => n > 0));

it.each([
  ["ConvI16", 12],
  ["ConvF32", 0],
])("%s with one or two output channels", async (_, bits) => {
  await fc.assert(
    fc.asyncProperty(few, activations, seeds, fc.boolean(), async (shape, a, seed, withBias) => {
      await check(layer(shape, { seed, bits, withBias, ...a }));
    }),
    { numRuns: 25 },
  );
});

describe("ConvI16", () => {
  it("equals the exact reference for any shape, activation and number of bits", async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        activations,
        seeds,
        fc.integer({ min: 2, max: 12 }),
        fc.boolean(),
        async (shape, a, seed, bits, withBias) => {
          await check(layer(shape, { seed, bits, withBias, ...a }));
        },
      ),
      { numRuns: 120 },
    );
  });

  it("equals the exact reference in blocks of any size", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, fc.integer({ min: 1, max: 40 }), async (shape, seed, pairs) => {
        await check(layer(shape, { seed, bits: 12, largest: 1911, blocks: true, pairsPerBlock: pairs }));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    [1, 1, 1],
    [1, 1, 8],
    [1, 37, 64],
    [2, 64, 33],
    [3, 5, 1],
    [5, 1, 7],
    [7, 31, 40],
    [130, 16, 24],
    [300, 258, 9],
  ])("a product %i×%i×%i with a scale per row", async (m, k, n) => {
    await check(layer(plain({ inWidth: m, channels: k, outChannels: n }), { seed: m + k + n, bits: 8, perRow: true }));
  });

  // 255 is as many as the kernel counts at a time.
  it.each([1, 2, 3, 7, 254, 255, 256])("stays exact where a block of %i pairs is full", async (pairs) => {
    // The harness packs two digits of 8 bits, which hold 127·256 + 127.
    const largest = Math.min(32639, Math.floor((2 ** 31 - 1) / (2 ** 16 * pairs)));
    const channels = 1200;
    const shape = plain({ inWidth: 5, channels, outChannels: 9 });
    const base = layer(shape, { seed: 1, bits: 16, largest, blocks: true, perRow: true });
    const weights = base.weights.map((_, i) => (Math.floor(i / channels) % 2 === 0 ? largest : -largest));
    for (const [most, one] of [
      [65535, 0],
      [0, 65535],
    ] as const) {
      const input = base.input.map((_, i) => (i % channels === 0 ? one : most));
      await check({ ...base, weights, input, scales: base.scales.fill(1) });
    }
  });

  it("stays exact beyond int32 at the ends of the range (12 × 12 bits)", async () => {
    const shape = plain({ inWidth: 5, channels: 3000, outChannels: 9 });
    const base = layer(shape, { seed: 1, bits: 12, largest: 1911, blocks: true, perRow: true });
    const weights = base.weights.map((_, i) => (Math.floor(i / 3000) % 2 === 0 ? 1911 : -1911));
    const input = base.input.map((_, i) => (i % 3000 === 0 ? 0 : i % 3000 < 2990 ? 4095 : 0));
    const result = await check({ ...base, weights, input, scales: base.scales.fill(1) });
    // 2989 · 4095 · 1911 = 2.3e10: far beyond int32.
    expect(result[0]).toBe(Math.fround(Math.fround(2989 * 4095 * 1911) + base.bias![0]!));
  });

  it.each([
    // 12-bit weights: turns longer than a tap, and than a merged one; the last panel is not whole.
    [
      "picture",
      plain({
        batch: 2,
        inHeight: 4,
        inWidth: 9,
        channels: 16,
        outChannels: 11,
        kernelHeight: 3,
        kernelWidth: 3,
        pads: [1, 1, 1, 1],
      }),
      2047,
    ],
    ["rows", plain({ inWidth: 7, channels: 333, outChannels: 17 }), 2047],
    ["row", plain({ inWidth: 1, channels: 333, outChannels: 17 }), 30583],
  ] as const)("in turns that go on from tap to tap: %s", async (name, shape, largest) => {
    await check(layer(shape, { seed: 4, bits: 16, largest, blocks: true, perRow: name !== "picture" }));
  });

  it.each([
    ["a tap", { inWidth: 5, channels: 131_075 }],
    ["two taps", { inWidth: 2, inHeight: 2, channels: 70_001, kernelHeight: 2 }],
  ])("is exact beyond 2^16 pairs: of %s", async (_, shape) => {
    await check(layer(plain({ ...shape, outChannels: 3 }), { seed: 6, bits: 16, largest: 30000, blocks: true }));
  });

  it.each([1, 5])("holds where the high part of a sum has more than 24 bits, %i rows", async (inWidth) => {
    const base = layer(plain({ inWidth, channels: 3000, outChannels: 9 }), {
      seed: 2,
      bits: 16,
      blocks: true,
      perRow: true,
    });
    const weights = base.weights.map((w, i) => (i % 7 === 0 ? w : Math.floor(i / 3000) % 2 === 0 ? 30583 : -30583));
    const input = base.input.map((x, i) => (i % 5 === 0 ? x : 1));
    const [y] = await check({ ...base, weights, input, scales: base.scales.fill(1) });
    // The scale of inputs in −1 … 1 is at most 2 / 65535.
    expect(Math.abs(y!)).toBeGreaterThan((2 ** 40 * 2) / 65535);
  });

  it.each([16, 15])("holds for %i-bit activations and 16-bit weights", async (bits) => {
    const shape = plain({
      inHeight: 5,
      inWidth: 4,
      channels: 21,
      outChannels: 11,
      kernelHeight: 3,
      kernelWidth: 3,
      pads: [1, 1, 1, 1],
    });
    await check(layer(shape, { seed: bits, bits, largest: 30583, blocks: true }));
    const extreme = layer(shape, { seed: bits, bits, largest: 30583, blocks: true });
    await check({
      ...extreme,
      input: extreme.input.map((x) => (x < 0 ? -1 : 1)),
      weights: extreme.weights.map((w) => (w < 0 ? -30583 : 30583)),
    });
  });

  it("lets int32 wrap in between when the corrected sum fits", async () => {
    // q = −32768 everywhere but in one place: raw sums leave int32, corrected ones are small.
    const shape = plain({ inWidth: 4, channels: 64, outChannels: 8 });
    const base = layer(shape, { seed: 3, bits: 16, largest: 30000, perRow: true });
    const input = base.input.map((_, i) => (i % 64 === 5 ? 65535 : i % 64 === 6 ? 1 : 0));
    const weights = base.weights.map((w, i) => (i % 64 === 5 ? w % 1000 : Math.abs(w) + 2000));
    await check({ ...base, input, weights });
  });

  it("gives exactly the bias for a constant-zero row", async () => {
    const base = layer(plain({ inWidth: 6, channels: 10, outChannels: 12 }), { seed: 9, bits: 12, perRow: true });
    const result = await run("simd", { ...base, input: base.input.map((x, i) => (i >= 20 && i < 30 ? 0 : x)) });
    expect(result.slice(24, 36)).toEqual(base.bias);
    await check({ ...base, input: base.input.fill(-0) });
  });

  it("writes canonical NaN to the outputs that see a non-finite input, and to no other", async () => {
    const shape = plain({
      batch: 3,
      inHeight: 6,
      inWidth: 7,
      channels: 3,
      groups: 2,
      outChannels: 9,
      kernelHeight: 3,
      kernelWidth: 2,
      strideWidth: 2,
      dilationHeight: 2,
      pads: [1, 0, 2, 1],
    });
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const base = layer(shape, { seed: 4, bits: 8, activation: Activation.Clip });
      base.input[6 * 7 * 6 + (2 * 7 + 3) * 6 + 4] = value;
      const result = await check(base);
      const bad = bitsOf(result).filter((b) => b === NAN).length;
      expect(bad).toBeGreaterThan(0);
      expect(bad).toBeLessThan(result.length / 6);
    }
  });

  it("gives NaN rows to a product whose left rows are not finite", async () => {
    const base = layer(plain({ inWidth: 9, channels: 17, outChannels: 20 }), { seed: 5, bits: 12, perRow: true });
    base.input[17 * 4 + 2] = Number.NaN;
    base.input[17 * 8] = -Infinity;
    const result = await check(base);
    expect([...bitsOf(result)].filter((b) => b === NAN).length).toBe(40);
  });
});

// What Quantize writes around the input is what the kernel would read in place of pads: the same integers.
describe("a border written by Quantize", () => {
  const picture = plain({ batch: 2, inHeight: 5, inWidth: 7, kernelHeight: 3, kernelWidth: 5 });
  it.each<[string, Shape]>([
    ["gemm", plain({ ...picture, channels: 6, outChannels: 9, pads: [1, 2, 1, 2] })],
    [
      "groups of an odd number of channels",
      plain({ ...picture, channels: 3, groups: 2, outChannels: 8, pads: [2, 1, 0, 3] }),
    ],
    [
      "strides",
      plain({ ...picture, channels: 3, outChannels: 8, pads: [1, 2, 0, 1], strideHeight: 2, strideWidth: 2 }),
    ],
    ["depthwise", plain({ ...picture, groups: 21, pads: [1, 2, 1, 2] })],
    [
      "depthwise, strides and dilations",
      plain({ ...picture, groups: 8, pads: [2, 4, 2, 4], strideWidth: 2, dilationWidth: 2 }),
    ],
  ])("%s", async (name, shape) => {
    const depthwise = name.startsWith("depthwise");
    for (const bits of [8, 16])
      await check(layer(shape, { seed: bits, bits, depthwise, border: true, blocks: bits === 16 }));
    // A constant-zero input, and values that are not finite, which the mask tells with its border.
    const base = layer(shape, { seed: 3, bits: 8, depthwise, border: true });
    await check({ ...base, input: base.input.map(() => 0) });
    const odd = base.input.slice();
    odd[odd.length - 1] = Number.NaN;
    odd[2] = Infinity;
    const bad = bitsOf(await check({ ...base, input: odd })).filter((b) => b === NAN).length;
    expect(bad).toBeGreaterThan(0);
    expect(bad).toBeLessThan(base.input.length);
  });
});

// A zero point is an integer of its row: Σ (Q − zero)(q − z), the sum over Q less zero·Σ(q − z).
describe("row zero points", () => {
  it.each(["gemm", "depthwise"])("are exact for unsigned 7-bit weights under 8-bit activations: %s", async (kind) => {
    const depthwise = kind === "depthwise";
    const shape = plain({
      ...{ inHeight: 5, inWidth: 6, kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 0], strideWidth: 2 },
      ...(depthwise ? { groups: 21 } : { channels: 7, groups: 2, outChannels: 11 }),
    });
    const base = layer(shape, { seed: 41, bits: 8, depthwise });
    const next = random(5);
    const rows = shape.groups * shape.outChannels;
    const zeros = Int32Array.from({ length: rows }, (_, r) => (r === 0 ? 0 : r === 1 ? 127 : Math.floor(next() * 128)));
    const columns = base.weights.length / rows;
    const weights = base.weights.map((_, i) => Math.floor(next() * 128) - zeros[Math.floor(i / columns)]!);
    await check({ ...base, weights, zeros });
    expect(await run("simd", { ...base, weights, zeros })).toEqual(await run("simd", { ...base, weights }));
  });
});

describe("ConvI4", () => {
  it("equals the exact reference at the edges of panels, tiles and blocks, at the ends of the range", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 131),
        fc.constantFrom(32, 33, 37, 74),
        fc.constantFrom(9, 16, 17, 24, 32, 41),
        fc.constantFrom(2, 4, 5, 6),
        fc.boolean(),
        fc.boolean(),
        seeds,
        activations,
        async (inWidth, channels, outChannels, bits, perRow, extreme, seed, activation) => {
          const shape = plain({ inWidth, channels, outChannels, ...(perRow ? {} : { groups: 2, kernelWidth: 1 }) });
          const base = layer(shape, { seed, bits, perRow, largest: 7, weightBits: 4, ...activation });
          const weights = extreme ? base.weights.map((w) => (w < 0 ? -7 : 7)) : base.weights;
          const input = extreme ? base.input.map((x, i) => (i % 7 === 0 ? 1 : Math.sign(x) - 1)) : base.input;
          await check({ ...base, weights, input });
        },
      ),
      { numRuns: 25 },
    );
  });

  it("holds for windows, padded and merged, with zero points", async () => {
    const shape = plain({
      ...{ batch: 2, inHeight: 6, inWidth: 11, kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 0] },
      ...{ channels: 34, groups: 1, outChannels: 21 },
    });
    const base = layer(shape, { seed: 8, bits: 5, largest: 7, weightBits: 4 });
    await check(base);
    const zeros = Int32Array.from({ length: 21 }, (_, i) => (i % 9) - 4);
    await check({ ...base, weights: base.weights.map((w) => Math.min(3, Math.max(-3, w))), zeros });
    base.input[100] = Number.NaN;
    await check(base);
  });
});

describe("ConvU7", () => {
  beforeAll(allowRelaxed);
  const ways = [
    { sums32: true, sums16: false },
    { sums32: false, sums16: true },
  ];

  it.each(ways)(
    "equals the exact reference at the edges of panels, tiles and blocks, at the ends of the range: %o",
    async (dots) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 131, 262),
          fc.constantFrom(32, 33, 34, 35, 37, 64, 74),
          fc.constantFrom(8, 9, 16, 17, 32, 39, 64),
          fc.constantFrom(4, 7, 8),
          fc.constantFrom(3, 4, 5, 6, 7),
          fc.boolean(),
          fc.boolean(),
          seeds,
          activations,
          async (inWidth, channels, outChannels, bits, width, perRow, extreme, seed, activation) => {
            const weightBits = dots.sums32 ? width : Math.min(width, 6);
            const largest = 2 ** (weightBits - 1) - 1;
            const shape = plain({ inWidth, channels, outChannels, ...(perRow ? {} : { groups: 2 }) });
            const base = layer(shape, { seed, bits, perRow, largest, weightBits, dots, ...activation });
            const weights = extreme ? base.weights.map((w) => (w < 0 ? -largest - 1 : largest)) : base.weights;
            const input = extreme ? base.input.map((x, i) => (i % 7 === 0 ? 1 : Math.sign(x) - 1)) : base.input;
            await check({ ...base, weights, input });
          },
        ),
        { numRuns: 25 },
      );
    },
  );

  it.each(ways)(
    "holds for windows, padded, cropped and merged, with zero points and values that are not finite: %o",
    async (dots) => {
      const shape = plain({
        ...{ batch: 2, inHeight: 6, inWidth: 11, kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 0] },
        ...{ channels: 34, groups: 1, outChannels: 21 },
      });
      for (const one of [
        shape,
        { ...shape, channels: 36, pads: [0, 0, 0, 0] as const },
        {
          ...shape,
          channels: 33,
          groups: 2,
          dilationWidth: 2,
          strideHeight: 2,
          inDepth: 2,
          depthPads: [1, 0] as const,
          kernelDepth: 2,
        },
      ]) {
        const base = layer(one, { seed: 8, bits: 8, largest: 31, weightBits: 6, dots });
        await check(base);
        if (one.inDepth === 1) await check({ ...base, border: true });
        const zeros = Int32Array.from({ length: one.groups * 21 }, (_, i) => (i % 9) * 7 - 30);
        await check({
          ...base,
          weights: base.weights.map((w, i) => w - zeros[Math.floor((i / base.weights.length) * zeros.length)]!),
          zeros,
        });
        base.input[100] = Number.NaN;
        await check(base);
      }
    },
  );
});

describe("ConvF32", () => {
  it("sums in k order, one rounding per operation, in both builds", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, activations, seeds, fc.boolean(), async (shape, a, seed, withBias) => {
        await check(layer(shape, { seed, bits: 0, withBias, ...a }));
      }),
      { numRuns: 120 },
    );
  });

  it.each([
    [1, 1, 1],
    [1, 40, 75],
    [1, 33, 128],
    [2, 33, 40],
    [131, 20, 33],
  ])("a product %i×%i×%i", async (m, k, n) => {
    await check(
      layer(plain({ inWidth: m, channels: k, outChannels: n }), { seed: m + k + n, bits: 0, withBias: m % 2 === 0 }),
    );
  });

  it("passes infinities and NaN on", async () => {
    const base = layer(plain({ inWidth: 6, channels: 9, outChannels: 10 }), { seed: 8, bits: 0 });
    base.input[3] = Number.NaN;
    base.input[9 * 4 + 1] = Infinity;
    await check(base);
  });
});
