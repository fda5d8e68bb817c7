// Range, CumSum, TopK.
import { ElementCode } from "../../src/core/abi/element";
import { SequenceStep } from "../../src/core/abi/movement";
import { CumSumStep, TopKStep } from "../../src/core/abi/reduce";
import { address, argument, share } from "../step";

export function sequence(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, SequenceStep.type);
  if (type == ElementCode.float32) progress<f32>(step, thread, threads);
  else if (type == ElementCode.int32) progress<i32>(step, thread, threads);
  else progress<i64>(step, thread, threads);
}

@inline function progress<T>(step: usize, thread: i32, threads: i32): void {
  let count = argument(step, SequenceStep.count);
  let end = share(count, thread + 1, threads);
  let start = load<T>(address(step, SequenceStep.start));
  let delta = load<T>(address(step, SequenceStep.delta));
  let output = address(step, SequenceStep.output);
  for (let i = share(count, thread, threads); i < end; i++) {
    store<T>(output + <usize>i * sizeof<T>(), start + <T>i * delta);
  }
}

export function cumSum(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, CumSumStep.type);
  if (type == ElementCode.float32) running<f32>(step, thread, threads);
  else if (type == ElementCode.float64) running<f64>(step, thread, threads);
  else if (type == ElementCode.int32) running<i32>(step, thread, threads);
  else running<i64>(step, thread, threads);
}

@inline function running<T>(step: usize, thread: i32, threads: i32): void {
  let inner = argument(step, CumSumStep.inner);
  let extent = argument(step, CumSumStep.extent);
  let lines = argument(step, CumSumStep.outer) * inner;
  let exclusive = argument(step, CumSumStep.exclusive) != 0;
  let reverse = argument(step, CumSumStep.reverse) != 0;
  let end = share(lines, thread + 1, threads);
  for (let line = share(lines, thread, threads); line < end; line++) {
    let base = <usize>((line / inner) * extent * inner + line % inner) * sizeof<T>();
    let stride = <usize>inner * sizeof<T>();
    if (reverse) {
      base += <usize>(extent - 1) * stride;
      stride = 0 - stride;
    }
    let input = address(step, CumSumStep.input) + base;
    let output = address(step, CumSumStep.output) + base;
    let sum: T = 0;
    for (let i = 0; i < extent; i++) {
      let x = load<T>(input);
      if (exclusive) store<T>(output, sum);
      sum += x;
      if (!exclusive) store<T>(output, sum);
      input += stride;
      output += stride;
    }
  }
}

/** Insertion into the k best so far: the rows of this operator are scores, and k is small. */
export function topK(step: usize, thread: i32, threads: i32): void {
  let extent = argument(step, TopKStep.extent);
  let k = argument(step, TopKStep.k);
  let least = argument(step, TopKStep.least) != 0;
  let end = share(argument(step, TopKStep.rows), thread + 1, threads);
  for (let row = share(argument(step, TopKStep.rows), thread, threads); row < end; row++) {
    let input = address(step, TopKStep.input) + (<usize>(row * extent) << 2);
    let values = address(step, TopKStep.values) + (<usize>(row * k) << 2);
    let indices = address(step, TopKStep.indices) + (<usize>(row * k) << 3);
    let kept = 0;
    for (let i = 0; i < extent; i++) {
      let x = load<f32>(input + (<usize>i << 2));
      let at = kept;
      while (at > 0 && precedes(x, load<f32>(values + (<usize>(at - 1) << 2)), least)) at--;
      if (at >= k) continue;
      let last = kept < k ? kept : k - 1;
      for (let j = last; j > at; j--) {
        store<f32>(values + (<usize>j << 2), load<f32>(values + (<usize>(j - 1) << 2)));
        store<i64>(indices + (<usize>j << 3), load<i64>(indices + (<usize>(j - 1) << 3)));
      }
      store<f32>(values + (<usize>at << 2), x);
      store<i64>(indices + (<usize>at << 3), <i64>i);
      if (kept < k) kept++;
    }
  }
}

/** Strictly before, NaN being larger than everything. */
@inline function precedes(x: f32, y: f32, least: bool): bool {
  return least ? x < y || (y != y && x == x) : x > y || (x != x && y == y);
}
