// Det; see DeterminantStep. A matrix of n rows has n² units of work: row r of column k is eliminated with pivot k, of which row k itself finds the pivot.
import { DeterminantStep } from "../../src/core/abi/spatial";
import { address, argument, shareOfRows, slotOf } from "../step";

export function determinant(step: usize, thread: i32, threads: i32): void {
  const n = argument(step, DeterminantStep.size);
  const elements = n * n;
  const count = argument(step, DeterminantStep.count);
  // Parts of one matrix go on in the same memory.
  const slot = count < threads ? 0 : slotOf(thread, threads, argument(step, DeterminantStep.slots));
  const work = address(step, DeterminantStep.scratch) + <usize>slot * ((<usize>elements << 3) + 16);
  const product = work + (<usize>elements << 3);
  // The matrix of no row has one unit: its determinant is 1.
  const units = max<i32>(elements, 1);
  const end = shareOfRows(count, units, thread + 1, threads);
  for (let at = shareOfRows(count, units, thread, threads); at < end; at++) {
    const i = at / units;
    const unit = at - i * units;
    if (unit == 0) {
      const input = address(step, DeterminantStep.input) + (<usize>(i * elements) << 2);
      for (let e = 0; e < elements; e++) store<f64>(work + (<usize>e << 3), <f64>load<f32>(input + (<usize>e << 2)));
      store<f64>(product, 1);
      store<f64>(product, 0, 8);
    }
    if (n > 0 && load<f64>(product, 8) == 0) eliminate(work, n, unit / n, unit % n, product);
    if (unit == units - 1) store<f32>(address(step, DeterminantStep.output) + (<usize>i << 2), <f32>load<f64>(product));
  }
}

@inline
function place(matrix: usize, n: i32, row: i32, column: i32): usize {
  return matrix + (<usize>(row * n + column) << 3);
}

function eliminate(matrix: usize, n: i32, k: i32, row: i32, product: usize): void {
  if (row < k) return;
  if (row == k) {
    bringPivot(matrix, n, k, product);
    return;
  }
  const factor = load<f64>(place(matrix, n, row, k)) / load<f64>(place(matrix, n, k, k));
  for (let column = k + 1; column < n; column++) {
    const reduced = load<f64>(place(matrix, n, row, column)) - factor * load<f64>(place(matrix, n, k, column));
    store<f64>(place(matrix, n, row, column), reduced);
  }
}

/** The largest of column k to row k; a product that it makes 0 is the result. */
function bringPivot(matrix: usize, n: i32, k: i32, product: usize): void {
  let pivot = k;
  for (let row = k + 1; row < n; row++) {
    if (Math.abs(load<f64>(place(matrix, n, row, k))) > Math.abs(load<f64>(place(matrix, n, pivot, k)))) pivot = row;
  }
  const value = load<f64>(place(matrix, n, pivot, k));
  store<f64>(product, load<f64>(product) * (pivot == k ? value : -value));
  if (value == 0) store<f64>(product, 1, 8);
  for (let column = k; column < n && pivot != k; column++) {
    const other = load<f64>(place(matrix, n, pivot, column));
    store<f64>(place(matrix, n, pivot, column), load<f64>(place(matrix, n, k, column)));
    store<f64>(place(matrix, n, k, column), other);
  }
}
