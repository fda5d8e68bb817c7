/** Work that stops every millisecond or so for the event loop to have its turn (`Turns.run`); `yield*` runs it as a part of other such work. */
export type Steps<T> = Generator<undefined, T, void>;

/** `map` of work that is done in steps. */
export function* mapSteps<T, R>(list: Iterable<T>, each: (value: T, index: number) => Steps<R>): Steps<R[]> {
  const results: R[] = [];
  for (const value of list) results.push(yield* each(value, results.length));
  return results;
}
