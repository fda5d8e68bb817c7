// What the kernels of this folder share: lanes, and vectors that are cut short by the end of a row.
import { argument } from "../step";

/** Lanes of T. */
@inline export function lanes<T>(): i32 {
  if (isVector<T>()) return 4;
  return 1;
}

@inline export function loadLanes<T>(at: usize): T {
  if (isVector<T>()) return v128.load(at);
  return load<T>(at);
}

@inline export function storeLanes<T>(at: usize, value: T): void {
  if (isVector<T>()) v128.store(at, value);
  else store<T>(at, value);
}

/** The first n of four lanes, n = 1…3; the others repeat the first, so that they raise no cost (subnormals, NaN). */
export function loadPartial(at: usize, n: i32): v128 {
  let v = v128.load32_splat(at);
  if (n > 1) v = v128.load_lane<i32>(at + 4, v, 1);
  if (n > 2) v = v128.load_lane<i32>(at + 8, v, 2);
  return v;
}

export function storePartial(at: usize, v: v128, n: i32): void {
  v128.store_lane<i32>(at, v, 0);
  if (n > 1) v128.store_lane<i32>(at + 4, v, 1);
  if (n > 2) v128.store_lane<i32>(at + 8, v, 2);
}

/** Four floats that lie so many bytes apart. */
@inline export function loadApart(at: usize, apart: usize): v128 {
  if (apart == 4) return v128.load(at);
  const low = v128.load_lane<i32>(at + apart, v128.load_zero<i32>(at), 1);
  return v128.load_lane<i32>(at + 3 * apart, v128.load_lane<i32>(at + 2 * apart, low, 2), 3);
}

/** All lanes, or the first n < 4 of them: one loop body for rows of any length, so that a function is in the module once. */
@inline export function loadUpTo<T>(at: usize, n: i32): T {
  if (isVector<T>()) {
    if (n < 4) return loadPartial(at, n);
  }
  return loadLanes<T>(at);
}

@inline export function storeUpTo<T>(at: usize, value: T, n: i32): void {
  if (isVector<T>()) {
    if (n < 4) {
      storePartial(at, value, n);
      return;
    }
  }
  storeLanes<T>(at, value);
}

/** Below so many bytes the engine's copy and fill are calls that cost more than the bytes: rows of 16 bytes moved at 4 instead of 21 GB/s. */
const SHORT: usize = 256;

/** Copies bytes that do not overlap. */
export function move(to: usize, from: usize, bytes: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (bytes < SHORT) {
      if (bytes >= 16) {
        // The last vector may lie over the one before it.
        const last = bytes - 16;
        for (let o: usize = 0; o < last; o += 16) v128.store(to + o, v128.load(from + o));
        v128.store(to + last, v128.load(from + last));
      } else if (bytes >= 4) {
        const half: usize = (bytes >> 3) << 2;
        const last = bytes - 4;
        const a = load<u32>(from);
        const b = load<u32>(from + half);
        const c = load<u32>(from + last - half);
        const d = load<u32>(from + last);
        store<u32>(to, a);
        store<u32>(to + half, b);
        store<u32>(to + last - half, c);
        store<u32>(to + last, d);
      } else {
        for (let o: usize = 0; o < bytes; o++) store<u8>(to + o, load<u8>(from + o));
      }
      return;
    }
  }
  memory.copy(to, from, bytes);
}

/** Elements in `rank` extents at words `extents…`. */
export function countOf(step: usize, extents: i32, rank: i32): i32 {
  let n = 1;
  for (let i = 0; i < rank; i++) n *= argument(step, extents + i);
  return n;
}

/** Byte offset of row `row` (an index over all extents but the last) under the strides at words `strides…`. */
export function offsetOf(step: usize, extents: i32, strides: i32, rank: i32, row: i32): usize {
  let offset: i32 = 0;
  for (let i = rank - 2; i > 0; i--) {
    let extent = argument(step, extents + i);
    let next = row / extent;
    offset += (row - next * extent) * argument(step, strides + i);
    row = next;
  }
  if (rank > 1) offset += row * argument(step, strides);
  return <usize>offset;
}
