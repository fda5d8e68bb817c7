// Independent enumeration by bit sets, breadth first: which sums of any number of given steps exist in a window.
//
// A set is a row of 64-bit words; bit i of the row means the sum i − origin, the origin being the caller's. `words` is even. Every row has
// `pad` zero words before and after it, pad ≥ largest step / 64 + 2, so that shifts read zeros there; only the `words` inside are written.

/**
 * Closes `all` under adding ± each of `count` steps (i32, positive, at `steps`), from the members already in `all` and `frontier`.
 * Sums that stay inside the window are found; a sum of which every order leaves the window does not exist as long as the window
 * reaches one largest step beyond the sums that matter. Returns the number of rounds, that is the most summands needed.
 */
export function closure(all: usize, frontier: usize, next: usize, words: i32, steps: usize, count: i32): i32 {
  let rounds = 0;
  const bytes = <usize>words << 3;
  while (true) {
    memory.fill(next, 0, bytes);
    for (let i = 0; i < count; i++) spread(frontier, next, bytes, load<i32>(steps + (<usize>i << 2)));
    let any = i64x2.splat(0);
    for (let at: usize = 0; at < bytes; at += 16) {
      const have = v128.load(all + at);
      const fresh = v128.andnot(v128.load(next + at), have);
      v128.store(frontier + at, fresh);
      v128.store(all + at, v128.or(have, fresh));
      any = v128.or(any, fresh);
    }
    if (!v128.any_true(any)) return rounds;
    rounds++;
  }
}

/** next |= frontier moved up by `step` and down by `step`. */
function spread(frontier: usize, next: usize, bytes: usize, step: i32): void {
  const move = <usize>(step >> 6) << 3;
  const bits = step & 63;
  const rest = 63 - bits;
  for (let at: usize = 0; at < bytes; at += 16) {
    const below = frontier + at - move;
    const above = frontier + at + move;
    // Two shifts of 1 and 63 − bits instead of one of 64 − bits, which would be 0 for bits = 0.
    const up = v128.or(
      i64x2.shl(v128.load(below), bits),
      i64x2.shr_u(i64x2.shr_u(v128.load(below - 8), 1), rest),
    );
    const down = v128.or(
      i64x2.shr_u(v128.load(above), bits),
      i64x2.shl(i64x2.shl(v128.load(above + 8), 1), rest),
    );
    v128.store(next + at, v128.or(v128.load(next + at), v128.or(up, down)));
  }
}
