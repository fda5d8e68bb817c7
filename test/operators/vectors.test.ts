// Loops of whole vectors end somewhere: rows of every length around 4 and 16, against loops written out here, in both builds.
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/tensor/index.ts";
import { Random } from "../support/random.ts";
import { run, tensor } from "./one-node.ts";

const numbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
const random = new Random(7);
const ODD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, 1];
/** Few different values, so that many are equal, and some odd ones. */
const values = (count: number): number[] =>
  Array.from({ length: count }, () => {
    const i = Math.floor(random.uniform(0, 12));
    return i < ODD.length ? ODD[i]! : i - 9;
  });

describe("ArgMax, ArgMin", () => {
  /** A NaN is above all others, as in numpy; of equal ones the first, or the last. */
  const place = (column: readonly number[], least: boolean, latest: boolean): number => {
    let best = 0;
    for (const [i, x] of column.entries()) {
      if (i === 0) continue;
      const top = column[best]!;
      const above = Number.isNaN(x) ? !Number.isNaN(top) : least ? x < top : x > top;
      const equal = x === top || (Number.isNaN(x) && Number.isNaN(top));
      if (above || (latest && equal)) best = i;
    }
    return best;
  };

  it.each([1, 3, 4, 5, 7, 8, 9].flatMap((inner) => [0, 1].map((latest) => [inner, latest] as const)))(
    "of %i columns, select_last_index %i",
    async (inner, latest) => {
      const [outer, extent] = [3, 6];
      const data = values(outer * extent * inner);
      for (const op of ["ArgMax", "ArgMin"]) {
        const attributes = { axis: 1, keepdims: 0, select_last_index: latest };
        const [found] = await run(op, { x: tensor("float32", data, [outer, extent, inner]) }, { attributes });
        const expected = Array.from({ length: outer * inner }, (_, at) => {
          const start = Math.floor(at / inner) * extent * inner + (at % inner);
          const column = Array.from({ length: extent }, (_, i) => data[start + i * inner]!);
          // What is not below the best is taken, NaN first of all, under ArgMin too.
          return place(column, op === "ArgMin", latest === 1);
        });
        expect(numbers(found!)).toEqual(expected);
      }
    },
  );

  it("of integers, the least ones too", async () => {
    const data = [-128, 127, -128, 127, 0, 127];
    for (const [op, latest, expected] of [
      ["ArgMax", 0, 1],
      ["ArgMax", 1, 5],
      ["ArgMin", 0, 0],
      ["ArgMin", 1, 2],
    ] as const) {
      const attributes = { axis: 0, keepdims: 0, select_last_index: latest };
      const [found] = await run(op, { x: tensor("int8", data) }, { attributes });
      expect(numbers(found!)).toEqual([expected]);
    }
  });
});

describe.each([1, 3, 4, 5, 15, 16, 17, 33])("rows of %i", (n) => {
  const shapes = [
    [
      [3, n],
      [3, n],
    ],
    [
      [3, n],
      [3, 1],
    ],
    [
      [3, 1],
      [3, n],
    ],
    [[3, n], [n]],
  ] as const;
  /** Element i of [3, n] in a tensor that is repeated. */
  const at = (data: readonly number[], [rows, columns]: readonly number[], i: number): number =>
    columns === undefined ? data[i % rows!]! : data[Math.floor(i / n) * columns + (columns === 1 ? 0 : i % n)]!;

  it.each(shapes)("compared and combined, %j and %j", async (left, right) => {
    const [a, b] = [left, right].map((shape) => values(shape.reduce((x, y) => x * y, 1))) as [number[], number[]];
    const feeds = { a: tensor("float32", a, left), b: tensor("float32", b, right) };
    const functions: Record<string, (x: number, y: number) => number> = {
      Greater: (x, y) => Number(x > y),
      GreaterOrEqual: (x, y) => Number(x >= y),
      Less: (x, y) => Number(x < y),
      LessOrEqual: (x, y) => Number(x <= y),
      Equal: (x, y) => Number(x === y),
      Add: (x, y) => Math.fround(x + y),
      Sub: (x, y) => Math.fround(x - y),
      Mul: (x, y) => Math.fround(x * y),
      Div: (x, y) => Math.fround(x / y),
      Min: (x, y) => Math.min(x, y),
      Max: (x, y) => Math.max(x, y),
    };
    for (const [op, f] of Object.entries(functions)) {
      const [found] = await run(op, feeds);
      const expected = Array.from({ length: 3 * n }, (_, i) => f(at(a, left, i), at(b, right, i)));
      expect(numbers(found!), op).toEqual(expected);
    }
  });

  it.each(shapes)("chosen under a mask, %j and %j", async (left, right) => {
    const [a, b] = [left, right].map((shape) => values(shape.reduce((x, y) => x * y, 1))) as [number[], number[]];
    const c = Array.from({ length: 3 * n }, () => Number(random.uniform(0, 1) > 0.5));
    const feeds = { a: tensor("bool", c, [3, n]), b: tensor("float32", a, left), c: tensor("float32", b, right) };
    const [found] = await run("Where", feeds);
    expect(numbers(found!)).toEqual(c.map((bit, i) => (bit === 1 ? at(a, left, i) : at(b, right, i))));
  });

  it("bytes become floats, and a function of one element is that of all", async () => {
    const bytes = Array.from({ length: n }, (_, i) => (i * 37) % 256);
    const [cast] = await run("Cast", { x: tensor("uint8", bytes) }, { attributes: { to: 1 } });
    expect(numbers(cast!)).toEqual(bytes);
    const data = values(n);
    for (const op of ["Abs", "Sqrt", "Round", "Reciprocal", "Softsign", "HardSwish", "ThresholdedRelu", "LeakyRelu"]) {
      const [all] = await run(op, { x: tensor("float32", data) });
      for (const [i, x] of data.entries()) {
        const [one] = await run(op, { x: tensor("float32", [x]) });
        expect(numbers(all!)[i], `${op} of ${x}`).toBe(numbers(one!)[0]);
      }
    }
  });
});

describe.each([0, 1, 2])("GatherElements and ScatterElements along axis %i", (axis) => {
  it("take and put what the indices name, negative ones too", async () => {
    const shape = [3, 4, 5];
    const taken = shape.map((n, i) => (i === axis ? 2 : n));
    const count = taken.reduce((a, b) => a * b, 1);
    const data = Array.from({ length: 60 }, (_, i) => i + 0.5);
    const strides = [20, 5, 1];
    const turn = [...taken.keys()].map((i) => taken.slice(i + 1).reduce((a, b) => a * b, 1));
    /** Two places of every line, which differ. */
    const ids = Array.from({ length: count }, (_, i) => {
      const second = Math.floor(i / turn[axis]!) % 2;
      return second === 1 ? -1 : i % (shape[axis]! - 1);
    });
    const places = ids.map((id, i) =>
      strides.reduce((sum, stride, d) => {
        const coordinate = Math.floor(i / turn[d]!) % taken[d]!;
        return sum + stride * (d === axis ? (id + shape[axis]!) % shape[axis]! : coordinate);
      }, 0),
    );
    const feeds = { a: tensor("float32", data, shape), b: tensor("int64", ids.map(BigInt) as never, taken) };
    const [found] = await run("GatherElements", feeds, { attributes: { axis } });
    expect(numbers(found!)).toEqual(places.map((place) => data[place]!));
    const updates = places.map((_, i) => -i - 1);
    const all = { ...feeds, c: tensor("float32", updates, taken) };
    const [put] = await run("ScatterElements", all, { attributes: { axis } });
    const expected = [...data];
    for (const [i, place] of places.entries()) expected[place] = updates[i]!;
    expect(numbers(put!)).toEqual(expected);
  });
});
