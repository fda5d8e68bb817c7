// Dyadic rationals numerator·2^-exponent: what weights, inputs and outputs of every network here are made of. All arithmetic is exact.

/** numerator·2^-exponent in lowest terms: the numerator is odd, or 0 with exponent 0. The exponent is negative for even integers. */
export interface Dyadic {
  /** Odd, or 0. */
  readonly numerator: bigint;
  /** Fractional bits; negative for even integers. */
  readonly exponent: number;
}

export const ZERO: Dyadic = { numerator: 0n, exponent: 0 };
export const ONE: Dyadic = { numerator: 1n, exponent: 0 };

/** Brings numerator·2^-exponent into lowest terms. */
export function dyadic(numerator: bigint, exponent = 0): Dyadic {
  if (numerator === 0n) return ZERO;
  const shift = trailingZeros(numerator);
  return { numerator: numerator >> BigInt(shift), exponent: exponent - shift };
}

/** Zero bits below the lowest one bit; the argument must not be 0. */
export function trailingZeros(value: bigint): number {
  let shift = 0;
  while ((value & 0xffff_ffffn) === 0n) {
    value >>= 32n;
    shift += 32;
  }
  const low = Number(value & 0xffff_ffffn);
  return shift + 31 - Math.clz32(low & -low);
}

/** Bits of |value|: the least k with |value| < 2^k. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : (value < 0n ? -value : value).toString(2).length;
}

const view = new DataView(new ArrayBuffer(8));

/**
 * The exact value of a finite double.
 * @throws RangeError for NaN and infinities
 */
export function fromNumber(value: number): Dyadic {
  if (!Number.isFinite(value)) throw new RangeError(`"value" expected a finite number, got ${value}`);
  if (Number.isSafeInteger(value)) return dyadic(BigInt(value));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const raised = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const magnitude = raised === 0 ? fraction : fraction | (1n << 52n);
  return dyadic(value < 0 ? -magnitude : magnitude, 1075 - Math.max(raised, 1));
}

/**
 * Reads `-3/8`, `7`, `0.375` or `2e-3`.
 * @throws RangeError when the text is no number or its denominator is no power of two
 */
export function parseDyadic(text: string): Dyadic {
  const fraction = /^\s*([+-]?\d+)(?:\/(\d+))?\s*$/.exec(text);
  if (fraction === null) {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value))
      throw new RangeError(`"text" expected a dyadic rational such as -3/8, got ${JSON.stringify(text)}`);
    return fromNumber(value);
  }
  const denominator = BigInt(fraction[2] ?? "1");
  if (denominator === 0n || (denominator & (denominator - 1n)) !== 0n)
    throw new RangeError(`"text" expected a denominator that is a power of two, got ${text.trim()}`);
  return dyadic(BigInt(fraction[1]!), trailingZeros(denominator));
}

/** `-3/8`, or `7` when it is an integer. */
export function formatDyadic({ numerator, exponent }: Dyadic): string {
  return exponent > 0 ? `${numerator}/${1n << BigInt(exponent)}` : `${numerator << BigInt(-exponent)}`;
}

/** value·2^exponent as an integer. The caller guarantees that it is one. */
export function scaled(value: Dyadic, exponent: number): bigint {
  return value.numerator << BigInt(exponent - value.exponent);
}

export function add(x: Dyadic, y: Dyadic): Dyadic {
  const exponent = Math.max(x.exponent, y.exponent);
  return dyadic(scaled(x, exponent) + scaled(y, exponent), exponent);
}

export function negate(x: Dyadic): Dyadic {
  return x.numerator === 0n ? x : { numerator: -x.numerator, exponent: x.exponent };
}

export function subtract(x: Dyadic, y: Dyadic): Dyadic {
  return add(x, negate(y));
}

export function multiply(x: Dyadic, y: Dyadic): Dyadic {
  if (x.numerator === 0n || y.numerator === 0n) return ZERO;
  return { numerator: x.numerator * y.numerator, exponent: x.exponent + y.exponent };
}

/** x·2^power. */
export function shift(x: Dyadic, power: number): Dyadic {
  return x.numerator === 0n ? x : { numerator: x.numerator, exponent: x.exponent - power };
}

export function absolute(x: Dyadic): Dyadic {
  return x.numerator < 0n ? negate(x) : x;
}

/** Negative, 0 or positive as x is less than, equal to or greater than y. */
export function compare(x: Dyadic, y: Dyadic): number {
  const difference = subtract(x, y).numerator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The nearest double, ties away from zero; never infinite for what the constructions here produce. */
export function toNumber({ numerator, exponent }: Dyadic): number {
  const excess = bitLength(numerator) - 60;
  if (excess <= 0) return Number(numerator) * 2 ** -exponent;
  const half = 1n << BigInt(excess - 1);
  const rounded = numerator < 0n ? -((-numerator + half) >> BigInt(excess)) : (numerator + half) >> BigInt(excess);
  return Number(rounded) * 2 ** (excess - exponent);
}

/** The smallest double that is not below the value: for bounds that must stay bounds. */
export function toNumberUp(x: Dyadic): number {
  let value = toNumber(x);
  while (compare(fromNumber(value), x) < 0) value = nextUp(value);
  return value;
}

function nextUp(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return view.getFloat64(0);
}
