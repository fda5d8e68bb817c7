import { BitbasisError } from "../core/errors.ts";
import {
  allocateData,
  bfloatToFloat,
  type ElementType,
  elementBytes,
  type NumericType,
  Tensor,
  type TensorData,
  viewData,
} from "../tensor/index.ts";
import type { TensorProto } from "./schema.ts";
import { BFLOAT16, dataType, dataTypeName, elementType, INT4, UINT4 } from "./types.ts";

const EXTERNAL = 1;
const utf8 = new TextDecoder();

/** External data by location. */
export type ExternalData = Readonly<Record<string, Uint8Array>>;

/**
 * The tensor that `proto` describes: a view of the file's bytes where they are aligned, a copy otherwise.
 * Throws BitbasisError MODEL when the number of elements is not what the dims say, UNSUPPORTED for element types that we do not have.
 */
export function readTensor(proto: TensorProto, what: string, external: ExternalData = {}): Tensor {
  const type = elementType(proto.data_type);
  if (type === undefined) {
    throw new BitbasisError("UNSUPPORTED", `${what} has element type ${dataTypeName(proto.data_type)}`);
  }
  let size = 1;
  for (const d of proto.dims) {
    if (!Number.isInteger(d) || d < 0) throw new BitbasisError("MODEL", `${what} has shape [${proto.dims}]`);
    size *= d;
  }
  const bytes = proto.data_location === EXTERNAL ? externalBytes(proto, what, external) : proto.raw_data;
  const data = bytes === undefined ? typedData(proto, type, size) : rawData(proto.data_type, type, bytes, size);
  if (data === undefined || data.length !== size) {
    const given = bytes === undefined ? `${data?.length ?? 0} elements` : `${bytes.length} bytes`;
    throw new BitbasisError(
      "MODEL",
      `${what} of shape [${proto.dims}] and type ${type} expected ${size} elements, got ${given}`,
    );
  }
  return new Tensor(type, data, proto.dims);
}

function externalBytes(proto: TensorProto, what: string, external: ExternalData): Uint8Array {
  const entry = (key: string): string | undefined => proto.external_data.find((e) => e.key === key)?.value;
  const location = entry("location") ?? "";
  const file = external[location];
  if (file === undefined) {
    throw new BitbasisError(
      "MODEL",
      `${what} keeps its data in "${location}": pass these bytes as externalData["${location}"]`,
    );
  }
  const offset = Number(entry("offset") ?? 0);
  const length = Number(entry("length") ?? file.length - offset);
  if (
    !Number.isInteger(offset) ||
    !Number.isInteger(length) ||
    offset < 0 ||
    length < 0 ||
    offset + length > file.length
  ) {
    throw new BitbasisError(
      "MODEL",
      `${what} expected bytes ${offset}..${offset + length} of "${location}", which has ${file.length}`,
    );
  }
  return file.subarray(offset, offset + length);
}

function rawData(code: number, type: ElementType, bytes: Uint8Array, size: number): TensorData | undefined {
  if (type === "string") return undefined;
  if (code === INT4 || code === UINT4) {
    return bytes.length === Math.ceil(size / 2) ? nibbles(bytes, size, code === INT4) : undefined;
  }
  if (code === BFLOAT16) {
    if (bytes.length !== 2 * size) return undefined;
    return Float32Array.from(viewData("uint16", bytes, size) as Uint16Array, bfloatToFloat);
  }
  if (bytes.length !== size * elementBytes(type)) return undefined;
  return viewData(type, bytes, size);
}

/** Two elements per byte, the low half first (ONNX 1.16, "4 bit integer types"). */
function nibbles(bytes: ArrayLike<number>, size: number, signed: boolean): Int8Array | Uint8Array {
  const data = signed ? new Int8Array(size) : new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const nibble = (bytes[i >> 1]! >> (4 * (i & 1))) & 15;
    data[i] = signed && nibble > 7 ? nibble - 16 : nibble;
  }
  return data;
}

function typedData(proto: TensorProto, type: ElementType, size: number): TensorData | undefined {
  if (type === "string") return proto.string_data.map((s) => utf8.decode(s));
  if (proto.data_type === INT4 || proto.data_type === UINT4) {
    const { int32_data: words } = proto;
    return words.length === Math.ceil(size / 2) ? nibbles(words, size, proto.data_type === INT4) : undefined;
  }
  const source = typedField(proto, type);
  if (source.length !== size) return undefined;
  const data = allocateData(type, size) as { [i: number]: number | bigint };
  if (type === "int64" || type === "uint64") {
    for (let i = 0; i < size; i++) data[i] = saturated(source[i]!, type);
  } else if (proto.data_type === BFLOAT16) {
    for (let i = 0; i < size; i++) data[i] = bfloatToFloat(source[i]!);
  } else {
    for (let i = 0; i < size; i++) data[i] = source[i]!;
  }
  return data as unknown as TensorData;
}

function typedField(proto: TensorProto, type: NumericType): number[] {
  if (proto.data_type === BFLOAT16) return proto.int32_data;
  switch (type) {
    case "float32":
      return proto.float_data;
    case "float64":
      return proto.double_data;
    case "int64":
      return proto.int64_data;
    case "uint32":
    case "uint64":
      return proto.uint64_data;
    default:
      return proto.int32_data;
  }
}

/** pbf reads 64-bit integers as doubles: exact to 2^53; the largest int64, which means "to the end" in Slice, arrives as 2^63. */
function saturated(value: number, type: "int64" | "uint64"): bigint {
  const big = BigInt(value);
  const top = type === "int64" ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  return big > top ? top : big;
}

/** `tensor` as a message: raw data, little-endian. */
export function writeTensor(tensor: Tensor, name: string): Partial<TensorProto> {
  const proto: Partial<TensorProto> = { name, dims: [...tensor.dims], data_type: dataType(tensor.type) };
  if (tensor.type === "string") {
    const utf8 = new TextEncoder();
    proto.string_data = (tensor.data as string[]).map((s) => utf8.encode(s));
  } else {
    const { buffer, byteOffset, byteLength } = tensor.data as ArrayBufferView;
    proto.raw_data = new Uint8Array(buffer, byteOffset, byteLength);
  }
  return proto;
}
