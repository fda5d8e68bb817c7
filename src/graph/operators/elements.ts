import { allocateData, type ElementType, type Shape, stridesOf, type TensorData } from "../../tensor/index.ts";

/** Any tensor data, element by element. */
export interface Elements {
  readonly length: number;
  [index: number]: number | bigint | string;
}

export function elementsOf(data: TensorData): Elements {
  return data as unknown as Elements;
}

export function allocate(type: ElementType, length: number): Elements {
  return elementsOf(allocateData(type, length));
}

export function dataOf(elements: Elements): TensorData {
  return elements as unknown as TensorData;
}

/**
 * Calls `visit` for every index of `shape` in row-major order with offsets into any number of strided tensors: `offsets[k]` is
 * `starts[k] + Σ index[i]·strides[k][i]`.
 */
export function walk(
  shape: Shape,
  strides: readonly (readonly number[])[],
  visit: (at: number, offsets: readonly number[]) => void,
  starts: readonly number[] = strides.map(() => 0),
): void {
  const offsets = [...starts];
  const index = new Array<number>(shape.length).fill(0);
  let size = 1;
  for (const d of shape) size *= d;
  const move = (axis: number, by: number): void => {
    strides.forEach((own, k) => {
      offsets[k] = offsets[k]! + by * own[axis]!;
    });
  };
  for (let at = 0; at < size; at++) {
    visit(at, offsets);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis]! + 1;
      move(axis, 1);
      if (index[axis]! < shape[axis]!) break;
      move(axis, -shape[axis]!);
      index[axis] = 0;
    }
  }
}

/** Strides of a tensor of shape `from` when it is broadcast to `to`. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const own = stridesOf(from);
  const skip = to.length - from.length;
  return to.map((_, i) => (i < skip || from[i - skip] === 1 ? 0 : own[i - skip]!));
}

/** A dense copy of strided elements. */
export function copyStrided(
  source: TensorData,
  type: ElementType,
  shape: Shape,
  strides: readonly number[],
  start = 0,
): TensorData {
  const from = elementsOf(source);
  const to = allocate(
    type,
    shape.reduce((a, b) => a * b, 1),
  );
  walk(
    shape,
    [strides],
    (at, [offset]) => {
      to[at] = from[offset!]!;
    },
    [start],
  );
  return dataOf(to);
}
