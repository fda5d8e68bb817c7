import { BinaryFunction, UnaryFunction as F } from "../../core/abi/elementwise.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { constant, emitUnary, inFloat, isFloat, type Source, temporary } from "./support.ts";

/** alpha and beta of the step, from the node's attributes. */
type Parameters = (l: Lowering) => readonly [alpha: number, beta: number];

function unary(operation: F, parameters: Parameters = () => [0, 0]): Lower {
  return (l) => {
    const [alpha, beta] = parameters(l);
    inFloat(l, l.input(0), l.output(), (x, y) => {
      emitUnary(l, operation, x.at, y.at, sizeOf(x.shape), alpha, beta, x.type);
    });
  };
}

const alpha =
  (fallback: number): Parameters =>
  (l) => [l.attribute("alpha", fallback), 0];

/** Abs, Neg and Sign exist for integers too: as max(x, 0 − x), 0 − x and min(max(x, −1), 1). */
function signed(operation: F.Abs | F.Neg | F.Sign): Lower {
  const onFloats = unary(operation);
  return (l) => {
    const x = l.input(0);
    if (isFloat(x.type)) return onFloats(l);
    const y = l.output();
    const literal = (value: number): Source => constant(l, x.type, value);
    if (operation === F.Neg) return emitBinary(l, BinaryFunction.Sub, literal(0), x, y);
    const inner = temporary(l, x.type, x.shape);
    if (operation === F.Abs) {
      if (x.type.startsWith("u")) return emitBinary(l, BinaryFunction.Add, x, literal(0), y);
      emitBinary(l, BinaryFunction.Sub, literal(0), x, inner);
      emitBinary(l, BinaryFunction.Max, x, inner, y);
      return;
    }
    if (x.type.startsWith("u")) return emitBinary(l, BinaryFunction.Min, x, literal(1), y);
    emitBinary(l, BinaryFunction.Max, x, literal(-1), inner);
    emitBinary(l, BinaryFunction.Min, inner, literal(1), y);
  };
}

/** Clip: bounds are attributes before opset 11, inputs since; inputs may be computed, and other types are possible. */
function lowerClip(l: Lowering): void {
  const x = l.input(0);
  const [low, high] = [l.optional(1), l.optional(2)];
  const number = (operand: typeof low, fallback: number): number =>
    operand?.constant === undefined ? fallback : Number((operand.constant.data as ArrayLike<number | bigint>)[0]);
  const known = [low, high].every((bound) => bound === undefined || bound.constant !== undefined);
  if (x.type === "float32" && known) {
    const bounds = [
      number(low, l.attribute("min", -Number.POSITIVE_INFINITY)),
      number(high, l.attribute("max", Number.POSITIVE_INFINITY)),
    ];
    emitUnary(l, F.Clip, x.at, l.output().at, sizeOf(x.shape), ...bounds);
    return;
  }
  const y = l.output();
  if (low === undefined && high === undefined) {
    emitBinary(l, BinaryFunction.Max, x, x, y);
    return;
  }
  const inner = low !== undefined && high !== undefined ? temporary(l, x.type, x.shape) : y;
  if (low !== undefined) emitBinary(l, BinaryFunction.AtLeast, x, low, inner);
  if (high !== undefined) emitBinary(l, BinaryFunction.AtMost, low === undefined ? x : inner, high, y);
}

const reluOfFloats = unary(F.Clip, () => [0, Number.POSITIVE_INFINITY]);

/** Relu on floats is Clip(0, +inf); integers take the maximum with 0. */
function lowerRelu(l: Lowering): void {
  const x = l.input(0);
  if (isFloat(x.type)) reluOfFloats(l);
  else emitBinary(l, BinaryFunction.Max, x, constant(l, x.type, 0), l.output());
}

/** gamma·Elu(x); in float32 gamma goes into both branches. */
function lowerSelu(l: Lowering): void {
  const [alpha, gamma] = [l.attribute("alpha", 1.6732632423543772), l.attribute("gamma", 1.0507009873554805)];
  inFloat(l, l.input(0), l.output(), (x, y) => {
    const count = sizeOf(x.shape);
    if (x.type === "float32") return emitUnary(l, F.Elu, x.at, y.at, count, alpha * gamma, gamma);
    emitUnary(l, F.Elu, x.at, y.at, count, alpha, 1, x.type);
    emitBinary(l, BinaryFunction.Mul, y, constant(l, x.type, Math.fround(gamma)), y);
  });
}

export const UNARY = {
  "/Abs": signed(F.Abs),
  "/Neg": signed(F.Neg),
  "/Sign": signed(F.Sign),
  "/Ceil": unary(F.Ceil),
  "/Floor": unary(F.Floor),
  "/Round": unary(F.Round),
  "/Sqrt": unary(F.Sqrt),
  "/Reciprocal": unary(F.Reciprocal),
  "/Exp": unary(F.Exp),
  "/Log": unary(F.Log),
  "/Tanh": unary(F.Tanh),
  "/Sigmoid": unary(F.Sigmoid),
  "/Erf": unary(F.Erf),
  "/Softplus": unary(F.Softplus),
  "/Sin": unary(F.Sin),
  "/Cos": unary(F.Cos),
  "/Tan": unary(F.Tan),
  "/Asin": unary(F.Asin),
  "/Acos": unary(F.Acos),
  "/Atan": unary(F.Atan),
  "/Sinh": unary(F.Sinh),
  "/Cosh": unary(F.Cosh),
  "/Asinh": unary(F.Asinh),
  "/Acosh": unary(F.Acosh),
  "/Atanh": unary(F.Atanh),
  "/Softsign": unary(F.Softsign),
  "/Mish": unary(F.Mish),
  "/HardSwish": unary(F.HardSwish),
  "/HardSigmoid": unary(F.HardSigmoid, (l) => [l.attribute("alpha", 0.2), l.attribute("beta", 0.5)]),
  "/LeakyRelu": unary(F.LeakyRelu, alpha(0.01)),
  "/ThresholdedRelu": unary(F.ThresholdedRelu, alpha(1)),
  "/Elu": unary(F.Elu, (l) => [l.attribute("alpha", 1), 1]),
  "/Selu": lowerSelu,
  "/Celu": unary(F.Celu, alpha(1)),
  "/Swish": unary(F.Swish, alpha(1)),
  "bitbasis/Silu": unary(F.Swish, alpha(1)),
  "/Shrink": unary(F.Shrink, (l) => [l.attribute("bias", 0), l.attribute("lambd", 0.5)]),
  "bitbasis/Gelu": (l) => unary(l.text("approximate", "none") === "tanh" ? F.GeluTanh : F.Gelu)(l),
  "/Clip": lowerClip,
  "/Relu": lowerRelu,
} satisfies Readonly<Record<string, Lower>>;
