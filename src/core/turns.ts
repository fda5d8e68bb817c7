import { now } from "./bare.ts";
import { yieldToEventLoop } from "./yield.ts";

/** What the event loop, and a caller who aborts, wait at most, besides the piece of work that runs. */
const TURN_MILLISECONDS = 8;

/** Work that stops now and then, to its end without a stop. */
export function atOnce<T>(steps: Iterator<unknown, T, void>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Gives the event loop a turn whenever some milliseconds have passed since the last one, and looks at the signal before and after it. */
export class Turns {
  private last = now();

  constructor(private readonly signal: AbortSignal | undefined) {}

  /** @throws the reason of the signal */
  async next(): Promise<void> {
    this.signal?.throwIfAborted();
    if (now() - this.last < TURN_MILLISECONDS) return;
    await yieldToEventLoop();
    this.signal?.throwIfAborted();
    this.last = now();
  }

  /**
   * Runs work that stops now and then for the event loop to have its turn; an abort ends it where it stands.
   *
   * @throws the reason of the signal
   */
  async run<T>(steps: Iterator<unknown, T, void>): Promise<T> {
    try {
      for (;;) {
        const { done, value } = steps.next();
        if (done === true) return value;
        await this.next();
      }
    } finally {
      steps.return?.();
    }
  }
}
