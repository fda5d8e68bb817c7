// Floats of 16 bits and less, to and from f64, which holds them all exactly; see src/core/abi/small-float.ts.
import { ElementCode } from "../../src/core/abi/element";
import {
  ExponentBias, Largest, MantissaBits, NotANumber, Overflow, PowerRounding, SignBit,
} from "../../src/core/abi/small-float";

/** The bits of the nearest number of type `to`, ties to even. `saturate` is about the types of 8 bits. */
export function toSmall(x: f64, to: i32, saturate: bool, rounding: i32): u32 {
  switch (to) {
    case ElementCode.float16:
      return rounded(x, MantissaBits.float16, ExponentBias.float16, SignBit.float16, Largest.float16, Overflow.float16, NotANumber.float16);
    case ElementCode.bfloat16:
      return rounded(x, MantissaBits.bfloat16, ExponentBias.bfloat16, SignBit.bfloat16, Largest.bfloat16, Overflow.bfloat16, NotANumber.bfloat16);
    case ElementCode.float8e4m3fn:
      return rounded(x, MantissaBits.float8e4m3fn, ExponentBias.float8e4m3fn, SignBit.float8e4m3fn, Largest.float8e4m3fn,
        saturate ? Largest.float8e4m3fn : Overflow.float8e4m3fn, NotANumber.float8e4m3fn);
    case ElementCode.float8e4m3fnuz:
      return oneZero(rounded(x, MantissaBits.float8e4m3fnuz, ExponentBias.float8e4m3fnuz, SignBit.float8e4m3fnuz, Largest.float8e4m3fnuz,
        saturate ? Largest.float8e4m3fnuz : Overflow.float8e4m3fnuz, NotANumber.float8e4m3fnuz), x);
    case ElementCode.float8e5m2:
      return rounded(x, MantissaBits.float8e5m2, ExponentBias.float8e5m2, SignBit.float8e5m2, Largest.float8e5m2,
        saturate ? Largest.float8e5m2 : Overflow.float8e5m2, NotANumber.float8e5m2);
    case ElementCode.float8e5m2fnuz:
      return oneZero(rounded(x, MantissaBits.float8e5m2fnuz, ExponentBias.float8e5m2fnuz, SignBit.float8e5m2fnuz, Largest.float8e5m2fnuz,
        saturate ? Largest.float8e5m2fnuz : Overflow.float8e5m2fnuz, NotANumber.float8e5m2fnuz), x);
    case ElementCode.float8e8m0:
      return toPower(x, saturate, rounding);
    default:
      return rounded(x, MantissaBits.float4e2m1, ExponentBias.float4e2m1, SignBit.float4e2m1, Largest.float4e2m1, Overflow.float4e2m1, NotANumber.float4e2m1);
  }
}

/** The value of a bit pattern of type `from`; exact. */
export function fromSmall(bits: u32, from: i32): f64 {
  switch (from) {
    case ElementCode.float16:
      return valued(bits, MantissaBits.float16, ExponentBias.float16, SignBit.float16, Largest.float16, Overflow.float16, NotANumber.float16);
    case ElementCode.bfloat16:
      return valued(bits, MantissaBits.bfloat16, ExponentBias.bfloat16, SignBit.bfloat16, Largest.bfloat16, Overflow.bfloat16, NotANumber.bfloat16);
    case ElementCode.float8e4m3fn:
      return valued(bits, MantissaBits.float8e4m3fn, ExponentBias.float8e4m3fn, SignBit.float8e4m3fn, Largest.float8e4m3fn, Overflow.float8e4m3fn, NotANumber.float8e4m3fn);
    case ElementCode.float8e4m3fnuz:
      if (bits == SignBit.float8e4m3fnuz) return NaN;
      return valued(bits, MantissaBits.float8e4m3fnuz, ExponentBias.float8e4m3fnuz, SignBit.float8e4m3fnuz, Largest.float8e4m3fnuz, Overflow.float8e4m3fnuz, NotANumber.float8e4m3fnuz);
    case ElementCode.float8e5m2:
      return valued(bits, MantissaBits.float8e5m2, ExponentBias.float8e5m2, SignBit.float8e5m2, Largest.float8e5m2, Overflow.float8e5m2, NotANumber.float8e5m2);
    case ElementCode.float8e5m2fnuz:
      if (bits == SignBit.float8e5m2fnuz) return NaN;
      return valued(bits, MantissaBits.float8e5m2fnuz, ExponentBias.float8e5m2fnuz, SignBit.float8e5m2fnuz, Largest.float8e5m2fnuz, Overflow.float8e5m2fnuz, NotANumber.float8e5m2fnuz);
    case ElementCode.float8e8m0:
      return bits == 255 ? NaN : power(<i32>bits - 127);
    default:
      return valued(bits, MantissaBits.float4e2m1, ExponentBias.float4e2m1, SignBit.float4e2m1, Largest.float4e2m1, Overflow.float4e2m1, NotANumber.float4e2m1);
  }
}

function rounded(x: f64, mantissa: i32, bias: i32, signBit: u32, largest: u32, overflow: u32, nan: u32): u32 {
  if (x != x) return nan;
  // A function that calls itself stays one: else it is in the module eight times.
  if (reinterpret<i64>(x) < 0) return signBit | rounded(-x, mantissa, bias, signBit, largest, overflow, nan);
  if (x == Infinity) return overflow;
  const exponent = max(exponentOf(x), 1 - bias);
  // In steps of the last place: a carry out of the mantissa is the next exponent.
  const steps = <u32>f64.nearest(x * power(mantissa - exponent));
  const bits = (<u32>(exponent + bias - 1) << mantissa) + steps;
  return bits > largest ? overflow : bits;
}

/** Of the types with one zero and no infinity, whose NaN is where −0 would be: a negative number that rounds to 0. */
@inline function oneZero(bits: u32, x: f64): u32 {
  return bits == 0x80 && x == x && f64.abs(x) < 1 ? 0 : bits;
}

function valued(bits: u32, mantissa: i32, bias: i32, signBit: u32, largest: u32, infinity: u32, nan: u32): f64 {
  if (bits & signBit) return -valued(bits & (signBit - 1), mantissa, bias, signBit, largest, infinity, nan);
  bits &= signBit - 1;
  if (bits > largest) return bits == infinity && infinity != nan ? Infinity : NaN;
  const exponent = <i32>(bits >> mantissa);
  const fraction = bits & ((1 << mantissa) - 1);
  const steps = exponent == 0 ? fraction : fraction + (1 << mantissa);
  return <f64>steps * power(max(exponent, 1) - bias - mantissa);
}

/** float8e8m0: 2^(code − 127), of the magnitude; 255 is NaN, which infinity becomes as well. */
function toPower(x: f64, saturate: bool, rounding: i32): u32 {
  const a = f64.abs(x);
  if (!(a < Infinity)) return 255;
  let exponent = max(exponentOf(a), -127);
  if (exponent <= 127) {
    const rest = a * power(-exponent);
    if (rounding == PowerRounding.nearest ? rest >= 1.5 : rounding == PowerRounding.up && rest > 1) exponent++;
  }
  return exponent <= 127 ? <u32>(exponent + 127) : saturate ? 254 : 255;
}

/** ⌊log2 a⌋ of a positive number; −1023 for the subnormals of f64 and for 0. */
@inline function exponentOf(a: f64): i32 {
  return <i32>(reinterpret<u64>(a) >> 52) - 1023;
}

/** 2^e, −1022 ≤ e ≤ 1023. */
@inline function power(e: i32): f64 {
  return reinterpret<f64>(<u64>(e + 1023) << 52);
}
