// Cast between all numeric types, and Canonicalize; see CastStep.
import { ElementCode } from "../../src/core/abi/element";
import { CanonicalizeStep, CastStep } from "../../src/core/abi/elementwise";
import { ifEqual, notANumber } from "../math/lane";
import { fromSmall, toSmall } from "../math/small-float";
import { address, argument, share } from "../step";
import { lanes, loadUpTo, storeUpTo } from "./lanes";

export function cast(step: usize, thread: i32, threads: i32): void {
  const count = argument(step, CastStep.count);
  const from = argument(step, CastStep.from);
  const to = argument(step, CastStep.to);
  const saturate = argument(step, CastStep.saturate) != 0;
  const rounding = argument(step, CastStep.rounding);
  const end = <usize>share(count, thread + 1, threads);
  const input = address(step, CastStep.input);
  const output = address(step, CastStep.output);
  let i = <usize>share(count, thread, threads);
  // Pictures, masks, rows of tables and places: four times as fast as one by one.
  if (to == ElementCode.float32) {
    switch (from) {
      case ElementCode.bool:
      case ElementCode.uint8: i = toFloats<u8>(input, output, i, end); break;
      case ElementCode.int16: i = toFloats<i16>(input, output, i, end); break;
      case ElementCode.int64: i = toFloats<i64>(input, output, i, end); break;
    }
  }
  for (; i < end; i++) {
    switch (from) {
      case ElementCode.float32: put<f64>(to, output, i, <f64>load<f32>(input + (i << 2)), saturate, rounding); break;
      case ElementCode.float64: put<f64>(to, output, i, load<f64>(input + (i << 3)), saturate, rounding); break;
      case ElementCode.float16:
      case ElementCode.bfloat16: put<f64>(to, output, i, fromSmall(load<u16>(input + (i << 1)), from), saturate, rounding); break;
      case ElementCode.float8e4m3fn:
      case ElementCode.float8e4m3fnuz:
      case ElementCode.float8e5m2:
      case ElementCode.float8e5m2fnuz:
      case ElementCode.float8e8m0:
      case ElementCode.float4e2m1: put<f64>(to, output, i, fromSmall(load<u8>(input + i), from), saturate, rounding); break;
      case ElementCode.int2:
      case ElementCode.int4:
      case ElementCode.int8: put<i64>(to, output, i, <i64>load<i8>(input + i), saturate, rounding); break;
      case ElementCode.int16: put<i64>(to, output, i, <i64>load<i16>(input + (i << 1)), saturate, rounding); break;
      case ElementCode.uint16: put<i64>(to, output, i, <i64>load<u16>(input + (i << 1)), saturate, rounding); break;
      case ElementCode.int32: put<i64>(to, output, i, <i64>load<i32>(input + (i << 2)), saturate, rounding); break;
      case ElementCode.uint32: put<i64>(to, output, i, <i64>load<u32>(input + (i << 2)), saturate, rounding); break;
      case ElementCode.int64: put<i64>(to, output, i, load<i64>(input + (i << 3)), saturate, rounding); break;
      case ElementCode.uint64: put<u64>(to, output, i, load<u64>(input + (i << 3)), saturate, rounding); break;
      default: put<i64>(to, output, i, <i64>load<u8>(input + i), saturate, rounding); break;
    }
  }
}

@inline function toFloats<T>(input: usize, output: usize, i: usize, end: usize): usize {
  for (; i < end; i++) store<f32>(output + (i << 2), <f32>load<T>(input + i * sizeof<T>()));
  return end;
}

/** Writes element i, with one rounding from the source's own value. */
function put<T>(to: i32, output: usize, i: usize, x: T, saturate: bool, rounding: i32): void {
  switch (to) {
    case ElementCode.float32: store<f32>(output + (i << 2), <f32>x); break;
    case ElementCode.float64: store<f64>(output + (i << 3), <f64>x); break;
    case ElementCode.float16:
    case ElementCode.bfloat16: store<u16>(output + (i << 1), <u16>toSmall(exact<T>(x), to, saturate, rounding)); break;
    case ElementCode.bool: store<u8>(output + i, <u8>(x != 0)); break;
    case ElementCode.int8: store<i8>(output + i, <i8>narrow<T>(x, -128, 127)); break;
    case ElementCode.uint8: store<u8>(output + i, <u8>narrow<T>(x, 0, 255)); break;
    case ElementCode.int16: store<i16>(output + (i << 1), <i16>narrow<T>(x, -32768, 32767)); break;
    case ElementCode.uint16: store<u16>(output + (i << 1), <u16>narrow<T>(x, 0, 65535)); break;
    case ElementCode.int32: store<i32>(output + (i << 2), <i32>narrow<T>(x, i32.MIN_VALUE, i32.MAX_VALUE)); break;
    case ElementCode.uint32: store<u32>(output + (i << 2), <u32>narrow<T>(x, 0, u32.MAX_VALUE)); break;
    case ElementCode.int64: store<i64>(output + (i << 3), narrow<T>(x, i64.MIN_VALUE, i64.MAX_VALUE)); break;
    case ElementCode.uint64: store<u64>(output + (i << 3), <u64>x); break;
    case ElementCode.int4: store<i8>(output + i, <i8>((<i64>x << 60) >> 60)); break;
    case ElementCode.uint4: store<u8>(output + i, <u8>(<i64>x & 15)); break;
    case ElementCode.int2: store<i8>(output + i, <i8>((<i64>x << 62) >> 62)); break;
    case ElementCode.uint2: store<u8>(output + i, <u8>(<i64>x & 3)); break;
    default: store<u8>(output + i, <u8>toSmall(exact<T>(x), to, saturate, rounding)); break;
  }
}

@inline function narrow<T>(x: T, low: i64, high: i64): i64 {
  if (isFloat<T>()) {
    const n = <i64>x;
    return n < low ? low : n > high ? high : n;
  }
  return <i64>x;
}

/**
 * What rounds to a float of 16 bits or less as x does. An integer above 2^53 is no f64: its low 11 bits are cut off, and the next one is set
 * when one of them was (rounding to odd), so that the second rounding sees on which side of a tie it lies.
 */
@inline function exact<T>(x: T): f64 {
  if (isFloat<T>()) return <f64>x;
  const magnitude = isSigned<T>() && x < 0 ? 0 - <u64>x : <u64>x;
  if (magnitude < <u64>1 << 53) return <f64>x;
  const cut = <f64>((magnitude >> 11) | <u64>((magnitude & 2047) != 0)) * 2048;
  return isSigned<T>() && x < 0 ? -cut : cut;
}

export function canonicalize(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, CanonicalizeStep.count);
  let first = share(count, thread, threads);
  let n = share(count, thread + 1, threads) - first;
  let data = address(step, CanonicalizeStep.data) + <usize>first * argument(step, CanonicalizeStep.bytes);
  if (argument(step, CanonicalizeStep.bytes) == 8) {
    for (let end = data + (<usize>n << 3); data < end; data += 8) {
      let x = load<f64>(data);
      store<f64>(data, ifEqual<f64>(x, x, x, notANumber<f64>()));
    }
  } else if (ASC_FEATURE_SIMD) canonical<v128>(data, n);
  else canonical<f32>(data, n);
}

@inline function canonical<T>(data: usize, n: i32): void {
  let nan = notANumber<T>();
  for (; n > 0; n -= lanes<T>()) {
    let x = loadUpTo<T>(data, n);
    storeUpTo<T>(data, ifEqual<T>(x, x, x, nan), n);
    data += sizeof<T>();
  }
}
