import { type LoweredStep, workOf } from "../program/lowering.ts";
import { slicesOf } from "../program/slices.ts";
import { yieldToEventLoop } from "./yield.ts";

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

/** What a caller who aborts waits at most, besides the slice that runs. */
const TURN_MILLISECONDS = 8;

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

/** Gives the event loop a turn whenever some milliseconds have passed since the last one, and looks at the signal after it. */
export class Turns {
  private last = performance.now();

  constructor(private readonly signal: AbortSignal | undefined) {}

  async next(): Promise<void> {
    if (this.signal === undefined || performance.now() - this.last < TURN_MILLISECONDS) return;
    await yieldToEventLoop();
    this.signal.throwIfAborted();
    this.last = performance.now();
  }
}
