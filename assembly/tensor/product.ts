// Matrix products outside of float32, for what networks compute about shapes and indices; see ProductStep.
import { ElementCode } from "../../src/core/abi/element";
import { ProductStep } from "../../src/core/abi/product";
import { address, argument, share } from "../step";

export function product(step: usize, thread: i32, threads: i32): void {
  const type = argument(step, ProductStep.type);
  if (type == ElementCode.float64) multiply<f64>(step, thread, threads);
  else if (type == ElementCode.int32) multiply<i32>(step, thread, threads);
  else multiply<i64>(step, thread, threads);
}

function multiply<T>(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, ProductStep.rows);
  const columns = argument(step, ProductStep.columns);
  const depth = argument(step, ProductStep.depth);
  const rowA = address(step, ProductStep.rowA);
  const depthA = address(step, ProductStep.depthA);
  const depthB = address(step, ProductStep.depthB);
  const columnB = address(step, ProductStep.columnB);
  const total = argument(step, ProductStep.batch) * rows;
  const end = share(total, thread + 1, threads);
  for (let at = share(total, thread, threads); at < end; at++) {
    const batch = at / rows;
    const left = address(step, ProductStep.a) + <usize>batch * address(step, ProductStep.batchA) + <usize>(at - batch * rows) * rowA;
    const right = address(step, ProductStep.b) + <usize>batch * address(step, ProductStep.batchB);
    let output = address(step, ProductStep.output) + <usize>at * <usize>columns * sizeof<T>();
    for (let column = 0; column < columns; column++) {
      let a = left;
      let b = right + <usize>column * columnB;
      let sum: T = 0;
      for (let i = 0; i < depth; i++) {
        sum += load<T>(a) * load<T>(b);
        a += depthA;
        b += depthB;
      }
      store<T>(output, sum);
      output += sizeof<T>();
    }
  }
}
