// One program for a range of sizes gives the bits of the programs of single sizes: for every operator whose record says that it can, and for networks,
// at every size of a range, on the checked core.
import { describe, expect, it } from "vitest";
import type { Attribute } from "../../src/graph/graph.ts";
import type { Graph } from "../../src/graph/index.ts";
import { COMMON } from "../../src/graph/operators/common.ts";
import type { Operator } from "../../src/graph/operators/operator.ts";
import { UNCOMMON } from "../../src/graph/operators/uncommon.ts";
import type { Model } from "../../src/model/index.ts";
import type { Routine } from "../../src/program/routine.ts";
import { quantizeGraph } from "../../src/quantize/quantize.ts";
import { Engine } from "../../src/session/engine.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { modelOf } from "../support/run-node.ts";
import { coreOf } from "./harness.ts";

type Feeds = Readonly<Record<string, Tensor>>;

/** Sizes 1 … 3 make the range 2 … 260. */
const HIGH = 20;

/** Elements that tell one place from another, and are valid operands of every operator. */
function tensor(type: ElementType, dims: readonly number[], salt = 0): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const at = (i: number): number => ((i * 7919 + salt * 31) % 13) + 1;
  const data = Array.from({ length: size }, (_, i) =>
    type === "bool" ? at(i) % 2 : type === "float32" ? at(i) / 8 - 0.9 : at(i) % 7,
  );
  return new Tensor(type, type.endsWith("64") && type !== "float64" ? (data.map(BigInt) as never) : data, dims);
}

function bits(outputs: Awaited<ReturnType<Engine["run"]>>): string {
  return JSON.stringify(
    Object.entries(outputs).map(([name, value]) => {
      const { type, dims, data } = value as Tensor;
      const { buffer, byteOffset, byteLength } = data as ArrayBufferView;
      return [name, type, dims, Array.from(new Uint8Array(buffer, byteOffset, byteLength))];
    }),
  );
}

/** Runs sizes 1 … HIGH in one engine and each in one of its own. Returns the routine of the first. */
async function agree(model: Model, feedsAt: (t: number) => Feeds, from = 1, high = HIGH): Promise<Routine> {
  const core = await coreOf("checked-simd");
  const names = model.graph.outputs.map(({ name }) => name);
  const many = new Engine(core, model, 1e12);
  for (let t = from; t <= high; t++) {
    const feeds = new Map(Object.entries(feedsAt(t)));
    const ranged = bits(await many.run(feeds, names, undefined));
    const one = await new Engine(core, model, 1e12).run(feeds, names, undefined);
    expect(ranged, `size ${t}`).toBe(bits(one));
  }
  return Reflect.get(many, "main") as Routine;
}

function ranges({ ranges: all }: Routine): [number, number][] {
  return all.flatMap(({ low, high, part }) => (part === undefined ? [] : [[low, high]]));
}

interface Case {
  readonly inputs: (t: number) => (Tensor | "")[];
  readonly constants?: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly outputs?: number;
}

const x = (t: number): Tensor => tensor("float32", [2, t, 6]);
const picture = (t: number): Tensor => tensor("float32", [1, 4, t, 5]);
const pixels = (t: number): Tensor => tensor("float32", [1, t, 5, 4]);
const vector = (n: number): Tensor => tensor("float32", [n]);
const rows = (t: number, width = 8): Tensor => tensor("float32", [1, t, width]);
const ints = (...values: number[]): Tensor => new Tensor("int32", values);

const CASES: Readonly<Record<string, Case>> = {
  "/Clip": {
    inputs: (t) => [x(t), new Tensor("float32", [0], []), new Tensor("float32", [0.5], [])],
    constants: [1, 2],
  },
  "/CastLike": { inputs: (t) => [x(t), ints(1)] },
  "/Reshape": { inputs: (t) => [x(t), i64(0, -1, 2, 3)], constants: [1] },
  "/Squeeze": { inputs: (t) => [tensor("float32", [1, t, 6]), i64(0)], constants: [1] },
  "/Unsqueeze": { inputs: (t) => [x(t), i64(1)], constants: [1] },
  "/Concat": { inputs: (t) => [x(t), tensor("float32", [2, 3, 6]), x(t)], attributes: { axis: 1 } },
  "/Split": { inputs: (t) => [x(t), i64(2, 4)], constants: [1], attributes: { axis: 2 }, outputs: 2 },
  "/Slice": { inputs: (t) => [x(t), i64(1, 0), i64(-1, 5), i64(1, 2), i64(1, 2)], constants: [1, 2, 3, 4] },
  "/Pad": { inputs: (t) => [x(t), i64(0, 2, 1, 0, 3, 0)], constants: [1], attributes: { mode: "constant" } },
  "/Expand": { inputs: (t) => [tensor("float32", [t, 1]), i64(3, 1, 4)], constants: [1] },
  "/Tile": { inputs: (t) => [x(t), i64(1, 2, 3)], constants: [1] },
  "/Gather": { inputs: (t) => [tensor("float32", [9, 4]), tensor("int64", [2, t])], constants: [0] },
  "/GatherElements": { inputs: (t) => [tensor("float32", [8, t]), tensor("int64", [3, t])] },
  "/GatherND": { inputs: (t) => [tensor("float32", [7, 7, t]), tensor("int64", [t, 2])] },
  "/ScatterElements": {
    inputs: (t) => [tensor("float32", [8, t]), tensor("int64", [1, t]), tensor("float32", [1, t], 1)],
  },
  "/ScatterND": {
    inputs: (t) =>
      [tensor("float32", [7, t]), i64(3), tensor("float32", [t], 1)].map((one, i) =>
        i === 1 ? one.reshape([1]) : one,
      ) as Tensor[],
  },
  "/TopK": { inputs: (t) => [x(t), i64(2)], constants: [1], attributes: { axis: 2 }, outputs: 2 },
  "/CumSum": { inputs: (t) => [x(t), new Tensor("int64", [1], [])], constants: [1] },
  "/CumProd": { inputs: (t) => [x(t), new Tensor("int64", [1], [])], constants: [1] },
  "/MatMul": { inputs: (t) => [tensor("float32", [2, t, 5]), tensor("float32", [2, 5, t])] },
  "bitbasis/MatMul": { inputs: (t) => [rows(t), tensor("float32", [8, 5]), vector(5)], constants: [1, 2] },
  "bitbasis/MatMulInteger": { inputs: (t) => [tensor("int8", [2, t, 6]), tensor("int8", [6, 5])], constants: [1] },
  "/Gemm": {
    inputs: (t) => [tensor("float32", [5, t]), tensor("float32", [5, 4]), vector(4)],
    attributes: { transA: 1, alpha: 0.5, beta: 2 },
  },
  "/Conv": {
    inputs: (t) => [picture(t + 2), tensor("float32", [3, 4, 3, 3])],
    constants: [1],
    attributes: { pads: [1, 0, 0, 1] },
  },
  "bitbasis/Conv": {
    inputs: (t) => [pixels(t + 2), tensor("float32", [3, 3, 3, 4])],
    constants: [1],
    attributes: { pads: [1, 0, 0, 1] },
  },
  "/ConvTranspose": {
    inputs: (t) => [picture(t), tensor("float32", [4, 3, 3, 3])],
    constants: [1],
    attributes: { strides: [2, 1] },
  },
  "bitbasis/ConvTranspose": {
    inputs: (t) => [pixels(t), tensor("float32", [3, 3, 3, 4])],
    constants: [1],
    attributes: { strides: [2, 1] },
  },
  "/BatchNormalization": {
    inputs: (t) =>
      [picture(t), vector(4), vector(4), vector(4), tensor("float32", [4], 5)].map((one, i) =>
        i === 4 ? f32([4], [1, 2, 3, 4]) : one,
      ),
  },
  "/InstanceNormalization": { inputs: (t) => [picture(t), vector(4), vector(4)], constants: [1, 2] },
  "/GroupNormalization": { inputs: (t) => [picture(t), vector(4), vector(4)], attributes: { num_groups: 2 } },
  "/LayerNormalization": { inputs: (t) => [x(t), vector(6), vector(6)], constants: [1, 2] },
  "/RMSNormalization": { inputs: (t) => [x(t), vector(6)], constants: [1] },
  "/PRelu": { inputs: (t) => [x(t), vector(6)], constants: [1] },
  "/Cast": { inputs: (t) => [x(t)], attributes: { to: 7 } },
  "/BitCast": { inputs: (t) => [x(t)], attributes: { to: 6 } },
  "/BitShift": {
    inputs: (t) => [tensor("uint32", [t, 3]), tensor("uint32", [t, 3], 1)],
    attributes: { direction: "LEFT" },
  },
  "/DepthToSpace": { inputs: (t) => [picture(t)], attributes: { blocksize: 2 } },
  "/SpaceToDepth": { inputs: (t) => [tensor("float32", [1, 2, 2 * t, 4])], attributes: { blocksize: 2 } },
  "/QuantizeLinear": {
    inputs: (t) => [x(t), new Tensor("float32", [0.1], []), new Tensor("uint8", [3], [])],
    constants: [1, 2],
  },
  "/DequantizeLinear": {
    inputs: (t) => [tensor("uint8", [t, 3]), new Tensor("float32", [0.1], []), new Tensor("uint8", [3], [])],
    constants: [1, 2],
  },
  "/DynamicQuantizeLinear": { inputs: (t) => [x(t)], outputs: 3 },
  "/Attention": {
    inputs: (t) => [0, 1, 2].map((salt) => tensor("float32", [1, 2, t, 4], salt)),
  },
  "/RotaryEmbedding": { inputs: (t) => [tensor("float32", [1, 2, t, 4]), rows(t, 2), rows(t, 2)] },
  "bitbasis/MatMulBlocks": {
    inputs: (t) => [tensor("float32", [2, t, 32]), tensor("uint8", [48]), tensor("float32", [6])],
    constants: [1, 2],
    attributes: { K: 32, N: 3, bits: 4, block_size: 16 },
  },
  "bitbasis/Rotary": {
    inputs: (t) => [tensor("float32", [2, 2, t, 5]), ...[1, 2].map((salt) => tensor("float32", [1, 1, t, 2], salt))],
  },
  "/Einsum": {
    inputs: (t) => [tensor("float32", [2, t, 3]), tensor("float32", [3, t])],
    attributes: { equation: "btc,ct->bt" },
  },
  "com.microsoft/MultiHeadAttention": { inputs: (t) => [rows(t), rows(t), rows(t)], attributes: { num_heads: 2 } },
  "com.microsoft/RotaryEmbedding": {
    inputs: (t) => [
      rows(t),
      new Tensor(
        "int64",
        Array.from({ length: t }, (_, i) => BigInt(i)),
        [1, t],
      ),
      tensor("float32", [32, 2]),
      tensor("float32", [32, 2]),
    ],
    constants: [2, 3],
    attributes: { num_heads: 2 },
  },
  ...Object.fromEntries(
    ["MaxPool", "AveragePool", "LpPool"].flatMap((op) => [
      [`/${op}`, { inputs: (t: number) => [picture(t + 1)], attributes: { kernel_shape: [2, 2] } }],
      [`bitbasis/${op}`, { inputs: (t: number) => [pixels(t + 1)], attributes: { kernel_shape: [2, 2] } }],
    ]),
  ),
  ...Object.fromEntries(
    ["GlobalMaxPool", "GlobalAveragePool"].flatMap((op) => [
      [`/${op}`, { inputs: (t: number) => [picture(t)] }],
      [`bitbasis/${op}`, { inputs: (t: number) => [pixels(t)] }],
    ]),
  ),
};

/** Nodes behind the shape of x, and more: what folding computes with sizes. */
const SHAPES: Readonly<Record<string, NodeSpec[]>> = {
  "/Shape": [["Shape", ["x"], ["y"]]],
  "/Size": [["Size", ["v"], ["y"]]],
  "/Range": [
    ["Size", ["v"], ["n"]],
    ["Range", ["none", "n", "one"], ["y"]],
  ],
  "/ConstantOfShape": [
    ["Shape", ["x"], ["n"]],
    ["ConstantOfShape", ["n"], ["y"], { value: new Tensor("int64", [5], [1]) }],
  ],
  "a mask": [
    ["Size", ["v"], ["n"]],
    ["Range", ["none", "n", "one"], ["i"]],
    ["Unsqueeze", ["i", "axis"], ["row"]],
    ["Less", ["i", "row"], ["m"]],
    ["Cast", ["m"], ["y"], { to: 1 }],
  ],
  "halves that are whole": [
    ["Size", ["v"], ["n"]],
    ["Mul", ["n", "two"], ["nn"]],
    ["Div", ["nn", "two"], ["h"]],
    ["Mod", ["n", "many"], ["r"]],
    ["Add", ["h", "r"], ["y"]],
  ],
};

/** Folding that no whole polynomial describes, or that changes within the range: its sizes have programs of their own. */
const APART: Readonly<Record<string, NodeSpec[]>> = {
  "half of the size": [
    ["Size", ["v"], ["n"]],
    ["Div", ["n", "two"], ["y"]],
  ],
  "a remainder": [
    ["Size", ["v"], ["n"]],
    ["Mod", ["n", "seven"], ["y"]],
  ],
  "one size that is meant": [
    ["Size", ["v"], ["n"]],
    ["Equal", ["n", "seven"], ["e"]],
    ["Cast", ["e"], ["y"], { to: 7 }],
  ],
  "a bound that is reached": [
    ["Size", ["v"], ["n"]],
    ["Min", ["n", "seven"], ["y"]],
  ],
};

function shaped(nodes: readonly NodeSpec[]): Graph {
  const scalar = (value: number): Tensor => new Tensor("int64", [value], []);
  return build(
    { x: [2, "t"], v: ["t"] },
    { none: scalar(0), one: scalar(1), two: scalar(2), seven: scalar(7), many: scalar(1000), axis: i64(1) },
    nodes,
    ["y"],
  );
}

const shapedAt = (t: number): Feeds => ({ x: tensor("float32", [2, t]), v: tensor("float32", [t]) });

/** Run by other cases, or gone when a graph is read. */
const ELSEWHERE = [...["/Dropout", "bitbasis/InstanceNormalization", "com.microsoft/GroupQueryAttention"]];

describe("a program for a range of sizes", () => {
  const marked = Object.entries<Operator>({ ...COMMON, ...UNCOMMON }).filter(([, { sizes }]) => sizes !== undefined);
  it.each(marked)("gives the bits of programs of single sizes: %s", async (key, record) => {
    if (key in SHAPES || ELSEWHERE.includes(key)) return;
    const [domain, op] = key.split("/") as [string, string];
    const letters = record.inputs!.split(" ");
    const typeOf = (letter: string): ElementType => {
      const types = record.types?.[letter] ?? [letter as ElementType];
      return types.includes("float32") ? "float32" : types[0]!;
    };
    const plain: Case = {
      inputs: (t) =>
        letters.filter((letter) => !letter.endsWith("?")).map((letter, i) => tensor(typeOf(letter), [2, t, 6], i)),
    };
    const { inputs, ...rest } = CASES[key] ?? plain;
    const at = (t: number): ReturnType<typeof modelOf> => modelOf({ op, domain, inputs: inputs(t), ...rest });
    const model = await quantizeGraph(at(2).graph, { preset: "faithful" });
    const routine = await agree(model, (t) => at(t).feeds);
    expect(ranges(routine)).not.toEqual([]);
  });

  it.each(Object.entries(SHAPES))("takes what is folded along: %s", async (_, nodes) => {
    const routine = await agree(await quantizeGraph(shaped(nodes), { preset: "float32" }), shapedAt);
    expect(ranges(routine)).toEqual([[2, 260]]);
  });

  it.each(Object.entries(APART))("is not made of %s", async (_, nodes) => {
    const routine = await agree(await quantizeGraph(shaped(nodes), { preset: "float32" }), shapedAt);
    expect(ranges(routine)).toEqual([]);
  });

  it("is made under each setting of a switch, as decoders with two bodies have it", async () => {
    const body = (...nodes: NodeSpec[]): Graph => build({}, {}, nodes, ["r"]);
    const branches = {
      then_branch: body(["MatMul", ["x", "w"], ["m"]], ["Relu", ["m"], ["r"]]),
      else_branch: body(["Concat", ["x", "row"], ["r"], { axis: 1 }]),
    };
    const graph = build(
      { x: [1, "t", 6], switch: { type: "bool", shape: [1] } },
      { w: tensor("float32", [6, 6]), row: tensor("float32", [1, 1, 6]) },
      [["If", ["switch"], ["y"], branches]],
      ["y"],
    );
    const routine = await agree(await quantizeGraph(graph, { preset: "faithful" }), (t) => ({
      x: tensor("float32", [1, t, 6]),
      switch: new Tensor("bool", [Math.floor(t / 2) % 2]),
    }));
    expect(ranges(routine)).toHaveLength(2);
    expect(routine.parts.size).toBeLessThan(8);
  });
});
