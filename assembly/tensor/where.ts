// Where with broadcasting; see WhereStep.
import { WhereStep } from "../../src/core/abi/elementwise";
import { countOf, offsetOf } from "./lanes";
import { address, argument, share } from "../step";

export function where(step: usize, thread: i32, threads: i32): void {
  let rank = argument(step, WhereStep.rank);
  let extents = WhereStep.length;
  let inner = argument(step, extents + rank - 1);
  let total = countOf(step, extents, rank);
  if (total == 0) return;
  let sc = argument(step, extents + 2 * rank - 1);
  let sa = argument(step, extents + 3 * rank - 1);
  let sb = argument(step, extents + 4 * rank - 1);
  let size = argument(step, WhereStep.elementBytes);
  let at = share(total, thread, threads);
  let end = share(total, thread + 1, threads);
  let output = address(step, WhereStep.output) + <usize>at * <usize>size;
  while (at < end) {
    let row = at / inner;
    let skip = at - row * inner;
    let n = inner - skip;
    if (n > end - at) n = end - at;
    let c = address(step, WhereStep.condition) + offsetOf(step, extents, extents + rank, rank, row) + <usize>(skip * sc);
    let a = address(step, WhereStep.a) + offsetOf(step, extents, extents + 2 * rank, rank, row) + <usize>(skip * sa);
    let b = address(step, WhereStep.b) + offsetOf(step, extents, extents + 3 * rank, rank, row) + <usize>(skip * sb);
    switch (size) {
      case 1: select<u8>(c, a, b, output, n, sc, sa, sb); break;
      case 2: select<u16>(c, a, b, output, n, sc, sa, sb); break;
      case 4: select<u32>(c, a, b, output, n, sc, sa, sb); break;
      default: select<u64>(c, a, b, output, n, sc, sa, sb);
    }
    at += n;
    output += <usize>n * <usize>size;
  }
}

@inline function select<T>(c: usize, a: usize, b: usize, output: usize, n: i32, sc: i32, sa: i32, sb: i32): void {
  for (; n > 0; n--) {
    store<T>(output, load<T>(load<u8>(c) != 0 ? a : b));
    output += sizeof<T>();
    c += sc;
    a += sa;
    b += sb;
  }
}
