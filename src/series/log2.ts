/**
 * log2 by + − × ÷ alone, so that a threshold that is held against it falls the same way in every engine, whose own logarithms differ in the last
 * bit. Exact for powers of two, within 4e-16 of the rest relative to 1 + |log2 x|.
 *
 * @example
 * log2(0.125); // -3
 */
export function log2(x: number): number {
  // 0, infinities and NaN: ECMAScript says exactly what comes out.
  if (!(x > 0 && x < Number.POSITIVE_INFINITY)) return Math.log2(x);
  let [mantissa, exponent] = [x, 0];
  for (; mantissa >= 2; mantissa /= 2) exponent++;
  for (; mantissa < 1; mantissa *= 2) exponent--;
  // ln m = 2·artanh(t), t = (m − 1)/(m + 1) < 1/3: the term t^35/35 is below 2^−60.
  const t = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let k = 33; k > 0; k -= 2) sum = sum * t * t + 1 / k;
  return exponent + (2 * t * sum) / Math.LN2;
}
