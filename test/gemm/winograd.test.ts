// WinogradF32 against sums of products in float64; WinogradI16, whose sums are exact, is in conv.test.ts.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Activation } from "../../src/core/abi/conv.ts";
import { everyWay, seeds, tiled } from "./exact.ts";
import { run } from "./harness.ts";
import { bitsOf, canonical, type Linear, layer, outSize, plain, type Shape } from "./layer.ts";

/** All builds, thread counts and slices give one result. */
const agreed = async (l: Linear): Promise<Float32Array> => everyWay(l, canonical(await run("scalar", l)));

/** Σ x·w + bias and Σ |x·w| of every output, and whether it sees a value that is no number. */
function* sums({ shape: s, input, weights, bias }: Linear): Generator<[sum: number, size: number]> {
  const [, outHeight, outWidth] = outSize(s) as [number, number, number];
  for (let at = 0; at < s.batch * outHeight * outWidth * s.outChannels; at++) {
    const o = at % s.outChannels;
    const pixel = Math.floor(at / s.outChannels);
    const [x, y] = [pixel % outWidth, Math.floor(pixel / outWidth) % outHeight];
    const sample = Math.floor(pixel / (outWidth * outHeight));
    let [sum, size] = [bias?.[o] ?? 0, 0];
    for (let tap = 0; tap < 9; tap++) {
      const [row, column] = [y + Math.floor(tap / 3) - s.pads[0], x + (tap % 3) - s.pads[1]];
      if (row < 0 || row >= s.inHeight || column < 0 || column >= s.inWidth) continue;
      const from = ((sample * s.inHeight + row) * s.inWidth + column) * s.channels;
      for (let c = 0; c < s.channels; c++) {
        const product = input[from + c]! * weights[(o * 9 + tap) * s.channels + c]!;
        sum += product;
        size += Math.abs(product);
      }
    }
    yield [sum, size];
  }
}

function expectNear(l: Linear, outputs: Float32Array): void {
  let at = 0;
  for (const [sum, size] of sums(l)) {
    const y = outputs[at++]!;
    if (Number.isFinite(size)) expect(Math.abs(y - sum)).toBeLessThanOrEqual(1e-5 * (size + 20));
    else expect(Number.isFinite(y), "a value that is no number, seen").toBe(false);
  }
  expect(at).toBe(outputs.length);
}

it("WinogradF32 gives the sums of all taps, and no neighbour sees what is no number", async () => {
  await fc.assert(
    fc.asyncProperty(tiled(11, 3), seeds, fc.boolean(), fc.nat(2), async (shape: Shape, seed, withBias, odd) => {
      const l = layer(shape, { seed, bits: 0, withBias, isTiled: true });
      if (odd > 0) l.input[seed % l.input.length] = [Number.NaN, Number.POSITIVE_INFINITY][odd - 1]!;
      expectNear(l, await agreed(l));
    }),
    { numRuns: 15 },
  );
});

it("WinogradF32 in several blocks of tiles, with an activation, a factor and an addend", async () => {
  const shape = plain({
    ...{ batch: 2, inHeight: 26, inWidth: 23, channels: 64, outChannels: 16 },
    ...{ kernelHeight: 3, kernelWidth: 3, pads: [1, 1, 1, 1] },
  });
  const addend = Float32Array.from({ length: 2 * 26 * 23 * 16 }, (_, i) => Math.sin(i));
  const end = { addend, addendMin: -0.8, factor: 0.7, shift: 0.1, activation: Activation.Clip, low: -5, high: 20 };
  const l = layer(shape, { seed: 3, bits: 0, isTiled: true });
  // One tile goes tap by tap.
  l.input[7 * 64 + 3] = Number.NaN;
  const plainly = await run("simd", l);
  const ended = await agreed({ ...l, ...end });
  const expected = plainly.map((y, i) => {
    const clipped = Math.min(Math.max(y, -5), 20);
    return Math.max(
      Math.fround(Math.fround(Math.fround(clipped * Math.fround(0.7)) + Math.fround(0.1)) + addend[i]!),
      Math.fround(-0.8),
    );
  });
  expect(canonical(ended)).toEqual(canonical(expected));
  expectNear(l, plainly);
  expect(bitsOf(plainly)).not.toEqual(bitsOf(await run("simd", { ...l, isTiled: false })));
});
