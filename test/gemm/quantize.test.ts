import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuantizeStep } from "../../src/core/abi/conv.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { step } from "../../src/core/index.ts";
import { BUILDS, dirty, NO_BORDER, NO_RANGE, newCore, runAll } from "./harness.ts";
import { quantizeReference } from "./reference.ts";

interface Result {
  q: Int16Array;
  scales: number[];
  zeros: number[];
  flags: number[];
  mask: Uint8Array;
}

async function quantize(
  build: (typeof BUILDS)[number],
  values: Float32Array,
  samples: number,
  rows: number,
  channels: number,
  groups: number,
  bits: number,
  threads: number,
  /** Quantize finds the ranges. */
  alone = false,
  /** Bytes of a pixel behind its last group. */
  rest = 0,
): Promise<Result> {
  const core = await newCore(build);
  const groupStride = 4 * Math.ceil(channels / 2);
  const pixelStride = groups * groupStride + rest;
  const output = dirty(core, samples * rows * pixelStride);
  const parameters = dirty(core, samples * 16);
  const mask = dirty(core, samples * rows * groups);
  core.u8(mask, samples * rows * groups).fill(7);
  const common = {
    input: core.place(values),
    output,
    partials: alone ? 0 : dirty(core, threads * samples * 16),
    parameters,
    samples,
    rowsPerSample: rows,
    channels,
    groups,
    pixelStride,
    groupStride,
    bits,
    mask,
    maskChannels: channels,
    slots: threads,
    ...NO_BORDER,
    ...NO_RANGE,
  };
  const steps = [step(Opcode.Range, QuantizeStep, common), step(Opcode.Quantize, QuantizeStep, common)];
  runAll(core, alone ? steps.slice(1) : steps, threads);
  const entries = Array.from({ length: samples }, (_, i) => i);
  return {
    q: core.i16(output, (samples * rows * pixelStride) / 2).slice(),
    scales: entries.map((i) => core.f32(parameters, samples * 4)[4 * i]!),
    zeros: entries.map((i) => core.i32(parameters, samples * 4)[4 * i + 1]!),
    flags: entries.map((i) => core.i32(parameters, samples * 4)[4 * i + 2]!),
    mask: core.u8(mask, samples * rows * groups).slice(),
  };
}

async function check(
  values: Float32Array,
  samples: number,
  rows: number,
  channels: number,
  groups: number,
  bits: number,
  rest = 0,
) {
  const size = values.length / samples;
  const each = 2 * Math.ceil(channels / 2);
  const width = groups * each + rest / 2;
  for (const build of BUILDS) {
    for (const threads of [1, 3]) {
      const result = await quantize(build, values, samples, rows, channels, groups, bits, threads, false, rest);
      for (let i = 0; i < samples; i++) {
        const part = values.subarray(i * size, (i + 1) * size);
        const expected = quantizeReference(part, bits);
        expect([result.scales[i], result.zeros[i], result.flags[i] !== 0]).toEqual([
          expected.scale,
          expected.zero,
          expected.nonFinite,
        ]);
        for (let pixel = 0; pixel < rows * groups; pixel++) {
          const own = part.subarray(pixel * channels, (pixel + 1) * channels);
          const at = i * rows * groups + pixel;
          const padded = [...expected.q.subarray(pixel * channels, (pixel + 1) * channels), 0].slice(0, each);
          const from = Math.floor(at / groups) * width + (at % groups) * each;
          expect([...result.q.subarray(from, from + each)]).toEqual(padded);
          // The mask is written only where it will be read.
          expect(result.mask[at]).toBe(expected.nonFinite ? Number(!own.every(Number.isFinite)) : 7);
        }
        for (let pixel = i * rows; pixel < (i + 1) * rows; pixel++)
          for (const value of result.q.subarray(pixel * width + groups * each, (pixel + 1) * width))
            expect(value).toBe(0);
      }
    }
  }
}

const values = fc.oneof(
  { weight: 6, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 1e-40, -3e-45, 1e-30) },
);

describe("Range and Quantize", () => {
  it("follow the formulas for any number of bits, per sample and per row", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 21 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 2, max: 16 }),
        fc.infiniteStream(values),
        async (samples, rows, channels, groups, bits, stream) => {
          const data = Float32Array.from(
            { length: samples * rows * channels * groups },
            () => stream.next().value as number,
          );
          await check(data, samples, rows, channels, groups, bits);
        },
      ),
      { numRuns: 120 },
    );
  });

  it.each([2, 8, 12, 16])("survive the ends of f32 (%i bits)", async (bits) => {
    const max = 3.4028234663852886e38;
    await check(Float32Array.of(-max, max, 1, 0, max / 2, -max / 3, 1e30, 5, -1), 1, 1, 9, 1, bits);
    await check(Float32Array.of(max, max, 0, 1e38), 1, 2, 2, 1, bits);
    await check(Float32Array.of(1e-45, -1e-45, 3e-45, 0, 1e-44, 7e-42, -2e-40, 1e-41), 1, 1, 8, 1, bits);
    await check(Float32Array.of(1e-45, 0, 0, 0, 0, 0, 0, 0, 0), 1, 1, 9, 1, bits);
    await check(new Float32Array(24).fill(-0), 2, 4, 3, 1, bits);
  });

  it("round ties to even", async () => {
    // hi − lo = 15 and n = 4 give s = 1 and z = −8, so that q = nearestEven(x) − 8.
    const data = Float32Array.of(0, 15, 0.5, 1.5, 2.5, 3.5, 13.5, 14.5, 7.4999995);
    for (const build of BUILDS) {
      const { q } = await quantize(build, data, 1, 1, 9, 1, 4, 1);
      expect([...q].slice(0, 9).map((x) => x + 8)).toEqual([0, 15, 0, 2, 2, 4, 14, 14, 7]);
    }
  });

  it("skip what is not finite, wherever it lies, and mark it", async () => {
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const at of [0, 7, 8, 31, 65, 71]) {
        const data = Float32Array.from({ length: 72 }, (_, i) => Math.fround(Math.sin(i) * 5));
        data[at] = bad;
        await check(data, 3, 4, 3, 2, 8);
        await check(data, 72, 1, 1, 1, 8);
      }
    }
    await check(new Float32Array(8).fill(Number.NaN), 2, 2, 2, 1, 12);
  });

  it.each([4, 8, 72])("write zeros to the %i bytes behind the groups of a pixel, finite or not", async (rest) => {
    for (const [channels, groups] of [
      [3, 1],
      [8, 1],
      [5, 2],
      [4, 3],
    ] as const) {
      const data = Float32Array.from({ length: 2 * 5 * channels * groups }, (_, i) => Math.fround(Math.sin(i) * 5));
      await check(data, 2, 5, channels, groups, 12, rest);
      data[3] = Number.NaN;
      data[data.length - 1] = Infinity;
      await check(data, 2, 5, channels, groups, 12, rest);
    }
  });

  it("find the range of a row in the same step, as a step of its own does", async () => {
    const bad = [Number.NaN, Infinity, -Infinity, 0, 0];
    const data = Float32Array.from({ length: 5 * 37 }, (_, i) => Math.fround(Math.sin(i) * 4 ** (i % 9)));
    bad.forEach((value, row) => {
      data[row * 37 + 7 * row] = value;
    });
    data.fill(0, 4 * 37);
    for (const build of BUILDS) {
      for (const threads of [1, 3]) {
        const own = await quantize(build, data, 5, 1, 37, 1, 8, threads, true);
        expect(own).toEqual(await quantize(build, data, 5, 1, 37, 1, 8, threads));
      }
    }
  });

  it.each([1, 3, 4, 7, 50])("handle pictures of one channel and %i pixels", async (pixels) => {
    await check(
      Float32Array.from({ length: 2 * pixels }, (_, i) => ((i * 37) % 255) / 255 - 0.4),
      2,
      pixels,
      1,
      1,
      16,
    );
  });

  it("handle pictures of three channels", async () => {
    await check(
      Float32Array.from({ length: 2 * 50 * 3 }, (_, i) => ((i * 37) % 255) / 255 - 0.4),
      2,
      50,
      3,
      1,
      12,
    );
  });
});
