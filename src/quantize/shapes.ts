// Shapes that a network is measured with, where its file leaves sizes open.
import type { Graph, ValueInfo } from "../graph/index.ts";
import type { ElementType, Shape } from "../tensor/index.ts";

/** What a network is fed and gives, and what it is made of. */
type Ends = Pick<Graph, "inputs" | "outputs" | "nodes">;

type Dims = readonly (number | string)[];

/** Channels of a picture. */
export const CHANNELS = [1, 3, 4];

/** Least side of a picture of rank 3, which else is three of something. */
const LEAST_SIDE = 16;

/** Whether values are pixels, by their type and shape, of which sizes may be free. */
export function isPicture(type: ElementType, shape: readonly (number | string)[]): boolean {
  if (!isFloat(type) && type !== "uint8") return false;
  if (shape.length === 4) return [shape[1]!, shape[3]!].some((d) => CHANNELS.includes(Number(d)));
  const sides = shape[0] === 3 ? shape.slice(1) : shape[2] === 3 ? shape.slice(0, 2) : [];
  return shape.length === 3 && sides.length === 2 && sides.every((d) => typeof d === "string" || d >= LEAST_SIDE);
}

/**
 * Inputs that hold what earlier runs have said, such as the keys of earlier tokens, beside inputs of integers: an output has the same shape but for one free axis, which is longer, or, where
 * exporters give every size of an output a name of its own, is the input and more behind it. The axis, by input.
 */
export function historiesOf({ inputs, outputs, nodes }: Ends): ReadonlyMap<string, number> {
  const hasTokens = inputs.some(({ type }) => isToken(type));
  const batches = new Set(inputs.flatMap(({ shape }) => (shape?.[0] === "" ? [] : [shape?.[0]])));
  const grown = (shape: Dims, other: Dims | undefined): number | undefined => {
    const odd = shape.flatMap((d, axis) => (d === other?.[axis] ? [] : [axis]));
    const [axis = 0] = odd;
    const isGrown = odd.length === 1 && axis > 0 && typeof shape[axis] === "string" && typeof other![axis] === "string";
    return isGrown && shape.length === other!.length ? axis : undefined;
  };
  const given = new Set(outputs.map(({ name }) => name));
  const appended = (name: string, shape: Dims): number | undefined => {
    const join = nodes.find(({ op, inputs, outputs: [to] }) => op === "Concat" && inputs[0] === name && given.has(to!));
    const axis = Number(join?.attributes["axis"]);
    const own = axis < 0 ? axis + shape.length : axis;
    return own > 0 && typeof shape[own] === "string" ? own : undefined;
  };
  return new Map(
    inputs.flatMap(({ name, type, shape = [] }) => {
      if (!hasTokens || !isFloat(type) || shape.length < 3) return [];
      const axes = outputs.map((output) => (output.type === type ? grown(shape, output.shape) : undefined));
      axes.push(appended(name, shape));
      // A recurrent state has the batch behind its layers, which exporters name anew in outputs.
      const axis = axes.find((found) => found !== undefined && !batches.has(shape[found]));
      return axis === undefined ? [] : [[name, axis] as const];
    }),
  );
}

/** `past + 1`: the sum of sizes that other dimensions have, as exporters write the length of a mask. */
function sumOf(d: string, sizes: ReadonlyMap<string, number>): number | undefined {
  const parts = d
    .split("+")
    .map((part) => sizes.get(part.trim()) ?? (/^\s*\d+\s*$/.test(part) ? Number(part) : undefined));
  return parts.length > 1 && parts.every((part) => part !== undefined) ? parts.reduce((a, b) => a + b, 0) : undefined;
}

/**
 * Shapes of the inputs, free dimensions chosen by kind: a batch of 1, pictures of 224 × 224 (or four times as wide as they are high where only the width is free), 32 tokens,
 * a second of sound. A name has one size everywhere. There is no history where there is text to read, so that what a decoder attends to is its own.
 *
 * @param choose - another guess: the size of a free dimension, other than a batch, instead of the usual one
 * @param batch - the size of a batch
 */
export function shapesOf(
  graph: Ends,
  choose: (usual: number) => number = (usual) => usual,
  batch = 1,
): Map<string, Shape> {
  const { inputs } = graph;
  const histories = historiesOf(graph);
  const isText = inputs.some(({ type, shape }) => isToken(type) && shape?.slice(1).some(isOwnSize));
  const sizes = new Map<string, number>();
  const sizeAt = ({ name, type, shape = [] }: ValueInfo, d: number | string, axis: number): number => {
    if (typeof d === "number") return d;
    const known = sizes.get(d) ?? sumOf(d, sizes);
    if (known !== undefined) return known;
    const usual = isText && histories.get(name) === axis ? 0 : freeSize(type, shape, axis);
    const isBatch = axis === batchAxis(type, shape) && usual === 1;
    const size = isBatch ? batch : choose(usual);
    if (d !== "") sizes.set(d, size);
    return size;
  };
  // A history says how long what has its size is; sums come after what they are sums of.
  const isSum = ({ shape = [] }: ValueInfo): boolean => shape.some((d) => typeof d === "string" && d.includes("+"));
  const placeOf = (input: ValueInfo): number => (isSum(input) ? 2 : histories.has(input.name) ? 0 : 1);
  const ordered = [...inputs].sort((a, b) => placeOf(a) - placeOf(b));
  return new Map(
    ordered.map((input) => [input.name, (input.shape ?? []).map((d, axis) => sizeAt(input, d, axis))] as const),
  );
}

/** Whether a dimension is free, and no sum of others. */
function isOwnSize(d: number | string): boolean {
  return typeof d === "string" && !d.includes("+");
}

function isToken(type: ElementType): boolean {
  return /^u?int(32|64)$/.test(type);
}

/** The axis of the batch: the first one, or the second of recurrent states, [layers, batch, hidden]. */
function batchAxis(type: ElementType, shape: readonly (number | string)[]): number {
  const [layers, , hidden] = shape;
  const isState = shape.length === 3 && Number(layers) > 1 && typeof hidden === "number" && !isPicture(type, shape);
  return isState ? 1 : 0;
}

function freeSize(type: ElementType, shape: readonly (number | string)[], axis: number): number {
  if (shape.length === 3 && isPicture(type, shape)) return 224;
  if (axis === batchAxis(type, shape)) return 1;
  if (!isFloat(type) && !isPicture(type, shape)) return 32;
  if (shape.length === 4) {
    const spatial = shape.slice(1).filter((d) => typeof d === "number" && !CHANNELS.includes(d)) as number[];
    const free = shape.slice(1).filter((d) => typeof d === "string");
    if (free.length === 3 && axis === 1) return 3;
    return spatial.length === 1 ? 32 * Math.ceil(spatial[0]! / 8) : 224;
  }
  const isSound = shape.length === 2 || (shape.length === 3 && axis === 2 && [1, 2].includes(Number(shape[1])));
  return isSound ? 16000 : 64;
}

export function isFloat(type: ElementType): boolean {
  return /^b?float/.test(type);
}
