// Gather, GatherND, ScatterND and GatherElements, ScatterElements; see GatherStep. They return false when an index is out of range.
import { ElementCode } from "../../src/core/abi/element";
import { GatherElementsStep, GatherStep } from "../../src/core/abi/movement";
import { combine } from "./combine";
import { countOf } from "./lanes";
import { address, argument, share } from "../step";

@inline function indexAt(at: usize, i: i32, bytes: i32): i64 {
  return bytes == 8 ? load<i64>(at + (<usize>i << 3)) : <i64>load<i32>(at + (<usize>i << 2));
}

export function gather(step: usize, thread: i32, threads: i32): bool {
  let count = argument(step, GatherStep.count);
  let tuple = argument(step, GatherStep.tuple);
  let bytes = argument(step, GatherStep.indexBytes);
  let slice = argument(step, GatherStep.sliceBytes);
  let scatter = argument(step, GatherStep.scatter) != 0;
  let total = argument(step, GatherStep.batch) * count;
  let at = scatter ? (thread == 0 ? 0 : total) : share(total, thread, threads);
  let end = scatter ? total : share(total, thread + 1, threads);
  let output = address(step, GatherStep.output) + <usize>at * <usize>slice;
  let valid = true;
  for (; at < end; at++) {
    let batch = at / count;
    let indices = address(step, GatherStep.indices) + <usize>batch * <usize>argument(step, GatherStep.indexStride);
    let from = address(step, GatherStep.data) + <usize>batch * <usize>argument(step, GatherStep.dataStride);
    let first = (at - batch * count) * tuple;
    let inside = true;
    for (let j = 0; j < tuple; j++) {
      let extent = <i64>argument(step, GatherStep.length + 2 * j);
      let index = indexAt(indices, first + j, bytes);
      if (index < 0) index += extent;
      if (<u64>index >= <u64>extent) {
        inside = false;
        index = 0;
      }
      from += <usize>index * <usize>argument(step, GatherStep.length + 2 * j + 1);
    }
    if (!inside) valid = false;
    if (!scatter) {
      // an empty axis has no element 0
      if (inside) memory.copy(output, from, <usize>slice);
    } else if (inside) {
      let operation = argument(step, GatherStep.operation);
      if (operation < 0) memory.copy(from, output, <usize>slice);
      else join(operation, argument(step, GatherStep.type), from, output, slice);
    }
    output += <usize>slice;
  }
  return valid;
}

/** data ⟵ data ∘ update over `bytes` bytes. */
function join(operation: i32, type: i32, data: usize, update: usize, bytes: i32): void {
  switch (type) {
    case ElementCode.float32: joinAll<f32>(operation, data, update, bytes); break;
    case ElementCode.float64: joinAll<f64>(operation, data, update, bytes); break;
    case ElementCode.int32: joinAll<i32>(operation, data, update, bytes); break;
    case ElementCode.int64: joinAll<i64>(operation, data, update, bytes); break;
    case ElementCode.uint64: joinAll<u64>(operation, data, update, bytes); break;
    default: joinAll<u8>(operation, data, update, bytes);
  }
}

@inline function joinAll<T>(operation: i32, data: usize, update: usize, bytes: i32): void {
  for (let i: usize = 0; i < <usize>bytes; i += sizeof<T>()) {
    store<T>(data + i, combine<T>(operation, load<T>(data + i), load<T>(update + i)));
  }
}

export function gatherElements(step: usize, thread: i32, threads: i32): bool {
  let rank = argument(step, GatherElementsStep.rank);
  let axis = argument(step, GatherElementsStep.axis);
  let bytes = argument(step, GatherElementsStep.indexBytes);
  let size = argument(step, GatherElementsStep.elementBytes);
  let extent = <i64>argument(step, GatherElementsStep.extent);
  let scatter = argument(step, GatherElementsStep.scatter) != 0;
  let operation = argument(step, GatherElementsStep.operation);
  let indices = address(step, GatherElementsStep.indices);
  let total = countOf(step, GatherElementsStep.length, rank);
  let at = scatter ? (thread == 0 ? 0 : total) : share(total, thread, threads);
  let end = scatter ? total : share(total, thread + 1, threads);
  let valid = true;
  for (; at < end; at++) {
    let index = indexAt(indices, at, bytes);
    if (index < 0) index += extent;
    if (<u64>index >= <u64>extent) {
      valid = false;
      continue;
    }
    let data = address(step, GatherElementsStep.data);
    let rest = at;
    for (let i = rank - 1; i >= 0; i--) {
      let n = argument(step, GatherElementsStep.length + i);
      let next = rest / n;
      let coordinate = i == axis ? <i32>index : rest - next * n;
      data += <usize>coordinate * <usize>argument(step, GatherElementsStep.length + rank + i);
      rest = next;
    }
    let output = address(step, GatherElementsStep.output) + <usize>at * <usize>size;
    if (!scatter) memory.copy(output, data, <usize>size);
    else if (operation < 0) memory.copy(data, output, <usize>size);
    else join(operation, argument(step, GatherElementsStep.type), data, output, size);
  }
  return valid;
}
