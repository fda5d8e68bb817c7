// Range, and running sums and products.
import { ElementCode } from "../../src/core/abi/element";
import { SequenceStep } from "../../src/core/abi/movement";
import { CumulateStep } from "../../src/core/abi/reduce";
import { address, argument, share, shareOfRows } from "../step";

export function sequence(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, SequenceStep.type);
  if (type == ElementCode.float32) progress<f32>(step, thread, threads);
  else if (type == ElementCode.float64) progress<f64>(step, thread, threads);
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

export function cumulate(step: usize, thread: i32, threads: i32): void {
  let type = argument(step, CumulateStep.type);
  if (type == ElementCode.float32) running<f32>(step, thread, threads);
  else if (type == ElementCode.float64) running<f64>(step, thread, threads);
  else if (type == ElementCode.int32) running<i32>(step, thread, threads);
  else running<i64>(step, thread, threads);
}

@inline function running<T>(step: usize, thread: i32, threads: i32): void {
  let inner = argument(step, CumulateStep.inner);
  let extent = argument(step, CumulateStep.extent);
  let lines = argument(step, CumulateStep.outer) * inner;
  let exclusive = argument(step, CumulateStep.exclusive) != 0;
  let reverse = argument(step, CumulateStep.reverse) != 0;
  let multiply = argument(step, CumulateStep.product) != 0;
  let end = shareOfRows(lines, extent, thread + 1, threads);
  for (let at = shareOfRows(lines, extent, thread, threads); at < end; ) {
    let line = at / extent;
    let i = at - line * extent;
    at += extent - i;
    let stop = at > end ? extent - (at - end) : extent;
    let base = <usize>((line / inner) * extent * inner + line % inner) * sizeof<T>();
    let stride = <usize>inner * sizeof<T>();
    if (reverse) {
      base += <usize>(extent - 1) * stride;
      stride = 0 - stride;
    }
    let input = address(step, CumulateStep.input) + base + <usize>i * stride;
    let output = address(step, CumulateStep.output) + base + <usize>i * stride;
    let sofar: T = multiply ? 1 : 0;
    if (i > 0) {
      sofar = load<T>(output - stride);
      if (exclusive) {
        let x = load<T>(input - stride);
        if (multiply) sofar *= x;
        else sofar += x;
      }
    }
    for (; i < stop; i++) {
      let x = load<T>(input);
      if (exclusive) store<T>(output, sofar);
      if (multiply) sofar *= x;
      else sofar += x;
      if (!exclusive) store<T>(output, sofar);
      input += stride;
      output += stride;
    }
  }
}
