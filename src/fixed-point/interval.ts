/**
 * Proved enclosures of elementary functions at rational points, in BigInt fixed point: a real x is enclosed by lo·2^−F ≤ x ≤ hi·2^−F with
 * F = 256. Every operation rounds outward, every series carries its remainder. Slow, and needed only where doubles cannot decide.
 */
const F = 256n;
const ONE = 1n << F;

export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b));
const ceilDiv = (a: bigint, b: bigint): bigint => -floorDiv(-a, b);

/** n/d, d > 0. */
export function rational(n: bigint, d: bigint): Interval {
  return { lo: floorDiv(n << F, d), hi: ceilDiv(n << F, d) };
}

export function add(a: Interval, b: Interval): Interval {
  return { lo: a.lo + b.lo, hi: a.hi + b.hi };
}

export function negate(a: Interval): Interval {
  return { lo: -a.hi, hi: -a.lo };
}

export function multiply(a: Interval, b: Interval): Interval {
  const products = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  const lo = products.reduce((x, y) => (y < x ? y : x));
  const hi = products.reduce((x, y) => (y > x ? y : x));
  return { lo: floorDiv(lo, ONE), hi: ceilDiv(hi, ONE) };
}

/** 1/a for a > 0. */
export function reciprocal(a: Interval): Interval {
  return { lo: floorDiv(ONE * ONE, a.hi), hi: ceilDiv(ONE * ONE, a.lo) };
}

const one = rational(1n, 1n);

/** Σ_{n<N} term(n), with |remainder| ≤ the last term taken, which the callers' series guarantee once terms at least halve. */
function series(first: Interval, next: (term: Interval, n: bigint) => Interval): Interval {
  let sum = first;
  let term = first;
  for (let n = 1n; ; n++) {
    term = next(term, n);
    sum = add(sum, term);
    const size = term.hi > -term.lo ? term.hi : -term.lo;
    if (size <= 4n) return { lo: sum.lo - size, hi: sum.hi + size };
  }
}

const scaleDown = (a: Interval, by: bigint): Interval => ({ lo: floorDiv(a.lo, by), hi: ceilDiv(a.hi, by) });

/** e^a for a ≤ 1/2. The argument is halved until it is below 1/2, so that terms of Taylor's series at least halve; the result is squared back. */
export function exp(a: Interval): Interval {
  if (a.hi < -200n * ONE) return { lo: 0n, hi: 1n };
  let halvings = 0;
  let x = a;
  while (-x.lo > ONE / 2n) {
    x = scaleDown(x, 2n);
    halvings++;
  }
  let result = series(one, (term, n) => scaleDown(multiply(term, x), n));
  for (; halvings > 0; halvings--) result = multiply(result, result);
  return { lo: result.lo > 0n ? result.lo : 0n, hi: result.hi };
}

/** log(1 + a) for 0 ≤ a ≤ 1: 2·artanh(a/(2 + a)), whose terms fall by at least 9. */
export function log1p(a: Interval): Interval {
  const y = multiply(a, reciprocal(add(a, rational(2n, 1n))));
  const square = multiply(y, y);
  let power = y;
  const sum = series(y, (_, n) => {
    power = multiply(power, square);
    return scaleDown(power, 2n * n + 1n);
  });
  return add(sum, sum);
}

/** π by Machin's formula. */
export function pi(): Interval {
  const arctan = (inverse: bigint): Interval => {
    let power = rational(1n, inverse);
    return series(power, (_, n) => {
      power = negate(scaleDown(power, inverse * inverse));
      return scaleDown(power, 2n * n + 1n);
    });
  };
  const sixteen = multiply(rational(16n, 1n), arctan(5n));
  return add(sixteen, negate(multiply(rational(4n, 1n), arctan(239n))));
}

/** cos a by reduction to |x| ≤ 2π and Taylor's series; halved until |x| ≤ 1, where terms halve. */
export function cos(a: Interval): Interval {
  const circle = add(pi(), pi());
  const turns = a.lo / circle.lo;
  let x = add(a, {
    lo: -turns * (turns > 0n ? circle.hi : circle.lo),
    hi: -turns * (turns > 0n ? circle.lo : circle.hi),
  });
  let halvings = 0;
  while (x.hi > ONE || -x.lo > ONE) {
    x = scaleDown(x, 2n);
    halvings++;
  }
  const square = multiply(x, x);
  let result = series(one, (term, n) => scaleDown(negate(multiply(term, square)), (2n * n - 1n) * (2n * n)));
  for (; halvings > 0; halvings--) result = add(multiply(rational(2n, 1n), multiply(result, result)), negate(one));
  return result;
}

/**
 * erf a = 2/√π · e^(−a²) · Σ 2^n a^(2n+1) / (1·3·…·(2n + 1)), and 1 − e^(−a²) < erf a < 1 for a > 9: the series loses what the exponential
 * gains, so enclosures are 2^−120 wide at worst.
 */
export function erf(a: Interval): Interval {
  if (a.hi < 0n) return negate(erf(negate(a)));
  if (a.lo > 9n * ONE) return { lo: ONE - exp(negate(multiply(a, a))).hi, hi: ONE };
  const square = multiply(a, a);
  const doubled = add(square, square);
  let sum = a;
  let term = a;
  for (let n = 1n; ; n++) {
    term = scaleDown(multiply(term, doubled), 2n * n + 1n);
    sum = add(sum, term);
    // From here on terms fall by more than half, so the tail is below the last term.
    if (doubled.hi < n * ONE && term.hi <= 4n) break;
  }
  sum = { lo: sum.lo, hi: sum.hi + 4n };
  return multiply(multiply(sum, exp(negate(square))), squareRootOver(4n, pi()));
}

/** √(n/a) for a > 0. */
export function squareRootOver(n: bigint, a: Interval): Interval {
  const quotient = multiply(reciprocal(a), rational(n, 1n));
  return { lo: floorSqrt(quotient.lo << F), hi: floorSqrt(quotient.hi << F) + 1n };
}

/** Newton's method from above. */
function floorSqrt(n: bigint): bigint {
  let x = 1n << BigInt(Math.ceil(n.toString(2).length / 2) + 1);
  while (true) {
    const next = (x + n / x) / 2n;
    if (next >= x) return x;
    x = next;
  }
}

/** The nearest integer, ties away from zero; undefined when the enclosure does not decide. */
export function round(a: Interval): number | undefined {
  const nearest = (v: bigint): bigint => (v >= 0n ? (2n * v + ONE) / (2n * ONE) : -((-2n * v + ONE) / (2n * ONE)));
  const lo = nearest(a.lo);
  return lo === nearest(a.hi) ? Number(lo) : undefined;
}
