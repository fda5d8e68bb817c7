import { expect, it } from "vitest";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { chooseKernel, isKernel, KERNELS, type LinearWork, lowPairs } from "../../src/core/index.ts";

const chosen = (work: Partial<LinearWork>): string => {
  const base = { depthwise: false, weightBits: 16, activationBits: 8, exactInInt32: true };
  const shape = { rows: 9, channels: 32, largestSum: 2 ** 19 - 1 };
  return KERNELS[chooseKernel({ ...base, ...shape, ...work })];
};

it("chooses the narrowest panels that hold the weights", () => {
  expect(chosen({ weightBits: 8 })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 9 })).toBe("gemm_i16_i16_4x8");
  expect(chosen({ weightBits: 8, activationBits: 16 })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 8, exactInInt32: false })).toBe("gemm_i16_i16_4x8");
  // One or two rows have tiles of their own there.
  expect([2, 3].map((rows) => chosen({ weightBits: 8, rows }))).toEqual(["gemm_i16_i16_4x8", "gemm_i8_i16_4x8"]);
});

it("puts two columns into an int16 where both sums have room", () => {
  const narrow = { weightBits: 4, activationBits: 6 };
  expect(chosen(narrow)).toBe("gemm_i4_i16_4x16");
  const others = [{ weightBits: 5 }, { activationBits: 7 }, { largestSum: 2 ** 19 }, { rows: 8 }, { channels: 31 }];
  for (const other of others) expect(chosen({ ...narrow, ...other })).toBe("gemm_i8_i16_4x8");
  // the low sum of a block, at its worst, and of one pair more
  for (const bits of [2, 3, 4, 5, 6]) {
    const pair = 2 * 7 * 2 ** (bits - 1);
    expect(lowPairs(bits) * pair).toBeLessThanOrEqual(2047);
    expect((lowPairs(bits) + 1) * pair).toBeGreaterThan(2047);
  }
});

it("takes tiles of 3×3 convolutions where transformed operands fit int16 and 64 times the sums int32, and others in float32 where their panels stay in a cache", () => {
  const tiled = { isTiled: true, weightBits: 10, activationBits: 9, rows: 8, channels: 16, largestSum: 2 ** 25 - 1 };
  expect(chosen(tiled)).toBe("winograd_i16_i16_4x8");
  expect(chosen({ ...tiled, weightBits: 4, activationBits: 6, channels: 32, largestSum: 1 })).toBe(
    "winograd_i16_i16_4x8",
  );
  const others = [
    ...[{ isTiled: false }, { weightBits: 11 }, { activationBits: 10 }, { largestSum: 2 ** 25 }],
    ...[{ rows: 12 }, { channels: 15 }],
  ];
  for (const other of others) expect(chosen({ ...tiled, ...other })).toBe("gemm_i16_i16_4x8");
  const large = { ...tiled, weightBits: 7, activationBits: 8, rows: 256 };
  expect([256, 257].map((channels) => chosen({ ...large, channels }))).toEqual([
    "winograd_i16_i16_4x8",
    "gemm_i8_i16_4x8",
  ]);
  const float = { isTiled: true, activationBits: 0, rows: 128, channels: 128 };
  expect(chosen(float)).toBe("winograd_f32_4x8");
  for (const other of [{ isTiled: false }, { rows: 136 }, { rows: 12 }, { channels: 15 }])
    expect(chosen({ ...float, ...other })).toBe("gemm_f32_4x8");
  // 16 products of an instruction
  const dots = { sums32: true, sums16: false };
  expect(chosen({ ...tiled, weightBits: 7, activationBits: 8, channels: 32, dots })).toBe("gemm_u7_i8_4x8");
});

it("takes the relaxed dot products where they are worth it and the weights have 7 bits, or 5 for sums in int16", () => {
  const quads = "gemm_u7_i8_4x8";
  const dots = { sums32: true, sums16: false };
  expect(chosen({ weightBits: 7, dots })).toBe(quads);
  expect(chosen({ weightBits: 4, activationBits: 6, dots })).toBe(quads);
  const others = [{ weightBits: 8 }, { activationBits: 9 }, { rows: 7 }, { channels: 31 }];
  for (const other of others) expect(chosen({ weightBits: 7, dots, ...other })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 7, dots, exactInInt32: false })).toBe("gemm_i16_i16_4x8");
  expect(chosen({ weightBits: 7, dots, depthwise: true })).toBe("depthwise_i16_i16_3x8");
  const short = { sums32: false, sums16: true };
  expect(chosen({ weightBits: 5, channels: 128, dots: short })).toBe(quads);
  expect(chosen({ weightBits: 6, channels: 128, dots: short })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 5, channels: 127, dots: short })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 4, activationBits: 6, dots: short })).toBe("gemm_i4_i16_4x16");
  expect(chosen({ weightBits: 4, dots: { sums32: false, sums16: false } })).toBe("gemm_i8_i16_4x8");
});

it("has kernels of their own for depthwise layers and float32", () => {
  expect(chosen({ depthwise: true, weightBits: 8 })).toBe("depthwise_i16_i16_3x8");
  expect(chosen({ activationBits: 0 })).toBe("gemm_f32_4x8");
  expect(chosen({ activationBits: 0, depthwise: true })).toBe("depthwise_f32_4x4");
});

it("knows linear steps", () => {
  expect(isKernel(Opcode.ConvI8)).toBe(true);
  expect(isKernel(Opcode.Quantize)).toBe(false);
});
