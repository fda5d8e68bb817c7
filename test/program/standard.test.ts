// Faults that were put into the sources by hand and went unnoticed by every test, one by one, each with its neighbours: from ONNX bytes to outputs, against the interpreter of the tests.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { disagreement } from "../support/fuzz/agree.ts";
import { randomGraph } from "../support/fuzz/random-graph.ts";
import { agreesNode, f32, i64, type NodeCase, runModel, runNode } from "../support/run-node.ts";

const END = 2 ** 31 - 1;
const BEGIN = -(2 ** 31);

describe("Slice", () => {
  const bounds: [number, number, number][] = [
    ...[-1, -2, -3, -7].flatMap((step): [number, number, number][] => [
      [END, BEGIN, step],
      [4, 0, step],
      [-1, -6, step],
      [-1, -5, step],
      [9, -9, step],
      [-9, BEGIN, step],
      [2, 4, step],
    ]),
    ...[1, 2, 7].flatMap((step): [number, number, number][] => [
      [BEGIN, END, step],
      [-4, -1, step],
      [3, 2, step],
      [-9, 9, step],
    ]),
  ];
  it.each(bounds)("%i to %i by %i", async (start, end, step) => {
    for (const axis of [0, 1, -1]) {
      await agreesNode({ op: "Slice", inputs: [f32([5, 4, 3]), i64(start), i64(end), i64(axis), i64(step)] });
    }
  });

  it("of a whole axis backwards is no Identity, alone or beside another", async () => {
    await agreesNode({ op: "Slice", inputs: [f32([4, 3]), i64(-1), i64(BEGIN), i64(0), i64(-1)] });
    await agreesNode({ op: "Slice", inputs: [f32([4, 3]), i64(0, -1), i64(4, BEGIN), i64(0, 1), i64(1, -1)] });
    await agreesNode({ op: "Slice", inputs: [f32([1, 3]), i64(-1), i64(BEGIN), i64(0), i64(-1)] });
  });

  it("to −2^63 and 2^63 − 1, which stand for the ends", async () => {
    const wide = (v: bigint): Tensor => new Tensor("int64", [v]);
    const [low, high] = [-(2n ** 63n), 2n ** 63n - 1n];
    const x = f32([5]);
    const forwards = await runNode({
      op: "Slice",
      inputs: [x, wide(low), wide(high), i64(0), i64(1)],
      constants: [1, 2, 3, 4],
    });
    expect(forwards[0]!.data).toEqual(x.data);
    const back = await runNode({
      op: "Slice",
      inputs: [x, wide(high), wide(low), i64(0), i64(-1)],
      constants: [1, 2, 3, 4],
    });
    expect(Array.from(back[0]!.data as Float32Array)).toEqual(Array.from(x.data as Float32Array).reverse());
    await agreesNode({
      op: "Slice",
      opset: 9,
      inputs: [x],
      attributes: { starts: [-(2 ** 63)], ends: [2 ** 62], axes: [0] },
    });
  });
});

describe("pools at the edge of ceil_mode", () => {
  const cases: [string, number, number, number, number[]][] = [];
  for (const op of ["MaxPool", "AveragePool"])
    for (const extent of [3, 4, 5, 6, 7])
      for (const [kernel, stride, pads] of [
        [2, 2, [0, 0]],
        [2, 2, [1, 1]],
        [3, 2, [0, 0]],
        [3, 2, [1, 1]],
        [1, 2, [0, 0]],
        [2, 3, [1, 0]],
        [3, 3, [1, 1]],
        [2, 3, [0, 1]],
      ] as const)
        if (extent + pads[0] + pads[1] >= kernel) cases.push([op, extent, kernel, stride, [...pads]]);
  it.each(cases)("%s of %i with kernel %i, stride %i, pads %j", async (op, extent, kernel, stride, pads) => {
    for (const include of op === "AveragePool" ? [0, 1] : [undefined]) {
      const attributes = {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [pads[0]!, pads[0]!, pads[1]!, pads[1]!],
        ceil_mode: 1,
        ...(include !== undefined && { count_include_pad: include }),
      };
      await agreesNode({ op, inputs: [f32([1, 3, extent, extent])], attributes, constants: [] });
    }
  });
});

describe("Mod", () => {
  const [a, b] = [
    [-7, -6, -1, 0, 1, 6, 7, 5],
    [3, -3, 3, -3, -3, -4, 4, -5],
  ];
  it.each(["int8", "int16", "int32", "int64"] as const)("of negative %s, as Python and as C", async (type) => {
    const wide = (v: number[]): Tensor => new Tensor(type, type === "int64" ? v.map(BigInt) : v);
    for (const fmod of [0, 1]) await agreesNode({ op: "Mod", inputs: [wide(a), wide(b)], attributes: { fmod } });
  });

  it("of negative floats has the sign of the dividend", () =>
    agreesNode({ op: "Mod", inputs: [f32([8], a), f32([8], b)], attributes: { fmod: 1 } }));
});

describe("Relu and Clip after a layer meet in one interval", () => {
  const range = (low?: number, high?: number): [string, number | undefined, number | undefined] => ["Clip", low, high];
  it.each([
    [range(undefined, 6), "Relu"],
    [range(-1, 0.5), "Relu"],
    ["Relu", range(-1, 0.5)],
    ["Relu", range(0.25, 0.75)],
    [range(-2, -1), "Relu"],
    ["Relu", range(-2, -1)],
    [range(0.5, 2), range(-1, 1)],
    [range(0, 6), range(1, undefined)],
  ])("%j then %j", async (...functions) => {
    const initializers: Record<string, Tensor> = { w: f32([3, 2, 1, 1]) };
    const nodes = functions.map((f, i) => {
      const [op, low, high] = f === "Relu" ? ["Relu", undefined, undefined] : f;
      const bound = (name: string, v: unknown): string => {
        if (typeof v !== "number") return "";
        initializers[`${name}${i}`] = f32([], [v]);
        return `${name}${i}`;
      };
      const inputs = op === "Relu" ? [`v${i}`] : [`v${i}`, bound("low", low), bound("high", high)];
      return [op as string, inputs, [`v${i + 1}`]] as const;
    });
    const graph = build({ x: [1, 2, 3, 3] }, initializers, [["Conv", ["x", "w"], ["v0"]], ...nodes], ["v2"]);
    const feeds = {
      x: f32(
        [1, 2, 3, 3],
        Array.from({ length: 18 }, (_, i) => ((i * 5) % 9) / 4 - 1),
      ),
    };
    expect(disagreement(graph, feeds, await runModel(graph, feeds))).toBeUndefined();
  });
});

describe("Reduce", () => {
  it.each([[[0, 2]], [[2, 0]], [[-1, 0]], [[1, -3]], [[2, 1]], [[1]], [[0, 1, 2]], [[2, 1, 0]]])(
    "over axes %j in any order",
    async (axes) => {
      for (const keepdims of [0, 1])
        for (const op of ["ReduceSum", "ReduceMax", "ReduceMean"])
          await agreesNode({ op, inputs: [f32([2, 3, 4]), i64(...axes)], attributes: { keepdims } });
    },
  );
});

it.each([[[0, 2]], [[2, 0]], [[1, 3]], [[3, 1]], [[1]], [[0, 3]], [[-2]]])(
  "Reduce over axes %j keeps the order of two others that lie apart",
  async (axes) => {
    for (const op of ["ReduceSum", "ReduceMax", "ReduceLogSumExp"])
      await agreesNode({ op, inputs: [f32([2, 3, 4, 5]), i64(...axes)], attributes: { keepdims: 0 } });
  },
);

describe("Gather keeps the rank of its indices", () => {
  const at = (dims: number[], ...v: number[]): Tensor => new Tensor("int64", v.map(BigInt), dims);
  it.each([
    ["a scalar", at([], -1)],
    ["one index", at([1], 1)],
    ["a matrix", at([2, 2], 0, 1, -1, 0)],
    ["none", at([0])],
    ["a matrix of one", at([1, 1], 1)],
  ])("%s", async (_, indices) => {
    for (const axis of [0, 1, -1])
      await agreesNode({ op: "Gather", inputs: [f32([3, 2, 2]), indices], attributes: { axis } });
  });
});

describe("Resize", () => {
  const modes = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"];
  const cases: NodeCase[] = modes.flatMap((coordinate_transformation_mode) =>
    [0, 1].flatMap((exclude_outside) =>
      [
        [7, 9],
        [2, 3],
        [4, 11],
      ].map(
        (sizes): NodeCase => ({
          op: "Resize",
          inputs: [f32([1, 2, 4, 5]), "", "", i64(1, 2, ...sizes)],
          constants: [3],
          attributes: { mode: "cubic", coordinate_transformation_mode, exclude_outside },
        }),
      ),
    ),
  );
  it.each(cases)("cubic: $attributes", (c) => agreesNode(c));
});

describe("rounding of halves", () => {
  const halves = [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 0.49999997, 8388607.5, -0];
  it("Round goes to the even neighbour, also where it is folded", () =>
    agreesNode({ op: "Round", inputs: [f32([11], halves)] }));

  it.each(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])(
    "Resize to the nearest: %s",
    async (nearest_mode) => {
      for (const extent of [2, 3, 6, 12])
        await agreesNode({
          op: "Resize",
          inputs: [f32([1, 1, 1, 4]), "", "", i64(1, 1, 1, extent)],
          constants: [3],
          attributes: { mode: "nearest", nearest_mode, coordinate_transformation_mode: "half_pixel" },
        });
    },
  );

  it.each([2049, 2051, 4098, 4102, 1 + 2 ** -11, 1 + 3 * 2 ** -11])("Cast of %d to float16", (v) =>
    agreesNode({ op: "Cast", inputs: [f32([1], [v])], attributes: { to: 10 } }),
  );
});

it.each(["reflect", "wrap", "edge", "constant"])("Pad, mode %s, of an output without elements ends", async (mode) => {
  const opset = 21;
  await agreesNode({
    op: "Pad",
    opset,
    inputs: [f32([3, 1, 0]), i64(0, 0, 0, 1, 0, 0)],
    attributes: { mode },
    constants: [1],
  });
});

describe("NaN", () => {
  const x = f32([6], [1, Number.NaN, 3, -2, Number.NaN, 3]);
  it.each([0, 1])("is the largest for TopK, largest %i", async (largest) => {
    for (const k of [1, 2, 3, 6])
      await agreesNode({ op: "TopK", inputs: [x, i64(k)], constants: [1], attributes: { largest }, outputs: 2 });
  });
});

it("one name of two dimensions has one size", async () => {
  const graph = build({ a: ["n", 2], b: ["n", 2] }, {}, [["Add", ["a", "b"], ["y"]]], ["y"]);
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  await expect(session.run({ a: f32([3, 2]), b: f32([1, 2]) })).rejects.toThrow(/"b" expected .*n = 3 as in "a"/);
  await expect(session.run({ a: f32([3, 2]), b: f32([3, 2]) })).resolves.toHaveProperty("y");
  await session.release();
});

it("the tail of a stream: bytes behind the end of a container are refused however they arrive", async () => {
  const graph = build({ x: [2, 4] }, { w: f32([4, 8]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
  const { bytes } = await quantize(writeOnnx(graph));
  const longer = Uint8Array.from([...bytes, 0]);
  await expect(InferenceSession.create(longer)).rejects.toMatchObject({ code: "MODEL" });
  for (const cut of [bytes.length, bytes.length - 3]) {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(longer.slice(0, cut));
        controller.enqueue(longer.slice(cut));
        controller.close();
      },
    });
    const drained = InferenceSession.create(stream, { progressive: true }).then(async (session) => {
      while (await session.refine());
    });
    await expect(drained).rejects.toMatchObject({ code: "MODEL" });
  }
});

it.each(Array.from({ length: 120 }, (_, i) => i))("random graph %i agrees", async (seed) => {
  const { graph, feeds } = randomGraph(5000 + seed);
  const run = runModel(graph, feeds).then((outputs) => disagreement(graph, feeds, outputs));
  const outcome = await run.catch((error: { code?: string }) =>
    error.code === "UNSUPPORTED" ? undefined : Promise.reject(error),
  );
  expect(outcome).toBeUndefined();
});
