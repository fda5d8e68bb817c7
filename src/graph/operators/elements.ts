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
    for (let k = 0; k < strides.length; k++) offsets[k] = offsets[k]! + by * strides[k]![axis]!;
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

/** Numbers as words of their width: loops over elements know four kinds of arrays then, not one for every type, and stay fast. */
function wordsOf(data: TensorData): Elements {
  if (!ArrayBuffer.isView(data)) return elementsOf(data);
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: width } = data;
  const Words = width === 1 ? Uint8Array : width === 2 ? Uint16Array : width === 4 ? Uint32Array : BigUint64Array;
  return new Words(buffer as ArrayBuffer, byteOffset, length);
}

/** Columns whose lines of the cache stay in it while rows are read across them. */
const COLUMNS = 128;

/**
 * A dense copy of strided elements. Weights are turned by it when a model is opened: rows in a loop of their own take 2 ns an element where `walk` takes 60, and what is in order already, as
 * the weights of 1 × 1 convolutions are, is copied as a whole.
 */
export function copyStrided(
  source: TensorData,
  type: ElementType,
  shape: Shape,
  strides: readonly number[],
  start = 0,
): TensorData {
  const size = shape.reduce((a, b) => a * b, 1);
  const made = allocateData(type, size);
  const [from, to] = [wordsOf(source), wordsOf(made)];
  const dense = stridesOf(shape);
  if (ArrayBuffer.isView(from) && shape.every((extent, axis) => extent === 1 || strides[axis] === dense[axis])) {
    (to as Uint8Array).set((from as Uint8Array).subarray(start, start + size));
    return made;
  }
  const [rows, length] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  const [step, stride] = [strides.at(-2) ?? 0, strides.at(-1) ?? 0];
  const copyRow = (row: number, [offset]: readonly number[]): void => {
    for (let i = 0; i < length; i++) to[row * length + i] = from[offset! + i * stride]!;
  };
  // Rows that lie side by side are read together, some columns at a time: a line of the cache then comes once, not once for every row.
  const copyRows = (at: number, [offset]: readonly number[]): void => {
    for (let left = 0; left < length; left += COLUMNS) {
      const right = Math.min(left + COLUMNS, length);
      for (let row = 0; row < rows; row++) {
        const [write, read] = [(at * rows + row) * length, offset! + row * step];
        for (let i = left; i < right; i++) to[write + i] = from[read + i * stride]!;
      }
    }
  };
  if (step > 0 && step < stride && rows >= 16 && length > COLUMNS)
    walk(shape.slice(0, -2), [strides.slice(0, -2)], copyRows, [start]);
  else walk(shape.slice(0, -1), [strides.slice(0, -1)], copyRow, [start]);
  return made;
}
