// Values that stay in memory from run to run and grow: rows of a state, [outer, capacity, inner], that a program reads where they are and appends to. The
// program is good for one capacity; where the rows lie is told when it is written.
import { CanonicalizeStep } from "../core/abi/elementwise.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { type Ref, step } from "../core/index.ts";
import type { KnownValue } from "../graph/graph.ts";
import { type ElementType, elementBytes, type Shape, sizeOf, stridesOf } from "../tensor/index.ts";
import type { Lowering } from "./lowering.ts";
import { byteStrides, emitCopy, isFloat, shifted } from "./operators/support.ts";

/** An input whose rows are kept, and the output that holds them and more. */
export interface KeptInput {
  readonly output: string;
  /** The axis that grows. */
  readonly axis: number;
  /** Rows that there is room for. */
  readonly capacity: number;
}

/** Memory of a state. */
export interface KeptMemory {
  readonly kept: ReadonlyMap<string, KeptInput>;
  /** Tells programs apart: names and capacities of its inputs. */
  readonly signature: string;
  /** Another object whenever something has been moved or forgotten. */
  readonly version: object;
  /** Where a block lies: the rows of the input that it is named after, or what programs have made of them. It is made on first use, zeros where asked. */
  block(key: string, bytes: number, zeros: boolean): number;
}

/** A kept value, or a transpose of it, times a factor. */
export interface View {
  /** Names the rows. */
  readonly key: string;
  readonly at: Ref;
  readonly type: ElementType;
  readonly shape: Shape;
  /** In bytes. */
  readonly strides: readonly number[];
  /** The axis that grows, the rows that were there before the run, and those that there is room for. */
  readonly axis: number;
  readonly before: number;
  readonly capacity: number;
  readonly factor: number;
}

/** Where an output lies whose rows are kept: in pieces that begin so many bytes apart. */
export interface KeptPlace {
  readonly rows: string;
  readonly count: number;
  readonly apart: number;
  /** The axis that grows, and room for how many rows there is. */
  readonly axis: number;
  readonly capacity: number;
}

/** Locates an input in the state's memory. */
export function locateKept(
  l: Lowering,
  name: string,
  { type, shape }: KnownValue,
  { axis, capacity }: KeptInput,
): void {
  const room = shape.map((d, i) => (i === axis ? capacity : d));
  const bytes = elementBytes(type);
  l.views.set(name, {
    ...{
      key: name,
      at: l.keep(name, sizeOf(room) * bytes),
      type,
      shape,
      axis,
      before: shape[axis]!,
      capacity,
      factor: 1,
    },
    strides: stridesOf(room).map((s) => s * bytes),
  });
}

/** A Concat of kept rows and new ones, whose result takes their place: only the new ones are copied. False: it is another Concat. */
export function appendKept(l: Lowering, axis: number): boolean {
  const [first = "", ...others] = l.node.inputs;
  const [output = ""] = l.node.outputs;
  const view = l.views.get(first);
  if (view?.key !== first || l.kept.get(first)?.output !== output || view.axis !== axis) return false;
  const bytes = elementBytes(view.type);
  let end = view.before;
  for (const name of others) {
    const x = l.operand(name);
    if (isFloat(view.type) && bytes >= 4 && typeof x.at !== "number") {
      // As the output of a run would be.
      const words = { data: x.at, count: sizeOf(x.shape), bytes };
      const kernel = `canonicalize_f${8 * bytes}`;
      if (words.count > 0)
        l.emit(step(Opcode.Canonicalize, CanonicalizeStep, words), { kernel, bytes: 2 * bytes * words.count });
    }
    emitCopy(l, x.at, shifted(view.at, end * view.strides[axis]!), bytes, x.shape, byteStrides(x), view.strides);
    end += x.shape[axis]!;
  }
  l.views.set(output, { ...view, shape: view.shape.map((d, i) => (i === axis ? end : d)) });
  return true;
}

/** Where an output of the graph lies that has been appended to its input; undefined: in the arena. */
export function keptPlace(l: Lowering, name: string): KeptPlace | undefined {
  const view = l.views.get(name);
  if (view === undefined || l.kept.get(view.key)?.output !== name) return undefined;
  const { key, axis, capacity, shape } = view;
  return { rows: key, axis, capacity, count: sizeOf(shape.slice(0, axis)), apart: capacity * view.strides[axis]! };
}

/** A view with its axes in another order. */
export function transposedView(view: View, order: readonly number[]): View {
  const pick = (list: readonly number[]): number[] => order.map((i) => list[i]!);
  return { ...view, shape: pick(view.shape), strides: pick(view.strides), axis: order.indexOf(view.axis) };
}

/** A view as batches of matrices: bytes between them, rows and columns; undefined where batches are not evenly spaced, or do not grow within a matrix. */
export function matricesOf({ shape, strides, axis }: View): Matrices | undefined {
  const rank = shape.length;
  if (rank < 2 || axis < rank - 2) return undefined;
  const batch = sizeOf(shape.slice(0, -2));
  const outer = shape.slice(0, -2).flatMap((d, i) => (d === 1 ? [] : [i]));
  const even = outer.every((i, j) => j === 0 || strides[outer[j - 1]!] === strides[i]! * shape[i]!);
  const apart = outer.length === 0 ? 0 : strides[outer.at(-1)!]!;
  return even
    ? { batch, apart, down: strides[rank - 2]!, right: strides[rank - 1]!, growsDown: axis === rank - 2 }
    : undefined;
}

export interface Matrices {
  readonly batch: number;
  readonly apart: number;
  readonly down: number;
  readonly right: number;
  readonly growsDown: boolean;
}
