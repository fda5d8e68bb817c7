/** Element types, named as in onnxruntime's JavaScript API. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool"
  | "string";

export type NumericType = Exclude<ElementType, "string">;

/** float16 is a Float16Array where the runtime has one, else a Uint16Array of bit patterns; both are accepted everywhere. */
export interface DataOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  string: string[];
}

export type TensorData = DataOf[ElementType];
export type NumericData = DataOf[NumericType];

const ELEMENTS: Record<
  NumericType,
  {
    bytes: number;
    array: {
      new (length: number): NumericData;
      new (buffer: ArrayBufferLike, offset?: number, length?: number): NumericData;
    };
  }
> = {
  float32: { bytes: 4, array: Float32Array },
  float64: { bytes: 8, array: Float64Array },
  float16: { bytes: 2, array: Uint16Array },
  int8: { bytes: 1, array: Int8Array },
  uint8: { bytes: 1, array: Uint8Array },
  int16: { bytes: 2, array: Int16Array },
  uint16: { bytes: 2, array: Uint16Array },
  int32: { bytes: 4, array: Int32Array },
  uint32: { bytes: 4, array: Uint32Array },
  int64: { bytes: 8, array: BigInt64Array },
  uint64: { bytes: 8, array: BigUint64Array },
  bool: { bytes: 1, array: Uint8Array },
};

export const ELEMENT_TYPES: readonly ElementType[] = [...(Object.keys(ELEMENTS) as NumericType[]), "string"];

/** Bytes of one element; strings have none. */
export function elementBytes(type: ElementType): number {
  return type === "string" ? 0 : ELEMENTS[type].bytes;
}

/** A zeroed array of `length` elements. */
export function allocateData(type: ElementType, length: number): TensorData {
  return type === "string" ? new Array<string>(length).fill("") : new ELEMENTS[type].array(length);
}

/** A view of bytes as elements; copies when the offset is not aligned. */
export function viewData(type: NumericType, bytes: Uint8Array, length: number): NumericData {
  const { array, bytes: size } = ELEMENTS[type];
  // Uint8Array's own slice: that of a Node Buffer does not copy.
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.prototype.slice.call(bytes, 0, length * size);
  return new array(aligned.buffer, aligned.byteOffset, length);
}

/** Element types by the number that ONNX gives them (TensorProto.DataType). */
export const TYPE_OF_CODE: Readonly<Record<number, ElementType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
};
