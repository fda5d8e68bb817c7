import { atOnce } from "../../core/turns.ts";
import type { Call } from "./call.ts";

/** A memo for what both the shape rule and the evaluator of a node need. */
export function once<T>(compute: (call: Call) => T): (call: Call) => T {
  const known = new WeakMap<Call, T>();
  return (call) => {
    if (!known.has(call)) known.set(call, compute(call));
    return known.get(call) as T;
  };
}

/** Operations after which work that is done in pieces lets others have their turn: some milliseconds. */
export const PIECE = 2 ** 16;

/** As `once`, of what may take long: `compute` yields after every piece of work, and whoever can wait takes the pieces one by one. */
export function inPieces<T>(compute: (call: Call) => Generator<undefined, T>): ((call: Call) => T) & {
  readonly pieces: (call: Call) => Iterable<undefined>;
} {
  const known = new WeakMap<Call, T>();
  function* pieces(call: Call): Generator<undefined, void> {
    if (!known.has(call)) known.set(call, yield* compute(call));
  }
  const whole = once((call) => {
    atOnce(pieces(call));
    return known.get(call) as T;
  });
  return Object.assign(whole, { pieces });
}

/** 0 … count − 1 in the order of `compare`, equals as they are. `cost` is what a comparison takes, in operations. */
export function* sorted(
  count: number,
  compare: (a: number, b: number) => number,
  cost = 1,
): Generator<undefined, Int32Array> {
  let [from, to] = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < count; i++) {
    from[i] = i;
    if (i % PIECE === 0) yield;
  }
  let work = 0;
  for (let width = 1; width < count; width *= 2) {
    for (let start = 0; start < count; start += 2 * width) {
      const [middle, end] = [Math.min(start + width, count), Math.min(start + 2 * width, count)];
      let [a, b] = [start, middle];
      for (let at = start; at < end; at++) {
        to[at] = b >= end || (a < middle && compare(from[a]!, from[b]!) <= 0) ? from[a++]! : from[b++]!;
        work += cost;
        if (work < PIECE) continue;
        work = 0;
        yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
