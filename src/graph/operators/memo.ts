import type { Call } from "./call.ts";

/** A memo for what both the shape rule and the evaluator of a node need. */
export function once<T>(compute: (call: Call) => T): (call: Call) => T {
  const known = new WeakMap<Call, T>();
  return (call) => {
    if (!known.has(call)) known.set(call, compute(call));
    return known.get(call) as T;
  };
}
