// Texts by the thousand are moved as numbers by the core: as the operator moves numbers, with an abort between the slices.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, i64, type NodeSpec } from "../graph/build.ts";

const [ROWS, COLUMNS] = [192, 128];
/** Every text is there several times, and the empty one too. What Pad puts beside numbers is 0, beside texts the empty one. */
const WORDS = Array.from({ length: 1000 }, (_, i) => (i === 0 ? "" : `text ${i}`));

/** Numbers, or the words that they are numbers of. */
function tensor(type: "string" | "int32", dims: readonly number[], step: number): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const numbers = Array.from({ length: size }, (_, i) => (i * step) % WORDS.length);
  return type === "int32"
    ? new Tensor(type, numbers, dims)
    : new Tensor(
        type,
        numbers.map((i) => WORDS[i]!),
        dims,
      );
}

const places = (...dims: number[]): Tensor =>
  new Tensor(
    "int64",
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37) % 128),
    dims,
  );

/** x and z are texts. */
const CASES: readonly [string, NodeSpec, Record<string, Tensor>, number?][] = [
  ["Expand", ["Expand", ["one", "i"], ["y"]], { i: i64(ROWS, COLUMNS) }],
  ["Tile", ["Tile", ["x", "i"], ["y"]], { i: i64(2, 1) }],
  ["Transpose", ["Transpose", ["x"], ["y"], { perm: [1, 0] }], {}],
  ["Slice", ["Slice", ["x", "i", "j"], ["y"]], { i: i64(1, 2), j: i64(ROWS - 1, COLUMNS - 5) }],
  ["Concat, one of them twice", ["Concat", ["x", "z", "x"], ["y"], { axis: 1 }], {}],
  ["Pad with the empty text", ["Pad", ["x", "i"], ["y"]], { i: i64(1, 2, 3, 4) }],
  ["Pad with a text", ["Pad", ["x", "i", "one"], ["y"]], { i: i64(1, 2, 3, 4) }],
  ["Where", ["Where", ["b", "x", "z"], ["y"]], {}],
  ["Gather", ["Gather", ["x", "i"], ["y"]], { i: places(250) }],
  ["GatherElements", ["GatherElements", ["x", "i"], ["y"], { axis: 1 }], { i: places(ROWS, COLUMNS) }],
  ["ScatterND", ["ScatterND", ["x", "i", "row"], ["y"]], { i: i64(3, 5).reshape([2, 1]) }],
  ["GatherND", ["GatherND", ["x", "i"], ["y"]], { i: places(20_000, 2) }],
  ["GatherND of batches", ["GatherND", ["x", "i"], ["y"], { batch_dims: 1 }], { i: places(ROWS, 120, 1) }],
  ["ScatterElements", ["ScatterElements", ["x", "i", "z"], ["y"], { axis: 1 }], { i: places(ROWS, COLUMNS) }],
  ["Equal", ["Equal", ["x", "z"], ["y"]], {}, 19],
];

async function answer(type: "string" | "int32", [, node, more, opset = 18]: (typeof CASES)[number]): Promise<Tensor> {
  const feeds: Record<string, Tensor> = {
    x: tensor(type, [ROWS, COLUMNS], 7),
    z: tensor(type, [ROWS, COLUMNS], 13),
    row: tensor(type, [2, COLUMNS], 11),
    one: tensor(type, [1], 0).reshape([]),
    b: new Tensor(
      "bool",
      Array.from({ length: ROWS }, (_, i) => i % 3 === 0),
      [ROWS, 1],
    ),
    ...more,
  };
  const used = Object.entries(feeds).filter(([name]) => node[1].includes(name));
  const inputs = Object.fromEntries(
    used.map(([name, one]) => [name, { type: one.type, shape: one.dims.map((_, i) => `${name}${i}`) }]),
  );
  const graph = build(inputs, {}, [node], ["y"], opset);
  const outputs = [{ name: "y", type: node[0] === "Equal" ? "bool" : type, shape: undefined } as const];
  const session = await InferenceSession.create(writeOnnx({ ...graph, outputs }), { preset: "float32" });
  const { y } = (await session.run(Object.fromEntries(used))) as { y: Tensor };
  // A second run finds the program of the first.
  expect((await session.run(Object.fromEntries(used)))["y"]).toEqual(y);
  await session.release();
  return y;
}

describe("many texts", () => {
  it.each(CASES)("go where numbers go: %s", async (...given) => {
    const [texts, numbers] = [await answer("string", given), await answer("int32", given)];
    expect(texts.dims).toEqual(numbers.dims);
    expect(texts.size).toBeGreaterThan(2 ** 14);
    const expected =
      texts.type === "bool"
        ? [...(numbers.data as Uint8Array)]
        : Array.from(numbers.data as Int32Array, (i) => WORDS[i]!);
    expect([...(texts.data as Iterable<unknown>)]).toEqual(expected);
  });
});

describe("few texts", () => {
  const words = (...dims: number[]): Tensor => tensor("string", dims, 7);
  const numbers = (...dims: number[]): Tensor => tensor("int32", dims, 7);
  const at = (dims: readonly number[], ...data: number[]): Tensor => i64(...data).reshape(dims);
  it.each<[string, NodeSpec, readonly number[], Tensor, (readonly number[])?]>([
    ["GatherElements", ["GatherElements", ["x", "i"], ["y"], { axis: -1 }], [3, 4], at([2, 2], 3, -4, 0, 1)],
    ["GatherND", ["GatherND", ["x", "i"], ["y"]], [3, 4, 2], at([2, 1, 2], 2, -1, 0, 1)],
    ["GatherND of batches", ["GatherND", ["x", "i"], ["y"], { batch_dims: 1 }], [3, 4, 2], at([3, 1], 3, -4, 1)],
    ["GatherND of batches of nothing", ["GatherND", ["x", "i"], ["y"], { batch_dims: 1 }], [0, 4, 2], at([0, 1])],
    ["ScatterElements", ["ScatterElements", ["x", "i", "u"], ["y"]], [3, 4], at([2, 2], 2, -3, 0, 1), [2, 2]],
    ["ScatterND", ["ScatterND", ["x", "i", "u"], ["y"]], [3, 4, 2], at([2, 2], 2, -1, 0, 1), [2, 2]],
  ])("go where numbers go: %s", async (_, node, dims, i, updates) => {
    const [texts, whole] = await Promise.all(
      [words, numbers].map(async (make) => {
        const feeds = { x: make(...dims), i, ...(updates && { u: make(...updates) }) };
        const { type } = feeds.x;
        const inputs = Object.entries(feeds).map(([name, one]) => [name, { type: one.type, shape: one.dims }]);
        const outputs = [{ name: "y", type, shape: undefined } as const];
        const onnx = writeOnnx({ ...build(Object.fromEntries(inputs), {}, [node], ["y"], 18), outputs });
        const session = await InferenceSession.create(onnx, { preset: "float32" });
        return (await session.run(feeds))["y"]!;
      }),
    );
    expect(texts!.dims).toEqual(whole!.dims);
    expect([...(texts!.data as string[])]).toEqual(Array.from(whole!.data as Int32Array, (n) => WORDS[n]!));
  });

  it.each([
    ["ScatterElements", [2, 2], [2, 2]],
    ["ScatterND", [2, 1], [2, 2]],
  ])("cannot be added: %s", async (op, indices, updates) => {
    const text = (shape: readonly number[]) => ({ type: "string", shape }) as const;
    const inputs = { x: text([3, 2]), i: { type: "int64", shape: indices } as const, u: text(updates) };
    const graph = build(inputs, {}, [[op, ["x", "i", "u"], ["y"], { reduction: "add" }]], ["y"], 18);
    const onnx = writeOnnx({ ...graph, outputs: [{ name: "y", type: "string", shape: undefined }] });
    await expect(InferenceSession.create(onnx)).rejects.toThrow('strings expected the "reduction" none');
  });
});
