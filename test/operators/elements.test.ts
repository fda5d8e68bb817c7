import { describe, expect, test } from "vitest";
import { atOnce } from "../../src/core/index.ts";
import { operatorOf } from "../../src/graph/index.ts";
import { COMMON } from "../../src/graph/operators/common.ts";
import type { Operator } from "../../src/graph/operators/operator.ts";
import { branchesOf } from "../../src/quantize/branches.ts";
import { evenColumns } from "../../src/quantize/even-columns.ts";
import { structureOf } from "../../src/quantize/structure.ts";
import { tokensOf } from "../../src/quantize/tokens.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { type Feeds, run, tensor } from "./one-node.ts";

const records = (claims: (record: Operator) => boolean): string[] =>
  Object.entries(COMMON as Readonly<Record<string, Operator>>)
    .filter(([key, record]) => key.startsWith("/") && claims(record))
    .map(([key]) => key.slice(1));

const grid = tensor("float32", [-7, 3, -0.5, 2, 11, -13], [2, 3]);
const pixels = tensor(
  "float32",
  Array.from({ length: 16 }, (_, i) => ((i * 7) % 11) - 5),
  [1, 1, 4, 4],
);
const WINDOW = { attributes: { kernel_shape: [2, 2] } };

/** What an operator needs beside its first input, by its name. */
const beside: Readonly<Record<string, readonly [Feeds, Parameters<typeof run>[2]?]>> = {
  Cast: [{ a: grid }, { attributes: { to: 11 } }],
  CastLike: [{ a: grid, b: tensor("float64", [1]) }],
  Reshape: [{ a: grid }, { constants: { b: i64(3, 2) } }],
  Unsqueeze: [{ a: grid }, { constants: { b: i64(0) } }],
  Squeeze: [{ a: tensor("float32", Array.from(grid.data, Number), [2, 1, 3]) }],
  Slice: [{ a: grid }, { constants: { b: i64(0), c: i64(2), d: i64(1) } }],
  Split: [{ a: grid }, { attributes: { axis: 0, num_outputs: 2 }, outputs: ["y", "z"] }],
  Expand: [{ a: grid }, { constants: { b: i64(2, 2, 3) } }],
  Tile: [{ a: grid }, { constants: { b: i64(1, 2) } }],
  Concat: [{ a: grid, b: tensor("float32", [5, 6], [2, 1]) }, { attributes: { axis: 1 } }],
  Where: [{ a: tensor("bool", [1, 0, 1], [3]), b: grid, c: tensor("float32", [5, 6], [2, 1]) }],
  ...Object.fromEntries(["Add", "Mul"].map((op) => [op, [{ a: grid, b: tensor("float32", [5, 6, 7]) }] as const])),
  ...Object.fromEntries(["MaxPool", "AveragePool", "LpPool"].map((op) => [op, [{ a: pixels }, WINDOW] as const])),
  ...Object.fromEntries(["GlobalMaxPool", "GlobalAveragePool"].map((op) => [op, [{ a: pixels }] as const])),
};

/** The inputs of an operator, their numbers turned by `of`, and all that it gives for them. */
async function given(op: string, of: (x: number) => number): Promise<readonly [Feeds, Tensor[]]> {
  const [inputs, about] = beside[op] ?? [{ a: grid }];
  const floats = ([name, { type, data, dims }]: [string, Tensor]) =>
    [
      name,
      type === "float32"
        ? tensor("float32", Array.from(data, Number).map(of), dims)
        : new Tensor(type, data as never, dims),
    ] as const;
  const feeds = Object.fromEntries(Object.entries(inputs).map(floats));
  return [feeds, await run(op, feeds, about)];
}

describe("what records say of elements is so", () => {
  test.each(records(({ elements }) => elements === "moved" || elements === "joined"))("%s moves", async (op) => {
    const [feeds, made] = await given(op, (x) => x);
    const from = operatorOf({ domain: "", op })!.elements === "moved" ? [feeds["a"]!] : Object.values(feeds);
    const known = new Set(from.filter(({ type }) => type !== "bool").flatMap(({ data }) => Array.from(data, Number)));
    for (const { data } of made) {
      expect(data.length).toBeGreaterThan(0);
      for (const value of Array.from(data, Number)) expect(known).toContain(value);
    }
  });

  test.each(records(({ positive }) => positive !== undefined))("%s is never below 0", async (op) => {
    const always = operatorOf({ domain: "", op })!.positive === "always";
    const [, [made]] = await given(op, always ? (x) => x : Math.abs);
    const values = Array.from(made!.data, Number);
    expect(values.some((value) => value > 0)).toBe(true);
    // Roots of what is below 0 are no numbers, and so not below 0 either.
    expect(values.filter((value) => value < 0)).toEqual([]);
  });

  test.each(records(({ elements }) => elements === "compared" || elements === "logical"))("%s tells", async (op) => {
    const isLogical = operatorOf({ domain: "", op })!.elements === "logical";
    const [a, b] = isLogical ? [tensor("bool", [1, 0]), tensor("bool", [1, 1])] : [f32([2], [1, 2]), f32([2], [2, 2])];
    const [made] = await run(op, op === "Not" ? { a } : { a, b });
    expect(made!.type).toBe("bool");
  });
});

describe("an operator that claims nothing ends every walk", () => {
  const through = (op: string, before: string, after: string): NodeSpec => [op, [before], [after]];
  const found = (op: string) => {
    const ids = build(
      { x: { type: "int64", shape: [4] } },
      { table: f32([9, 2]) },
      [through(op, "x", "m"), ["Gather", ["table", "m"], ["y"]]],
      ["y"],
    );
    const rate = { type: "int64", shape: [] } as const;
    const body = (name: string) => build({}, {}, [["Neg", ["x"], [name]]], [name]);
    const way = build(
      { x: [2], r: rate },
      { c: new Tensor("int64", BigInt64Array.of(3n), []) },
      [
        ["Equal", ["r", "c"], ["e"]],
        through(op, "e", "m"),
        ["If", ["m"], ["y"], { then_branch: body("a"), else_branch: body("b") }],
      ],
      ["y"],
    );
    const features = build(
      { x: [1, 2] },
      { w: f32([2, 2], [1, 1, 1e-4, 1e-4]) },
      [through(op, "x", "m"), ["MatMul", ["m", "w"], ["y"]]],
      ["y"],
    );
    const layers = build(
      { x: [1, 2] },
      { w: f32([2, 2]) },
      [
        ["MatMul", ["x", "w"], ["p"]],
        through(op, "p", "m"),
        ["Log", ["m"], ["l"]],
        ["Relu", ["l"], ["r"]],
        through(op, "r", "y"),
      ],
      ["y"],
    );
    const { frontEnds, nonNegative } = structureOf(layers);
    return {
      ids: tokensOf(ids).size,
      ways: branchesOf(way).length,
      features: atOnce(evenColumns(features)) === features ? 0 : 1,
      frontEnds: frontEnds.size,
      positive: nonNegative.has("y"),
    };
  };

  test("as one that moves does not", () => {
    expect(found("Identity")).toEqual({ ids: 1, ways: 2, features: 1, frontEnds: 1, positive: true });
    const nothing = { ids: 0, ways: 1, features: 0, frontEnds: 0, positive: false };
    expect(found("Tanh")).toEqual(nothing);
    expect(found("of.another.domain/Identity")).toEqual(nothing);
  });
});
