import { sizeOf, stridesOf, type TensorData } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { allocate, dataOf, elementsOf, walk } from "./elements.ts";
import { wrap } from "./gather.ts";
import { ANY, type Evaluate, INDEX, type Operator, type ShapeRule, sameRank } from "./operator.ts";

const REDUCTIONS = ["none", "add", "mul", "min", "max"] as const;

/** Indices of an element each: as many axes as the data have, and no more than they have on every axis but the chosen one. */
function checkElements(call: Call): void {
  const [data, indices] = [call.shape(0), call.shape(1)];
  const axis = call.axis(call.number("axis", 0), data.length);
  if (data.length !== indices.length) throw call.fail("data and indices expected the same rank");
  indices.forEach((d, i) => {
    if (i !== axis && d > data[i]!) throw call.fail(`the indices have ${d} elements on axis ${i}, the data ${data[i]}`);
  });
}

const gatherElementsShape: ShapeRule = (call) => {
  checkElements(call);
  return [{ type: call.type(0), shape: call.shape(1) }];
};

/** Texts are put, but not added. */
function checkReduction(call: Call): void {
  if (call.type(0) === "string" && isReduction(call)) throw call.fail('strings expected the "reduction" none');
}

function isReduction(call: Call): boolean {
  return call.text("reduction", "none") !== "none";
}

const scatterElementsShape: ShapeRule = (call) => {
  checkReduction(call);
  checkElements(call);
  if (call.shape(1).join() !== call.shape(2).join()) throw call.fail("indices and updates expected the same shape");
  return [call.value(0)];
};

/** Number of coordinates that a row of the indices of GatherND or ScatterND has. */
function tuple(call: Call, batch: number): number {
  const [data, indices] = [call.shape(0), call.shape(1)];
  const depth = indices.at(-1);
  if (depth === undefined) throw call.fail("the indices expected at least one dimension");
  if (depth < 1 || batch + depth > data.length)
    throw call.fail(`rows of ${depth} indices after ${batch} batch axes do not fit rank ${data.length}`);
  return depth;
}

const gatherNDShape: ShapeRule = (call) => {
  const [data, indices] = [call.shape(0), call.shape(1)];
  const batch = call.number("batch_dims", 0);
  if (batch < 0 || batch >= Math.min(data.length, indices.length))
    throw call.fail(`"batch_dims" expected integer in 0..${Math.min(data.length, indices.length) - 1}, got ${batch}`);
  if (data.slice(0, batch).join() !== indices.slice(0, batch).join())
    throw call.fail(`data and indices expected the same first ${batch} axes`);
  const depth = tuple(call, batch);
  return [{ type: call.type(0), shape: [...indices.slice(0, -1), ...data.slice(batch + depth)] }];
};

const scatterNDShape: ShapeRule = (call) => {
  checkReduction(call);
  const [data, indices] = [call.shape(0), call.shape(1)];
  const expected = [...indices.slice(0, -1), ...data.slice(tuple(call, 0))];
  if (expected.join() !== call.shape(2).join()) throw call.fail(`the updates expected shape [${expected}]`);
  return [call.value(0)];
};

/** Where the elements that indices name, and as many that follow each, are in the data. */
interface Places {
  readonly places: readonly number[];
  readonly inner: number;
}

/** Takes what lies at the places, or puts the updates there. */
const moved =
  (placesOf: (call: Call) => Places, scatters: boolean): Evaluate =>
  (call, [output]) => {
    if (scatters && isReduction(call)) return undefined;
    const { places, inner } = placesOf(call);
    const data = call.constant(0)!.data;
    const from = elementsOf(scatters ? call.constant(2)!.data : data);
    const to = scatters ? elementsOf(data.slice() as TensorData) : allocate(output!.type, sizeOf(output!.shape));
    let at = 0;
    for (const place of places) {
      for (let i = place; i < place + inner; i++, at++) {
        if (scatters) to[i] = from[at]!;
        else to[at] = from[i]!;
      }
    }
    return [dataOf(to)];
  };

function elements(call: Call): Places {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  const strides = stridesOf(shape);
  const indices = call.needed(1);
  const places = new Array<number>(indices.length);
  walk(call.shape(1), [strides.map((s, i) => (i === axis ? 0 : s))], (at, [offset]) => {
    places[at] = offset! + wrap(call, indices[at]!, shape[axis]!) * strides[axis]!;
  });
  return { places, inner: 1 };
}

function slices(call: Call): Places {
  const shape = call.shape(0);
  const batch = call.number("batch_dims", 0);
  const indices = call.needed(1);
  const depth = tuple(call, batch);
  const strides = stridesOf(shape);
  const rows = indices.length / depth;
  const each = rows / sizeOf(shape.slice(0, batch));
  const places = Array.from({ length: rows }, (_, row) => {
    let place = Math.floor(row / each) * sizeOf(shape.slice(batch));
    for (let i = 0; i < depth; i++)
      place += wrap(call, indices[row * depth + i]!, shape[batch + i]!) * strides[batch + i]!;
    return place;
  });
  return { places, inner: sizeOf(shape.slice(batch + depth)) };
}

const types = { T: ANY, I: INDEX } as const;
const scatterElements = {
  since: 11,
  inputs: "T I T",
  types,
  attributes: { axis: "int", reduction: REDUCTIONS },
  rank: sameRank,
  shape: scatterElementsShape,
  evaluate: moved(elements, true),
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

/** Elements chosen one by one, or by coordinates, and put where indices say. */
export const scatters = {
  "/GatherElements": {
    since: 11,
    inputs: "T I",
    types,
    attributes: { axis: "int" },
    rank: sameRank,
    shape: gatherElementsShape,
    evaluate: moved(elements, false),
    sizes: "polynomial",
    steps: true,
  },
  "/GatherND": {
    since: 11,
    inputs: "T int64",
    types,
    attributes: { batch_dims: "int" },
    shape: gatherNDShape,
    evaluate: moved(slices, false),
    sizes: "polynomial",
    steps: true,
  },
  "/ScatterElements": scatterElements,
  "/Scatter": { since: 9, until: 10, others: "axis:int", becomes: (node) => [{ ...node, op: "ScatterElements" }] },
  "/ScatterND": {
    since: 11,
    inputs: "T int64 T",
    types,
    attributes: { reduction: REDUCTIONS },
    rank: sameRank,
    shape: scatterNDShape,
    evaluate: moved(slices, true),
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
