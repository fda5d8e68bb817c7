import { decodeUtf8, encodeUtf8 } from "../core/bare.ts";
import { BitbasisError } from "../core/errors.ts";
import {
  allocateData,
  type ElementType,
  elementBits,
  elementBytes,
  kindOf,
  type NumericType,
  type Shape,
  Tensor,
  type TensorData,
  viewData,
} from "../tensor/index.ts";
import { ExternalFiles, isExternal } from "./external.ts";
import type { SparseTensorProto, TensorProto } from "./schema.ts";
import { dataType, dataTypeName, elementType } from "./types.ts";

/** What tensors of a model share while it is read. */
export class TensorReader {
  /** Bytes that sparse tensors may still take: a file of some bytes can ask for any number. */
  private sparseBytes = 2 ** 28;

  constructor(private readonly external = new ExternalFiles()) {}

  /**
   * The tensor that `proto` describes: a view of the file's bytes where they are aligned, a copy otherwise.
   *
   * @throws BitbasisError MODEL when the number of elements is not what the dims say, UNSUPPORTED for element types that we do not have
   */
  read(proto: TensorProto, what: string): Tensor {
    const type = typeOf(proto, what);
    const size = sizeOf(proto.dims, what);
    const bytes = isExternal(proto) ? this.external.read(proto, what) : proto.raw_data;
    const data = bytes === undefined ? typedData(proto, type, size) : rawData(type, bytes, size);
    if (data === undefined || data.length !== size) {
      const given = bytes === undefined ? `${data?.length ?? 0} elements` : `${bytes.length} bytes`;
      throw new BitbasisError(
        "MODEL",
        `${what} of shape [${proto.dims}] and type ${type} expected ${size} elements, got ${given}`,
      );
    }
    return new Tensor(type, data, proto.dims);
  }

  /** A sparse tensor, made dense: zeros, or empty texts, where it has no value. */
  readSparse({ values, indices, dims }: SparseTensorProto, what: string): Tensor {
    if (values === undefined) throw new BitbasisError("MODEL", `${what} is sparse and has no values`);
    const given = this.read(values, `the values of ${what}`);
    const size = sizeOf(dims, what);
    this.sparseBytes -= size * Math.max(1, elementBytes(given.type));
    if (this.sparseBytes < 0)
      throw new BitbasisError("MEMORY", `${what} is sparse and too large to be stored dense: [${dims}]`);
    const data = allocateData(given.type, size) as { [i: number]: unknown };
    const places =
      indices === undefined ? [] : linear(this.read(indices, `the indices of ${what}`), dims, given.size, what);
    if (places.length !== given.size) {
      throw new BitbasisError("MODEL", `${what} expected ${given.size} indices, got ${places.length}`);
    }
    for (const [i, at] of places.entries()) data[at] = given.data[i];
    return new Tensor(given.type, data as unknown as TensorData, dims);
  }
}

/** Indices of sparse values as offsets: they come as such, or as one row of coordinates per value. */
function linear({ type, dims, data }: Tensor, shape: Shape, count: number, what: string): number[] {
  if (type !== "int64") throw new BitbasisError("MODEL", `the indices of ${what} expected int64, got ${type}`);
  const rank = dims.length === 2 ? dims[1]! : 1;
  const extents = dims.length === 2 ? shape : [sizeOf(shape, what)];
  if (dims.length < 1 || dims.length > 2 || dims[0] !== count || rank !== extents.length) {
    throw new BitbasisError(
      "MODEL",
      `the indices of ${what} expected the shape [${count}] or [${count}, ${shape.length}], got [${dims}]`,
    );
  }
  return Array.from({ length: count }, (_, i) => {
    let at = 0;
    for (const [axis, extent] of extents.entries()) {
      const index = Number((data as BigInt64Array)[i * rank + axis]);
      if (index < 0 || index >= extent) {
        throw new BitbasisError("MODEL", `index ${index} of ${what} expected 0..${extent - 1}`);
      }
      at = at * extent + index;
    }
    return at;
  });
}

/** A tensor without external data. */
export function readTensor(proto: TensorProto, what: string): Tensor {
  return new TensorReader().read(proto, what);
}

function typeOf(proto: TensorProto, what: string): ElementType {
  const type = elementType(proto.data_type);
  if (type !== undefined) return type;
  throw new BitbasisError("UNSUPPORTED", `${what} has element type ${dataTypeName(proto.data_type)}`);
}

function sizeOf(dims: Shape, what: string): number {
  let size = 1;
  for (const d of dims) {
    if (!Number.isSafeInteger(d) || d < 0) throw new BitbasisError("MODEL", `${what} has shape [${dims}]`);
    size *= d;
  }
  if (dims.includes(0)) return 0;
  if (!Number.isSafeInteger(size)) throw new BitbasisError("MODEL", `${what} has shape [${dims}], too many elements`);
  return size;
}

function rawData(type: ElementType, bytes: Uint8Array, size: number): TensorData | undefined {
  if (type === "string" || bytes.length !== Math.ceil((size * elementBits(type)) / 8)) return undefined;
  if (elementBits(type) < 8) return unpacked(type, bytes, size);
  // Some writers have other bytes than 1 for true.
  if (type === "bool" && bytes.some((v) => v > 1)) return Uint8Array.from(bytes, (v) => (v === 0 ? 0 : 1));
  return viewData(type, bytes, size);
}

/** Elements of 4 or 2 bits, the first one in the lowest bits (ONNX, "4 bit integer types"). */
function unpacked(type: NumericType, bytes: ArrayLike<number>, size: number): TensorData {
  const bits = elementBits(type);
  const each = 8 / bits;
  const data = allocateData(type, size) as Int8Array | Uint8Array;
  const unused = 32 - bits;
  const signed = kindOf(type) === "signed";
  for (let i = 0; i < size; i++) {
    const high = (bytes[Math.floor(i / each)]! >> (bits * (i % each))) << unused;
    data[i] = signed ? high >> unused : high >>> unused;
  }
  return data;
}

function typedData(proto: TensorProto, type: ElementType, size: number): TensorData | undefined {
  if (type === "string") return proto.string_data.map((s) => decodeUtf8(s));
  const source = typedField(proto, type);
  if (elementBits(type) < 8) {
    return source.length === Math.ceil((size * elementBits(type)) / 8)
      ? unpacked(type, source as number[], size)
      : undefined;
  }
  if (source.length !== size) return undefined;
  const data = allocateData(type, size) as { [i: number]: number | bigint };
  const wide = elementBits(type) === 64 && kindOf(type) !== "float";
  for (let i = 0; i < size; i++) data[i] = wide ? BigInt(source[i]!) : Number(source[i]!);
  if (type === "bool") for (let i = 0; i < size; i++) data[i] = data[i] === 0 ? 0 : 1;
  return data as unknown as TensorData;
}

function typedField(proto: TensorProto, type: NumericType): readonly (number | bigint)[] {
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

/** `tensor` as a message: raw data, little-endian; 4 and 2 bits packed. */
export function writeTensor(tensor: Tensor, name: string): Partial<TensorProto> {
  const { type, dims, data, size } = tensor;
  const proto: Partial<TensorProto> = { name, dims: [...dims], data_type: dataType(type) };
  if (type === "string") {
    proto.string_data = (data as string[]).map((s) => encodeUtf8(s));
    return proto;
  }
  const { buffer, byteOffset, byteLength } = data as ArrayBufferView;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const bits = elementBits(type);
  if (bits >= 8) {
    proto.raw_data = bytes;
    return proto;
  }
  proto.raw_data = new Uint8Array(Math.ceil((size * bits) / 8));
  const [each, mask] = [8 / bits, (1 << bits) - 1];
  for (let i = 0; i < size; i++) proto.raw_data[Math.floor(i / each)]! |= (bytes[i]! & mask) << (bits * (i % each));
  return proto;
}
