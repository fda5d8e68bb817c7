// The triangles of matrices of any type; see TriluStep.
import { TriluStep } from "../../src/core/abi/movement";
import { move } from "./lanes";
import { address, argument, share } from "../step";

export function trilu(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, TriluStep.rows);
  const columns = argument(step, TriluStep.columns);
  const size = argument(step, TriluStep.elementBytes);
  const upper = argument(step, TriluStep.upper) != 0;
  const total = argument(step, TriluStep.batch) * rows;
  const bytes = <usize>(columns * size);
  const end = share(total, thread + 1, threads);
  for (let row = share(total, thread, threads); row < end; row++) {
    // The first column that is kept of an upper triangle, the first that is not of a lower one.
    const column = row % rows + argument(step, TriluStep.diagonal) + (upper ? 0 : 1);
    const cut = <usize>(max(0, min(columns, column)) * size);
    const input = address(step, TriluStep.input) + <usize>row * bytes;
    const output = address(step, TriluStep.output) + <usize>row * bytes;
    if (upper) {
      memory.fill(output, 0, cut);
      move(output + cut, input + cut, bytes - cut);
    } else {
      move(output, input, cut);
      memory.fill(output + cut, 0, bytes - cut);
    }
  }
}
