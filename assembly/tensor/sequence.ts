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

@inline function follow<T>(multiply: bool, sofar: T, x: T): T {
  return <T>(multiply ? sofar * x : sofar + x);
}

/** One row from what the row before it holds. */
@inline function row<T>(multiply: bool, before: usize, input: usize, output: usize, bytes: usize): void {
  let o: usize = 0;
  if (ASC_FEATURE_SIMD && isFloat<T>() && sizeof<T>() == 4) {
    for (; o + 16 <= bytes; o += 16) {
      const a = v128.load(before + o);
      const x = v128.load(input + o);
      v128.store(output + o, multiply ? f32x4.mul(a, x) : f32x4.add(a, x));
    }
  }
  for (; o < bytes; o += sizeof<T>()) store<T>(output + o, follow<T>(multiply, load<T>(before + o), load<T>(input + o)));
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
    let column = line % inner;
    // Whole lines that lie beside each other.
    let n = i == 0 ? min(inner - column, (end - at) / extent) : 0;
    let base = <usize>((line / inner) * extent * inner + column) * sizeof<T>();
    let stride = <usize>inner * sizeof<T>();
    if (reverse) {
      base += <usize>(extent - 1) * stride;
      stride = 0 - stride;
    }
    let input = address(step, CumulateStep.input) + base + <usize>i * stride;
    let output = address(step, CumulateStep.output) + base + <usize>i * stride;
    let sofar: T = multiply ? 1 : 0;
    if (n > 1) {
      at += n * extent;
      // Neighbours together, row by row, each from the row before: a line alone meets a line of the cache per element.
      let bytes = <usize>n * sizeof<T>();
      if (exclusive) {
        for (let o: usize = 0; o < bytes; o += sizeof<T>()) store<T>(output + o, sofar);
        input -= stride;
      } else {
        for (let o: usize = 0; o < bytes; o += sizeof<T>()) store<T>(output + o, follow<T>(multiply, sofar, load<T>(input + o)));
      }
      for (let r = 1; r < extent; r++) {
        input += stride;
        output += stride;
        row<T>(multiply, output - stride, input, output, bytes);
      }
      continue;
    }
    at += extent - i;
    let stop = at > end ? extent - (at - end) : extent;
    if (i > 0) {
      sofar = load<T>(output - stride);
      if (exclusive) sofar = follow<T>(multiply, sofar, load<T>(input - stride));
    }
    for (; i < stop; i++) {
      let x = load<T>(input);
      if (exclusive) store<T>(output, sofar);
      sofar = follow<T>(multiply, sofar, x);
      if (!exclusive) store<T>(output, sofar);
      input += stride;
      output += stride;
    }
  }
}
