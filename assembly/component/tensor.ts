// `wasi:nn/tensor`: dimensions, a type and dense little-endian elements, which lie where the caller's list has been put.
import { list, release } from "./memory";

@unmanaged
export class TensorParts {
  dims: usize = 0;
  rank: usize = 0;
  type: i32 = 0;
  data: usize = 0;
  bytes: usize = 0;
}

@external("[export]wasi:nn/tensor@0.2.0-rc-2024-06-25", "[resource-new]tensor")
declare function newHandle(tensor: usize): i32;
@external("[export]wasi:nn/tensor@0.2.0-rc-2024-06-25", "[resource-rep]tensor")
declare function tensorOf(handle: i32): usize;
@external("[export]wasi:nn/tensor@0.2.0-rc-2024-06-25", "[resource-drop]tensor")
export declare function dropHandle(handle: i32): void;

export function tensorNew(dims: usize, rank: usize, type: i32, data: usize, bytes: usize): i32 {
  const at = heap.alloc(offsetof<TensorParts>());
  const parts = changetype<TensorParts>(at);
  parts.dims = dims;
  parts.rank = rank;
  parts.type = type;
  parts.data = data;
  parts.bytes = bytes;
  return newHandle(at);
}

export function tensorDimensions(at: usize): usize {
  const parts = changetype<TensorParts>(at);
  return list(parts.dims, parts.rank);
}

export function tensorType(at: usize): i32 {
  return changetype<TensorParts>(at).type;
}

export function tensorData(at: usize): usize {
  const parts = changetype<TensorParts>(at);
  return list(parts.data, parts.bytes);
}

export function tensorDrop(at: usize): void {
  const parts = changetype<TensorParts>(at);
  release(parts.dims, 4 * parts.rank);
  release(parts.data, parts.bytes);
  heap.free(at);
}

export function partsOf(handle: i32): TensorParts {
  return changetype<TensorParts>(tensorOf(handle));
}

/** A tensor with copies of dimensions and elements; its handle. */
export function tensorOfCopies(dims: usize, rank: usize, type: i32, data: usize, bytes: usize): i32 {
  return tensorNew(copy(dims, 4 * rank), rank, type, copy(data, bytes), bytes);
}

function copy(from: usize, bytes: usize): usize {
  if (bytes == 0) return 4;
  const to = heap.alloc(bytes);
  memory.copy(to, from, bytes);
  return to;
}
