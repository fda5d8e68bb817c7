import { ElementCode } from "../core/abi/element.ts";

/**
 * Element types, named as in onnxruntime's JavaScript API. The floats of 16 bits and less and the integers of 4 and 2 bits are types of
 * storage: networks hold them, Casts and quantization operators make and read them.
 */
export type ElementType = keyof typeof ElementCode;

export type NumericType = Exclude<ElementType, "string">;

interface Storage {
  /** The array that holds the elements: one element each, also where they have 4 or 2 bits. */
  readonly array:
    | typeof Float32Array
    | typeof Float64Array
    | typeof Int8Array
    | typeof Uint8Array
    | typeof Int16Array
    | typeof Uint16Array
    | typeof Int32Array
    | typeof Uint32Array
    | typeof BigInt64Array
    | typeof BigUint64Array;
  /** Bits of an element in an ONNX file. */
  readonly bits: number;
  /** `bits`: a float that JavaScript arrays do not have; the array holds its bit patterns. */
  readonly kind: "float" | "signed" | "unsigned" | "bool" | "bits";
}

/**
 * How elements lie in memory. The first type with an array is the one that the array stands for when no type is given. float16 may also come as
 * a Float16Array, where the runtime has one.
 */
const STORAGE = {
  float32: { array: Float32Array, bits: 32, kind: "float" },
  float64: { array: Float64Array, bits: 64, kind: "float" },
  int8: { array: Int8Array, bits: 8, kind: "signed" },
  uint8: { array: Uint8Array, bits: 8, kind: "unsigned" },
  int16: { array: Int16Array, bits: 16, kind: "signed" },
  uint16: { array: Uint16Array, bits: 16, kind: "unsigned" },
  int32: { array: Int32Array, bits: 32, kind: "signed" },
  uint32: { array: Uint32Array, bits: 32, kind: "unsigned" },
  int64: { array: BigInt64Array, bits: 64, kind: "signed" },
  uint64: { array: BigUint64Array, bits: 64, kind: "unsigned" },
  bool: { array: Uint8Array, bits: 8, kind: "bool" },
  float16: { array: Uint16Array, bits: 16, kind: "bits" },
  bfloat16: { array: Uint16Array, bits: 16, kind: "bits" },
  float8e4m3fn: { array: Uint8Array, bits: 8, kind: "bits" },
  float8e4m3fnuz: { array: Uint8Array, bits: 8, kind: "bits" },
  float8e5m2: { array: Uint8Array, bits: 8, kind: "bits" },
  float8e5m2fnuz: { array: Uint8Array, bits: 8, kind: "bits" },
  float8e8m0: { array: Uint8Array, bits: 8, kind: "bits" },
  float4e2m1: { array: Uint8Array, bits: 4, kind: "bits" },
  int4: { array: Int8Array, bits: 4, kind: "signed" },
  uint4: { array: Uint8Array, bits: 4, kind: "unsigned" },
  int2: { array: Int8Array, bits: 2, kind: "signed" },
  uint2: { array: Uint8Array, bits: 2, kind: "unsigned" },
} as const satisfies Record<NumericType, Storage>;

/** What holds the elements of a type. */
export type DataOf = { [T in NumericType]: (typeof STORAGE)[T]["array"]["prototype"] } & { string: string[] };

export type TensorData = DataOf[ElementType];
export type NumericData = DataOf[NumericType];

export const ELEMENT_TYPES: readonly ElementType[] = [...(Object.keys(STORAGE) as NumericType[]), "string"];

/** Types whose elements are bit patterns of floats. */
export type BitsType = {
  [T in NumericType]: (typeof STORAGE)[T]["kind"] extends "bits" ? T : never;
}[NumericType];

/** Whether the elements of a tensor of this type are bit patterns of floats. */
export function holdsBits(type: ElementType): type is BitsType {
  return type !== "string" && STORAGE[type].kind === "bits";
}

/** What numbers of a type are: floats, signed or unsigned integers, 0 and 1, or texts. */
export function kindOf(type: ElementType): "float" | "signed" | "unsigned" | "bool" | "string" {
  if (type === "string") return "string";
  const { kind } = STORAGE[type];
  return kind === "bits" ? "float" : kind;
}

/** Bits of one element in a file; several elements share a byte where they are fewer than 8. */
export function elementBits(type: NumericType): number {
  return STORAGE[type].bits;
}

/** Bytes of one element in memory; strings have none. */
export function elementBytes(type: ElementType): number {
  return type === "string" ? 0 : STORAGE[type].array.BYTES_PER_ELEMENT;
}

/** Bytes that so many elements take in JavaScript, the characters of strings not counted. */
export function bytesIn(type: ElementType, count: number): number {
  return count * (type === "string" ? 8 : elementBytes(type));
}

/** A zeroed array of `length` elements. */
export function allocateData(type: ElementType, length: number): TensorData {
  return type === "string" ? new Array<string>(length).fill("") : new STORAGE[type].array(length);
}

/** A view of bytes as elements; copies when the offset is not aligned. */
export function viewData(type: NumericType, bytes: Uint8Array, length: number): NumericData {
  const { array } = STORAGE[type];
  const size = array.BYTES_PER_ELEMENT;
  // Uint8Array's own slice: that of a Node Buffer does not copy.
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.prototype.slice.call(bytes, 0, length * size);
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, length);
}

const TAG = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!;

/** The name of the class that a typed array is of, whatever its constructor says of itself: a subclass may have any name, another class's too. */
export function classOfArray(array: ArrayBufferView): string {
  return (TAG.get!.call(array) as string | undefined) ?? "DataView";
}

/** The elements in an array of their own. Not `slice`: a subclass may have one of its own, which gives what it likes. */
export function copyOfData(data: TensorData): TensorData {
  if (!ArrayBuffer.isView(data)) return Array.from(data);
  const classes = globalThis as unknown as Record<string, new (elements: TensorData) => TensorData>;
  return new classes[classOfArray(data)]!(data);
}

/** The type of the elements of an array, by the name of its class: arrays of other realms are no instances of ours. */
export function typeOfArray(name: string): ElementType | undefined {
  if (name === "Float16Array") return "float16";
  if (name === "Uint8ClampedArray") return "uint8";
  return (Object.keys(STORAGE) as NumericType[]).find((type) => STORAGE[type].array.name === name);
}

/** Whether an array of this class can hold the elements of a type. */
export function arrayHolds(name: string, type: ElementType): boolean {
  return type !== "string" && (STORAGE[type].array.name === name || typeOfArray(name) === type);
}

/** Element types by the number that ONNX gives them (TensorProto.DataType). */
export const TYPE_OF_CODE: Readonly<Record<number, ElementType>> = Object.fromEntries(
  ELEMENT_TYPES.map((type) => [ElementCode[type], type]),
);
