// What templates of calls are drawn with: inputs of some types, axes, shapes that broadcast, attributes that may be there.
import type { Attribute } from "../../../src/graph/graph.ts";
import type { GraphBuilder, Spec } from "./builder.ts";

export interface Draft extends Omit<Spec, "attributes"> {
  readonly attributes?: Readonly<Record<string, Attribute | undefined>> | undefined;
}
export type Template = (b: GraphBuilder) => Draft;

export const FLOATS = ["float32", "float32", "float32", "float32", "float64", "float16"];
export const INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];

export const float = (b: GraphBuilder, low = 0, high = 4): string =>
  b.pick(
    (v) => v.type === "float32" && v.dims.length >= low && v.dims.length <= high,
    () => b.fresh("float32", b.dims(low, high)),
  );
export const anyOf =
  (types: readonly string[]) =>
  (b: GraphBuilder, low = 0, high = 4): string => {
    const type = b.random.pick(types);
    return b.pick(
      (v) => v.type === type && v.dims.length >= low && v.dims.length <= high,
      () => b.fresh(type, b.dims(low, high)),
    );
  };
export const number = anyOf([...FLOATS, ...INTEGERS]);
export const anything = anyOf([...FLOATS, ...INTEGERS, "bool"]);

export const maybe = (b: GraphBuilder): boolean => b.random.integer(0, 1) === 1;
export const axis = (b: GraphBuilder, name: string): number => {
  const rank = Math.max(1, b.get(name).dims.length);
  return b.random.integer(-rank, rank - 1);
};
/** Some of the axes, in any order, of either sign. */
export function axes(b: GraphBuilder, name: string): number[] {
  const rank = b.get(name).dims.length;
  const list = Array.from({ length: rank }, (_, i) => i).filter(() => maybe(b));
  list.sort(() => b.random.integer(-1, 1));
  return list.map((a) => (maybe(b) ? a : a - rank));
}
/** A shape that broadcasts with that of `name`. */
export function partner(b: GraphBuilder, name: string): string {
  const { type, dims } = b.get(name);
  const own = dims.slice(b.random.integer(0, dims.length)).map((d) => (b.random.integer(0, 3) === 0 ? 1 : d));
  return b.pick(
    (v) => v.type === type && v.dims.join() === dims.join(),
    () => b.fresh(type, own),
  );
}

export const unary =
  (op: string, attributes: (b: GraphBuilder) => Draft["attributes"] = () => ({}), from = float): Template =>
  (b) => ({ op, inputs: [from(b)], attributes: attributes(b) });
export const binary =
  (op: string, from = number, attributes: (b: GraphBuilder) => Draft["attributes"] = () => ({})): Template =>
  (b) => {
    const a = from(b);
    const pair = [a, partner(b, a)];
    return { op, inputs: maybe(b) ? pair : pair.reverse(), attributes: attributes(b) };
  };

export const some = (b: GraphBuilder, name: string, values: readonly number[]): Record<string, number> =>
  maybe(b) ? {} : { [name]: b.random.pick(values) };

/** `axes` as an attribute before the opset, as an input since. */
export function withAxes(
  b: GraphBuilder,
  op: string,
  x: string,
  list: number[],
  since: number,
  attributes: Draft["attributes"] = {},
): Draft {
  if (b.opset < since)
    return { op, inputs: [x], attributes: { ...attributes, ...(list.length > 0 && { axes: list }) } };
  return { op, inputs: list.length > 0 ? [x, b.int64(...list)] : [x], attributes };
}

export const reduce =
  (op: string): Template =>
  (b) => {
    const x = b.random.integer(0, 3) === 0 ? number(b, 1, 4) : float(b, 1, 4);
    const since = op === "ReduceSum" ? 13 : 18;
    return withAxes(b, op, x, axes(b, x), since, some(b, "keepdims", [0, 1]));
  };
