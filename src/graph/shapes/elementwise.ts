import { broadcast, type ElementType, type Shape, TYPE_OF_CODE } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { Call, ShapeRule } from "./call.ts";

const same: ShapeRule = (call) => [call.value(0)];

/** The NumPy broadcast of all inputs. */
export function broadcastInputs(call: Call): Shape {
  const shapes = Array.from({ length: call.count }, (_, i) => call.shape(i));
  const shape = broadcast(...shapes);
  if (shape === undefined) throw call.fail("the shapes do not broadcast");
  return shape;
}

function binary(type: (call: Call) => ElementType): ShapeRule {
  return (call) => [{ type: type(call), shape: broadcastInputs(call) }];
}

/** The element type of an attribute that holds an ONNX data type (`to` of Cast, `dtype` of EyeLike). */
export function typeAttribute(call: Call, name: string, fallback?: ElementType): ElementType {
  const code = call.number(name, 0);
  const type = code === 0 ? fallback : TYPE_OF_CODE[code];
  if (type === undefined) {
    throw nodeError(call.node, call.opsets, `"${name}" = ${code} is an element type that we do not have`);
  }
  return type;
}

const UNARY =
  "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumSum Elu Erf Exp Floor HardSigmoid HardSwish " +
  "Hardmax Identity LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not ReverseSequence Reciprocal " +
  "Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu LRN";
const ARITHMETIC = "Add BitShift BitwiseAnd BitwiseOr BitwiseXor Div Max Min Mod Mul PRelu Pow Sub";
const LOGIC = "And Equal Greater GreaterOrEqual Less LessOrEqual Or Xor";

export const elementwise: Readonly<Record<string, ShapeRule>> = {
  ...Object.fromEntries(UNARY.split(" ").map((op) => [`/${op}`, same])),
  ...Object.fromEntries(ARITHMETIC.split(" ").map((op) => [`/${op}`, binary((call) => call.type(0))])),
  ...Object.fromEntries(LOGIC.split(" ").map((op) => [`/${op}`, binary(() => "bool")])),
  "bitbasis/Gelu": same,
  "bitbasis/Silu": same,
  "/Dropout": (call) => [call.value(0), { type: "bool", shape: call.shape(0) }],
  "/IsInf": (call) => [{ type: "bool", shape: call.shape(0) }],
  "/IsNaN": (call) => [{ type: "bool", shape: call.shape(0) }],
  "/Where": binary((call) => call.type(1)),
  "/Cast": (call) => [{ type: typeAttribute(call, "to"), shape: call.shape(0) }],
  "/CastLike": (call) => [{ type: call.type(1), shape: call.shape(0) }],
  "/QuantizeLinear": (call) => [
    { type: call.has(2) ? call.type(2) : typeAttribute(call, "output_dtype", "uint8"), shape: call.shape(0) },
  ],
  "/DequantizeLinear": (call) => [{ type: call.type(1), shape: call.shape(0) }],
  "/DynamicQuantizeLinear": (call) => [
    { type: "uint8", shape: call.shape(0) },
    { type: "float32", shape: [] },
    { type: "uint8", shape: [] },
  ],
};
