// Which constants of a layer are its weights, along which axis their channels lie, and what else may read them: for every operator that has weights.
import { describe, expect, it } from "vitest";
import { writeModel } from "../../src/model/index.ts";
import { quantizeGraph } from "../../src/quantize/index.ts";
import { dequantize } from "../../src/series/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "./build.ts";
import { noise } from "./interpret.ts";

/** Name, axis and rows of the series that a preset makes. */
async function series(dims: readonly number[], constants: Record<string, Tensor>, nodes: readonly NodeSpec[]) {
  const graph = build({ x: dims }, constants, nodes, ["y"]);
  const { weights } = await quantizeGraph(graph, { preset: "fast" });
  return [...weights.values()].map(({ name, axis, rows }) => [name, axis, rows]);
}

describe("the weights of", () => {
  const recurrent = (
    op: string,
    gates: number,
    directions: number,
  ): [string, number[], Record<string, Tensor>, NodeSpec] => [
    `${op}, ${directions} directions`,
    [5, 2, 24],
    {
      ...{ w: noise([directions, gates * 16, 24], 1), r: noise([directions, gates * 16, 16], 2) },
      ...{ b: noise([directions, 2 * gates * 16], 3), h: noise([directions, 2, 16], 4) },
    },
    [
      op,
      ["x", "w", "r", "b", "", "h"],
      ["y"],
      { hidden_size: 16, ...(directions === 2 && { direction: "bidirectional" }) },
    ],
  ];
  const layers: [string, number[], Record<string, Tensor>, NodeSpec, string[]][] = [
    ["Conv", [1, 8, 9, 9], { w: noise([32, 8, 3, 3], 1), b: noise([32], 2) }, ["Conv", ["x", "w", "b"], ["y"]], ["32"]],
    [
      "ConvTranspose",
      [1, 8, 9, 9],
      { w: noise([8, 32, 3, 3], 1), b: noise([32], 2) },
      ["ConvTranspose", ["x", "w", "b"], ["y"]],
      ["32"],
    ],
    ["MatMul", [2, 32], { w: noise([32, 48], 1) }, ["MatMul", ["x", "w"], ["y"]], ["48"]],
    ["Gemm", [2, 32], { w: noise([32, 48], 1), b: noise([48], 2) }, ["Gemm", ["x", "w", "b"], ["y"]], ["48"]],
    [
      "Gemm, transposed",
      [2, 32],
      { w: noise([48, 32], 1), b: noise([48], 2) },
      ["Gemm", ["x", "w", "b"], ["y"], { transB: 1 }],
      ["48"],
    ],
    ...[1, 2].flatMap((directions) =>
      (
        [
          ["RNN", 1],
          ["GRU", 3],
          ["LSTM", 4],
        ] as const
      ).map(([op, gates]): [string, number[], Record<string, Tensor>, NodeSpec, string[]] => [
        ...recurrent(op, gates, directions),
        // Those of the inputs and those of the state, of every direction.
        new Array<string>(2 * directions).fill(`${gates * 16}`),
      ]),
    ),
  ];
  it.each(layers)("%s", async (_, dims, constants, node, rows) => {
    const found = await series(dims, constants, [node]);
    expect(found.map(([, , count]) => String(count))).toEqual(rows);
  });
});

describe("a table that is looked up", () => {
  const uses: [string, readonly NodeSpec[]][] = [
    ["alone", []],
    ["and multiplied by", [["MatMul", ["x", "w"], ["z"]]]],
    ["and multiplied by transposed", [["Gemm", ["x", "w"], ["z"], { transB: 1 }]]],
  ];
  it.each(uses.flatMap(([what, nodes]) => [0, 1].map((axis) => [what, axis, nodes] as const)))(
    "%s along axis %i has the rows of the whole table",
    async (_, axis, nodes) => {
      const size = 64;
      const w = noise([size, size], 5);
      const inputs = { x: [2, size], i: { type: "int64", shape: [3] } } as const;
      const graph = build(
        inputs,
        { w },
        [["Gather", ["w", "i"], ["y"], { axis }], ...nodes],
        ["y", ...(nodes.length > 0 ? ["z"] : [])],
      );
      for (const preset of ["compact", "fast"] as const) {
        const model = await quantizeGraph(graph, { preset });
        const held = [...model.weights.values()][0];
        // Who reads it otherwise than by rows reads the floats, which are kept beside the series then.
        const floats = model.graph.initializers.get("w")?.data as Float32Array | undefined;
        const table = floats ?? dequantize(held!);
        const indices = [5, 0, 63];
        const expected = Array.from({ length: 3 * size }, (_, at) => {
          const [row, column] = axis === 0 ? [Math.floor(at / size), at % size] : [at % 3, Math.floor(at / 3)];
          return table[axis === 0 ? indices[row]! * size + column : column * size + indices[row]!]!;
        });
        for (const kind of ["scalar", "simd"] as const) {
          const session = await InferenceSession.create(writeModel(model), { build: kind });
          const { y } = await session.run({ x: f32([2, size]), i: i64(...indices) });
          expect([...(y!.data as Float32Array)]).toEqual(expected);
          await session.release();
        }
      }
    },
  );
});
