import { Digits } from "../core/abi/series.ts";
import { checkInteger, checkList, shown } from "../core/index.ts";

/**
 * Digit systems: how a wide integer Q is written as k digits of X bits, Q = Σ D_i · B^(k−i), most significant first.
 *
 * | system | digits | largest symmetric Q |
 * |---|---|---|
 * | signed | −2^(X−1) … 2^(X−1)−1 each | (2^(X−1)−1)(2^(Xk)−1)/(2^X−1) |
 * | odd, B = 2^X − 1 | ±(2^(X−1)−1) | (B^k − 1)/2 |
 * | mixed | the first signed, the rest unsigned | 2^(Xk−1) − 1 |
 * | unsigned | 0 … 2^X−1, with a zero point | 2^(Xk) − 1 |
 *
 * All are one wide rounding and a digit split. The recurrence of the literature (digit = round(residual/s), s /= 2^X, digits clipped to
 * INT-X) is not the same and does not converge: a residual of +s/2 gives the digit +2^(X−1), which INT-X does not have.
 */
export type DigitSystem = "signed" | "odd" | "mixed" | "unsigned";

/** All of them. */
export const DIGIT_SYSTEMS: readonly DigitSystem[] = ["signed", "odd", "mixed", "unsigned"];

/** Widest series that runs as one product: bits·terms. One fused operand is an int16. */
export const LARGEST_WIDTH = 16;

/** Widest weights of a layer, of signed digits: beyond 16 bits it is a sum of products of a few terms each. */
export const LARGEST_SUM = 32;

/** Widest series that `expand` makes: Q and every prefix are exact in f64, and nearestEven is exact below 2^51. */
export const LARGEST_EXPANSION = 48;

/** The number by which the kernels know a digit system. */
export function digitsCode(digits: DigitSystem): Digits {
  switch (digits) {
    case "signed":
      return Digits.Signed;
    case "odd":
      return Digits.Odd;
    case "mixed":
      return Digits.Mixed;
    case "unsigned":
      return Digits.Unsigned;
  }
}

/** B: 2^X, or 2^X − 1 in the odd system. */
export function radixOf(bits: number, digits: DigitSystem): number {
  return 2 ** bits - (digits === "odd" ? 1 : 0);
}

/**
 * The largest Q whose negative the system holds too; of the unsigned system the largest Q.
 *
 * @example
 * largestQ(4, 3, "signed"); // 1911
 */
export function largestQ(bits: number, terms: number, digits: DigitSystem): number {
  const radix = radixOf(bits, digits);
  switch (digits) {
    case "signed":
      return ((2 ** (bits - 1) - 1) * (radix ** terms - 1)) / (radix - 1);
    case "odd":
      return (radix ** terms - 1) / 2;
    case "mixed":
      return 2 ** (bits * terms - 1) - 1;
    case "unsigned":
      return radix ** terms - 1;
  }
}

/**
 * Least and largest Q of a digit system: B^k consecutive integers.
 *
 * @example
 * rangeOf(4, 2, "signed"); // [-136, 119]
 */
export function rangeOf(bits: number, terms: number, digits: DigitSystem): [low: number, high: number] {
  const low =
    digits === "unsigned" ? 0 : digits === "mixed" ? -(2 ** (bits * terms - 1)) : -largestTail(bits, terms, digits);
  return [low, low + radixOf(bits, digits) ** terms - 1];
}

/** Whether digit `i` (0 is the most significant) has a sign. */
export function isSigned(digits: DigitSystem, i: number): boolean {
  return digits === "signed" || digits === "odd" || (digits === "mixed" && i === 0);
}

/** Largest |Σ of the last m digits| in units of the finest step: what dropping them can cost beyond the rounding. */
export function largestTail(bits: number, m: number, digits: DigitSystem, lastBits = bits): number {
  const radix = radixOf(bits, digits);
  if (m === 0) return 0;
  switch (digits) {
    case "signed":
      return 2 ** (lastBits - 1) + (2 ** lastBits * 2 ** (bits - 1) * (radix ** (m - 1) - 1)) / (radix - 1);
    case "odd":
      return (radix ** m - 1) / 2;
    default:
      return radix ** m - 1;
  }
}

/**
 * Digits of one integer, most significant first; the kernels do the same for whole tensors.
 *
 * @throws RangeError when `q` does not fit
 * @example
 * splitDigits(7, 4, 2, "signed"); // [0, 7]
 * splitDigits(8, 4, 2, "signed"); // [1, -8]
 */
export function splitDigits(q: number, bits: number, terms: number, digits: DigitSystem): number[] {
  checkSeries(bits, terms, digits, LARGEST_EXPANSION);
  const radix = radixOf(bits, digits);
  const shift = digits === "signed" ? radix / 2 : digits === "odd" ? (radix - 1) / 2 : 0;
  const result = new Array<number>(terms);
  let rest = q;
  for (let i = terms - 1; i > 0; i--) {
    const digit = modulo(rest + shift, radix) - shift;
    result[i] = digit;
    rest = (rest - digit) / radix;
  }
  const half = digits === "odd" ? shift + 1 : 2 ** (bits - 1);
  const [low, high] = digits === "unsigned" ? [0, radix - 1] : digits === "odd" ? [-shift, shift] : [-half, half - 1];
  if (!Number.isInteger(q) || rest < low || rest > high) {
    throw new RangeError(`"q" expected an integer of ${terms} ${digits} digits of ${bits} bits, got ${shown(q)}`);
  }
  result[0] = rest;
  return result;
}

/** Σ D_i · B^(k−i). @throws TypeError or RangeError for what are no digits */
export function joinDigits(values: readonly number[], bits: number, digits: DigitSystem): number {
  checkSeries(bits, 1, digits);
  checkList("values", values);
  for (const value of values) checkInteger("values", value, -(2 ** bits), 2 ** bits);
  const radix = radixOf(bits, digits);
  return values.reduce((sum, digit) => sum * radix + digit, 0);
}

/** Nearest integer, ties to even, exact below 2^51. */
export function nearestEven(x: number): number {
  const big = 2 ** 52;
  if (!(Math.abs(x) < big)) return x;
  return x < 0 ? x - big + big : x + big - big;
}

/**
 * The recurrence as published, for comparison only: digit = nearest(residual/s) clipped to INT-X, s /= 2^X. Its error sticks near
 * s₁/(2(2^X−1)) however many terms are added.
 *
 * @param first - s₁, the scale of the first term
 * @returns digits and what is left of x
 */
export function publishedRecurrence(
  x: number,
  first: number,
  bits: number,
  terms: number,
): {
  /** One per term, the most significant first. */
  digits: number[];
  /** x − Σ scale·digit, in units of x. */
  residual: number;
} {
  checkSeries(bits, terms, "signed", LARGEST_EXPANSION);
  const half = 2 ** (bits - 1);
  const digits: number[] = [];
  let residual = x;
  for (let i = 0, scale = first; i < terms; i++, scale /= 2 ** bits) {
    const digit = Math.min(Math.max(nearestEven(residual / scale), -half), half - 1);
    digits.push(digit);
    residual -= scale * digit;
  }
  return { digits, residual };
}

/** Terms of at most `bits` bits that hold `width` bits, and the bits of the last of them: digits of 4 and 3 for seven bits. */
export function cutWidth(
  width: number,
  bits: number,
): {
  /** ⌈width / bits⌉. */
  readonly terms: number;
  /** 1 … bits. */
  readonly lastBits: number;
} {
  const terms = Math.ceil(width / bits);
  return { terms, lastBits: width - bits * (terms - 1) };
}

/** Throws RangeError unless a series of these bits, terms and digits exists; `width` is the largest bits·terms. */
export function checkSeries(bits: number, terms: number, digits: DigitSystem, width = LARGEST_WIDTH): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 8) {
    throw new RangeError(`"bits" expected integer in 2..8, got ${shown(bits)}`);
  }
  if (!DIGIT_SYSTEMS.includes(digits)) {
    throw new RangeError(`"digits" expected one of ${DIGIT_SYSTEMS.join(", ")}, got ${shown(digits)}`);
  }
  const most = largestTerms(bits, digits, width);
  if (!Number.isInteger(terms) || terms < 1 || terms > most) {
    throw new RangeError(
      `"terms" expected integer in 1..${most} for ${digits} digits of ${bits} bits, got ${shown(terms)}`,
    );
  }
}

/**
 * Most terms of a series: bits·terms ≤ `width`. Of unsigned digits ≤ 15 where the series must run, so that Q − zero always fits 16 bits, and
 * ≤ 32 otherwise, so that the zero point fits an int32.
 */
export function largestTerms(bits: number, digits: DigitSystem, width = LARGEST_WIDTH): number {
  const most = digits !== "unsigned" ? width : width <= LARGEST_WIDTH ? width - 1 : Math.min(width, 32);
  return Math.floor(most / bits);
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b;
}
