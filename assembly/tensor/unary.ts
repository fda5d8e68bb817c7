// Unary; see UnaryStep. In f32 one loop per function, the choice outside of it; in f64, which is rare, one loop for all.
import { ElementCode } from "../../src/core/abi/element";
import { UnaryFunction, UnaryStep } from "../../src/core/abi/elementwise";
import { erf } from "../math/erf";
import { exp, expNear, isNear, sigmoidOf, tanh } from "../math/exp";
import { apply, each, short, twiceTanhGate } from "../math/functions";
import { Part } from "../part";
import { add, k, mul, negativeAbs } from "../math/lane";
import { lanes, loadLanes, loadUpTo, storeLanes, storeUpTo } from "./lanes";
import { address, argument, number, share } from "../step";

export function unary(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, UnaryStep.count);
  let first = share(count, thread, threads);
  let n = share(count, thread + 1, threads) - first;
  let a = number(step, UnaryStep.alpha);
  let b = number(step, UnaryStep.beta);
  let wide = argument(step, UnaryStep.type) == ElementCode.float64;
  let offset = <usize>first << (wide ? 3 : 2);
  let input = address(step, UnaryStep.input) + offset;
  let output = address(step, UnaryStep.output) + offset;
  if (wide) {
    if (PART & Part.Rest) doubles(argument(step, UnaryStep.operation), input, output, n, a, b);
  } else mapAll(argument(step, UnaryStep.operation), input, output, n, a, b);
}

/** `n` f32 from `input` to `output`, which may be the same memory. */
export function mapAll(operation: i32, input: usize, output: usize, n: i32, alpha: f32, beta: f32): void {
  if (ASC_FEATURE_SIMD) choose<v128>(operation, input, output, n, alpha, beta);
  else choose<f32>(operation, input, output, n, alpha, beta);
}

function doubles(operation: i32, input: usize, output: usize, n: i32, a: f64, b: f64): void {
  for (; n > 0; n--) {
    store<f64>(output, apply<f64>(operation, load<f64>(input), a, b));
    input += 8;
    output += 8;
  }
}

@inline function choose<T>(operation: i32, input: usize, output: usize, n: i32, alpha: f32, beta: f32): void {
  let a = k<T>(alpha);
  let b = k<T>(beta);
  if (PART & Part.Common) {
    // Elements that a loop of whole vectors has done.
    let done = 0;
    switch (operation) {
      case UnaryFunction.Abs: done = whole<T>(UnaryFunction.Abs, input, output, n, a, b); break;
      case UnaryFunction.Sqrt: done = whole<T>(UnaryFunction.Sqrt, input, output, n, a, b); break;
      case UnaryFunction.Round: done = whole<T>(UnaryFunction.Round, input, output, n, a, b); break;
      case UnaryFunction.Reciprocal: done = whole<T>(UnaryFunction.Reciprocal, input, output, n, a, b); break;
      case UnaryFunction.Softsign: done = whole<T>(UnaryFunction.Softsign, input, output, n, a, b); break;
      case UnaryFunction.ThresholdedRelu: done = whole<T>(UnaryFunction.ThresholdedRelu, input, output, n, a, b); break;
      case UnaryFunction.Clip: done = whole<T>(UnaryFunction.Clip, input, output, n, a, b); break;
      case UnaryFunction.HardSigmoid: done = whole<T>(UnaryFunction.HardSigmoid, input, output, n, a, b); break;
      case UnaryFunction.HardSwish: done = whole<T>(UnaryFunction.HardSwish, input, output, n, a, b); break;
      case UnaryFunction.LeakyRelu: done = whole<T>(UnaryFunction.LeakyRelu, input, output, n, a, b); break;
      case UnaryFunction.Affine: done = whole<T>(UnaryFunction.Affine, input, output, n, a, b); break;
      case UnaryFunction.Neg:
      case UnaryFunction.Ceil:
      case UnaryFunction.Floor:
      case UnaryFunction.Sign: break;
      case UnaryFunction.Log: return map<T>(UnaryFunction.Log, input, output, n, a, b);
      case UnaryFunction.Softplus: return map<T>(UnaryFunction.Softplus, input, output, n, a, b);
      case UnaryFunction.Elu: return map<T>(UnaryFunction.Elu, input, output, n, a, b);
      case UnaryFunction.Exp:
      case UnaryFunction.Tanh:
      case UnaryFunction.ScaledTanh:
      case UnaryFunction.Sigmoid:
      case UnaryFunction.Swish:
      case UnaryFunction.GeluTanh:
      case UnaryFunction.Erf:
      case UnaryFunction.Gelu: return pairs<T>(operation, input, output, n, a, b);
      default:
        if (PART & Part.Rest) rare<T>(operation, input, output, n, a, b);
        return;
    }
    shorts<T>(operation, input + (<usize>done << 2), output + (<usize>done << 2), n - done, a, b);
  } else rare<T>(operation, input, output, n, a, b);
}

/** What `isRestFunction` says of: no activation of a Recurrent step among them, which is in the common part. */
function rare<T>(operation: i32, input: usize, output: usize, n: i32, a: T, b: T): void {
  switch (operation) {
    case UnaryFunction.Celu: map<T>(UnaryFunction.Celu, input, output, n, a, b); break;
    case UnaryFunction.Sin: map<T>(UnaryFunction.Sin, input, output, n, a, b); break;
    case UnaryFunction.Cos: map<T>(UnaryFunction.Cos, input, output, n, a, b); break;
    case UnaryFunction.Mish: map<T>(UnaryFunction.Mish, input, output, n, a, b); break;
    case UnaryFunction.Shrink: map<T>(UnaryFunction.Shrink, input, output, n, a, b); break;
    default:
      for (; n > 0; n -= lanes<T>()) {
        storeUpTo<T>(output, each<T>(operation, loadUpTo<T>(input, n)), n);
        input += sizeof<T>();
        output += sizeof<T>();
      }
  }
}

/** For functions so short that the question for the row's end would cost more than they do: whole vectors. How many elements that was. */
@inline function whole<T>(operation: i32, input: usize, output: usize, n: i32, a: T, b: T): i32 {
  const count = n & -lanes<T>();
  for (const end = input + (<usize>count << 2); input < end; input += sizeof<T>()) {
    storeLanes<T>(output, short<T>(operation, loadLanes<T>(input), a, b));
    output += sizeof<T>();
  }
  return count;
}

/** What whole vectors leave of a row, and rows of the short functions that have no such loop. */
function shorts<T>(operation: i32, input: usize, output: usize, n: i32, a: T, b: T): void {
  for (; n > 0; n -= lanes<T>()) {
    storeUpTo<T>(output, short<T>(operation, loadUpTo<T>(input, n), a, b), n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}

@inline function map<T>(operation: i32, input: usize, output: usize, n: i32, a: T, b: T): void {
  for (; n > 0; n -= lanes<T>()) {
    storeUpTo<T>(output, apply<T>(operation, loadUpTo<T>(input, n), a, b), n);
    input += sizeof<T>();
    output += sizeof<T>();
  }
}

/**
 * The functions that networks have most and that are long: two vectors a turn, since one waits for itself, in one loop, whose choices cost nothing beside them. An element takes (ns, AMD EPYC,
 * one vector a turn in parentheses) 1.2 of e^x (1.8), 1.6 of the sigmoid (2.7), 1.7 of Swish (3.0), 2.0 of Gelu by tanh (3.3), 2.5 of tanh (3.0), 3.1 of Gelu (5.2).
 */
function pairs<T>(operation: i32, input: usize, output: usize, n: i32, a: T, b: T): void {
  const isGauss = operation == UnaryFunction.Erf || operation == UnaryFunction.Gelu;
  const isTanh = operation == UnaryFunction.Tanh || operation == UnaryFunction.ScaledTanh;
  for (; n > 0; n -= 2 * lanes<T>()) {
    const x = loadUpTo<T>(input, n);
    const y = n > lanes<T>() ? loadUpTo<T>(input + sizeof<T>(), n - lanes<T>()) : x;
    let left = inner<T>(operation, x, a, b);
    let right = inner<T>(operation, y, a, b);
    if (isGauss) {
      left = erf<T>(left);
      right = erf<T>(right);
    } else if (isTanh) {
      left = tanh<T>(left);
      right = tanh<T>(right);
    } else {
      const u = left;
      const v = right;
      if (operation != UnaryFunction.Exp) {
        left = negativeAbs<T>(u);
        right = negativeAbs<T>(v);
      }
      if (isNear<T>(left, right)) {
        left = expNear<T>(left);
        right = expNear<T>(right);
      } else {
        left = exp<T>(left);
        right = exp<T>(right);
      }
      if (operation != UnaryFunction.Exp) {
        left = sigmoidOf<T>(u, left);
        right = sigmoidOf<T>(v, right);
      }
    }
    storeUpTo<T>(output, outer<T>(operation, x, left, a), n);
    if (n > lanes<T>()) storeUpTo<T>(output + sizeof<T>(), outer<T>(operation, y, right, a), n - lanes<T>());
    input += 2 * sizeof<T>();
    output += 2 * sizeof<T>();
  }
}

/** What `pairs` takes the erf, tanh, sigmoid or power of. */
@inline function inner<T>(operation: i32, x: T, a: T, b: T): T {
  if (operation == UnaryFunction.Swish) return mul<T>(a, x);
  if (operation == UnaryFunction.ScaledTanh) return mul<T>(b, x);
  if (operation == UnaryFunction.Gelu) return mul<T>(x, k<T>(0.7071067811865476));
  if (operation == UnaryFunction.GeluTanh) return twiceTanhGate<T>(x);
  return x;
}

/** What becomes of it. */
@inline function outer<T>(operation: i32, x: T, y: T, a: T): T {
  if (operation == UnaryFunction.Swish || operation == UnaryFunction.GeluTanh) return mul<T>(x, y);
  if (operation == UnaryFunction.ScaledTanh) return mul<T>(a, y);
  if (operation == UnaryFunction.Gelu) return mul<T>(mul<T>(k<T>(0.5), x), add<T>(k<T>(1), y));
  return y;
}
