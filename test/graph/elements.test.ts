import { describe, expect, it } from "vitest";
import { copyStrided } from "../../src/graph/operators/elements.ts";

describe("copyStrided", () => {
  const numbers = Float32Array.from({ length: 24 }, (_, i) => i / 2);
  const view = numbers.subarray(2, 22);

  it.each([
    ["in order, behind a beginning", [4, 1, 3], [3, 1, 1], 5],
    ["in order but for an axis of one", [4, 1, 3], [3, 7, 1], 0],
    ["turned", [3, 4], [1, 3], 2],
    ["repeated", [3, 4], [0, 1], 1],
    ["with gaps", [3, 2], [4, 2], 0],
    ["a number alone", [], [], 7],
    ["nothing", [2, 0], [0, 1], 3],
  ] as const)("of a view: %s", (_, shape, strides, start) => {
    const expected: number[] = [];
    const visit = (axis: number, at: number): void => {
      if (axis === shape.length) expected.push(view[at]!);
      else for (let i = 0; i < shape[axis]!; i++) visit(axis + 1, at + i * strides[axis]!);
    };
    visit(0, start);
    const copy = copyStrided(view, "float32", shape, strides, start);
    expect(copy).toEqual(Float32Array.from(expected));
    expect((copy as Float32Array).buffer).not.toBe(numbers.buffer);
  });

  it.each([
    [2, 16, 129],
    [1, 17, 300],
    [3, 15, 200],
  ])("of %i matrices with rows side by side: %i × %i", (count, rows, columns) => {
    const source = Int32Array.from({ length: count * rows * columns }, (_, i) => i);
    const copy = copyStrided(source, "int32", [count, rows, columns], [rows * columns, 1, rows]) as Int32Array;
    const at = (m: number, r: number, c: number): number => m * rows * columns + c * rows + r;
    expect(Array.from(copy)).toEqual(
      Array.from(copy, (_, i) => at(Math.floor(i / columns / rows), Math.floor(i / columns) % rows, i % columns)),
    );
  });

  it("of strings and of 64-bit integers", () => {
    expect(copyStrided(["a", "b", "c"], "string", [2], [1], 1)).toEqual(["b", "c"]);
    expect(copyStrided(BigInt64Array.of(1n, -2n, 3n), "int64", [2], [1], 1)).toEqual(BigInt64Array.of(-2n, 3n));
  });
});
