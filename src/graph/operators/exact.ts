import { sizeOf, stridesOf, Tensor } from "../../tensor/index.ts";
import type { Attribute, Node } from "../graph.ts";
import type { Maker } from "./maker.ts";

/** Integers up to here are floats, and so are their sums in any order while none passes it. */
const EXACT = 2 ** 24;
/** Largest magnitude of an activation: 8 bits less a zero point of 8 bits. */
export const LARGEST = 255;

/** Attribute of linear nodes whose operands are integers and whose float32 result must be exact: no plan may round them. */
export const EXACT_ATTRIBUTE = "exact";

export function isExact(attributes: Node["attributes"]): boolean {
  return attributes[EXACT_ATTRIBUTE] === 1;
}

/** Whether sums of activations times weights are exact, where the magnitudes of the weights of an output add up to this. */
export function isExactSum(weights: number): boolean {
  return weights * LARGEST < EXACT;
}

/** Weights less their zero points, one for all or one per index of `axis`. */
export function centred(make: Maker, weights: Tensor, zeros: Tensor | undefined, axis: number): Float32Array {
  const from = weights.data as Int8Array | Uint8Array;
  const stride = stridesOf(weights.dims)[axis] ?? 1;
  const extent = weights.dims[axis] ?? 1;
  const points = zeros?.data as Int8Array | Uint8Array | undefined;
  if (points !== undefined && points.length !== 1 && points.length !== extent)
    throw make.fail(`the zero points of the weights expected 1 or ${extent} values, got ${points.length}`, "MODEL");
  return Float32Array.from(from, (value, at) => {
    if (points === undefined) return value;
    return value - points[points.length === 1 ? 0 : Math.floor(at / stride) % extent]!;
  });
}

/** Largest Σ|w| over the weights of one output; `rowOf` says which output an element belongs to. */
function largestSum(weights: Float32Array, outputs: number, rowOf: (at: number) => number): number {
  const sums = new Float64Array(outputs);
  weights.forEach((value, at) => {
    const row = rowOf(at);
    sums[row] = sums[row]! + Math.abs(value);
  });
  return sums.reduce((a, b) => Math.max(a, b), 0);
}

/** w = Σ digit·base^i with digits in −base/2 … base/2 − 1, lowest first. */
function digitsOf(weights: Float32Array, base: number): Float32Array[] {
  const planes: Float32Array[] = [];
  for (let rest = weights; rest.some((value) => value !== 0) || planes.length === 0; ) {
    const digits = rest.map((value) => value - base * Math.floor((value + base / 2) / base));
    planes.push(digits);
    rest = rest.map((value, at) => (value - digits[at]!) / base);
  }
  return planes;
}

/**
 * The int32 result of a linear operator on integers, by float32 products whose every partial sum is an integer below 2^24: the weights are cut into
 * as few digits as that takes by their own sums.
 *
 * @param x - float32 integers of magnitude ≤ 255
 * @param weights - of these dims; `rowOf` says which output an element belongs to
 */
export function exactProduct(
  make: Maker,
  op: "Conv" | "MatMul",
  x: string,
  weights: Float32Array,
  dims: readonly number[],
  outputs: { readonly count: number; readonly of: (at: number) => number },
  attributes: Readonly<Record<string, Attribute>>,
): string {
  const fits = (planes: readonly Float32Array[]): boolean =>
    planes.every((plane) => isExactSum(largestSum(plane, outputs.count, outputs.of)));
  let [planes, base] = [[weights], 1];
  for (const next of [16, 4, 2]) {
    if (fits(planes)) break;
    [planes, base] = [digitsOf(weights, next), next];
  }
  if (!fits(planes)) throw make.fail(`a sum of ${sizeOf(dims) / outputs.count} products is not exact in float32`);
  const sums = planes.map((plane) => {
    const own = make.add("weights", new Tensor("float32", plane, dims));
    return make.op("Cast", [make.op(op, [x, own], { ...attributes, [EXACT_ATTRIBUTE]: 1 })], { to: 6 });
  });
  return sums.reduceRight((high, low) =>
    make.op("Add", [make.op("Mul", [high, make.tensor("base", "int32", base)]), low]),
  );
}
