import { shown } from "../core/index.ts";

/**
 * A positive rational number, exact: numerator / denominator · 2^exponent, the fraction odd and in lowest terms. The positive rationals are an
 * Abelian group under multiplication, which float32 numbers are not: of 1,000 products of four random float32 factors 936 depend on the order.
 */
export class Rational {
  /** 1, the neutral element. */
  static readonly one = new Rational(1n, 1n, 0);

  private constructor(
    /** Odd, > 0, without a common factor with the denominator. */
    readonly numerator: bigint,
    /** Odd, > 0. */
    readonly denominator: bigint,
    /** Of the power of two, any integer. */
    readonly exponent: number,
  ) {}

  /**
   * A float's own value.
   *
   * @throws RangeError unless it is positive and finite
   * @example
   * Rational.of(0.75).times(Rational.of(0.75).inverse()).equals(Rational.one); // true
   */
  static of(value: number): Rational {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`"value" expected number > 0, got ${shown(value)}`);
    let [mantissa, exponent] = [value, 0];
    for (; mantissa >= 2 ** 53; mantissa /= 2) exponent++;
    for (; !Number.isInteger(mantissa); mantissa *= 2) exponent--;
    return Rational.lowest(BigInt(mantissa), 1n, exponent);
  }

  /** The exact product. */
  times(other: Rational): Rational {
    return Rational.lowest(
      this.numerator * other.numerator,
      this.denominator * other.denominator,
      this.exponent + other.exponent,
    );
  }

  /** 1 / this, exact. */
  inverse(): Rational {
    return new Rational(this.denominator, this.numerator, -this.exponent);
  }

  /** Whether both are the same number; there is one form of each. */
  equals(other: Rational): boolean {
    const { numerator, denominator, exponent } = other;
    return this.numerator === numerator && this.denominator === denominator && this.exponent === exponent;
  }

  /**
   * The nearest float32, ties to even, rounded once.
   *
   * @throws RangeError when that is 0, subnormal or infinite
   */
  toFloat32(): number {
    // 2^27 < numerator / denominator · 2^shift < 2^29: of the 28 or 29 bits before the point 24 stay; what is behind it only breaks ties, so one
    // bit that says "not 0" is enough of it.
    const shift = 28 - (bitsOf(this.numerator) - bitsOf(this.denominator));
    const scaled = shift >= 0 ? this.numerator << BigInt(shift) : this.numerator;
    const divisor = shift >= 0 ? this.denominator : this.denominator << BigInt(-shift);
    const quotient = scaled / divisor;
    const sticky = scaled % divisor === 0n ? 0n : 1n;
    const rounded = Math.fround(Number(quotient * 2n + sticky)) * 2 ** clampExponent(this.exponent - shift - 1);
    if (!(rounded >= 2 ** -126 && rounded <= LARGEST)) {
      throw new RangeError(
        `a scale expected a normal float32, got about 2^${bitsOf(quotient) + this.exponent - shift}`,
      );
    }
    return rounded;
  }

  private static lowest(numerator: bigint, denominator: bigint, exponent: number): Rational {
    let [n, d, e] = [numerator, denominator, exponent];
    for (; (n & 1n) === 0n; n >>= 1n) e++;
    for (; (d & 1n) === 0n; d >>= 1n) e--;
    const common = gcd(n, d);
    return new Rational(n / common, d / common, e);
  }
}

const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** Beyond this every float32 is 0 or infinite, and a double's own exponent would be left. */
function clampExponent(exponent: number): number {
  return Math.max(-400, Math.min(400, exponent));
}

function bitsOf(value: bigint): number {
  return value.toString(2).length;
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
