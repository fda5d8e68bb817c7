import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Allocator } from "../../src/core/index.ts";

describe("Allocator", () => {
  it("gives disjoint aligned blocks and joins what is released", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(5000), fc.constant(-1)), { maxLength: 200 }),
        fc.infiniteStream(fc.nat()),
        (sizes, picks) => {
          let end = 0;
          const allocator = new Allocator(100, (to) => {
            end = Math.max(end, to);
          });
          const live = new Map<number, number>();
          for (const size of sizes) {
            if (size < 0) {
              const keys = [...live.keys()];
              if (keys.length === 0) continue;
              const at = keys[picks.next().value! % keys.length]!;
              allocator.release(at);
              live.delete(at);
              continue;
            }
            const at = allocator.allocate(size);
            expect(at % 64).toBe(0);
            expect(at).toBeGreaterThanOrEqual(100);
            expect(at + size).toBeLessThanOrEqual(end);
            for (const [other, length] of live) expect(at + size <= other || other + length <= at).toBe(true);
            live.set(at, Math.max(size, 1));
          }
          for (const at of live.keys()) allocator.release(at);
          expect(allocator.bytes).toBe(0);
          if (end === 0) return;
          const grown = end;
          expect(allocator.allocate(grown - 128)).toBe(128);
          expect(end).toBe(grown);
        },
      ),
    );
  });

  it("refuses an address that it did not give", () => {
    const allocator = new Allocator(0, () => undefined);
    expect(() => allocator.release(64)).toThrow(RangeError);
    const at = allocator.allocate(1);
    allocator.release(at);
    expect(() => allocator.release(at)).toThrow('"at" expected the address of an allocated block');
  });
});
