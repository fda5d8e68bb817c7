import { describe, expect, it } from "vitest";
import type { KnownValue } from "../../src/graph/graph.ts";
import { genericFrom, linesThrough, valuesAt } from "../../src/program/line-search.ts";
import { placeOn } from "../../src/program/lines.ts";

const values = (...shapes: number[][]): KnownValue[] => shapes.map((shape) => ({ type: "float32", shape }));

describe("lines", () => {
  it("lie through three signatures", () => {
    const met = [values([1, 3], [2]), values([1, 5], [3])];
    expect(linesThrough([], values([1, 3], [2]))).toEqual([]);
    expect(linesThrough(met.slice(0, 1), values([1, 5], [3]))).toEqual([]);
    const [line] = linesThrough(met, values([1, 9], [5]));
    expect(line).toEqual({ ranks: [2, 1], base: [1, 1, 1], direction: [0, 2, 1] });
    expect(placeOn(line!, values([1, 3], [2]))).toBe(1);
    expect(placeOn(line!, values([1, 4], [2]))).toBeUndefined();
    expect(valuesAt(line!, values([1, 9], [5]), 7)).toEqual(values([1, 15], [8]));
    expect(genericFrom(line!)).toBe(1);
  });

  it("lie through two, when rows of a state come one by one, and begin with one row", () => {
    const rows = new Set([2]);
    // A prompt of another length in between.
    const met = [values([1], [4, 6, 3]), values([5], [4, 1, 3])];
    expect(linesThrough(met.slice(0, 1), met[1]!, rows)).toEqual([]);
    const [line] = linesThrough(met, values([1], [4, 7, 3]), rows);
    expect(line).toEqual({ ranks: [1, 3], base: [1, 4, 0, 3], direction: [0, 0, 1, 0] });
    expect(genericFrom(line!, rows)).toBe(1);
    expect(genericFrom(line!)).toBe(2);
  });

  it("are of their ranks only", () => {
    const [line] = linesThrough([values([2, 3], [2]), values([2, 3], [3])], values([2, 3], [4]));
    expect(placeOn(line!, values([2, 3], [4]))).toBeDefined();
    expect(placeOn(line!, values([2], [3, 4]))).toBeUndefined();
    expect(placeOn(line!, values([2, 3, 4]))).toBeUndefined();
  });
});
