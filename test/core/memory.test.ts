import { describe, expect, it } from "vitest";
import { LinearMemory, newMemory } from "../../src/core/memory.ts";

const MB = 2 ** 20;

/** How often a memory grows that takes so many blocks. */
function growths(memory: LinearMemory, blocks: number, bytes: number): number {
  const sizes = new Set<number>();
  for (let i = 0; i < blocks; i++) {
    memory.allocate(bytes);
    sizes.add(memory.memory.buffer.byteLength);
  }
  return sizes.size;
}

describe("a memory that grows", () => {
  it("grows by what is missing as long as it is small", () => {
    const memory = new LinearMemory(newMemory());
    expect(growths(memory, 15, MB)).toBe(15);
    expect(memory.memory.buffer.byteLength).toBe(15 * MB + 65536);
  });

  it("grows by an eighth at least from 16 MB on", () => {
    const memory = new LinearMemory(newMemory());
    growths(memory, 16, MB);
    expect(growths(memory, 48, MB)).toBeLessThan(14);
    expect(memory.memory.buffer.byteLength).toBeLessThanOrEqual(64 * MB * (9 / 8));
  });

  it("takes all that its limit allows, and no more", () => {
    const memory = new LinearMemory(newMemory(), 20 * MB);
    memory.beside = MB;
    growths(memory, 18, MB);
    expect(memory.memory.buffer.byteLength).toBeLessThanOrEqual(19 * MB);
    expect(() => memory.allocate(2 * MB)).toThrow('"limits.bytes" allows');
  });

  it("takes what is missing where a host has no room for more", () => {
    const most = (18 * MB) / 65536;
    const memory = new LinearMemory(new WebAssembly.Memory({ initial: 1, maximum: most }));
    growths(memory, 17, MB);
    expect(memory.memory.buffer.byteLength).toBe(17 * MB + 65536);
    expect(() => memory.allocate(2 * MB)).toThrow("could not grow");
  });
});

describe("data that are lent", () => {
  it("are given back where the call fails, or there is no room for all of them", () => {
    const memory = new LinearMemory(newMemory(), 2 * MB);
    const half = new Uint8Array(MB / 2);
    const fail = (): void => {
      throw new Error("a call that fails");
    };
    expect(() => memory.lend([half, half], fail)).toThrow("a call that fails");
    expect(memory.bytesInUse).toBe(0);
    expect(() => memory.lend([half, new Uint8Array(2 * MB)], fail)).toThrow('"limits.bytes" allows');
    expect(memory.bytesInUse).toBe(0);
  });
});
