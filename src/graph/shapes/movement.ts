import { broadcast, type Shape, sizeOf } from "../../tensor/index.ts";
import { normalizedAxes } from "./axes.ts";
import type { Call, ShapeRule } from "./call.ts";

function like(call: Call, shape: Shape): ReturnType<ShapeRule> {
  return [{ type: call.type(0), shape }];
}

const reshape: ShapeRule = (call) => {
  const from = call.shape(0);
  const target = call.needed(1);
  const zero = call.number("allowzero", 0) === 1;
  const shape = target.map((d, i) => (d === 0 && !zero ? from[i] : d));
  const rest = shape.indexOf(-1);
  const others = shape.reduce<number>((size, d, i) => (i === rest ? size : size * (d ?? Number.NaN)), 1);
  if (rest >= 0) shape[rest] = others === 0 ? 0 : sizeOf(from) / others;
  if (
    shape.some((d) => d === undefined || !Number.isInteger(d) || d < 0) ||
    sizeOf(shape as number[]) !== sizeOf(from)
  ) {
    throw call.fail(`cannot take shape [${target}]`);
  }
  return like(call, shape as number[]);
};

const flatten: ShapeRule = (call) => {
  const shape = call.shape(0);
  const given = call.number("axis", 1);
  const axis = given === shape.length ? given : given < 0 ? given + shape.length : given;
  if (axis < 0 || axis > shape.length) throw call.fail(`axis ${given} does not fit`);
  return like(call, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))]);
};

const squeeze: ShapeRule = (call) => {
  const shape = call.shape(0);
  const given = call.numbers(1);
  const axes =
    given === undefined ? shape.flatMap((d, i) => (d === 1 ? [i] : [])) : normalizedAxes(given, shape.length);
  if (axes === undefined || axes.some((axis) => shape[axis] !== 1)) throw call.fail(`cannot drop axes [${given}]`);
  return like(
    call,
    shape.filter((_, i) => !axes.includes(i)),
  );
};

const unsqueeze: ShapeRule = (call) => {
  const given = call.needed(1);
  const rank = call.shape(0).length + given.length;
  const axes = normalizedAxes(given, rank);
  if (axes === undefined) throw call.fail(`cannot insert axes [${given}]`);
  const rest = [...call.shape(0)];
  return like(
    call,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
  );
};

/** The permutation of a Transpose, the reversal by default. */
export function permutation(call: Call): readonly number[] {
  const rank = call.shape(0).length;
  const perm = call.list("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length !== rank || normalizedAxes(perm, rank) === undefined) throw call.fail(`perm [${perm}] does not fit`);
  return perm;
}

const transpose: ShapeRule = (call) =>
  like(
    call,
    permutation(call).map((axis) => call.shape(0)[axis]!),
  );

const expand: ShapeRule = (call) => {
  const target = call.needed(1);
  const shape = broadcast(call.shape(0), target);
  if (shape === undefined) throw call.fail(`cannot expand to [${target}]`);
  return like(call, shape);
};

const tile: ShapeRule = (call) => {
  const repeats = call.needed(1);
  const shape = call.shape(0);
  if (repeats.length !== shape.length || repeats.some((r) => r < 0))
    throw call.fail(`cannot repeat [${repeats}] times`);
  return like(
    call,
    shape.map((d, i) => d * repeats[i]!),
  );
};

const concat: ShapeRule = (call) => {
  const first = call.shape(0);
  const axis = call.axis(call.number("axis", 0), first.length);
  let sum = 0;
  for (let i = 0; i < call.count; i++) {
    const shape = call.shape(i);
    if (shape.length !== first.length || shape.some((d, j) => j !== axis && d !== first[j])) {
      throw call.fail(`input ${i} does not fit along axis ${axis}`);
    }
    sum += shape[axis]!;
  }
  return like(
    call,
    first.map((d, i) => (i === axis ? sum : d)),
  );
};

/** Extents of the parts of a Split along its axis. */
export function splitParts(call: Call): number[] {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  const extent = call.shape(0)[axis]!;
  const given = call.numbers(1);
  const count = given?.length ?? call.number("num_outputs", call.node.outputs.length);
  const chunk = Math.ceil(extent / count);
  const parts = given ?? Array.from({ length: count }, (_, i) => Math.min(chunk, extent - i * chunk));
  if (parts.some((d) => d < 0) || parts.reduce((a, b) => a + b, 0) !== extent || count < call.node.outputs.length) {
    throw call.fail(`cannot split ${extent} into [${parts}]`);
  }
  return parts;
}

const split: ShapeRule = (call) => {
  const axis = call.axis(call.number("axis", 0), call.shape(0).length);
  return splitParts(call).map((part) => ({
    type: call.type(0),
    shape: call.shape(0).map((d, i) => (i === axis ? part : d)),
  }));
};

/** Start, step and number of elements of a Slice along every axis. */
export function slices(call: Call): { start: number; step: number; count: number }[] {
  const shape = call.shape(0);
  const [starts, ends] = [call.needed(1), call.needed(2)];
  const given = call.numbers(3) ?? starts.map((_, i) => i);
  const steps = call.numbers(4) ?? starts.map(() => 1);
  const result = shape.map((d) => ({ start: 0, step: 1, count: d }));
  given.forEach((rawAxis, i) => {
    const axis = call.axis(rawAxis, shape.length);
    const [d, step] = [shape[axis]!, steps[i]!];
    if (step === 0) throw call.fail("a step is 0");
    const clamp = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + d : at, low), high);
    const start = step > 0 ? clamp(starts[i]!, 0, d) : clamp(starts[i]!, 0, d - 1);
    const end = step > 0 ? clamp(ends[i]!, 0, d) : clamp(ends[i]!, -1, d - 1);
    result[axis] = { start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return result;
}

const slice: ShapeRule = (call) =>
  like(
    call,
    slices(call).map(({ count }) => count),
  );

/** Elements added before and after every axis by a Pad; negative ones crop. */
export function padding(call: Call): { before: number; after: number }[] {
  const rank = call.shape(0).length;
  const pads = call.needed(1);
  const axes = call.has(3) ? call.needed(3).map((axis) => call.axis(axis, rank)) : call.shape(0).map((_, i) => i);
  if (pads.length !== 2 * axes.length) throw call.fail(`${pads.length} pads for ${axes.length} axes`);
  const result = Array.from({ length: rank }, () => ({ before: 0, after: 0 }));
  axes.forEach((axis, i) => {
    result[axis] = { before: pads[i]!, after: pads[axes.length + i]! };
  });
  return result;
}

const pad: ShapeRule = (call) => {
  const amounts = padding(call);
  const shape = call.shape(0).map((d, i) => d + amounts[i]!.before + amounts[i]!.after);
  if (shape.some((d) => d < 0)) throw call.fail("the pads crop more than there is");
  return like(call, shape);
};

export const movement: Readonly<Record<string, ShapeRule>> = {
  "/Reshape": reshape,
  "/Flatten": flatten,
  "/Squeeze": squeeze,
  "/Unsqueeze": unsqueeze,
  "/Transpose": transpose,
  "/Expand": expand,
  "/Tile": tile,
  "/Concat": concat,
  "/Split": split,
  "/Slice": slice,
  "/Pad": pad,
};
