import { allocateData, bytesIn, elementBytes, type Shape, sizeOf, Tensor } from "../tensor/index.ts";
import type { ControlNode } from "./execution.ts";
import { type Held, Placed, viewOf } from "./values.ts";

/** What slabs are made with: the memory that they go to, and what waits for others between pieces of the work. */
type Place = Pick<ControlNode, "core" | "scope" | "rest">;

/** Bytes, or strings, that are copied between two turns, and what a copy counts beside them. */
const PIECE = 2 ** 21;
const COPY = 256;

/** `count` slabs of a tensor from `start` along an axis: where they are, when they are in one piece of the core's memory. */
export async function slab(c: Place, value: Held, axis: number, start: number, count: number): Promise<Held> {
  const dims = value.dims.map((d, i) => (i === axis ? count : d));
  if (value instanceof Placed && sizeOf(dims.slice(0, axis)) === 1) {
    const offset = start * sizeOf(dims.slice(axis + 1)) * elementBytes(value.type);
    return new Placed(value.type, dims, value.at + offset, value.block);
  }
  return move(c, value.type, dims, axis, [{ value, start, into: 0, count }]);
}

/** Tensors one after the other along an axis; their other extents are equal. */
export function join(c: Place, values: readonly Held[], axis: number): Promise<Held> {
  let total = 0;
  const pieces = values.map((value) => {
    const count = value.dims[axis]!;
    total += count;
    return { value, start: 0, into: total - count, count };
  });
  const [first] = values;
  const dims = first!.dims.map((d, i) => (i === axis ? total : d));
  return move(c, first!.type, dims, axis, pieces);
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
  const outer = sizeOf(dims.slice(0, axis));
  // In bytes, or in strings.
  const unit = sizeOf(dims.slice(axis + 1)) * (elementBytes(type) || 1);
  if (made instanceof Placed && pieces.reduce((sum, { count }) => sum + count, 0) < dims[axis]!)
    await inTurns(c, made.bytes, (at, length) => c.core.u8(made.at + at, length).fill(0));
  let work = 0;
  for (const { value, start, into, count } of pieces) {
    for (let o = 0; o < outer; o++) {
      const source = (o * value.dims[axis]! + start) * unit;
      const target = (o * dims[axis]! + into) * unit;
      for (let at = 0; at < count * unit; at += PIECE) {
        const length = Math.min(PIECE, count * unit - at);
        copy(c, value, source + at, made, target + at, length);
        work += length + COPY;
        if (work < PIECE) continue;
        work = 0;
        await c.rest();
      }
    }
  }
  return made;
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
