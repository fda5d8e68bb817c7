import { stridesOf, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { copyStrided } from "../operators/elements.ts";
import { madeOnce } from "../sharing.ts";

/** [0, 2, …, r−1, 1]: from channels second to channels last. */
export function toLast(rank: number): number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** [0, r−1, 1, …, r−2]: from channels last to channels second. */
export function toFirst(rank: number): number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

/** Where an axis of the channels-second form is in the channels-last one. */
export function lastAxis(axis: number, rank: number): number {
  return toLast(rank).indexOf(axis < 0 ? axis + rank : axis);
}

export function isIdentity(perm: readonly number[]): boolean {
  return perm.every((axis, i) => axis === i);
}

/** Whether a Transpose of a matrix turns it. */
export function turnsMatrix({ attributes }: Node): boolean {
  return ((attributes["perm"] as readonly number[] | undefined) ?? [1, 0]).join() === "1,0";
}

export function transposed(tensor: Tensor, perm: readonly number[]): Tensor {
  return madeOnce(tensor, [], `turned ${perm}`, () => [turned(tensor, perm)])![0]!;
}

function turned(tensor: Tensor, perm: readonly number[]): Tensor {
  const strides = stridesOf(tensor.dims);
  const dims = perm.map((axis) => tensor.dims[axis]!);
  const moved = copyStrided(
    tensor.data,
    tensor.type,
    dims,
    perm.map((axis) => strides[axis]!),
  );
  return new Tensor(tensor.type, moved as never, dims);
}

/** A constant that broadcasts against channels-second values of `rank`, for channels-last ones: [C, 1, 1] becomes [C]. */
export function broadcastLast(tensor: Tensor, rank: number): Tensor {
  if (tensor.size === 1 && tensor.dims.length <= 1) return tensor;
  const dims = [...new Array<number>(rank - tensor.dims.length).fill(1), ...tensor.dims];
  const moved = transposed(tensor.reshape(dims), toLast(rank));
  const first = moved.dims.findIndex((d) => d !== 1);
  const kept = first < 0 ? [] : moved.dims.slice(first);
  // The rank of the result must not shrink where the constant alone has the full rank and 1 elements; other operands have it.
  return moved.reshape(kept);
}

/** Weights of ConvTranspose, [I, O/g, k…], as [O, k…, I/g]. */
export function transposedWeights(tensor: Tensor, group: number): Tensor {
  const [inputs, perGroup, ...kernel] = tensor.dims as [number, number, ...number[]];
  const rank = tensor.dims.length;
  const rows = inputs / group;
  const grouped = tensor.reshape([group, rows, perGroup, ...kernel]);
  const perm = [0, 2, ...kernel.map((_, i) => i + 3), 1];
  const moved = transposed(grouped, perm);
  if (rank < 3) return moved;
  return moved.reshape([group * perGroup, ...kernel, rows]);
}
