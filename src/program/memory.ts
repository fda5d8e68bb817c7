import type { PlannedBuffer } from "./lowering.ts";

const ALIGNMENT = 64;

export interface MemoryPlan {
  /** Byte offset of each buffer from the start of the arena. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/**
 * Static memory plan: buffers whose lives overlap get disjoint memory, others share it. Largest first, each at the lowest offset
 * where it fits between those already placed (the "greedy by size" order, which stays close to the lower bound of live bytes).
 */
export function planMemory(buffers: readonly PlannedBuffer[]): MemoryPlan {
  const offsets = new Array<number>(buffers.length).fill(0);
  const order = buffers.map((_, i) => i).sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  const placed: number[] = [];
  let bytes = 0;
  for (const i of order) {
    const buffer = buffers[i]!;
    const size = Math.ceil(buffer.bytes / ALIGNMENT) * ALIGNMENT;
    let offset = 0;
    for (const j of placed) {
      const other = buffers[j]!;
      if (other.last < buffer.first || buffer.last < other.first) continue;
      const at = offsets[j]!;
      if (at >= offset + size) break;
      offset = Math.max(offset, at + Math.ceil(other.bytes / ALIGNMENT) * ALIGNMENT);
    }
    offsets[i] = offset;
    bytes = Math.max(bytes, offset + size);
    const position = placed.findIndex((j) => offsets[j]! > offset);
    placed.splice(position < 0 ? placed.length : position, 0, i);
  }
  return { offsets, bytes };
}
