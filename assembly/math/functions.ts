// The functions of UnaryFunction over T = f32 or v128. Mish: 4 ulp above −87; below, e^x is subnormal and the result, below 1e−36, has fewer digits.
import { UnaryFunction } from "../../src/core/abi/elementwise";
import { erf } from "./erf";
import { exp, expm1, sigmoid, tanh } from "./exp";
import {
  abs, add, atLeast, atMost, bits, ceil, copysign, div, floor, ifEqual, ifLess, k, mul, nearest, neg, sqrt, sub,
} from "./lane";
import { log, softplus } from "./log";
import { cos, sin } from "./trig";

@inline export function apply<T>(operation: i32, x: T, a: T, b: T): T {
  if (operation == UnaryFunction.Abs) return abs<T>(x);
  if (operation == UnaryFunction.Neg) return neg<T>(x);
  if (operation == UnaryFunction.Ceil) return ceil<T>(x);
  if (operation == UnaryFunction.Floor) return floor<T>(x);
  if (operation == UnaryFunction.Round) return nearest<T>(x);
  if (operation == UnaryFunction.Sqrt) return sqrt<T>(x);
  if (operation == UnaryFunction.Reciprocal) return div<T>(k<T>(1), x);
  if (operation == UnaryFunction.Sign) {
    let one = copysign<T>(k<T>(1), x);
    return ifEqual<T>(x, x, ifEqual<T>(x, k<T>(0), k<T>(0), one), x);
  }
  if (operation == UnaryFunction.Exp) return exp<T>(x);
  if (operation == UnaryFunction.Log) return log<T>(x);
  if (operation == UnaryFunction.Tanh) return tanh<T>(x);
  if (operation == UnaryFunction.Sigmoid) return sigmoid<T>(x);
  if (operation == UnaryFunction.Erf) return erf<T>(x);
  if (operation == UnaryFunction.Softplus) return softplus<T>(x);
  if (operation == UnaryFunction.Sin) return eachSin<T>(x);
  if (operation == UnaryFunction.Cos) return eachCos<T>(x);
  if (operation == UnaryFunction.Clip) return atMost<T>(atLeast<T>(x, a), b);
  if (operation == UnaryFunction.HardSigmoid) {
    return atLeast<T>(atMost<T>(add<T>(mul<T>(a, x), b), k<T>(1)), k<T>(0));
  }
  if (operation == UnaryFunction.HardSwish) {
    let gate = atMost<T>(atLeast<T>(add<T>(x, k<T>(3)), k<T>(0)), k<T>(6));
    return mul<T>(mul<T>(x, gate), k<T>(0.16666667163372040)); // 1/6
  }
  if (operation == UnaryFunction.LeakyRelu) return ifLess<T>(x, k<T>(0), mul<T>(a, x), x);
  if (operation == UnaryFunction.Elu) {
    return ifLess<T>(x, k<T>(0), mul<T>(a, expm1<T>(atMost<T>(x, k<T>(0)))), mul<T>(b, x));
  }
  if (operation == UnaryFunction.Celu) {
    return ifLess<T>(x, k<T>(0), mul<T>(a, expm1<T>(div<T>(atMost<T>(x, k<T>(0)), a))), x);
  }
  if (operation == UnaryFunction.ThresholdedRelu) {
    return ifEqual<T>(x, x, ifLess<T>(a, x, x, k<T>(0)), x);
  }
  if (operation == UnaryFunction.Softsign) return div<T>(x, add<T>(k<T>(1), abs<T>(x)));
  if (operation == UnaryFunction.Mish) {
    // tanh(ln(1 + e)) = n/(n + 2), n = e·(e + 2); it is 1 in f32 long before 20
    let e = exp<T>(atMost<T>(x, k<T>(20)));
    let n = mul<T>(e, add<T>(e, k<T>(2)));
    return mul<T>(x, div<T>(n, add<T>(n, k<T>(2))));
  }
  if (operation == UnaryFunction.Swish) return mul<T>(x, sigmoid<T>(mul<T>(a, x)));
  if (operation == UnaryFunction.Gelu) {
    return mul<T>(mul<T>(k<T>(0.5), x), add<T>(k<T>(1), erf<T>(mul<T>(x, k<T>(0.7071067811865476)))));
  }
  if (operation == UnaryFunction.GeluTanh) {
    let u = mul<T>(x, add<T>(k<T>(1), mul<T>(k<T>(0.044715), mul<T>(x, x))));
    return mul<T>(x, sigmoid<T>(mul<T>(u, k<T>(1.5957691216057308)))); // 2·√(2/π)
  }
  if (operation == UnaryFunction.Shrink) {
    let moved = sub<T>(x, copysign<T>(a, mul<T>(x, ifLess<T>(a, k<T>(0), k<T>(-1), k<T>(1)))));
    return ifEqual<T>(x, x, ifLess<T>(b, abs<T>(x), moved, k<T>(0)), x);
  }
  if (operation == UnaryFunction.Expm1) return expm1<T>(x);
  return bits<T>(0x7fc00000);
}

@inline function eachSin<T>(x: T): T {
  if (isVector<T>()) {
    let v = f32x4.splat(sin(f32x4.extract_lane(x, 0)));
    v = f32x4.replace_lane(v, 1, sin(f32x4.extract_lane(x, 1)));
    v = f32x4.replace_lane(v, 2, sin(f32x4.extract_lane(x, 2)));
    return f32x4.replace_lane(v, 3, sin(f32x4.extract_lane(x, 3)));
  }
  return sin(x) as T;
}

@inline function eachCos<T>(x: T): T {
  if (isVector<T>()) {
    let v = f32x4.splat(cos(f32x4.extract_lane(x, 0)));
    v = f32x4.replace_lane(v, 1, cos(f32x4.extract_lane(x, 1)));
    v = f32x4.replace_lane(v, 2, cos(f32x4.extract_lane(x, 2)));
    return f32x4.replace_lane(v, 3, cos(f32x4.extract_lane(x, 3)));
  }
  return cos(x) as T;
}
