// `limits.bytes` holds for all that a run takes: the core's memory, what evaluators and loops keep in JavaScript, and the copies of the outputs.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Attribute, Graph, ValueInfo } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64, type NodeSpec, node } from "../graph/build.ts";

const BYTES = 2 ** 22;

/** An input that says how large everything becomes, so that nothing is known before the run. */
const SIZE = { s: { type: "int64", shape: [1] } } as const;
const filled = (name: string, type: "uint8" | "bool" | "float32"): NodeSpec => [
  "ConstantOfShape",
  ["s"],
  [name],
  { value: new Tensor(type, [1]) },
];
const text = (...data: string[]): Tensor => new Tensor("string", data, [data.length]);

function body(inputs: readonly ValueInfo[], nodes: readonly NodeSpec[], outputs: readonly ValueInfo[]): Graph {
  const named = nodes.map((spec, i) => ({ ...node(spec, i), name: `inner ${i}` }));
  return { name: "body", opsets: { "": 21 }, inputs, outputs, initializers: new Map(), nodes: named };
}

const COUNTED: readonly ValueInfo[] = [
  { name: "i", type: "int64", shape: [] },
  { name: "go", type: "bool", shape: [] },
];
const GOES: NodeSpec = ["Identity", ["go"], ["on"]];
const ON: ValueInfo = { name: "on", type: "bool", shape: [] };
const list = (name: string): ValueInfo => ({ name, type: "uint8", shape: undefined, holder: "sequence" });
const insert = body(
  [...COUNTED, list("p")],
  [GOES, ["SequenceInsert", ["p", "x"], ["q"]]],
  [ON, list("q")],
) as Attribute;
const doubled = body(
  [...COUNTED, { name: "p", type: "string", shape: undefined }],
  [GOES, ["Concat", ["p", "p"], ["q"], { axis: 0 }]],
  [ON, { name: "q", type: "string", shape: undefined }],
) as Attribute;
const counted = body(
  COUNTED,
  [GOES, ["SequenceEmpty", [], ["e"]], ["SequenceLength", ["e"], ["n"]]],
  [ON, { name: "n", type: "int64", shape: [] }],
) as Attribute;

type Case = readonly [what: string, size: number, constants: Record<string, Tensor>, nodes: readonly NodeSpec[]];

/** Each is answered at a thousandth of the size that is refused. */
const CASES: readonly Case[] = [
  ["NonZero", 2 ** 20, {}, [filled("x", "bool"), ["NonZero", ["x"], ["y"]]]],
  ["Compress", 2 ** 21, {}, [filled("x", "bool"), ["Compress", ["x", "x"], ["y"]]]],
  ["Unique", 2 ** 20, {}, [filled("x", "uint8"), ["Unique", ["x"], ["", "y"]]]],
  [
    "NonMaxSuppression",
    2 ** 15,
    { k: i64(2 ** 20), four: i64(4), one: i64(1) },
    [
      ["Concat", ["one", "s", "four"], ["bs"], { axis: 0 }],
      ["Concat", ["one", "one", "s"], ["cs"], { axis: 0 }],
      ["ConstantOfShape", ["bs"], ["b"]],
      ["ConstantOfShape", ["cs"], ["c"]],
      ["NonMaxSuppression", ["b", "c", "k"], ["y"]],
    ],
  ],
  [
    "SplitToSequence",
    2 ** 15,
    {},
    [filled("x", "uint8"), ["SplitToSequence", ["x"], ["q"]], ["SequenceLength", ["q"], ["y"]]],
  ],
  [
    "a sequence of one tensor many times",
    2 ** 20,
    {},
    [filled("x", "uint8"), ["SequenceConstruct", new Array<string>(8).fill("x"), ["y"]]],
  ],
  [
    "a loop that fills a sequence",
    2 ** 10,
    { x: new Tensor("uint8", new Uint8Array(2 ** 12)) },
    [
      ["SequenceEmpty", [], ["q"], { dtype: 2 }],
      ["Loop", ["s", "", "q"], ["y"], { body: insert }],
    ],
  ],
  ["texts: Expand", 2 ** 20, { t: text("a") }, [["Expand", ["t", "s"], ["y"]]]],
  ["texts: Tile", 2 ** 20, { t: text("a") }, [["Tile", ["t", "s"], ["y"]]]],
  ["texts: OneHot", 2 ** 20, { t: text("a", "b"), i: i64(0) }, [["OneHot", ["i", "s", "t"], ["y"]]]],
];

async function answer(nodes: readonly NodeSpec[], constants: Record<string, Tensor>, size: number, bytes = BYTES) {
  const graph = build(SIZE, constants, nodes, ["y"], 21);
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", limits: { bytes } });
  try {
    return await session.run({ s: i64(size) });
  } finally {
    await session.release();
  }
}

const MEMORY = { name: "BitbasisError", code: "MEMORY" };

describe("what a run keeps in JavaScript counts against limits.bytes", () => {
  it.each(CASES)("%s", async (_, size, constants, nodes) => {
    const refused = answer(nodes, constants, size);
    await expect(refused).rejects.toMatchObject(MEMORY);
    await expect(refused).rejects.toThrow(/^\d+ bytes of memory are needed, "limits.bytes" allows 4194304$/);
    expect((await answer(nodes, constants, size / 1024)).y).toBeDefined();
  });

  it("a list of numbers that a shape is made of", async () => {
    const nodes: readonly NodeSpec[] = [
      ["ConstantOfShape", ["s"], ["l"], { value: new Tensor("int64", [1n]) }],
      ["Reshape", ["x", "l"], ["z"]],
      ["Size", ["z"], ["y"]],
    ];
    // In the core 8 MB, which alone would fit.
    await expect(answer(nodes, { x: f32([1]) }, 2 ** 20 + 1, 2 ** 25)).rejects.toMatchObject(MEMORY);
    expect((await answer(nodes, { x: f32([1]) }, 4)).y!.dims).toEqual([]);
  });

  it("a loop whose scan output lies there", async () => {
    const nodes: readonly NodeSpec[] = [["Loop", ["s", ""], ["y"], { body: counted }]];
    await expect(answer(nodes, {}, 2 ** 13, 2 ** 20)).rejects.toMatchObject(MEMORY);
    expect((await answer(nodes, {}, 8, 2 ** 20)).y!.dims).toEqual([8]);
  });

  it("texts that double: not one and not many", async () => {
    const nodes = Array.from(
      { length: 30 },
      (_, i): NodeSpec => [
        "StringConcat",
        [i === 0 ? "t" : `t${i}`, i === 0 ? "t" : `t${i}`],
        [i === 29 ? "y" : `t${i + 1}`],
      ],
    );
    const graph = build({ t: { type: "string", shape: [1] } }, {}, nodes, ["y"], 21);
    for (const bytes of [BYTES, Number.POSITIVE_INFINITY]) {
      const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", limits: { bytes } });
      await expect(session.run({ t: text("ab") })).rejects.toMatchObject({ name: "BitbasisError" });
      await session.release();
    }
    const loop: readonly NodeSpec[] = [["Loop", ["s", "", "t"], ["y"], { body: doubled }]];
    await expect(answer(loop, { t: text("ab") }, 40)).rejects.toMatchObject(MEMORY);
    expect((await answer(loop, { t: text("ab") }, 3)).y!.dims).toEqual([8]);
  });

  it("copies of the outputs, each of them", async () => {
    const copies = (count: number) => {
      const names = Array.from({ length: count }, (_, i) => `y${i}`);
      const nodes = [filled("x", "uint8"), ...names.map((name): NodeSpec => ["Identity", ["x"], [name]])];
      return writeOnnx(build(SIZE, {}, nodes, names, 21));
    };
    for (const [count, fits] of [
      [2, true],
      [8, false],
    ] as const) {
      const limits = { bytes: BYTES };
      const session = await InferenceSession.create(copies(count), { preset: "float32", limits });
      for (let i = 0; i < 3; i++) {
        const running = session.run({ s: i64(2 ** 19) });
        if (fits) expect(Object.keys(await running)).toHaveLength(count);
        else await expect(running).rejects.toMatchObject(MEMORY);
      }
      expect((await session.run({ s: i64(10) }))["y0"]!.dims).toEqual([10]);
      await session.release();
    }
  });
});

describe("a first run that has no room for a weight is refused", () => {
  it.each<readonly [string, NodeSpec, readonly number[]]>([
    ["a matrix", ["MatMul", ["x", "w"], ["y"]], [512, 512]],
    ["taps", ["Conv", ["x", "w"], ["y"]], [512, 512, 1, 1]],
  ])("and so is the next one: %s", async (_, node, dims) => {
    const w = new Tensor("float32", new Float32Array(512 * 512).fill(1), dims);
    const onnx = writeOnnx(build({ x: node[0] === "Conv" ? [1, 512, 1, 1] : [1, 512] }, { w }, [node], ["y"]));
    const feeds = { x: f32(node[0] === "Conv" ? [1, 512, 1, 1] : [1, 512]) };
    // Its panels fit, the weight beside them does not.
    const session = await InferenceSession.create(onnx, { preset: "float32", limits: { bytes: 1.5 * 2 ** 20 } });
    for (let i = 0; i < 3; i++) await expect(session.run(feeds)).rejects.toMatchObject(MEMORY);
    await session.release();
  });
});

describe("what an operator is written out in lies in the core", () => {
  it.each<readonly [string, number, readonly NodeSpec[]]>([
    ["OneHot", 2 ** 31 + 5, [["OneHot", ["i", "s", "v"], ["y"]]]],
    [
      "EyeLike",
      2 ** 22,
      [
        ["Concat", ["s", "one"], ["d"], { axis: 0 }],
        ["ConstantOfShape", ["d"], ["x"]],
        ["EyeLike", ["x"], ["y"]],
      ],
    ],
    ["HannWindow", 2 ** 23, [["HannWindow", ["s"], ["y"]]]],
    [
      "ReverseSequence",
      2 ** 22,
      [
        ["Concat", ["s", "one"], ["d"], { axis: 0 }],
        ["ConstantOfShape", ["d"], ["x"]],
        ["ReverseSequence", ["x", "i"], ["y"]],
      ],
    ],
  ])("%s", async (_, size, nodes) => {
    const constants = { i: i64(1), v: f32([2]), one: i64(1) };
    const before = process.memoryUsage().rss;
    await expect(answer(nodes, constants, size, 2 ** 25)).rejects.toMatchObject(MEMORY);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
    expect((await answer(nodes, constants, 3, 2 ** 25)).y).toBeDefined();
  });

  it.each<[string, Parameters<typeof build>]>([
    [
      "AffineGrid",
      [{ x: ["N", 2, 3] }, { s: i64(1, 1, 2 ** 12, 2 ** 12) }, [["AffineGrid", ["x", "s"], ["y"]]], ["y"], 21],
    ],
    [
      "STFT",
      [
        { x: [1, "N", 1] },
        { one: new Tensor("int64", [1n], []), frame: new Tensor("int64", [512n], []) },
        [
          ["Expand", ["x", "long"], ["z"]],
          ["STFT", ["z", "one", "", "frame"], ["y"]],
        ],
        ["y"],
        21,
      ],
    ],
    [
      "a causal Attention",
      [
        { x: [1, 1, "N", 1] },
        { long: i64(1, 1, 2 ** 13, 1) },
        [
          ["Expand", ["x", "long"], ["z"]],
          ["Attention", ["z", "z", "z"], ["y"], { is_causal: 1 }],
        ],
        ["y"],
        23,
      ],
    ],
  ])("%s", async (what, [inputs, constants, ...rest]) => {
    const all = what === "STFT" ? { ...constants, long: i64(1, 2 ** 14, 1) } : constants;
    const limits = { bytes: 2 ** 24 };
    const feed = { AffineGrid: f32([1, 2, 3]), STFT: f32([1, 1, 1]) }[what] ?? f32([1, 1, 1, 1]);
    const before = process.memoryUsage().rss;
    const session = await InferenceSession.create(writeOnnx(build(inputs, all, ...rest)), {
      preset: "float32",
      limits,
    });
    await expect(session.run({ x: feed })).rejects.toMatchObject(MEMORY);
    await session.release();
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });
});
