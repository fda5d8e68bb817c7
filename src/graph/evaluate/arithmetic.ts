import { type ElementType, floatToHalf, halfToFloat, roundEven, sizeOf, type TensorData } from "../../tensor/index.ts";
import type { KnownValue } from "../graph.ts";
import type { Call } from "../shapes/call.ts";
import type { Evaluate } from "./elements.ts";
import { allocate, broadcastStrides, dataOf, type Elements, elementsOf, walk } from "./elements.ts";

/**
 * Only operations whose result IEEE 754 fixes to the bit: the same constants in every JavaScript engine. float32 results are computed in
 * double and rounded once, which is exact rounding for + − · ÷ √ (Figueroa 1995: 53 ≥ 2·24 + 2).
 */
type Binary = (a: number, b: number) => number;
type BigBinary = (a: bigint, b: bigint) => bigint;

const NUMBERS: Readonly<Record<string, Binary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.max(a, b)),
  Min: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.min(a, b)),
};
const BIGS: Readonly<Record<string, BigBinary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => (a > b ? a : b),
  Min: (a, b) => (a < b ? a : b),
};

const isWide = (type: ElementType): boolean => type === "int64" || type === "uint64";
export const isFloat = (type: ElementType): boolean => type === "float32" || type === "float64";

/** Division that truncates, and remainders, of small integers. */
function integer(op: string, fmod: boolean): Binary | undefined {
  if (op === "Div") return (a, b) => Math.trunc(a / b);
  if (op === "Mod") return fmod ? (a, b) => a % b : (a, b) => ((a % b) + b) % b;
  // |a·b| of 32-bit integers may pass 2^53; imul keeps the low 32 bits, which is all that the array keeps.
  if (op === "Mul") return Math.imul;
  return NUMBERS[op];
}

function pairwise<T>(call: Call, output: KnownValue, op: (a: T, b: T) => number | bigint): TensorData {
  const [a, b] = [elementsOf(call.constant(0)!.data), elementsOf(call.constant(1)!.data)];
  const to = allocate(output.type, sizeOf(output.shape));
  const strides = [broadcastStrides(call.shape(0), output.shape), broadcastStrides(call.shape(1), output.shape)];
  walk(output.shape, strides, (at, [i, j]) => {
    to[at] = op(a[i!] as T, b[j!] as T);
  });
  return dataOf(to);
}

function arithmetic(op: string): Evaluate {
  return (call, [output]) => {
    const type = call.type(0);
    if (type !== call.type(1) || call.count !== 2 || type === "string" || type === "bool" || type === "float16")
      return undefined;
    const divides = op === "Div" || op === "Mod";
    if (isFloat(type)) return NUMBERS[op] === undefined ? undefined : [pairwise(call, output!, NUMBERS[op])];
    if (divides && Array.from(call.constant(1)!.data as ArrayLike<number | bigint>).some((v) => Number(v) === 0))
      return undefined;
    const fmod = call.number("fmod", 0) === 1;
    if (!isWide(type)) {
      const exact = integer(op, fmod);
      return exact === undefined ? undefined : [pairwise(call, output!, exact)];
    }
    const mod: BigBinary = fmod ? (a, b) => a % b : (a, b) => ((a % b) + b) % b;
    const big = op === "Mod" ? mod : BIGS[op];
    return big === undefined ? undefined : [pairwise(call, output!, big)];
  };
}

/** x² and √x, which GELU and LayerNorm are written with; other powers are transcendental. */
const pow: Evaluate = (call, [output]) => {
  const exponents = call.numbers(1)!;
  if (call.type(0) !== "float32" || exponents.some((e) => e !== 2 && e !== 0.5 && e !== 1)) return undefined;
  const power = (x: number, e: number): number => (e === 2 ? x * x : e === 1 ? x : x < 0 ? Number.NaN : Math.sqrt(x));
  const b = call.constant(1)!;
  if (!isFloat(b.type)) return undefined;
  return [pairwise<number>(call, output!, power)];
};

function compare(test: (a: number | bigint | string, b: number | bigint | string) => boolean): Evaluate {
  return (call, [output]) => [pairwise<number | bigint | string>(call, output!, (a, b) => (test(a, b) ? 1 : 0))];
}

function unary(op: (x: number) => number, integers: "same" | "no" | ((x: bigint) => bigint) = "no"): Evaluate {
  return (call, [output]) => {
    const tensor = call.constant(0)!;
    const { type } = output!;
    if (type === "string" || type === "float16" || type === "bool") return undefined;
    if (!isFloat(type) && integers === "same") return [tensor.data];
    if (!isFloat(type) && integers === "no") return undefined;
    const from = elementsOf(tensor.data);
    const to = allocate(type, from.length);
    const wide = isWide(type) ? (integers as (x: bigint) => bigint) : undefined;
    for (let i = 0; i < from.length; i++) to[i] = wide === undefined ? op(from[i] as number) : wide(from[i] as bigint);
    return [dataOf(to)];
  };
}

const not: Evaluate = (call) => [Uint8Array.from(call.constant(0)!.data as Uint8Array, (v) => (v === 0 ? 1 : 0))];

const where: Evaluate = (call, [output]) => {
  const [test, a, b] = [0, 1, 2].map((i) => elementsOf(call.constant(i)!.data)) as [Elements, Elements, Elements];
  const to = allocate(output!.type, sizeOf(output!.shape));
  const strides = [0, 1, 2].map((i) => broadcastStrides(call.shape(i), output!.shape));
  walk(output!.shape, strides, (at, [t, i, j]) => {
    to[at] = test[t!] ? a[i!]! : b[j!]!;
  });
  return [dataOf(to)];
};

const cast: Evaluate = (call, [output]) => {
  const tensor = call.constant(0)!;
  const [from, to] = [tensor.type, output!.type];
  if (from === to) return [tensor.data];
  if (from === "string" || to === "string") return undefined;
  const source = elementsOf(tensor.data);
  const result = allocate(to, source.length);
  for (let i = 0; i < source.length; i++) {
    const value = from === "float16" ? halfToFloat(source[i] as number) : source[i]!;
    const converted = convert(value as number | bigint, from, to);
    if (converted === undefined) return undefined;
    result[i] = converted;
  }
  return [dataOf(result)];
};

/** One element in another type; undefined where ONNX leaves the result open. */
function convert(value: number | bigint, from: ElementType, to: ElementType): number | bigint | undefined {
  const number = Number(value);
  if (to === "bool") return number === 0 ? 0 : 1;
  if (to === "float32" || to === "float64") return number;
  if (to === "float16") return floatToHalf(Math.fround(number));
  const fromFloat = from === "float32" || from === "float64" || from === "float16";
  if (fromFloat && !(Math.abs(number) < 2 ** 31)) return undefined;
  if (isWide(to)) return fromFloat ? BigInt(Math.trunc(number)) : BigInt(value);
  return typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : Math.trunc(number);
}

const clip: Evaluate = (call) => {
  const tensor = call.constant(0)!;
  const from = elementsOf(tensor.data);
  if (tensor.type === "string" || tensor.type === "float16") return undefined;
  const low = call.has(1) ? elementsOf(call.constant(1)!.data)[0] : undefined;
  const high = call.has(2) ? elementsOf(call.constant(2)!.data)[0] : undefined;
  const to = allocate(tensor.type, from.length);
  for (let i = 0; i < from.length; i++) {
    let value = from[i]!;
    if (low !== undefined && value < low) value = low;
    if (high !== undefined && value > high) value = high;
    to[i] = value;
  }
  return [dataOf(to)];
};

/** (x − zero)·scale, per tensor, per axis or per block; the constants of quantized models. */
const dequantize: Evaluate = (call, [output]) => {
  const tensor = call.constant(0)!;
  if (output!.type !== "float32") return undefined;
  const { shape } = output!;
  const axis = shape.length === 0 ? 0 : call.number("axis", 1) + (call.number("axis", 1) < 0 ? shape.length : 0);
  const block = call.number("block_size", 0);
  const scale = elementsOf(call.constant(1)!.data);
  const zero = call.has(2) ? elementsOf(call.constant(2)!.data) : undefined;
  const from = elementsOf(tensor.data);
  const to = new Float32Array(from.length);
  const inner = sizeOf(shape.slice(axis + 1));
  const extent = shape[axis] ?? 1;
  const groups = block > 0 ? Math.ceil(extent / block) : extent;
  if (scale.length !== 1 && scale.length !== (block > 0 ? (from.length / extent) * groups : extent)) return undefined;
  for (let i = 0; i < from.length; i++) {
    const along = Math.floor(i / inner) % extent;
    let at = scale.length === 1 ? 0 : along;
    if (block > 0) at = (Math.floor(i / (inner * extent)) * groups + Math.floor(along / block)) * inner + (i % inner);
    to[i] = (Number(from[i]) - Number(zero?.[at] ?? 0)) * (scale[at] as number);
  }
  return [to];
};

export const arithmeticEvaluators: Readonly<Record<string, Evaluate>> = {
  ...Object.fromEntries(["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"].map((op) => [`/${op}`, arithmetic(op)])),
  "/Pow": pow,
  "/Equal": compare((a, b) => a === b),
  "/Less": compare((a, b) => a < b),
  "/LessOrEqual": compare((a, b) => a <= b),
  "/Greater": compare((a, b) => a > b),
  "/GreaterOrEqual": compare((a, b) => a >= b),
  "/And": compare((a, b) => a === 1 && b === 1),
  "/Or": compare((a, b) => a === 1 || b === 1),
  "/Xor": compare((a, b) => a !== b),
  "/Not": not,
  "/Neg": unary(
    (x) => -x,
    (x) => -x,
  ),
  "/Abs": unary(Math.abs, (x) => (x < 0n ? -x : x)),
  "/Sign": unary(Math.sign, (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n)),
  "/Relu": unary(
    (x) => (x < 0 ? 0 : x),
    (x) => (x < 0n ? 0n : x),
  ),
  "/Sqrt": unary(Math.sqrt),
  "/Reciprocal": unary((x) => 1 / x),
  "/Floor": unary(Math.floor, "same"),
  "/Ceil": unary(Math.ceil, "same"),
  "/Round": unary(roundEven, "same"),
  "/Where": where,
  "/Cast": cast,
  "/CastLike": cast,
  "/Clip": clip,
  "/DequantizeLinear": dequantize,
};
