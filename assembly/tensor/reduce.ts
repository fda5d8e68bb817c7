// Reduce and Arg; see ReduceStep for the order of summation. In f32 the lanes of a vector are the partials of a contiguous row
// (four vectors: 16 partials) or four neighbouring columns (four vectors: partials k mod 4).
import { ElementCode } from "../../src/core/abi/element";
import { ArgStep, ReduceFunction, ReduceStep } from "../../src/core/abi/reduce";
import { abs, add, div, k, max, min, mul, sqrt } from "../math/lane";
import { lanes, loadApart, loadUpTo, storeUpTo } from "./lanes";
import { Part } from "../part";
import { address, argument, share, shareOfRows } from "../step";

export function reduce(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, ReduceStep.type);
  if (PART & Part.Rest) {
    if (type == ElementCode.uint64) return inOrder<u64>(step, thread, threads);
    if (type == ElementCode.float64) return inOrder<f64>(step, thread, threads);
    if (type == ElementCode.int32) return inOrder<i32>(step, thread, threads);
    if (type == ElementCode.int64) return inOrder<i64>(step, thread, threads);
  }
  if (PART & Part.Common) {
    let operation = argument(step, ReduceStep.operation);
    switch (operation) {
      case ReduceFunction.Max: floats(ReduceFunction.Max, operation, step, thread, threads); break;
      case ReduceFunction.Min: floats(ReduceFunction.Min, operation, step, thread, threads); break;
      case ReduceFunction.Prod: floats(ReduceFunction.Prod, operation, step, thread, threads); break;
      case ReduceFunction.L1: floats(ReduceFunction.L1, operation, step, thread, threads); break;
      case ReduceFunction.SumSquare:
      case ReduceFunction.L2: floats(ReduceFunction.SumSquare, operation, step, thread, threads); break;
      default: floats(ReduceFunction.Sum, operation, step, thread, threads);
    }
  }
}

@inline function neutral(operation: i32): f32 {
  if (operation == ReduceFunction.Max) return -Infinity;
  if (operation == ReduceFunction.Min) return Infinity;
  if (operation == ReduceFunction.Prod) return 1;
  return 0;
}

@inline function before<T>(operation: i32, x: T): T {
  if (operation == ReduceFunction.L1) return abs<T>(x);
  if (operation == ReduceFunction.SumSquare) return mul<T>(x, x);
  return x;
}

@inline function join<T>(operation: i32, a: T, b: T): T {
  if (operation == ReduceFunction.Max) return max<T>(a, b);
  if (operation == ReduceFunction.Min) return min<T>(a, b);
  if (operation == ReduceFunction.Prod) return mul<T>(a, b);
  return add<T>(a, b);
}

@inline function after<T>(operation: i32, x: T, extent: f32): T {
  if (operation == ReduceFunction.Mean) return div<T>(x, k<T>(extent));
  if (operation == ReduceFunction.L2) return sqrt<T>(x);
  return x;
}

/** `operation` is a constant of the instance, `finish` the step's own: Mean and L2 end otherwise than Sum and SumSquare. */
@inline function floats(operation: i32, finish: i32, step: usize, thread: i32, threads: i32): void {
  let extent = argument(step, ReduceStep.extent);
  let inner = argument(step, ReduceStep.inner);
  let total = argument(step, ReduceStep.outer) * inner;
  // Columns are taken by lines of the cache: in 8 parts of 12, a mean over 96 columns took 71 µs in place of 15.
  let line = inner == 1 ? 1 : 16;
  let lines = (total + line - 1) / line;
  let at = share(lines, thread, threads) * line;
  let end = share(lines, thread + 1, threads) * line;
  if (end > total) end = total;
  let input = address(step, ReduceStep.input);
  let output = address(step, ReduceStep.output) + (<usize>at << 2);
  if (inner == 1) {
    for (; at < end; at++) {
      let row = input + (<usize>at * <usize>extent << 2);
      let r: f32;
      if (ASC_FEATURE_SIMD) r = rowVector(operation, row, extent);
      else r = rowScalar(operation, row, extent);
      store<f32>(output, after<f32>(finish, r, <f32>extent));
      output += 4;
    }
    return;
  }
  while (at < end) {
    let outer = at / inner;
    let column = at - outer * inner;
    let n = inner - column;
    if (n > end - at) n = end - at;
    let from = input + (<usize>(outer * extent * inner + column) << 2);
    if (ASC_FEATURE_SIMD) columns<v128>(operation, finish, from, output, n, extent, inner);
    else columns<f32>(operation, finish, from, output, n, extent, inner);
    output += <usize>n << 2;
    at += n;
  }
}

@inline function columns<T>(
  operation: i32, finish: i32, from: usize, output: usize, n: i32, extent: i32, inner: i32,
): void {
  if (isVector<T>()) {
    if (operation == ReduceFunction.Sum) {
      for (; n >= 16; n -= 16) {
        sumLine(finish, from, output, extent, inner);
        from += 64;
        output += 64;
      }
    }
  }
  for (; n > 0; n -= lanes<T>()) {
    storeUpTo<T>(output, after<T>(finish, column<T>(operation, from, n, extent, inner), <f32>extent), n);
    from += sizeof<T>();
    output += sizeof<T>();
  }
}

/**
 * 16 columns, a line of the cache, which is met once: rows that lie 5120 bytes apart share four sets of the first-level cache (mean of 49 rows of 1280: 30 → 4 µs).
 */
function sumLine(finish: i32, from: usize, output: usize, extent: i32, inner: i32): void {
  const stride = <usize>inner << 2;
  const zero = f32x4.splat(0);
  let a0 = zero;
  let a1 = zero;
  let a2 = zero;
  let a3 = zero;
  let b0 = zero;
  let b1 = zero;
  let b2 = zero;
  let b3 = zero;
  let c0 = zero;
  let c1 = zero;
  let c2 = zero;
  let c3 = zero;
  let d0 = zero;
  let d1 = zero;
  let d2 = zero;
  let d3 = zero;
  for (let i = extent; i > 0; i -= 4) {
    a0 = f32x4.add(a0, v128.load(from));
    a1 = f32x4.add(a1, v128.load(from, 16));
    a2 = f32x4.add(a2, v128.load(from, 32));
    a3 = f32x4.add(a3, v128.load(from, 48));
    from += stride;
    if (i == 1) break;
    b0 = f32x4.add(b0, v128.load(from));
    b1 = f32x4.add(b1, v128.load(from, 16));
    b2 = f32x4.add(b2, v128.load(from, 32));
    b3 = f32x4.add(b3, v128.load(from, 48));
    from += stride;
    if (i == 2) break;
    c0 = f32x4.add(c0, v128.load(from));
    c1 = f32x4.add(c1, v128.load(from, 16));
    c2 = f32x4.add(c2, v128.load(from, 32));
    c3 = f32x4.add(c3, v128.load(from, 48));
    from += stride;
    if (i == 3) break;
    d0 = f32x4.add(d0, v128.load(from));
    d1 = f32x4.add(d1, v128.load(from, 16));
    d2 = f32x4.add(d2, v128.load(from, 32));
    d3 = f32x4.add(d3, v128.load(from, 48));
    from += stride;
  }
  const count = <f32>extent;
  v128.store(output, after<v128>(finish, f32x4.add(f32x4.add(a0, c0), f32x4.add(b0, d0)), count));
  v128.store(output, after<v128>(finish, f32x4.add(f32x4.add(a1, c1), f32x4.add(b1, d1)), count), 16);
  v128.store(output, after<v128>(finish, f32x4.add(f32x4.add(a2, c2), f32x4.add(b2, d2)), count), 32);
  v128.store(output, after<v128>(finish, f32x4.add(f32x4.add(a3, c3), f32x4.add(b3, d3)), count), 48);
}

@inline function column<T>(operation: i32, from: usize, n: i32, extent: i32, inner: i32): T {
  let stride = <usize>inner << 2;
  let a = k<T>(neutral(operation));
  let b = a;
  let c = a;
  let d = a;
  let i = extent;
  for (; i >= 4; i -= 4) {
    a = join<T>(operation, a, before<T>(operation, loadUpTo<T>(from, n)));
    b = join<T>(operation, b, before<T>(operation, loadUpTo<T>(from + stride, n)));
    c = join<T>(operation, c, before<T>(operation, loadUpTo<T>(from + 2 * stride, n)));
    d = join<T>(operation, d, before<T>(operation, loadUpTo<T>(from + 3 * stride, n)));
    from += 4 * stride;
  }
  if (i > 0) a = join<T>(operation, a, before<T>(operation, loadUpTo<T>(from, n)));
  if (i > 1) b = join<T>(operation, b, before<T>(operation, loadUpTo<T>(from + stride, n)));
  if (i > 2) c = join<T>(operation, c, before<T>(operation, loadUpTo<T>(from + 2 * stride, n)));
  return join<T>(operation, join<T>(operation, a, c), join<T>(operation, b, d));
}

/** Partials 4v + l in lane l of vector v; vectors 0 + 2, 1 + 3, their sum, then lanes 0 + 2, 1 + 3, their sum. */
@inline function rowVector(operation: i32, row: usize, extent: i32): f32 {
  let a = k<v128>(neutral(operation));
  let b = a;
  let c = a;
  let d = a;
  let i = extent;
  for (; i >= 16; i -= 16) {
    a = join<v128>(operation, a, before<v128>(operation, v128.load(row)));
    b = join<v128>(operation, b, before<v128>(operation, v128.load(row, 16)));
    c = join<v128>(operation, c, before<v128>(operation, v128.load(row, 32)));
    d = join<v128>(operation, d, before<v128>(operation, v128.load(row, 48)));
    row += 64;
  }
  let v = a;
  for (let part = 0; part < 4; part++) {
    if (i >= 4) v = join<v128>(operation, v, before<v128>(operation, v128.load(row)));
    else if (i > 0) {
      v = f32x4.replace_lane(v, 0, last(operation, f32x4.extract_lane(v, 0), row));
      if (i > 1) v = f32x4.replace_lane(v, 1, last(operation, f32x4.extract_lane(v, 1), row + 4));
      if (i > 2) v = f32x4.replace_lane(v, 2, last(operation, f32x4.extract_lane(v, 2), row + 8));
    }
    row += 16;
    i -= 4;
    // rotate: after four turns every vector has had its part and is back in place
    let done = v;
    v = b;
    b = c;
    c = d;
    d = done;
  }
  // v, b, c, d hold vectors 0, 1, 2, 3
  v = join<v128>(operation, join<v128>(operation, v, c), join<v128>(operation, b, d));
  return join<f32>(
    operation,
    join<f32>(operation, f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 2)),
    join<f32>(operation, f32x4.extract_lane(v, 1), f32x4.extract_lane(v, 3)),
  );
}

@inline function last(operation: i32, sum: f32, at: usize): f32 {
  return join<f32>(operation, sum, before<f32>(operation, load<f32>(at)));
}

/** Partial p of rowVector: elements p, p + 16, …; the same tree. */
@inline function rowScalar(operation: i32, row: usize, extent: i32): f32 {
  return join<f32>(
    operation,
    join<f32>(operation, lane(operation, row, extent, 0), lane(operation, row, extent, 2)),
    join<f32>(operation, lane(operation, row, extent, 1), lane(operation, row, extent, 3)),
  );
}

@inline function lane(operation: i32, row: usize, extent: i32, l: i32): f32 {
  let a = neutral(operation);
  let b = a;
  let c = a;
  let d = a;
  for (let i = l; i < extent; i += 16) {
    let at = row + (<usize>i << 2);
    a = last(operation, a, at);
    if (i + 4 < extent) b = last(operation, b, at + 16);
    if (i + 8 < extent) c = last(operation, c, at + 32);
    if (i + 12 < extent) d = last(operation, d, at + 48);
  }
  return join<f32>(operation, join<f32>(operation, a, c), join<f32>(operation, b, d));
}

@inline function least<T>(): T {
  if (isFloat<T>()) return <T>-Infinity;
  return isSigned<T>() ? <T>(<T>1 << (sizeof<T>() * 8 - 1)) : 0;
}

@inline function greatest<T>(): T {
  if (isFloat<T>()) return <T>Infinity;
  return <T>~least<T>();
}

/** A NaN on either side wins. */
@inline function larger<T>(x: T, y: T): T {
  if (isFloat<T>()) return <T>f64.max(<f64>x, <f64>y);
  return x > y ? x : y;
}

@inline function smaller<T>(x: T, y: T): T {
  if (isFloat<T>()) return <T>f64.min(<f64>x, <f64>y);
  return x < y ? x : y;
}

/** Integers, where the order does not matter, and f64, from the first element to the last. A row has one unit of work more than elements: its end. */
function inOrder<T>(step: usize, thread: i32, threads: i32): void {
  let operation = argument(step, ReduceStep.operation);
  let extent = argument(step, ReduceStep.extent);
  let inner = argument(step, ReduceStep.inner);
  let rows = argument(step, ReduceStep.outer) * inner;
  let end = shareOfRows(rows, extent + 1, thread + 1, threads);
  for (let unit = shareOfRows(rows, extent + 1, thread, threads); unit < end; ) {
    let at = unit / (extent + 1);
    let i = unit - at * (extent + 1);
    unit += extent + 1 - i;
    let stop = unit > end ? extent + 1 - (unit - end) : extent;
    let from = address(step, ReduceStep.input) + <usize>((at / inner) * extent * inner + at % inner + i * inner) * sizeof<T>();
    let to = address(step, ReduceStep.output) + <usize>at * sizeof<T>();
    let r: T = 0;
    if (i > 0) r = load<T>(to);
    else if (operation == ReduceFunction.Prod) r = 1;
    else if (operation == ReduceFunction.Max) r = least<T>();
    else if (operation == ReduceFunction.Min) r = greatest<T>();
    for (; i < stop; i++) {
      let x = load<T>(from);
      switch (operation) {
        case ReduceFunction.Max: r = larger<T>(x, r); break;
        case ReduceFunction.Min: r = smaller<T>(x, r); break;
        case ReduceFunction.Prod: r *= x; break;
        case ReduceFunction.L1: r += x < 0 ? 0 - x : x; break;
        case ReduceFunction.SumSquare:
        case ReduceFunction.L2: r += x * x; break;
        default: r += x;
      }
      from += <usize>inner * sizeof<T>();
    }
    if (unit <= end) {
      // integers: towards zero
      if (operation == ReduceFunction.Mean && (isFloat<T>() || extent > 0)) r /= <T>extent;
      if (isFloat<T>() && operation == ReduceFunction.L2) r = <T>f64.sqrt(<f64>r);
    }
    store<T>(to, r);
  }
}

export function arg(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, ArgStep.type);
  if (PART & Part.Rest) {
    if (type == ElementCode.float64) return extreme<f64>(step, thread, threads);
    if (type == ElementCode.uint64) return extreme<u64>(step, thread, threads);
    if (type == ElementCode.int32) return extreme<i32>(step, thread, threads);
    if (type == ElementCode.int64) return extreme<i64>(step, thread, threads);
  }
  if (PART & Part.Common) extreme<f32>(step, thread, threads);
}

/** An element that a loop keeps the greatest of: of floats, their negatives have the least one's place. */
@inline function ranked<T>(x: T, least: bool): T {
  if (isFloat<T>()) return least ? <T>-x : x;
  // For signed and unsigned integers, ~x turns their order.
  return least ? <T>~x : x;
}

@inline function extreme<T>(step: usize, thread: i32, threads: i32): void {
  let extent = argument(step, ArgStep.extent);
  let inner = argument(step, ArgStep.inner);
  let least = argument(step, ArgStep.least) != 0;
  let latest = argument(step, ArgStep.last) != 0;
  let rows = argument(step, ArgStep.outer) * inner;
  let stride = <usize>inner * sizeof<T>();
  let end = shareOfRows(rows, extent, thread + 1, threads);
  for (let unit = shareOfRows(rows, extent, thread, threads); unit < end; ) {
    let at = unit / extent;
    let i = unit - at * extent;
    let row = address(step, ArgStep.input) + <usize>((at / inner) * extent * inner + at % inner) * sizeof<T>();
    let to = address(step, ArgStep.output) + (<usize>at << 3);
    if (ASC_FEATURE_SIMD && isFloat<T>() && sizeof<T>() == 4) {
      if (i == 0 && (inner == 1 || inner - at % inner >= 4) && unit + 4 * extent <= end) {
        extreme__simd(row, to, extent, stride, inner == 1 ? <usize>extent << 2 : 4, least, latest);
        unit += 4 * extent;
        continue;
      }
    }
    unit += extent - i;
    let stop = unit > end ? extent - (unit - end) : extent;
    let index = i > 0 ? <i32>load<i64>(to) : 0;
    let best = ranked<T>(load<T>(row + <usize>index * stride), least);
    i += <i32>(i == 0);
    for (let from = row + <usize>i * stride; i < stop; i++, from += stride) {
      let x = ranked<T>(load<T>(from), least);
      // One comparison settles nearly all, and lets NaN through.
      if (latest ? x < best : x <= best) continue;
      if (isFloat<T>()) {
        if (best != best && (x == x || !latest)) continue;
      }
      best = x;
      index = i;
    }
    store<i64>(to, <i64>index);
  }
}

/** Four neighbouring columns, or rows, which lie `apart` bytes apart: one at a time, its largest so far is a branch that nobody foresees (3136 rows of 21: 122 → 35 µs). */
function extreme__simd(row: usize, to: usize, extent: i32, stride: usize, apart: usize, least: bool, latest: bool): void {
  const sign = i32x4.splat(least ? 0x80000000 : 0);
  let best = v128.xor(loadApart(row, apart), sign);
  let index = i32x4.splat(0);
  for (let i = 1; i < extent; i++) {
    row += stride;
    const x = v128.xor(loadApart(row, apart), sign);
    // A NaN is above all numbers, and equal to another.
    let below = v128.or(latest ? f32x4.lt(x, best) : f32x4.le(x, best), f32x4.ne(best, best));
    if (latest) below = v128.andnot(below, f32x4.ne(x, x));
    best = v128.bitselect(best, x, below);
    index = v128.bitselect(index, i32x4.splat(i), below);
  }
  v128.store(to, i64x2.extend_low_i32x4_s(index));
  v128.store(to, i64x2.extend_high_i32x4_s(index), 16);
}
