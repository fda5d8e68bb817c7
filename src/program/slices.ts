import { Turns } from "../core/index.ts";
import type { Compiled } from "./compile.ts";
import { type LoweredStep, workOf } from "./lowering.ts";

/**
 * What a core does in a millisecond at least, measured with the scalar build on a slow engine and rounded down: multiply-accumulates of the
 * linear steps, bytes of the others (a transcendental function takes 10 ns per 8 bytes).
 */
const MACS = 2 ** 18;
const BYTES = 2 ** 19;
/** Slices of a step: some microseconds each, for the largest that `limits.macs` allows by default. */
const MOST = 2 ** 20;

/**
 * Into how many slices a step must be cut so that one takes at most `milliseconds`, as far as its work can be divided (an element of a
 * product cannot). Slice `i` of `n` is `core.run(program, step, 1, i, n)`. Slices run one after the other,
 * from 0 on: then every step gives the same bits as run whole, whatever `n`, because it splits its output by (thread, threads), goes on where the slice
 * before has stopped in a row (`rows` of a step), and
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

/** Some steps, or one part of a step: `core.run(program, first, count, part, parts)`. */
export interface Slice {
  readonly first: number;
  readonly count: number;
  readonly part: number;
  readonly parts: number;
}

/** At most 5 ms in the slowest case that was measured (exponentials in the scalar build, 25 ns each); products take below 1 ms. */
const SLICE_WORK = 2 ** 21;
const SLICE_MILLISECONDS = 4;

/**
 * Cuts a program into slices of little work. A large step is run in parts, one after the other: every kernel splits its output by thread and
 * threads, and gives the same bits for any number of them.
 */
export function* sliced(steps: readonly LoweredStep[]): Generator<Slice> {
  for (let first = 0; first < steps.length; ) {
    const parts = slicesOf(steps[first]!, SLICE_MILLISECONDS);
    if (parts > 1) {
      for (let part = 0; part < parts; part++) yield { first, count: 1, part, parts };
      first++;
      continue;
    }
    let work = workOf(steps[first]!);
    let count = 1;
    for (; first + count < steps.length; count++) {
      work += workOf(steps[first + count]!);
      if (work > SLICE_WORK) break;
    }
    yield { first, count, part: 0, parts: 1 };
    first += count;
  }
}

/** Runs a program: all at once, or, where there is a signal, in slices with the event loop between them. */
export async function runSliced(
  program: Pick<Compiled, "count" | "steps">,
  signal: AbortSignal | undefined,
  run: (slice: Slice) => void | Promise<void>,
  turns = new Turns(signal),
): Promise<void> {
  if (signal === undefined) {
    await run({ first: 0, count: program.count, part: 0, parts: 1 });
    return;
  }
  for (const slice of sliced(program.steps)) {
    await run(slice);
    await turns.next();
  }
}
