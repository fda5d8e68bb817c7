import { Turns } from "../../src/core/index.ts";

/**
 * Counts the chances to abort that work gives while `run` lasts, and takes the one with the number `at`: pieces of work, however long a machine takes for them.
 *
 * @returns how many there were, the last one taken included
 */
export async function chances(
  run: (signal: AbortSignal) => Promise<unknown>,
  at = Number.POSITIVE_INFINITY,
  reason: unknown = new Error("enough"),
): Promise<{ readonly count: number; readonly error: unknown }> {
  const controller = new AbortController();
  const { next } = Turns.prototype;
  let count = 0;
  Turns.prototype.next = function (): Promise<void> {
    if (++count === at) controller.abort(reason);
    return next.call(this);
  };
  try {
    await run(controller.signal);
    return { count, error: undefined };
  } catch (error) {
    return { count, error };
  } finally {
    Turns.prototype.next = next;
  }
}
