import { allocateData, bytesIn, elementBytes, type Shape, sizeOf, Tensor } from "../tensor/index.ts";
import type { ControlNode } from "./control-node.ts";
import { type Held, Placed, reshaped, viewOf } from "./values.ts";

/** What slabs are made with: the memory that they go to, and what waits for others between pieces of the work. */
type Place = Pick<ControlNode, "core" | "scope" | "rest">;

/** Bytes, or strings, that are copied between two turns, and what a copy counts beside them. */
const PIECE = 2 ** 21;
const COPY = 256;

/** Tensors of a sequence that are looked at, or made, between two turns: a millisecond. */
const PARTS = 4096;

/** Visits the tensors of a sequence, which may be millions. */
export async function eachOf<T>(c: Place, all: readonly T[], visit: (one: T) => void): Promise<void> {
  for (let i = 0; i < all.length; i++) {
    visit(all[i]!);
    if (i % PARTS === PARTS - 1) await c.rest();
  }
}

/** Whether the slabs of a tensor along an axis lie in the core's memory, one after the other. */
function isInOrder(value: Held, axis: number): value is Placed {
  return value instanceof Placed && value.pieces === undefined && sizeOf(value.dims.slice(0, axis)) === 1;
}

/** `count` slabs of a tensor from `start` along an axis: where they are, when they are in one piece of the core's memory. */
export async function slab(c: Place, value: Held, axis: number, start: number, count: number): Promise<Held> {
  const dims = value.dims.with(axis, count);
  if (isInOrder(value, axis)) {
    const offset = start * sizeOf(dims.slice(axis + 1)) * elementBytes(value.type);
    return new Placed(value.type, dims, value.at + offset, value.block);
  }
  return move(c, value.type, dims, axis, [{ value, start, into: 0, count }]);
}

/**
 * A tensor in parts of these sizes along an axis, which share one block: with a block and a copy for each, a million took 4.5 s. `keeps`: the parts keep the
 * axis; else their sizes are 1.
 */
export async function cut(
  c: Place,
  value: Held,
  axis: number,
  sizes: readonly number[],
  keeps: boolean,
): Promise<readonly Held[]> {
  const { type, dims } = value;
  let from = value;
  if (type !== "string" && !isInOrder(value, axis)) {
    from = c.scope.place(type, dims);
    await copyRuns(c, from, partRuns(value, axis, sizes));
  }
  const parts: Held[] = [];
  let [start, before, shape] = [0, -1, dims];
  for (const size of sizes) {
    // Parts of one size have one list of extents.
    if (size !== before) shape = keeps ? dims.with(axis, size) : dims.toSpliced(axis, 1);
    before = size;
    if (from instanceof Placed) {
      const offset = start * (from.bytes / Math.max(1, dims[axis]!));
      parts.push(new Placed(from.type, shape, from.at + offset, from.block));
    } else parts.push(reshaped(await slab(c, from, axis, start, size), shape));
    start += size;
    if (parts.length % PARTS === 0) await c.rest();
  }
  return parts;
}

/** Tensors one after the other along an axis; their other extents are equal. */
export async function join(c: Place, values: readonly Held[], axis: number): Promise<Held> {
  const [first] = values;
  const pieces: Piece[] = [];
  let into = 0;
  await eachOf(c, values, (value) => {
    const count = value.dims[axis]!;
    pieces.push({ value, start: 0, into, count });
    into += count;
  });
  return move(c, first!.type, first!.dims.with(axis, into), axis, pieces);
}

interface Piece {
  readonly value: Held;
  /** First slab that is taken, and where it goes. */
  readonly start: number;
  readonly into: number;
  readonly count: number;
}

/** A tensor made of slabs along an axis. Slabs that no piece fills are zero, or empty texts. */
export async function move(
  c: Place,
  type: Held["type"],
  dims: Shape,
  axis: number,
  pieces: readonly Piece[],
): Promise<Held> {
  if (type === "string") c.core.hold(bytesIn(type, sizeOf(dims)));
  const made =
    type === "string"
      ? new Tensor(type, allocateData(type, sizeOf(dims)) as string[], dims)
      : c.scope.place(type, dims);
  if (made instanceof Placed && pieces.reduce((sum, { count }) => sum + count, 0) < dims[axis]!)
    await inTurns(c, made.bytes, (at, length) => c.core.u8(made.at + at, length).fill(0));
  await copyRuns(c, made, pieceRuns(made, axis, pieces));
  return made;
}

/** What is copied from where to where in the tensor that is made, in bytes, or in strings. */
interface Run {
  readonly value: Held;
  readonly source: number;
  readonly target: number;
  readonly length: number;
}

/** Bytes, or strings, of a slab along an axis. */
function unitOf({ type, dims }: Held, axis: number): number {
  return sizeOf(dims.slice(axis + 1)) * (elementBytes(type) || 1);
}

function* pieceRuns(made: Held, axis: number, pieces: readonly Piece[]): Generator<Run> {
  const [unit, extent, outer] = [unitOf(made, axis), made.dims[axis]!, sizeOf(made.dims.slice(0, axis))];
  for (const { value, start, into, count } of pieces) {
    for (let o = 0; o < outer; o++) {
      const source = (o * value.dims[axis]! + start) * unit;
      yield { value, source, target: (o * extent + into) * unit, length: count * unit };
    }
  }
}

/** A tensor as its parts along an axis, one after the other. */
function* partRuns(value: Held, axis: number, sizes: readonly number[]): Generator<Run> {
  const [unit, extent, outer] = [unitOf(value, axis), value.dims[axis]!, sizeOf(value.dims.slice(0, axis))];
  // One run where they lie so.
  const counts = outer === 1 ? [extent] : sizes;
  let [start, target] = [0, 0];
  for (const count of counts) {
    const length = count * unit;
    for (let o = 0; o < outer; o++, target += length)
      yield { value, source: (o * extent + start) * unit, target, length };
    start += count;
  }
}

async function copyRuns(c: Place, made: Held, runs: Iterable<Run>): Promise<void> {
  let work = 0;
  for (const { value, source, target, length } of runs) {
    for (let at = 0; at < length; at += PIECE) {
      const count = Math.min(PIECE, length - at);
      copy(c, value, source + at, made, target + at, count);
      work += count + COPY;
      if (work < PIECE) continue;
      work = 0;
      await c.rest();
    }
  }
}

async function inTurns(c: Place, length: number, visit: (at: number, length: number) => void): Promise<void> {
  for (let at = 0; at < length; at += PIECE) {
    visit(at, Math.min(PIECE, length - at));
    await c.rest();
  }
}

/** Copies bytes, or strings. Views are made anew each time: in a turn the memory may grow, which detaches them. */
function copy({ core }: Place, from: Held, source: number, to: Held, target: number, length: number): void {
  if (to instanceof Placed) core.u8(to.at + target, length).set(viewOf(core, from).subarray(source, source + length));
  else {
    const [texts, own] = [(from as Tensor).data as readonly string[], to.data as string[]];
    for (let i = 0; i < length; i++) own[target + i] = texts[source + i]!;
  }
}
