// Gather, GatherND, ScatterND and GatherElements, ScatterElements; see GatherStep. A bad index ends the step: it is told in the program's header.
import { ElementCode } from "../../src/core/abi/element";
import { GatherElementsStep, GatherStep } from "../../src/core/abi/movement";
import { ProgramHeader, Status } from "../../src/core/abi/program";
import { combine } from "./combine";
import { countOf, move } from "./lanes";
import { Part } from "../part";
import { address, argument, share } from "../step";

@inline function indexAt(at: usize, i: i32, bytes: i32): i64 {
  return bytes == 8 ? load<i64>(at + (<usize>i << 3)) : <i64>load<i32>(at + (<usize>i << 2));
}

/** Tells in the program's header about an index that stops it. */
export function badIndex(program: usize, index: i64, axis: i32, extent: i64): Status {
  store<i32>(program + (ProgramHeader.failedAxis << 2), axis);
  store<i32>(program + (ProgramHeader.failedExtent << 2), <i32>extent);
  store<i64>(program + (ProgramHeader.failedIndex << 2), index);
  return Status.BadIndex;
}

export function gather(program: usize, step: usize, thread: i32, threads: i32): Status {
  let count = argument(step, GatherStep.count);
  let tuple = argument(step, GatherStep.tuple);
  let bytes = argument(step, GatherStep.indexBytes);
  let slice = argument(step, GatherStep.sliceBytes);
  let scatter = argument(step, GatherStep.scatter) != 0;
  let total = argument(step, GatherStep.batch) * count;
  let at = share(total, thread, threads);
  let end = share(total, thread + 1, threads);
  let output = address(step, GatherStep.output) + <usize>at * <usize>slice;
  let operation = argument(step, GatherStep.operation);
  while (at < end) {
    let batch = at / count;
    let indices = address(step, GatherStep.indices) + <usize>batch * <usize>argument(step, GatherStep.indexStride);
    let base = address(step, GatherStep.data) + <usize>batch * <usize>argument(step, GatherStep.dataStride);
    let first = (at - batch * count) * tuple;
    for (const stop = min(end, (batch + 1) * count); at < stop; at++) {
      let data = base;
      for (let j = 0; j < tuple; j++) {
        let extent = <i64>argument(step, GatherStep.length + 2 * j);
        let index = indexAt(indices, first + j, bytes);
        let place = index < 0 ? index + extent : index;
        if (<u64>place >= <u64>extent) return badIndex(program, index, argument(step, GatherStep.axis) + j, extent);
        data += <usize>place * <usize>argument(step, GatherStep.length + 2 * j + 1);
      }
      first += tuple;
      if (!scatter) move(output, data, <usize>slice);
      else if (operation < 0) move(data, output, <usize>slice);
      else join(operation, argument(step, GatherStep.type), data, output, slice);
      output += <usize>slice;
    }
  }
  return Status.Ok;
}

/** data ⟵ data ∘ update over `bytes` bytes. */
function join(operation: i32, type: i32, data: usize, update: usize, bytes: i32): void {
  if (PART & Part.Rest) {
    if (type == ElementCode.float64) return joinAll<f64>(operation, data, update, bytes);
    if (type == ElementCode.uint64) return joinAll<u64>(operation, data, update, bytes);
  }
  if (PART & Part.Common) {
    switch (type) {
      case ElementCode.float32: joinAll<f32>(operation, data, update, bytes); break;
      case ElementCode.int32: joinAll<i32>(operation, data, update, bytes); break;
      case ElementCode.int64: joinAll<i64>(operation, data, update, bytes); break;
      default: joinAll<u8>(operation, data, update, bytes);
    }
  }
}

@inline function joinAll<T>(operation: i32, data: usize, update: usize, bytes: i32): void {
  for (let i: usize = 0; i < <usize>bytes; i += sizeof<T>()) {
    store<T>(data + i, combine<T>(operation, load<T>(data + i), load<T>(update + i)));
  }
}

export function gatherElements(program: usize, step: usize, thread: i32, threads: i32): Status {
  let rank = argument(step, GatherElementsStep.rank);
  let axis = argument(step, GatherElementsStep.axis);
  let bytes = argument(step, GatherElementsStep.indexBytes);
  let size = argument(step, GatherElementsStep.elementBytes);
  let extent = <i64>argument(step, GatherElementsStep.extent);
  let scatter = argument(step, GatherElementsStep.scatter) != 0;
  let operation = argument(step, GatherElementsStep.operation);
  let indices = address(step, GatherElementsStep.indices);
  let total = countOf(step, GatherElementsStep.length, rank);
  let strides = GatherElementsStep.length + rank;
  let inner = argument(step, strides - 1);
  let along = argument(step, strides + axis);
  let next = axis == rank - 1 ? 0 : argument(step, strides + rank - 1);
  let end = share(total, thread + 1, threads);
  for (let at = share(total, thread, threads); at < end; ) {
    let rest = at / inner;
    let column = at - rest * inner;
    // Row by row of the indices: where it begins in the data, but for the axis.
    let row = address(step, GatherElementsStep.data) + <usize>(column * next);
    for (let i = rank - 2; i >= 0; i--) {
      let n = argument(step, GatherElementsStep.length + i);
      let above = rest / n;
      if (i != axis) row += <usize>((rest - above * n) * argument(step, strides + i));
      rest = above;
    }
    for (const stop = min(end, at + inner - column); at < stop; at++, row += next) {
      let index = indexAt(indices, at, bytes);
      let place = index < 0 ? index + extent : index;
      if (<u64>place >= <u64>extent) return badIndex(program, index, axis, extent);
      let data = row + <usize>place * <usize>along;
      let output = address(step, GatherElementsStep.output) + <usize>at * <usize>size;
      if (scatter && operation >= 0) join(operation, argument(step, GatherElementsStep.type), data, output, size);
      else {
        let from = scatter ? output : data;
        let to = scatter ? data : output;
        if (size == 4) store<u32>(to, load<u32>(from));
        else move(to, from, <usize>size);
      }
    }
  }
  return Status.Ok;
}
