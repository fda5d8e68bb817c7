// What tests share that hold operators to plain loops from their definitions.
import { expect } from "vitest";
import type { Tensor } from "../../src/tensor/index.ts";
import { f32 } from "../support/run-node.ts";

/** Elements as numbers. */
export const numbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
/** Elements of a shape. */
export const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
/** Multiples of 1/8 from −11/8 to 11/8, in an order that repeats every 23. */
export const some = (dims: readonly number[], seed = 0): Tensor =>
  f32(
    dims,
    Array.from({ length: size(dims) }, (_, i) => ((((i + seed) * 37) % 23) - 11) / 8),
  );

/** Holds shape and elements to what is expected; what is not finite must be the same. */
export function close(tensor: Tensor, dims: readonly number[], expected: readonly number[], digits = 4): void {
  expect(tensor.dims).toEqual(dims);
  for (const [i, v] of numbers(tensor).entries()) {
    if (Number.isFinite(expected[i]!)) expect(v, `[${i}]`).toBeCloseTo(expected[i]!, digits);
    else expect(v, `[${i}]`).toBe(expected[i]);
  }
}
