import {
  bytesIn,
  holdsBits,
  type Shape,
  sizeOf,
  smallFloatValues,
  stridesOf,
  type Tensor,
  type TensorData,
} from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { inPieces, PIECE, sorted } from "./memo.ts";
import { ANY, type Operator, rankOf, type ShapeRule } from "./operator.ts";

/** Elements that can be compared: small floats as numbers. */
function comparable({ hold }: Call, { type, data, size }: Tensor): ArrayLike<number | bigint | string> {
  if (!holdsBits(type)) return elementsOf(data);
  hold(bytesIn("float64", size));
  return smallFloatValues(type, data as ArrayLike<number>);
}

/** The elements of an input, which decide the shape of the result. */
function elements(call: Call, i: number): Tensor {
  const tensor = call.constant(i);
  if (tensor === undefined) throw call.dependsOn(i);
  return tensor;
}

/** Zeros of int64, and a view of their low words: whoever writes numbers from 0 to 2^31 − 1 there makes no BigInt, which take 0.1 µs each. */
function int64s(length: number): { wide: BigInt64Array; low: Int32Array } {
  const wide = new BigInt64Array(length);
  return { wide, low: new Int32Array(wide.buffer) };
}

/** Where the elements are that are not 0: a row for each axis. */
const nonZeros = inPieces(function* (call) {
  const all = comparable(call, elements(call, 0));
  let length = 0;
  for (let at = 0; at < all.length; at++) {
    if (Number(all[at]) !== 0) length++;
    if (at % PIECE === 0) yield;
  }
  const shape = call.shape(0);
  const strides = stridesOf(shape);
  call.hold(bytesIn("int64", shape.length * length));
  const { wide: rows, low } = int64s(shape.length * length);
  for (let at = 0, i = 0; at < all.length; at++) {
    if (at % PIECE === 0) yield;
    if (Number(all[at]) === 0) continue;
    for (let axis = 0; axis < shape.length; axis++)
      low[2 * (axis * length + i)] = Math.floor(at / strides[axis]!) % shape[axis]!;
    i++;
  }
  return { length, rows };
});

/** Slabs of a tensor along an axis, or its elements, that are kept. */
const kept = inPieces(function* (call) {
  const condition = elementsOf(elements(call, 1).data);
  const axis = call.node.attributes["axis"];
  const shape = call.shape(0);
  if (call.shape(1).length !== 1) throw call.fail("the condition expected a vector");
  const at = typeof axis === "number" ? call.axis(axis, shape.length) : undefined;
  const extent = at === undefined ? sizeOf(shape) : shape[at]!;
  if (condition.length > extent) throw call.fail(`the condition expected at most ${extent} elements`);
  let count = 0;
  for (let i = 0; i < condition.length; i++) {
    if (condition[i] !== 0) count++;
    if (i % PIECE === 0) yield;
  }
  call.hold(bytesIn("int32", count));
  const indices = new Int32Array(count);
  for (let i = 0, k = 0; i < condition.length; i++) {
    if (condition[i] !== 0) indices[k++] = i;
    if (i % PIECE === 0) yield;
  }
  const to = at === undefined ? [indices.length] : shape.map((d, i) => (i === at ? indices.length : d));
  const from = at === undefined ? [extent] : shape;
  // The shape can be told by the condition alone.
  const data = call.constant(0);
  const values = data && (yield* slabs(call, data, from, at ?? 0, indices, to));
  return { to, values };
});

const compressShape: ShapeRule = (call) => [{ type: call.type(0), shape: kept(call).to }];

/** Slabs along an axis in the order of `indices`. */
function* slabs(
  { hold }: Call,
  data: Tensor,
  shape: Shape,
  axis: number,
  indices: ArrayLike<number>,
  to: Shape,
): Generator<undefined, TensorData> {
  const from = elementsOf(data.data);
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  hold(bytesIn(data.type, sizeOf(to)));
  const result = allocate(data.type, sizeOf(to));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (let k = 0; k < indices.length; k++) {
      const start = (o * shape[axis]! + indices[k]!) * inner;
      for (let i = 0; i < inner; i++) {
        result[at++] = from[start + i]!;
        if (at % PIECE === 0) yield;
      }
    }
  }
  return dataOf(result);
}

/** The different slabs along an axis, or elements, in their order; NaN equals NaN and is larger than all else. */
const unique = inPieces(function* (call) {
  const data = elements(call, 0);
  const given = call.node.attributes["axis"];
  const axis = typeof given === "number" ? call.axis(given, data.dims.length) : undefined;
  const shape = axis === undefined ? [data.size] : data.dims;
  const at = axis ?? 0;
  const all = comparable(call, data);
  const [inner, outer, extent] = [sizeOf(shape.slice(at + 1)), sizeOf(shape.slice(0, at)), shape[at]!];
  // Two orders that are sorted in turn, the groups and the inverse.
  call.hold(3 * bytesIn("int32", extent) + bytesIn("int64", extent));
  const compareSlabs = (a: number, b: number): number => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const order = compare(all[(o * extent + a) * inner + i]!, all[(o * extent + b) * inner + i]!);
        if (order !== 0) return order;
      }
    }
    return 0;
  };
  const order = yield* sorted(extent, compareSlabs, inner * outer);
  // Runs of equal slabs, each from its first occurrence on.
  const groupOf = new Int32Array(extent);
  let groups = 0;
  for (let i = 0; i < extent; i++) {
    if (i > 0 && compareSlabs(order[i - 1]!, order[i]!) !== 0) groups++;
    groupOf[order[i]!] = groups;
    if ((i * inner * outer) % PIECE < inner * outer) yield;
  }
  if (extent > 0) groups++;
  // Numbers of the groups in the order that is asked for.
  call.hold(2 * bytesIn("int32", groups) + 2 * bytesIn("int64", groups));
  const isSorted = call.number("sorted", 1) !== 0;
  const numbers = new Int32Array(groups);
  for (let i = 0; i < groups; i++) {
    numbers[i] = isSorted ? i : -1;
    if (i % PIECE === 0) yield;
  }
  // Pages of zeros are made here: 20 to 40 ms for 64 MB.
  const first = int64s(groups);
  yield;
  const counts = int64s(groups);
  yield;
  const inverse = int64s(extent);
  yield;
  const firsts = new Int32Array(groups);
  for (let i = 0, next = 0; i < extent; i++) {
    const group = groupOf[i]!;
    if (numbers[group]! < 0) numbers[group] = next++;
    const number = numbers[group]!;
    if (counts.low[2 * number]!++ === 0) {
      firsts[number] = i;
      first.low[2 * number] = i;
    }
    inverse.low[2 * i] = number;
    // Places all over memory: 0.2 µs each.
    if ((4 * i) % PIECE === 0) yield;
  }
  const to = shape.map((d, i) => (i === at ? groups : d));
  const values = yield* slabs(call, data, shape, at, firsts, to);
  return { to, extent, groups, data: [values, first.wide, inverse.wide, counts.wide] };
});

const uniqueShape: ShapeRule = (call) => {
  const { to, extent, groups } = unique(call);
  const counts = { type: "int64", shape: [groups] } as const;
  return [{ type: call.type(0), shape: to }, counts, { type: "int64", shape: [extent] }, counts];
};

function compare(a: number | bigint | string, b: number | bigint | string): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

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

/** What a box takes while its class is gone over: its corners, an array of them, and its places in the orders. */
const BOX_BYTES = 128;
/** Three numbers in a list that grows by half, and in the result. */
const CHOSEN_BYTES = 64;
/** Pairs of boxes that are compared between two turns: some milliseconds. */
const PAIRS = PIECE / 4;
/** What a class costs besides its boxes, in operations. */
const CLASS_WORK = 64;

/** Batch, class and box of everything that is selected, one after the other. */
const selected = inPieces(function* (call) {
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
  const result: number[] = [];
  call.hold(count * BOX_BYTES);
  let work = 0;
  for (let batch = 0; batch < batches && most > 0; batch++) {
    const all: Box[] = [];
    for (let i = 0; i < count; i++) {
      all.push(boxAt(boxes.data as Float32Array, (batch * count + i) * 4, centered));
      if (i % PIECE === 0) yield;
    }
    for (let kind = 0; kind < classes; kind++) {
      const start = (batch * classes + kind) * count;
      const order = yield* sorted(count, (a, b) => compare(score[start + b]!, score[start + a]!));
      const chosen: number[] = [];
      work += CLASS_WORK;
      for (const candidate of order) {
        work++;
        if (chosen.length >= most) break;
        if (least !== undefined && !(score[start + candidate]! > least)) continue;
        work += chosen.length;
        if (work > PAIRS) {
          work = 0;
          yield;
        }
        if (chosen.every((other) => !overlaps(all[candidate]!, all[other]!, threshold))) chosen.push(candidate);
      }
      call.hold(chosen.length * CHOSEN_BYTES);
      for (const box of chosen) result.push(batch, kind, box);
    }
  }
  const rows = new BigInt64Array(result.length);
  for (let i = 0; i < result.length; i++) {
    rows[i] = BigInt(result[i]!);
    if (i % PIECE === 0) yield;
  }
  return rows;
});

/** What is selected by the data themselves: evaluated in TypeScript when the data are there. */
export const selections = {
  "/NonZero": {
    since: 9,
    inputs: "T",
    types: { T: ANY.filter((type) => type !== "string") },
    rank: rankOf(2),
    shape: (call: Call) => [{ type: "int64", shape: [call.shape(0).length, nonZeros(call).length] }],
    evaluate: (call: Call) => [nonZeros(call).rows],
    work: nonZeros.pieces,
  },
  "/Compress": {
    since: 9,
    inputs: "T bool",
    types: { T: ANY },
    attributes: { axis: "int" },
    rank: (node, { rank }) => ("axis" in node.attributes ? rank(0) : 1),
    shape: compressShape,
    evaluate: (call: Call) => [kept(call).values!],
    work: kept.pieces,
  },
  "/Unique": {
    since: 11,
    inputs: "T",
    types: { T: ANY },
    attributes: { axis: "int", sorted: "int" },
    shape: uniqueShape,
    evaluate: (call: Call) => unique(call).data,
    work: unique.pieces,
  },
  "/NonMaxSuppression": {
    since: 10,
    inputs: "float32 float32 int64? float32? float32?",
    attributes: { center_point_box: "int" },
    rank: rankOf(2),
    shape: (call: Call) => [{ type: "int64", shape: [selected(call).length / 3, 3] }],
    evaluate: (call: Call) => [selected(call)],
    work: selected.pieces,
  },
} as const satisfies Readonly<Record<string, Operator>>;
