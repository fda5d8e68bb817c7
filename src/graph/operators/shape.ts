import { allocateData, type ElementType, sizeOf, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import type { Maker } from "./maker.ts";
import { ANY, type Evaluate, FLOATS, type Operator, rankOf, type ShapeRule, sameRank } from "./operator.ts";

/** First and last axis of a Shape node (opset 15). */
function shapeRange(call: Call): [number, number] {
  const rank = call.shape(0).length;
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const start = clamp(call.number("start", 0));
  return [start, Math.max(start, clamp(call.number("end", rank)))];
}

const shape: Evaluate = (call) => {
  const [start, end] = shapeRange(call);
  return [BigInt64Array.from(call.shape(0).slice(start, end), BigInt)];
};

const constantOfShapeShape: ShapeRule = (call) => {
  if (call.shape(0).length !== 1) throw call.fail("the shape expected a vector");
  const dims = call.needed(0);
  if (dims.some((d) => d < 0)) throw call.fail(`cannot make shape [${dims}]`);
  const value = call.node.attributes["value"];
  if (value instanceof Tensor && value.size !== 1) throw call.fail('"value" expected one element');
  return [{ type: value instanceof Tensor ? value.type : "float32", shape: dims }];
};

const constantOfShape: Evaluate = (call, [output]) => {
  const data = allocateData(output!.type, sizeOf(output!.shape));
  const value = call.node.attributes["value"];
  if (value instanceof Tensor) (data as unknown as { fill(v: unknown): void }).fill(elementsOf(value.data)[0]);
  return [data];
};

const rangeShape: ShapeRule = (call) => {
  for (const i of [0, 1, 2]) if (sizeOf(call.shape(i)) !== 1) throw call.fail(`input ${i} expected a scalar`);
  const [start, limit, delta] = [call.single(0), call.single(1), call.single(2)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isFinite(count)) throw call.fail(`cannot count from ${start} to ${limit} by ${delta}`);
  return [{ type: call.type(0), shape: [count] }];
};

const range: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  const count = shape[0]!;
  const [start, delta] = [call.single(0), call.single(2)];
  if (type === "int64") {
    // By words: with a BigInt for each, 2^24 took 1.2 s.
    const words = new Int32Array(2 * count);
    for (let i = 0; i < count; i++) {
      const value = start + i * delta;
      words[2 * i] = value;
      words[2 * i + 1] = Math.floor(value / 2 ** 32);
    }
    return [new BigInt64Array(words.buffer)];
  }
  const to = allocate(type, count);
  for (let i = 0; i < count; i++) to[i] = start + i * delta;
  return [dataOf(to)];
};

function triluShape(call: Call): ReturnType<ShapeRule> {
  if (call.shape(0).length < 2) throw call.fail("the input expected at least two dimensions");
  if (call.has(1) && sizeOf(call.shape(1)) !== 1) throw call.fail("k expected a scalar");
  return [call.value(0)];
}

const trilu: Evaluate = (call, [output]) => {
  const [rows, columns] = output!.shape.slice(-2) as [number, number];
  const k = call.has(1) ? call.single(1) : 0;
  const upper = call.number("upper", 1) === 1;
  const from = elementsOf(call.constant(0)!.data);
  const to = allocate(output!.type, from.length);
  for (let at = 0; at < from.length; at++) {
    const [row, column] = [Math.floor(at / columns) % rows, at % columns];
    if (upper ? column - row >= k : column - row <= k) to[at] = from[at]!;
  }
  return [dataOf(to)];
};

const RANGE_TYPES: readonly ElementType[] = ["float32", "float64", "int16", "int32", "int64"];

const TRAINING = { domain: "bitbasis", op: "TrainingDropout" } as const;

/**
 * At inference nothing is dropped, nor in training at a ratio of 0, as functional dropout of no module is exported: a mask is all true, and before opset 10
 * all false.
 */
function dropout(node: Node, make: Maker, mode: number, ratio: number | undefined): readonly Node[] {
  if (mode !== 0 && ratio !== 0) return [{ ...node, ...TRAINING }];
  const input = node.inputs.slice(0, 1);
  make.output(0, "Identity", input);
  if (make.wants(1)) {
    const value = new Tensor("bool", [make.opset >= 10 ? 1 : 0], [1]);
    make.output(1, "ConstantOfShape", [make.op("Shape", input)], { value });
  }
  return make.done();
}

/** Shapes as values, and values made from shapes. */
export const shapes = {
  "/Shape": {
    since: 1,
    inputs: "T",
    types: { T: ANY },
    attributes: { start: "int", end: "int" },
    rank: rankOf(1),
    length: (node, { rank }) => {
      const { start, end } = node.attributes;
      return start === undefined && end === undefined ? rank(0) : undefined;
    },
    shape: (call: Call) => {
      const [start, end] = shapeRange(call);
      return [{ type: "int64", shape: [end - start] }];
    },
    evaluate: shape,
    evaluatesShapes: true,
    sizes: "polynomial",
  },
  "/Size": {
    since: 1,
    inputs: "T",
    types: { T: ANY },
    rank: rankOf(0),
    shape: () => [{ type: "int64", shape: [] }],
    evaluate: (call) => [BigInt64Array.of(BigInt(sizeOf(call.shape(0))))],
    evaluatesShapes: true,
    sizes: "polynomial",
  },
  "/ConstantOfShape": {
    since: 9,
    inputs: "int64",
    attributes: { value: "tensor" },
    rank: (_, { length }) => length(0),
    length: (_, { numbers }) => (numbers(0)?.length === 1 ? numbers(0)![0] : undefined),
    shape: constantOfShapeShape,
    evaluate: constantOfShape,
    sizes: "polynomial",
    steps: true,
  },
  "/Range": {
    since: 11,
    inputs: "T T T",
    types: { T: RANGE_TYPES },
    others: "stash_type:int",
    rank: rankOf(1),
    shape: rangeShape,
    evaluate: range,
    sizes: "polynomial",
    steps: true,
  },
  "/Trilu": {
    since: 14,
    inputs: "T int64?",
    types: { T: ANY },
    attributes: { upper: "int" },
    rank: sameRank,
    shape: triluShape,
    evaluate: trilu,
    sizes: "polynomial",
    steps: true,
  },
  "/Dropout": {
    since: 1,
    inputs: "T U? bool?",
    types: { T: FLOATS, U: FLOATS },
    attributes: { seed: "int" },
    others: "ratio:float<12 is_test:int<7 consumed_inputs:ints<6",
    becomes: (node, make) => {
      const [, ratio, mode] = node.inputs.map((name) => make.constant(name));
      if ((node.inputs[2] ?? "") !== "" && mode === undefined) return undefined;
      return dropout(node, make, Number(mode?.data[0] ?? 0), ratio && Number(ratio.data[0]));
    },
    later: ({ inputs }) => ((inputs[2] ?? "") === "" ? undefined : TRAINING),
    rank: sameRank,
    expands: (call: Call, make) => dropout(call.node, make, call.single(2), undefined),
    sizes: "polynomial",
  },
} as const satisfies Readonly<Record<string, Operator>>;
