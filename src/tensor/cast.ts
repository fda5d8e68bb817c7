import { type FloatRounding, smallFloatBits, smallFloatValues } from "./small-float.ts";
import {
  allocateData,
  type ElementType,
  elementBits,
  holdsBits,
  kindOf,
  type NumericType,
  type TensorData,
} from "./types.ts";

/**
 * Elements in another type, to the bit what the core's Cast makes (assembly/tensor/cast.ts): one rounding from the source's own value, half to
 * even; floats become integers by truncation and saturation, NaN by 0; integers become narrower ones, and everything becomes 4 or 2 bits, by
 * keeping the low bits.
 *
 * @returns `data` itself where the types are equal; undefined for texts, whose spelling of numbers is not ours to define
 */
export function castData(
  data: TensorData,
  from: ElementType,
  to: ElementType,
  rounding: FloatRounding = {},
): TensorData | undefined {
  if (from === to) return data;
  if (from === "string" || to === "string") return undefined;
  const source = (holdsBits(from) ? smallFloatValues(from, data as Uint16Array) : data) as ArrayLike<number | bigint>;
  const result = allocateData(to, source.length) as { [i: number]: number | bigint };
  const convert = converter(from, to, rounding);
  for (let i = 0; i < source.length; i++) result[i] = convert(source[i]!);
  return result as unknown as TensorData;
}

function converter(
  from: NumericType,
  to: NumericType,
  rounding: FloatRounding,
): (v: number | bigint) => number | bigint {
  if (to === "bool") return (v) => (Number(v) === 0 ? 0 : 1);
  if (to === "float64") return Number;
  if (to === "float32") return single; // the array rounds
  if (holdsBits(to)) return (v) => smallFloatBits(to, single(v), rounding);
  const wide = elementBits(to) === 64;
  const whole = kindOf(from) === "float" ? saturated(to) : (v: number | bigint) => v;
  const bits = elementBits(to);
  if (bits >= 8) return wide ? (v) => BigInt(whole(v)) : (v) => lowBits(whole(v));
  const unused = 32 - bits;
  if (kindOf(to) === "signed") return (v) => (lowBits(whole(v)) << unused) >> unused;
  return (v) => (lowBits(whole(v)) << unused) >>> unused;
}

/** The low 32 bits, of which an array keeps those that it has. */
function lowBits(v: number | bigint): number {
  return typeof v === "bigint" ? Number(BigInt.asIntN(32, v)) : v;
}

/** Truncation to what `to` holds; to 64 bits where it has fewer than 8, which then keeps the low ones. */
function saturated(to: NumericType): (v: number | bigint) => number | bigint {
  const bits = elementBits(to) < 8 ? 64 : elementBits(to);
  const signed = bits !== elementBits(to) || kindOf(to) === "signed";
  const low = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = low + 2n ** BigInt(bits) - 1n;
  const [least, most] = [Number(low), Number(high)];
  return (v) => {
    const x = Math.trunc(Number(v));
    if (Number.isNaN(x)) return 0;
    if (x <= least) return bits === 64 ? low : least;
    if (x >= most) return bits === 64 ? high : most;
    return bits === 64 ? BigInt(x) : x;
  };
}

/**
 * A number that rounds to float32 and to all smaller floats as the integer itself does: above 2^53 the low 11 bits are cut off, and the next one
 * is set when one of them was (rounding to odd).
 */
function single(v: number | bigint): number {
  if (typeof v === "number") return v;
  const magnitude = v < 0n ? -v : v;
  if (magnitude < 2n ** 53n) return Number(v);
  const cut = (magnitude >> 11n) | ((magnitude & 2047n) === 0n ? 0n : 1n);
  return (v < 0n ? -1 : 1) * Number(cut) * 2048;
}
