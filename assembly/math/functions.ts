// The functions of UnaryFunction over T = f32, v128 or f64. Mish in f32: 4 ulp above −87; below, e^x is subnormal and the result, below 1e−36, has fewer digits.
import { UnaryFunction } from "../../src/core/abi/elementwise";
import { Part } from "../part";
import * as double from "./double/functions";
import { exp as expSingle, expm1 as expm1Single, sigmoid as sigmoidSingle, tanh as tanhSingle } from "./exp";
import {
  abs, add, atLeast, atMost, ceil, copysign, div, floor, ifEqual, ifLess, k, mul, nearest, neg, notANumber, sqrt, sub,
} from "./lane";
import { log as logSingle, softplus as softplusSingle } from "./log";
import { cos as cosSingle, sin as sinSingle } from "./trig";

@inline export function apply<T>(operation: i32, x: T, a: T, b: T): T {
  if (operation == UnaryFunction.Exp) return exp<T>(x);
  if (operation == UnaryFunction.Log) return log<T>(x);
  if (operation == UnaryFunction.Tanh) return tanh<T>(x);
  if (operation == UnaryFunction.Sigmoid) return sigmoid<T>(x);
  if (operation == UnaryFunction.Erf) return erf<T>(x);
  if (operation == UnaryFunction.Softplus) return softplus<T>(x);
  if (operation >= UnaryFunction.Sin && operation <= UnaryFunction.Atanh) return each<T>(operation, x);
  if (operation == UnaryFunction.Elu) {
    return ifLess<T>(x, k<T>(0), mul<T>(a, expm1<T>(atMost<T>(x, k<T>(0)))), mul<T>(b, x));
  }
  if (operation == UnaryFunction.Celu) {
    return ifLess<T>(x, k<T>(0), mul<T>(a, expm1<T>(div<T>(atMost<T>(x, k<T>(0)), a))), x);
  }
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
    return mul<T>(x, sigmoid<T>(twiceTanhGate<T>(x)));
  }
  if (operation == UnaryFunction.Shrink) {
    return ifLess<T>(x, neg<T>(b), add<T>(x, a), ifLess<T>(b, x, sub<T>(x, a), k<T>(0)));
  }
  if (operation == UnaryFunction.ScaledTanh) return mul<T>(a, tanh<T>(mul<T>(b, x)));
  return short<T>(operation, x, a, b);
}

/** Those that are short. */
@inline export function short<T>(operation: i32, x: T, a: T, b: T): T {
  if (operation == UnaryFunction.Clip) return atMost<T>(atLeast<T>(x, a), b);
  if (operation == UnaryFunction.HardSigmoid) {
    return atLeast<T>(atMost<T>(add<T>(mul<T>(a, x), b), k<T>(1)), k<T>(0));
  }
  if (operation == UnaryFunction.HardSwish) {
    let gate = atMost<T>(atLeast<T>(add<T>(x, k<T>(3)), k<T>(0)), k<T>(6));
    // the gate first: x·6 would overflow near the largest x
    return mul<T>(x, mul<T>(gate, k<T>(1.0 / 6)));
  }
  if (operation == UnaryFunction.LeakyRelu) return ifLess<T>(x, k<T>(0), mul<T>(a, x), x);
  if (operation == UnaryFunction.Affine) return add<T>(mul<T>(a, x), b);
  if (operation == UnaryFunction.Abs) return abs<T>(x);
  if (operation == UnaryFunction.Neg) return neg<T>(x);
  if (operation == UnaryFunction.Sqrt) return sqrt<T>(x);
  if (operation == UnaryFunction.Ceil) return ceil<T>(x);
  if (operation == UnaryFunction.Floor) return floor<T>(x);
  if (operation == UnaryFunction.Round) return nearest<T>(x);
  if (operation == UnaryFunction.Reciprocal) return div<T>(k<T>(1), x);
  if (operation == UnaryFunction.Sign) {
    let one = copysign<T>(k<T>(1), x);
    return ifEqual<T>(x, x, ifEqual<T>(x, k<T>(0), k<T>(0), one), x);
  }
  // NaN is not above a
  if (operation == UnaryFunction.ThresholdedRelu) return ifLess<T>(a, x, x, k<T>(0));
  if (operation == UnaryFunction.Softsign) return div<T>(x, add<T>(k<T>(1), abs<T>(x)));
  return notANumber<T>();
}

/** 2·√(2/π)·(x + 0.044715·x³): Gelu by tanh is x times the sigmoid of it. */
@inline export function twiceTanhGate<T>(x: T): T {
  let u = mul<T>(x, add<T>(k<T>(1), mul<T>(k<T>(0.044715), mul<T>(x, x))));
  return mul<T>(u, k<T>(1.5957691216057308));
}

@inline function exp<T>(x: T): T {
  if (sizeof<T>() == 8) return double.exp(x) as T;
  return expSingle<T>(x);
}
@inline function expm1<T>(x: T): T {
  if (sizeof<T>() == 8) return double.expm1(x) as T;
  return expm1Single<T>(x);
}
@inline function tanh<T>(x: T): T {
  if (sizeof<T>() == 8) return double.tanh(x) as T;
  return tanhSingle<T>(x);
}
@inline function sigmoid<T>(x: T): T {
  if (sizeof<T>() == 8) return double.sigmoid(x) as T;
  return sigmoidSingle<T>(x);
}
/** That of f32 has a loop of its own, with Gelu: assembly/tensor/unary.ts. */
@inline function erf<T>(x: T): T {
  if (sizeof<T>() == 8) return double.erf(x) as T;
  return notANumber<T>();
}
@inline function softplus<T>(x: T): T {
  if (sizeof<T>() == 8) return double.softplus(x) as T;
  return softplusSingle<T>(x);
}
@inline function log<T>(x: T): T {
  if (sizeof<T>() == 8) return double.log(x) as T;
  return logSingle<T>(x);
}

/** Functions that no lane form exists of: one lane at a time, in f64, rounded once. */
@inline export function each<T>(operation: i32, x: T): T {
  if (isVector<T>()) {
    let v = f32x4.splat(single(operation, f32x4.extract_lane(x, 0)));
    v = f32x4.replace_lane(v, 1, single(operation, f32x4.extract_lane(x, 1)));
    v = f32x4.replace_lane(v, 2, single(operation, f32x4.extract_lane(x, 2)));
    return f32x4.replace_lane(v, 3, single(operation, f32x4.extract_lane(x, 3)));
  }
  if (sizeof<T>() == 8) return double.apply(operation, x) as T;
  return single(operation, x) as T;
}

/** Sine and cosine, which networks have many of, need fewer terms for f32. */
@inline function single(operation: i32, x: f32): f32 {
  if (operation == UnaryFunction.Sin) return sinSingle(x);
  if (operation == UnaryFunction.Cos) return cosSingle(x);
  return PART & Part.Rest ? <f32>double.apply(operation, <f64>x) : 0;
}
