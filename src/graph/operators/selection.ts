import { holdsBits, type Shape, sizeOf, smallFloatValues, stridesOf, type Tensor } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { once } from "./memo.ts";
import { ANY, type Evaluate, type Operator, rankOf, type ShapeRule } from "./operator.ts";

/** Elements that can be compared: small floats as numbers. */
function comparable({ type, data }: Tensor): ArrayLike<number | bigint | string> {
  return holdsBits(type) ? smallFloatValues(type, data as ArrayLike<number>) : elementsOf(data);
}

/** The elements of an input, which decide the shape of the result. */
function elements(call: Call, i: number): Tensor {
  const tensor = call.constant(i);
  if (tensor === undefined) throw call.dependsOn(i);
  return tensor;
}

/** Where the elements are that are not 0. */
const nonZeros = once((call) => {
  const all = comparable(elements(call, 0));
  const places: number[] = [];
  for (let at = 0; at < all.length; at++) if (Number(all[at]) !== 0) places.push(at);
  return places;
});

const nonZero: Evaluate = (call) => {
  const places = nonZeros(call);
  const strides = stridesOf(call.shape(0));
  const rows = call.shape(0).map((d, axis) => places.map((at) => BigInt(Math.floor(at / strides[axis]!) % d)));
  return [BigInt64Array.from(rows.flat())];
};

/** Slabs of a tensor along an axis, or its elements, that are kept. */
const kept = once((call) => {
  const condition = elementsOf(elements(call, 1).data);
  const axis = call.node.attributes["axis"];
  const shape = call.shape(0);
  if (call.shape(1).length !== 1) throw call.fail("the condition expected a vector");
  const at = typeof axis === "number" ? call.axis(axis, shape.length) : undefined;
  const extent = at === undefined ? sizeOf(shape) : shape[at]!;
  if (condition.length > extent) throw call.fail(`the condition expected at most ${extent} elements`);
  const indices = Array.from({ length: condition.length }, (_, i) => i).filter((i) => condition[i] !== 0);
  return { axis: at, indices };
});

const compressShape: ShapeRule = (call) => {
  const { axis, indices } = kept(call);
  const shape = axis === undefined ? [indices.length] : call.shape(0).map((d, i) => (i === axis ? indices.length : d));
  return [{ type: call.type(0), shape }];
};

const compress: Evaluate = (call, [output]) => {
  const { axis, indices } = kept(call);
  const data = call.constant(0)!;
  const shape = axis === undefined ? [data.size] : data.dims;
  return [dataOf(slabs(data, shape, axis ?? 0, indices, output!.shape))];
};

/** Slabs along an axis in the order of `indices`. */
function slabs(
  data: Tensor,
  shape: Shape,
  axis: number,
  indices: readonly number[],
  to: Shape,
): ReturnType<typeof allocate> {
  const from = elementsOf(data.data);
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const result = allocate(data.type, sizeOf(to));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      const start = (o * shape[axis]! + index) * inner;
      for (let i = 0; i < inner; i++) result[at++] = from[start + i]!;
    }
  }
  return result;
}

/** The different slabs along an axis, or elements, in their order; NaN equals NaN and is larger than all else. */
const unique = once((call) => {
  const data = elements(call, 0);
  const given = call.node.attributes["axis"];
  const axis = typeof given === "number" ? call.axis(given, data.dims.length) : undefined;
  const shape = axis === undefined ? [data.size] : data.dims;
  const at = axis ?? 0;
  const all = comparable(data);
  const [inner, outer, extent] = [sizeOf(shape.slice(at + 1)), sizeOf(shape.slice(0, at)), shape[at]!];
  const compareSlabs = (a: number, b: number): number => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const order = compare(all[(o * extent + a) * inner + i]!, all[(o * extent + b) * inner + i]!);
        if (order !== 0) return order;
      }
    }
    return 0;
  };
  const order = Array.from({ length: extent }, (_, i) => i).sort((a, b) => compareSlabs(a, b) || a - b);
  /** Runs of equal slabs, each from its first occurrence on. */
  const groups: number[][] = [];
  for (const index of order) {
    const last = groups.at(-1);
    if (last !== undefined && compareSlabs(last[0]!, index) === 0) last.push(index);
    else groups.push([index]);
  }
  if (call.number("sorted", 1) === 0) groups.sort(([a], [b]) => a! - b!);
  return { data, shape, axis: at, extent, groups };
});

function compare(a: number | bigint | string, b: number | bigint | string): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

const uniqueShape: ShapeRule = (call) => {
  const { shape, axis, extent, groups } = unique(call);
  const counts = { type: "int64", shape: [groups.length] } as const;
  const values = shape.map((d, i) => (i === axis ? groups.length : d));
  return [{ type: call.type(0), shape: values }, counts, { type: "int64", shape: [extent] }, counts];
};

const uniqueData: Evaluate = (call, [output]) => {
  const { data, shape, axis, extent, groups } = unique(call);
  const first = groups.map((group) => group[0]!);
  const inverse = new BigInt64Array(extent);
  groups.forEach((group, i) => {
    for (const index of group) inverse[index] = BigInt(i);
  });
  const values = dataOf(slabs(data, shape, axis, first, output!.shape));
  const counts = groups.map((group) => BigInt(group.length));
  return [values, BigInt64Array.from(first, BigInt), inverse, BigInt64Array.from(counts)];
};

/** Corners of a box: lowest and highest y, lowest and highest x. */
type Box = readonly [number, number, number, number];

const { fround } = Math;

function boxAt(boxes: Float32Array, at: number, centered: boolean): Box {
  const [a, b, c, d] = boxes.subarray(at, at + 4) as unknown as Box;
  if (!centered) return [Math.min(a, c), Math.max(a, c), Math.min(b, d), Math.max(b, d)];
  const [width, height] = [fround(c / 2), fround(d / 2)];
  return [fround(b - height), fround(b + height), fround(a - width), fround(a + width)];
}

function area([low, high, left, right]: Box): number {
  return fround(fround(high - low) * fround(right - left));
}

/** Whether two boxes share more than `threshold` of what they cover together, in float32 as onnxruntime computes it. */
function overlaps(a: Box, b: Box, threshold: number): boolean {
  const shared: Box = [Math.max(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.min(a[3], b[3])];
  if (!(shared[1] > shared[0]) || !(shared[3] > shared[2])) return false;
  const [both, first, second] = [area(shared), area(a), area(b)];
  const together = fround(fround(first + second) - both);
  if (!(both > 0 && first > 0 && second > 0 && together > 0)) return false;
  return fround(both / together) > threshold;
}

function scalar(call: Call, i: number, fallback: number): number {
  if (!call.has(i)) return fallback;
  if (sizeOf(call.shape(i)) !== 1) throw call.fail(`input ${i} expected a scalar`);
  return call.needed(i)[0]!;
}

/** Batch, class and box of everything that is selected. */
const selected = once((call): [number, number, number][] => {
  const [boxes, scores] = [elements(call, 0), elements(call, 1)];
  const [batches, count, corners] = boxes.dims as [number, number, number];
  const [otherBatches, classes, otherCount] = scores.dims as [number, number, number];
  const fits = boxes.dims.length === 3 && scores.dims.length === 3 && corners === 4;
  if (!fits || batches !== otherBatches || count !== otherCount)
    throw call.fail("boxes [batch, n, 4] and scores [batch, classes, n] are expected");
  const most = scalar(call, 2, 0);
  const threshold = scalar(call, 3, 0);
  const least = call.has(4) ? scalar(call, 4, 0) : undefined;
  if (!(threshold >= 0 && threshold <= 1)) throw call.fail(`iou_threshold expected a number in 0..1, got ${threshold}`);
  const centered = call.number("center_point_box", 0) === 1;
  const score = scores.data as Float32Array;
  const result: [number, number, number][] = [];
  for (let batch = 0; batch < batches && most > 0; batch++) {
    const all = Array.from({ length: count }, (_, i) =>
      boxAt(boxes.data as Float32Array, (batch * count + i) * 4, centered),
    );
    for (let kind = 0; kind < classes; kind++) {
      const start = (batch * classes + kind) * count;
      const order = all.map((_, i) => i).filter((i) => least === undefined || score[start + i]! > least);
      order.sort((a, b) => compare(score[start + b]!, score[start + a]!) || a - b);
      const chosen: number[] = [];
      for (const candidate of order) {
        if (chosen.length >= most) break;
        if (chosen.every((other) => !overlaps(all[candidate]!, all[other]!, threshold))) chosen.push(candidate);
      }
      for (const box of chosen) result.push([batch, kind, box]);
    }
  }
  return result;
});

/** What is selected by the data themselves: evaluated in TypeScript when the data are there. */
export const selections = {
  "/NonZero": {
    since: 9,
    inputs: "T",
    types: { T: ANY.filter((type) => type !== "string") },
    rank: rankOf(2),
    shape: (call: Call) => [{ type: "int64", shape: [call.shape(0).length, nonZeros(call).length] }],
    evaluate: nonZero,
  },
  "/Compress": {
    since: 9,
    inputs: "T bool",
    types: { T: ANY },
    attributes: { axis: "int" },
    rank: (node, { rank }) => ("axis" in node.attributes ? rank(0) : 1),
    shape: compressShape,
    evaluate: compress,
  },
  "/Unique": {
    since: 11,
    inputs: "T",
    types: { T: ANY },
    attributes: { axis: "int", sorted: "int" },
    shape: uniqueShape,
    evaluate: uniqueData,
  },
  "/NonMaxSuppression": {
    since: 10,
    inputs: "float32 float32 int64? float32? float32?",
    attributes: { center_point_box: "int" },
    rank: rankOf(2),
    shape: (call: Call) => [{ type: "int64", shape: [selected(call).length, 3] }],
    evaluate: (call: Call) => [BigInt64Array.from(selected(call).flat(), BigInt)],
  },
} as const satisfies Readonly<Record<string, Operator>>;
