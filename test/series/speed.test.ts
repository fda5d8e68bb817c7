import { describe, expect, it } from "vitest";
import { isSlowOnIntegers } from "../../src/series/speed.ts";

describe("a layer on int16", () => {
  const cases: [depth: number, uses: number, weights: number, activations: number, slow: boolean][] = [
    // Sums that leave int32.
    [64, 64, 16, 16, true],
    [1024, 1024, 16, 16, false],
    [32, 64, 14, 16, true],
    [256, 256, 14, 16, false],
    // A transposed convolution of 24 channels: one tap of each output.
    [24, 96, 16, 12, true],
    [24, 96, 8, 12, false],
    // At the edge of int32.
    [16, 64, 16, 12, false],
    [17, 64, 16, 12, true],
    [256, 64, 12, 12, false],
    [16, 64, 12, 16, false],
    [17, 64, 12, 16, true],
    // Few uses of an activation.
    [64, 10, 12, 12, true],
    [64, 16, 12, 12, false],
  ];
  for (const [depth, uses, weights, activations, slow] of cases) {
    it(`of ${weights} × ${activations} bits, ${depth} deep and used ${uses} times is ${slow ? "" : "not "}slow`, () => {
      expect(isSlowOnIntegers({ depth, uses }, weights, activations)).toBe(slow);
    });
  }

  it("that float32 computes in tiles is slow unless its activations fit tiles of integers", () => {
    const shape = { depth: 576, uses: 576, tiled: true };
    expect(isSlowOnIntegers(shape, 14)).toBe(true);
    expect(isSlowOnIntegers(shape, 8, 10)).toBe(true);
    expect(isSlowOnIntegers(shape, 8, 9)).toBe(false);
  });

  it("has activations of 16 bits unless others are told", () => {
    expect(isSlowOnIntegers({ depth: 17, uses: 64 }, 12)).toBe(true);
    expect(isSlowOnIntegers({ depth: 16, uses: 64 }, 12)).toBe(false);
  });
});
