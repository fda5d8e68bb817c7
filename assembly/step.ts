// How every kernel reads its step and finds its own share of the work.

/** Word `index` of a step, an integer. */
@inline
export function argument(step: usize, index: i32): i32 {
  return load<i32>(step + (<usize>index << 2));
}

/** An argument that is an address or a number of bytes. */
@inline
export function address(step: usize, index: i32): usize {
  return load<usize>(step + (<usize>index << 2));
}

/** An argument that is an f32. */
@inline
export function number(step: usize, index: i32): f32 {
  return load<f32>(step + (<usize>index << 2));
}

/**
 * Which of `slots` pieces of memory of its own a thread uses. More threads than slots are slices of one thread's work, one after the other:
 * neighbours share a piece.
 */
@inline
export function slotOf(thread: i32, threads: i32, slots: i32): i32 {
  return threads > slots ? share(slots, thread, threads) : thread;
}

/**
 * First unit of `thread` in rows of so many units each: whole rows where there are enough. Else several parts make one row, one after the other, each
 * going on from what the part before it has left in the output: these come in order, on one thread (`rows` of a lowered step).
 */
export function shareOfRows(rows: i32, units: i32, thread: i32, threads: i32): i32 {
  return rows < threads ? share(rows * units, thread, threads) : share(rows, thread, threads) * units;
}

/** First of `count` items that belong to `thread`; its last is before share(count, thread + 1, threads). */
@inline
export function share(count: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>count * <i64>thread) / <i64>threads);
}
