import { now, yieldToEventLoop } from "../../core/index.ts";

/** Work that stops every millisecond or so for who runs it to look up; `yield*` runs it as a part of other such work. */
export type Steps<T> = Generator<undefined, T, void>;

/** Milliseconds between two looks at the event loop. */
const SLICE = 12;

/** Lets timers, events and aborts have their turn whenever some milliseconds have passed. */
export class Pace {
  private last = now();

  constructor(private readonly signal: AbortSignal | undefined) {}

  /** @throws the reason of the signal */
  async look(): Promise<void> {
    if (now() - this.last < SLICE) return;
    await yieldToEventLoop();
    this.signal?.throwIfAborted();
    this.last = now();
  }

  /** @throws the reason of the signal, between two steps */
  async run<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await this.look();
    }
  }
}

/** `map` of work that is done in steps. */
export function* mapSteps<T, R>(list: Iterable<T>, each: (value: T, index: number) => Steps<R>): Steps<R[]> {
  const results: R[] = [];
  for (const value of list) results.push(yield* each(value, results.length));
  return results;
}
