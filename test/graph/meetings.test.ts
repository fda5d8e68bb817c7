// Where two operators meet and become one, and where they must not: constants, pads, signs of zeros and dequantized weights at and beyond the bounds of every rule, against the oracle of the tests.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { disagreement } from "../support/fuzz/agree.ts";
import { runModel } from "../support/run-node.ts";
import { build, f32, i64, type NodeSpec } from "./build.ts";

async function agrees(
  x: Tensor,
  constants: Record<string, Tensor>,
  nodes: readonly NodeSpec[],
  outputs: readonly string[] = ["y"],
  opset = 18,
): Promise<void> {
  const graph = build({ x: { type: x.type, shape: x.dims } }, constants, nodes, outputs, opset);
  expect(disagreement(graph, { x }, await runModel(graph, { x }))).toBeUndefined();
}

const scalar = (value: number): Tensor => f32([], [value]);
const weights = (dims: readonly number[]): Tensor =>
  f32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (((i * 29) % 17) - 8) / 16),
  );

describe("two operators with a number", () => {
  const values = [1, -1, 0, 0.3, -2.5, 1e-30, 1e30, -1e30, 3e38, 1e-38, Number.POSITIVE_INFINITY, Number.NaN];
  const x = f32([values.length], values);
  const NUMBERS = [
    0,
    1,
    -1,
    3,
    0.5,
    -4,
    3 * 2 ** 22,
    -3 * 2 ** 22,
    2 ** 64,
    2 ** -64,
    2 ** 70,
    2 ** -70,
    3e38,
    -3e38,
    1e-30,
  ];
  const pairs = NUMBERS.flatMap((a) => NUMBERS.map((b) => [a, b] as const));
  for (const first of ["Add", "Sub", "Mul", "Div"])
    for (const second of ["Add", "Sub", "Mul", "Div"])
      it(`${first}, ${second}`, async () => {
        // Many pairs in one graph: each has an output of its own.
        const constants = Object.fromEntries(NUMBERS.map((v, i) => [`c${i}`, scalar(v)]));
        const nodes = pairs.flatMap(([a, b], i): NodeSpec[] => [
          [first, ["x", `c${NUMBERS.indexOf(a)}`], [`h${i}`]],
          [second, [`h${i}`, `c${NUMBERS.indexOf(b)}`], [`y${i}`]],
        ]);
        await agrees(
          x,
          constants,
          nodes,
          pairs.map((_, i) => `y${i}`),
        );
      });

  it("that others read in between", () =>
    agrees(
      x,
      { a: scalar(3), b: scalar(0.5) },
      [
        ["Mul", ["x", "a"], ["h"]],
        ["Mul", ["h", "b"], ["y"]],
        ["Add", ["h", "b"], ["z"]],
      ],
      ["y", "z", "h"],
    ));

  it("on the left, where the order counts", () =>
    agrees(
      x,
      { a: scalar(3), b: scalar(0.5) },
      [
        ["Sub", ["a", "x"], ["h"]],
        ["Sub", ["h", "b"], ["y"]],
        ["Div", ["a", "x"], ["k"]],
        ["Mul", ["k", "b"], ["z"]],
        ["Sub", ["x", "b"], ["m"]],
        ["Sub", ["a", "m"], ["w"]],
      ],
      ["y", "z", "w"],
    ));
});

describe("the sign of a zero", () => {
  const x = f32([6], [-0, 0, 1, -1, -0, 2]);
  const zero = scalar(0);
  it.each<[string, NodeSpec[]]>([
    ["a divisor", [["Div", ["one", "h"], ["y"]]]],
    [
      "a dividend",
      [
        ["Div", ["h", "one"], ["k"]],
        ["Div", ["one", "k"], ["y"]],
      ],
    ],
    ["a base of −1", [["Pow", ["h", "less"], ["y"]]]],
    ["a base of 2", [["Pow", ["h", "two"], ["y"]]]],
    ["a reciprocal", [["Reciprocal", ["h"], ["y"]]]],
    [
      "what is read twice",
      [
        ["Add", ["h", "h"], ["k"]],
        ["Reciprocal", ["k"], ["y"]],
      ],
    ],
    [
      "what is clipped first",
      [
        ["Clip", ["h", "low"], ["k"]],
        ["Reciprocal", ["k"], ["y"]],
      ],
    ],
    [
      "what is moved first",
      [
        ["Reshape", ["h", "shape"], ["k"]],
        ["Reciprocal", ["k"], ["y"]],
      ],
    ],
    ["an output", [["Identity", ["h"], ["y"]]]],
  ])("that an operator adds to is seen by %s", async (_, nodes) => {
    const constants = { zero, one: scalar(1), less: scalar(-1), two: scalar(2), low: scalar(-5), shape: i64(2, 3) };
    for (const first of [
      ["Add", ["x", "zero"], ["h"]],
      ["Sub", ["x", "zero"], ["h"]],
      ["Sub", ["zero", "x"], ["h"]],
      ["Mul", ["x", "one"], ["h"]],
      ["Mul", ["x", "zero"], ["h"]],
    ] satisfies NodeSpec[])
      await agrees(x, constants, [first, ...nodes]);
  });
});

describe("a Pad before a Conv", () => {
  const cases: [string, Record<string, unknown>, Record<string, Tensor>, Record<string, unknown>][] = [];
  for (const spatial of [1, 2, 3]) {
    const [front, none] = [new Array<number>(spatial).fill(1), [0, 0]];
    const amounts = {
      "all around": [...none, ...front, ...none, ...front],
      "in front": [...none, ...front, ...none, ...front.map(() => 0)],
      "behind, unevenly": [...none, ...front.map(() => 0), ...none, ...front.map((_, i) => i + 1)],
      "of the channels in front": [0, 1, ...front, ...none, ...front],
      "of the channels behind": [...none, ...front, 0, 1, ...front],
      "of the batch": [1, 0, ...front, 1, 0, ...front],
      "that crops": [...none, ...front.map(() => -1), ...none, ...front],
    };
    for (const [name, pads] of Object.entries(amounts))
      for (const own of [undefined, new Array<number>(2 * spatial).fill(1), [...front, ...front.map(() => 0)]])
        cases.push([
          `${name}, ${spatial} axes, own pads ${own}`,
          { spatial, own, channels: name.includes("channels") ? 4 : 3 },
          { pads: i64(...pads) },
          {},
        ]);
    const all = i64(...amounts["all around"]);
    for (const value of [0, 1.5, -0])
      cases.push([`of ${value}, ${spatial} axes`, { spatial }, { pads: all, value: scalar(value) }, {}]);
    for (const mode of ["reflect", "edge"])
      cases.push([`mode ${mode}, ${spatial} axes`, { spatial }, { pads: all }, { mode }]);
    for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
      cases.push([`auto_pad ${auto_pad}, ${spatial} axes`, { spatial, auto_pad }, { pads: all }, {}]);
    cases.push([`of some axes, ${spatial} axes`, { spatial }, { pads: i64(2, 1), axes: i64(-1) }, {}]);
  }
  it.each(cases)("%s", async (_, about, given, attributes) => {
    const {
      spatial,
      own,
      auto_pad,
      channels = 3,
    } = about as { spatial: number; own?: number[]; auto_pad?: string; channels?: number };
    const w = weights([2, channels, ...new Array<number>(spatial).fill(3)]);
    const inputs = ["x", "pads", given["value"] ? "value" : "", given["axes"] ? "axes" : ""];
    while (inputs.at(-1) === "") inputs.pop();
    await agrees(weights([2, 3, ...[5, 4, 6].slice(0, spatial)]), { w, ...given }, [
      ["Pad", inputs, ["p"], attributes as NodeSpec[3] & object],
      ["Conv", ["p", "w"], ["y"], { ...(own && { pads: own }), ...(auto_pad !== undefined && { auto_pad }) }],
    ]);
  });
});

describe("a table that is read, and multiplied by transposed", () => {
  const table = weights([5, 5]);
  it.each<[string, NodeSpec[3]]>([
    ["without an order of axes", undefined],
    ["with the axes turned", { perm: [1, 0] }],
    ["with the axes as they are", { perm: [0, 1] }],
  ])("%s", async (_, attributes) => {
    const turned: NodeSpec = [
      "Transpose",
      ["table"],
      ["t"],
      ...(attributes === undefined ? [] : [attributes]),
    ] as unknown as NodeSpec;
    const nodes: NodeSpec[] = [turned, ["MatMul", ["x", "t"], ["y"]]];
    await agrees(weights([2, 3, 5]), { table }, nodes);
    await agrees(
      weights([2, 3, 5]),
      { table, i: i64(1, 4) },
      [...nodes, ["Gather", ["table", "i"], ["z"]]],
      ["y", "z"],
    );
    await agrees(weights([2, 3, 5]), { table }, [...nodes, ["Relu", ["t"], ["z"]]], ["y", "z"]);
  });
});

describe("normalization after a layer", () => {
  const vector = (n: number, f: (i: number) => number): Tensor =>
    f32(
      [n],
      Array.from({ length: n }, (_, i) => f(i)),
    );
  const layers: [string, number[], Record<string, Tensor>, NodeSpec, number][] = [
    ["Conv", [1, 2, 5, 5], { w: weights([4, 2, 3, 3]) }, ["Conv", ["x", "w"], ["h"]], 4],
    [
      "Conv with a bias",
      [1, 2, 5, 5],
      { w: weights([4, 2, 3, 3]), b: weights([4]) },
      ["Conv", ["x", "w", "b"], ["h"]],
      4,
    ],
    ["Conv in groups", [1, 4, 5], { w: weights([6, 2, 3]) }, ["Conv", ["x", "w"], ["h"], { group: 2 }], 6],
    ["ConvTranspose", [1, 2, 4, 4], { w: weights([2, 4, 3, 3]) }, ["ConvTranspose", ["x", "w"], ["h"]], 4],
    [
      "ConvTranspose in groups",
      [1, 4, 4, 4],
      { w: weights([4, 3, 3, 3]) },
      ["ConvTranspose", ["x", "w"], ["h"], { group: 2 }],
      6,
    ],
    ["Gemm", [3, 5], { w: weights([5, 4]), b: weights([4]) }, ["Gemm", ["x", "w", "b"], ["h"]], 4],
    [
      "Gemm of transposed weights",
      [3, 5],
      { w: weights([4, 5]) },
      ["Gemm", ["x", "w"], ["h"], { transB: 1, alpha: 0.5 }],
      4,
    ],
    ["MatMul", [3, 5], { w: weights([5, 4]) }, ["MatMul", ["x", "w"], ["h"]], 4],
    ["MatMul over channels", [2, 4, 5], { w: weights([5, 3]) }, ["MatMul", ["x", "w"], ["h"]], 4],
  ];
  const scales: [string, (i: number) => number][] = [
    ["plain", (i) => i - 1.5],
    ["with a 0", (i) => i],
    ["huge", () => 2 ** 100],
    ["tiny", () => 2 ** -110],
    ["tiny and huge", (i) => (i === 0 ? 2 ** -110 : 2 ** 60)],
  ];
  it.each(layers.flatMap((layer) => scales.map((scale) => [layer[0], scale[0], layer, scale] as const)))(
    "%s, %s scales",
    async (_, __, [, dims, constants, layer, channels], [, scale]) => {
      const given = {
        ...constants,
        scale: vector(channels, scale),
        bias: vector(channels, (i) => i / 4),
        mean: vector(channels, (i) => 0.25 * i),
        variance: vector(channels, (i) => 0.5 + i),
      };
      for (const attributes of [{}, { epsilon: 0.25 }] as Record<string, number>[]) {
        await agrees(weights(dims), given, [
          layer,
          ["BatchNormalization", ["h", "scale", "bias", "mean", "variance"], ["y"], attributes],
        ]);
        await agrees(
          weights(dims),
          given,
          [
            layer,
            ["BatchNormalization", ["h", "scale", "bias", "mean", "variance"], ["y"], attributes],
            ["Relu", ["h"], ["z"]],
          ],
          ["y", "z"],
        );
      }
    },
  );
});

describe("layers on dequantized bytes", () => {
  const bytes = (type: "int8" | "uint8", dims: readonly number[]): Tensor =>
    new Tensor(
      type,
      Array.from(
        { length: dims.reduce((a, b) => a * b, 1) },
        (_, i) => ((i * 37) % 100) - (type === "int8" ? 50 : 0),
      ) as never,
      dims,
    );
  const zeros = (type: "int8" | "uint8", n: number): Tensor =>
    new Tensor(
      type,
      Array.from({ length: n }, (_, i) => i % 3),
      n === 1 ? [] : [n],
    );
  const steps = (n: number): Tensor =>
    f32(
      n === 1 ? [] : [n],
      Array.from({ length: n }, (_, i) => (i + 1) / 64),
    );
  const before: NodeSpec[] = [
    ["QuantizeLinear", ["x", "xs", "xz"], ["q"]],
    ["DequantizeLinear", ["q", "xs", "xz"], ["d"]],
  ];
  type Layer = [string, number[], number[], NodeSpec[3], string, number, number, boolean];
  // op, dims of x, dims of w, attributes, what turns w, axis of the scales, how many, with a bias
  const layers: Layer[] = [
    ["MatMul", [3, 6], [6, 4], {}, "", 1, 4, false],
    ["MatMul", [3, 6], [6, 4], {}, "", -1, 4, false],
    ["MatMul", [3, 6], [6, 6], {}, "", 0, 6, false],
    ["MatMul", [3, 6], [6, 4], {}, "", 1, 1, false],
    ["MatMul", [2, 3, 6], [6, 4], {}, "", 1, 4, false],
    ["MatMul", [3, 6], [4, 6], {}, "Transpose", 0, 4, false],
    ["MatMul", [3, 6], [4, 6], {}, "Transpose", 1, 6, false],
    ["MatMul", [3, 6], [4, 6], {}, "Transpose", 0, 1, false],
    ["Gemm", [3, 6], [6, 4], {}, "", 1, 4, true],
    ["Gemm", [3, 6], [4, 6], { transB: 1 }, "", 0, 4, true],
    ["Gemm", [3, 6], [4, 6], { transB: 1 }, "", 1, 6, false],
    ["Gemm", [6, 3], [6, 4], { transA: 1 }, "", 1, 4, true],
    ["Gemm", [3, 6], [6, 4], { alpha: 0.5 }, "", 1, 4, true],
    ["Gemm", [3, 6], [6, 4], { beta: 2 }, "", 1, 4, true],
    ["Conv", [1, 3, 5, 5], [4, 3, 3, 3], { pads: [1, 1, 0, 0] }, "", 0, 4, true],
    ["Conv", [1, 3, 5, 5], [4, 3, 3, 3], {}, "", -4, 4, false],
    ["Conv", [1, 3, 5, 5], [4, 3, 3, 3], {}, "", 1, 3, false],
    ["Conv", [1, 3, 5, 5], [4, 3, 3, 3], {}, "", 0, 1, true],
    ["Conv", [1, 3, 5], [4, 3, 3], {}, "", 0, 4, true],
    ["Conv", [1, 4, 5], [4, 2, 3], { group: 2 }, "", 0, 4, false],
  ];
  const cases = layers.flatMap((layer) =>
    (["int8", "uint8"] as const).flatMap((type) =>
      [true, false].map(
        (has) =>
          [
            `${layer[0]} ${layer[1]} by ${layer[2]} ${JSON.stringify(layer[3])} ${layer[4]}, ${layer[6]} scales along ${layer[5]}`,
            type,
            has,
            layer,
          ] as const,
      ),
    ),
  );
  it.each(cases)("%s, %s, zero points %s", async (_, type, has, [op, x, w, attributes = {}, turn, axis, n, bias]) => {
    const constants: Record<string, Tensor> = {
      xs: scalar(1 / 32),
      xz: new Tensor("uint8", [7], []),
      w: bytes(type, w),
      ws: steps(n),
    };
    if (has) constants["wz"] = zeros(type, n);
    const channels = op === "Conv" || attributes["transB"] === 1 || turn !== "" ? w[0]! : w[1]!;
    if (bias) constants["b"] = weights([channels]);
    const nodes: NodeSpec[] = [
      ...before,
      ["DequantizeLinear", ["w", "ws", ...(has ? ["wz"] : [])], ["v"], { axis }],
      ...(turn === "" ? [] : [["Transpose", ["v"], ["t"], { perm: [1, 0] }] satisfies NodeSpec]),
      [op, ["d", turn === "" ? "v" : "t", ...(bias ? ["b"] : [])], ["y"], attributes],
    ];
    await agrees(weights(x), constants, nodes);
  });
});

it("a network of 16-bit floats computes in float32, and gives 16 bits", async () => {
  const half = (value: number): Tensor => new Tensor("float16", Uint16Array.from([value]), [1]);
  // 1 and 2,048: their sum is no float16, whose spacing is 2 there.
  const nodes: NodeSpec[] = [
    ["Add", ["x", "c"], ["h"]],
    ["Sub", ["h", "c"], ["y"]],
  ];
  const graph = build({ x: { type: "float16", shape: [1] } }, { c: half(0x6800) }, nodes, ["y"]);
  const typed = { ...graph, outputs: [{ name: "y", type: "float16" as const, shape: [1] }] };
  const { y } = await runModel(typed, { x: half(0x3c00) });
  expect([y!.type, [...(y!.data as Uint16Array)]]).toEqual(["float16", [0x3c00]]);
});
