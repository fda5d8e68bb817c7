import { describe, expect, test } from "vitest";
import { Opcode } from "../../src/core/abi/opcode.ts";
import type { LoweredStep } from "../../src/program/lowering.ts";
import { slicesOf } from "../../src/program/slices.ts";

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
