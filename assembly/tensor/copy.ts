// Strided copy; see CopyStep. Rows are runs of the last extent. Four-byte transposes go by 4×4 tiles.
import { CopyStep, FillStep } from "../../src/core/abi/movement";
import { countOf, move, offsetOf } from "./lanes";
import { address, argument, share } from "../step";

export function copy(step: usize, thread: i32, threads: i32): void {
  let rank = argument(step, CopyStep.rank);
  let extents = CopyStep.length;
  let inputs = extents + rank;
  let outputs = inputs + rank;
  let inner = argument(step, inputs - 1);
  let total = countOf(step, extents, rank);
  if (total == 0) return;
  let si = argument(step, outputs - 1);
  let so = argument(step, outputs + rank - 1);
  let size = argument(step, CopyStep.elementBytes);
  let input = address(step, CopyStep.input);
  let output = address(step, CopyStep.output);
  if (rank > 1 && size == 4 && so == 4 && argument(step, outputs - 2) == 4) {
    planes(step, rank, total / inner, thread, threads);
    return;
  }
  let lines = rank > 1 ? argument(step, extents + rank - 2) : 1;
  let nextFrom = rank > 1 ? argument(step, outputs - 2) : 0;
  let nextTo = rank > 1 ? argument(step, outputs + rank - 2) : 0;
  let at = share(total, thread, threads);
  let end = share(total, thread + 1, threads);
  while (at < end) {
    let row = at / inner;
    let skip = at - row * inner;
    let n = inner - skip;
    if (n > end - at) n = end - at;
    let from = input + offsetOf(step, extents, inputs, rank, row) + <usize>(skip * si);
    let to = output + offsetOf(step, extents, outputs, rank, row) + <usize>(skip * so);
    // Whole rows lie a constant apart up to the end of their plane.
    let count = n == inner ? min(lines - row % lines, (end - at) / inner) : 1;
    at += n * count;
    for (; count > 0; count--) {
      if (si == size && so == size) move(to, from, <usize>(n * size));
      else {
        switch (size) {
          case 1: line<u8>(from, to, n, si, so); break;
          case 2: line<u16>(from, to, n, si, so); break;
          case 4: line<u32>(from, to, n, si, so); break;
          default: line<u64>(from, to, n, si, so);
        }
      }
      from += nextFrom;
      to += nextTo;
    }
  }
}

@inline function line<T>(from: usize, to: usize, n: i32, si: i32, so: i32): void {
  for (; n > 0; n--) {
    store<T>(to, load<T>(from));
    from += si;
    to += so;
  }
}

/** The last two extents are a transpose of 4-byte elements: input unit stride in the second to last, output unit stride in the last. */
function planes(step: usize, rank: i32, rows: i32, thread: i32, threads: i32): void {
  let extents = CopyStep.length;
  let inputs = extents + rank;
  let outputs = inputs + rank;
  let height = argument(step, extents + rank - 2);
  let width = argument(step, extents + rank - 1);
  let si = argument(step, inputs + rank - 1);
  let so = argument(step, outputs + rank - 2);
  let at = share(rows, thread, threads);
  let end = share(rows, thread + 1, threads);
  while (at < end) {
    let n = height - at % height;
    if (n > end - at) n = end - at;
    let from = address(step, CopyStep.input) + offsetOf(step, extents, inputs, rank, at);
    let to = address(step, CopyStep.output) + offsetOf(step, extents, outputs, rank, at);
    at += n;
    if (ASC_FEATURE_SIMD) {
      for (; n >= 4; n -= 4) {
        tiles(from, to, width, si, so);
        from += 16;
        to += 4 * so;
      }
    }
    for (; n > 0; n--) {
      line<u32>(from, to, width, si, 4);
      from += 4;
      to += so;
    }
  }
}

/** 4 output rows. */
function tiles(from: usize, to: usize, width: i32, si: i32, so: i32): void {
  let to1 = to + so;
  let to2 = to1 + so;
  let to3 = to2 + so;
  for (; width >= 4; width -= 4) {
    let a = v128.load(from);
    let b = v128.load(from + si);
    let c = v128.load(from + 2 * si);
    let d = v128.load(from + 3 * si);
    let ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    let cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
    v128.store(to1, v128.shuffle<i64>(ab, cd, 1, 3));
    ab = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    cd = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    v128.store(to2, v128.shuffle<i64>(ab, cd, 0, 2));
    v128.store(to3, v128.shuffle<i64>(ab, cd, 1, 3));
    from += 4 * si;
    to += 16;
    to1 += 16;
    to2 += 16;
    to3 += 16;
  }
  for (; width > 0; width--) {
    let a = v128.load(from);
    v128.store_lane<i32>(to, a, 0);
    v128.store_lane<i32>(to1, a, 1);
    v128.store_lane<i32>(to2, a, 2);
    v128.store_lane<i32>(to3, a, 3);
    from += si;
    to += 4;
    to1 += 4;
    to2 += 4;
    to3 += 4;
  }
}

export function fill(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, FillStep.count);
  let size = <usize>argument(step, FillStep.elementBytes);
  let first = <usize>share(count, thread, threads);
  let end = <usize>share(count, thread + 1, threads);
  let output = address(step, FillStep.output);
  let value = <u64>address(step, FillStep.low) | (<u64>address(step, FillStep.high) << 32);
  let stop = output + end * size;
  if (value == 0) {
    memory.fill(output + first * size, 0, (end - first) * size);
    return;
  }
  for (let p = output + first * size; p < stop; p += size) {
    if (size == 4) store<u32>(p, <u32>value);
    else if (size == 8) store<u64>(p, value);
    else if (size == 2) store<u16>(p, <u16>value);
    else store<u8>(p, <u8>value);
  }
}
