import { describe, expect, it } from "vitest";
import { channelsLast, type Graph, optimize, specialize } from "../../src/graph/index.ts";
import { everyBody } from "../../src/graph/passes/bodies.ts";
import { foldConstants } from "../../src/graph/passes/fold-constants.ts";
import { transposed } from "../../src/graph/passes/layout.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { sharing } from "../../src/graph/sharing.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { interpret as meant } from "../support/oracle/index.ts";
import { build, i64, type NodeSpec, operators } from "./build.ts";
import { difference, interpret, noise } from "./interpret.ts";

const scalar = (v: number): Tensor => new Tensor("float32", [v], []);

/** Checks that both passes keep the output, and returns the operators after them. */
function check(graph: Graph, dims: readonly number[]): string[] {
  const x = noise(dims, 3);
  const feeds = { x: { type: "float32", shape: dims } };
  const output = graph.outputs[0]!.name;
  const run = (g: Graph) => interpret(specialize(g, feeds), { x }).get(output)!;
  const expected = meant(graph, { x }).get(output)!;
  expect(difference(run(graph), expected)).toBeLessThan(1e-5);
  const optimized = optimize(graph);
  const last = channelsLast(optimized);
  expect(difference(run(optimized), expected)).toBeLessThan(1e-5);
  expect(difference(run(last), expected)).toBeLessThan(1e-5);
  return operators(last);
}

const image = ["N", 4, 6, 6];
const weights = { w: noise([6, 4, 3, 3], 7), b: noise([6], 8) };
const conv: NodeSpec = ["Conv", ["x", "w", "b"], ["c"], { pads: [1, 1, 1, 1] }];
const batch = { gamma: noise([6], 1), beta: noise([6], 2), mean: noise([6], 3), variance: noise([6], 4).reshape([6]) };
batch.variance = new Tensor(
  "float32",
  (batch.variance.data as Float32Array).map((v) => v * v + 0.5),
  [6],
);

describe("fusions into linear layers", () => {
  it("folds BatchNormalization and Relu into Conv", () => {
    const graph = build(
      { x: image },
      { ...weights, ...batch },
      [
        conv,
        ["BatchNormalization", ["c", "gamma", "beta", "mean", "variance"], ["n"], { epsilon: 1e-3 }],
        ["Relu", ["n"], ["y"]],
      ],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv", "Transpose"]);
  });

  it("folds constants per channel into grouped ConvTranspose", () => {
    const graph = build(
      { x: image },
      { w: noise([4, 3, 2, 2], 5), s: noise([6, 1, 1], 6), t: noise([1, 6, 1, 1], 7) },
      [
        ["ConvTranspose", ["x", "w"], ["c"], { group: 2, strides: [2, 2] }],
        ["Mul", ["c", "s"], ["m"]],
        ["Sub", ["m", "t"], ["y"]],
      ],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6])).toEqual(["Transpose", "bitbasis/ConvTranspose", "Transpose"]);
  });

  it("does not fold what others read, or constants that are not per channel", () => {
    const shared = build(
      { x: image },
      { ...weights, s: scalar(2) },
      [conv, ["Mul", ["c", "s"], ["m"]], ["Add", ["m", "c"], ["y"]]],
      ["y"],
    );
    expect(check(shared, [1, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv", "Mul", "Add", "Transpose"]);
    const wide = build({ x: image }, { ...weights, s: noise([6]) }, [conv, ["Mul", ["c", "s"], ["y"]]], ["y"]);
    expect(check(wide, [1, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv", "Mul", "Transpose"]);
  });

  it("keeps the name of an output that is read inside", () => {
    const graph = build({ x: image }, weights, [conv, ["Relu", ["c"], ["y"]]], ["c", "y"]);
    const result = optimize(graph);
    expect(result.outputs.map((o) => o.name)).toEqual(["c", "y"]);
    expect(operators(result)).toEqual(["Conv", "Relu"]);
  });

  it("leaves shared weights alone when one of their readers is scaled", () => {
    const graph = build(
      { x: ["N", 4, 6, 6] },
      { w: noise([4, 4, 1, 1], 7), s: noise([4, 1, 1]) },
      [
        ["Conv", ["x", "w"], ["a"]],
        ["Mul", ["a", "s"], ["m"]],
        ["Conv", ["m", "w"], ["y"]],
      ],
      ["y"],
    );
    expect(check(graph, [1, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv", "bitbasis/Conv", "Transpose"]);
    expect(optimize(graph).initializers.get("w")!.data).toEqual(graph.initializers.get("w")!.data);
  });

  it("shares initializers of equal contents, and none that only begin, end or look alike", () => {
    const w = noise([8, 8], 7);
    const changed = (at: number, v: number): Tensor => {
      const data = (w.data as Float32Array).slice();
      data[at] = v;
      return new Tensor("float32", data, [8, 8]);
    };
    const last = (w.data as Float32Array)[63]!;
    const same = {
      a: w,
      b: changed(63, last),
      c: changed(1, 5),
      d: changed(62, 5),
      e: changed(32, -0),
      f: changed(32, 0),
    };
    const products = Object.keys(same).map((name): NodeSpec => ["MatMul", ["x", name], [`y${name}`]]);
    const kept = optimize(
      build(
        { x: [2, 8] },
        same,
        products,
        Object.keys(same).map((name) => `y${name}`),
      ),
    );
    expect([...kept.initializers.keys()].sort()).toEqual(["a", "c", "d", "e", "f"]);
  });

  it("makes bitbasis/MatMul of MatMul and Add, and of Gemm", () => {
    const matrices = { w: noise([4, 3], 1), b: noise([3], 2), v: noise([5, 3], 3), d: noise([1, 5], 4) };
    const graph = build(
      { x: ["N", 4] },
      matrices,
      [
        ["MatMul", ["x", "w"], ["m"]],
        ["Add", ["b", "m"], ["a"]],
        ["Relu", ["a"], ["r"]],
        ["Gemm", ["r", "v", "d"], ["y"], { transB: 1 }],
      ],
      ["y"],
    );
    expect(check(graph, [2, 4])).toEqual(["bitbasis/MatMul", "bitbasis/MatMul"]);
    const result = optimize(graph);
    expect(result.nodes.map((node) => node.name)).toEqual(["MatMul_0", "Gemm_3"]);
    expect(result.nodes[0]!.attributes).toEqual({ activation: "Clip", min: 0 });
    expect(result.initializers.get("v")!.dims).toEqual([3, 5]);
  });

  it("moves zero padding into the convolution", () => {
    const graph = build(
      { x: image },
      { ...weights, p: i64(0, 0, 1, 2, 0, 0, 0, 1) },
      [
        ["Pad", ["x", "p"], ["q"]],
        ["Conv", ["q", "w", "b"], ["y"]],
      ],
      ["y"],
    );
    expect(check(graph, [1, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv", "Transpose"]);
  });
});

describe("fusions of patterns", () => {
  const constants = {
    three: scalar(3),
    zero: scalar(0),
    six: scalar(6),
    sixth: scalar(1 / 6),
    one: scalar(1),
    half: scalar(0.5),
    root: scalar(Math.SQRT2),
    two: scalar(2),
    eps: scalar(1e-5),
  };
  const gate: NodeSpec[] = [
    ["Add", ["x", "three"], ["a"]],
    ["Clip", ["a", "zero", "six"], ["g"]],
  ];

  it.each<[string, NodeSpec[]]>([
    ["Mul, Div", [...gate, ["Mul", ["x", "g"], ["m"]], ["Div", ["m", "six"], ["y"]]]],
    ["Div, Mul", [...gate, ["Div", ["g", "six"], ["m"]], ["Mul", ["m", "x"], ["y"]]]],
    ["Mul by a sixth", [...gate, ["Mul", ["x", "g"], ["m"]], ["Mul", ["sixth", "m"], ["y"]]]],
    [
      "HardSigmoid",
      [
        ["HardSigmoid", ["x"], ["h"], { alpha: Math.fround(1 / 6), beta: 0.5 }],
        ["Mul", ["x", "h"], ["y"]],
      ],
    ],
    [
      "HardSigmoid that leaves out its half",
      [
        ["HardSigmoid", ["x"], ["h"], { alpha: Math.fround(1 / 6) }],
        ["Mul", ["x", "h"], ["y"]],
      ],
    ],
  ])("finds HardSwish written with %s", (_how, nodes) => {
    expect(check(build({ x: ["N", 8] }, constants, nodes, ["y"]), [3, 8])).toEqual(["HardSwish"]);
  });

  it("finds Silu, Gelu in both orders, and HardSigmoid", () => {
    const silu: NodeSpec[] = [
      ["Sigmoid", ["x"], ["s"]],
      ["Mul", ["s", "x"], ["y"]],
    ];
    expect(check(build({ x: ["N", 8] }, constants, silu, ["y"]), [3, 8])).toEqual(["bitbasis/Silu"]);
    const inner: NodeSpec[] = [
      ["Div", ["x", "root"], ["d"]],
      ["Erf", ["d"], ["e"]],
      ["Add", ["e", "one"], ["a"]],
    ];
    const late: NodeSpec[] = [...inner, ["Mul", ["x", "a"], ["m"]], ["Mul", ["m", "half"], ["y"]]];
    const early: NodeSpec[] = [...inner, ["Mul", ["half", "x"], ["m"]], ["Mul", ["m", "a"], ["y"]]];
    for (const nodes of [late, early]) {
      expect(check(build({ x: ["N", 8] }, constants, nodes, ["y"]), [3, 8])).toEqual(["bitbasis/Gelu"]);
    }
    const sigmoid: NodeSpec[] = [...gate, ["Div", ["g", "six"], ["y"]]];
    expect(check(build({ x: ["N", 8] }, constants, sigmoid, ["y"]), [3, 8])).toEqual(["HardSigmoid"]);
  });

  it("does not find patterns whose parts are read elsewhere or have other constants", () => {
    const read: NodeSpec[] = [
      ["Sigmoid", ["x"], ["s"]],
      ["Mul", ["s", "x"], ["m"]],
      ["Add", ["m", "s"], ["y"]],
    ];
    expect(check(build({ x: ["N", 8] }, constants, read, ["y"]), [3, 8])).toEqual(["Sigmoid", "Mul", "Add"]);
    const other: NodeSpec[] = [...gate, ["Mul", ["x", "g"], ["m"]], ["Div", ["m", "three"], ["y"]]];
    expect(check(build({ x: ["N", 8] }, constants, other, ["y"]), [3, 8])).not.toContain("HardSwish");
  });

  it("finds LayerNormalization", () => {
    const nodes: NodeSpec[] = [
      ["ReduceMean", ["x"], ["m"], { axes: [-1] }],
      ["Sub", ["x", "m"], ["c"]],
      ["Pow", ["c", "two"], ["p"]],
      ["ReduceMean", ["p"], ["v"], { axes: [2] }],
      ["Add", ["v", "eps"], ["e"]],
      ["Sqrt", ["e"], ["r"]],
      ["Div", ["c", "r"], ["d"]],
      ["Mul", ["d", "gamma"], ["g"]],
      ["Add", ["g", "beta"], ["y"]],
    ];
    const vectors = { gamma: noise([8], 3), beta: noise([8], 4) };
    expect(check(build({ x: ["N", 2, 8] }, { ...constants, ...vectors }, nodes, ["y"]), [3, 2, 8])).toEqual([
      "LayerNormalization",
    ]);
    const bare = build({ x: ["N", 2, 8] }, { ...constants, ...vectors }, nodes.slice(0, 8), ["g"]);
    expect(check(bare, [3, 2, 8])).toEqual(["LayerNormalization"]);
  });

  it("joins and drops scalars", () => {
    const nodes: NodeSpec[] = [
      ["Div", ["x", "two"], ["a"]],
      ["Mul", ["a", "three"], ["b"]],
      ["Mul", ["one", "b"], ["c"]],
      ["Add", ["c", "zero"], ["y"]],
    ];
    expect(check(build({ x: ["N", 8] }, constants, nodes, ["y"]), [3, 8])).toEqual(["Mul"]);
  });
});

describe("channelsLast", () => {
  it("keeps Transposes out of the interior", () => {
    const initializers = {
      ...weights,
      s: noise([6, 1, 1]),
      p: i64(0, 0, 1, 1, 0, 0, 1, 1),
      v: noise([2, 12, 1, 1]),
      axes: i64(2, 3),
    };
    const graph = build(
      { x: image },
      initializers,
      [
        conv,
        ["Sigmoid", ["c"], ["g"]],
        ["Add", ["g", "s"], ["a"]],
        ["Pow", ["a", "s"], ["dead"]],
        ["Pad", ["a", "p"], ["q"]],
        ["MaxPool", ["q"], ["m"], { kernel_shape: [3, 3], strides: [1, 1] }],
        ["Concat", ["m", "c"], ["cat"], { axis: 1 }],
        ["Softmax", ["cat"], ["soft"], { axis: 1 }],
        ["Split", ["soft"], ["left", "right"], { axis: 1 }],
        ["Mul", ["left", "right"], ["prod"]],
        ["Concat", ["prod", "left"], ["again"], { axis: -3 }],
        ["ReduceMean", ["again", "axes"], ["mean"], { keepdims: 1 }],
        ["Mul", ["again", "mean"], ["gated"]],
        ["Conv", ["gated", "v"], ["y"]],
      ],
      ["y"],
      18,
    );
    const after = check(graph, [2, 4, 6, 6]);
    expect(after.filter((op) => op === "Transpose")).toHaveLength(2);
    expect(after.at(-1)).toBe("Transpose");
    expect(after).not.toContain("Pow");
  });

  it("reads the channels-last form of a single pixel when it is flattened", () => {
    const graph = build(
      { x: image },
      { ...weights, shape: i64(0, -1), full: i64(-1, 6) },
      [
        conv,
        ["GlobalAveragePool", ["c"], ["p"]],
        ["Reshape", ["p", "shape"], ["f"]],
        ["Relu", ["f"], ["r"]],
        ["Reshape", ["r", "full"], ["y"]],
      ],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6]).filter((op) => op === "Transpose")).toHaveLength(1);
  });

  it.each<[string, NodeSpec]>([
    ["Pad", ["Pad", ["p", "pads"], ["grown"]]],
    ["a convolution with a border", ["Conv", ["p", "one"], ["grown"], { pads: [1, 1, 1, 1] }]],
    ["a transposed convolution", ["ConvTranspose", ["p", "turned"], ["grown"]]],
    ["Resize", ["Resize", ["p", "", "scales"], ["grown"], { mode: "nearest" }]],
    ["a sum with a picture", ["Add", ["p", "picture"], ["grown"]]],
    ["Expand", ["Expand", ["p", "size"], ["grown"]]],
    ["Tile", ["Tile", ["p", "times"], ["grown"]]],
  ])("flattens in the model's order what was a single pixel before %s", (_, grow) => {
    const scales = new Tensor("float32", [1, 1, 2, 3], [4]);
    const more = { pads: i64(0, 1, 1, 0, 0, -1, 0, 2), scales, size: i64(1, 6, 2, 3), times: i64(1, 1, 2, 3) };
    const kernels = { one: noise([6, 6, 1, 1]), turned: noise([6, 6, 2, 3]), picture: noise([1, 6, 2, 3]) };
    const graph = build(
      { x: image },
      { ...weights, ...more, ...kernels, shape: i64(0, -1) },
      [conv, ["GlobalAveragePool", ["c"], ["p"]], grow, ["Relu", ["grown"], ["r"]], ["Reshape", ["r", "shape"], ["y"]]],
      ["y"],
    );
    check(graph, [2, 4, 6, 6]);
  });

  it("cancels the model's own Transposes", () => {
    const graph = build(
      { x: image },
      weights,
      [conv, ["Transpose", ["c"], ["t"], { perm: [0, 2, 3, 1] }], ["Relu", ["t"], ["y"]]],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6])).toEqual(["Transpose", "bitbasis/Conv"]);
  });

  it("flattens a picture in the order that the model means", () => {
    const graph = build(
      { x: image },
      { ...weights, m: noise([216, 3]) },
      [conv, ["Flatten", ["c"], ["f"]], ["MatMul", ["f", "m"], ["y"]]],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6])).toContain("Flatten");
  });

  it("joins spatial axes without leaving the form", () => {
    const graph = build(
      { x: image },
      { ...weights, shape: i64(0, 0, -1) },
      [conv, ["Reshape", ["c", "shape"], ["f"]], ["Transpose", ["f"], ["y"], { perm: [0, 2, 1] }]],
      ["y"],
    );
    const after = check(graph, [2, 4, 6, 6]);
    expect(after.filter((op) => op === "Transpose")).toHaveLength(1);
  });

  it("resizes with sizes that are computed", () => {
    const initializers = { ...weights, two: new Tensor("int64", [1, 1, 2, 2]) };
    const graph = build(
      { x: image },
      initializers,
      [
        conv,
        ["Shape", ["c"], ["s"]],
        ["Mul", ["s", "two"], ["d"]],
        [
          "Resize",
          ["c", "", "", "d"],
          ["y"],
          { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
        ],
      ],
      ["y"],
    );
    expect(check(graph, [2, 4, 6, 6])).toContain("bitbasis/Resize");
  });
});

describe("bodies", () => {
  it("that make the same of a constant share what is made, and nothing is kept after the pass", () => {
    const body = (axis: number): Graph =>
      build({}, {}, [["DequantizeLinear", ["w", "scale", "zero"], ["r"], { axis }]], ["r"]);
    const w = new Tensor("uint8", new Uint8Array(2 * 2 * 2048).fill(7), [2, 2, 2048]);
    const branches = { then_branch: body(1), else_branch: body(0) };
    const graph = build(
      { c: { type: "bool", shape: [] } },
      { w, scale: new Tensor("float32", [0.5, 2], [2]), zero: new Tensor("uint8", [1, 3], [2]) },
      [
        ["If", ["c"], ["y"], branches],
        ["If", ["c"], ["z"], { ...branches, else_branch: body(1) }],
      ],
      ["y", "z"],
    );
    const made = everyBody(normalize(graph), (one) => foldConstants(one)).nodes.flatMap(({ attributes }) =>
      ["then_branch", "else_branch"].map((name) => {
        const one = attributes[name] as unknown as Graph;
        return one.initializers.get(one.outputs[0]!.name)!;
      }),
    );
    expect(made[0]!.data.slice(2046, 2050)).toEqual(Float32Array.of(3, 3, 8, 8));
    expect(made[1]!.data.slice(4094, 4098)).toEqual(Float32Array.of(3, 3, 8, 8));
    expect(made[2]).toBe(made[0]);
    expect(made[3]).toBe(made[0]);
    expect(transposed(w, [2, 0, 1])).not.toBe(transposed(w, [2, 0, 1]));
    const [first, second] = sharing(() => [transposed(w, [2, 0, 1]), transposed(w, [2, 0, 1])]);
    expect(first).toBe(second);
    expect(first!.dims).toEqual([2048, 2, 2]);
  });

  it("know the constants that they capture, as weights and as what decides ranks", () => {
    const body: NodeSpec[] = [
      ["MatMulInteger", ["q", "w"], ["m"]],
      ["Squeeze", ["m", "axes"], ["s"]],
      ["Cast", ["s"], ["r"], { to: 1 }],
    ];
    const inner = build({}, {}, body, ["r"]);
    const middle = build({}, {}, [["If", ["c"], ["r"], { then_branch: inner, else_branch: inner }]], ["r"]);
    const graph = build(
      { q: { type: "uint8", shape: [1, "N", 3] }, c: { type: "bool", shape: [] } },
      { w: new Tensor("uint8", [1, 2, 3, 4, 5, 6], [3, 2]), axes: i64(0) },
      [["If", ["c"], ["y"], { then_branch: middle, else_branch: middle }]],
      ["y"],
    );
    const innermost = (one: Graph): Graph => {
      const branch = one.nodes.find(({ op }) => op === "If")?.attributes["then_branch"];
      return branch === undefined ? one : innermost(branch as unknown as Graph);
    };
    const { nodes, initializers } = innermost(normalize(graph));
    // Turned, as panels are made of them, and not at every run.
    const product = nodes.find(({ op }) => op === "MatMulInteger")!;
    expect(product.attributes).toEqual({ transB: 1 });
    expect(Array.from(initializers.get(product.inputs[1]!)!.data as Uint8Array)).toEqual([1, 3, 5, 2, 4, 6]);
  });
});
