// Integer arithmetic with one rounding per neuron, in float32 operators that give the same bits everywhere: integers up to 2^24 are exact.
import { BitbasisError } from "../core/index.ts";
import type { GraphBuilder } from "./graph-builder.ts";

/** Integers up to here are exact in float32. */
const EXACT = 2 ** 24;

/** Sums Σ w·x of integers, as operators that are written with the weights as they are or with a digit of each. */
export interface IntegerProduct {
  /** Of the messages: "layer 3", `Conv at "c"`. */
  readonly name: string;
  /** Writes the product with every weight mapped by `digit`. */
  emit(digit: (w: number) => number): string;
  /** Largest Σ |digit(w)|·|x| of a neuron. */
  largest(digit: (w: number) => number): number;
  /** What is added to the sums, one per neuron, as integers. */
  readonly biases: readonly number[];
  /** Shape in which biases broadcast to the sums. */
  readonly biasShape: readonly number[];
}

/**
 * b + Σ w·x, exact wherever |it| ≤ limit, and beyond that on the right side. Where all of it stays below 2^24, one product. Otherwise w = 2^e·u + v, and
 * 2^e·(Σ u·x + b′) is clipped so far out that Σ v·x cannot bring it back.
 *
 * @throws BitbasisError (`UNSUPPORTED`) where the sums are too wide even so
 */
export function exactSums(builder: GraphBuilder, product: IntegerProduct, limit: number): string {
  const { biases, biasShape } = product;
  const sums = (digit: (w: number) => number): string => {
    const made = product.emit(digit);
    const added = biases.map(digit);
    return added.every((b) => b === 0)
      ? made
      : builder.node("Add", [made, builder.floats(biasShape, (o) => added[o]!)]);
  };
  const most = biases.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (product.largest((w) => w) + most < EXACT) return sums((w) => w);
  for (let base = 2; base <= EXACT; base *= 2) {
    const high = (w: number): number => Math.round(w / base);
    const low = (w: number): number => w - base * high(w);
    const lowest = product.largest(low) + base;
    const bound = Math.ceil((limit + 2 * lowest) / base);
    if (product.largest(high) + Math.abs(high(most)) + 1 >= EXACT || base * bound + lowest >= EXACT) continue;
    const clipped = clip(builder, sums(high), -bound, bound);
    return builder.node("Add", [builder.node("Mul", [clipped, builder.floats([], () => base)]), sums(low)]);
  }
  throw new BitbasisError("UNSUPPORTED", `${product.name} is too wide for exact sums in float32`);
}

/** Between what `roundSums` cuts its results off; one bound is ± the largest number of the format, or nearer to 0. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * clip(T/d rounded to the nearest integer, ties away from zero). For even d that is ⌊(T + d/2 − [T < 0])/d⌋; an odd one has no ties, and it is ⌊(2T + d)/2d⌋. A quotient that is no
 * integer lies at least 1/d (1/2d) below the next one, which float32 resolves below 2^24/d.
 *
 * @throws BitbasisError (`UNSUPPORTED`) where float32 does not
 */
export function roundSums(
  builder: GraphBuilder,
  sums: string,
  d: number,
  { low, high }: Bounds,
  output?: string,
): string {
  if (d === 1) return clip(builder, sums, low, high, output);
  const constant = (value: number): string => builder.floats([], () => value);
  const reach = sumLimit(d, { low, high });
  const odd = d % 2 === 1;
  if ((odd ? 2 : 1) * (reach + d) >= EXACT) {
    throw new BitbasisError("UNSUPPORTED", `rounding at s = ${d}, M = ${Math.max(-low, high)} is not exact in float32`);
  }
  const near = clip(builder, sums, low === 0 ? -d : -reach, reach);
  let shifted = builder.node("Add", [odd ? builder.node("Add", [near, near]) : near, constant(odd ? d : d / 2)]);
  if (!odd && low < 0) {
    const negative = clip(builder, builder.node("Neg", [near]), 0, 1);
    shifted = builder.node("Sub", [shifted, negative]);
  }
  const rounded = builder.node("Floor", [builder.node("Div", [shifted, constant(odd ? 2 * d : d)])]);
  return clip(builder, rounded, low, high, output);
}

/** Sums of at least this size are rounded to the bounds. */
export function sumLimit(d: number, { low, high }: Bounds): number {
  return d * (Math.max(-low, high) + 1);
}

export function clip(builder: GraphBuilder, x: string, low: number, high: number, output?: string): string {
  return builder.node("Clip", [x, builder.floats([], () => low), builder.floats([], () => high)], {}, output);
}
