import { BinaryFunction as B } from "../../core/abi/elementwise.ts";
import type { ElementType } from "../../tensor/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { computeType, emitBinary } from "./binary.ts";
import { constant, converted, emitCast, isFloat, type Source, temporary } from "./support.ts";

/**
 * Pow of any two types; the result has the base's. Integers to integers are exact and wrap. A float32 base and an exponent that float32 holds is
 * computed in float32; everything else in float64, where an integer exponent keeps its last bit, which decides the sign.
 */
export function lowerPow(l: Lowering): void {
  const [x, exponent, out] = [l.input(0), l.input(1), l.output()];
  if (isFloat(x.type)) {
    const power = exponent.constant?.size === 1 ? Number((exponent.constant.data as ArrayLike<unknown>)[0]) : 0;
    if (x.type === "float64" || !inSingle(exponent)) inDouble(l, x, exponent, out);
    else if (x.type === "float32" && (power === 2 || power === 3)) {
      // As the core would: x·x·x.
      const square = power === 2 ? out : temporary(l, x.type, out.shape);
      emitBinary(l, B.Mul, x, x, square);
      if (power === 3) emitBinary(l, B.Mul, square, x, out);
    } else emitBinary(l, B.Pow, x, converted(l, exponent, "float32"), out);
  } else if (isFloat(exponent.type)) inDouble(l, x, exponent, out);
  else {
    const type = common(computeType(l, x.type), computeType(l, exponent.type));
    const result = type === out.type ? out : temporary(l, type, out.shape);
    emitBinary(l, B.Pow, converted(l, x, type), converted(l, exponent, type), result);
    if (result !== out) emitCast(l, result, out);
  }
}

/** Whether float32 holds every exponent: that of a narrow type, or a known one that it does not round. */
function inSingle(exponent: Operand): boolean {
  if (["float16", "float32", "int8", "uint8", "int16", "uint16", "bool"].includes(exponent.type)) return true;
  const known = exponent.constant?.data as ArrayLike<number | bigint> | undefined;
  return known !== undefined && Array.from(known, Number).every((e) => Math.fround(e) === e && Math.abs(e) < 2 ** 24);
}

function inDouble(l: Lowering, x: Operand, exponent: Operand, out: Source): void {
  const base = converted(l, x, "float64");
  const result = out.type === "float64" ? out : temporary(l, "float64", out.shape);
  if (isFloat(exponent.type)) emitBinary(l, B.Pow, base, converted(l, exponent, "float64"), result);
  else emitBinary(l, B.PowInteger, base, { ...int64Of(l, exponent), type: "float64" }, result);
  if (result !== out) emitCast(l, result, out);
}

/** The exponent as int64. uint64 from 2^63 on becomes 2^63 − 2 or − 1, of the same parity: no float64 but 0 and ±1 has a finite power there. */
function int64Of(l: Lowering, exponent: Source): Source {
  if (exponent.type !== "uint64") return converted(l, exponent, "int64");
  const [bounded, parity] = [temporary(l, "uint64", exponent.shape), temporary(l, "uint64", exponent.shape)];
  emitBinary(l, B.Min, exponent, constant(l, "uint64", 2n ** 63n - 2n), bounded);
  emitBinary(l, B.And, exponent, constant(l, "uint64", 1), parity);
  emitBinary(l, B.Or, bounded, parity, bounded);
  return bounded;
}

/** A type that holds every exponent, and whose low bits are those of the base's powers. */
function common(base: ElementType, exponent: ElementType): ElementType {
  if (base === exponent) return base;
  if (exponent === "uint64") return "uint64";
  return base.endsWith("64") || exponent === "int64" ? "int64" : "int32";
}
