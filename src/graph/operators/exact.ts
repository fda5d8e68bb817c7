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
  const centred = Float32Array.from(from);
  if (points === undefined) return centred;
  for (let start = 0, row = 0; start < centred.length; start += stride, row++) {
    const point = points[points.length === 1 ? 0 : row % extent]!;
    for (let at = start; at < start + stride; at++) centred[at] = centred[at]! - point;
  }
  return centred;
}

/** The output that weight `at` belongs to is ⌊at / stride⌋ mod count. */
interface Outputs {
  readonly count: number;
  readonly stride: number;
}

/** Largest Σ|w| over the weights of one output. */
function largestSum(weights: Float32Array, { count, stride }: Outputs): number {
  const sums = new Float64Array(count);
  for (let start = 0, row = 0; start < weights.length; start += stride, row = (row + 1) % count) {
    for (let at = start; at < start + stride; at++) sums[row] = sums[row]! + Math.abs(weights[at]!);
  }
  return sums.reduce((a, b) => Math.max(a, b), 0);
}

/** w = Σ digit·base^i with digits in −base/2 … base/2 − 1, of base 2 in −1 … 1 with the sign of w; lowest first. */
function digitsOf(weights: Float32Array, base: number): Float32Array[] {
  const planes: Float32Array[] = [];
  const rest = weights.slice();
  for (let left = true; left; ) {
    const digits = new Float32Array(rest.length);
    left = false;
    for (let at = 0; at < rest.length; at++) {
      const value = rest[at]!;
      const carried = base === 2 ? Math.trunc(value / 2) : Math.floor((value + base / 2) / base);
      digits[at] = value - base * carried;
      rest[at] = carried;
      left ||= carried !== 0;
    }
    planes.push(digits);
  }
  return planes;
}

/**
 * The int32 result of a linear operator on integers, by float32 products whose every partial sum is an integer below 2^24: the weights are cut into
 * as few digits as that takes by their own sums.
 *
 * @param x - float32 integers of magnitude ≤ 255
 * @param weights - of these dims; `outputs` says which output an element belongs to
 */
export function exactProduct(
  make: Maker,
  op: "Conv" | "MatMul",
  x: string,
  weights: Float32Array,
  dims: readonly number[],
  outputs: Outputs,
  attributes: Readonly<Record<string, Attribute>>,
): string {
  const fits = (planes: readonly Float32Array[]): boolean =>
    planes.every((plane) => isExactSum(largestSum(plane, outputs)));
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
