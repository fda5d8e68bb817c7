import { readFileSync } from "node:fs";
import fc from "fast-check";
import { PbfWriter } from "pbf";
import { describe, expect, it } from "vitest";
import { BitbasisError } from "../../src/core/errors.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { type GraphProto, type ModelProto, type TypeProto, writeModelProto } from "../../src/onnx/schema.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64 } from "../graph/build.ts";

const model = readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));

/** The type of a float32 tensor of any shape. */
const FLOATS = { tensor_type: { elem_type: 1, shape: undefined }, value: "tensor_type" } as unknown as TypeProto;

/** A model from a message, so that every encoding can be written. */
function encode(graph: Partial<GraphProto>, rest: Partial<ModelProto> = {}): Uint8Array {
  const pbf = new PbfWriter();
  const full = { ir_version: 8, opset_import: [{ domain: "", version: 17 }], graph: graph as GraphProto, ...rest };
  writeModelProto(full, pbf);
  return pbf.finish();
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitbasisError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "";
}

describe("readOnnx", () => {
  it("reads a real model", () => {
    const graph = readOnnx(model);
    expect(graph.inputs).toEqual([{ name: "image", type: "float32", shape: ["N", 1, 28, 28] }]);
    expect(graph.outputs).toEqual([{ name: "logits", type: "float32", shape: ["N", 10] }]);
    expect(graph.nodes).toHaveLength(29);
    expect(new Set(graph.nodes.map((node) => node.name)).size).toBe(29);
  });

  it("reads every encoding of a tensor", () => {
    const utf8 = new TextEncoder();
    const initializer = [
      { name: "floats", dims: [2], data_type: 1, float_data: [1.5, -2] },
      { name: "raw", dims: [2], data_type: 1, raw_data: new Uint8Array(new Float32Array([1, 2]).buffer) },
      { name: "halves", dims: [2], data_type: 10, int32_data: [0x3c00, 0xc000] },
      { name: "brain", dims: [2], data_type: 16, raw_data: new Uint8Array([0x80, 0x3f, 0, 0xc0]) },
      { name: "longs", dims: [2], data_type: 7, int64_data: [-5, 2 ** 40] },
      { name: "bools", dims: [2], data_type: 9, int32_data: [1, 0] },
      { name: "bytes", dims: [2], data_type: 3, int32_data: [-128, 127] },
      { name: "doubles", dims: [], data_type: 11, double_data: [0.1] },
      { name: "unsigned", dims: [1], data_type: 12, uint64_data: [2 ** 32 - 1] },
      { name: "nibbles", dims: [3], data_type: 22, raw_data: new Uint8Array([0x8f, 0x07]) },
      { name: "typed nibbles", dims: [3], data_type: 21, int32_data: [0xf1, 0x07] },
      { name: "pairs", dims: [5], data_type: 26, raw_data: new Uint8Array([0b00111001, 0b01]) },
      { name: "fours", dims: [3], data_type: 23, int32_data: [0xf1, 0x07] },
      { name: "eights", dims: [2], data_type: 17, int32_data: [0x38, 0xff] },
      { name: "true", dims: [3], data_type: 9, raw_data: new Uint8Array([0, 1, 255]) },
      { name: "exact", dims: [3], data_type: 7, int64_data: [2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n] },
      { name: "top", dims: [1], data_type: 13, uint64_data: [2n ** 64n - 1n] },
      { name: "strings", dims: [1], data_type: 8, string_data: [utf8.encode("grüß")] },
      { name: "empty", dims: [0, 3], data_type: 1 },
    ] as unknown as GraphProto["initializer"];
    const { initializers } = readOnnx(encode({ initializer }));
    const read = (name: string) => Array.from(initializers.get(name)!.data as ArrayLike<unknown>);
    expect(read("floats")).toEqual([1.5, -2]);
    expect(read("raw")).toEqual([1, 2]);
    expect(read("halves")).toEqual([0x3c00, 0xc000]);
    expect(read("brain")).toEqual([0x3f80, 0xc000]);
    expect(initializers.get("brain")!.type).toBe("bfloat16");
    expect(read("longs")).toEqual([-5n, 2n ** 40n]);
    expect(read("bools")).toEqual([1, 0]);
    expect(read("bytes")).toEqual([-128, 127]);
    expect(read("doubles")).toEqual([0.1]);
    expect(read("unsigned")).toEqual([2 ** 32 - 1]);
    expect(read("nibbles")).toEqual([-1, -8, 7]);
    expect(initializers.get("nibbles")!.type).toBe("int4");
    expect(read("typed nibbles")).toEqual([1, 15, 7]);
    expect(read("pairs")).toEqual([1, -2, -1, 0, 1]);
    expect(read("fours")).toEqual([1, 15, 7]);
    expect(initializers.get("fours")!.type).toBe("float4e2m1");
    expect(read("eights")).toEqual([0x38, 0xff]);
    expect(read("true")).toEqual([0, 1, 1]);
    expect(read("exact")).toEqual([2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n]);
    expect(read("top")).toEqual([2n ** 64n - 1n]);
    expect(read("strings")).toEqual(["grüß"]);
    expect(initializers.get("empty")!.dims).toEqual([0, 3]);
  });

  it("takes external data and says which file is missing", () => {
    const external_data = [
      { key: "location", value: "weights.bin" },
      { key: "offset", value: "4" },
      { key: "length", value: "8" },
    ];
    const initializer = [
      { name: "w", dims: [2], data_type: 1, data_location: 1, external_data },
    ] as GraphProto["initializer"];
    const bytes = encode({ initializer });
    const file = new Uint8Array(new Float32Array([9, 1, 2]).buffer);
    const { initializers } = readOnnx(bytes, { externalData: { "weights.bin": file } });
    expect(initializers.get("w")!.data).toEqual(new Float32Array([1, 2]));
    expect(code(() => readOnnx(bytes))).toContain('externalData["weights.bin"]');
    expect(code(() => readOnnx(bytes, { externalData: { "weights.bin": file.subarray(0, 8) } }))).toContain("4..12");
  });

  it("sorts nodes, names unnamed ones, and turns Constant nodes into initializers", () => {
    const plain = { name: "", domain: "", overload: "", attribute: [] };
    const value = { name: "value_ints", type: 7, ints: [3, 4] };
    const graph = readOnnx(
      encode({
        input: [{ name: "x", type: FLOATS }],
        output: [{ name: "z", type: undefined }],
        node: [
          { ...plain, op_type: "Neg", input: ["y"], output: ["z"] },
          { ...plain, op_type: "Relu", input: ["x"], output: ["y"] },
          { ...plain, op_type: "Constant", input: [], output: ["c"], attribute: [value] },
        ] as unknown as GraphProto["node"],
      }),
    );
    expect(graph.nodes.map((node) => node.name)).toEqual(["Relu_1", "Neg_0"]);
    expect(graph.initializers.get("c")).toMatchObject({ type: "int64", dims: [2] });
    expect(graph.inputs).toEqual([{ name: "x", type: "float32", shape: undefined }]);
  });

  it("names what is wrong with a graph", () => {
    const relu = (input: string, output: string) => ({
      name: output,
      op_type: "Relu",
      domain: "",
      overload: "",
      input: [input],
      output: [output],
      attribute: [],
    });
    expect(code(() => readOnnx(encode({ node: [relu("b", "a"), relu("a", "b")] })))).toMatch(
      /^MODEL: the graph has a cycle: "a" → "b" → "a"/,
    );
    expect(code(() => readOnnx(encode({ node: [relu("b", "a")] })))).toContain(
      'node "a" (Relu) reads "b", which nothing makes',
    );
    const input = [{ name: "x", type: FLOATS }];
    expect(code(() => readOnnx(encode({ input, node: [relu("x", "a"), relu("x", "a")] })))).toContain(
      'two values are named "a"',
    );
    expect(code(() => readOnnx(encode({ output: [{ name: "o", type: undefined }] })))).toContain('output "o"');
    const short = [
      { name: "w", dims: [2 ** 40, 2 ** 10], data_type: 1, raw_data: new Uint8Array(4) },
    ] as GraphProto["initializer"];
    expect(code(() => readOnnx(encode({ initializer: short })))).toMatch(/^MODEL: initializer "w" .* got 4 bytes/);
  });

  it("refuses what is newer than it knows", () => {
    expect(code(() => readOnnx(encode({}, { ir_version: 99 })))).toMatch(/^UNSUPPORTED: ONNX IR version 99/);
    expect(code(() => readOnnx(encode({}, { opset_import: [{ domain: "", version: 60 }] })))).toMatch(
      /^UNSUPPORTED: opset 60/,
    );
    expect(
      code(() =>
        readOnnx(encode({ initializer: [{ name: "w", dims: [1], data_type: 14 }] as GraphProto["initializer"] })),
      ),
    ).toContain("complex64");
  });

  it("recognizes files that people pass by mistake", () => {
    const text = (s: string) => new TextEncoder().encode(s);
    expect(code(() => readOnnx(new Uint8Array(0)))).toContain("no bytes");
    expect(code(() => readOnnx(text("\n <!DOCTYPE html>")))).toContain("HTML");
    expect(code(() => readOnnx(text("version https://git-lfs.github.com/spec/v1\n")))).toContain("LFS");
    expect(code(() => readOnnx(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])))).toContain("PNG");
    expect(() => readOnnx("model.onnx" as unknown as Uint8Array)).toThrow(TypeError);
  });

  it("answers any bytes with a graph or a BitbasisError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        code(() => readOnnx(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it("answers truncations and flipped bits of a real model with a graph or a BitbasisError", () => {
    for (let length = 0; length < model.length; length += 1 + Math.floor(length / 37)) {
      expect(code(() => readOnnx(model.subarray(0, length)))).not.toBe("");
    }
    // The weights are most of the bytes: flip in the structure around them too.
    const property = fc.property(
      fc.nat(model.length * 8 - 1),
      fc.nat(4000 * 8),
      fc.boolean(),
      (anywhere, early, near) => {
        const bytes = Uint8Array.from(model);
        const bit = near ? bytes.length * 8 - 1 - early : anywhere;
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        code(() => readOnnx(bytes));
      },
    );
    fc.assert(property, { numRuns: 1500 });
  });

  it("is not hung or exhausted by hostile lengths", () => {
    // A graph that says it has 2^60 bytes, and messages nested in each other 100,000 times.
    expect(code(() => readOnnx(new Uint8Array([8, 8, 58, 255, 255, 255, 255, 255, 255, 255, 255, 15])))).toContain(
      "MODEL",
    );
    for (const type of [3, 4, 6, 7])
      expect(code(() => readOnnx(new Uint8Array([8, 8, 0x38 + type])))).toBe(
        `MODEL: not an ONNX model, or a truncated one (3 bytes): a field has wire type ${type}`,
      );
    const nested = new Uint8Array(400_000).fill(0x3a);
    expect(code(() => readOnnx(nested))).toContain("MODEL");
  });
});

describe("writeOnnx", () => {
  it("writes what readOnnx reads back, for a real model", () => {
    const graph = readOnnx(model);
    expect(readOnnx(writeOnnx(graph))).toEqual(graph);
  });

  it("keeps attributes, subgraphs, types and shapes", () => {
    const body = build({}, { inner: f32([2]) }, [["Add", ["x", "inner"], ["sum"]]], ["sum"]);
    const graph = build(
      { x: ["N", 2], mask: { type: "bool", shape: [] } },
      { c: new Tensor("float16", new Uint16Array([1, 2, 3])), s: new Tensor("string", ["a", "ß"]), k: i64(-1, 5) },
      [
        [
          "If",
          ["mask"],
          ["y"],
          { then_branch: body, else_branch: { ...body, nodes: [{ ...body.nodes[0]!, name: "other" }] } },
        ],
        ["LeakyRelu", ["y"], ["z"], { alpha: 1 }],
        [
          "custom.domain/Thing",
          ["z", "", "c"],
          ["out"],
          { ints: [1, -2], real: 0.5, text: "é", texts: ["a", "b"], value: f32([1]) },
        ],
      ],
      ["out"],
    );
    // "alpha" is written as the float that it is, although its value is whole, and the reader notes that.
    const nodes = graph.nodes.map((node) => (node.op === "LeakyRelu" ? { ...node, kinds: { alpha: "float" } } : node));
    expect(readOnnx(writeOnnx(graph))).toEqual({ ...graph, nodes });
  });

  it("keeps any tensor", () => {
    const tensor = fc.oneof(
      fc.float32Array({ maxLength: 9 }).map((data) => new Tensor("float32", data)),
      fc.bigInt64Array({ maxLength: 9 }).map((data) => new Tensor("int64", data)),
      fc.uint8Array({ maxLength: 9 }).map((data) => new Tensor("uint8", data)),
      fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 }).map((data) => new Tensor("string", data)),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1, unit: "grapheme" }), tensor), (initializers) => {
        const graph = build({}, initializers, [], []);
        expect(readOnnx(writeOnnx(graph)).initializers).toEqual(graph.initializers);
      }),
    );
  });
});
