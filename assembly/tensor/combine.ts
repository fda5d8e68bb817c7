// One element of Binary for any type; see BinaryFunction for what integers do where mathematics has no answer.
import { BinaryFunction } from "../../src/core/abi/elementwise";
import * as double from "../math/double/pow";
import { pow } from "../math/pow";
import { Part } from "../part";

export function combine<T>(operation: i32, a: T, b: T): T {
  const single = isFloat<T>() && sizeof<T>() == 4;
  if (!single || PART & Part.Common) {
    switch (operation) {
      case BinaryFunction.Add: return <T>(a + b);
      case BinaryFunction.Sub: return <T>(a - b);
      case BinaryFunction.Mul: return <T>(a * b);
      case BinaryFunction.Div:
        if (isInteger<T>()) {
          if (b == 0) return 0;
          if (isSigned<T>()) {
            // the least integer by −1 would trap
            if (b == -1) return <T>(<T>0 - a);
          }
        }
        return <T>(a / b);
      case BinaryFunction.Min:
        if (isFloat<T>()) return min<T>(a, b);
        return a < b ? a : b;
      case BinaryFunction.Max:
        if (isFloat<T>()) return max<T>(a, b);
        return a > b ? a : b;
      case BinaryFunction.AtLeast: return a < b ? b : a;
      case BinaryFunction.AtMost: return b < a ? b : a;
      case BinaryFunction.PRelu: return a < 0 ? <T>(a * b) : a;
    }
  }
  // Of float32 they are the rest's: `isRestPair`.
  if (!single || PART & Part.Rest) {
    switch (operation) {
      case BinaryFunction.Pow: return power<T>(a, b);
      case BinaryFunction.PowInteger:
        if (isFloat<T>() && sizeof<T>() == 8) return <T>double.powInteger(<f64>a, reinterpret<i64>(<f64>b));
        return 0;
      case BinaryFunction.Mod: {
        let r = remainder<T>(a, b);
        if (isSigned<T>() || isFloat<T>()) {
          if (r != 0 && r < 0 != b < 0) r = <T>(r + b);
        }
        return r;
      }
      case BinaryFunction.Fmod: return remainder<T>(a, b);
    }
  }
  if (isInteger<T>()) {
    switch (operation) {
      case BinaryFunction.And: return a & b;
      case BinaryFunction.Or: return a | b;
      case BinaryFunction.Xor: return a ^ b;
      case BinaryFunction.ShiftLeft: return <u64>b < <u64>sizeof<T>() * 8 ? <T>(a << b) : 0;
      case BinaryFunction.ShiftRight: return <u64>b < <u64>sizeof<T>() * 8 ? <T>(a >> b) : 0;
    }
  }
  return 0;
}

@inline function remainder<T>(a: T, b: T): T {
  if (isInteger<T>()) {
    if (b == 0) return 0;
    if (isSigned<T>()) {
      if (b == -1) return 0;
    }
    return <T>(a % b);
  }
  if (sizeof<T>() == 4) {
    // Exact by definition, whatever the algorithm: of a quotient below 2^24 the product has 48 bits, and no rounding takes it to the next integer. `%` goes bit by bit.
    const quotient = <f64>a / <f64>b;
    if (f64.abs(quotient) < 16777216 && f64.abs(<f64>b) < Infinity) {
      return <T>f64.copysign(<f64>a - f64.trunc(quotient) * <f64>b, <f64>a);
    }
    return <T>(<f64>a % <f64>b);
  }
  return <T>(a % b);
}

@inline function power<T>(a: T, b: T): T {
  if (isFloat<T>()) {
    if (sizeof<T>() == 8) return <T>double.pow(<f64>a, <f64>b);
    return <T>pow(<f32>a, <f32>b);
  }
  if (isSigned<T>()) {
    if (b < 0) {
      if (a == 1) return 1;
      if (a == -1) return b & 1 ? a : 1;
      return 0;
    }
  }
  let r: T = 1;
  while (b != 0) {
    if (b & 1) r = <T>(r * a);
    a = <T>(a * a);
    b = <T>(b >> 1);
  }
  return r;
}
