import { describe, expect, test } from "vitest";
import { Opcode } from "../../src/core/abi/opcode.ts";
import type { LoweredStep } from "../../src/program/lowering.ts";
import { sliced, slicesOf } from "../../src/program/slices.ts";

// that slices give the same bits is checked with every operator by agreed() and with every linear step by test/gemm/
describe("slicesOf", () => {
  const step = (macs: number, bytes: number): LoweredStep => ({
    ...{ step: { opcode: Opcode.Copy, words: [] }, node: "n", op: "O", kernel: "k", macs, bytes },
    from: { name: "n", op: "O", domain: "", inputs: [], outputs: [], attributes: {} },
  });

  test("a small step is one slice, a large one as many as the time asks for, and there is an end", () => {
    expect(slicesOf(step(0, 0), 10)).toBe(1);
    expect(slicesOf(step(2 ** 18 * 10, 0), 10)).toBe(1);
    expect(slicesOf(step(2 ** 18 * 10 + 1, 0), 10)).toBe(2);
    expect(slicesOf(step(0, 2 ** 19 * 100), 10)).toBe(10);
    expect(slicesOf(step(2 ** 18 * 50, 2 ** 19 * 50), 10)).toBe(10);
    expect(slicesOf(step(2 ** 50, 0), 1)).toBe(2 ** 20);
  });
});

describe("sliced", () => {
  const step = (macs: number, bytes = 0): LoweredStep => ({ macs, bytes }) as LoweredStep;

  test("holds every step once, in order, large ones in parts", () => {
    const slices = [...sliced([step(10), step(0, 10), step(2 ** 22), step(5), step(2 ** 20), step(2 ** 20), step(1)])];
    expect(slices).toEqual([
      { first: 0, count: 2, part: 0, parts: 1 },
      ...[0, 1, 2, 3].map((part) => ({ first: 2, count: 1, part, parts: 4 })),
      { first: 3, count: 2, part: 0, parts: 1 },
      { first: 5, count: 2, part: 0, parts: 1 },
    ]);
  });

  test("has what is together at most 2^21 of work, and one more begins a slice", () => {
    const counts = (...macs: number[]): number[] => [...sliced(macs.map((m) => step(m)))].map(({ count }) => count);
    expect(counts(2 ** 20, 2 ** 20)).toEqual([2]);
    expect(counts(2 ** 20, 2 ** 20, 1)).toEqual([2, 1]);
    expect(counts(2 ** 20, 2 ** 20 - 1, 1)).toEqual([3]);
    expect(counts(1, 2 ** 20, 2 ** 20)).toEqual([2, 1]);
    expect([...sliced([])]).toEqual([]);
  });
});
