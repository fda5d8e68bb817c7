import type { LoweredStep } from "./lowering.ts";

/**
 * What a core does in a millisecond at least, measured with the scalar build on a slow engine and rounded down: multiply-accumulates of the
 * linear steps, bytes of the others (a transcendental function takes 10 ns per 8 bytes).
 */
const MACS = 2 ** 18;
const BYTES = 2 ** 19;
/** More slices than that cost more than they give. */
const MOST = 4096;

/**
 * Into how many slices a step must be cut so that one takes at most `milliseconds`, as far as its work can be divided (a row of a
 * reduction, a softmax or a sort cannot, nor can the updates of a scatter, which come in order). Slice `i` of `n` is `core.run(program, step, 1, i, n)`. Slices run one after the other,
 * from 0 on: then every step gives the same bits as run whole, whatever `n`, because it splits its output by (thread, threads), and
 * what threads keep for themselves (partials of Range, scratch of the linear steps) is shared by the slices that stand for one thread
 * (`slots` in the steps' words).
 *
 * @param milliseconds - above 0
 * @returns an integer, at least 1
 */
export function slicesOf(step: LoweredStep, milliseconds: number): number {
  const time = step.macs / MACS + step.bytes / BYTES;
  return Math.min(MOST, Math.max(1, Math.ceil(time / milliseconds)));
}
