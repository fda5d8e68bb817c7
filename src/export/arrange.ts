import { type Shape, sizeOf, Tensor } from "../tensor/index.ts";

/** How ONNX has weights that the container has as [O, k…, I/g], or as [N, K]. */
export type Arrangement = "conv" | "convTranspose" | "transposed";

/** Reshape to `from`, transpose by `perm`, reshape to `to`. */
export interface Rearrangement {
  readonly from: Shape;
  readonly perm: readonly number[];
  readonly to: Shape;
}

/** [O, k…, I/g] to [O, I/g, k…], or to [I, O/g, k…]; [N, K] to [K, N]. */
export function rearrangement(dims: Shape, as: Arrangement, group: number): Rearrangement {
  if (as === "transposed") return { from: dims, perm: [1, 0], to: [dims[1]!, dims[0]!] };
  const rank = dims.length;
  const [outputs, inputs] = [dims[0]!, dims[rank - 1]!];
  const kernel = dims.slice(1, -1);
  const axes = kernel.map((_, i) => i + 1);
  if (as === "conv") return { from: dims, perm: [0, rank - 1, ...axes], to: [outputs, inputs, ...kernel] };
  if (group === 1) return { from: dims, perm: [rank - 1, 0, ...axes], to: [inputs, outputs, ...kernel] };
  return {
    from: [group, outputs / group, ...kernel, inputs],
    perm: [0, rank, 1, ...axes.map((axis) => axis + 1)],
    to: [group * inputs, outputs / group, ...kernel],
  };
}

/** The indices of the elements in their new order. */
export function newOrder(dims: Shape, as: Arrangement, group: number): Uint32Array {
  const { from, perm } = rearrangement(dims, as, group);
  const extents = perm.map((axis) => from[axis]!);
  const strides = perm.map((axis) => sizeOf(from.slice(axis + 1)));
  const order = new Uint32Array(sizeOf(dims));
  const at = new Array<number>(perm.length).fill(0);
  for (let i = 0, source = 0; i < order.length; i++) {
    order[i] = source;
    for (let axis = perm.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      at[axis] = at[axis]! + 1;
      if (at[axis]! < extents[axis]!) break;
      source -= strides[axis]! * extents[axis]!;
      at[axis] = 0;
    }
  }
  return order;
}

export function rearranged(tensor: Tensor<"float32">, as: Arrangement, group: number): Tensor<"float32"> {
  const { data, dims } = tensor;
  const order = newOrder(dims, as, group);
  const moved = Float32Array.from(order, (from) => data[from]!);
  return new Tensor("float32", moved, rearrangement(dims, as, group).to);
}
