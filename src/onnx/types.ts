import { ElementCode } from "../core/abi/element.ts";
import { type ElementType, TYPE_OF_CODE } from "../tensor/index.ts";

/** Data types of TensorProto that no tensor of ours has. */
const REFUSED: Readonly<Record<number, string>> = { 0: "0, which is none", 14: "complex64", 15: "complex128" };

/** The element type of an ONNX data type; undefined for one that we do not have. */
export function elementType(dataType: number): ElementType | undefined {
  return TYPE_OF_CODE[dataType];
}

export function dataTypeName(dataType: number): string {
  return TYPE_OF_CODE[dataType] ?? REFUSED[dataType] ?? `number ${dataType}`;
}

/** The ONNX data type of an element type. */
export function dataType(type: ElementType): number {
  return ElementCode[type];
}
