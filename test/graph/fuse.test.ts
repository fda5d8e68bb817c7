import { describe, expect, it } from "vitest";
import { optimize } from "../../src/graph/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, i64, type NodeSpec, operators } from "./build.ts";
import { noise } from "./interpret.ts";
import { expectOutputs, nodeByNode, runAlone } from "./node-by-node.ts";
import { randomGraph } from "./random-graph.ts";

type Constants = Parameters<typeof build>[1];

const float = (...data: number[]): Tensor => new Tensor("float32", data, data.length === 1 ? [] : [data.length]);
const shaped = (v: number, ...dims: number[]): Tensor => new Tensor("float32", [v], dims);
const positive = (n: number): Tensor =>
  new Tensor(
    "float32",
    (noise([n], 9).data as Float32Array).map((v) => v * v + 1),
    [n],
  );
const batch = (n: number): Constants => ({
  gamma: noise([n], 5),
  beta: noise([n], 6),
  mean: noise([n], 7),
  variance: positive(n),
});
const normalized = (x: string, y: string): NodeSpec => [
  "BatchNormalization",
  [x, "gamma", "beta", "mean", "variance"],
  [y],
];

/** A graph x → y gives what its nodes give one by one; the operators that the passes make of it. */
async function optimized(
  nodes: readonly NodeSpec[],
  constants: Constants,
  x: Tensor,
  declared = true,
): Promise<string[]> {
  const shape = declared ? x.dims.map((_, i) => `d${i}`) : undefined;
  const graph = build({ x: { type: "float32", shape } }, constants, nodes, ["y"]);
  await expectOutputs(graph, { x }, await nodeByNode(graph, { x }));
  return operators(optimize(graph));
}

describe("passes change nothing", () => {
  it.each([0, 1, 2, 3])("around any pattern that they look for (%#)", async (part) => {
    for (let seed = 40 * part; seed < 40 * (part + 1); seed++) {
      const { graph, feeds, expected } = await randomGraph(seed, runAlone);
      await expectOutputs(graph, feeds, expected, 2e-5);
    }
  });
});

describe("channels of a matrix product are last, those of BatchNormalization second", () => {
  const product: NodeSpec = ["MatMul", ["x", "w"], ["m"]];

  it.each([
    [2, [3, 5], ["bitbasis/MatMul"]],
    [3, [2, 4, 5], ["MatMul", "Mul", "Add"]],
    [4, [2, 4, 1, 5], ["MatMul", "Mul", "Add"]],
  ])("rank %i", async (_rank, dims, left) => {
    expect(await optimized([product, normalized("m", "y")], { w: noise([5, 4]), ...batch(4) }, noise(dims, 3))).toEqual(
      left,
    );
    const sum: NodeSpec[] = [product, ["Add", ["m", "b"], ["s"]], normalized("s", "y")];
    const constants = { w: noise([5, 4]), b: noise([4], 2), ...batch(4) };
    expect((await optimized(sum, constants, noise(dims, 3))).length).toBe(left.length);
  });

  it("an unknown rank", async () => {
    const constants = { w: noise([5, 4]), ...batch(4) };
    expect(await optimized([product, normalized("m", "y")], constants, noise([2, 4, 5], 3), false)).toEqual([
      "MatMul",
      "BatchNormalization",
    ]);
  });

  it("channels that the columns are not", async () => {
    expect(
      await optimized([product, normalized("m", "y")], { w: noise([5, 4]), ...batch(3) }, noise([2, 3, 5], 3)),
    ).toEqual(["MatMul", "Mul", "Add"]);
  });
});

describe("constants that raise the rank", () => {
  it.each([
    ["a sum after a product of a vector", ["Add", ["m", "b"], ["y"]], [1, 4], [5]],
    ["a factor after it", ["Mul", ["m", "b"], ["y"]], [1, 1], [5]],
    ["a quotient after it", ["Div", ["m", "b"], ["y"]], [1, 1, 1], [5]],
    ["a sum after a product of matrices", ["Sub", ["m", "b"], ["y"]], [1, 1, 4], [3, 5]],
  ] as [string, NodeSpec, number[], number[]][])("%s", async (_what, node, dims, x) => {
    const nodes: NodeSpec[] = [["MatMul", ["x", "w"], ["m"]], node];
    expect(await optimized(nodes, { w: noise([5, 4]), b: noise(dims, 2) }, noise(x, 3))).toEqual(["MatMul", node[0]]);
  });

  it("neutral and joined scalars, patterns", async () => {
    const constants = { one: shaped(1, 1, 1), half: shaped(0.5, 1), root: shaped(Math.fround(Math.SQRT1_2), 1, 1, 1) };
    expect(await optimized([["Mul", ["x", "one"], ["y"]]], constants, noise([3]))).toEqual(["Mul"]);
    expect(await optimized([["Mul", ["x", "half"], ["y"]]], constants, noise([]))).toEqual(["Mul"]);
    const twice: NodeSpec[] = [
      ["Mul", ["x", "half"], ["h"]],
      ["Mul", ["h", "one"], ["y"]],
    ];
    expect((await optimized(twice, { ...constants, one: shaped(3, 1, 1) }, noise([3]))).length).toBe(2);
    const gelu: NodeSpec[] = [
      ["Mul", ["x", "root"], ["a"]],
      ["Erf", ["a"], ["e"]],
      ["Add", ["e", "unit"], ["s"]],
      ["Mul", ["x", "s"], ["p"]],
      ["Mul", ["p", "half"], ["y"]],
    ];
    expect(await optimized(gelu, { ...constants, unit: float(1) }, noise([4, 3]))).not.toContain("bitbasis/Gelu");
    expect(await optimized(gelu, { ...constants, unit: float(1) }, noise([1, 4, 3]))).toEqual(["bitbasis/Gelu"]);
  });
});

describe("Gemm", () => {
  const gemm = (attributes: Record<string, number> = {}): NodeSpec => ["Gemm", ["x", "w", "c"], ["m"], attributes];

  it.each([
    ["a bias per row, as many rows as columns", [4, 1], {}, false],
    ["a bias per element", [4, 4], {}, false],
    ["a bias per column", [4], {}, true],
    ["a bias per column with an axis more", [1, 4], {}, true],
    ["one number", [], {}, true],
    ["one number in two axes", [1, 1], {}, true],
    ["alpha", [4], { alpha: 0.5 }, false],
    ["beta", [4], { beta: 0.5 }, false],
    ["a turned input", [4], { transA: 1 }, false],
    ["turned weights", [4], { transB: 1 }, true],
  ] as [string, number[], Record<string, number>, boolean][])("%s", async (_what, dims, attributes, folds) => {
    const constants = { w: noise([4, 4]), c: noise(dims, 2), ...batch(4) };
    const left = await optimized([gemm(attributes), normalized("m", "y")], constants, noise([4, 4], 3));
    expect(left.includes("bitbasis/MatMul")).toBe(folds);
    expect(left.length).toBe(folds ? 1 : 3);
  });

  it("keeps what it asks of its input", async () => {
    const graph = build(
      { x: { type: "float32", shape: undefined } },
      { w: noise([5, 4]), c: noise([4]) },
      [gemm()],
      ["m"],
    );
    await expect(expectOutputs(graph, { x: noise([2, 3, 5]) }, new Map())).rejects.toThrow(/Gemm/);
  });
});

describe("what a fold may not do to numbers", () => {
  it("rounding by a large sum stays", async () => {
    const rounding: NodeSpec[] = [
      ["Add", ["m", "large"], ["a"]],
      ["Sub", ["a", "large"], ["y"]],
    ];
    const constants = { w: noise([5, 4]), large: float(12582912) };
    expect(await optimized([["Identity", ["x"], ["m"]], ...rounding], constants, noise([3, 5], 3))).toEqual([
      "Add",
      "Sub",
    ]);
    const left = await optimized([["MatMul", ["x", "w"], ["m"]], ...rounding], constants, noise([3, 5], 3));
    expect(left).toEqual(["MatMul", "Add", "Sub"]);
  });

  it("overflow stays, and infinite or vanishing weights are not made", async () => {
    const products: NodeSpec[] = [
      ["Mul", ["x", "a"], ["h"]],
      ["Mul", ["h", "b"], ["y"]],
    ];
    const x = float(1e38, -2, 0, Number.POSITIVE_INFINITY, Number.NaN);
    expect((await optimized(products, { a: float(100), b: float(0.01) }, x)).length).toBe(2);
    expect((await optimized(products, { a: float(4), b: float(16) }, x)).length).toBe(1);
    expect((await optimized(products, { a: float(0.25), b: float(16) }, x)).length).toBe(1);
    expect((await optimized([products[0]!, ["Div", ["h", "b"], ["y"]]], { a: float(2), b: float(0) }, x)).length).toBe(
      2,
    );
    const layer: NodeSpec[] = [
      ["MatMul", ["x", "w"], ["m"]],
      ["Mul", ["m", "s"], ["y"]],
    ];
    for (const s of [Number.POSITIVE_INFINITY, Number.NaN, 1e38, 1e-38]) {
      const w = new Tensor(
        "float32",
        (noise([5, 4]).data as Float32Array).map((v) => v * (s === 1e38 ? 1e4 : 1)),
        [5, 4],
      );
      expect((await optimized(layer, { w, s: float(s) }, noise([3, 5], 3))).length).toBe(2);
    }
    expect((await optimized(layer, { w: noise([5, 4]), s: float(0) }, noise([3, 5], 3))).length).toBe(1);
  });

  it("x + 0 makes 0 of −0 where that can be seen", async () => {
    const x = float(-0, 1, -1);
    const seen: NodeSpec[] = [
      ["Add", ["x", "zero"], ["s"]],
      ["Reciprocal", ["s"], ["y"]],
    ];
    expect((await optimized(seen, { zero: float(0) }, x)).length).toBe(2);
    expect((await optimized(seen, { zero: float(-0) }, x)).length).toBe(1);
    const unseen: NodeSpec[] = [seen[0]!, ["Exp", ["s"], ["y"]]];
    expect((await optimized(unseen, { zero: float(0) }, x)).length).toBe(1);
  });

  it("bounds: the upper one wins, infinite and crossed ones, NaN passes", async () => {
    const x = new Tensor("float32", [-9, -1, 0, 3, Number.NaN, Number.POSITIVE_INFINITY, -0, 9, 2, 5, 6, 7], [3, 4]);
    const w = new Tensor("float32", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [4, 4]);
    const infinity = Number.POSITIVE_INFINITY;
    const cases = [
      [-1, 2, 0, 1],
      [3, 1, 0, 6],
      [0, 6, 7, 8],
      [0, 6, 5, 2],
      [-infinity, infinity, -1, 1],
      [infinity, infinity, 0, 1],
      [0, 1, -infinity, -infinity],
    ];
    for (const [a, b, c, d] of cases) {
      const bounds = { w, a: float(a!), b: float(b!), c: float(c!), d: float(d!) };
      const nodes: NodeSpec[] = [
        ["MatMul", ["x", "w"], ["m"]],
        ["Clip", ["m", "a", "b"], ["h"]],
        ["Clip", ["h", "c", "d"], ["y"]],
      ];
      await optimized(nodes, bounds, x);
      await optimized([nodes[0]!, ["Relu", ["m"], ["h"]], nodes[2]!], bounds, x);
      await optimized([nodes[0]!, nodes[1]!, ["Relu", ["h"], ["y"]]], bounds, x);
    }
  });
});

describe("almost a LayerNormalization", () => {
  const nodes = (axes: number[], second = axes): NodeSpec[] => [
    ["ReduceMean", ["x"], ["m"], { axes }],
    ["Sub", ["x", "m"], ["c"]],
    ["Pow", ["c", "two"], ["p"]],
    ["ReduceMean", ["p"], ["v"], { axes: second }],
    ["Add", ["v", "eps"], ["e"]],
    ["Sqrt", ["e"], ["r"]],
    ["Div", ["c", "r"], ["d"]],
    ["Mul", ["d", "gamma"], ["g"]],
    ["Add", ["g", "beta"], ["y"]],
  ];
  const constants = { two: float(2), eps: float(1e-3), gamma: noise([4], 2), beta: noise([4], 3) };

  it.each([
    ["it is one", nodes([-1]), {}, true],
    ["another axis", nodes([1]), {}, false],
    ["two different axes", nodes([-1], [0]), {}, false],
    ["two axes", nodes([-1, -2]), {}, false],
    ["one γ for all", nodes([-1]), { gamma: noise([1], 2) }, false],
    ["γ per row", nodes([-1]), { gamma: noise([3, 1], 2) }, false],
    ["β for all", nodes([-1]), { beta: noise([1], 2) }, false],
    ["another power", nodes([-1]), { two: float(4) }, false],
    ["ε with axes of its own", nodes([-1]), { eps: shaped(1e-3, 1, 1, 1, 1) }, false],
  ] as [string, NodeSpec[], Constants, boolean][])("%s", async (_what, spec, other, fused) => {
    const left = await optimized(spec, { ...constants, ...other }, noise([2, 3, 4], 4));
    expect(left.includes("LayerNormalization")).toBe(fused);
  });
});

describe("almost an RMSNormalization", () => {
  const mean = (axes: number[] = [-1]): NodeSpec[] => [
    ["Mul", ["x", "x"], ["p"]],
    ["ReduceMean", ["p"], ["v"], { axes }],
    ["Add", ["v", "eps"], ["e"]],
    ["Sqrt", ["e"], ["r"]],
  ];
  const inverse: NodeSpec[] = [
    ["Div", ["one", "r"], ["i"]],
    ["Mul", ["x", "i"], ["d"]],
    ["Mul", ["gamma", "d"], ["y"]],
  ];
  const quotient: NodeSpec[] = [
    ["Div", ["x", "r"], ["d"]],
    ["Mul", ["d", "gamma"], ["y"]],
  ];
  const constants = { one: float(1), eps: float(1e-3), gamma: noise([4], 2), two: float(2) };

  it.each([
    ["1/√ as a factor", [...mean(), ...inverse], {}, true],
    ["a quotient", [...mean(), ...quotient], {}, true],
    ["a reciprocal", [...mean(), ["Reciprocal", ["r"], ["i"]], ["Mul", ["i", "x"], ["d"]], inverse[2]], {}, true],
    ["a power", [["Pow", ["x", "two"], ["p"]], ...mean().slice(1), ...quotient], {}, true],
    ["2/√", [...mean(), ...inverse], { one: float(2) }, false],
    ["another axis", [...mean([1]), ...quotient], {}, false],
    ["two axes", [...mean([-1, -2]), ...quotient], {}, false],
    ["one γ for all", [...mean(), ...inverse], { gamma: noise([1], 2) }, false],
    ["γ per row", [...mean(), ...inverse], { gamma: noise([3, 1], 2) }, false],
    ["another numerator", [...mean(), ["Div", ["v", "r"], ["d"]], quotient[1]], {}, false],
    ["a root the wrong way round", [...mean(), ["Div", ["r", "x"], ["d"]], quotient[1]], {}, false],
    ["ε with axes of its own", [...mean(), ...quotient], { eps: shaped(1e-3, 1, 1, 1, 1) }, false],
  ] as [string, NodeSpec[], Constants, boolean][])("%s", async (_what, spec, other, fused) => {
    const left = await optimized(spec, { ...constants, ...other }, noise([2, 3, 4], 4));
    expect(left.includes("RMSNormalization")).toBe(fused);
  });

  it("is left where somebody else reads the root", async () => {
    const left = await optimized(
      [...mean(), ...quotient.slice(0, 1), ["Mul", ["d", "gamma"], ["g"]], ["Add", ["g", "r"], ["y"]]],
      constants,
      noise([2, 3, 4], 4),
    );
    expect(left).not.toContain("RMSNormalization");
  });
});

describe("nodes and reshapes", () => {
  it("joins Reshapes but for targets that copy dimensions", async () => {
    const nodes: NodeSpec[] = [
      ["Reshape", ["x", "a"], ["h"]],
      ["Reshape", ["h", "b"], ["y"]],
    ];
    expect((await optimized(nodes, { a: i64(4, 6), b: i64(2, -1) }, noise([2, 3, 4]))).length).toBe(1);
    expect((await optimized(nodes, { a: i64(4, 6), b: i64(0, -1) }, noise([2, 3, 4]))).length).toBe(2);
    const empty: NodeSpec[] = [nodes[0]!, ["Reshape", ["h", "b"], ["y"], { allowzero: 1 }]];
    expect((await optimized(empty, { a: i64(0, 6), b: i64(3, 0) }, noise([0, 2, 4]))).length).toBe(2);
  });

  it("shares nodes whose attributes are the same to the bit", async () => {
    const twice = (a: number, b: number): NodeSpec[] => [
      ["LeakyRelu", ["x"], ["p"], { alpha: a }],
      ["LeakyRelu", ["x"], ["q"], { alpha: b }],
      ["Sub", ["p", "q"], ["y"]],
    ];
    const x = float(-1, 2, Number.NEGATIVE_INFINITY);
    expect((await optimized(twice(0.5, 0.5), {}, x)).length).toBe(2);
    expect((await optimized(twice(0, -0), {}, x)).length).toBe(3);
    expect((await optimized(twice(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY), {}, x)).length).toBe(3);
    expect((await optimized(twice(Number.NaN, Number.NEGATIVE_INFINITY), {}, x)).length).toBe(3);
  });

  it("keeps the names of values that a body reads", () => {
    const inner = build({}, {}, [["Relu", ["i"], ["o"]]], ["o"]);
    const graph = build(
      { x: [3], c: { type: "bool", shape: [] } },
      {},
      [
        ["Identity", ["c"], ["k"]],
        ["Abs", ["x"], ["a"]],
        ["Identity", ["a"], ["i"]],
        ["If", ["k"], ["y"], { then_branch: inner, else_branch: inner }],
      ],
      ["y"],
    );
    const left = optimize(graph);
    expect(left.nodes.flatMap((node) => node.outputs)).toContain("i");
    expect(left.nodes.at(-1)!.inputs).toEqual(["c"]);
  });

  it("leaves a permutation of another rank to be refused", async () => {
    const graph = build({ x: [2, 3, 4] }, {}, [["Transpose", ["x"], ["y"], { perm: [0, 1] }]], ["y"]);
    await expect(expectOutputs(graph, { x: noise([2, 3, 4]) }, new Map())).rejects.toThrow(/perm/);
  });
});
