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
 * 50,000 buffers take half a second, also when all of them live at once.
 */
export function planMemory(buffers: readonly PlannedBuffer[]): MemoryPlan {
  const offsets = new Array<number>(buffers.length).fill(0);
  const order = buffers.map((_, i) => i).sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  const occupied = new Occupied(buffers.reduce((steps, { last }) => Math.max(steps, last + 2), 1));
  let bytes = 0;
  for (const i of order) {
    const { bytes: given, first, last, kept } = buffers[i]!;
    const size = Math.ceil(given / ALIGNMENT) * ALIGNMENT;
    if (size === 0 || kept !== undefined) continue;
    // Before step 0 there is the time in which feeds are written, number −1.
    const offset = occupied.place(first + 1, last + 1, size);
    offsets[i] = offset;
    bytes = Math.max(bytes, offset + size);
  }
  return { offsets, bytes };
}

/** Sorted, disjoint, not touching: [begin, end, begin, end, …]. */
type Intervals = number[];

/**
 * Which bytes are taken while which steps run. Two segment trees over the steps: a life overlaps [first, last] when it covers `first` or
 * begins after it. Each node of a tree holds the union of its lives' bytes, which stays short since buffers are placed without gaps.
 */
class Occupied {
  private readonly leaves: number;
  /** A life is in the nodes that its steps are made of; those that cover a step are on its way to the root. */
  private readonly covering: (Intervals | undefined)[] = [];
  /** A life is on the way from its first step to the root; those that begin in a range are in the nodes that it is made of. */
  private readonly beginning: (Intervals | undefined)[] = [];

  constructor(steps: number) {
    // The least power of two that holds them all.
    this.leaves = 2 ** (32 - Math.clz32(steps - 1));
  }

  /** Takes the lowest `size` bytes that are free during all of the steps. */
  place(first: number, last: number, size: number): number {
    const taken: Intervals[] = [];
    this.upwards(first, (node) => push(taken, this.covering[node]));
    this.within(first + 1, last, (node) => push(taken, this.beginning[node]));
    const offset = lowestGap(taken, size);
    this.within(first, last, (node) => insert(listAt(this.covering, node), offset, offset + size));
    this.upwards(first, (node) => insert(listAt(this.beginning, node), offset, offset + size));
    return offset;
  }

  /** The nodes from a step to the root. */
  private upwards(step: number, visit: (node: number) => void): void {
    for (let node = this.leaves + step; node >= 1; node >>= 1) visit(node);
  }

  /** The fewest nodes that make up the steps `first` … `last`. */
  private within(first: number, last: number, visit: (node: number) => void): void {
    for (let [low, high] = [this.leaves + first, this.leaves + last + 1]; low < high; low >>= 1, high >>= 1) {
      if (low & 1) visit(low++);
      if (high & 1) visit(--high);
    }
  }
}

function push(lists: Intervals[], list: Intervals | undefined): void {
  if (list !== undefined) lists.push(list);
}

function listAt(lists: (Intervals | undefined)[], node: number): Intervals {
  lists[node] ??= [];
  return lists[node];
}

function lowestGap(taken: readonly Intervals[], size: number): number {
  let offset = 0;
  for (let moved = true; moved; ) {
    moved = false;
    for (const list of taken) {
      for (let i = after(list, offset); i < list.length && list[i]! < offset + size; i += 2) {
        offset = list[i + 1]!;
        moved = true;
      }
    }
  }
  return offset;
}

/** Index of the first interval whose end lies behind `at`. */
function after(list: Intervals, at: number): number {
  let [low, high] = [0, list.length >> 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[2 * middle + 1]! > at) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}

function insert(list: Intervals, begin: number, end: number): void {
  const from = after(list, begin - 1);
  let to = from;
  let [low, high] = [begin, end];
  for (; to < list.length && list[to]! <= end; to += 2) {
    low = Math.min(low, list[to]!);
    high = Math.max(high, list[to + 1]!);
  }
  if (to === from + 2) {
    list[from] = low;
    list[from + 1] = high;
  } else list.splice(from, to - from, low, high);
}
