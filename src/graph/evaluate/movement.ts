import { allocateData, sizeOf, stridesOf, Tensor, type TensorData } from "../../tensor/index.ts";
import type { Call } from "../shapes/call.ts";
import { shapeRange } from "../shapes/indexing.ts";
import { padding, permutation, slices, splitParts } from "../shapes/movement.ts";
import type { Evaluate } from "./elements.ts";
import { allocate, broadcastStrides, copyStrided, dataOf, elementsOf, walk } from "./elements.ts";

const sameData: Evaluate = (call) => [call.constant(0)!.data];

const transpose: Evaluate = (call, [output]) => {
  const strides = stridesOf(call.shape(0));
  return [
    copyStrided(
      call.constant(0)!.data,
      output!.type,
      output!.shape,
      permutation(call).map((axis) => strides[axis]!),
    ),
  ];
};

const expand: Evaluate = (call, [output]) => {
  const strides = broadcastStrides(call.shape(0), output!.shape);
  return [copyStrided(call.constant(0)!.data, output!.type, output!.shape, strides)];
};

const slice: Evaluate = (call, [output]) => {
  const own = stridesOf(call.shape(0));
  const parts = slices(call);
  const start = parts.reduce((sum, part, i) => sum + part.start * own[i]!, 0);
  const strides = parts.map((part, i) => part.step * own[i]!);
  return [copyStrided(call.constant(0)!.data, output!.type, output!.shape, strides, start)];
};

const concat: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  const axis = call.axis(call.number("axis", 0), shape.length);
  const to = allocate(type, sizeOf(shape));
  const row = sizeOf(shape.slice(axis));
  let before = 0;
  for (let i = 0; i < call.count; i++) {
    const from = elementsOf(call.constant(i)!.data);
    const part = sizeOf(call.shape(i).slice(axis));
    for (let at = 0; at < from.length; at++) to[Math.floor(at / part) * row + before + (at % part)] = from[at]!;
    before += part;
  }
  return [dataOf(to)];
};

const split: Evaluate = (call, outputs) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const strides = stridesOf(shape);
  let before = 0;
  return splitParts(call).map((part, i) => {
    const start = before * strides[axis]!;
    before += part;
    return copyStrided(call.constant(0)!.data, outputs[i]!.type, outputs[i]!.shape, strides, start);
  });
};

const tile: Evaluate = (call, [output]) => {
  const [own, from, to] = [stridesOf(call.shape(0)), call.shape(0), output!.shape];
  const data = elementsOf(call.constant(0)!.data);
  const result = allocate(output!.type, sizeOf(to));
  const strides = stridesOf(to);
  for (let at = 0; at < result.length; at++) {
    let offset = 0;
    for (let i = 0; i < to.length; i++) offset += ((Math.floor(at / strides[i]!) % to[i]!) % from[i]!) * own[i]!;
    result[at] = data[offset]!;
  }
  return [dataOf(result)];
};

const pad: Evaluate = (call, [output]) => {
  if (call.text("mode", "constant") !== "constant") return undefined;
  const { type, shape } = output!;
  const amounts = padding(call);
  const to = allocate(type, sizeOf(shape));
  const value = call.has(2) ? elementsOf(call.constant(2)!.data)[0]! : undefined;
  if (value !== undefined && typeof value !== typeof to[0]) return undefined;
  if (value !== undefined) for (let i = 0; i < to.length; i++) to[i] = value;
  const [from, own, wide] = [call.shape(0), stridesOf(call.shape(0)), stridesOf(shape)];
  const data = elementsOf(call.constant(0)!.data);
  for (let at = 0; at < data.length; at++) {
    let offset = 0;
    let inside = true;
    for (let i = 0; i < from.length; i++) {
      const index = (Math.floor(at / own[i]!) % from[i]!) + amounts[i]!.before;
      inside &&= index >= 0 && index < shape[i]!;
      offset += index * wide[i]!;
    }
    if (inside) to[offset] = data[at]!;
  }
  return [dataOf(to)];
};

/** An index that may count from the end, checked. */
function wrap(call: Call, index: number, extent: number): number {
  if (index < -extent || index >= extent) throw call.fail(`index ${index} is outside of 0..${extent - 1}`);
  return index < 0 ? index + extent : index;
}

const gather: Evaluate = (call, [output]) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const from = elementsOf(call.constant(0)!.data);
  const indices = call.needed(1).map((index) => wrap(call, index, shape[axis]!));
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const to = allocate(output!.type, sizeOf(output!.shape));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      for (let i = 0; i < inner; i++) to[at++] = from[(o * shape[axis]! + index) * inner + i]!;
    }
  }
  return [dataOf(to)];
};

const gatherElements: Evaluate = (call, [output]) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const from = elementsOf(call.constant(0)!.data);
  const indices = call.needed(1);
  const strides = stridesOf(shape);
  const to = allocate(output!.type, sizeOf(output!.shape));
  walk(output!.shape, [strides.map((s, i) => (i === axis ? 0 : s))], (at, [offset]) => {
    to[at] = from[offset! + wrap(call, indices[at]!, shape[axis]!) * strides[axis]!]!;
  });
  return [dataOf(to)];
};

const scatterND: Evaluate = (call, [output]) => {
  if (call.text("reduction", "none") !== "none") return undefined;
  const shape = output!.shape;
  const indices = call.needed(1);
  const depth = call.shape(1).at(-1)!;
  const strides = stridesOf(shape);
  const inner = sizeOf(shape.slice(depth));
  const updates = elementsOf(call.constant(2)!.data);
  const to = elementsOf(call.constant(0)!.data.slice() as TensorData);
  for (let row = 0; row < indices.length / depth; row++) {
    let offset = 0;
    for (let i = 0; i < depth; i++) offset += wrap(call, indices[row * depth + i]!, shape[i]!) * strides[i]!;
    for (let i = 0; i < inner; i++) to[offset + i] = updates[row * inner + i]!;
  }
  return [dataOf(to)];
};

const shape: Evaluate = (call) => {
  const [start, end] = shapeRange(call);
  return [BigInt64Array.from(call.shape(0).slice(start, end), BigInt)];
};

const constantOfShape: Evaluate = (call, [output]) => {
  const data = allocateData(output!.type, sizeOf(output!.shape));
  const value = call.node.attributes["value"];
  if (value instanceof Tensor) (data as unknown as { fill(v: unknown): void }).fill(elementsOf(value.data)[0]);
  return [data];
};

const range: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  const to = allocate(type, shape[0]!);
  const [start, delta] = [call.needed(0)[0]!, call.needed(2)[0]!];
  const wide = type === "int64";
  for (let i = 0; i < to.length; i++) to[i] = wide ? BigInt(start + i * delta) : start + i * delta;
  return [dataOf(to)];
};

const trilu: Evaluate = (call, [output]) => {
  const [rows, columns] = output!.shape.slice(-2) as [number, number];
  const k = call.has(1) ? call.needed(1)[0]! : 0;
  const upper = call.number("upper", 1) === 1;
  const from = elementsOf(call.constant(0)!.data);
  const to = allocate(output!.type, from.length);
  for (let at = 0; at < from.length; at++) {
    const [row, column] = [Math.floor(at / columns) % rows, at % columns];
    if (upper ? column - row >= k : column - row <= k) to[at] = from[at]!;
  }
  return [dataOf(to)];
};

const nonZero: Evaluate = (call, [output]) => {
  const dims = call.shape(0);
  const strides = stridesOf(dims);
  const count = output!.shape[1]!;
  const to = new BigInt64Array(dims.length * count);
  let column = 0;
  call.needed(0).forEach((value, at) => {
    if (value === 0) return;
    dims.forEach((d, axis) => {
      to[axis * count + column] = BigInt(Math.floor(at / strides[axis]!) % d);
    });
    column++;
  });
  return [to];
};

export const movementEvaluators: Readonly<Record<string, Evaluate>> = {
  "/Identity": sameData,
  "/Reshape": sameData,
  "/Flatten": sameData,
  "/Squeeze": sameData,
  "/Unsqueeze": sameData,
  "/Transpose": transpose,
  "/Expand": expand,
  "/Slice": slice,
  "/Concat": concat,
  "/Split": split,
  "/Tile": tile,
  "/Pad": pad,
  "/Gather": gather,
  "/GatherElements": gatherElements,
  "/ScatterND": scatterND,
  "/Shape": shape,
  "/Size": (call) => [BigInt64Array.of(BigInt(sizeOf(call.shape(0))))],
  "/ConstantOfShape": constantOfShape,
  "/Range": range,
  "/Trilu": trilu,
  "/NonZero": nonZero,
};
