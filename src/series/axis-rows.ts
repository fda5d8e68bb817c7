import { type Shape, sizeOf } from "../tensor/index.ts";

/** The elements of a tensor as contiguous rows along `axis`; the tensor's own array when they already are. */
export function toRows(data: Float32Array, shape: Shape, axis: number): Float32Array {
  const rows = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  if (outer === 1) return data;
  const result = new Float32Array(data.length);
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      const from = (o * rows + r) * inner;
      for (let i = 0; i < inner; i++) result[at++] = data[from + i]!;
    }
  }
  return result;
}

/** Puts rows back where `toRows` took them from. */
export function fromRows<T extends Float32Array | Float64Array>(data: T, shape: Shape, axis: number): T {
  const rows = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  if (outer === 1) return data;
  const result = data.slice() as T;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      const to = (o * rows + r) * inner;
      for (let i = 0; i < inner; i++) result[to + i] = data[at++]!;
    }
  }
  return result;
}
