// Det; see DeterminantStep. Threads share the matrices.
import { DeterminantStep } from "../../src/core/abi/spatial";
import { address, argument, share, slotOf } from "../step";

export function determinant(step: usize, thread: i32, threads: i32): void {
  const n = argument(step, DeterminantStep.size);
  const elements = n * n;
  const slot = slotOf(thread, threads, argument(step, DeterminantStep.slots));
  const work = address(step, DeterminantStep.scratch) + (<usize>(slot * elements) << 3);
  const count = argument(step, DeterminantStep.count);
  const end = share(count, thread + 1, threads);
  for (let i = share(count, thread, threads); i < end; i++) {
    const input = address(step, DeterminantStep.input) + (<usize>(i * elements) << 2);
    for (let e = 0; e < elements; e++) store<f64>(work + (<usize>e << 3), <f64>load<f32>(input + (<usize>e << 2)));
    store<f32>(address(step, DeterminantStep.output) + (<usize>i << 2), <f32>eliminated(work, n));
  }
}

@inline
function at(matrix: usize, n: i32, row: i32, column: i32): usize {
  return matrix + (<usize>(row * n + column) << 3);
}

function eliminated(matrix: usize, n: i32): f64 {
  let product: f64 = 1;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let row = k + 1; row < n; row++) {
      if (Math.abs(load<f64>(at(matrix, n, row, k))) > Math.abs(load<f64>(at(matrix, n, pivot, k)))) pivot = row;
    }
    const value = load<f64>(at(matrix, n, pivot, k));
    product *= pivot == k ? value : -value;
    if (value == 0) return product;
    for (let column = k; column < n && pivot != k; column++) {
      const other = load<f64>(at(matrix, n, pivot, column));
      store<f64>(at(matrix, n, pivot, column), load<f64>(at(matrix, n, k, column)));
      store<f64>(at(matrix, n, k, column), other);
    }
    for (let row = k + 1; row < n; row++) {
      const factor = load<f64>(at(matrix, n, row, k)) / value;
      for (let column = k + 1; column < n; column++) {
        const reduced = load<f64>(at(matrix, n, row, column)) - factor * load<f64>(at(matrix, n, k, column));
        store<f64>(at(matrix, n, row, column), reduced);
      }
    }
  }
  return product;
}
