import * as fast from "./elementary.ts";
import * as exact from "./interval.ts";

/** A named activation σ. */
export interface Definition {
  readonly name: string;
  readonly monotone?: true;
  /** s·σ(k/s) as numerator and positive denominator, for the k where it is rational. */
  rational?(k: number, s: number): readonly [number, number] | undefined;
  /** Elsewhere: σ(x) in doubles to the error of elementary.ts, and its enclosure. The value is irrational, so enclosures decide ties. */
  readonly real?: { fast(x: number): number; exact(x: exact.Interval): exact.Interval };
}

type Interval = exact.Interval;
const integer = (n: number): Interval => exact.rational(BigInt(n), 1n);
const one = integer(1);
const two = integer(2);

/** 1/(1 + e^−x), with the exponential of a negative number only. */
function sigmoidExact(x: Interval): Interval {
  if (x.lo >= 0n) return exact.reciprocal(exact.add(one, exact.exp(exact.negate(x))));
  const e = exact.exp(x);
  return exact.multiply(e, exact.reciprocal(exact.add(one, e)));
}

function sigmoidFast(x: number): number {
  const e = fast.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

const tanhExact = (x: Interval): Interval =>
  exact.add(exact.multiply(two, sigmoidExact(exact.add(x, x))), exact.negate(one));

const softplusFast = (x: number): number => Math.max(x, 0) + fast.log1p(fast.exp(-Math.abs(x)));
const softplusExact = (x: Interval): Interval =>
  x.lo > 0n ? exact.add(x, exact.log1p(exact.exp(exact.negate(x)))) : exact.log1p(exact.exp(x));

const ROOT_TWO_OVER_PI = 0.7978845608028654;
const CUBIC = 44715; // in millionths: 0.044715 is GELU's published constant
const innerFast = (x: number): number => ROOT_TWO_OVER_PI * (x + (CUBIC / 1e6) * x * x * x);
function innerExact(x: Interval): Interval {
  const cube = exact.multiply(exact.multiply(x, x), x);
  const polynomial = exact.add(x, exact.multiply(exact.rational(BigInt(CUBIC), 1000000n), cube));
  return exact.multiply(exact.squareRootOver(2n, exact.pi()), polynomial);
}

const halfTimes = (x: Interval, y: Interval): Interval => exact.multiply(exact.multiply(x, exact.rational(1n, 2n)), y);
const clip = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const zeroAtZero = (k: number): readonly [number, number] | undefined => (k === 0 ? [0, 1] : undefined);

const list: readonly Definition[] = [
  { name: "identity", monotone: true, rational: (k) => [k, 1] },
  { name: "relu", monotone: true, rational: (k) => [Math.max(k, 0), 1] },
  { name: "leaky_relu", monotone: true, rational: (k) => [k < 0 ? k : 100 * k, 100] },
  {
    name: "elu",
    monotone: true,
    rational: (k) => (k >= 0 ? [k, 1] : undefined),
    real: { fast: (x) => fast.exp(x) - 1, exact: (x) => exact.add(exact.exp(x), exact.negate(one)) },
  },
  {
    name: "silu",
    rational: zeroAtZero,
    real: { fast: (x) => x * sigmoidFast(x), exact: (x) => exact.multiply(x, sigmoidExact(x)) },
  },
  {
    name: "mish",
    rational: zeroAtZero,
    real: {
      fast: (x) => x * fast.tanh(softplusFast(x)),
      exact: (x) => exact.multiply(x, tanhExact(softplusExact(x))),
    },
  },
  {
    name: "gelu",
    rational: zeroAtZero,
    real: {
      fast: (x) => 0.5 * x * (1 + fast.erf(x * Math.SQRT1_2)),
      exact: (x) => halfTimes(x, exact.add(one, exact.erf(exact.multiply(x, exact.squareRootOver(1n, two))))),
    },
  },
  {
    name: "gelu_tanh",
    rational: zeroAtZero,
    real: {
      fast: (x) => 0.5 * x * (1 + fast.tanh(innerFast(x))),
      exact: (x) => halfTimes(x, exact.add(one, tanhExact(innerExact(x)))),
    },
  },
  { name: "softplus", monotone: true, real: { fast: softplusFast, exact: softplusExact } },
  {
    name: "sigmoid",
    monotone: true,
    rational: (k, s) => (k === 0 ? [s, 2] : undefined),
    real: { fast: sigmoidFast, exact: sigmoidExact },
  },
  { name: "tanh", monotone: true, rational: zeroAtZero, real: { fast: fast.tanh, exact: tanhExact } },
  { name: "hardtanh", monotone: true, rational: (k, s) => [clip(k, -s, s), 1] },
  { name: "hardsigmoid", monotone: true, rational: (k, s) => [clip(k + 3 * s, 0, 6 * s), 6] },
  { name: "hardswish", rational: (k, s) => [k * clip(k + 3 * s, 0, 6 * s), 6 * s] },
  { name: "sign", monotone: true, rational: (k, s) => [Math.sign(k) * s, 1] },
  { name: "step", monotone: true, rational: (k, s) => [k >= 0 ? s : 0, 1] },
  { name: "square", rational: (k, s) => [k * k, s] },
  { name: "abs", rational: (k) => [Math.abs(k), 1] },
  { name: "cos", rational: (k, s) => (k === 0 ? [s, 1] : undefined), real: { fast: fast.cos, exact: exact.cos } },
];

/** By name without underscores. Slopes and conventions: leaky slope 0.01, ELU α = 1, hardsigmoid clip(x/6 + 1/2, 0, 1), step(0) = 1, sign(0) = 0. */
export const definitions: Readonly<Record<string, Definition>> = Object.fromEntries(
  list.map((definition) => [definition.name.replaceAll("_", ""), definition]),
);
