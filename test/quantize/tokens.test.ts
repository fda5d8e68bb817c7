import { describe, expect, test } from "vitest";
import { proceduralInputs } from "../../src/quantize/procedural.ts";
import { shapesOf } from "../../src/quantize/shapes.ts";
import { tokensOf } from "../../src/quantize/tokens.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";

const scalar = (v: number): Tensor => new Tensor("int64", BigInt64Array.of(BigInt(v)), []);
const range = (n: number): Tensor => i64(...Array.from({ length: n }, (_, i) => i));

/** A graph of one input of integers. */
const reading = (nodes: readonly NodeSpec[], type: ElementType = "int64") =>
  build(
    { x: { type, shape: [1, 8] } },
    {
      table: f32([48, 4]),
      classes: scalar(17),
      one: scalar(1),
      list: range(30),
      shape: i64(1, 8, 30),
      axis: i64(2),
      onoff: f32([2]),
    },
    nodes,
    [nodes.at(-1)![2][0]!],
  );

describe("ids", () => {
  test.each<[string, number, readonly NodeSpec[]]>([
    [
      "rows of a table, through changes of type and shape",
      48,
      [
        ["Cast", ["x"], ["c"], { to: 6 }],
        ["Gather", ["table", "c"], ["y"]],
      ],
    ],
    ["classes of a OneHot", 17, [["OneHot", ["x", "classes", "onoff"], ["y"]]]],
    [
      "what is compared with each number of a list",
      30,
      [
        ["Unsqueeze", ["x", "axis"], ["u"]],
        ["Equal", ["u", "list"], ["y"]],
      ],
    ],
    [
      "a list that is spread out first, on the left",
      30,
      [
        ["Expand", ["list", "shape"], ["l"]],
        ["Unsqueeze", ["x", "axis"], ["u"]],
        ["Equal", ["l", "u"], ["y"]],
      ],
    ],
  ])("are %s", (_, count, nodes) => {
    const graph = reading(nodes);
    expect(tokensOf(graph)).toEqual(new Map([["x", count]]));
    const { feeds, names } = proceduralInputs(graph, { shapes: shapesOf(graph) });
    expect(names).toBe("x [1x8]: ids");
    const all = feeds.flatMap((feed) => Array.from(feed.get("x")!.data, Number));
    expect(Math.max(...all)).toBeLessThan(count);
    expect(new Set(all).size).toBeGreaterThan(4);
  });

  test("one number that is compared with, a table that is no constant and a table that x is are none", () => {
    expect(tokensOf(reading([["Equal", ["x", "one"], ["y"]]])).size).toBe(0);
    expect(tokensOf(reading([["Gather", ["x", "one"], ["y"]]])).size).toBe(0);
    expect(
      tokensOf(
        reading([
          ["Cast", ["x"], ["c"], { to: 1 }],
          ["Gather", ["c", "x"], ["y"]],
        ]),
      ).size,
    ).toBe(0);
    expect(tokensOf(reading([["Gather", ["table", "x"], ["y"]]], "bool")).size).toBe(0);
  });
});

describe("samples that are integers", () => {
  test.each([
    ["uint8", 0, 255],
    ["int8", -128, 127],
    ["int16", -16384, 16383],
    ["uint16", 0, 65535],
  ] as const)("%s lie in %i to %i", (type, low, high) => {
    const graph = build({ x: { type, shape: [1, 4000] } }, {}, [["Cast", ["x"], ["y"], { to: 1 }]], ["y"]);
    const { feeds, names } = proceduralInputs(graph, { shapes: shapesOf(graph) });
    expect(names).toBe(`x [1x4000]: tones, loud and quiet, and 1/f noise in ${low}…${high}`);
    const [one, , quiet] = feeds.map((feed) => Array.from(feed.get("x")!.data, Number));
    const spread = (data: number[]) => Math.max(...data) - Math.min(...data);
    expect(spread(one!) / spread(quiet!)).toBeGreaterThan(28);
    expect(spread(one!) / spread(quiet!)).toBeLessThan(38);
    for (const feed of feeds.slice(0, 2)) {
      const data = Array.from(feed.get("x")!.data, Number);
      const [least, most] = [Math.min(...data), Math.max(...data)];
      expect(least).toBeGreaterThanOrEqual(low);
      expect(most).toBeLessThanOrEqual(high);
      expect(most - least).toBeGreaterThan(0.3 * (high - low));
    }
  });
});
