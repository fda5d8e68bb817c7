import { BinaryFunction as B, BinaryStep, CompareFunction as C, WhereStep } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { PowerRounding } from "../../core/abi/small-float.ts";
import { step } from "../../core/index.ts";
import { type ElementType, elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import {
  broadcastStrides,
  codeOf,
  collapse,
  constant,
  converted,
  emitCast,
  type Source,
  temporary,
  withLists,
} from "./support.ts";

/** The type that the core computes in: its own seven, else the next wider one, whose low bits are the same. */
export function computeType(l: Lowering, type: ElementType): ElementType {
  switch (type) {
    case "float16":
      return "float32";
    case "int8":
    case "int16":
    case "uint16":
      return "int32";
    case "uint32":
      return "int64";
    case "string":
      throw l.unsupported("strings are not computed with");
    default:
      return type;
  }
}

/** out = operation(a, b) with broadcasting to the shape of `out`. */
export function emitBinary(l: Lowering, operation: B, a: Source, b: Source, out: Source): void {
  const type = computeType(l, a.type);
  const result = type === out.type ? out : temporary(l, type, out.shape);
  const kernel = `binary_${B[operation].toLowerCase()}_${type}`;
  rows(l, Opcode.Binary, operation, converted(l, a, type), converted(l, b, type), result, kernel);
  if (result !== out) emitCast(l, result, out);
}

/** out = a ⋚ b as bool. */
export function emitCompare(l: Lowering, operation: C, a: Source, b: Source, out: Source): void {
  const type = computeType(l, a.type);
  const kernel = `compare_${C[operation].toLowerCase()}_${type}`;
  rows(l, Opcode.Compare, operation, converted(l, a, type), converted(l, b, type), out, kernel);
}

function rows(l: Lowering, opcode: Opcode, operation: number, a: Source, b: Source, out: Source, kernel: string): void {
  if (sizeOf(out.shape) === 0) return;
  const walk = collapse(out.shape, broadcastStrides(a, out.shape), broadcastStrides(b, out.shape));
  const base = step(opcode, BinaryStep, {
    a: a.at,
    b: b.at,
    output: out.at,
    operation,
    type: codeOf(l, a.type),
    rank: walk.extents.length,
  });
  const bytes = sizeOf(a.shape) * elementBytes(a.type) + sizeOf(b.shape) * elementBytes(b.type);
  l.emit(withLists(base, walk.extents, ...walk.strides), {
    kernel,
    bytes: bytes + sizeOf(out.shape) * elementBytes(out.type),
  });
}

const binary =
  (operation: B): Lower =>
  (l) =>
    emitBinary(l, operation, l.input(0), l.input(1), l.output());

/** Kept rows times a number stay kept rows: who reads them takes the factor along. */
function lowerMul(l: Lowering): void {
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const view = l.views.get(l.node.inputs[i]!);
    const number = l.graph.constants.get(l.node.inputs[j]!);
    if (view?.factor !== 1 || number?.type !== "float32" || number.size !== 1) continue;
    if (view.type !== "float32" || number.dims.length > view.shape.length) continue;
    l.views.set(l.node.outputs[0]!, { ...view, factor: (number.data as Float32Array)[0]! });
    return;
  }
  emitBinary(l, B.Mul, l.input(0), l.input(1), l.output());
}

const compare =
  (operation: C, swapped = false): Lower =>
  (l) =>
    emitCompare(l, operation, l.input(swapped ? 1 : 0), l.input(swapped ? 0 : 1), l.output());

/** `out` may be the memory of `a` or `b`. */
export function emitWhere(l: Lowering, condition: Source, a: Source, b: Source, out: Source): void {
  if (sizeOf(out.shape) === 0) return;
  const strides = [condition, a, b].map((x) => broadcastStrides(x, out.shape));
  const walk = collapse(out.shape, ...strides);
  const size = elementBytes(out.type);
  if (size === 0) throw l.unsupported("strings are not selected");
  const base = step(Opcode.Where, WhereStep, {
    condition: condition.at,
    a: a.at,
    b: b.at,
    output: out.at,
    elementBytes: size,
    rank: walk.extents.length,
  });
  l.emit(withLists(base, walk.extents, ...walk.strides), {
    kernel: "where",
    bytes: sizeOf(out.shape) * (3 * size + 1),
  });
}

/** IsInf: equality with +∞ or −∞, as the attributes ask; IsNaN: x ≠ x. */
function lowerIsInf(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  const [positive, negative] = [l.attribute("detect_positive", 1), l.attribute("detect_negative", 1)];
  const test = (value: number, to: Source): void => emitCompare(l, C.Equal, x, constant(l, x.type, value), to);
  if (positive && negative) {
    const [first, other] = [temporary(l, "bool", out.shape), temporary(l, "bool", out.shape)];
    test(Number.POSITIVE_INFINITY, first);
    test(Number.NEGATIVE_INFINITY, other);
    emitBinary(l, B.Or, first, other, out);
  } else if (positive) test(Number.POSITIVE_INFINITY, out);
  else if (negative) test(Number.NEGATIVE_INFINITY, out);
  else emitCompare(l, C.NotEqual, constant(l, "bool", 0), constant(l, "bool", 0), out);
}

function lowerCast(l: Lowering): void {
  const [x, y] = [l.input(0), l.output()];
  if (x.type === y.type) l.alias(0, 0);
  else
    emitCast(l, x, y, {
      saturate: l.attribute("saturate", 1) !== 0,
      power: PowerRounding[l.text("round_mode", "up") as keyof typeof PowerRounding],
    });
}

export const BINARY = {
  "/Add": binary(B.Add),
  "/Sub": binary(B.Sub),
  "/Mul": lowerMul,
  "/Div": binary(B.Div),
  "/PRelu": binary(B.PRelu),
  "/And": binary(B.And),
  "/Or": binary(B.Or),
  "/Xor": binary(B.Xor),
  "/BitwiseAnd": binary(B.And),
  "/BitwiseOr": binary(B.Or),
  "/BitwiseXor": binary(B.Xor),
  "/BitwiseNot": (l) => emitBinary(l, B.Sub, constant(l, l.input(0).type, -1), l.input(0), l.output()),
  "/BitShift": (l) => binary(l.text("direction", "LEFT") === "LEFT" ? B.ShiftLeft : B.ShiftRight)(l),
  "/Mod": (l) => binary(l.attribute("fmod", 0) === 1 ? B.Fmod : B.Mod)(l),
  "/Equal": compare(C.Equal),
  "/Less": compare(C.Less),
  "/LessOrEqual": compare(C.LessOrEqual),
  "/Greater": compare(C.Less, true),
  "/GreaterOrEqual": compare(C.LessOrEqual, true),
  "/Not": (l) => emitCompare(l, C.Equal, l.input(0), constant(l, "bool", 0), l.output()),
  "/IsNaN": (l) => emitCompare(l, C.NotEqual, l.input(0), l.input(0), l.output()),
  "/IsInf": lowerIsInf,
  "/Min": binary(B.Min),
  "/Max": binary(B.Max),
  "/Where": (l) => emitWhere(l, l.input(0), l.input(1), l.input(2), l.output()),
  "/Cast": lowerCast,
  "/CastLike": lowerCast,
} satisfies Readonly<Record<string, Lower>>;
