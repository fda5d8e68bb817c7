import { sizeOf, stridesOf } from "../../tensor/index.ts";
import { reducedAxes } from "../shapes/reduce.ts";
import type { Evaluate } from "./elements.ts";
import { allocate, dataOf, elementsOf, walk } from "./elements.ts";

type Value = number | bigint;

/** Integer reductions, and the largest and least of floats; a sum of floats depends on its order, which is the kernel's business. */
function reduce(start: (one: Value) => Value, join: (a: Value, b: Value) => Value, floats: boolean): Evaluate {
  return (call, [output]) => {
    const { type, shape } = output!;
    if (type === "string" || type === "float16" || type === "bool") return undefined;
    if (!floats && (type === "float32" || type === "float64")) return undefined;
    const axes = reducedAxes(call);
    const from = elementsOf(call.constant(0)!.data);
    if (axes === undefined) return [call.constant(0)!.data];
    const own = call.shape(0);
    const kept = own.map((d, i) => (axes.includes(i) ? 1 : d));
    const strides = stridesOf(kept).map((s, i) => (axes.includes(i) ? 0 : s));
    const to = allocate(type, sizeOf(shape));
    if (from.length === 0) return undefined;
    const seen = new Uint8Array(to.length);
    walk(own, [strides], (at, [offset]) => {
      const value = from[at] as Value;
      to[offset!] = join(seen[offset!] ? (to[offset!] as Value) : start(value), value);
      seen[offset!] = 1;
    });
    return [dataOf(to)];
  };
}

const zero = (like: Value): Value => (typeof like === "bigint" ? 0n : 0);
const one = (like: Value): Value => (typeof like === "bigint" ? 1n : 1);
const add = (a: Value, b: Value): Value => (typeof a === "bigint" ? a + (b as bigint) : a + (b as number));
const multiply = (a: Value, b: Value): Value => (typeof a === "bigint" ? a * (b as bigint) : Math.imul(a, b as number));
const notANumber = (a: Value): boolean => typeof a === "number" && Number.isNaN(a);

const cumSum: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  if (type === "string" || type.startsWith("float") || call.number("reverse", 0) === 1) return undefined;
  const axis = call.axis(call.needed(1)[0]!, shape.length);
  const step = stridesOf(shape)[axis]!;
  const exclusive = call.number("exclusive", 0) === 1;
  const from = elementsOf(call.constant(0)!.data);
  const to = allocate(type, from.length);
  for (let at = 0; at < from.length; at++) {
    const first = Math.floor(at / step) % shape[axis]! === 0;
    const own = from[exclusive ? at - step : at] as Value;
    if (first) to[at] = exclusive ? zero(from[at] as Value) : own;
    else to[at] = add(to[at - step] as Value, own);
  }
  return [dataOf(to)];
};

export const reduceEvaluators: Readonly<Record<string, Evaluate>> = {
  "/ReduceSum": reduce(zero, add, false),
  "/ReduceProd": reduce(one, multiply, false),
  "/ReduceMax": reduce(
    (v) => v,
    (a, b) => (notANumber(a) || a > b ? a : b),
    true,
  ),
  "/ReduceMin": reduce(
    (v) => v,
    (a, b) => (notANumber(a) || a < b ? a : b),
    true,
  ),
  "/CumSum": cumSum,
};
