import type { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { broadcastLast, lastAxis } from "../passes/layout.ts";

/** Emits the channels-last form of a node and says true, or leaves the node to stay as it is. */
export type LayoutRule = (node: Node, layout: Layout) => boolean;

/** What the rules see of the graph, and how they change it. */
export interface Layout {
  rank(value: string | undefined): number | undefined;
  constant(value: string | undefined): Tensor | undefined;
  /** Elements of a constant. */
  integers(value: string | undefined): number[] | undefined;
  /** Whether a channels-last form exists already. */
  hasLast(value: string): boolean;
  /** Whether all spatial extents are known to be 1: both forms have the same order of elements. */
  isPoint(value: string): boolean;
  markPoint(value: string): void;
  /** The channels-second form, made by a Transpose where it is missing. */
  first(value: string): string;
  /** The channels-last form, made by a Transpose where it is missing; of constants too. */
  toLast(value: string, rank: number): string;
  /** Adds a node whose output is the channels-last form of `value`. */
  emitLast(node: Node, rank: number): void;
  /** Adds a node that makes the values themselves. */
  emit(node: Node): void;
  /** A constant of integers. */
  integerConstant(base: string, data: readonly number[]): string;
  add(base: string, tensor: Tensor): string;
  newValue(base: string): string;
  /** Changes weights that are read once under their own name, others under a new one: one for each `way` that readers change them in. */
  change(name: string, tensor: Tensor, way: string): string;
}

/** Ranks that have a channels-last form with spatial axes. */
export const SPATIAL_RANKS = [3, 4, 5];

/** Operators on elements with any number of operands that broadcast: worth it when one operand is channels-last already. */
export const elementwiseLayout: LayoutRule = (node, layout) => {
  const known = node.inputs.map((name) => (name === "" ? 0 : layout.rank(name)));
  if (known.some((rank) => rank === undefined)) return false;
  const rank = Math.max(...(known as number[]));
  const inLast = node.inputs.filter((name, i) => layout.hasLast(name) && known[i] === rank);
  if (inLast.length === 0 || rank < 3) return false;
  const others = node.inputs.filter((name, i) => !(layout.hasLast(name) && known[i] === rank));
  const convertible = others.every((name) => {
    const own = layout.rank(name);
    return name === "" || layout.constant(name) !== undefined || own === 0 || own === rank;
  });
  if (!convertible) return false;
  // The rank of the result is that of an operand in channels-last form, so constants may shed leading ones.
  const inputs = node.inputs.map((name) => {
    const constant = layout.constant(name);
    if (name === "" || layout.rank(name) === 0) return layout.first(name);
    if (constant === undefined || (layout.hasLast(name) && constant.dims.length === rank))
      return layout.toLast(name, rank);
    const moved = broadcastLast(constant, rank);
    return moved === constant ? name : layout.add(`${name}/last`, moved);
  });
  layout.emitLast({ ...node, inputs }, rank);
  if (inLast.length === node.inputs.length && inLast.every((name) => layout.isPoint(name)))
    layout.markPoint(node.outputs[0]!);
  return true;
};

/** As `unaryLayout` for what may make pixels of one: Pad. */
export const growingLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const inputs = [layout.toLast(x, rank), ...node.inputs.slice(1).map((name) => layout.first(name))];
  layout.emitLast({ ...node, inputs }, rank);
  return true;
};

/** As `elementwiseLayout`, when only the first input is data and the others are scalars or lists. */
export const unaryLayout: LayoutRule = (node, layout) => {
  if (!growingLayout(node, layout)) return false;
  if (layout.isPoint(node.inputs[0]!)) layout.markPoint(node.outputs[0]!);
  return true;
};

/** As `unaryLayout` for operators with an `axis` attribute: Softmax, Split, ArgMax with keepdims. */
export function axisLayout(fallback: number): LayoutRule {
  return (node, layout) => {
    const rank = layout.rank(node.inputs[0]);
    if (rank === undefined || node.attributes["keepdims"] === 0) return false;
    const axis = lastAxis((node.attributes["axis"] as number | undefined) ?? fallback, rank);
    return unaryLayout({ ...node, attributes: { ...node.attributes, axis } }, layout);
  };
}

/** Pools and InstanceNormalization: the first input changes its form, the operator is a twin in the "bitbasis" domain. */
export const twinLayout: LayoutRule = (node, layout) => {
  const kernel = node.attributes["kernel_shape"];
  const own = layout.rank(node.inputs[0]);
  const rank = Array.isArray(kernel) ? kernel.length + 2 : own;
  if (rank === undefined || !SPATIAL_RANKS.includes(rank)) return false;
  // A kernel of another rank: the shape rule says so.
  if (own !== undefined && own !== rank) return false;
  // Indices of MaxPool count in the channels-second form.
  if ((node.outputs[1] ?? "") !== "") return false;
  const inputs = [layout.toLast(node.inputs[0]!, rank), ...node.inputs.slice(1).map((name) => layout.first(name))];
  layout.emitLast({ ...node, domain: "bitbasis", inputs }, rank);
  if (node.op.startsWith("Global")) layout.markPoint(node.outputs[0]!);
  return true;
};

/** The axes input of Slice, Pad and Reduce for the channels-last form; undefined when they are not constant. */
export function lastAxes(value: string | undefined, rank: number, layout: Layout): number[] | undefined {
  if (value === undefined || value === "") return undefined;
  return layout.integers(value)?.map((axis) => lastAxis(axis, rank));
}

/** A name and constant axes for a node that works on the channels-last form. */
export function axesConstant(node: Node, axes: readonly number[], layout: Layout): string {
  return layout.integerConstant(`${node.name}/axes`, axes);
}
