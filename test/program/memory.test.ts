import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlannedBuffer } from "../../src/program/lowering.ts";
import { planMemory } from "../../src/program/memory.ts";

const buffer = fc.record({ bytes: fc.nat(10_000), first: fc.integer({ min: -1, max: 50 }), length: fc.nat(20) });

/** Each buffer, largest first, at the first offset where no buffer of its time is in the way: looking at all of them. */
function plainPlan(buffers: readonly PlannedBuffer[]): number[] {
  const offsets: number[] = [];
  const end = (i: number): number => offsets[i]! + Math.ceil(buffers[i]!.bytes / 64) * 64;
  const order = buffers.map((_, i) => i).sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  const placed: number[] = [];
  for (const i of order) {
    const { bytes, first, last } = buffers[i]!;
    const others = placed.filter((j) => buffers[j]!.first <= last && buffers[j]!.last >= first);
    const fits = (at: number): boolean => others.every((j) => at + bytes <= offsets[j]! || at >= end(j));
    offsets[i] = bytes === 0 ? 0 : Math.min(...[0, ...others.map(end)].filter(fits));
    if (bytes > 0) placed.push(i);
  }
  return offsets;
}

describe("planMemory", () => {
  it("places as a search through all buffers does", () => {
    fc.assert(
      fc.property(fc.array(buffer, { maxLength: 60 }), (specs) => {
        const buffers = specs.map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));
        expect(planMemory(buffers).offsets).toEqual(plainPlan(buffers));
      }),
      { numRuns: 300 },
    );
  });

  it("never lets two buffers that live at the same time overlap", () => {
    fc.assert(
      fc.property(fc.array(buffer, { maxLength: 60 }), (specs) => {
        const buffers = specs.map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));
        const { offsets, bytes } = planMemory(buffers);
        buffers.forEach((a, i) => {
          expect(offsets[i]! % 64).toBe(0);
          expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
          for (let j = 0; j < i; j++) {
            const b = buffers[j]!;
            const alive = a.first <= b.last && b.first <= a.last;
            const apart = offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!;
            expect(!alive || apart || a.bytes === 0 || b.bytes === 0).toBe(true);
          }
        });
      }),
    );
  });

  it("needs two buffers' worth for a chain, whatever its length", () => {
    const chain = Array.from({ length: 40 }, (_, i) => ({ bytes: 1024, first: i, last: i + 1 }));
    expect(planMemory(chain).bytes).toBe(2048);
  });
});
