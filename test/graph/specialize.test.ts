import { describe, expect, it } from "vitest";
import { BitbasisError } from "../../src/core/errors.ts";
import type { Attribute } from "../../src/graph/graph.ts";
import {
  checkSupported,
  type Graph,
  graphFromJson,
  graphToJson,
  normalize,
  optimize,
  type Stage,
  specialize,
  toFloat32,
  unsupportedNodes,
} from "../../src/graph/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec, operators } from "./build.ts";

type Case = [
  string,
  string,
  Record<string, readonly number[]>,
  Record<string, Tensor>,
  Record<string, Attribute>,
  number,
  readonly number[],
];

/** What an operator makes of input shapes: `inputs` are "x y, c" with constants by name. */
const SHAPES: readonly Case[] = [
  ["Conv", "x w", { x: [2, 3, 9, 8], w: [4, 3, 3, 3] }, {}, { strides: [2, 2], pads: [1, 1, 1, 1] }, 17, [2, 4, 5, 4]],
  [
    "Conv",
    "x w",
    { x: [2, 3, 9, 8], w: [4, 3, 3, 3] },
    {},
    { strides: [2, 2], auto_pad: "SAME_UPPER" },
    17,
    [2, 4, 5, 4],
  ],
  ["Conv", "x w", { x: [1, 4, 7], w: [4, 1, 3] }, {}, { group: 4, dilations: [2] }, 17, [1, 4, 3]],
  [
    "ConvTranspose",
    "x w",
    { x: [1, 4, 5, 5], w: [4, 3, 3, 3] },
    {},
    { strides: [2, 2], output_padding: [1, 1], pads: [1, 1, 1, 1] },
    17,
    [1, 3, 10, 10],
  ],
  [
    "ConvTranspose",
    "x w",
    { x: [1, 4, 5, 5], w: [4, 3, 3, 3] },
    {},
    { strides: [2, 2], output_shape: [10, 9] },
    17,
    [1, 3, 10, 9],
  ],
  ["MaxPool", "x", { x: [1, 2, 6, 6] }, {}, { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }, 17, [1, 2, 3, 3]],
  [
    "AveragePool",
    "x",
    { x: [1, 2, 5, 5] },
    {},
    { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1, pads: [0, 0, 1, 1] },
    17,
    [1, 2, 2, 2],
  ],
  ["GlobalAveragePool", "x", { x: [2, 5, 3, 4] }, {}, {}, 17, [2, 5, 1, 1]],
  ["Gemm", "x w", { x: [4, 2], w: [5, 4] }, {}, { transA: 1, transB: 1 }, 17, [2, 5]],
  ["MatMul", "x w", { x: [3, 1, 2, 4], w: [5, 4, 6] }, {}, {}, 17, [3, 5, 2, 6]],
  ["MatMul", "x w", { x: [4], w: [5, 4, 6] }, {}, {}, 17, [5, 6]],
  ["Add", "x w", { x: [3, 1], w: [2, 1, 4] }, {}, {}, 17, [2, 3, 4]],
  ["Reshape", "x s", { x: [2, 3, 4] }, { s: i64(0, -1) }, {}, 17, [2, 12]],
  ["Reshape", "x s", { x: [0, 3] }, { s: i64(3, 0) }, { allowzero: 1 }, 17, [3, 0]],
  ["Flatten", "x", { x: [2, 3, 4] }, {}, { axis: 0 }, 17, [1, 24]],
  ["Flatten", "x", { x: [2, 3, 4] }, {}, { axis: -1 }, 17, [6, 4]],
  ["Squeeze", "x", { x: [1, 3, 1] }, {}, { axes: [0] }, 11, [3, 1]],
  ["Squeeze", "x", { x: [1, 3, 1] }, {}, {}, 13, [3]],
  ["Unsqueeze", "x", { x: [3, 4] }, {}, { axes: [-1, 0] }, 11, [1, 3, 4, 1]],
  ["Unsqueeze", "x a", { x: [3, 4] }, { a: i64(1) }, {}, 13, [3, 1, 4]],
  ["Transpose", "x", { x: [2, 3, 4] }, {}, {}, 17, [4, 3, 2]],
  ["Slice", "x", { x: [5, 6] }, {}, { starts: [-3, 1], ends: [100, -1] }, 9, [3, 4]],
  ["Slice", "x s e a t", { x: [5, 6] }, { s: i64(-1), e: i64(-100), a: i64(1), t: i64(-2) }, {}, 13, [5, 3]],
  ["Concat", "x w", { x: [2, 3], w: [2, 4] }, {}, { axis: -1 }, 17, [2, 7]],
  ["Split", "x", { x: [7, 2] }, {}, { num_outputs: 3 }, 18, [3, 2]],
  ["Split", "x", { x: [7, 2] }, {}, { split: [1, 6] }, 11, [1, 2]],
  ["Pad", "x", { x: [2, 2] }, {}, { pads: [1, 0, 0, 3] }, 10, [3, 5]],
  ["Pad", "x p v a", { x: [2, 2, 2] }, { p: i64(1, 2), v: f32([]), a: i64(-1) }, {}, 18, [2, 2, 5]],
  ["Expand", "x s", { x: [3, 1] }, { s: i64(2, 1, 4) }, {}, 17, [2, 3, 4]],
  ["Tile", "x s", { x: [3, 1] }, { s: i64(2, 4) }, {}, 17, [6, 4]],
  ["Gather", "x i", { x: [3, 4] }, { i: new Tensor("int64", [0, 1, 2, 0, 1, 2], [2, 3]) }, { axis: 1 }, 17, [3, 2, 3]],
  ["GatherND", "x i", { x: [3, 4, 5] }, { i: new Tensor("int64", [0, 1], [1, 2]) }, {}, 17, [1, 5]],
  ["ReduceMean", "x", { x: [2, 3, 4] }, {}, { axes: [-1], keepdims: 0 }, 17, [2, 3]],
  ["ReduceSum", "x a", { x: [2, 3, 4] }, { a: i64(0, 2) }, {}, 17, [1, 3, 1]],
  ["ReduceMax", "x", { x: [2, 3, 4] }, {}, { keepdims: 0 }, 17, []],
  ["ArgMax", "x", { x: [2, 3, 4] }, {}, { axis: 1, keepdims: 0 }, 17, [2, 4]],
  ["Upsample", "x", { x: [1, 2, 3, 3] }, {}, { scales: [1, 1, 2, 1.5] }, 7, [1, 2, 6, 4]],
  ["Resize", "x none none z", { x: [1, 2, 3, 3] }, { z: i64(7, 5) }, { axes: [2, 3] }, 18, [1, 2, 7, 5]],
  ["TopK", "x", { x: [2, 9] }, {}, { k: 4 }, 9, [2, 4]],
  ["DepthToSpace", "x", { x: [1, 8, 2, 3] }, {}, { blocksize: 2 }, 17, [1, 2, 4, 6]],
];

describe("shape rules", () => {
  it.each(SHAPES)("%s of %s", (op, names, inputs, initializers, attributes, opset, expected) => {
    const outputs = op === "Split" ? (attributes["split"] ? ["y", "z"] : ["y", "z", "u"]) : ["y"];
    const listed = names.split(" ").map((name) => (name === "none" ? "" : name));
    const graph = build(inputs, initializers, [[op, listed, outputs, attributes]], ["y"], opset);
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, { type: "float32", shape }]));
    expect(specialize(graph, feeds).values.get("y")!.shape).toEqual(expected);
  });

  it("names node, operator, opset and shapes when they do not fit", () => {
    const graph = build({ x: ["N", 2], z: ["N", 3] }, {}, [["Add", ["x", "z"], ["y"]]], ["y"], 13);
    const run = () =>
      specialize(graph, { x: { type: "float32", shape: [4, 2] }, z: { type: "float32", shape: [4, 3] } });
    expect(run).toThrow(BitbasisError);
    expect(run).toThrow(
      'node "Add_0" (Add, opset 13): the shapes do not broadcast (inputs: float32[4,2], float32[4,3])',
    );
  });

  it("checks inputs", () => {
    const graph = build({ x: ["N", 2] }, {}, [["Relu", ["x"], ["y"]]], ["y"]);
    expect(() => specialize(graph, {})).toThrow(TypeError);
    expect(() => specialize(graph, { x: { type: "int32", shape: [1, 2] } })).toThrow(
      'input "x" expected type float32, got int32',
    );
    expect(() => specialize(graph, { x: { type: "float32", shape: [1, 3] } })).toThrow(RangeError);
  });

  it("stops where a shape depends on data, and goes on when the data are given or learned", () => {
    const graph = build({ x: [6], s: { type: "int64", shape: [2] } }, {}, [["Reshape", ["x", "s"], ["y"]]], ["y"]);
    const x = { type: "float32", shape: [6] };
    const open = specialize(graph, { x, s: { type: "int64", shape: [2] } });
    expect(open.stop).toMatchObject({ kind: "learn", names: ["s"] });
    expect(open.nodes).toEqual([]);
    expect([...open.kept].sort()).toEqual(["s", "x"]);
    const learned = open.resume({ constants: new Map([["s", i64(2, -1)]]) });
    expect(learned.stop).toBeUndefined();
    expect(learned.values.get("y")!.shape).toEqual([2, 3]);
    expect(open.resume({ constants: new Map([["s", i64(6, 1)]]) }).values.get("y")!.shape).toEqual([6, 1]);
    const known = specialize(graph, { x, s: { type: "int64", shape: [2], data: new BigInt64Array([3n, 2n]) } });
    expect(known.values.get("y")!.shape).toEqual([3, 2]);
  });
});

describe("specialize", () => {
  it("folds arithmetic on shapes and names constants after their contents", () => {
    const nodes: NodeSpec[] = [
      ["Shape", ["x"], ["s"]],
      ["Gather", ["s", "zero"], ["n"]],
      ["Unsqueeze", ["n", "zero"], ["u"]],
      ["Concat", ["u", "rest"], ["t"], { axis: 0 }],
      ["Reshape", ["x", "t"], ["y"]],
      ["Cast", ["n"], ["count"], { to: 1 }],
    ];
    const graph = build({ x: ["N", 2, 3] }, { zero: i64(0).reshape([]), rest: i64(-1) }, nodes, ["y", "count"]);
    graph.nodes[2] && Object.assign(graph.nodes[2], { inputs: ["n", "axis"] });
    const special = specialize(
      { ...graph, initializers: new Map([...graph.initializers, ["axis", i64(0)]]) },
      { x: { type: "float32", shape: [4, 2, 3] } },
    );
    expect(operators(special)).toEqual(["Reshape", "Identity"]);
    expect(special.nodes[0]!.inputs).toEqual(["x", "\0folded:int64[2]:4,-1"]);
    expect(special.constants.get("\0folded:float32[]:4")!.data).toEqual(new Float32Array([4]));
    expect(special.values.get("y")!.shape).toEqual([4, 6]);
  });

  it("never computes transcendental functions, and rounds the others once", () => {
    const nodes: NodeSpec[] = [
      ["Exp", ["c"], ["e"]],
      ["Sqrt", ["c"], ["r"]],
      ["Div", ["r", "three"], ["d"]],
      ["Add", ["e", "d"], ["y"]],
    ];
    const graph = build({}, { c: new Tensor("float32", [2]), three: new Tensor("float32", [3]) }, nodes, ["y"]);
    const special = specialize(graph, {});
    expect(operators(special)).toEqual(["Exp", "Add"]);
    const value = Math.fround(Math.fround(Math.sqrt(2)) / 3);
    expect([...special.constants.values()].map((t) => (t.data as Float32Array)[0])).toContain(value);
  });

  it("takes the branch of an If whose condition is known", () => {
    const body = (op: string) => ({ ...build({}, { k: f32([1], [5]) }, [[op, ["x", "k"], ["r"]]], ["r"]) });
    const graph = build(
      { x: [1], c: { type: "bool", shape: [] } },
      {},
      [["If", ["c"], ["y"], { then_branch: body("Mul"), else_branch: body("Sub") }]],
      ["y"],
    );
    const x = { type: "float32", shape: [1] };
    const known = (v: number) =>
      operators(specialize(graph, { x, c: { type: "bool", shape: [], data: new Uint8Array([v]) } }));
    expect(known(1)).toEqual(["Mul", "Identity"]);
    expect(known(0)).toEqual(["Sub", "Identity"]);
    const open = specialize(graph, { x, c: { type: "bool", shape: [] } });
    expect(open.stop).toMatchObject({ kind: "control", node: { op: "If" } });
    const after = open.resume({ values: new Map([["y", { type: "float32", shape: [7] }]]) });
    expect(after).toMatchObject({ stop: undefined, inputs: ["y"], outputs: ["y"] });
  });

  it("keeps a Resize that moves pixels within the same shape, and drops a Cast to the same type", () => {
    const x = { type: "float32", shape: [1, 1, 4, 4] };
    const resize = (scale: number) =>
      build(
        { x: [1, 1, 4, 4] },
        { s: f32([4], [1, 1, 1, scale]) },
        [
          ["Cast", ["x"], ["c"], { to: 1 }],
          ["Resize", ["c", "", "s"], ["y"]],
        ],
        ["y"],
      );
    expect(operators(specialize(resize(1.1), { x }))).toEqual(["Identity", "Resize"]);
    expect(operators(specialize(resize(1), { x }))).toEqual(["Identity", "Identity"]);
  });

  it("takes the shapes of weights that are kept elsewhere", () => {
    const graph = build({ x: ["N", 4] }, {}, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
    const weights = new Map([["w", { type: "float32" as const, shape: [4, 3] }]]);
    const special = specialize(graph, { x: { type: "float32", shape: [2, 4] } }, { weights });
    expect(special.values.get("y")!.shape).toEqual([2, 3]);
    expect(special.constants.has("w")).toBe(false);
  });

  it("turns what moves nothing into renames", () => {
    const nodes: NodeSpec[] = [
      ["Transpose", ["x"], ["t"], { perm: [0, 2, 1] }],
      ["Expand", ["t", "s"], ["e"]],
      ["Slice", ["e", "from", "to"], ["y"]],
    ];
    const graph = build({ x: [1, 1, 5] }, { s: i64(1, 5, 1), from: i64(0), to: i64(9) }, nodes, ["y"]);
    expect(operators(specialize(graph, { x: { type: "float32", shape: [1, 1, 5] } }))).toEqual([
      "Reshape",
      "Identity",
      "Identity",
    ]);
  });
});

describe("folding", () => {
  it("has one budget for all stages of a way through the graph, and for the bodies on it", () => {
    // 16 results of 2^20 elements may be made; each of four stages has ten.
    const nodes = Array.from({ length: 4 }, (_, stage): NodeSpec[] => [
      ...Array.from({ length: 10 }, (_, i): NodeSpec => ["Add", ["c", "c"], [`a${stage}_${i}`]]),
      ["NonZero", ["x"], [`z${stage}`]],
    ]).flat();
    const sums = nodes.flatMap(([, , outputs]) => outputs).filter((name) => name.startsWith("a"));
    const graph = build({ x: [2] }, { c: f32([2 ** 20]) }, nodes, [...sums, "z3"]);
    const left = (stage: Stage): number => stage.nodes.filter(({ op }) => op === "Add").length;
    let stage = specialize(graph, { x: { type: "float32", shape: [2] } });
    let added = left(stage);
    for (let i = 0; i < 4; i++) {
      stage = stage.resume({ values: new Map([[`z${i}`, { type: "int64", shape: [1, 2] }]]) });
      added += left(stage);
    }
    expect(stage.stop).toBeUndefined();
    expect(added).toBe(40 - 16);
    const body = specialize(graph, { x: { type: "float32", shape: [2] } }, { body: true, budget: stage.budget });
    expect(left(body)).toBe(10);
  });

  it("goes on with shapes and few elements once that is spent", () => {
    const sums = Array.from({ length: 17 }, (_, i): NodeSpec => ["Add", ["c", "c"], [`a${i}`]]);
    const shapes: NodeSpec[] = [
      ["Shape", ["a16"], ["s"]],
      ["Concat", ["s", "one"], ["t"], { axis: 0 }],
      ["Reshape", ["a16", "t"], ["r"]],
      ["Size", ["r"], ["n"]],
      ["ReduceSum", ["c"], ["total"], { keepdims: 0 }],
    ];
    const graph = build({ x: [2] }, { c: f32([2 ** 20]), one: i64(1) }, [...sums, ...shapes], ["r", "n", "total"]);
    const { nodes, values } = specialize(graph, { x: { type: "float32", shape: [2] } });
    expect(values.get("r")!.shape).toEqual([2 ** 20, 1]);
    // Shape and Size have no steps; sums over what is large are left to the run.
    expect(nodes.map(({ op }) => op).filter((op) => op !== "Identity")).toEqual(["Add", "Reshape", "ReduceSum"]);
  });
});

describe("normalize", () => {
  it("writes out the flattening of old Softmax", () => {
    const old = build({ x: ["N", 2, 3] }, {}, [["Softmax", ["x"], ["y"]]], ["y"], 11);
    expect(operators(normalize(old))).toEqual(["Flatten", "Shape", "Softmax", "Reshape"]);
    const flat = build({ x: ["N", 3] }, {}, [["Softmax", ["x"], ["y"]]], ["y"], 11);
    expect(normalize(flat).nodes[0]!.attributes).toEqual({ axis: -1 });
    expect(normalize(normalize(flat))).toEqual(normalize(flat));
  });

  it("makes Sum binary, Dropout Identity, and refuses training and opset 0", () => {
    const sum = build(
      { x: [1] },
      {},
      [
        ["Sum", ["x", "x", "x"], ["s"]],
        ["Dropout", ["s"], ["y"]],
      ],
      ["y"],
    );
    expect(operators(normalize(sum))).toEqual(["Add", "Add", "Identity"]);
    expect(normalize(sum).nodes[1]!.name).toBe("Sum_0");
    expect(() => normalize({ ...sum, opsets: { "": 0 } })).toThrow("opset 0 is older than 1");
  });
});

describe("graphs as JSON, float16, unsupported operators", () => {
  const body = build({}, { k: f32([2]) }, [["Add", ["x", "k"], ["r"]]], ["r"]);
  const graph = build(
    { x: ["N", 2], c: { type: "bool", shape: [] } },
    { k: f32([2]), w: f32([3]) },
    [
      ["If", ["c"], ["z"], { then_branch: body, else_branch: body }],
      [
        "custom/Thing",
        ["z", "", "w"],
        ["y"],
        { low: Number.NEGATIVE_INFINITY, zero: -0, many: [1, Number.NaN], names: ["a"], t: f32([1]), s: "s" },
      ],
    ],
    ["y"],
  );

  it("round-trips through JSON text", () => {
    const { json, initializers } = graphToJson(graph);
    expect([...initializers.keys()].slice(0, 2)).toEqual(["k", "w"]);
    expect(graphFromJson(JSON.parse(JSON.stringify(json)), initializers)).toEqual(graph);
    initializers.delete("w");
    expect(graphFromJson(json, initializers).initializers.has("w")).toBe(false);
    initializers.delete("Thing_1/t");
    expect(() => graphFromJson(json, initializers)).toThrow('tensor "Thing_1/t", which is missing');
  });

  it("has bodies in each other to a bound", () => {
    const nested = (levels: number): Graph => {
      let graph = build({ x: [2] }, {}, [["Relu", ["x"], ["y"]]], ["y"]);
      for (let i = 0; i < levels; i++) graph = build({ x: [2] }, {}, [["Thing", ["x"], ["y"], { body: graph }]], ["y"]);
      return graph;
    };
    const back = (graph: Graph) => graphFromJson(graphToJson(graph).json, new Map());
    expect(back(nested(100))).toEqual(nested(100));
    expect(() => back(nested(101))).toThrow("graphs lie in each other over more than 100 levels");
  });

  it("lists all unsupported nodes, bodies included", () => {
    const nodes = unsupportedNodes(graph);
    expect(nodes.map((node) => node.op)).toEqual(["Thing"]);
    expect(() => checkSupported(graph)).toThrow('custom.Thing (opset 0): node "Thing_1"');
  });

  it("widens float16", () => {
    const half = build(
      { x: { type: "float16", shape: [1] } },
      { k: new Tensor("float16", new Uint16Array([0x3c00])) },
      [
        ["Add", ["x", "k"], ["a"]],
        ["Cast", ["a"], ["y"], { to: 10 }],
      ],
      ["y"],
    );
    const wide = toFloat32(half);
    expect(wide.inputs[0]!.type).toBe("float32");
    expect(wide.initializers.get("k")!.data).toEqual(new Float32Array([1]));
    expect(wide.nodes[1]!.attributes).toEqual({ to: 1 });
    expect(toFloat32(graph)).toBe(graph);
    expect(operators(optimize(wide))).toEqual(["Add", "Cast"]);
  });
});
