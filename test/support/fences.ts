import type { Core } from "../../src/core/index.ts";

/** What stands before and behind a fenced block, in bytes; blocks of a core are aligned so. */
const WIDTH = 64;
const FENCE = 0x5a;

/** Blocks of a core's memory with fences around them, and the beginning of memory, where no block lies: whoever writes outside of its buffers is seen, on builds that do not look. */
export class Fences {
  private readonly fences: Uint8Array<ArrayBufferLike>[] = [];
  private readonly blocks: number[] = [];
  private readonly low: Uint8Array;

  constructor(private readonly core: Core) {
    this.low = this.lowest().slice();
  }

  allocate(bytes: number): number {
    const block = this.core.allocate(bytes + 2 * WIDTH);
    this.blocks.push(block);
    const at = block + WIDTH;
    for (const [from, length] of [
      [block, WIDTH],
      [at + bytes, WIDTH],
    ] as const)
      this.fences.push(new Uint8Array(this.core.memory.buffer, from, length).fill(FENCE));
    return at;
  }

  check(): void {
    for (const { byteOffset, length } of this.fences) {
      const now = new Uint8Array(this.core.memory.buffer, byteOffset, length);
      const at = now.findIndex((byte) => byte !== FENCE);
      if (at >= 0) throw new Error(`a step wrote to ${byteOffset + at}, outside of its buffers`);
    }
    const at = this.lowest().findIndex((byte, i) => byte !== this.low[i]);
    if (at >= 0) throw new Error(`a step wrote to ${at}, where nothing lies`);
  }

  release(): void {
    for (const block of this.blocks) this.core.release(block);
  }

  private lowest(): Uint8Array {
    return new Uint8Array(this.core.memory.buffer, 0, WIDTH);
  }
}
