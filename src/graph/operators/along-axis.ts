import { sizeOf, stridesOf } from "../../tensor/index.ts";
import { allocate, dataOf, elementsOf } from "./elements.ts";
import { type Evaluate, INDEX, NUMBERS, type Operator, type ShapeRule, sameRank } from "./operator.ts";
import { add, type Value, zero } from "./reduce.ts";
import { without } from "./rewrite.ts";

const topKShape: ShapeRule = (call) => {
  const shape = [...call.shape(0)];
  const axis = call.axis(call.number("axis", -1), shape.length);
  if (sizeOf(call.shape(1)) !== 1) throw call.fail("K expected one element");
  const k = call.single(1);
  if (!(k >= 0 && k <= shape[axis]!)) throw call.fail(`K = ${k} of ${shape[axis]}`);
  shape[axis] = k;
  return [
    { type: call.type(0), shape },
    { type: "int64", shape },
  ];
};

const cumulateShape: ShapeRule = (call) => {
  if (sizeOf(call.shape(1)) !== 1) throw call.fail("the axis expected a scalar");
  call.axis(call.single(1), call.shape(0).length);
  return [call.value(0)];
};

const cumSum: Evaluate = (call, [output]) => {
  const { type, shape } = output!;
  if (type === "string" || type.startsWith("float") || call.number("reverse", 0) === 1) return undefined;
  const axis = call.axis(call.single(1), shape.length);
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

const cumulative = {
  inputs: "T I",
  types: { T: NUMBERS, I: INDEX },
  attributes: { exclusive: "int", reverse: "int" },
  rank: sameRank,
  shape: cumulateShape,
  sizes: "polynomial",
  steps: true,
} as const satisfies Partial<Operator>;

/** Elements put in order, and sums of all up to each. */
export const alongAxis = {
  "/TopK": {
    since: 1,
    inputs: "T int64",
    types: { T: NUMBERS },
    attributes: { axis: "int", largest: "int", sorted: "int" },
    others: "k:int<10",
    becomes: (node, make) => {
      const { k } = node.attributes;
      if (k === undefined) return undefined;
      if (typeof k !== "number" || !Number.isInteger(k)) throw make.fail('"k" expected an integer', "MODEL");
      return [{ ...node, inputs: [node.inputs[0] ?? "", make.integers("k", [k])], attributes: without(node, "k") }];
    },
    rank: sameRank,
    shape: topKShape,
    sizes: "polynomial",
    steps: true,
  },
  "/CumSum": { ...cumulative, since: 11, evaluate: cumSum },
  "/CumProd": { ...cumulative, since: 26 },
} as const satisfies Readonly<Record<string, Operator>>;
