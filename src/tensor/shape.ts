import { shown } from "../core/shown.ts";

/** Dimensions of a tensor, outermost first. */
export type Shape = readonly number[];

/** Number of elements; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const d of shape) size *= d;
  return size;
}

/** Element strides of a dense row-major tensor. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** NumPy broadcasting; undefined when the shapes do not fit. */
export function broadcast(...shapes: readonly Shape[]): number[] | undefined {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const at = rank - shape.length + i;
      const d = shape[i]!;
      if (d === 1 || d === result[at]) continue;
      if (result[at] !== 1) return undefined;
      result[at] = d;
    }
  }
  return result;
}

/** An axis in −rank…rank−1 as one in 0…rank−1; throws RangeError otherwise. */
export function normalizeAxis(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= Math.max(rank, 1)) {
    throw new RangeError(`"axis" expected integer in ${-rank}..${rank - 1}, got ${shown(axis)}`);
  }
  return axis < 0 ? axis + rank : axis;
}
