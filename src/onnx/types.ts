import { type ElementType, TYPE_OF_CODE } from "../tensor/index.ts";

/** TensorProto.DataType. bfloat16 is read as float32 (exact) and 4-bit integers as 8-bit ones: both keep every value. */
const TYPES: Readonly<Record<number, ElementType>> = {
  ...TYPE_OF_CODE,
  16: "float32",
  21: "uint8",
  22: "int8",
};

export const BFLOAT16 = 16;
export const UINT4 = 21;
export const INT4 = 22;

const NAMES: Readonly<Record<number, string>> = {
  0: "undefined",
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  23: "float4e2m1",
};

/** The element type of an ONNX data type; undefined for one that we do not have. */
export function elementType(dataType: number): ElementType | undefined {
  return TYPES[dataType];
}

export function dataTypeName(dataType: number): string {
  return TYPES[dataType] ?? NAMES[dataType] ?? `number ${dataType}`;
}

/** The ONNX data type of an element type. */
export function dataType(type: ElementType): number {
  return Number(Object.keys(TYPES).find((key) => TYPES[Number(key)] === type));
}
