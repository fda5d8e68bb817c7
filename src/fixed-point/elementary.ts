/**
 * Elementary functions from IEEE additions, multiplications and divisions only: engines differ in Math.exp and its like, and a table that
 * decides a verdict must not. Absolute error of every function here ≤ 2^−46·max(1, |argument|, |value|): a few roundings each, against
 * which that is loose by a factor above 16. Whatever lies nearer than that to a rounding boundary is decided by interval.ts.
 */
export const ERROR = 2 ** -46;

const LN2_HIGH = fromBits(0x3fe62e42_fee00000n); // the upper 33 bits of log 2 = 0.693147…
const LN2_LOW = fromBits(0x3dea39ef_35793c76n); // log 2 − LN2_HIGH = 1.908e−10
const LOG2_E = 1 / Math.LN2;
const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
const TWO_OVER_PI = 2 / Math.PI;
/** π/2 in three parts of 33 bits; products of the first two with integers below 2^20 are exact. */
const HALF_PI = [0x3ff921fb_54400000n, 0x3dd0b461_1a600000n, 0x3ba3198a_2e037073n].map(fromBits) as [
  number,
  number,
  number,
];

function fromBits(pattern: bigint): number {
  return new Float64Array(BigUint64Array.of(pattern).buffer)[0]!;
}

const bits = new DataView(new ArrayBuffer(8));

/** e^x for x ≤ 0. */
export function exp(x: number): number {
  if (x < -700) return 0;
  const k = Math.round(x * LOG2_E);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  for (let n = 14; n >= 1; n--) sum = 1 + (sum * r) / n;
  bits.setUint32(0, (k + 1023) << 20);
  return sum * bits.getFloat64(0);
}

/** log(1 + y) for 0 ≤ y ≤ 1: 2·artanh(y/(2 + y)). */
export function log1p(y: number): number {
  const z = y / (2 + y);
  const square = z * z;
  let sum = 0;
  for (let n = 37; n >= 1; n -= 2) sum = sum * square + 1 / n;
  return 2 * z * sum;
}

export function tanh(x: number): number {
  const e = exp(-2 * Math.abs(x));
  const t = (1 - e) / (1 + e);
  return x < 0 ? -t : t;
}

/** 2/√π·e^(−x²)·Σ 2^n x^(2n+1)/(1·3·…·(2n + 1)): every term positive, so nothing cancels. */
export function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x > 6) return 1;
  const doubled = 2 * x * x;
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 2 ** -56; n++) {
    term *= doubled / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_SQRT_PI * exp(-x * x) * sum;
}

/** cos x for |x| ≤ 2^17. */
export function cos(x: number): number {
  const quarter = Math.round(x * TWO_OVER_PI);
  const r = x - quarter * HALF_PI[0] - quarter * HALF_PI[1] - quarter * HALF_PI[2];
  const square = r * r;
  // Taylor's series of cos (n even) or sin (n odd) from the smallest term.
  let sum = 1;
  for (let n = quarter & 1 ? 19 : 18; n >= 2; n -= 2) sum = 1 - (sum * square) / (n * (n - 1));
  const turn = quarter & 3;
  const value = turn === 1 || turn === 3 ? r * sum : sum;
  return turn === 1 || turn === 2 ? -value : value;
}
