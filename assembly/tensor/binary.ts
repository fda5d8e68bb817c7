// Binary and Compare with broadcasting; see BinaryStep. Rows are runs of the innermost extent; an operand whose innermost stride
// is 0 is splatted once per row. f32 has a vector loop per function; the other types share one loop per type.
import { BinaryFunction, BinaryStep, CompareFunction } from "../../src/core/abi/elementwise";
import { ElementCode } from "../../src/core/abi/element";
import { add, atLeast, atMost, div, ifLess, k, max, min, mul, sub } from "../math/lane";
import { pow } from "../math/pow";
import { combine } from "./combine";
import { countOf, lanes, loadLanes, loadUpTo, offsetOf, storeLanes, storeUpTo } from "./lanes";
import { Part } from "../part";
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
    if (comparing) compareRow(type, operation, a, b, output, n, sa, sb);
    else binaryRow(type, operation, a, b, output, n, sa, sb);
    at += n;
    output += <usize>n * outSize;
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
  switch (operation) {
    case BinaryFunction.Add: map<T>(BinaryFunction.Add, a, b, output, n, sa, sb); break;
    case BinaryFunction.Sub: map<T>(BinaryFunction.Sub, a, b, output, n, sa, sb); break;
    case BinaryFunction.Mul: map<T>(BinaryFunction.Mul, a, b, output, n, sa, sb); break;
    case BinaryFunction.Div: map<T>(BinaryFunction.Div, a, b, output, n, sa, sb); break;
    case BinaryFunction.Min: map<T>(BinaryFunction.Min, a, b, output, n, sa, sb); break;
    case BinaryFunction.Max: map<T>(BinaryFunction.Max, a, b, output, n, sa, sb); break;
    case BinaryFunction.AtLeast: map<T>(BinaryFunction.AtLeast, a, b, output, n, sa, sb); break;
    case BinaryFunction.AtMost: map<T>(BinaryFunction.AtMost, a, b, output, n, sa, sb); break;
    case BinaryFunction.PRelu: map<T>(BinaryFunction.PRelu, a, b, output, n, sa, sb); break;
    // No lane form exists of the others.
    default:
      for (; n > 0; n--, a += sa, b += sb, output += 4) store<f32>(output, single(operation, load<f32>(a), load<f32>(b)));
  }
}

@inline function apply<T>(operation: i32, a: T, b: T): T {
  if (operation == BinaryFunction.Add) return add<T>(a, b);
  if (operation == BinaryFunction.Sub) return sub<T>(a, b);
  if (operation == BinaryFunction.Mul) return mul<T>(a, b);
  if (operation == BinaryFunction.Div) return div<T>(a, b);
  if (operation == BinaryFunction.Min) return min<T>(a, b);
  if (operation == BinaryFunction.Max) return max<T>(a, b);
  if (operation == BinaryFunction.AtLeast) return atLeast<T>(a, b);
  if (operation == BinaryFunction.AtMost) return atMost<T>(a, b);
  return ifLess<T>(a, k<T>(0), mul<T>(a, b), a); // PRelu
}

function single(operation: i32, a: f32, b: f32): f32 {
  if (operation == BinaryFunction.Pow) return pow(a, b);
  return combine<f32>(operation, a, b);
}

@inline function map<T>(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  if (n <= 0) return;
  // a repeated operand is read once
  let left = k<T>(load<f32>(a));
  let right = k<T>(load<f32>(b));
  if (sb == 0 && sa != 0) {
    for (; n >= lanes<T>(); n -= lanes<T>()) {
      storeLanes<T>(output, apply<T>(operation, loadLanes<T>(a), right));
      a += sizeof<T>();
      output += sizeof<T>();
    }
  } else {
    for (; n >= lanes<T>(); n -= lanes<T>()) {
      if (sa != 0) {
        left = loadLanes<T>(a);
        a += sizeof<T>();
      }
      if (sb != 0) {
        right = loadLanes<T>(b);
        b += sizeof<T>();
      }
      storeLanes<T>(output, apply<T>(operation, left, right));
      output += sizeof<T>();
    }
  }
  if (n <= 0) return;
  if (sa != 0) left = loadUpTo<T>(a, n);
  if (sb != 0) right = loadUpTo<T>(b, n);
  storeUpTo<T>(output, apply<T>(operation, left, right), n);
}

function compareRow(type: i32, operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  if (PART & Part.Rest) {
    if (type == ElementCode.float64) return compareAll<f64>(operation, a, b, output, n, sa, sb);
    if (type == ElementCode.uint64) return compareAll<u64>(operation, a, b, output, n, sa, sb);
  }
  if (PART & Part.Common) {
    switch (type) {
      case ElementCode.float32: compareAll<f32>(operation, a, b, output, n, sa, sb); break;
      case ElementCode.int32: compareAll<i32>(operation, a, b, output, n, sa, sb); break;
      case ElementCode.int64: compareAll<i64>(operation, a, b, output, n, sa, sb); break;
      default: compareAll<u8>(operation, a, b, output, n, sa, sb);
    }
  }
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
