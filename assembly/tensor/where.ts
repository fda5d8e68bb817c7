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
      case 4: {
        let done = 0;
        if (ASC_FEATURE_SIMD && sc != 0) done = select__simd(c, a, b, output, n, sa, sb);
        select<u32>(c + done, a + <usize>(done * sa), b + <usize>(done * sb), output + (<usize>done << 2), n - done, sc, sa, sb);
        break;
      }
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

/** Four elements at a time; how many that was. */
function select__simd(c: usize, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): i32 {
  const done = n & ~3;
  for (const end = c + done; c < end; c += 4) {
    const x = sa != 0 ? v128.load(a) : v128.load32_splat(a);
    const y = sb != 0 ? v128.load(b) : v128.load32_splat(b);
    const isA = i16x8.extend_low_i8x16_u(v128.load32_splat(c));
    v128.store(output, v128.bitselect(x, y, i32x4.ne(i32x4.extend_low_i16x8_u(isA), i32x4.splat(0))));
    a += sa << 2;
    b += sb << 2;
    output += 16;
  }
  return done;
}
