// Cast between all numeric types, and Canonicalize; see CastStep.
import { ElementCode } from "../../src/core/abi/element";
import { CanonicalizeStep, CastStep } from "../../src/core/abi/elementwise";
import { ifEqual, k } from "../math/lane";
import { lanes, loadUpTo, storeUpTo } from "./lanes";
import { address, argument, share } from "../step";

export function cast(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, CastStep.count);
  let from = argument(step, CastStep.from);
  let to = argument(step, CastStep.to);
  let end = share(count, thread + 1, threads);
  let input = address(step, CastStep.input);
  let output = address(step, CastStep.output);
  for (let i = <usize>share(count, thread, threads); i < <usize>end; i++) {
    switch (from) {
      case ElementCode.float32: put<f64>(to, output, i, <f64>load<f32>(input + (i << 2))); break;
      case ElementCode.float64: put<f64>(to, output, i, load<f64>(input + (i << 3))); break;
      case ElementCode.float16: put<f64>(to, output, i, fromHalf(load<u16>(input + (i << 1)))); break;
      case ElementCode.int8: put<i64>(to, output, i, <i64>load<i8>(input + i)); break;
      case ElementCode.int16: put<i64>(to, output, i, <i64>load<i16>(input + (i << 1))); break;
      case ElementCode.uint16: put<i64>(to, output, i, <i64>load<u16>(input + (i << 1))); break;
      case ElementCode.int32: put<i64>(to, output, i, <i64>load<i32>(input + (i << 2))); break;
      case ElementCode.uint32: put<i64>(to, output, i, <i64>load<u32>(input + (i << 2))); break;
      case ElementCode.int64: put<i64>(to, output, i, load<i64>(input + (i << 3))); break;
      case ElementCode.uint64: put<u64>(to, output, i, load<u64>(input + (i << 3))); break;
      default: put<i64>(to, output, i, <i64>load<u8>(input + i)); break;
    }
  }
}

/** Writes element i, with one rounding from the source's own value. */
function put<T>(to: i32, output: usize, i: usize, x: T): void {
  switch (to) {
    case ElementCode.float32: store<f32>(output + (i << 2), <f32>x); break;
    case ElementCode.float64: store<f64>(output + (i << 3), <f64>x); break;
    case ElementCode.float16: store<u16>(output + (i << 1), toHalf(<f64>x)); break;
    case ElementCode.bool: store<u8>(output + i, <u8>(x != 0)); break;
    case ElementCode.int8: store<i8>(output + i, <i8>narrow<T>(x, -128, 127)); break;
    case ElementCode.uint8: store<u8>(output + i, <u8>narrow<T>(x, 0, 255)); break;
    case ElementCode.int16: store<i16>(output + (i << 1), <i16>narrow<T>(x, -32768, 32767)); break;
    case ElementCode.uint16: store<u16>(output + (i << 1), <u16>narrow<T>(x, 0, 65535)); break;
    case ElementCode.int32: store<i32>(output + (i << 2), <i32>narrow<T>(x, i32.MIN_VALUE, i32.MAX_VALUE)); break;
    case ElementCode.uint32: store<u32>(output + (i << 2), <u32>narrow<T>(x, 0, u32.MAX_VALUE)); break;
    case ElementCode.int64: store<i64>(output + (i << 3), narrow<T>(x, i64.MIN_VALUE, i64.MAX_VALUE)); break;
    case ElementCode.uint64:
      if (isFloat<T>()) store<u64>(output + (i << 3), <u64>x);
      else store<u64>(output + (i << 3), <u64>x);
      break;
  }
}

@inline function narrow<T>(x: T, low: i64, high: i64): i64 {
  if (isFloat<T>()) {
    let n = <i64>x;
    return n < low ? low : n > high ? high : n;
  }
  return <i64>x;
}

function fromHalf(h: u16): f64 {
  let e = (<i32>h >> 10) & 31;
  let m = <i32>h & 1023;
  let x: f64;
  if (e == 0) x = <f64>m * 5.960464477539063e-8; // 2^−24
  else if (e == 31) x = m == 0 ? Infinity : NaN;
  else x = reinterpret<f64>((<u64>(e + 1008) << 52) | (<u64>m << 42));
  return h & 0x8000 ? -x : x;
}

function toHalf(x: f64): u16 {
  let sign = <u16>(reinterpret<u64>(x) >> 48) & 0x8000;
  let a = f64.abs(x);
  if (a != a) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  if (a < 6.103515625e-5) return sign | <u16>f64.nearest(a * 16777216); // below 2^−14: multiples of 2^−24
  let e = <i32>(reinterpret<u64>(a) >> 52) - 1023;
  // a·2^(10 − e) in [1024, 2048]; a carry out of the mantissa is the next exponent
  let m = <i32>f64.nearest(a * reinterpret<f64>(<u64>(1033 - e) << 52));
  return sign | <u16>(((e + 14) << 10) + m);
}

export function canonicalize(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, CanonicalizeStep.count);
  let first = share(count, thread, threads);
  let n = share(count, thread + 1, threads) - first;
  let data = address(step, CanonicalizeStep.data) + (<usize>first << 2);
  if (ASC_FEATURE_SIMD) canonical<v128>(data, n);
  else canonical<f32>(data, n);
}

@inline function canonical<T>(data: usize, n: i32): void {
  let nan = k<T>(reinterpret<f32>(0x7fc00000));
  for (; n > 0; n -= lanes<T>()) {
    let x = loadUpTo<T>(data, n);
    storeUpTo<T>(data, ifEqual<T>(x, x, x, nan), n);
    data += sizeof<T>();
  }
}
