// Digits of weights in base 2^g, as weights of g fractional bits.

/** `magnitude`: sign and magnitude. `signed`: digits between −2^(g−1) and 2^(g−1), of which fewer are non-zero when g = 1. */
export type Recoding = "magnitude" | "signed";

/**
 * Σ digits[k]·2^(gk) = value, |digits[k]| ≤ 2^g, no zero on top. A top digit 1 is merged into the one below where that stays within 2^g:
 * a digit of 2^g is the weight ±1, and saves a step.
 */
export function digitsOf(value: bigint, g: number, recoding: Recoding): number[] {
  const negative = value < 0n;
  let rest = negative ? -value : value;
  const base = 1 << g;
  const digits: number[] = [];
  while (rest > 0n) {
    let digit = Number(rest & BigInt(base - 1));
    rest >>= BigInt(g);
    if (recoding === "signed") {
      const next = Number(rest & BigInt(base - 1));
      if (digit > base / 2 || (digit === base / 2 && next >= base / 2)) {
        digit -= base;
        rest += 1n;
      }
    }
    digits.push(digit);
  }
  const top = digits.length - 1;
  if (top >= 1 && digits[top] === 1 && base + digits[top - 1]! <= base) {
    digits.pop();
    digits[top - 1] = base + digits[top - 1]!;
  }
  return negative ? digits.map((digit) => (digit === 0 ? 0 : -digit)) : digits;
}
