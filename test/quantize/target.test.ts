import { describe, expect, test } from "vitest";
import { plan } from "../../src/entries/series.ts";
import type { Graph, Node } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { weightWidth } from "../../src/series/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { network, towers } from "./networks.ts";

function node(name: string, op: string, inputs: string[], output: string): Node {
  return { name, op, domain: "", inputs, outputs: [output], attributes: {} };
}

/** Words looked up in a table, a dense layer that the answer hardly depends on, and one that it is, with the table for its matrix or without. */
function words(tied: boolean): Graph {
  const rows = (n: number, seed: number) => new Tensor("float32", noise(n * 64, seed), [n, 64]);
  return {
    name: "words",
    opsets: { "": 17 },
    inputs: [{ name: "ids", type: "int64", shape: ["N", "T"] }],
    outputs: [{ name: "scores", type: "float32", shape: undefined }],
    nodes: [
      node("look", "Gather", ["table", "ids"], "a"),
      node("aside", "MatMul", ["a", "aside.weight"], "b"),
      node("little", "Mul", ["b", "hundredth"], "c"),
      node("sum", "Add", ["a", "c"], "d"),
      node("turn", "Transpose", [tied ? "table" : "head", ""].slice(0, 1), "e"),
      node("head", "MatMul", ["d", "e"], "scores"),
    ],
    initializers: new Map<string, Tensor>([
      ["table", rows(96, 1)],
      ["aside.weight", rows(64, 2)],
      ["hundredth", new Tensor("float32", [0.01], [1])],
      ...(tied ? [] : [["head", rows(96, 3)] as const]),
    ]),
  };
}

const vectors = (seed: number, batch = 1) => ({ x: new Tensor("float32", noise(batch * 48, seed), [batch, 48]) });
const picture = (seed: number) => ({ image: new Tensor("float32", noise(3 * 64, seed), [1, 3, 8, 8]) });
const ids = (seed: number, length: number) => ({
  ids: new Tensor(
    "int64",
    BigInt64Array.from(noise(length, seed), (v) => BigInt(Math.floor(48 + 47 * v))),
    [1, length],
  ),
});

/** Largest max|a − b|/max|b| of a container against float32. */
async function difference(onnx: Uint8Array, bytes: Uint8Array, samples: readonly Record<string, Tensor>[]) {
  await using exact = await InferenceSession.create(onnx, { preset: "float32" });
  await using session = await InferenceSession.create(bytes);
  let most = 0;
  for (const feeds of samples) {
    const [a, b] = [await session.run(feeds), await exact.run(feeds)].map((outputs) => Object.values(outputs)[0]!);
    const [x, y] = [a!.data as Float32Array, b!.data as Float32Array];
    const top = y.reduce((all, v) => Math.max(all, Math.abs(v)), 0);
    most = Math.max(most, y.reduce((all, v, i) => Math.max(all, Math.abs(v - x[i]!)), 0) / top);
  }
  return most;
}

describe("a plan for an error", () => {
  const onnx = writeOnnx(towers(0.1));
  const samples = [vectors(1), vectors(2, 3), vectors(3)];

  test("is kept on the samples with a margin for others, by the container too, and costs more bytes the smaller it is", async () => {
    let before = 0;
    const margin = Math.min(3, 1 + 4 / Math.sqrt(samples.length));
    for (const error of [0.1, 0.01, 0.001]) {
      const { bytes, report } = await quantize(onnx, { target: { error }, samples });
      const { measured, target, tolerance, inputs } = report.check!;
      expect({ target, tolerance, inputs }).toEqual({
        target: `error=${error}`,
        tolerance: error,
        inputs: "3 given samples",
      });
      expect(measured).toBeLessThanOrEqual(error / margin);
      expect(measured).toBeGreaterThan(error / margin / 4);
      expect(await difference(onnx, bytes, samples)).toBeLessThanOrEqual(error / margin);
      expect(bytes.length).toBeGreaterThan(before);
      before = bytes.length;
    }
  });

  test("is the plan that quantize and create take, the same every time, with a reason on every line", async () => {
    const found = await plan(onnx, { target: { error: 0.02 }, samples });
    expect(await plan(onnx, { target: { error: 0.02 }, samples: new Set(samples) })).toEqual(found);
    const layers = Object.entries(found.layers!);
    expect(layers.map(([name]) => name)).toEqual(["stem", "loud", "quiet"]);
    for (const [, { reason }] of layers) expect(reason).toMatch(/% of the squared error$/);
    const { bytes } = await quantize(onnx, { target: { error: 0.02 }, samples });
    expect((await quantize(onnx, { plan: found })).bytes).toEqual(bytes);
  });

  test("is kept on inputs that were not given, and needs less margin the more were", async () => {
    const others = Array.from({ length: 40 }, (_, i) => vectors(100 + i));
    const few = await quantize(onnx, { target: { error: 0.01 }, samples: [vectors(1)] });
    expect(few.report.check!.measured).toBeLessThanOrEqual(0.01 / 3);
    expect(await difference(onnx, few.bytes, others)).toBeLessThanOrEqual(0.01);
    const many = await quantize(onnx, { target: { error: 0.01 }, samples: others });
    expect(many.report.check!.measured).toBeLessThanOrEqual(0.01 / (1 + 4 / Math.sqrt(40)));
    expect(many.report.check!.measured).toBeGreaterThan(0.01 / 3);
  });

  test("is a third of it on procedural inputs", async () => {
    const { check } = await plan(onnx, { target: { error: 0.03 }, inputRange: [-1, 1] });
    expect(check!.measured).toBeLessThanOrEqual(0.01);
    expect(check!.inputs).toMatch(/^x \[1x48\]: tones and 1\/f noise in -1…1$/);
  });

  test("that only float32 keeps is kept in float32", async () => {
    const { layers, check } = await plan(onnx, { target: { error: 1e-7 }, samples });
    expect(check!.measured).toBeLessThanOrEqual(1e-7);
    for (const layer of Object.values(layers!)) expect(layer.weightTerms).toBe(0);
  });
});

describe("tables", () => {
  test.each([false, true])("have bits for the target, tied to a matrix: %s", async (tied) => {
    const onnx = writeOnnx(words(tied));
    const samples = [ids(1, 12), ids(2, 12), ids(3, 7)];
    const { bytes, report } = await quantize(onnx, { target: { error: 0.03 }, samples });
    expect(report.check!.measured).toBeLessThanOrEqual(0.03);
    expect(await difference(onnx, bytes, samples)).toBeLessThanOrEqual(0.03);
    const widths = new Map(report.layers.map(({ name, plan: layer }) => [name, weightWidth(layer)]));
    expect(widths.get("head")).toBeGreaterThan(widths.get("aside")!);
    if (!tied) expect(widths.get("look")).toBeGreaterThan(widths.get("aside")!);
    const { tables } = await plan(onnx, { target: { error: 0.003 }, samples });
    if (!tied) expect(tables).toBeGreaterThan(widths.get("look")!);
  });
});

describe("a plan for an agreement", () => {
  test("keeps as many answers as asked, on a single sample too", async () => {
    const onnx = writeOnnx(words(false));
    const samples = [ids(5, 64)];
    const some = await plan(onnx, { target: { agreement: 0.9 }, samples });
    const all = await plan(onnx, { target: { agreement: 1 }, samples });
    expect(some.check!.agreement).toBeGreaterThanOrEqual(0.9);
    expect(all.check!.agreement).toBe(1);
    expect(some.check!.measured).toBeGreaterThan(all.check!.measured!);
  });

  test("on procedural inputs has 200 vectors to agree on, and says what they are", async () => {
    const { check } = await plan(writeOnnx(words(false)), { target: { agreement: 0.95 } });
    expect(check!.agreement).toBeGreaterThanOrEqual(0.95);
    expect((check!.agreement! * 7 * 32) % 1).toBeCloseTo(0, 6);
    expect(check!.inputs).toBe("ids [1x32]: ids (guessed)");
  });

  test("needs outputs with a largest element", async () => {
    const graph = network();
    const flat = {
      ...graph,
      nodes: [...graph.nodes, { ...node("sum", "ReduceSum", ["out"], "total"), attributes: { keepdims: 0 } }],
      outputs: [{ name: "total", type: "float32" as const, shape: undefined }],
    };
    await expect(plan(writeOnnx(flat), { target: { agreement: 0.9 } })).rejects.toThrow(
      expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("two axes or more") }),
    );
  });
});

describe("a plan for bytes", () => {
  const onnx = writeOnnx(network());

  test("fills them, never exceeds them, and says the least there can be", async () => {
    let error = Number.POSITIVE_INFINITY;
    const message = await plan(onnx, { target: { bytes: 100 } }).catch(String);
    const least = Number(/expected at least (\d+), what the container has with 3 bits/.exec(message as string)![1]);
    for (const bytes of [least, least + 700, least + 3000]) {
      const { bytes: container, report } = await quantize(onnx, { target: { bytes } });
      expect(container.length).toBeLessThanOrEqual(bytes);
      if (bytes > least) expect(container.length).toBeGreaterThan(bytes - 600);
      expect(report.check!.measured).toBeLessThan(error);
      error = report.check!.measured!;
    }
  });

  test("of a network that cannot be run follows from its weights, and only such a plan", async () => {
    const graph = network();
    const stopped = {
      ...graph,
      nodes: [...graph.nodes, node("where", "NonZero", ["out"], "found")],
      outputs: [{ name: "found", type: "int64" as const, shape: undefined }],
    };
    const bytes = writeOnnx(stopped);
    const { bytes: container, report } = await quantize(bytes, { target: { bytes: 12_000 } });
    expect(container.length).toBeLessThanOrEqual(12_000);
    expect(report.unchecked).toBe("its NonZero is computed outside of the core");
    expect(report.check).toMatchObject({ target: "bytes=12000", inputs: "the weights alone" });
    for (const target of [{ error: 0.1 }, { agreement: 0.9 }])
      await expect(plan(bytes, { target })).rejects.toThrow(
        expect.objectContaining({
          code: "UNSUPPORTED",
          message: expect.stringContaining("its NonZero is computed outside of the core"),
        }),
      );
  });
});

describe("what is no target", () => {
  const onnx = writeOnnx(network());

  test.each<[unknown, string]>([
    [undefined, '"target" expected { error }, { agreement } or { bytes }, got nothing'],
    ["error=1", '"target" expected { error }, { agreement } or { bytes }, got'],
    [{ error: 1, bytes: 2 }, '"target" expected { error }, { agreement } or { bytes }, got'],
    [{ speed: 1 }, '"target" expected { error }'],
    [{ error: 0 }, '"target.error" expected a number above 0, got 0'],
    [{ error: "1" }, '"target.error" expected a number above 0, got "1"'],
    [{ error: Number.NaN }, '"target.error" expected a number above 0, got NaN'],
    [{ agreement: 1.5 }, '"target.agreement" expected a number above 0 and at most 1, got 1.5'],
    [{ bytes: 1.5 }, '"target.bytes" expected a number of bytes, an integer above 0, got 1.5'],
  ])("%j is refused", async (target, message) => {
    await expect(plan(onnx, { target } as never)).rejects.toThrow(message);
  });

  test.each<[unknown, string]>([
    [[], '"samples" expected at least one record of tensors, got none'],
    [picture(1), '"samples" expected a list of records of tensors, got one object'],
    [7, '"samples" expected a list, got number'],
    [[7], '"samples[0]" expected a record of tensors, got number'],
    [[{ picture: picture(1).image }], '"samples[0]" expected "image", got "picture"'],
    [[{}], '"samples[0].image" expected a tensor of float32, got nothing'],
    [[{ image: new Tensor("float64", new Float64Array(192), [1, 3, 8, 8]) }], "expected float32, got float64"],
    [
      [{ image: new Tensor("float32", noise(27, 1), [1, 3, 3, 3]) }],
      '"samples[0].image" expected [N,3,8,8], got [1,3,3,3]',
    ],
  ])("samples that do not fit are refused: %#", async (samples, message) => {
    await expect(plan(onnx, { target: { error: 0.1 }, samples } as never)).rejects.toThrow(message);
  });

  test("a preset, a plan or check beside it, and samples without it", async () => {
    const target = { error: 0.1 };
    await expect(quantize(onnx, { target, preset: "fast" })).rejects.toThrow('"preset" expected no "target" beside it');
    await expect(quantize(onnx, { target, check: true })).rejects.toThrow('"check" expected no "target" beside it');
    await expect(quantize(onnx, { samples: [picture(1)] })).rejects.toThrow('"samples" expected a "target" beside it');
  });

  test("an abort stops it", async () => {
    const controller = new AbortController();
    const onProgress = ({ phase }: { phase: string }) => {
      if (phase === "search") controller.abort(new Error("enough"));
    };
    const running = plan(onnx, { target: { error: 0.01 }, signal: controller.signal, onProgress });
    await expect(running).rejects.toThrow("enough");
  });
});
