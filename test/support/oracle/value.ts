// Values of the oracle: plain arrays of floats as numbers, integers as bigints, booleans and strings. Slow and obvious. Nothing of the product's own arithmetic is used: halves
// are decoded and rounded here.
import { type ElementType, type NumericType, Tensor, viewData } from "../../../src/tensor/index.ts";

export type Element = number | bigint | boolean | string;

export interface Value {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: readonly Element[];
}

/** What the oracle does not know or what the standard forbids. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

const BITS: Readonly<Record<string, readonly [width: number, signed: boolean]>> = {
  int2: [2, true],
  uint2: [2, false],
  int4: [4, true],
  uint4: [4, false],
  int8: [8, true],
  uint8: [8, false],
  int16: [16, true],
  uint16: [16, false],
  int32: [32, true],
  uint32: [32, false],
  int64: [64, true],
  uint64: [64, false],
};

export const isFloat = (type: string): boolean => type.includes("float");
export const isInteger = (type: string): boolean => type in BITS;
export const isSigned = (type: string): boolean => BITS[type]?.[1] ?? isFloat(type);
export const widthOf = (type: string): number => BITS[type]![0];

/** Smallest and largest value of an integer type. */
export function limits(type: string): [bigint, bigint] {
  const [width, signed] = BITS[type]!;
  const half = 1n << BigInt(width - 1);
  return signed ? [-half, half - 1n] : [0n, 2n * half - 1n];
}

/** The low bits of an integer as a value of the type. */
export function wrap(type: string, v: bigint): bigint {
  const [width, signed] = BITS[type]!;
  return signed ? BigInt.asIntN(width, v) : BigInt.asUintN(width, v);
}

/** A format with `exponent` and `mantissa` bits and infinities, to nearest, ties to even. */
function roundFormat(x: number, exponent: number, mantissa: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const bias = 2 ** (exponent - 1) - 1;
  const [least, most] = [1 - bias, bias];
  const power = Math.max(Math.floor(Math.log2(Math.abs(x))), least);
  // log2 may be off by one beside a power of two: a finer step than needed changes nothing, a coarser one is put right by comparing again.
  const scale = 2 ** ((Math.abs(x) < 2 ** power && power > least ? power - 1 : power) - mantissa);
  const rounded = roundEven(x / scale) * scale;
  const largest = (2 - 2 ** -mantissa) * 2 ** most;
  return Math.abs(rounded) > largest ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? keepZero(x, floor) : keepZero(x, floor + 1);
  return keepZero(x, floor % 2 === 0 ? floor : floor + 1);
}

function keepZero(x: number, rounded: number): number {
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

/** A number of a float type: rounded once. */
export function roundTo(type: string, x: number): number {
  if (type === "float32") return Math.fround(x);
  if (type === "float16") return roundFormat(x, 5, 10);
  if (type === "bfloat16") return roundFormat(Math.fround(x), 8, 7);
  if (type === "float64") return x;
  throw new Refusal(`no rounding to ${type}`);
}

/** The same bit pattern, decoded; float16 is stored as bits. */
function decodeHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

function encodeHalf(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const rounded = roundTo("float16", x);
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0;
  const size = Math.abs(rounded);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent--;
  if (2 ** (exponent + 1) <= size) exponent++;
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

export function fromTensor(tensor: Tensor): Value {
  const { dims } = tensor;
  const type = tensor.type as string;
  let data = Array.from(tensor.data as ArrayLike<Element>);
  if (type === "float16" && tensor.data instanceof Uint16Array) data = data.map((bits) => decodeHalf(bits as number));
  else if (type === "bfloat16") data = data.map((bits) => bfloat(bits as number));
  else if (isInteger(type)) data = data.map((v) => BigInt(v as number | bigint));
  else if (type === "bool") data = data.map((v) => v !== 0);
  else if (!["float32", "float64", "float16", "string"].includes(type)) throw new Refusal(`values of type ${type}`);
  return { type: tensor.type, dims, data };
}

function bfloat(bits: number): number {
  return new Float32Array(new Uint32Array([bits << 16]).buffer)[0]!;
}

export function toTensor({ type, dims, data }: Value): Tensor {
  if (type === "string") return new Tensor(type, data as string[], dims);
  const name = type as string;
  if (name === "float16" || name === "bfloat16") {
    const bits = Uint16Array.from(data as number[], (x) =>
      name === "float16" ? encodeHalf(x) : new Uint32Array(new Float32Array([x]).buffer)[0]! >>> 16,
    );
    const bytes = new Uint8Array(bits.buffer);
    return new Tensor(type, viewData(type as NumericType, bytes, data.length) as ArrayBufferView, dims);
  }
  return new Tensor(type, data as readonly (number | bigint)[], dims);
}

export function value(type: string, dims: readonly number[], data: readonly Element[]): Value {
  if (data.length !== size(dims)) throw new Refusal(`${data.length} elements for [${dims}]`);
  const rounded = isFloat(type)
    ? data.map((x) => roundTo(type, x as number))
    : isInteger(type)
      ? data.map((x) => wrap(type, x as bigint))
      : data;
  return { type: type as ElementType, dims, data: rounded };
}

export const size = (dims: readonly number[]): number => dims.reduce((product, d) => product * d, 1);

export function strides(dims: readonly number[]): number[] {
  return dims.map((_, i) => size(dims.slice(i + 1)));
}

/** Every index of a shape in row-major order. */
export function* indices(dims: readonly number[]): Generator<number[]> {
  if (size(dims) === 0) return;
  const at = dims.map(() => 0);
  for (;;) {
    yield [...at];
    let axis = dims.length - 1;
    while (axis >= 0 && ++at[axis]! === dims[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

export function flat(dims: readonly number[], index: readonly number[]): number {
  return index.reduce((sum, i, axis) => sum * dims[axis]! + i, 0);
}

/** The element of a value under an index of the shape that it is broadcast to. */
export function broadcastAt(x: Value, index: readonly number[]): Element {
  const skip = index.length - x.dims.length;
  return x.data[
    flat(
      x.dims,
      x.dims.map((d, axis) => (d === 1 ? 0 : index[skip + axis]!)),
    )
  ]!;
}

export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const extents = shapes.map((s) => s[i - rank + s.length] ?? 1).filter((d) => d !== 1);
    if (new Set(extents).size > 1) throw new Refusal(`${shapes.map((s) => `[${s}]`)} do not broadcast`);
    return extents[0] ?? 1;
  });
}

/** More elements than any test needs: what asks for more is a mistake or a bomb. */
const MOST_ELEMENTS = 2 ** 21;

/** Makes a value element by element from its index. */
export function generate(type: string, dims: readonly number[], f: (index: number[]) => Element): Value {
  if (size(dims) > MOST_ELEMENTS) throw new Refusal(`[${dims}] is too large`);
  const data: Element[] = [];
  for (const index of indices(dims)) data.push(f(index));
  return value(type, dims, data);
}

export function axisOf(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) throw new Refusal(`axis ${axis} of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}
