import { describe, expect, it } from "vitest";
import { PackBytesStep } from "../../src/core/abi/bytes.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { step } from "../../src/core/index.ts";
import { BUILDS, dirty, newCore, runAll } from "./harness.ts";

const ROWS = 7;

/** What PackBytes makes of bytes: q − zero + 1, and zeros behind the channels of every group and behind the last group. */
function expected(bytes: ArrayLike<number>, zeros: ArrayLike<number>, groups: number, channels: number, rest: number) {
  const each = 2 * Math.ceil(channels / 2);
  const width = groups * each + rest / 2;
  const out = new Int16Array(ROWS * width);
  for (let r = 0; r < ROWS; r++)
    for (let g = 0; g < groups; g++)
      for (let c = 0; c < channels; c++)
        out[r * width + g * each + c] = bytes[(r * groups + g) * channels + c]! - (zeros[r % zeros.length] ?? 0) + 1;
  return out;
}

describe("PackBytes", () => {
  for (const signed of [true, false])
    for (const [groups, channels] of [
      [1, 8],
      [1, 5],
      [3, 4],
      [2, 7],
      [4, 1],
    ] as const)
      it(`of ${groups} groups of ${channels} ${signed ? "int8" : "uint8"}, by any number of threads and in slices`, async () => {
        const make = (length: number, value: (i: number) => number): Int8Array | Uint8Array => {
          const bytes = Uint8Array.from({ length }, (_, i) => value(i));
          return signed ? new Int8Array(bytes.buffer) : bytes;
        };
        const bytes = make(ROWS * groups * channels, (i) => i * 37 + (i >> 2));
        for (const count of [0, 1, 3])
          for (const rest of [0, 4, 72]) {
            const zeros = make(count, (i) => 3 + 50 * i);
            for (const build of BUILDS)
              for (const [threads, slices] of [
                [1, 1],
                [3, 1],
                [1, 4],
              ] as const) {
                const core = await newCore(build);
                const groupStride = 4 * Math.ceil(channels / 2);
                const pixelStride = groups * groupStride + rest;
                const output = dirty(core, ROWS * pixelStride);
                const parameters = dirty(core, 16);
                const words = {
                  ...{ input: core.place(bytes), output, zeros: count === 0 ? 0 : core.place(zeros), points: count },
                  ...{ signed: Number(signed), scale: core.place(Float32Array.of(0.25)), parameters },
                  ...{ rows: ROWS, groups, channels, pixelStride, groupStride },
                };
                runAll(core, [step(Opcode.PackBytes, PackBytesStep, words)], threads, slices);
                const made = core.i16(output, (ROWS * pixelStride) / 2);
                expect([...made]).toEqual([...expected(bytes, zeros, groups, channels, rest)]);
                expect([core.f32(parameters, 1)[0], ...core.i32(parameters + 4, 3)]).toEqual([0.25, 1, 0, 0]);
              }
          }
      });
});
