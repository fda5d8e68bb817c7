// What the passes make of operators that stand between layers: channels go last there, axes and shapes are turned, and operators meet with the layers around them. One graph for each operator, axis and form, against the
// oracle of the tests, which knows nothing of that. Layers over one, two and three axes.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { disagreement } from "../support/fuzz/agree.ts";
import { runModel } from "../support/run-node.ts";
import { build, f32, i64, type NodeSpec } from "./build.ts";

const CHANNELS = 4;
/** Extents of the pictures, none of them that of the channels. */
const SPATIAL = [5, 6, 3];

type Middle = readonly [
  op: string,
  attributes?: NonNullable<NodeSpec[3]>,
  others?: readonly (Tensor | "")[],
  outputs?: number,
];

const weights = (dims: readonly number[]): Tensor =>
  f32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (((i * 29) % 17) - 8) / 16),
  );

/** Two layers a and b, `middle` over a (and b where it takes several), and a layer behind it where its result is a picture again. */
async function agrees(
  spatial: number,
  [op, attributes = {}, others = [], outputs = 1]: Middle,
  both = false,
): Promise<void> {
  const dims = [2, CHANNELS, ...SPATIAL.slice(0, spatial)];
  const w = weights([CHANNELS, CHANNELS, ...new Array<number>(spatial).fill(3)]);
  const pads = new Array<number>(2 * spatial).fill(1);
  const constants: Record<string, Tensor> = { w };
  const inputs = others.map((value, i) => {
    if (value === "") return "";
    constants[`c${i}`] = value;
    return `c${i}`;
  });
  const made = Array.from({ length: outputs }, (_, i) => `m${i}`);
  const nodes: NodeSpec[] = [
    ["Conv", ["x", "w"], ["a"], { pads }],
    ["Conv", ["x", "w"], ["b"], { pads, group: 1, dilations: new Array<number>(spatial).fill(1) }],
    [op, both ? ["a", "b", ...inputs] : ["a", ...inputs], made, attributes],
  ];
  const ends = made.map((name, i): NodeSpec => [op === "Identity" ? "Relu" : "Identity", [name], [`y${i}`]]);
  const graph = build({ x: dims }, constants, [...nodes, ...ends], [...ends.map(([, , [name]]) => name!), "b"], 18);
  const feeds = {
    x: f32(
      dims,
      [...(weights(dims).data as Float32Array)].map((v, i) => v + (i % 5)),
    ),
  };
  expect(disagreement(graph, feeds, await runModel(graph, feeds))).toBeUndefined();
  // The same with a layer behind it, if the result is such that a layer can read it.
  const layered = build(
    { x: dims },
    constants,
    [...nodes, ["Conv", ["m0", "w"], ["z"], { pads }], ["Relu", ["z"], ["y"]]],
    ["y"],
    18,
  );
  if (!READABLE.has(op)) return;
  expect(disagreement(layered, feeds, await runModel(layered, feeds)), "with a layer behind it").toBeUndefined();
}

/** Operators that leave all channels where they are, whatever their attributes here. */
const READABLE = new Set([
  "Add",
  "Mul",
  "Sub",
  "Div",
  "Max",
  "Min",
  "Sum",
  "Mean",
  "PRelu",
  "Relu",
  "Clip",
  "Identity",
  "Softmax",
  "BatchNormalization",
  "InstanceNormalization",
  "MaxPool",
  "AveragePool",
  "Pow",
  "LeakyRelu",
]);

const rankOf = (spatial: number): number => spatial + 2;
const axesOf = (spatial: number): number[] =>
  Array.from({ length: 2 * rankOf(spatial) }, (_, i) => i - rankOf(spatial));

/** Orders of the axes 0 … n − 1. */
function orders(n: number): number[][] {
  if (n === 0) return [[]];
  return orders(n - 1).flatMap((rest) =>
    Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
  );
}

/** Operators with an axis, or several. */
function alongAxes(spatial: number): Middle[] {
  const rank = rankOf(spatial);
  const axes = axesOf(spatial);
  const sets = [[0], [1], [rank - 1], [1, rank - 1], [1, 2], [0, 1], [-1, 1], [...Array(rank).keys()]];
  return [
    ...axes.flatMap((axis): Middle[] => [
      ["Softmax", { axis }],
      ["LogSoftmax", { axis }],
      ["Hardmax", { axis }],
      ["LpNormalization", { axis }],
      ["ArgMax", { axis, keepdims: 1 }],
      ["ArgMin", { axis, keepdims: 0, select_last_index: 1 }],
      ["Gather", { axis }, [i64(1, 0, -1)]],
      ["CumSum", {}, [new Tensor("int64", [axis], [])]],
      ["TopK", { axis, largest: 0 }, [i64(1)], 2],
      ["Unsqueeze", {}, [i64(axis)]],
      ["Slice", {}, [i64(1), i64(9), i64(axis)]],
      ["Slice", {}, [i64(-1), i64(-9), i64(axis), i64(-1)]],
      ["Split", { axis, num_outputs: 2 }, [], 2],
      ["Pad", {}, [i64(1, 2), f32([], [1.5]), i64(axis)]],
    ]),
    ...Array.from({ length: rank + 1 }, (_, axis): Middle => ["Flatten", { axis }]),
    ...sets.flatMap((some) =>
      [0, 1].flatMap((keepdims): Middle[] => [
        ["ReduceMean", { keepdims }, [i64(...some)]],
        ["ReduceMax", { keepdims }, [i64(...some)]],
        ["ReduceL2", { keepdims }, [i64(...some)]],
      ]),
    ),
    ["ReduceSum", { keepdims: 1 }],
    ["ReduceSum", { keepdims: 0 }],
    ["ReduceSum", { noop_with_empty_axes: 1 }, [i64()]],
    ...orders(rank)
      .filter((_, i) => rank < 5 || i % 7 === 0)
      .map((perm): Middle => ["Transpose", { perm }]),
    ["Transpose"],
  ];
}

/** Operators whose second operand is a constant that is stretched. */
function stretched(spatial: number): Middle[] {
  const picture = SPATIAL.slice(0, spatial);
  const ones = new Array<number>(spatial).fill(1);
  const shapes = [
    [],
    [1],
    [CHANNELS, ...ones],
    [1, CHANNELS, ...ones],
    [2, 1, ...ones],
    [2, CHANNELS, ...ones],
    [picture.at(-1)!],
    picture,
    [1, ...picture],
    [CHANNELS, ...picture],
    [2, 1, ...picture],
  ];
  return [
    ...shapes.flatMap((dims) =>
      ["Add", "Mul", "Sub", "Div", "Max", "Min"].map(
        (op): Middle => [
          op,
          {},
          [
            f32(
              dims,
              [...(weights(dims).data as Float32Array)].map((v) => v + 0.75),
            ),
          ],
        ],
      ),
    ),
    ...[[CHANNELS, ...ones], [1], [1, ...picture]].map((dims): Middle => ["PRelu", {}, [f32(dims)]]),
    ["Expand", {}, [i64(2, CHANNELS, ...picture)]],
    ["Expand", {}, [i64(3, 1, 1, ...ones)]],
    ["Tile", {}, [i64(1, 2, ...ones)]],
    ["Tile", {}, [i64(2, 1, ...ones.map((_, i) => i + 1))]],
  ];
}

function pictures(spatial: number): Middle[] {
  const picture = SPATIAL.slice(0, spatial);
  const two = new Array<number>(spatial).fill(2);
  const zeros = new Array<number>(2 + spatial).fill(0);
  const vector = f32([CHANNELS], [0.5, 1, -2, 3]);
  return [
    ["Relu"],
    ["Identity"],
    ["Clip", {}, [f32([], [-0.5]), f32([], [0.75])]],
    ["Clip", {}, ["", f32([], [0.75])]],
    ["LeakyRelu", { alpha: 0.25 }],
    ["Cast", { to: 1 }],
    ["Cast", { to: 7 }],
    ["BatchNormalization", {}, [vector, vector, vector, f32([CHANNELS], [1, 2, 0.5, 4])]],
    ["InstanceNormalization", {}, [vector, vector]],
    ["GroupNormalization", { num_groups: 2 }, [f32([2]), f32([2])]],
    ["LRN", { size: 3 }],
    ["MeanVarianceNormalization", { axes: [1, 2] }],
    ["LayerNormalization", {}, [f32([picture.at(-1)!])]],
    ["LayerNormalization", { axis: 1 }, [f32([CHANNELS, ...picture]), f32([CHANNELS, ...picture])]],
    ["MaxPool", { kernel_shape: two, strides: two, ceil_mode: 1 }],
    ["MaxPool", { kernel_shape: two, pads: [...two.map(() => 1), ...two.map(() => 0)] }],
    [
      "AveragePool",
      {
        kernel_shape: two,
        strides: two,
        ceil_mode: 1,
        count_include_pad: 1,
        pads: [...two.map(() => 0), ...two.map(() => 1)],
      },
    ],
    ["AveragePool", { kernel_shape: two, auto_pad: "SAME_LOWER" }],
    ["GlobalAveragePool"],
    ["GlobalMaxPool"],
    ["GlobalLpPool", { p: 3 }],
    ["Reshape", {}, [i64(0, 0, -1)]],
    ["Reshape", {}, [i64(2, -1)]],
    ["Reshape", {}, [i64(0, 2, 2, -1)]],
    ["Reshape", {}, [i64(-1, picture.at(-1)!)]],
    ["Pad", { mode: "reflect" }, [i64(...zeros.map((_, i) => Number(i > 1)), ...zeros)]],
    ["Pad", { mode: "edge" }, [i64(0, 1, ...picture.map(() => 1), 1, 0, ...picture.map(() => 0))]],
    ["Pad", {}, [i64(0, 0, ...picture.map(() => -1), 0, 0, ...picture.map(() => 2))]],
    ["Resize", { mode: "linear" }, ["", f32([2 + spatial], [1, 1, ...two])]],
    ["Resize", { mode: "nearest" }, ["", "", i64(2, CHANNELS, ...picture.map((d) => d + 1))]],
    // Channels of a line are an axis that is resized as well; those of pictures are not, where it is linear.
    ...(spatial === 1 ? [1, 1.5, 2] : [1]).map(
      (c): Middle => ["Resize", { mode: "linear" }, ["", f32([2 + spatial], [1, c, ...two])]],
    ),
    ...[2, 1.5].map((c): Middle => ["Resize", { mode: "nearest" }, ["", f32([2 + spatial], [1, c, ...two])]]),
    ["Resize", { mode: "linear", axes: [2] }, ["", f32([1], [1.5])]],
    ["Resize", { mode: "linear", axes: [-1], coordinate_transformation_mode: "align_corners" }, ["", "", i64(9)]],
    ["Resize", { mode: "nearest", axes: [1] }, ["", f32([1], [2])]],
    ["Shape"],
    ["Shape", { start: 1, end: -1 }],
    ...(spatial === 2
      ? ([
          ["DepthToSpace", { blocksize: 2 }],
          ["DepthToSpace", { blocksize: 2, mode: "CRD" }],
          ["Trilu", { upper: 0 }, [new Tensor("int64", [1], [])]],
        ] satisfies Middle[])
      : []),
  ];
}

/** Operators over both layers. */
function joins(spatial: number): Middle[] {
  const each = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Less", "Equal"].map((op): Middle => [op]);
  return [...each, ...axesOf(spatial).map((axis): Middle => ["Concat", { axis }])];
}

const titled = (spatial: number, middle: Middle, both: boolean) =>
  [
    `${spatial}: ${middle[0]} ${JSON.stringify(middle[1] ?? {})} ${(middle[2] ?? []).map((x) => (x === "" ? "–" : `[${x.dims}]${x.type === "int64" ? `=${[...(x.data as BigInt64Array)]}` : ""}`)).join(" ")}`,
    ...([spatial, middle, both] as const),
  ] as const;

describe("between layers", () => {
  const all = [1, 2, 3].flatMap((spatial) => [
    ...[...alongAxes(spatial), ...stretched(spatial), ...pictures(spatial)].map((middle) =>
      titled(spatial, middle, false),
    ),
    ...joins(spatial).map((middle) => titled(spatial, middle, true)),
  ]);
  it.each(all)("%s", async (_, spatial, middle, both) => agrees(spatial, middle, both));
});
