import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelFacts, Parcels } from "../../src/pool/index.ts";
import { datatypeOf, typeOf } from "../../src/serve/datatypes.ts";
import { HttpError } from "../../src/serve/http-error.ts";
import { modelMetadata, readInfer, writeInfer } from "../../src/serve/protocol.ts";
import { allocateData, type ElementType } from "../../src/tensor/index.ts";

const TYPES = [
  "bool",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
  "string",
] as const;

function facts(type: ElementType, shape: readonly (number | string)[]): ModelFacts {
  const values = [{ name: "x", type, shape }];
  return { inputs: values, outputs: values, digest: "d", terms: 1 };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function fails(model: ModelFacts, body: Uint8Array, header?: string): string {
  try {
    readInfer(body, header, model);
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
    expect((error as HttpError).status).toBe(400);
    return (error as Error).message;
  }
  throw new Error("it was taken");
}

const one = (input: object, more: object = {}): Uint8Array => json({ inputs: [{ name: "x", ...input }], ...more });

describe("requests in JSON", () => {
  it("are read flat and nested, with an id and the outputs that are wanted", () => {
    const model = facts("float32", ["N", 2]);
    const flat = readInfer(
      one({ shape: [2, 2], datatype: "FP32", data: [1, 2.5, 0, "NaN"] }, { id: "7" }),
      undefined,
      model,
    );
    expect(flat.id).toBe("7");
    expect(flat.feeds["x"]).toEqual({ type: "float32", dims: [2, 2], data: Float32Array.of(1, 2.5, 0, Number.NaN) });
    expect([...flat.outputs]).toEqual([["x", false]]);
    const outputs = [{ name: "x", parameters: { binary_data: true } }];
    const nested = readInfer(
      one(
        {
          shape: [2, 2],
          datatype: "FP32",
          data: [
            [1, 2],
            [3, 4],
          ],
        },
        { outputs },
      ),
      undefined,
      model,
    );
    expect(nested.feeds["x"]!.data).toEqual(Float32Array.of(1, 2, 3, 4));
    expect([...nested.outputs]).toEqual([["x", true]]);
  });

  it.each([
    ["BOOL", "bool", [true, 0], Uint8Array.of(1, 0)],
    ["INT64", "int64", ["-9223372036854775808", 5], BigInt64Array.of(-(2n ** 63n), 5n)],
    ["UINT64", "uint64", ["18446744073709551615", 5], BigUint64Array.of(2n ** 64n - 1n, 5n)],
    ["UINT8", "uint8", [255, 0], Uint8Array.of(255, 0)],
    ["BYTES", "string", ["a", "ü"], ["a", "ü"]],
  ] as const)("hold %s", (datatype, type, data, expected) => {
    expect(readInfer(one({ shape: [2], datatype, data }), undefined, facts(type, [2])).feeds["x"]!.data).toEqual(
      expected,
    );
  });

  it.each([
    ["float32", "FP32", [1e300, 0], /expected FP32, got 1e\+300 as element 0/],
    ["float32", "FP32", [0, null], /got null as element 1/],
    ["float32", "FP32", ["1", 0], /got "1" as element 0/],
    ["int8", "INT8", [128, 0], /expected INT8, got 128/],
    ["int32", "INT32", [0.5, 0], /got 0.5/],
    ["int64", "INT64", [2 ** 53, 0], /expected INT64/],
    ["uint64", "UINT64", ["-1", 0], /expected UINT64/],
    ["bool", "BOOL", [2, 0], /expected BOOL, got 2/],
    ["string", "BYTES", [1, "a"], /expected BYTES, got 1/],
    ["float16", "FP16", [1, 0], /FP16 has no form in JSON/],
    ["float32", "FP32", [1], /expected 2 elements, got 1/],
    ["float32", "FP32", [[1, 2]], /expected 2 entries on axis 0, got 1 entries/],
    ["float32", "FP32", { 0: 1 }, /expected an array "data"/],
    ["float32", "FP32", undefined, /got nothing/],
    ["float32", "FP64", [1, 2], /expected datatype FP32, got "FP64"/],
  ] as const)("of %s as %s with %j are refused", (type, datatype, data, message) => {
    expect(fails(facts(type, [2]), one({ shape: [2], datatype, data }))).toMatch(message);
  });

  it.each([
    [json([]), /expected an object/],
    [new TextEncoder().encode("{"), /is not JSON/],
    [Uint8Array.of(0x22, 0xff, 0x22), /is not UTF-8/],
    [json({}), /"inputs" expected an array of objects, got nothing/],
    [json({ inputs: [] }), /missing "x"/],
    [json({ inputs: [{ name: "y" }] }), /has no input "y"; it has "x"/],
    [json({ id: 5, inputs: [] }), /"id" expected a string/],
    [one({ shape: "2", datatype: "FP32", data: [] }), /"shape" of integers/],
    [one({ shape: [-1], datatype: "FP32", data: [] }), /"shape" of integers/],
    [one({ shape: [3], datatype: "FP32", data: [1, 2, 3] }), /expected shape \[2\], got \[3\]/],
    [one({ shape: [1, 2], datatype: "FP32", data: [1, 2] }), /expected shape \[2\], got \[1, 2\]/],
    [one({ shape: [2], datatype: "FP32", data: [1, 2] }, { outputs: [{ name: "q" }] }), /has no output "q"/],
    [
      one({ shape: [2], datatype: "FP32", data: [1, 2] }, { parameters: { binary_data_output: 1 } }),
      /expected true or false/,
    ],
    [one({ shape: [2], datatype: "FP32", data: [1, 2] }, { parameters: [] }), /"parameters" expected an object/],
    [json({ inputs: [1, 2].map(() => ({ name: "x", shape: [2], datatype: "FP32", data: [1, 2] })) }), /given twice/],
  ])("number %# is refused", (body, message) => {
    expect(fails(facts("float32", [2]), body)).toMatch(message);
  });

  it("allocate nothing for a shape that they do not fill", () => {
    expect(
      fails(facts("float32", ["N", "M"]), one({ shape: [2 ** 30, 2 ** 20], datatype: "FP32", data: [1] })),
    ).toMatch(/elements, got 1/);
  });

  it("end in a 400 or in feeds, whatever they are", () => {
    const model = facts("float32", ["N"]);
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        fc.jsonValue(),
        fc.record(
          { inputs: fc.array(tie("input")), parameters: fc.jsonValue(), outputs: fc.jsonValue() },
          { requiredKeys: ["inputs"] },
        ),
      ),
      input: fc.record({
        name: fc.constantFrom("x", "__proto__"),
        shape: fc.array(fc.integer({ min: -1, max: 4 })),
        datatype: fc.constantFrom("FP32", "toString"),
        data: fc.jsonValue(),
        parameters: fc.option(fc.record({ binary_data_size: fc.jsonValue() }), { nil: undefined }),
      }),
    })).any;
    fc.assert(
      fc.property(value, fc.uint8Array({ maxLength: 16 }), (request, tail) => {
        const head = json(request);
        try {
          const { feeds } = readInfer(Buffer.concat([head, tail]), String(head.length), model);
          expect(Object.keys(feeds)).toEqual(["x"]);
        } catch (error) {
          expect((error as HttpError).status).toBe(400);
        }
      }),
    );
  });
});

describe("binary data", () => {
  it.each(TYPES)("of %s comes back as it went", (type) => {
    const data = type === "string" ? ["", "äöü", "x\0"] : allocateData(type, 3);
    if (type !== "string")
      new Uint8Array((data as Uint8Array).buffer).forEach((_, i, bytes) => {
        bytes[i] = type === "bool" ? i % 2 : 17 * i + 3;
      });
    const outputs: Parcels = { x: { type, dims: [3], data } };
    const { headers, body } = writeInfer(
      { id: undefined, outputs: new Map([["x", true]]) },
      { name: "m", version: "1", digest: "d" },
      outputs,
    );
    const length = headers["inference-header-content-length"]!;
    const answer = JSON.parse(new TextDecoder().decode(body.subarray(0, Number(length))));
    const request = json({ inputs: answer.outputs, parameters: { binary_data_output: true } });
    const read = readInfer(
      Buffer.concat([request, body.subarray(Number(length))]),
      String(request.length),
      facts(type, [3]),
    );
    expect(read.feeds).toEqual(outputs);
    expect([...read.outputs]).toEqual([["x", true]]);
    expect(typeOf(datatypeOf(type))).toBe(type);
  });

  it.each([
    [8, 7, /expected an integer in 0..7/],
    [8, 9, /have 8 bytes of binary data, the body has 9/],
    [4, 4, /expected 8 bytes, got 4/],
    ["8", 8, /got "8"/],
  ])("of %j told and %i sent is refused", (told, sent, message) => {
    const head = one({ shape: [2], datatype: "FP32", parameters: { binary_data_size: told } });
    expect(fails(facts("float32", [2]), Buffer.concat([head, new Uint8Array(sent)]), String(head.length))).toMatch(
      message,
    );
  });

  it("of texts is held against its lengths", () => {
    for (const [bytes, message] of [
      [[9, 0, 0, 0, 65], /text 0 ends after/],
      [[1, 0], /text 0 ends after/],
      [[1, 0, 0, 0, 255], /is not UTF-8/],
      [[0, 0, 0, 0], /expected 2 texts, got 1/],
    ] as const) {
      const head = one({ shape: [2], datatype: "BYTES", parameters: { binary_data_size: bytes.length } });
      expect(fails(facts("string", [2]), Buffer.concat([head, Uint8Array.from(bytes)]), String(head.length))).toMatch(
        message,
      );
    }
  });

  it.each(["-1", "1e1", "99999", "1,2", " 3"])("behind a header length of %j is refused", (header) => {
    expect(fails(facts("float32", [2]), one({}), header)).toMatch(/Inference-Header-Content-Length expected/);
  });
});

describe("answers", () => {
  it("in JSON keep every bit: -0, NaN and 64-bit integers", () => {
    const outputs: Parcels = {
      f: {
        type: "float32",
        dims: [4],
        data: Float32Array.of(-0, Number.NaN, Number.NEGATIVE_INFINITY, Math.fround(0.1)),
      },
      i: { type: "int64", dims: [1], data: BigInt64Array.of(2n ** 62n + 1n) },
      b: { type: "bool", dims: [2], data: Uint8Array.of(1, 0) },
    };
    const wanted = new Map(["f", "i", "b"].map((name) => [name, false]));
    const text = new TextDecoder().decode(
      writeInfer({ id: 'a"', outputs: wanted }, { name: "m", version: "2", digest: "d" }, outputs).body,
    );
    expect(text).toBe(
      '{"model_name":"m","model_version":"2","id":"a\\"","parameters":{"digest":"d"},"outputs":[{"name":"f","shape":[4],"datatype":"FP32","data":[-0.0,"NaN","-Infinity",0.10000000149011612]},' +
        '{"name":"i","shape":[1],"datatype":"INT64","data":[4611686018427387905]},{"name":"b","shape":[2],"datatype":"BOOL","data":[true,false]}]}',
    );
    expect(Object.is(JSON.parse(text).outputs[0].data[0], -0)).toBe(true);
  });

  it("of float16 want binary data", () => {
    const outputs: Parcels = { x: { type: "float16", dims: [1], data: Uint16Array.of(1) } };
    expect(() =>
      writeInfer(
        { id: undefined, outputs: new Map([["x", false]]) },
        { name: "m", version: "1", digest: "d" },
        outputs,
      ),
    ).toThrow(/ask for binary data/);
  });

  it("about a model say -1 for what is free", () => {
    expect(modelMetadata("m", ["1"], facts("int64", ["N", 2]))).toEqual({
      name: "m",
      versions: ["1"],
      platform: "bitbasis",
      inputs: [{ name: "x", datatype: "INT64", shape: [-1, 2] }],
      outputs: [{ name: "x", datatype: "INT64", shape: [-1, 2] }],
      parameters: { digest: "d" },
    });
  });
});
