// The functions of f64 behind UnaryFunction; those that f32 has no polynomial of its own for are chosen by `apply`.
import { UnaryFunction } from "../../../src/core/abi/elementwise";
import { cosh, sinh } from "./exp";
import { acosh, asinh, atanh } from "./log";
import { acos, asin, atan, cos, sin, tan } from "./trig";

export { erf } from "./erf";
export { exp, expm1, sigmoid, softplus, tanh } from "./exp";
export { log } from "./log";

/** Sin … Atanh. One lane's work is long beside the choice. */
export function apply(operation: i32, x: f64): f64 {
  switch (operation) {
    case UnaryFunction.Sin: return sin(x);
    case UnaryFunction.Cos: return cos(x);
    case UnaryFunction.Tan: return tan(x);
    case UnaryFunction.Asin: return asin(x);
    case UnaryFunction.Acos: return acos(x);
    case UnaryFunction.Atan: return atan(x);
    case UnaryFunction.Sinh: return sinh(x);
    case UnaryFunction.Cosh: return cosh(x);
    case UnaryFunction.Asinh: return asinh(x);
    case UnaryFunction.Acosh: return acosh(x);
    default: return atanh(x);
  }
}
