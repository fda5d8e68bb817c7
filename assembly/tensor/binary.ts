// Binary and Compare with broadcasting; see BinaryStep. Rows are runs of the innermost extent; an operand whose innermost stride
// is 0 is splatted once per row. f32 has a vector loop per function; the other types share one loop per type.
import { BinaryFunction, BinaryStep, CompareFunction } from "../../src/core/abi/elementwise";
import { ElementCode } from "../../src/core/abi/element";
import { add, atLeast, atMost, div, ifLess, k, max as larger, min as smaller, mul, sub } from "../math/lane";
import { combine } from "./combine";
import { countOf, lanes, loadLanes, loadUpTo, offsetOf, storeLanes, storeUpTo } from "./lanes";
import { isRestPair, Part } from "../part";
import { powers } from "./powers";
import { address, argument, share } from "../step";

export function binary(step: usize, thread: i32, threads: i32): void {
  rows(step, thread, threads, false);
}

export function compare(step: usize, thread: i32, threads: i32): void {
  rows(step, thread, threads, true);
}

function rows(step: usize, thread: i32, threads: i32, comparing: bool): void {
  let rank = argument(step, BinaryStep.rank);
  let type = argument(step, BinaryStep.type);
  let operation = argument(step, BinaryStep.operation);
  let left = address(step, BinaryStep.a);
  let right = address(step, BinaryStep.b);
  let stridesA = BinaryStep.length + rank;
  let stridesB = stridesA + rank;
  const single = !comparing && type == ElementCode.float32;
  // What repeats is the right operand, where order is of no account.
  if (single && (operation == BinaryFunction.Add || operation == BinaryFunction.Mul) && argument(step, stridesB - 1) == 0) {
    const repeated = left;
    left = right;
    right = repeated;
    stridesA = stridesB;
    stridesB -= rank;
  }
  let inner = argument(step, BinaryStep.length + rank - 1);
  let sa = argument(step, stridesA + rank - 1);
  let sb = argument(step, stridesB + rank - 1);
  let total = countOf(step, BinaryStep.length, rank);
  if (total == 0) return;
  let at = share(total, thread, threads);
  let end = share(total, thread + 1, threads);
  // Whole rows lie a constant apart up to the end of their plane.
  let lines = rank > 1 ? argument(step, BinaryStep.length + rank - 2) : 1;
  let nextA = rank > 1 ? argument(step, stridesA + rank - 2) : 0;
  let nextB = rank > 1 ? argument(step, stridesB + rank - 2) : 0;
  let size = bytesOf(type);
  let outSize: usize = comparing ? 1 : size;
  let output = address(step, BinaryStep.output) + <usize>at * outSize;
  while (at < end) {
    let row = at / inner;
    let skip = at - row * inner;
    let n = inner - skip;
    if (n > end - at) n = end - at;
    let a = left + offsetOf(step, BinaryStep.length, stridesA, rank, row) + <usize>(skip * sa);
    let b = right + offsetOf(step, BinaryStep.length, stridesB, rank, row) + <usize>(skip * sb);
    let count = n == inner ? min(lines - row % lines, (end - at) / inner) : 1;
    at += n * count;
    // Elements of each row that a loop of whole vectors has done.
    let done = 0;
    if (PART & Part.Common) {
      if (single && sa != 0) {
        if (ASC_FEATURE_SIMD) done = wholeRows<v128>(operation, a, b, output, n, sb, count, nextA, nextB);
        else done = wholeRows<f32>(operation, a, b, output, n, sb, count, nextA, nextB);
      }
    }
    if (done == n) {
      output += <usize>(n * count) << 2;
      continue;
    }
    a += done * sa;
    b += done * sb;
    output += <usize>done << 2;
    for (; count > 0; count--) {
      if (comparing) compareRow(type, operation, a, b, output, n - done, sa, sb);
      else binaryRow(type, operation, a, b, output, n - done, sa, sb);
      a += nextA;
      b += nextB;
      output += <usize>n * outSize;
    }
    output -= <usize>done << 2;
  }
}

function bytesOf(type: i32): usize {
  if (type == ElementCode.float32 || type == ElementCode.int32) return 4;
  if (type == ElementCode.float64 || type == ElementCode.int64 || type == ElementCode.uint64) return 8;
  return 1;
}

function binaryRow(type: i32, operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  if (PART & Part.Rest) {
    if (type == ElementCode.float64) return plainRow<f64>(operation, a, b, output, n, sa, sb);
    if (type == ElementCode.uint64) return plainRow<u64>(operation, a, b, output, n, sa, sb);
    if (isRestPair(type, operation)) return powers(operation, a, b, output, n, sa, sb);
  }
  if (PART & Part.Common) {
    switch (type) {
      case ElementCode.float32:
        if (ASC_FEATURE_SIMD) others<v128>(operation, a, b, output, n, sa, sb);
        else others<f32>(operation, a, b, output, n, sa, sb);
        break;
      case ElementCode.int32: plainRow<i32>(operation, a, b, output, n, sa, sb); break;
      case ElementCode.int64: plainRow<i64>(operation, a, b, output, n, sa, sb); break;
      default: plainRow<u8>(operation, a, b, output, n, sa, sb);
    }
  }
}

@inline function plainRow<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  for (; n > 0; n--) {
    store<T>(output, combine<T>(operation, load<T>(a), load<T>(b)));
    a += sa;
    b += sb;
    output += sizeof<T>();
  }
}

@inline function apply<T>(operation: i32, a: T, b: T): T {
  if (operation == BinaryFunction.Add) return add<T>(a, b);
  if (operation == BinaryFunction.Sub) return sub<T>(a, b);
  if (operation == BinaryFunction.Mul) return mul<T>(a, b);
  if (operation == BinaryFunction.Div) return div<T>(a, b);
  if (operation == BinaryFunction.Min) return smaller<T>(a, b);
  if (operation == BinaryFunction.Max) return larger<T>(a, b);
  if (operation == BinaryFunction.AtLeast) return atLeast<T>(a, b);
  if (operation == BinaryFunction.AtMost) return atMost<T>(a, b);
  return ifLess<T>(a, k<T>(0), mul<T>(a, b), a); // PRelu
}

/** The whole vectors of `count` rows under a function of lanes; how many elements of a row they are. */
@inline function wholeRows<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sb: i32, count: i32, nextA: i32, nextB: i32): i32 {
  switch (operation) {
    case BinaryFunction.Add: return whole<T>(BinaryFunction.Add, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.Sub: return whole<T>(BinaryFunction.Sub, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.Mul: return whole<T>(BinaryFunction.Mul, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.Div: return whole<T>(BinaryFunction.Div, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.Min: return whole<T>(BinaryFunction.Min, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.Max: return whole<T>(BinaryFunction.Max, a, b, output, n, sb, count, nextA, nextB);
    case BinaryFunction.PRelu: return whole<T>(BinaryFunction.PRelu, a, b, output, n, sb, count, nextA, nextB);
    default: return 0;
  }
}

/** b may repeat, and is read once for a row then. */
@inline function whole<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sb: i32, count: i32, nextA: i32, nextB: i32): i32 {
  const done = n & -lanes<T>();
  for (; count > 0; count--) {
    const end = a + (<usize>done << 2);
    let from = a;
    let to = output;
    if (sb != 0) {
      for (let other = b; from < end; from += sizeof<T>()) {
        storeLanes<T>(to, apply<T>(operation, loadLanes<T>(from), loadLanes<T>(other)));
        other += sizeof<T>();
        to += sizeof<T>();
      }
    } else {
      const right = k<T>(load<f32>(b));
      for (; from < end; from += sizeof<T>()) {
        storeLanes<T>(to, apply<T>(operation, loadLanes<T>(from), right));
        to += sizeof<T>();
      }
    }
    a += nextA;
    b += nextB;
    output += <usize>n << 2;
  }
  return done;
}

/** What whole vectors leave of a row, and rows whose left operand repeats. */
@inline function others<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  for (; n > 0; n -= lanes<T>()) {
    const left = sa != 0 ? loadUpTo<T>(a, n) : k<T>(load<f32>(a));
    const right = sb != 0 ? loadUpTo<T>(b, n) : k<T>(load<f32>(b));
    storeUpTo<T>(output, apply<T>(operation, left, right), n);
    a += sa * lanes<T>();
    b += sb * lanes<T>();
    output += sizeof<T>();
  }
}

function compareRow(type: i32, operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  if (PART & Part.Rest) {
    if (type == ElementCode.float64) return compareAll<f64>(operation, a, b, output, n, sa, sb);
    if (type == ElementCode.uint64) return compareAll<u64>(operation, a, b, output, n, sa, sb);
  }
  if (PART & Part.Common) {
    switch (type) {
      case ElementCode.float32: {
        let done = 0;
        if (ASC_FEATURE_SIMD) done = compareVectors(operation, a, b, output, n, sa, sb);
        compareAll<f32>(operation, a + <usize>(done * sa), b + <usize>(done * sb), output + done, n - done, sa, sb);
        break;
      }
      case ElementCode.int32: compareAll<i32>(operation, a, b, output, n, sa, sb); break;
      case ElementCode.int64: compareAll<i64>(operation, a, b, output, n, sa, sb); break;
      default: compareAll<u8>(operation, a, b, output, n, sa, sb);
    }
  }
}

/** Sixteen at a time; how many elements that was. */
function compareVectors(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): i32 {
  const done = n & ~15;
  for (const end = output + done; output < end; output += 16) {
    const low = i16x8.narrow_i32x4_s(compared(operation, a, b, sa, sb, 0), compared(operation, a, b, sa, sb, 4));
    const high = i16x8.narrow_i32x4_s(compared(operation, a, b, sa, sb, 8), compared(operation, a, b, sa, sb, 12));
    v128.store(output, v128.and(i8x16.narrow_i16x8_s(low, high), i8x16.splat(1)));
    a += sa << 4;
    b += sb << 4;
  }
  return done;
}

/** All ones where the comparison of elements `at`… holds. */
function compared(operation: i32, a: usize, b: usize, sa: i32, sb: i32, at: i32): v128 {
  const x = sa != 0 ? v128.load(a + (at << 2)) : v128.load32_splat(a);
  const y = sb != 0 ? v128.load(b + (at << 2)) : v128.load32_splat(b);
  if (operation == CompareFunction.Less) return f32x4.lt(x, y);
  if (operation == CompareFunction.LessOrEqual) return f32x4.le(x, y);
  if (operation == CompareFunction.NotEqual) return f32x4.ne(x, y);
  return f32x4.eq(x, y);
}

@inline function compareAll<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  for (; n > 0; n--) {
    let x = load<T>(a);
    let y = load<T>(b);
    let r = x == y;
    if (operation == CompareFunction.Less) r = x < y;
    else if (operation == CompareFunction.LessOrEqual) r = x <= y;
    else if (operation == CompareFunction.NotEqual) r = x != y;
    store<u8>(output++, <u8>r);
    a += sa;
    b += sb;
  }
}
