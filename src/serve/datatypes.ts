// Element types of the protocol, and their elements as JSON.
import { allocateData, type ElementType, kindOf, type NumericType, sizeOf, type TensorData } from "../tensor/index.ts";
import { HttpError } from "./http-error.ts";

const DATATYPES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  BF16: "bfloat16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Readonly<Record<string, ElementType>>;

/** Our name of a datatype. */
export function typeOf(datatype: unknown): ElementType | undefined {
  return typeof datatype === "string" && Object.hasOwn(DATATYPES, datatype)
    ? DATATYPES[datatype as keyof typeof DATATYPES]
    : undefined;
}

/** The protocol's name of a type; undefined for types of storage, which it does not have. */
export function datatypeOf(type: ElementType): string | undefined {
  return Object.entries(DATATYPES).find(([, one]) => one === type)?.[0];
}

const RANGES: Partial<Record<NumericType, readonly [number, number]>> = {
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
};

/** JSON has no words for them; these are those of protobuf's JSON. */
const NOT_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/**
 * Elements that came as JSON, flat or nested as the shape says.
 *
 * @throws HttpError 400 that names the input and the element
 */
export function readElements(what: string, type: ElementType, dims: readonly number[], data: unknown): TensorData {
  if (type === "float16" || type === "bfloat16") {
    throw new HttpError(
      400,
      `${what}: ${datatypeOf(type)} has no form in JSON; send it as binary data (binary_data_size)`,
    );
  }
  if (!Array.isArray(data)) throw new HttpError(400, `${what} expected an array "data", got ${spell(data)}`);
  const flat: readonly unknown[] = data.some(Array.isArray) ? flatten(what, dims, data, 0, []) : data;
  const size = sizeOf(dims);
  if (flat.length !== size)
    throw new HttpError(400, `${what} of shape [${dims}] expected ${size} elements, got ${flat.length}`);
  const read = READERS[type === "int64" || type === "uint64" || type === "string" ? type : kindOf(type)]!;
  const [least, most] = RANGES[type as NumericType] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const elements = allocateData(type, size);
  flat.forEach((one, i) => {
    const value = read(one, type);
    const outside = typeof value === "number" && (value < least || value > most);
    if (value === undefined || outside) {
      throw new HttpError(400, `${what} expected ${datatypeOf(type)}, got ${spell(one)} as element ${i}`);
    }
    elements[i] = value;
  });
  return elements;
}

/** Elements as JSON text. */
export function writeElements(type: ElementType, data: TensorData): string {
  if (type === "string") return JSON.stringify(data);
  if (type === "bool") return `[${Array.from(data as Uint8Array, (v) => v !== 0).join(",")}]`;
  if (kindOf(type) === "float") return `[${Array.from(data as Float32Array, spellFloat).join(",")}]`;
  return `[${data.join(",")}]`;
}

function spellFloat(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  return `"${value}"`;
}

const READERS: Readonly<Record<string, (value: unknown, type: ElementType) => number | bigint | string | undefined>> = {
  float: (value, type) => {
    if (typeof value === "string") return Object.hasOwn(NOT_FINITE, value) ? NOT_FINITE[value] : undefined;
    if (typeof value !== "number") return undefined;
    return Number.isFinite(type === "float32" ? Math.fround(value) : value) ? value : undefined;
  },
  signed: whole,
  unsigned: whole,
  bool: (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined),
  string: (value) => (typeof value === "string" ? value : undefined),
  int64: (value) => within(value, -(2n ** 63n), 2n ** 63n - 1n),
  uint64: (value) => within(value, 0n, 2n ** 64n - 1n),
};

function whole(value: unknown): number | undefined {
  return Number.isInteger(value) ? (value as number) : undefined;
}

/** A number of JSON is exact up to 2^53; larger ones come as texts of digits. */
function within(value: unknown, least: bigint, most: bigint): bigint | undefined {
  const exact = Number.isSafeInteger(value) || (typeof value === "string" && /^-?\d{1,20}$/.test(value));
  if (!exact) return undefined;
  const big = BigInt(value as number | string);
  return big >= least && big <= most ? big : undefined;
}

/** Adds what nested arrays hold, whose lengths must be those of the shape. */
function flatten(what: string, dims: readonly number[], data: unknown, depth: number, into: unknown[]): unknown[] {
  if (depth === dims.length) into.push(data);
  else {
    if (!Array.isArray(data) || data.length !== dims[depth]) {
      const got = Array.isArray(data) ? `${data.length} entries` : spell(data);
      throw new HttpError(
        400,
        `${what} of shape [${dims}] expected ${dims[depth]} entries on axis ${depth}, got ${got}`,
      );
    }
    for (const one of data) flatten(what, dims, one, depth + 1, into);
  }
  return into;
}

/** A value of JSON, short. */
export function spell(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
