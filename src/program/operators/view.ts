import { BinaryFunction } from "../../core/abi/elementwise.ts";
import type { Ref } from "../../core/index.ts";
import { elementBytes } from "../../tensor/index.ts";
import type { View } from "../kept.ts";
import type { Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { byteStrides, constant, emitCopy, temporary } from "./support.ts";

/** A copy of a view, dense, for whom reads it as an operand. */
export function denseView(l: Lowering, name: string, { at, type, shape, strides, factor }: View): Ref | number {
  return l.once(`dense:${name}`, () => {
    const dense = temporary(l, type, shape);
    emitCopy(l, at, dense.at, elementBytes(type), shape, strides, byteStrides(dense));
    if (factor !== 1) emitBinary(l, BinaryFunction.Mul, dense, constant(l, type, factor), dense);
    return dense.at;
  });
}
