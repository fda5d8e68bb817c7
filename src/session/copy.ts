/** Bytes that are copied between two turns: 1 to 4 ms, the longer where the pages are new. */
const PIECE = 2 ** 22;

/**
 * Copies bytes in pieces with a turn after each, so that an abort need not wait for gigabytes. The views are asked for anew for every piece: in a turn the memory may
 * grow, which detaches them.
 */
export async function copyBytes(
  from: () => Uint8Array,
  to: () => Uint8Array,
  turn: () => Promise<void>,
): Promise<void> {
  const { length } = from();
  for (let at = 0; at < length; at += PIECE) {
    to().set(from().subarray(at, at + PIECE), at);
    if (at + PIECE < length) await turn();
  }
}

/** A copy that is made so. */
export async function copied(from: () => Uint8Array, turn: () => Promise<void>): Promise<Uint8Array> {
  const own = new Uint8Array(from().length);
  await copyBytes(from, () => own, turn);
  return own;
}
