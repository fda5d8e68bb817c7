import { expect, it } from "vitest";
import { isStatic, staticRanges } from "../../src/program/static-range.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32 } from "../graph/build.ts";

const scalar = (value: number): Tensor => new Tensor("float32", [value], []);

it("knows what comes out of a Clip between two constants, wherever its elements go", () => {
  const constants = {
    zero: scalar(0),
    one: scalar(1),
    six: scalar(6),
    far: scalar(1e4),
    shape: new Tensor("int64", [-1n], [1]),
  };
  const graph = build(
    { x: [1, 8, 4, 4] },
    constants,
    [
      ["Clip", ["x", "zero", "six"], ["a"]],
      ["Clip", ["x", "one", "six"], ["b"]],
      ["Clip", ["x", "zero", "far"], ["c"]],
      ["Clip", ["x", "", "six"], ["d"]],
      ["Clip", ["x", "six", "one"], ["e"]],
      ["Clip", ["x", "x0", "six"], ["f"]],
      ["Transpose", ["a"], ["g"], { perm: [0, 2, 3, 1] }],
      ["MaxPool", ["a"], ["h"], { kernel_shape: [2, 2] }],
      ["Reshape", ["h", "shape"], ["i"]],
      ["Concat", ["a", "b"], ["j"], { axis: 1 }],
      ["Concat", ["a", "x"], ["k"], { axis: 1 }],
      ["Mul", ["a", "a"], ["l"]],
    ],
    ["l"],
  );
  const range = { low: 0, high: 6 };
  // 0 is among the bounds, since it is what a border holds.
  expect(Object.fromEntries(staticRanges(graph))).toEqual({
    a: range,
    b: range,
    g: range,
    h: range,
    i: range,
    j: range,
  });
});

it("knows the Clip that a layer ends with, in float32", () => {
  const node = { name: "n", op: "Conv", domain: "bitbasis", inputs: ["x", "w"], outputs: ["y"] };
  const graph = build({ x: [1, 4, 4, 8] }, { w: f32([8, 1, 1, 8]) }, [], []);
  const of = (attributes: Record<string, string | number>) =>
    staticRanges({ ...graph, nodes: [{ ...node, attributes: { activation: "Clip", ...attributes } }] }).get("y");
  expect(of({ min: -0.1, max: 1 })).toEqual({ low: Math.fround(-0.1), high: 1 });
  expect(of({ min: 0 })).toBeUndefined();
  expect(of({ min: 0, max: Number.NaN })).toBeUndefined();
});

it("is for activations of at least 12 bits", () => {
  expect([8, 11, 12, 16].map(isStatic)).toEqual([false, false, true, true]);
});
