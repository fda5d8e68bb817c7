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
  let stridesA = BinaryStep.length + rank;
  let stridesB = stridesA + rank;
  let inner = argument(step, stridesA - 1);
  let sa = argument(step, stridesB - 1);
  let sb = argument(step, stridesB + rank - 1);
  let total = countOf(step, BinaryStep.length, rank);
  if (total == 0) return;
  let at = share(total, thread, threads);
  let end = share(total, thread + 1, threads);
  // Whole rows lie a constant apart up to the end of their plane.
  let lines = rank > 1 ? argument(step, BinaryStep.length + rank - 2) : 1;
  let nextA = rank > 1 ? argument(step, stridesB - 2) : 0;
  let nextB = rank > 1 ? argument(step, stridesB + rank - 2) : 0;
  let size = bytesOf(type);
  let outSize: usize = comparing ? 1 : size;
  let output = address(step, BinaryStep.output) + <usize>at * outSize;
  while (at < end) {
    let row = at / inner;
    let skip = at - row * inner;
    let n = inner - skip;
    if (n > end - at) n = end - at;
    let a = address(step, BinaryStep.a) + offsetOf(step, BinaryStep.length, stridesA, rank, row) + <usize>(skip * sa);
    let b = address(step, BinaryStep.b) + offsetOf(step, BinaryStep.length, stridesB, rank, row) + <usize>(skip * sb);
    let count = n == inner ? min(lines - row % lines, (end - at) / inner) : 1;
    at += n * count;
    for (; count > 0; count--) {
      if (comparing) compareRow(type, operation, a, b, output, n, sa, sb);
      else binaryRow(type, operation, a, b, output, n, sa, sb);
      a += nextA;
      b += nextB;
      output += <usize>n * outSize;
    }
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
        if (ASC_FEATURE_SIMD) floatRow<v128>(operation, a, b, output, n, sa, sb);
        else floatRow<f32>(operation, a, b, output, n, sa, sb);
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

@inline function floatRow<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  if (sa == 0 && (operation == BinaryFunction.Add || operation == BinaryFunction.Mul)) {
    const repeated = a;
    a = b;
    b = repeated;
    sa = sb;
    sb = 0;
  }
  // Elements that a loop of whole vectors has done.
  let done = 0;
  if (sa != 0) {
    switch (operation) {
      case BinaryFunction.Add: done = whole<T>(BinaryFunction.Add, a, b, output, n, sb); break;
      case BinaryFunction.Sub: done = whole<T>(BinaryFunction.Sub, a, b, output, n, sb); break;
      case BinaryFunction.Mul: done = whole<T>(BinaryFunction.Mul, a, b, output, n, sb); break;
      case BinaryFunction.Div: done = whole<T>(BinaryFunction.Div, a, b, output, n, sb); break;
      case BinaryFunction.Min: done = whole<T>(BinaryFunction.Min, a, b, output, n, sb); break;
      case BinaryFunction.Max: done = whole<T>(BinaryFunction.Max, a, b, output, n, sb); break;
      case BinaryFunction.AtLeast: done = whole<T>(BinaryFunction.AtLeast, a, b, output, n, sb); break;
      case BinaryFunction.AtMost: done = whole<T>(BinaryFunction.AtMost, a, b, output, n, sb); break;
      case BinaryFunction.PRelu: done = whole<T>(BinaryFunction.PRelu, a, b, output, n, sb); break;
    }
  }
  others<T>(operation, a + <usize>(done * sa), b + <usize>(done * sb), output + (<usize>done << 2), n - done, sa, sb);
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

/** Whole vectors, where b may repeat, which is read once then. */
@inline function whole<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sb: i32): i32 {
  const count = n & -lanes<T>();
  const end = a + (<usize>count << 2);
  if (sb != 0) {
    for (; a < end; a += sizeof<T>()) {
      storeLanes<T>(output, apply<T>(operation, loadLanes<T>(a), loadLanes<T>(b)));
      b += sizeof<T>();
      output += sizeof<T>();
    }
  } else {
    const right = k<T>(load<f32>(b));
    for (; a < end; a += sizeof<T>()) {
      storeLanes<T>(output, apply<T>(operation, loadLanes<T>(a), right));
      output += sizeof<T>();
    }
  }
  return count;
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
