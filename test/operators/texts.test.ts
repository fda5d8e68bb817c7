import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { run, tensor } from "./one-node.ts";

const TO: Partial<Record<ElementType, number>> = { float32: 1, uint8: 2, int32: 6, int64: 7, string: 8, float16: 10 };

async function cast(from: Tensor, type: ElementType): Promise<Tensor> {
  const [y] = await run("Cast", { a: from }, { attributes: { to: TO[type]! } });
  return y!;
}

const text = (data: string[], dims: readonly number[] = [data.length]): Tensor => new Tensor("string", data, dims);

/** What onnxruntime 1.30 writes. */
const WRITTEN: readonly (readonly [number, string])[] = [
  ...([
    [0, "0"],
    [-0, "-0"],
    [1.5, "1.5"],
    [0.1, "0.1"],
    [1e-5, "9.9999997e-06"],
    [1e-4, "9.9999997e-05"],
  ] as const),
  ...([
    [123456789, "1.2345679e+08"],
    [16777216, "16777216"],
    [1e20, "1e+20"],
    [99999999, "1e+08"],
  ] as const),
  ...([
    [999999.99, "1000000"],
    [-3.4e38, "-3.4e+38"],
    [2 ** -10, "0.0009765625"],
    [-12.75, "-12.75"],
  ] as const),
  ...([
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "INF"],
    [Number.NEGATIVE_INFINITY, "-INF"],
  ] as const),
];

describe("Cast", () => {
  it("writes numbers as onnxruntime does", async () => {
    const numbers = tensor(
      "float32",
      WRITTEN.map(([number]) => number),
      [WRITTEN.length, 1],
    );
    expect(await cast(numbers, "string")).toEqual(
      text(
        WRITTEN.map(([, written]) => written),
        [WRITTEN.length, 1],
      ),
    );
    expect((await cast(new Tensor("int64", [-5n, 2n ** 62n]), "string")).data).toEqual(["-5", "4611686018427387904"]);
    expect((await cast(new Tensor("bool", Uint8Array.of(1, 0)), "string")).data).toEqual(["1", "0"]);
    expect((await cast(new Tensor("float16", Uint16Array.of(0x3e00, 0x2e66)), "string")).data).toEqual([
      "1.5",
      "0.099975586",
    ]);
    expect((await cast(text(["a", ""]), "string")).data).toEqual(["a", ""]);
  });

  it("reads numbers", async () => {
    const written = ["1.5", " -3 ", "1e3", ".5", "NaN", "+inf", "-INF", "Infinity"];
    const numbers = [1.5, -3, 1000, 0.5, Number.NaN, Infinity, -Infinity, Infinity];
    expect((await cast(text(written), "float32")).data).toEqual(Float32Array.from(numbers));
    expect((await cast(text(["1.5"]), "float16")).data).toEqual(Uint16Array.of(0x3e00));
    const whole = await cast(text(["9007199254740993", "+7", "-3.7", "1e3"]), "int64");
    expect([...whole.data]).toEqual([9007199254740993n, 7n, -3n, 1000n]);
    expect([...(await cast(text(["-1", "300"]), "uint8")).data]).toEqual([255, 44]);
  });

  it.each(["abc", "", "12abc", "1_000"])("refuses %j", async (written) => {
    for (const type of ["float32", "int64"] as const)
      await expect(cast(text([written]), type)).rejects.toThrow(`a text expected a number, got "${written}"`);
    await expect(cast(text(["inf"]), "int32")).rejects.toThrow('a text expected an integer, got "inf"');
  });
});

const DOMAINS = { opsets: { "": 21, "com.microsoft": 1, "ai.onnx.ml": 3 } };

async function tokens(texts: Tensor, attributes: Record<string, string | number | string[]>): Promise<Tensor> {
  const graph = build(
    { x: { type: "string", shape: ["n"] } },
    {},
    [["Tokenizer", ["x"], ["y"], attributes]],
    ["y"],
    21,
  );
  const nodes = graph.nodes.map((node) => ({ ...node, domain: "com.microsoft" }));
  const session = await InferenceSession.create(writeOnnx({ ...graph, ...DOMAINS, nodes }), { preset: "float32" });
  try {
    return (await session.run({ x: texts }))["y"]!;
  } finally {
    await session.release();
  }
}

describe("Tokenizer", () => {
  const about = { mark: 0, mincharnum: 1, pad_value: "#" };

  // As onnxruntime 1.30 answers.
  it.each([
    ["\\w+", ["ab c_1", "é"], ["ab", "c_1", "#", "#"]],
    ["\\b\\w\\w+\\b", ["ab c de", ""], ["ab", "de", "#", "#"]],
    ["a|ab|abc", ["abcab", "b"], ["abc", "ab", "#", "#"]],
    ["(?:ab)+|a", ["ababaa", "b"], ["abab", "a", "a", "#", "#", "#"]],
    ["\\d+(\\.\\d+)?", ["12.5 3.", "x"], ["12.5", "3", "#", "#"]],
    ["[^\\s\\-]+", ["a-b c", "𝄞"], ["a", "b", "c", "𝄞", "#", "#"]],
    ["^a{2,3}|b$", ["aaaab", "a"], ["aaa", "b", "#", "#"]],
    [".", ["a\n", "é"], ["a", "\n", "é", "#"]],
    ["[]a-c]+", ["a]d", "d-"], ["a]", "#"]],
  ])("finds what %j describes, the longest at each place", async (tokenexp, texts, found) => {
    const { dims, data } = await tokens(text(texts), { ...about, tokenexp });
    expect([dims, data]).toEqual([[2, found.length / 2], found]);
  });

  it("cuts at separators one after the other, drops what is short, and marks", async () => {
    const separators = [" ", "[.]", "\\?", ","];
    const given = text(["a b.c?", ",,de", ""]);
    expect((await tokens(given, { ...about, separators })).data).toEqual([
      "a",
      "b",
      "c",
      "de",
      "#",
      "#",
      "#",
      "#",
      "#",
    ]);
    expect((await tokens(given, { ...about, separators, mincharnum: 2 })).data).toEqual(["#", "de", "#"]);
    const marked = await tokens(text(["a b", "c"]), { ...about, separators, mark: 1 });
    expect(marked.data).toEqual(["\u0002", "a", "b", "\u0003", "\u0002", "c", "\u0003", "#"]);
    expect((await tokens(text([".", ""]), { ...about, separators, mark: 1 })).dims).toEqual([2, 0]);
    expect((await tokens(text(["aé"]), { ...about, separators: [""] })).data).toEqual(["a", "é"]);
  });

  it.each([
    ["a**", "repeats nothing"],
    ["(a", 'a ")" is missing'],
    ["a)", 'it has a ")" without'],
    ["[b-a]", "a range ends before it begins"],
    ["[a", "it ends too soon"],
    ["\\p{L}", "none of"],
    ["(?i)a", "flags and names"],
    ["[[:alpha:]]", "no names here"],
    ["a{2,1}", "more often than it may"],
    ["(a{1000}){1000}", "more than 2048 steps"],
  ])("refuses %j when the model is opened", async (tokenexp, why) => {
    await expect(tokens(text(["a"]), { ...about, tokenexp })).rejects.toThrow(why);
  });

  it("takes time that grows with the text where patterns of JavaScript take powers of it", async () => {
    const long = "a".repeat(300);
    expect((await tokens(text([long]), { ...about, tokenexp: "(a*)*(a*)*b|a{2}" })).dims).toEqual([1, 150]);
  });

  it("and the pipeline around it are stored in a container with their texts", async () => {
    const graph = build(
      { x: { type: "string", shape: ["n"] } },
      { missing: text([""]), none: text(["none"]) },
      [
        ["Equal", ["x", "missing"], ["isMissing"]],
        ["Where", ["isMissing", "none", "x"], ["whole"]],
        ["Tokenizer", ["whole"], ["y"], { ...about, tokenexp: "[a-z]+" }],
      ],
      ["y"],
      21,
    );
    const nodes = graph.nodes.map((node) => (node.op === "Tokenizer" ? { ...node, domain: "com.microsoft" } : node));
    const { bytes } = await quantize(writeOnnx({ ...graph, ...DOMAINS, nodes }));
    const session = await InferenceSession.create(bytes);
    expect((await session.run({ x: text(["a b", ""]) }))["y"]!.data).toEqual(["a", "b", "none", "#"]);
    await session.release();
  });
});
