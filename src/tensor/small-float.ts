import {
  ExponentBias,
  Largest,
  MantissaBits,
  NotANumber,
  Overflow,
  type PowerRounding,
  SignBit,
} from "../core/abi/small-float.ts";
import type { BitsType } from "./types.ts";

/** How a number becomes one of a small float type; as in ONNX's Cast. */
export interface FloatRounding {
  /** 8-bit floats: whether what is too large becomes the largest number (default), or infinity and NaN. */
  readonly saturate?: boolean;
  /** float8e8m0 only; default "up". */
  readonly power?: keyof typeof PowerRounding;
}

/** Types that overflow to infinity whatever a Cast says: `saturate` is about 8 bits. */
const NEVER_SATURATED: readonly BitsType[] = ["float16", "bfloat16"];
const EXPONENT_ONLY = "float8e8m0";

const scratch = new DataView(new ArrayBuffer(8));

/** The exponent of a positive, finite number: ⌊log2 x⌋, −1023 for subnormals of float64. */
function exponentOf(x: number): number {
  scratch.setFloat64(0, x);
  return (scratch.getUint16(0) >> 4) - 1023;
}

/** 2^e, exact, for −1022 ≤ e ≤ 1023. */
function power(e: number): number {
  scratch.setFloat64(0, 0);
  scratch.setUint16(0, (e + 1023) << 4);
  return scratch.getFloat64(0);
}

/** The value of a bit pattern; exact. */
export function smallFloatValue(type: BitsType, bits: number): number {
  if (type === EXPONENT_ONLY) return bits === 255 ? Number.NaN : power(bits - 127);
  const [mantissa, bias] = [MantissaBits[type], ExponentBias[type]];
  const magnitude = bits & (SignBit[type] - 1);
  const sign = bits & SignBit[type] ? -1 : 1;
  if (magnitude > Largest[type] || (type.endsWith("fnuz") && bits === SignBit[type])) {
    const [infinity, nan]: [number, number] = [Overflow[type], NotANumber[type]];
    const infinite = magnitude === infinity && infinity !== nan;
    return infinite ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  const exponent = magnitude >> mantissa;
  const fraction = magnitude & ((1 << mantissa) - 1);
  const steps = exponent === 0 ? fraction : fraction + (1 << mantissa);
  return sign * steps * power(Math.max(exponent, 1) - bias - mantissa);
}

/** The bit pattern of the nearest number of the type, ties to even. */
export function smallFloatBits(
  type: BitsType,
  value: number,
  { saturate = true, power: to = "up" }: FloatRounding = {},
): number {
  if (type === EXPONENT_ONLY) return powerBits(Math.abs(value), saturate, to);
  if (Number.isNaN(value)) return NotANumber[type];
  const [mantissa, bias] = [MantissaBits[type], ExponentBias[type]];
  const sign = value < 0 || Object.is(value, -0) ? SignBit[type] : 0;
  const a = Math.abs(value);
  const exponent = Math.max(exponentOf(a), 1 - bias);
  // In steps of the last place: a carry out of the mantissa is the next exponent. Infinity has steps enough.
  const steps = a === Number.POSITIVE_INFINITY ? a : roundEven(a * power(mantissa - exponent));
  let bits = ((exponent + bias - 1) << mantissa) + Math.min(steps, 1 << (mantissa + 1));
  if (a === Number.POSITIVE_INFINITY || bits > Largest[type]) {
    bits = saturate && !NEVER_SATURATED.includes(type) ? Largest[type] : Overflow[type];
  }
  if (bits === 0 && type.endsWith("fnuz")) return 0;
  return bits | sign;
}

/** float8e8m0 of a magnitude: 2^(code − 127); 255 is NaN, which infinity becomes as well. */
function powerBits(a: number, saturate: boolean, rounding: keyof typeof PowerRounding): number {
  if (!(a < Number.POSITIVE_INFINITY)) return 255;
  let exponent = Math.max(exponentOf(a), -127);
  const rest = a * power(-exponent);
  if (rounding === "nearest" ? rest >= 1.5 : rounding === "up" && rest > 1) exponent++;
  if (exponent <= 127) return exponent + 127;
  return saturate ? 254 : 255;
}

const tables = new Map<BitsType, Float32Array>();

/** The values of all bit patterns of a type: a table is 25 times as fast as computing them (6.5 ns against 156 ns an element). */
function tableOf(type: BitsType): Float32Array {
  let table = tables.get(type);
  if (table === undefined) {
    table = new Float32Array(type === EXPONENT_ONLY ? 256 : 2 * SignBit[type]);
    for (let bits = 0; bits < table.length; bits++) table[bits] = smallFloatValue(type, bits);
    tables.set(type, table);
  }
  return table;
}

/** The values of bit patterns; exact. */
export function smallFloatValues(type: BitsType, bits: ArrayLike<number>): Float32Array {
  const table = tableOf(type);
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = table[bits[i]!]!;
  return values;
}

/** The value of IEEE binary16 bits; exact. */
export function halfToFloat(bits: number): number {
  return tableOf("float16")[bits]!;
}

/** The bits of the nearest binary16, ties to even; NaN is 0x7e00. */
export function floatToHalf(value: number): number {
  return smallFloatBits("float16", value);
}

/** The nearest integer, ties to even; as ONNX's Round. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
