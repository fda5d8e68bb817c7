import { describe, expect, it } from "vitest";
import type { KnownValue } from "../../src/graph/graph.ts";
import { genericFrom, Lines, placeOn, valuesAt } from "../../src/program/lines.ts";

const values = (...shapes: number[][]): KnownValue[] => shapes.map((shape) => ({ type: "float32", shape }));

describe("lines", () => {
  it("lie through three signatures", () => {
    const lines = new Lines();
    expect(lines.through(values([1, 3], [2]))).toEqual([]);
    expect(lines.through(values([1, 5], [3]))).toEqual([]);
    const [line] = lines.through(values([1, 9], [5]));
    expect(line).toEqual({ ranks: [2, 1], base: [1, 1, 1], direction: [0, 2, 1] });
    expect(placeOn(line!, values([1, 3], [2]))).toBe(1);
    expect(placeOn(line!, values([1, 4], [2]))).toBeUndefined();
    expect(valuesAt(line!, values([1, 9], [5]), 7)).toEqual(values([1, 15], [8]));
    expect(genericFrom(line!)).toBe(1);
  });

  it("lie through two, when rows of a state come one by one, and begin with one row", () => {
    const rows = new Set([2]);
    const lines = new Lines();
    expect(lines.through(values([1], [4, 6, 3]), rows)).toEqual([]);
    // A prompt of another length in between.
    expect(lines.through(values([5], [4, 1, 3]), rows)).toEqual([]);
    const [line] = lines.through(values([1], [4, 7, 3]), rows);
    expect(line).toEqual({ ranks: [1, 3], base: [1, 4, 0, 3], direction: [0, 0, 1, 0] });
    expect(genericFrom(line!, rows)).toBe(1);
    expect(genericFrom(line!)).toBe(2);
  });

  it("are of their ranks only", () => {
    const lines = new Lines();
    for (const t of [2, 3]) lines.through(values([2, 3], [t]));
    const [line] = lines.through(values([2, 3], [4]));
    expect(placeOn(line!, values([2, 3], [4]))).toBeDefined();
    expect(placeOn(line!, values([2], [3, 4]))).toBeUndefined();
    expect(placeOn(line!, values([2, 3, 4]))).toBeUndefined();
  });
});
