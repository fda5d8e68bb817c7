// An abort is honoured between pieces of the work: large steps come in many. How long a piece takes is measured by test/slow/gaps.mjs.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { chances } from "../support/chances.ts";
import { int } from "../support/control-flow.ts";

/** Chances that large work gives at least; small work gives one for a program, and one for each output and node between. */
const LEAST = 8;

/** How many chances to abort a run gives. */
async function counted(session: InferenceSession, feeds: Record<string, Tensor>): Promise<number> {
  const { count, error } = await chances((signal) => session.run(feeds, { signal }));
  expect(error).toBeUndefined();
  return count;
}

const filled = (type: "float32" | "bool"): NodeSpec => [
  "ConstantOfShape",
  ["s"],
  ["x"],
  { value: new Tensor(type, [1]) },
];

/** Operators whose work is their windows: little is read and written of what they cost. */
const WINDOWS: readonly [string, readonly number[], readonly NodeSpec[], Record<string, Tensor>?][] = [
  ["MaxPool", [1, 1, 1024, 1024], [["MaxPool", ["x"], ["z"], { kernel_shape: [257, 257] }]]],
  ["MaxPool with indices", [1, 1, 224, 224], [["MaxPool", ["x"], ["z", "i"], { kernel_shape: [49, 49] }]]],
  ["AveragePool", [1, 1, 256, 256], [["AveragePool", ["x"], ["z"], { kernel_shape: [65, 65] }]]],
  ["LpPool", [1, 1, 256, 256], [["LpPool", ["x"], ["z"], { kernel_shape: [65, 65] }]]],
  ["LRN", [1, 2 ** 14, 1], [["LRN", ["x"], ["z"], { size: 2 ** 14 - 1 }]]],
  ["Col2Im", [1, 2 ** 13, 1], [["Col2Im", ["x", "a", "a"], ["z"]]], { a: i64(1, 2 ** 13) }],
  [
    "RoiAlign",
    [1, 1, 64, 64],
    [["RoiAlign", ["x", "r", "i"], ["z"], { output_height: 18, output_width: 18, sampling_ratio: 256 }]],
    { r: f32([1, 4], [0, 0, 64, 64]), i: new Tensor("int64", [0n]) },
  ],
];

describe("turns of the event loop", () => {
  it.each(WINDOWS)("come often enough, and limits count the work of windows: %s", async (_, dims, nodes, more) => {
    const graph = build({ x: dims }, more ?? {}, [...nodes, ["ReduceMax", ["z"], ["y"]]], ["y"], 18);
    const onnx = writeOnnx(graph);
    const session = await InferenceSession.create(onnx, { preset: "float32", build: "scalar" });
    const feeds = { x: f32(dims) };
    // LRN, which is many steps, has 12 without slices.
    expect(await counted(session, feeds)).toBeGreaterThan(3 * LEAST);
    await session.release();
    const limited = await InferenceSession.create(onnx, { preset: "float32", limits: { macs: 1e7 } });
    await expect(limited.run(feeds)).rejects.toMatchObject({ code: "LIMIT" });
    await limited.release();
  });

  it.each<[string, NodeSpec, Record<string, number>]>([
    ["Expand", ["Expand", ["one", "s"], ["y"]], { one: 1 }],
    ["Where", ["Where", ["b", "x", "one"], ["y"]], { x: 2 ** 21, one: 1 }],
    ["StringConcat", ["StringConcat", ["x", "one"], ["y"]], { x: 2 ** 20, one: 1 }],
    ["StringSplit", ["StringSplit", ["x"], ["y", "n"], { delimiter: "e" }], { x: 2 ** 18 }],
    ["StringNormalizer", ["StringNormalizer", ["x"], ["y"], { case_change_action: "UPPER" }], { x: 2 ** 18 }],
  ])("come often enough, of texts: %s", async (_, node, sizes) => {
    const texts = Object.entries(sizes).map(([name, size]): [string, Tensor] => [
      name,
      new Tensor("string", new Array<string>(size).fill("a text"), [size]),
    ]);
    const more: [string, Tensor][] = [
      ["s", i64(3 * 2 ** 20)],
      ["b", new Tensor("bool", new Uint8Array(2 ** 21), [2 ** 21])],
    ];
    const feeds = [...texts, ...more].filter(([name]) => node[1].includes(name));
    const inputs = Object.fromEntries(feeds.map(([name, { type }]) => [name, { type, shape: [`${name}0`] }]));
    const outputs = node[2].map(
      (name) => ({ name, type: name === "n" ? "int64" : "string", shape: undefined }) as const,
    );
    const session = await InferenceSession.create(writeOnnx({ ...build(inputs, {}, [node], ["y"], 20), outputs }));
    expect(await counted(session, Object.fromEntries(feeds))).toBeGreaterThan(LEAST);
    await session.release();
  });

  it.each<[string, number, readonly NodeSpec[]]>([
    [
      "a sequence that is joined",
      2 ** 22,
      [
        filled("float32"),
        ["SequenceConstruct", new Array<string>(16).fill("x"), ["q"]],
        ["ConcatFromSequence", ["q"], ["z"], { axis: 0 }],
        ["ReduceMax", ["z"], ["y"]],
      ],
    ],
    ["Unique", 2 ** 20, [filled("float32"), ["Unique", ["x"], ["y"]]]],
    ["NonZero", 2 ** 22, [filled("bool"), ["NonZero", ["x"], ["y"]]]],
    ["Compress", 2 ** 22, [filled("bool"), ["Compress", ["x", "x"], ["y"]]]],
    [
      "a sequence of a million parts",
      2 ** 20,
      [filled("float32"), ["SplitToSequence", ["x"], ["q"]], ["SequenceLength", ["q"], ["y"]]],
    ],
    [
      "parts that are joined again",
      2 ** 18,
      [
        filled("float32"),
        ["SplitToSequence", ["x"], ["q"], { keepdims: 0 }],
        ["ConcatFromSequence", ["q"], ["z"], { axis: 0, new_axis: 1 }],
        ["ReduceMax", ["z"], ["y"]],
      ],
    ],
    [
      "n-grams of one row",
      2 ** 18,
      [
        ["Range", ["zero", "end", "one"], ["x"]],
        [
          "TfIdfVectorizer",
          ["x"],
          ["y"],
          {
            ...{ max_gram_length: 2, min_gram_length: 1, max_skip_count: 1, mode: "TF" },
            ...{ ngram_counts: [0, 2], ngram_indexes: [0, 1, 2], pool_int64s: [1, 2, 3, 4] },
          },
        ],
      ],
    ],
  ])("come often enough: %s", async (_, size, nodes) => {
    const numbers = { zero: int(0), one: int(1), axes: i64(0) };
    const before: NodeSpec = ["Squeeze", ["s", "axes"], ["end"]];
    const graph = build({ s: { type: "int64", shape: [1] } }, numbers, [before, ...nodes], ["y"]);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    expect(await counted(session, { s: i64(size) })).toBeGreaterThan(LEAST);
    await session.release();
  });
});
