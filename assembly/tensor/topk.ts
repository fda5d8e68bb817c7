// TopK; see TopKStep. The k best so far are a heap in the output itself, the worst of them at its root, so that a long row costs one comparison
// per element that is no candidate; at the end the heap is sorted in place. Time extent·log k: k may be the whole row (a sort). A row has extent + k units of work, so that it can be stopped in the middle.
import { ElementCode } from "../../src/core/abi/element";
import { TopKStep } from "../../src/core/abi/reduce";
import { address, argument, shareOfRows } from "../step";

export function topK(step: usize, thread: i32, threads: i32): void {
  const type = argument(step, TopKStep.type);
  if (type == ElementCode.float32) rows<f32>(step, thread, threads);
  else if (type == ElementCode.float64) rows<f64>(step, thread, threads);
  else if (type == ElementCode.int32) rows<i32>(step, thread, threads);
  else if (type == ElementCode.uint64) rows<u64>(step, thread, threads);
  else rows<i64>(step, thread, threads);
}

function rows<T>(step: usize, thread: i32, threads: i32): void {
  const extent = argument(step, TopKStep.extent);
  const k = argument(step, TopKStep.k);
  const least = argument(step, TopKStep.least) != 0;
  if (k == 0) return;
  const count = argument(step, TopKStep.rows);
  const end = shareOfRows(count, extent + k, thread + 1, threads);
  for (let at = shareOfRows(count, extent + k, thread, threads); at < end; ) {
    const row = at / (extent + k);
    let unit = at - row * (extent + k);
    at += extent + k - unit;
    const stop = at > end ? extent + k - (at - end) : extent + k;
    const input = address(step, TopKStep.input) + <usize>row * <usize>extent * sizeof<T>();
    const values = address(step, TopKStep.values) + <usize>row * <usize>k * sizeof<T>();
    const indices = address(step, TopKStep.indices) + (<usize>row * <usize>k << 3);
    const build = min<i32>(stop, extent);
    for (; unit < build; unit++) {
      const x = load<T>(input + <usize>unit * sizeof<T>());
      if (unit < k) rise<T>(values, indices, unit, x, unit, least);
      else if (precedes<T>(x, load<T>(values), least)) sink<T>(values, indices, k, x, unit, least);
    }
    for (; unit < stop; unit++) {
      const n = extent + k - 1 - unit;
      if (n == 0) break;
      const x = load<T>(values + <usize>n * sizeof<T>());
      const index = <i32>load<i64>(indices + (<usize>n << 3));
      put<T>(values, indices, n, load<T>(values), <i32>load<i64>(indices));
      sink<T>(values, indices, n, x, index, least);
    }
  }
}

@inline function put<T>(values: usize, indices: usize, at: i32, x: T, index: i32): void {
  store<T>(values + <usize>at * sizeof<T>(), x);
  store<i64>(indices + (<usize>at << 3), <i64>index);
}

/** Adds x as element `at` of a heap of `at` elements. */
function rise<T>(values: usize, indices: usize, at: i32, x: T, index: i32, least: bool): void {
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const y = load<T>(values + <usize>parent * sizeof<T>());
    const other = <i32>load<i64>(indices + (<usize>parent << 3));
    if (!before<T>(y, other, x, index, least)) break;
    put<T>(values, indices, at, y, other);
    at = parent;
  }
  put<T>(values, indices, at, x, index);
}

/** Puts x in the place of the root of a heap of `n` elements. */
function sink<T>(values: usize, indices: usize, n: i32, x: T, index: i32, least: bool): void {
  let at = 0;
  for (let child = 1; child < n; child = 2 * at + 1) {
    let y = load<T>(values + <usize>child * sizeof<T>());
    let other = <i32>load<i64>(indices + (<usize>child << 3));
    if (child + 1 < n) {
      const z = load<T>(values + <usize>(child + 1) * sizeof<T>());
      const third = <i32>load<i64>(indices + (<usize>(child + 1) << 3));
      if (before<T>(y, other, z, third, least)) {
        y = z;
        other = third;
        child++;
      }
    }
    if (!before<T>(x, index, y, other, least)) break;
    put<T>(values, indices, at, y, other);
    at = child;
  }
  put<T>(values, indices, at, x, index);
}

/** Whether x comes first in the output: equal values in the order of their indices. */
@inline function before<T>(x: T, index: i32, y: T, other: i32, least: bool): bool {
  return precedes<T>(x, y, least) || (index < other && !precedes<T>(y, x, least));
}

/** Strictly before, NaN being larger than everything. */
@inline function precedes<T>(x: T, y: T, least: bool): bool {
  if (isFloat<T>()) return least ? x < y || (y != y && x == x) : x > y || (x != x && y == y);
  return least ? x < y : x > y;
}
