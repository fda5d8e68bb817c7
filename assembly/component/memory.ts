// The canonical ABI of components: how lists and results lie in memory. What a caller hands over has been made by `allocate` and is ours from then on.

/** Answers of more than one number lie here until the next call: a pointer and a length, or a tag and what it tags. */
export const ANSWER: usize = memory.data(16, 8);

/** `cabi_realloc`. */
export function allocate(old: usize, oldBytes: usize, alignment: usize, bytes: usize): usize {
  if (bytes == 0) return alignment;
  return old == 0 || oldBytes == 0 ? heap.alloc(bytes) : heap.realloc(old, bytes);
}

/** Gives back a list of `bytes` bytes; an empty one has no memory. */
export function release(at: usize, bytes: usize): void {
  if (bytes != 0) heap.free(at);
}

export function list(at: usize, length: usize): usize {
  store<usize>(ANSWER, at);
  store<usize>(ANSWER, length, 4);
  return ANSWER;
}

/** `ok` of a result whose payload is a handle. */
export function ok(handle: i32): usize {
  store<u8>(ANSWER, 0);
  store<i32>(ANSWER, handle, 4);
  return ANSWER;
}

/** `error` of a result. */
export function failed(handle: i32): usize {
  store<u8>(ANSWER, 1);
  store<i32>(ANSWER, handle, 4);
  return ANSWER;
}

/** `ok` of a result whose payload is a list. */
export function okList(at: usize, length: usize): usize {
  store<u8>(ANSWER, 0);
  store<usize>(ANSWER, at, 4);
  store<usize>(ANSWER, length, 8);
  return ANSWER;
}
