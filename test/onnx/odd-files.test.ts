import { describe, expect, it } from "vitest";
import { BitbasisError } from "../../src/core/errors.ts";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { attributeType, graphFromJson, graphToJson, isGraph } from "../../src/graph/index.ts";
import { MAX_IR_VERSION, MAX_OPSET, readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import type { AttributeProto, GraphProto, ModelProto, NodeProto } from "../../src/onnx/schema.ts";
import { quantize } from "../../src/quantize/index.ts";
import { build } from "../graph/build.ts";
import { bodyProto, encode, functionProto, nodeProto, valueProto } from "./proto.ts";

type Initializers = GraphProto["initializer"];

const float = (name: string, dims: number[], float_data: number[]) => ({ name, dims, data_type: 1, float_data });
const ints = (name: string, values: (number | bigint)[]) => ({
  name,
  dims: [values.length],
  data_type: 7,
  int64_data: values,
});
const attribute = (name: string, type: number, rest: Partial<AttributeProto>) =>
  ({ name, type, ref_attr_name: "", ...rest }) as AttributeProto;

/** The error of a file, which must be one of ours. */
function refused(graph: Partial<GraphProto>, rest: Partial<ModelProto> = {}): string {
  try {
    readOnnx(encode(graph, rest));
  } catch (error) {
    if (error instanceof BitbasisError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "";
}

async function outputs(bytes: Uint8Array, feeds: Record<string, Tensor> = {}): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const relu = (input: string, output: string): NodeProto => nodeProto("Relu", [input], [output]);

describe("versions", () => {
  it.each([
    [3, 1],
    [7, 13],
    [MAX_IR_VERSION, MAX_OPSET],
  ])("IR %i with opset %i runs", async (ir_version, version) => {
    const graph = { input: [valueProto("x", [2])], output: [valueProto("y")], node: [relu("x", "y")] } as GraphProto;
    const bytes = encode(graph, { ir_version, opset_import: [{ domain: "ai.onnx", version }] });
    expect((await outputs(bytes, { x: new Tensor("float32", [-1, 1]) }))["y"]!.data).toEqual(Float32Array.of(0, 1));
  });

  it("before opset 6 a Cast names its type, since then it gives the number", async () => {
    const to = { s: new TextEncoder().encode("INT32") };
    const node = [nodeProto("Cast", ["x"], ["y"], [attribute("to", 3, to)])];
    const graph = { input: [valueProto("x", [2])], output: [valueProto("y", [2], 6)], node };
    const of = (version: number): Uint8Array => encode(graph, { opset_import: [{ domain: "", version }] });
    const { y } = await outputs(of(5), { x: new Tensor("float32", [-1.5, 2]) });
    expect(y!.data).toEqual(Int32Array.of(-1, 2));
    await expect(outputs(of(6))).rejects.toThrow('"to" expected an integer, got "INT32"');
  });

  it("beyond the newest known ones are refused, and so is opset 0", () => {
    const code = (ir_version: number, version: number) => () =>
      readOnnx(encode({}, { ir_version, opset_import: [{ domain: "", version }] }));
    expect(code(MAX_IR_VERSION + 1, 17)).toThrow("ONNX IR version 15 is newer than 14");
    expect(code(8, MAX_OPSET + 1)).toThrow("opset 29 is newer than 28");
    expect(code(8, 0)).toThrow("opset 0 expected a version from 1 on");
  });
});

describe("element types of a network", () => {
  const cast = (to: number, input: string, output: string) =>
    nodeProto("Cast", [input], [output], [attribute("to", 2, { i: to })]);

  it.each([
    [10, [1.0009765625, Number.POSITIVE_INFINITY]],
    [16, [1, 70144]],
    [17, [1, 448]],
  ])("a Cast of float32 to type %i and back rounds", async (to, expected) => {
    const node = [cast(to, "x", "a"), cast(1, "a", "y")];
    const bytes = encode({ input: [valueProto("x", [2])], output: [valueProto("y")], node });
    const { y } = await outputs(bytes, { x: new Tensor("float32", [1.0011, 70000]) });
    expect(Array.from(y!.data as Float32Array)).toEqual(expected);
  });

  it.each([
    ["float16", 10, [0x4001, 0x7c00]],
    ["bfloat16", 16, [0x4000, 0x4809]],
  ] as const)(
    "operators on %s between float32 weights compute in float32 and round each result",
    async (type, to, bits) => {
      const initializer = [float("one", [1], [1])] as unknown as Initializers;
      const node = [
        cast(to, "x", "a"),
        cast(to, "one", "b"),
        nodeProto("Mul", ["a", "b"], ["c"]),
        nodeProto("Add", ["c", "c"], ["y"]),
      ];
      const bytes = encode({ input: [valueProto("x", [2])], output: [valueProto("y", [2], to)], node, initializer });
      const { y } = await outputs(bytes, { x: new Tensor("float32", [1.0011, 70000]) });
      expect(y!.type).toBe(type);
      const { buffer, byteOffset } = y!.data as Uint16Array;
      expect(Array.from(new Uint16Array(buffer, byteOffset, 2))).toEqual(bits);
    },
  );

  it("narrow types go through a container", async () => {
    const initializer = [
      { name: "w", dims: [3], data_type: 22, raw_data: new Uint8Array([0x8f, 0x07]) },
      { name: "b", dims: [3], data_type: 16, int32_data: [0x3f80, 0, 0xc000] },
      float("many", [9], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] as unknown as Initializers;
    const node = [
      nodeProto("Identity", ["w"], ["w2"]),
      cast(1, "b", "b2"),
      nodeProto("ReduceSum", ["many"], ["sum"], [attribute("keepdims", 2, { i: 0 })]),
      nodeProto("Add", ["sum", "x"], ["y"]),
    ];
    const output = [valueProto("w2", [3], 22), valueProto("b2"), valueProto("y")];
    const bytes = encode({ input: [valueProto("x", [])], output, node, initializer });
    const feeds = { x: new Tensor("float32", [1], []) };
    for (const file of [bytes, (await quantize(bytes)).bytes]) {
      const { w2, b2, y } = await outputs(file, feeds);
      expect(w2).toMatchObject({ type: "int4", data: Int8Array.of(-1, -8, 7) });
      expect(Array.from(b2!.data as Float32Array)).toEqual([1, 0, -2]);
      expect(y!.data).toEqual(Float32Array.of(46));
    }
    const graph = readOnnx(bytes);
    const { json, initializers } = graphToJson(graph);
    expect(json.types).toEqual({ w: "int4", b: "bfloat16" });
    expect(initializers.get("w")!.type).toBe("int8");
    expect(graphFromJson(JSON.parse(JSON.stringify(json)), initializers)).toEqual(graph);
    expect(readOnnx(writeOnnx(graph))).toEqual(graph);
  });
});

describe("attributes", () => {
  it("keep what they are through ONNX and JSON", () => {
    const node = nodeProto(
      "local/Thing",
      ["x"],
      ["y"],
      [
        attribute("whole", 1, { f: 2 }),
        attribute("minus", 1, { f: -0 }),
        attribute("nan", 1, { f: Number.NaN }),
        attribute("count", 2, { i: 2 }),
        attribute("reals", 6, { floats: [1, 2] }),
        attribute("none", 6, { floats: [] }),
        attribute("integers", 7, { ints: [] }),
        attribute("texts", 8, { strings: [] }),
        attribute("end", 2, { i: 2n ** 63n - 1n }),
        attribute("start", 2, { i: -(2n ** 63n) }),
        attribute("kind", 13, { tp: valueProto("", [1]).type! }),
      ],
    );
    const graph = readOnnx(encode({ input: [valueProto("x")], output: [valueProto("y")], node: [node] }));
    const { json, initializers } = graphToJson(graph);
    const again = [readOnnx(writeOnnx(graph)), graphFromJson(JSON.parse(JSON.stringify(json)), initializers)];
    for (const { nodes } of [graph, ...again]) {
      const { attributes } = nodes[0]!;
      const types = Object.fromEntries(Object.keys(attributes).map((name) => [name, attributeType(nodes[0]!, name)]));
      expect(types).toEqual({
        ...{ whole: "float", minus: "float", nan: "float", count: "int", reals: "floats", none: "floats" },
        ...{ integers: "ints", texts: "texts", end: "int", start: "int", kind: "text" },
      });
      expect(attributes["minus"]).toBe(-0);
      expect(attributes["nan"]).toBeNaN();
      expect(attributes["start"]).toBe(-(2 ** 63));
      expect(attributes["end"]).toBe(2 ** 63 - 1024);
      expect(attributes["kind"]).toBe("tensor(float32)");
    }
    const utf8 = Buffer.from(writeOnnx(graph));
    // 2^63 − 1 as a varint
    expect(utf8.includes(Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 127]))).toBe(true);
  });

  it("of Constant keep all bits, and sparse ones become dense", async () => {
    const sparse = (indices: (number | bigint)[], dims: number[], rows = [indices.length]) => ({
      values: float("", [2], [7, 8]),
      indices: { ...ints("", indices), dims: rows },
      dims,
    });
    const constant = (name: string, attribute: AttributeProto) => nodeProto("Constant", [], [name], [attribute]);
    const node = [
      constant("wide", attribute("value_int", 2, { i: 2n ** 53n + 1n })),
      constant("list", attribute("value_ints", 7, { ints: [-(2n ** 63n), 5] })),
      constant("linear", attribute("sparse_value", 11, { sparse_tensor: sparse([1, 3], [2, 2]) as never })),
      constant(
        "pairs",
        attribute("sparse_value", 11, { sparse_tensor: sparse([0, 1, 1, 0], [2, 2], [2, 2]) as never }),
      ),
    ];
    const output = ["wide", "list", "linear", "pairs", "w"].map((name) => valueProto(name));
    const sparse_initializer = [{ ...sparse([0, 2], [3]), values: float("w", [2], [7, 8]) }] as never;
    const results = await outputs(encode({ node, output, sparse_initializer }));
    expect(results["wide"]!.data).toEqual(BigInt64Array.of(2n ** 53n + 1n));
    expect(results["list"]!.data).toEqual(BigInt64Array.of(-(2n ** 63n), 5n));
    expect(results["linear"]).toMatchObject({ dims: [2, 2], data: Float32Array.of(0, 7, 0, 8) });
    expect(results["pairs"]).toMatchObject({ dims: [2, 2], data: Float32Array.of(0, 7, 8, 0) });
    expect(results["w"]!.data).toEqual(Float32Array.of(7, 0, 8));
    const bad = (tensor: object) =>
      refused({ node: [constant("c", attribute("sparse_value", 11, { sparse_tensor: tensor as never }))] });
    expect(bad(sparse([1, 4], [2, 2]))).toContain('index 4 of the constant "c" expected 0..3');
    expect(bad(sparse([1], [2, 2]))).toContain("expected the shape [2] or [2, 2], got [1]");
    expect(bad(sparse([0, 1], [2 ** 20, 2 ** 20]))).toMatch(/^MEMORY: .* too large to be stored dense/);
  });

  it("that a file damages are refused", () => {
    const one = (...all: AttributeProto[]) =>
      refused({ input: [valueProto("x")], node: [nodeProto("Elu", ["x"], ["y"], all)] });
    expect(one(attribute("alpha", 1, { f: 1 }), attribute("alpha", 1, { f: 2 }))).toContain(
      'has two attributes "alpha"',
    );
    expect(one(attribute("value", 4, {}))).toContain("says that it is of kind 4, and has no such value");
    expect(one(attribute("value", 77, {}))).toMatch(/^UNSUPPORTED: .* of a kind \(77\)/);
    expect(refused({ node: [nodeProto("Constant", [], ["c"])] })).toContain("expected one value, got 0");
  });
});

describe("names and shapes of a file", () => {
  it("may be those of JavaScript's own", async () => {
    const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
    for (const name of names) {
      const node = [nodeProto("Add", [name, "w"], ["y"], [], { name })];
      const initializer = [float("w", [1], [1])] as unknown as Initializers;
      const graph = readOnnx(
        encode(
          { input: [valueProto(name, [1])], output: [valueProto("y")], node, initializer },
          {
            opset_import: [
              { domain: "", version: 17 },
              { domain: name, version: 3 },
            ],
          },
        ),
      );
      expect(graph.inputs[0]!.name).toBe(name);
      expect(Object.getOwnPropertyDescriptor(graph.opsets, name)?.value).toBe(3);
      const read = readOnnx(
        encode({ input: [valueProto("x")], node: [nodeProto("Elu", ["x"], ["y"], [attribute(name, 2, { i: 1 })])] }),
      );
      expect(Object.entries(read.nodes[0]!.attributes)).toEqual([[name, 1]]);
    }
  });

  it("may look like ours, but not be ours", async () => {
    const name = "folded:int64[1]:7";
    const initializer = [
      ints(name, [100]),
      ints("three", [3]),
      ints("four", [4]),
      ints("zero", [0]),
    ] as unknown as Initializers;
    const node = [nodeProto("Add", ["three", "four"], ["y"]), nodeProto("Add", [name, "zero"], ["w"])];
    const { y, w } = await outputs(
      encode({ output: [valueProto("y", [1], 7), valueProto("w", [1], 7)], node, initializer }),
    );
    expect([y!.data, w!.data]).toEqual([BigInt64Array.of(7n), BigInt64Array.of(100n)]);
    expect(refused({ input: [valueProto("\0folded:x")] })).toMatch(/^MODEL: an input expected a name, got/);
    expect(refused({ node: [nodeProto("Relu", ["x"], ["\0y"])], input: [valueProto("x")] })).toMatch(/^MODEL/);
    expect(refused({ initializer: [float("", [1], [1])] as unknown as Initializers })).toContain(
      "an initializer expected a name",
    );
  });

  it("let an initializer be an output, and be read besides", async () => {
    const initializer = [float("w", [2], [1, 2])] as unknown as Initializers;
    const node = [nodeProto("Add", ["x", "w"], ["y"])];
    const output = [valueProto("y"), valueProto("w")];
    const bytes = encode({ input: [valueProto("x", [2])], output, node, initializer });
    const { y, w } = await outputs(bytes, { x: new Tensor("float32", [10, 20]) });
    expect([y!.data, w!.data]).toEqual([Float32Array.of(11, 22), Float32Array.of(1, 2)]);
    // Slice must know its bounds before it runs.
    const bounds = [ints("from", [1]), ints("to", [2])] as unknown as Initializers;
    const sliced = encode({
      input: [valueProto("x", [2])],
      output: [valueProto("y"), valueProto("from", [1], 7)],
      node: [nodeProto("Slice", ["x", "from", "to"], ["y"])],
      initializer: bounds,
    });
    const results = await outputs(sliced, { x: new Tensor("float32", [10, 20]) });
    expect([results["y"]!.data, results["from"]!.data]).toEqual([Float32Array.of(20), BigInt64Array.of(1n)]);
  });

  it("give an output that is listed twice once", async () => {
    const output = [valueProto("y"), valueProto("x"), valueProto("y"), valueProto("x")];
    const bytes = encode({ input: [valueProto("x", [1])], output, node: [nodeProto("Neg", ["x"], ["y"])] });
    const results = await outputs(bytes, { x: new Tensor("float32", [5]) });
    expect(Object.entries(results).map(([name, { data }]) => [name, data[0]])).toEqual([
      ["y", -5],
      ["x", 5],
    ]);
  });

  it("are checked", () => {
    const tensor = (dims: number[], rest: object = {}) =>
      refused({ initializer: [{ name: "w", dims, data_type: 1, ...rest }] as unknown as Initializers });
    expect(tensor([-1])).toMatch(/^MODEL: initializer "w" has shape/);
    expect(tensor([2 ** 40, 2 ** 40])).toContain("too many elements");
    expect(tensor([2 ** 40, 2 ** 40, 0])).toBe("");
    expect(tensor([3], { raw_data: new Uint8Array(8) })).toContain("expected 3 elements, got 8 bytes");
    const twice = [float("w", [1], [1]), float("w", [1], [1])] as unknown as Initializers;
    expect(refused({ initializer: twice })).toContain('two values are named "w"');
    const wrong = encode({
      input: [valueProto("w", [1], 7)],
      initializer: [float("w", [1], [1])] as unknown as Initializers,
    });
    expect(() => readOnnx(wrong)).toThrow('input "w" expected a default of type int64, got float32');
  });

  // That the time for it is linear in the count is seen by test/graph/linear-time.test.ts.
  it("are numbered", () => {
    const count = 2000;
    const node = Array.from({ length: count }, (_, i) =>
      nodeProto("Relu", [i === 0 ? "x" : `y${i - 1}`], [`y${i}`], [], { name: "n" }),
    );
    const { nodes } = readOnnx(encode({ input: [valueProto("x")], node }));
    expect(nodes.slice(0, 3).map(({ name }) => name)).toEqual(["n", "n_1", "n_2"]);
    expect(new Set(nodes.map(({ name }) => name)).size).toBe(count);
  });

  it.each([
    [100, ""],
    [101, "graphs lie in each other over more than 100 levels"],
    [132, "graphs lie in each other over more than 100 levels"],
    [133, "messages lie in each other over more than 400 levels"],
    [300, "messages lie in each other over more than 400 levels"],
  ])("may have bodies in each other to a bound: %i levels", (levels, why) => {
    let body = bodyProto("then_branch", [], ["x"]);
    for (let i = 1; i < levels; i++)
      body = bodyProto("then_branch", [nodeProto("If", ["x"], [`o${i}`], [body])], [`o${i}`]);
    const graph = { input: [valueProto("x")], node: [nodeProto("If", ["x"], ["y"], [body])] };
    // Calls of functions are looked for in bodies before these are read.
    for (const functions of [[], [functionProto("f", ["a"], ["b"], [])]]) {
      const told = refused(graph, { functions });
      if (why === "") expect(told).toBe("");
      else expect(told).toContain(why);
    }
  });

  it("may have types in each other to a bound", () => {
    let type: object = valueProto("", [2]).type!;
    for (let i = 0; i < 200; i++) type = { sequence_type: { elem_type: type } };
    expect(refused({ input: [{ name: "x", type: type as never }] })).toContain("over more than 400 levels");
  });

  it("say whether a value is a sequence or an optional", () => {
    const tensor = valueProto("", [2], 7).type!;
    const sequence = { sequence_type: { elem_type: tensor } };
    const graph = readOnnx(
      encode({
        input: [
          { name: "s", type: sequence as never },
          { name: "o", type: { optional_type: { elem_type: sequence } } as never },
        ],
        output: [valueProto("s")],
      }),
    );
    expect(graph.inputs.map(({ holder, type, shape }) => [holder, type, shape])).toEqual([
      ["sequence", "int64", [2]],
      ["optional sequence", "int64", [2]],
    ]);
    expect(readOnnx(writeOnnx(graph)).inputs).toEqual(graph.inputs);
    expect(refused({ input: [{ name: "m", type: {} as never }] })).toMatch(/^UNSUPPORTED: input "m" is of a type/);
  });

  it("of bodies are kept by containers", () => {
    const body = build({}, { __proto__x: new Tensor("int4", [1]) }, [["Identity", ["__proto__x"], ["y"]]], ["y"]);
    const graph = build(
      { c: { type: "bool", shape: [] } },
      {},
      [["If", ["c"], ["y"], { then_branch: body, else_branch: body }]],
      ["y"],
    );
    const { json, initializers } = graphToJson(graph);
    const branch = graphFromJson(json, initializers).nodes[0]!.attributes["then_branch"]!;
    expect(isGraph(branch) && branch.initializers.get("__proto__x")).toMatchObject({ type: "int4" });
  });
});
