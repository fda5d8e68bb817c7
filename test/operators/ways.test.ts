// Every way through the operators that become others, against the oracle of the tests: attributes that are given and left out, axes from both ends, odd and even extents, and the smallest sizes that are allowed.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { agreesNode, f32, i64, type NodeCase, runNode } from "../support/run-node.ts";

type Row = readonly [string, NodeCase];
type Given = Readonly<Record<string, number | number[]>>;

const row = (c: NodeCase): Row => [
  `${c.op} of ${c.inputs.map((x) => (x === "" ? "–" : `${x.type}[${x.dims}]`)).join(", ")} ${JSON.stringify(c.attributes ?? {})}`,
  c,
];

const bytes = (type: "uint8" | "int8", dims: readonly number[]): Tensor =>
  new Tensor(type, Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37) % 100) as never, dims);
const bools = (...data: number[]): Tensor => new Tensor("bool", Uint8Array.from(data), [data.length]);

describe("norms and windows over channels", () => {
  const shapes = [
    [2, 5],
    [1, 6, 3],
    [2, 5, 2, 3],
    [1, 4, 2, 1, 3],
  ];
  const lrn: NodeCase[] = shapes.flatMap((dims) =>
    [1, 2, 3, 4, 5, 7].map((size) => ({ op: "LRN", inputs: [f32(dims)], attributes: { size } })),
  );
  const given: NodeCase[] = (
    [{ alpha: 0.5 }, { beta: 0.5 }, { bias: 2 }, { alpha: 3, beta: 2, bias: 0.5 }] as Given[]
  ).map((more) => ({
    op: "LRN",
    inputs: [f32([2, 5, 2])],
    attributes: { size: 3, ...more },
  }));
  const lp: NodeCase[] = [[4], [2, 3], [2, 3, 4]].flatMap((dims) =>
    dims.flatMap((_, axis) =>
      [axis, axis - dims.length].flatMap((at) =>
        ([{}, { p: 1 }, { p: 2 }] as Given[]).map((p) => ({
          op: "LpNormalization",
          inputs: [f32(dims)],
          attributes: { axis: at, ...p },
        })),
      ),
    ),
  );
  const zeros = f32([3, 2], [0, 0, 3, -4, 0, 1]);
  const others: NodeCase[] = [
    { op: "LpNormalization", inputs: [f32([2, 3])] },
    { op: "LpNormalization", inputs: [zeros] },
    { op: "LpNormalization", inputs: [zeros], attributes: { p: 1 } },
    ...[undefined, [0], [1], [-1], [0, 2, 3], [1, -1], [0, 1, 2, 3]].map((axes) => ({
      op: "MeanVarianceNormalization",
      inputs: [f32([2, 3, 4, 2])],
      attributes: (axes === undefined ? {} : { axes }) as Given,
    })),
    { op: "MeanVarianceNormalization", inputs: [f32([2, 2], [1e-5, -1e-5, 3, 3])], attributes: { axes: [1] } },
    ...[
      [2, 3, 4],
      [1, 3, 2, 3],
      [2, 2, 2, 3, 2],
    ].flatMap((dims) =>
      ([{}, { p: 1 }, { p: 2 }, { p: 3 }, { p: 4 }] as Given[]).map((attributes) => ({
        op: "GlobalLpPool",
        inputs: [f32(dims)],
        attributes,
      })),
    ),
    ...[1, 2, 3].map((p) => ({
      op: "LpPool",
      opset: 18,
      inputs: [f32([1, 2, 5])],
      attributes: { kernel_shape: [2], p },
    })),
    ...[1, 2, 4].map((num_groups) => ({
      op: "GroupNormalization",
      inputs: [f32([2, 4, 3]), f32([4]), f32([4])],
      attributes: { num_groups },
    })),
  ];
  it.each([...lrn, ...given, ...lp, ...others].map(row))("%s", async (_, c) => agreesNode(c));

  it.each<[string, NodeCase, string]>([
    ["LRN of one dimension", { op: "LRN", inputs: [f32([4])], attributes: { size: 1 } }, "at least two dimensions"],
    [
      "LRN of no channels",
      { op: "LRN", inputs: [f32([2, 3])], attributes: { size: 0 } },
      '"size" expected integer ≥ 1, got 0',
    ],
    [
      "LpNormalization of cubes",
      { op: "LpNormalization", inputs: [f32([2, 3])], attributes: { p: 3 } },
      '"p" expected 1 or 2, got 3',
    ],
    [
      "LpNormalization of p = 0",
      { op: "LpNormalization", inputs: [f32([2, 3])], attributes: { p: 0 } },
      '"p" expected 1 or 2, got 0',
    ],
    ["GlobalLpPool of two dimensions", { op: "GlobalLpPool", inputs: [f32([2, 3])] }, "at least three dimensions"],
    [
      "GlobalLpPool of p = 0",
      { op: "GlobalLpPool", inputs: [f32([2, 3, 4])], attributes: { p: 0 } },
      '"p" expected integer ≥ 1, got 0',
    ],
    [
      "LpPool of p = 0",
      { op: "LpPool", opset: 18, inputs: [f32([1, 2, 5])], attributes: { kernel_shape: [2], p: 0 } },
      "got 0",
    ],
    [
      "GroupNormalization of no groups",
      { op: "GroupNormalization", inputs: [f32([2, 4, 3]), f32([4]), f32([4])], attributes: { num_groups: 0 } },
      '"num_groups" expected integer ≥ 1, got 0',
    ],
  ])("refuse %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));

  it("of nothing is nothing", async () => {
    const [y] = await runNode({ op: "LRN", inputs: [f32([2, 0, 3])], attributes: { size: 3 } });
    expect(y!.dims).toEqual([2, 0, 3]);
  });
});

describe("places", () => {
  const eyes: NodeCase[] = [
    [3, 3],
    [2, 5],
    [5, 2],
    [1, 1],
    [0, 2],
  ].flatMap((dims) =>
    [undefined, -2, -1, 0, 1, 3].map((k) => ({
      op: "EyeLike",
      inputs: [f32(dims)],
      attributes: (k === undefined ? {} : { k }) as Given,
    })),
  );
  const typed: NodeCase[] = [1, 3, 7, 9].map((dtype) => ({
    op: "EyeLike",
    inputs: [f32([2, 3])],
    attributes: { dtype, k: 1 },
  }));
  const crops: NodeCase[] = [
    [5, 4],
    [4, 5],
    [1, 6],
  ].flatMap((dims) =>
    [
      [5, 4],
      [2, 2],
      [3, 3],
      [7, 7],
      [6, 1],
      [0, 9],
    ].map((to) => ({ op: "CenterCropPad", inputs: [f32(dims), i64(...to)], constants: [1] })),
  );
  const axes: NodeCase[] = [[0], [-1], [1, 0], [0, -2]].flatMap((some) =>
    [1, 4, 6].map((d) => ({
      op: "CenterCropPad",
      inputs: [f32([3, 4, 5]), i64(...some.map((_, i) => d + i))],
      constants: [1],
      attributes: { axes: some },
    })),
  );
  const depths: NodeCase[] = [1, 2, 4].flatMap((depth) =>
    [undefined, 0, 1, -1, -2].map((axis) => ({
      op: "OneHot",
      inputs: [i64(0, 1, -1, depth - 1, depth, -depth, -depth - 1), i64(depth), f32([2], [-0.5, 2])],
      constants: [1],
      attributes: (axis === undefined ? {} : { axis }) as Given,
    })),
  );
  const lengths: NodeCase[] = [i64(1, 2, 3, 4), i64(4, 3, 2, 1), i64(0, 0, 4, 1)].flatMap((some) =>
    [
      [0, 1],
      [1, 0],
    ].map(([batch_axis, time_axis]) => ({
      op: "ReverseSequence",
      inputs: [f32([4, 4, 2]), some],
      attributes: { batch_axis: batch_axis!, time_axis: time_axis! },
    })),
  );
  it.each([...eyes, ...typed, ...crops, ...axes, ...depths, ...lengths].map(row))("%s", async (_, c) => agreesNode(c));

  it.each<[string, NodeCase, string]>([
    ["EyeLike of a vector", { op: "EyeLike", inputs: [f32([3])] }, "two dimensions"],
    ["EyeLike of three dimensions", { op: "EyeLike", inputs: [f32([3, 3, 1])] }, "two dimensions"],
    [
      "an extent below 0",
      { op: "CenterCropPad", inputs: [f32([3, 3]), i64(2, -1)], constants: [1] },
      "cannot make extents [2,-1]",
    ],
    [
      "more extents than axes",
      { op: "CenterCropPad", inputs: [f32([3, 3]), i64(2, 2, 2)], constants: [1] },
      "3 extents for 2 axes",
    ],
    [
      "a depth of 0",
      { op: "OneHot", inputs: [i64(0), i64(0), f32([2])], constants: [1] },
      "the depth expected integer ≥ 1, got 0",
    ],
    [
      "two depths",
      { op: "OneHot", inputs: [i64(0), i64(2, 2), f32([2])], constants: [1] },
      "the depth expected a scalar",
    ],
    [
      "three values",
      { op: "OneHot", inputs: [i64(0), i64(2), f32([3])], constants: [1] },
      "the values expected shape [2]",
    ],
    [
      "sequences in one dimension",
      { op: "ReverseSequence", inputs: [f32([3]), i64(1, 1, 1)] },
      "at least two dimensions",
    ],
    ["too few lengths", { op: "ReverseSequence", inputs: [f32([3, 2]), i64(1)] }, "sequence_lens expected shape [2]"],
    [
      "time along the batch",
      { op: "ReverseSequence", inputs: [f32([3, 3]), i64(1, 1, 1)], attributes: { batch_axis: 1, time_axis: 1 } },
      "batch_axis and time_axis expected 0 and 1",
    ],
    [
      "time along a third axis",
      { op: "ReverseSequence", inputs: [f32([3, 3, 3]), i64(1, 1, 1)], attributes: { batch_axis: 1, time_axis: 2 } },
      "batch_axis and time_axis expected 0 and 1",
    ],
  ])("refuse %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});

describe("what is selected", () => {
  const x = f32([2, 3, 2], [0, 1, -2, 0, 0, 3, Number.NaN, -0, 5, 0, 6, 7]);
  const found: NodeCase[] = [
    { op: "NonZero", inputs: [x] },
    { op: "NonZero", inputs: [f32([12], [...(x.data as Float32Array)])] },
    { op: "NonZero", inputs: [f32([0, 2])] },
    { op: "NonZero", inputs: [bools(0, 1, 1, 0)] },
    { op: "NonZero", inputs: [i64(0, -1, 2 ** 40)] },
    { op: "NonZero", inputs: [bytes("uint8", [1, 5, 2])] },
  ];
  const kept: NodeCase[] = [undefined, 0, 1, 2, -1, -3].flatMap((axis) =>
    [[1], [0], [0, 1], [1, 1], [0, 0]].map((some) => ({
      op: "Compress",
      inputs: [x, bools(...some)],
      attributes: (axis === undefined ? {} : { axis }) as Given,
    })),
  );
  const long: NodeCase[] = [
    { op: "Compress", inputs: [x, bools(0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1)] },
    { op: "Compress", inputs: [x, bools(1, 0, 1)], attributes: { axis: 1 } },
    { op: "Compress", inputs: [bytes("uint8", [4, 3]), bools(1, 0, 1, 1)], attributes: { axis: 0 } },
  ];
  it.each([...found, ...kept, ...long].map(row))("%s", async (_, c) => agreesNode(c));

  it.each<[string, NodeCase, string]>([
    [
      "conditions in two dimensions",
      { op: "Compress", inputs: [x, new Tensor("bool", [1, 0], [1, 2])] },
      "the condition expected a vector",
    ],
    [
      "more conditions than slabs",
      { op: "Compress", inputs: [x, bools(1, 1, 1)], attributes: { axis: 0 } },
      "at most 2 elements",
    ],
    [
      "more conditions than elements",
      { op: "Compress", inputs: [f32([2, 2]), bools(1, 1, 1, 1, 1)] },
      "at most 4 elements",
    ],
    ["an axis beyond", { op: "Compress", inputs: [x, bools(1)], attributes: { axis: 3 } }, "axis"],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});

describe("Det", () => {
  it.each(
    [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [2, 3, 3],
      [2, 1, 2, 2],
      [0, 2, 2],
    ].map((dims) => [dims]),
  )("of %j", async (dims) => agreesNode({ op: "Det", inputs: [f32(dims)] }));
  it.each([[[3]], [[2, 3]], [[3, 2]]])("refuses %j", async (dims) =>
    expect(runNode({ op: "Det", inputs: [f32(dims)] })).rejects.toThrow("square matrices"),
  );
});

describe("recurrent layers", () => {
  const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;
  const cases: Row[] = [];
  for (const [op, count] of Object.entries(gates))
    for (const direction of ["forward", "reverse", "bidirectional"])
      for (const layout of [0, 1])
        for (const some of [false, true]) {
          const [directions, steps, batch, width, hidden] = [direction === "bidirectional" ? 2 : 1, 3, 2, 2, 3];
          const state = f32(layout === 1 ? [batch, directions, hidden] : [directions, batch, hidden]);
          const inputs = [
            f32(layout === 1 ? [batch, steps, width] : [steps, batch, width]),
            f32([directions, count * hidden, width]),
            f32([directions, count * hidden, hidden]),
            ...(some
              ? [
                  f32([directions, 2 * count * hidden]),
                  new Tensor("int32", [3, 1], [2]),
                  state,
                  ...(op === "LSTM" ? [state, f32([directions, 3 * hidden])] : []),
                ]
              : []),
          ].map((x) =>
            x.type === "float32"
              ? f32(
                  x.dims,
                  [...(x.data as Float32Array)].map((v) => v / 8),
                )
              : x,
          );
          cases.push(
            row({
              ...{ op, inputs, outputs: op === "LSTM" ? 3 : 2, opset: 22 },
              attributes: {
                hidden_size: hidden,
                direction,
                layout,
                ...(op === "GRU" && { linear_before_reset: Number(some) }),
              },
            }),
          );
        }
  const own = (op: "RNN" | "GRU" | "LSTM", activations: string[], more: Record<string, number[]>): NodeCase => ({
    op,
    inputs: [f32([2, 1, 2]), f32([1, 2 * gates[op], 2]), f32([1, 2 * gates[op], 2])].map((x) =>
      f32(
        x.dims,
        [...(x.data as Float32Array)].map((v) => v / 8),
      ),
    ),
    attributes: { hidden_size: 2, activations, ...more },
    outputs: 2,
  });
  const functions = [
    own("RNN", ["LeakyRelu"], { activation_alpha: [0.3] }),
    own("RNN", ["LeakyRelu"], {}),
    own("RNN", ["Affine"], { activation_alpha: [0.5], activation_beta: [0.25] }),
    own("RNN", ["Elu"], { activation_alpha: [2] }),
    own("RNN", ["HardSigmoid"], { activation_alpha: [0.4], activation_beta: [0.3] }),
    own("RNN", ["ThresholdedRelu"], { activation_alpha: [0.2] }),
    own("RNN", ["ScaledTanh"], { activation_alpha: [2], activation_beta: [0.5] }),
    own("RNN", ["Softplus"], {}),
    own("RNN", ["Softsign"], {}),
    own("GRU", ["Sigmoid", "LeakyRelu"], { activation_alpha: [0.3] }),
    own("GRU", ["HardSigmoid", "LeakyRelu"], { activation_alpha: [0.4, 0.3], activation_beta: [0.25] }),
    own("LSTM", ["HardSigmoid", "Tanh", "LeakyRelu"], { activation_alpha: [0.4, 0.3], activation_beta: [0.25] }),
    own("LSTM", ["Sigmoid", "ScaledTanh", "Affine"], { activation_alpha: [2, 0.5], activation_beta: [0.5, 0.125] }),
  ];
  it.each([...cases, ...functions.map(row)])("%s", async (_, c) => agreesNode({ ...c, constants: [1, 2] }));
});

describe("before opset 7 an operand was stretched where it said so", () => {
  const x = f32([2, 3, 4]);
  const spread = (b: Tensor, axis: number): number[] => {
    const inner = 3 * 4 * 2;
    const strides = [12, 4, 1];
    return Array.from({ length: inner }, (_, i) => {
      let at = 0;
      b.dims.forEach((d, k) => {
        at = at * d + (Math.floor(i / strides[axis + k]!) % [2, 3, 4][axis + k]!);
      });
      return Number(b.data[at]);
    });
  };
  it.each<[number[], number]>([
    [[2], 0],
    [[3], 1],
    [[4], 2],
    [[2, 3], 0],
    [[3, 4], 1],
    [[2, 3, 4], 0],
  ])("%j along axis %i", async (dims, axis) => {
    const b = f32(dims);
    const other = spread(b, axis);
    for (const [op, f] of [
      ["Add", (p: number, q: number) => p + q],
      ["Sub", (p: number, q: number) => p - q],
    ] as const) {
      const [y] = await runNode({ op, opset: 6, inputs: [x, b], attributes: { broadcast: 1, axis } });
      expect([...(y!.data as Float32Array)]).toEqual(
        [...(x.data as Float32Array)].map((v, i) => Math.fround(f(v, other[i]!))),
      );
    }
  });

  it("with the last axes of the first, where it names none", async () => {
    const [y] = await runNode({ op: "Add", opset: 6, inputs: [x, f32([4])], attributes: { broadcast: 1 } });
    const b = f32([4]).data as Float32Array;
    expect([...(y!.data as Float32Array)]).toEqual(
      [...(x.data as Float32Array)].map((v, i) => Math.fround(v + b[i % 4]!)),
    );
  });

  it("and what does not fit is refused", async () => {
    const wrong = { op: "Add", opset: 6, inputs: [x, f32([4, 1])], attributes: { broadcast: 1, axis: 2 } };
    await expect(runNode(wrong)).rejects.toThrow('"axis" = 2 does not fit inputs of ranks 3 and 2');
  });
});

it("LayerNormalization tells the mean and the inverse deviation of every row", async () => {
  const x = f32([3, 4], [1, 2, 3, 6, -1, 0, 5, 8, 2, 2, 4, 4]);
  const [, mean, inverse] = await runNode({
    op: "LayerNormalization",
    opset: 17,
    inputs: [x, f32([4], [1, 1, 1, 1])],
    attributes: { epsilon: 0 },
    outputs: 3,
  });
  expect(Array.from(mean!.data as Float32Array)).toEqual([3, 3, 3]);
  for (const [i, variance] of [3.5, 13.5, 1].entries())
    expect((inverse!.data as Float32Array)[i]).toBeCloseTo(1 / Math.sqrt(variance), 5);
});
