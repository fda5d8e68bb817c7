import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { halfToFloat } from "../../src/tensor/index.ts";
import { build, i64, type NodeSpec } from "../graph/build.ts";
import { noise } from "../model/models.ts";
import { interpret } from "../support/oracle/index.ts";

type Inputs = Parameters<typeof build>[0];
type Feeds = Record<string, Tensor>;

let seed = 1;
function random(...dims: number[]): Tensor<"float32"> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor("float32", noise(size, seed++), dims);
}

function describeFeeds(feeds: Feeds): Inputs {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { type, dims }]) => [name, { type, shape: dims.map((_, i) => `${name}${i}`) }]),
  );
}

async function answers(graph: Graph, feeds: Feeds, options: object): Promise<Feeds> {
  const session = await InferenceSession.create(writeOnnx(graph), options);
  const first = await session.run(feeds);
  expect(await session.run(feeds)).toEqual(first);
  await session.release();
  return first;
}

/** float32 agrees with the definition, the builds agree to the bit, and a series of 12 bits is near. */
async function agrees(graph: Graph, feeds: Feeds, names: readonly string[] = ["y"]): Promise<void> {
  const reference = interpret(graph, feeds);
  for (const [preset, tolerance] of [
    ["float32", 1e-5],
    ["faithful", 2e-2],
  ] as const) {
    const simd = await answers(graph, feeds, { preset, build: "simd" });
    expect(await answers(graph, feeds, { preset, build: "scalar" })).toEqual(simd);
    for (const name of names) {
      const want = reference.get(name)!;
      const got = simd[name]!;
      expect(got.dims).toEqual(want.dims);
      const largest = Math.max(1e-3, ...Array.from(want.data as Float32Array, Math.abs));
      (want.data as Float32Array).forEach((v, i) => {
        expect(Math.abs((got.data as Float32Array)[i]! - v), `${preset} ${name}[${i}]`).toBeLessThan(
          tolerance * largest,
        );
      });
    }
  }
}

/** One node; what is in `feeds` is fed, what is in `weights` is constant. */
function one(spec: NodeSpec, feeds: Feeds, weights: Feeds = {}): Graph {
  return build(describeFeeds(feeds), weights, [spec], ["y"]);
}

describe("MatMul", () => {
  it.each([
    ["vectors", [5], [5]],
    ["a vector on the left", [5], [5, 3]],
    ["a vector on the left of a batch", [5], [2, 5, 3]],
    ["a vector on the right", [4, 5], [5]],
    ["a vector on the right of a batch", [2, 4, 5], [5]],
    ["one matrix for a batch", [2, 3, 4, 5], [5, 6]],
    ["one matrix on the left of a batch", [4, 5], [3, 5, 6]],
    ["partial broadcasts on both sides", [2, 1, 4, 5], [3, 5, 6]],
    ["a broadcast in the middle", [2, 1, 2, 4, 5], [1, 3, 1, 5, 6]],
    ["one row and one column", [1, 1], [1, 1]],
  ])("%s", async (_, a, b) => {
    const [left, right] = [random(...a), random(...b)];
    const spec: NodeSpec = ["MatMul", ["a", "b"], ["y"]];
    await agrees(one(spec, { a: left, b: right }), { a: left, b: right });
    await agrees(one(spec, { a: left }, { b: right }), { a: left });
    await agrees(one(spec, { b: right }, { a: left }), { b: right });
  });

  it("with a left operand read twice under different broadcasts", async () => {
    const feeds = { a: random(1, 4, 5), b: random(3, 5, 4), c: random(2, 5, 4) };
    const graph = build(
      describeFeeds(feeds),
      {},
      [
        ["MatMul", ["b", "a"], ["y"]],
        ["MatMul", ["c", "a"], ["z"]],
        ["MatMul", ["a", "c"], ["w"]],
      ],
      ["y", "z", "w"],
    );
    await agrees(graph, feeds, ["y", "z", "w"]);
  });

  it("of integers is exact", async () => {
    const feeds = { a: new Tensor("int32", Int32Array.of(1, 2, 3, 4), [2, 2]) };
    const session = await InferenceSession.create(writeOnnx(one(["MatMul", ["a", "a"], ["y"]], feeds)));
    expect((await session.run(feeds))["y"]!.data).toEqual(Int32Array.of(7, 10, 15, 22));
  });
});

describe("Gemm", () => {
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      it.each([
        ["no C", undefined, 1, 1],
        ["a vector", [6], 1, 1],
        ["alpha and beta", [6], 0.5, -2],
        ["a matrix", [4, 6], 1, 1],
        ["a column", [4, 1], 2, 0.25],
        ["a scalar", [], 1, 3],
        ["one element", [1], 1, 1],
      ])(`transA ${transA}, transB ${transB}: %s`, async (_, c, alpha, beta) => {
        const a = transA ? random(5, 4) : random(4, 5);
        const b = transB ? random(6, 5) : random(5, 6);
        const addend: Feeds = c === undefined ? {} : { c: random(...c) };
        const spec: NodeSpec = ["Gemm", ["a", "b", ...Object.keys(addend)], ["y"], { transA, transB, alpha, beta }];
        await agrees(one(spec, { a }, { b, ...addend }), { a });
        await agrees(one(spec, { a, b, ...addend }), { a, b, ...addend });
      });
    }
  }
});

describe("Conv", () => {
  const cases: [string, number[], number[], object][] = [
    ["one dimension", [2, 3, 11], [4, 3, 3], { pads: [2, 0], strides: [2], dilations: [2] }],
    ["asymmetric pads", [1, 2, 6, 7], [3, 2, 3, 2], { pads: [2, 0, 1, 3] }],
    ["groups", [2, 6, 5, 5], [4, 3, 3, 3], { group: 2, pads: [1, 1, 1, 1] }],
    ["depthwise with two outputs a channel", [1, 3, 5, 5], [6, 1, 3, 3], { group: 3 }],
    ["depthwise", [2, 9, 6, 5], [9, 1, 3, 3], { group: 9, pads: [1, 1, 1, 1], strides: [2, 1] }],
    ["SAME_UPPER", [1, 2, 7, 8], [3, 2, 4, 4], { auto_pad: "SAME_UPPER", strides: [2, 3] }],
    ["SAME_LOWER", [1, 2, 7, 8], [3, 2, 4, 4], { auto_pad: "SAME_LOWER", strides: [2, 2] }],
    ["pads larger than the kernel", [1, 1, 3, 3], [2, 1, 2, 2], { pads: [4, 4, 4, 4] }],
  ];
  it.each(cases)("%s", async (_, x, w, attributes) => {
    const [a, b, bias] = [random(...x), random(...w), random(w[0]!)];
    const spec: NodeSpec = ["Conv", ["x", "w", "b"], ["y"], attributes as Record<string, number[]>];
    await agrees(one(spec, { x: a }, { w: b, b: bias }), { x: a });
    await agrees(one(spec, { x: a, w: b, b: bias }), { x: a, w: b, b: bias });
  });

  it("with one weight for two nodes, one of which transposes it", async () => {
    const feeds = { x: random(1, 4, 5, 5) };
    const graph = build(
      describeFeeds(feeds),
      { w: random(4, 4, 1, 1) },
      [
        ["Conv", ["x", "w"], ["a"]],
        ["Relu", ["a"], ["b"]],
        ["Conv", ["b", "w"], ["y"]],
        ["ReduceSum", ["w"], ["z"], { keepdims: 0 }],
      ],
      ["y"],
    );
    await agrees(graph, feeds);
  });
});

describe("ConvTranspose", () => {
  const cases: [string, number[], number[], object][] = [
    ["plain", [1, 2, 3, 4], [2, 3, 3, 3], {}],
    ["stride equal to the kernel", [2, 3, 3, 4], [3, 2, 2, 2], { strides: [2, 2] }],
    [
      "strides, pads, output_padding",
      [1, 2, 4, 3],
      [2, 3, 3, 4],
      { strides: [3, 2], pads: [1, 0, 0, 2], output_padding: [1, 1] },
    ],
    ["dilations", [1, 2, 3, 3], [2, 2, 2, 3], { dilations: [2, 1], strides: [1, 2] }],
    ["groups", [1, 4, 3, 3], [4, 3, 3, 3], { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }],
    ["depthwise", [1, 9, 3, 3], [9, 1, 3, 3], { group: 9, strides: [2, 2], pads: [1, 1, 1, 1] }],
    ["pads larger than the kernel", [1, 1, 5, 5], [1, 1, 2, 2], { pads: [2, 1, 1, 2] }],
    ["output_shape", [1, 1, 3, 3], [1, 2, 3, 3], { strides: [3, 2], output_shape: [9, 6] }],
    ["one dimension", [2, 3, 5], [3, 2, 4], { strides: [3], pads: [1, 2] }],
  ];
  it.each(cases)("%s", async (_, x, w, attributes) => {
    const group = (attributes as { group?: number }).group ?? 1;
    const [a, b, bias] = [random(...x), random(...w), random(w[1]! * group)];
    const spec: NodeSpec = ["ConvTranspose", ["x", "w", "b"], ["y"], attributes as Record<string, number[]>];
    await agrees(one(spec, { x: a }, { w: b, b: bias }), { x: a });
    await agrees(one(spec, { x: a, w: b, b: bias }), { x: a, w: b, b: bias });
  });
});

describe("outputs", () => {
  it("that are inputs, constants, each other, or the same memory", async () => {
    const feeds = { x: random(2, 3) };
    const w = random(4);
    const graph = build(
      describeFeeds(feeds),
      { w, s: i64(3, 2) },
      [
        ["Identity", ["x"], ["same"]],
        ["Reshape", ["x", "s"], ["turned"]],
        ["Relu", ["x"], ["y"]],
        ["Identity", ["y"], ["again"]],
        ["Identity", ["w"], ["copy"]],
      ],
      ["x", "same", "turned", "y", "again", "w", "copy"],
    );
    for (const preset of ["float32", "faithful"]) {
      const outputs = await answers(graph, feeds, { preset });
      const relu = (feeds.x.data as Float32Array).map((v) => Math.max(v, 0));
      for (const name of ["x", "same", "turned"]) expect(outputs[name]!.data).toEqual(feeds.x.data);
      for (const name of ["y", "again"]) expect(outputs[name]!.data).toEqual(relu);
      for (const name of ["w", "copy"]) expect(outputs[name]!.data).toEqual(w.data);
      expect(outputs["turned"]!.dims).toEqual([3, 2]);
      for (const one of Object.values(outputs)) (one.data as Float32Array).fill(7);
    }
  });

  it("of a model without nodes, and of one without inputs", async () => {
    const x = random(3);
    expect(await answers(build({ x: ["n"] }, {}, [], ["x"]), { x }, {})).toEqual({ x });
    const sum = build({}, { a: random(2), b: random(2) }, [["Add", ["a", "b"], ["y"]]], ["y"]);
    expect((await answers(sum, {}, {}))["y"]!.dims).toEqual([2]);
  });

  it("of a weight that is read by a layer too", async () => {
    const w = random(16, 16);
    const graph = build({ x: ["n", 16] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y", "w"]);
    for (const preset of ["float32", "faithful"]) {
      expect((await answers(graph, { x: random(2, 16) }, { preset }))["w"]).toEqual(w);
    }
  });
});

describe("extents of zero", () => {
  const cases: [string, number[], Feeds, NodeSpec[], number[]][] = [
    ["a batch through Conv", [0, 3, 5, 5], { w: random(4, 3, 3, 3) }, [["Conv", ["x", "w"], ["y"]]], [0, 4, 3, 3]],
    [
      "a batch through ConvTranspose",
      [0, 3, 5, 5],
      { w: random(3, 4, 3, 3) },
      [["ConvTranspose", ["x", "w"], ["y"]]],
      [0, 4, 7, 7],
    ],
    [
      "no channels out of ConvTranspose",
      [1, 2, 4, 4],
      { w: random(2, 0, 3, 3) },
      [["ConvTranspose", ["x", "w"], ["y"]]],
      [1, 0, 6, 6],
    ],
    ["rows of MatMul", [0, 8], { w: random(8, 3) }, [["MatMul", ["x", "w"], ["y"]]], [0, 3]],
    ["the inner extent of MatMul", [2, 0], { w: random(0, 3) }, [["MatMul", ["x", "w"], ["y"]]], [2, 3]],
    ["columns of MatMul", [2, 3], { w: random(3, 0) }, [["MatMul", ["x", "w"], ["y"]]], [2, 0]],
    ["the inner extent of Gemm", [2, 0], { w: random(0, 3), c: random(3) }, [["Gemm", ["x", "w", "c"], ["y"]]], [2, 3]],
    ["MaxPool", [0, 3, 4, 4], {}, [["MaxPool", ["x"], ["y"], { kernel_shape: [2, 2] }]], [0, 3, 3, 3]],
    [
      "channels of AveragePool",
      [1, 0, 4, 4],
      {},
      [["AveragePool", ["x"], ["y"], { kernel_shape: [2, 2] }]],
      [1, 0, 3, 3],
    ],
    ["GlobalAveragePool", [0, 3, 4, 4], {}, [["GlobalAveragePool", ["x"], ["y"]]], [0, 3, 1, 1]],
    ["ReduceSum", [2, 0, 3], { a: i64(1) }, [["ReduceSum", ["x", "a"], ["y"], { keepdims: 0 }]], [2, 3]],
    ["ReduceMean", [0, 4], { a: i64(1) }, [["ReduceMean", ["x"], ["y"], { axes: [1] }]], [0, 1]],
    ["Softmax rows", [0, 5], {}, [["Softmax", ["x"], ["y"]]], [0, 5]],
    ["Softmax columns", [5, 0], {}, [["Softmax", ["x"], ["y"]]], [5, 0]],
    ["LayerNormalization", [0, 8], { g: random(8) }, [["LayerNormalization", ["x", "g"], ["y"]]], [0, 8]],
    ["Concat", [0, 3], { w: random(2, 3) }, [["Concat", ["x", "w"], ["y"], { axis: 0 }]], [2, 3]],
    ["Transpose", [3, 0, 2], {}, [["Transpose", ["x"], ["y"], { perm: [2, 0, 1] }]], [2, 3, 0]],
    [
      "Gather nothing",
      [4, 2],
      { i: new Tensor("int64", new BigInt64Array(0), [0]) },
      [["Gather", ["x", "i"], ["y"]]],
      [0, 2],
    ],
    ["Add", [0, 4], { w: random(1, 4) }, [["Add", ["x", "w"], ["y"]]], [0, 4]],
    [
      "InstanceNormalization",
      [0, 3, 4],
      { g: random(3), b: random(3) },
      [["InstanceNormalization", ["x", "g", "b"], ["y"]]],
      [0, 3, 4],
    ],
    [
      "Resize",
      [0, 3, 4, 4],
      { s: new Tensor("float32", [1, 1, 2, 2]) },
      [["Resize", ["x", "", "s"], ["y"], { mode: "nearest" }]],
      [0, 3, 8, 8],
    ],
    ["Pad", [0, 2], { p: i64(1, 0, 1, 0) }, [["Pad", ["x", "p"], ["y"]]], [2, 2]],
    ["ArgMax", [0, 3], {}, [["ArgMax", ["x"], ["y"], { axis: 1, keepdims: 0 }]], [0]],
    ["TopK", [0, 3], { k: i64(2) }, [["TopK", ["x", "k"], ["y", "i"]]], [0, 2]],
    ["CumSum", [0, 3], { k: new Tensor("int64", [1], []) }, [["CumSum", ["x", "k"], ["y"]]], [0, 3]],
  ];
  it.each(cases)("%s", async (_, x, weights, nodes, shape) => {
    const feeds = { x: random(...x) };
    const graph = build(describeFeeds(feeds), weights, nodes, ["y"]);
    for (const preset of ["float32", "faithful"]) {
      const { y } = await answers(graph, feeds, { preset });
      expect(y!.dims).toEqual(shape);
      if (x[1] === 0 && y!.size > 0) for (const v of y!.data as Float32Array) expect(Math.abs(v)).toBeLessThan(2);
    }
  });
});

describe("float16 models", () => {
  it("compute in float32 between their own inputs and outputs", async () => {
    const half = (...bits: number[]): Tensor => new Tensor("float16", Uint16Array.from(bits), [bits.length]);
    const graph = build(
      { x: { type: "float16", shape: ["n"] } },
      { w: half(0x3c00, 0x4000, 0xc200, 0x3800) },
      [
        ["Mul", ["x", "w"], ["a"]],
        ["Relu", ["a"], ["y"]],
      ],
      ["y", "x"],
    );
    const typed: Graph = { ...graph, outputs: graph.outputs.map((o) => ({ ...o, type: "float16" })) };
    const session = await InferenceSession.create(writeOnnx(typed));
    expect(session.inputMetadata[0]!.type).toBe("float16");
    expect(session.outputMetadata[0]!.type).toBe("float16");
    const x = half(0x3c00, 0x3c00, 0x3c00, 0x4400); // 1 1 1 4
    const { y, x: back } = await session.run({ x });
    expect(y!.type).toBe("float16");
    const { buffer, byteOffset } = y!.data as Uint16Array;
    expect(Array.from(new Uint16Array(buffer, byteOffset, 4), halfToFloat)).toEqual([1, 2, 0, 2]);
    const bits = back!.data as Uint16Array;
    expect(new Uint16Array(bits.buffer, bits.byteOffset, 4)).toEqual(x.data);
    await expect(session.run({ x: random(4) })).rejects.toThrow('input "x" expected float16');
  });
});

describe("inputs that shapes depend on", () => {
  it("give a program per content", async () => {
    const inputs: Inputs = { x: ["n"], s: { type: "int64", shape: ["r"] } };
    const session = await InferenceSession.create(
      writeOnnx(build(inputs, {}, [["Reshape", ["x", "s"], ["y"]]], ["y"])),
    );
    const x = random(6);
    for (const s of [i64(2, 3), i64(3, 2), i64(-1), i64(2, 3), i64(1, 1, 6)]) {
      const { y } = await session.run({ x, s });
      const dims = Array.from(s.data as BigInt64Array, Number);
      expect(y!.dims).toEqual(dims[0] === -1 ? [6] : dims);
      expect(y!.data).toEqual(x.data);
    }
    await expect(session.run({ x, s: i64(4, 2) })).rejects.toMatchObject({ code: "MODEL" });
  });

  it("choose the branch of an If", async () => {
    const body = (op: string): Graph => ({ ...build({}, {}, [[op, ["x"], [`${op}_out`]]], [`${op}_out`]), inputs: [] });
    const inputs: Inputs = { c: { type: "bool", shape: [] }, x: ["n"] };
    const graph = build(
      inputs,
      {},
      [["If", ["c"], ["y"], { then_branch: body("Neg"), else_branch: body("Abs") }]],
      ["y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph));
    const x = new Tensor("float32", [-2, 3]);
    for (const [c, y] of [
      [1, [2, -3]],
      [0, [2, 3]],
      [1, [2, -3]],
    ] as const) {
      const outputs = await session.run({ x, c: new Tensor("bool", Uint8Array.of(c), []) });
      expect([...(outputs["y"]!.data as Float32Array)]).toEqual(y);
    }
  });
});

describe("memory", () => {
  it("does not grow when 80 shapes, more than programs are kept, come again and again", async () => {
    const graph = build(
      { x: ["n", 3, "h", "w"] },
      { w: random(8, 3, 3, 3), s: new Tensor("float32", Float32Array.of(1, 1, 2, 1.5)), d: random(8, 4) },
      [
        ["Conv", ["x", "w"], ["a"], { pads: [1, 1, 1, 1] }],
        ["Resize", ["a", "", "s"], ["b"], { mode: "linear" }],
        ["Shape", ["b"], ["shape"]],
        ["ConstantOfShape", ["shape"], ["zeros"]],
        ["Add", ["b", "zeros"], ["c"]],
        ["GlobalAveragePool", ["c"], ["g"]],
        ["Flatten", ["g"], ["f"]],
        ["MatMul", ["f", "d"], ["y"]],
      ],
      ["y"],
    );
    for (const preset of ["float32", "fast"] as const) {
      const session = await InferenceSession.create(writeOnnx(graph), { preset });
      const run = async (i: number): Promise<void> => {
        const dims = [1 + (i % 2), 3, 4 + (i % 23), 4 + ((i * 7) % 19)];
        await session.run({
          x: new Tensor(
            "float32",
            noise(
              dims.reduce((a, b) => a * b),
              i,
            ),
            dims,
          ),
        });
      };
      await session.run({ x: random(2, 3, 27, 23) });
      const cycle = async (): Promise<void> => {
        for (let i = 0; i < 80; i++) await run(i);
        await expect(session.run({ x: random(1, 4, 5, 5) })).rejects.toThrow("expected float32");
      };
      await cycle();
      await cycle();
      const { memoryBytes } = session;
      for (let i = 0; i < 6; i++) await cycle();
      expect(session.memoryBytes).toBe(memoryBytes);
      await session.release();
    }
  });
});
