import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitbasisError } from "../../src/core/index.ts";
import { InferenceSession, type Plan, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";

const MODEL = readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));

function image(value = 0.5): Record<string, Tensor> {
  return { image: new Tensor("float32", new Float32Array(784).fill(value), [1, 1, 28, 28]) };
}

/** What was thrown must be one of our errors or a built-in one about arguments, with a sentence for a message. */
async function refused(action: () => Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await action();
  } catch (error) {
    const known =
      error instanceof BitbasisError || error?.constructor === TypeError || error?.constructor === RangeError;
    if (!known) throw error;
    expect((error as Error).message).not.toMatch(
      /of undefined|is not a function|\[object|Cannot read|Invalid typed array/,
    );
    expect((error as { code?: string }).code).not.toBe("INTERNAL");
    return error as Error;
  }
  throw new Error("expected an error");
}

type Inputs = Parameters<typeof build>[0];

function model(
  inputs: Inputs,
  initializers: Record<string, Tensor>,
  nodes: NodeSpec[],
  outputs = ["y"],
  opset = 17,
): Uint8Array {
  return writeOnnx(build(inputs, initializers, nodes, outputs, opset));
}

describe("bytes that are no model", () => {
  const png = Uint8Array.of(
    0x89,
    0x50,
    0x4e,
    0x47,
    0x0d,
    0x0a,
    0x1a,
    0x0a,
    0,
    0,
    0,
    13,
    0x49,
    0x48,
    0x44,
    0x52,
    0,
    0,
    0,
    1,
  );
  it.each([
    ["nothing", new Uint8Array(0), "no bytes"],
    ["a page", new TextEncoder().encode("<!DOCTYPE html><html><body>404</body></html>"), "HTML"],
    ["a picture", png, "PNG"],
    ["a ZIP file", Uint8Array.of(0x50, 0x4b, 3, 4, ...new Uint8Array(40)), "zip"],
    ["JSON", new TextEncoder().encode('{"model": "none", "version": 12345}'), "JSON"],
    ["an ORT file", new TextEncoder().encode("\x1c\0\0\0ORTM\0\0\0\0".padEnd(64, "\0")), "ORT format"],
    ["zeros", new Uint8Array(64), "ONNX"],
  ])("%s", async (_, bytes, word) => {
    const error = await refused(() => InferenceSession.create(bytes));
    expect(error).toMatchObject({ code: "MODEL" });
    expect(error.message).toContain(word);
  });

  it("random bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await refused(() => InferenceSession.create(bytes));
      }),
      { numRuns: 150 },
    );
  });

  it("an ONNX file cut short anywhere", async () => {
    for (let i = 1; i < 40; i++) {
      const error = await refused(() =>
        InferenceSession.create(MODEL.subarray(0, Math.floor((MODEL.length * i) / 40))),
      );
      expect(error).toMatchObject({ code: "MODEL" });
    }
  });

  it("an ONNX file with bytes changed never traps or hangs", async () => {
    const small = model({ x: ["N", 1, 8, 8] }, { w: f32([4, 1, 3, 3]) }, [
      ["Conv", ["x", "w"], ["a"], { pads: [1, 1, 1, 1] }],
      ["Relu", ["a"], ["y"]],
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(small.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = small.slice();
        bytes[at]! ^= flip;
        try {
          const session = await InferenceSession.create(bytes, { preset: "fast" });
          const feeds = session.inputMetadata.map(({ name, shape }) => [
            name,
            new Tensor("float32", new Float32Array(64), shape.length === 4 ? [1, 1, 8, 8] : [64]),
          ]);
          await session.run(Object.fromEntries(feeds));
        } catch (error) {
          await refused(async () => {
            throw error;
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("models that we cannot run", () => {
  it("lists every unsupported operator at once, with nodes and opset", async () => {
    const bytes = model(
      { x: [4] },
      {},
      [
        ["ai.example/NonZero", ["x"], ["a"]],
        ["com.example/Magic", ["x"], ["b"]],
        ["Frobnicate", ["x"], ["c"]],
        ["Frobnicate", ["c"], ["y"]],
      ],
      ["a", "b", "y"],
    );
    const error = await refused(() => InferenceSession.create(bytes));
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    for (const text of [
      "ai.example.NonZero",
      "com.example.Magic",
      "Frobnicate (opset 17)",
      '"Frobnicate_2", "Frobnicate_3"',
    ]) {
      expect(error.message).toContain(text);
    }
  });

  it("an opset that is too new", async () => {
    for (const opset of [29, 99]) {
      const error = await refused(() =>
        InferenceSession.create(model({ x: [4] }, {}, [["Relu", ["x"], ["y"]]], ["y"], opset)),
      );
      expect(error).toMatchObject({ code: "UNSUPPORTED" });
      expect(error.message).toContain(`opset ${opset}`);
    }
  });

  it("a shape that is none", async () => {
    const bytes = model({ x: [4], s: { type: "int64", shape: ["n"] } }, {}, [["Expand", ["x", "s"], ["y"]]]);
    const session = await InferenceSession.create(bytes);
    const s = new Tensor("int64", new BigInt64Array(2000).fill(-1n));
    const error = await refused(() => session.run({ x: f32([4]), s }));
    expect(error).toMatchObject({ code: "MODEL" });
    expect(error.message).toContain('node "Expand_0" (Expand');
    expect((await session.run({ x: f32([4]), s: i64(2, 4) }))["y"]!.dims).toEqual([2, 4]);
  });
});

describe("weights that are no numbers", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    it.each(["float32", "faithful", "compact"] as const)(`${value} under %s`, async (preset) => {
      const data = Array.from({ length: 64 * 64 }, (_, i) => (i === 77 ? value : i % 5));
      const bytes = model({ x: [1, 64] }, { "layer.weight": f32([64, 64], data) }, [
        ["MatMul", ["x", "layer.weight"], ["y"]],
      ]);
      const error = await refused(() => InferenceSession.create(bytes, { preset }));
      expect(error).toMatchObject({ code: "MODEL" });
      expect(error.message).toContain('"layer.weight"');
    });
  }
});

describe("plans that do not fit", () => {
  const layer = { bits: 4, weightTerms: 2, activationTerms: 2 };
  it.each([
    [{ version: 1, default: layer, layers: { nobody: layer } }, "nobody"],
    [{ version: 1, default: { ...layer, bits: 8, weightTerms: 5 } }, "plan.default.weightTerms"],
    [{ version: 1, default: { ...layer, activationTerms: -1 } }, "plan.default.activationTerms"],
    [{ version: 1, default: { ...layer, bits: 1 } }, "plan.default.bits"],
    [{ version: 1, default: { ...layer, bits: "4" } }, "plan.default.bits"],
    [{ version: 1, default: { ...layer, digits: "ternary" } }, "plan.default"],
    [{ version: 3, default: layer }, "plan.version"],
    [{ version: 1 }, "plan.default"],
    [null, "plan"],
  ])("%j", async (plan, word) => {
    const error = await refused(() => InferenceSession.create(MODEL, { plan: plan as unknown as Plan }));
    expect(error.message).toContain(word);
  });

  it("options of the wrong kind", async () => {
    for (const options of [
      { preset: "tiny" },
      { terms: 0 },
      { terms: 1.5 },
      { build: "fastest" },
      { numThreads: -1 },
      { numThreads: 2.5 },
    ]) {
      await refused(() => InferenceSession.create(MODEL, options as never));
    }
  });
});

describe("containers that are damaged", () => {
  it("cut short, or with a bit flipped in the header or any section", async () => {
    const { bytes } = await quantize(MODEL, { preset: "faithful" });
    const header = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const table = JSON.parse(new TextDecoder().decode(bytes.subarray(8, header))) as Record<
      string,
      { data_offsets: number[] }
    >;
    const offsets = Object.values(table).flatMap(({ data_offsets }) =>
      data_offsets === undefined ? [] : [header + data_offsets[0]!],
    );
    const places = [9, 40, 100, header - 9, ...offsets.filter((_, i) => i % 9 === 0), bytes.length - 1];
    for (const at of places) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << (at % 8);
      const error = await refused(() => InferenceSession.create(flipped));
      expect(error, `byte ${at}`).toMatchObject({ code: "MODEL" });
    }
    for (const length of [9, 20, header - 1, header, header + 100, bytes.length - 1]) {
      const error = await refused(() => InferenceSession.create(bytes.subarray(0, length)));
      expect(error, `${length} bytes`).toMatchObject({ code: "MODEL" });
    }
    await refused(() => InferenceSession.create(Uint8Array.of(...bytes, 0)));
  });

  it("a stream that breaks between terms says so at the term, and the session answers with what it has", async () => {
    const { bytes } = await quantize(MODEL, { preset: "faithful" });
    const whole = await InferenceSession.create(bytes, { terms: 1 });
    const expected = await whole.run(image());
    const cut = bytes.length - 1000;
    const stream = new Blob([bytes.subarray(0, cut) as Uint8Array<ArrayBuffer>]).stream();
    const session = await InferenceSession.create(stream, { progressive: true });
    expect(await session.run(image())).toEqual(expected);
    let error: Error | undefined;
    for (let i = 0; i < 8 && error === undefined; i++) {
      try {
        if (!(await session.refine())) break;
      } catch (e) {
        error = e as Error;
      }
    }
    expect(error).toMatchObject({ code: "MODEL" });
    const before = await session.run(image());
    expect(await session.run(image())).toEqual(before);
  });
});

describe("shapes that do not fit", () => {
  const cases: [string, Inputs, Record<string, Tensor>, NodeSpec[], number[], number[]][] = [
    ["Reshape", { x: ["N"] }, { s: i64(2, 3) }, [["Reshape", ["x", "s"], ["y"]]], [6], [7]],
    ["MatMul", { x: [2, "K"] }, { w: f32([3, 4]) }, [["MatMul", ["x", "w"], ["y"]]], [2, 3], [2, 5]],
    [
      "a window larger than the input",
      { x: [1, 1, "H", "W"] },
      { w: f32([1, 1, 3, 3]) },
      [["Conv", ["x", "w"], ["y"]]],
      [1, 1, 3, 3],
      [1, 1, 2, 9],
    ],
    [
      "the wrong channels",
      { x: [1, "C", 4, 4] },
      { w: f32([1, 2, 3, 3]) },
      [["Conv", ["x", "w"], ["y"]]],
      [1, 2, 4, 4],
      [1, 3, 4, 4],
    ],
    ["a broadcast", { x: ["N"] }, { b: f32([3]) }, [["Add", ["x", "b"], ["y"]]], [3], [4]],
    ["Concat", { x: ["N", "M"] }, { b: f32([2, 3]) }, [["Concat", ["x", "b"], ["y"], { axis: 0 }]], [1, 3], [1, 4]],
    ["Gather out of range", { x: ["N"] }, { i: i64(5) }, [["Gather", ["x", "i"], ["y"]]], [6], [3]],
    ["Split", { x: ["N"] }, { s: i64(2, 3) }, [["Split", ["x", "s"], ["y", "z"]]], [5], [6]],
    ["Squeeze", { x: ["N", "M"] }, { a: i64(0) }, [["Squeeze", ["x", "a"], ["y"]]], [1, 4], [2, 4]],
    ["Expand", { x: ["N"] }, { s: i64(3) }, [["Expand", ["x", "s"], ["y"]]], [3], [2]],
  ];
  it.each(cases)(
    "%s: an error that names the node, and the session still answers",
    async (_, inputs, weights, nodes, good, bad) => {
      for (const preset of ["float32", "fast"] as const) {
        const session = await InferenceSession.create(model(inputs, weights, nodes), { preset });
        const before = await session.run({ x: f32(good) });
        const error = await refused(() => session.run({ x: f32(bad) }));
        expect(error.message).toMatch(/node "|index/);
        expect(await session.run({ x: f32(good) })).toEqual(before);
        await session.release();
      }
    },
  );

  it("more memory than there is", async () => {
    for (const shape of [
      [2 ** 16, 2 ** 16],
      [2 ** 31 - 1, 2 ** 20],
      [40000, 20000],
      [1024, 1024, 700],
    ]) {
      const s = i64(...shape);
      const session = await InferenceSession.create(
        model({ x: [1], c: { type: "int64", shape: ["r"] } }, {}, [
          ["Expand", ["x", "c"], ["a"]],
          ["Add", ["a", "a"], ["b"]],
          ["ReduceMax", ["b"], ["y"], { keepdims: 0 }],
        ]),
      );
      const error = await refused(() => session.run({ x: f32([1], [3]), c: s }));
      expect(error).toMatchObject({ code: "MEMORY" });
      expect((await session.run({ x: f32([1], [3]), c: i64(2, 2) }))["y"]!.data).toEqual(Float32Array.of(6));
      expect(session.memoryBytes).toBeLessThan(2 ** 24);
      await session.release();
    }
  });

  it("indices out of range when the model runs", async () => {
    const inputs: Inputs = { x: [4, 2], i: { type: "int64", shape: ["n"] } };
    const session = await InferenceSession.create(model(inputs, {}, [["Gather", ["x", "i"], ["y"]]]));
    const x = f32([4, 2]);
    const before = await session.run({ x, i: i64(0, -1) });
    for (const i of [4, -5, 2 ** 40, -(2 ** 40)]) {
      const error = await refused(() => session.run({ x, i: i64(0, i) }));
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(await session.run({ x, i: i64(0, -1) })).toEqual(before);
  });
});
