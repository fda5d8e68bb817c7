import { beforeAll, describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { readModel, writeModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { inspect, quantize, quantizeGraph } from "../../src/quantize/index.ts";
import { fuse, type LayerPlan, type Plan, type Preset, widthPlan } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { ends, network } from "./networks.ts";

let onnx: Uint8Array;
beforeAll(() => {
  onnx = writeOnnx(network());
});
const layer = (weightTerms: number, activationTerms = weightTerms, bits = 4): LayerPlan => ({
  bits,
  weightTerms,
  activationTerms,
});

describe("quantize", () => {
  test("plans every linear layer: what integers would make slower keeps float32 activations", async () => {
    const { report } = await quantize(onnx, { check: false });
    const slow = "activations not rounded since integers are slower";
    const rows = report.layers.map((l) => [l.name, l.plan.weightTerms, l.plan.activationTerms, l.reason]);
    expect(rows).toEqual([
      ["stem", 4, 0, `first layer; ${slow}`],
      ["depthwise", 0, 0, "float32: depthwise, few weights whose errors count most"],
      ["pointwise", 4, 0, `in a network with depthwise layers; ${slow}`],
      ["dense1", 4, 0, `in a network with depthwise layers; ${slow}`],
      ["dense2", 4, 0, `last layer; ${slow}`],
    ]);
    for (const { exactInInt32, accumulatorBits } of report.layers)
      expect([exactInInt32, accumulatorBits]).toEqual([false, 0]);
  });

  test("reports what is proved", async () => {
    const { bytes, report } = await quantize(onnx, { plan: { version: 2, default: widthPlan(16, 16) }, check: false });
    expect(report.bytesBefore).toBe(onnx.length);
    expect(report.bytesAfter).toBe(bytes.length);
    const model = readModel(bytes);
    for (const { name, op, shape, ...rest } of report.layers) {
      const node = model.graph.nodes.find((n) => n.name === name)!;
      expect(node.op).toBe(op);
      const series = model.weights.get(node.inputs[1]!)!;
      expect(series.shape).toEqual(shape);
      expect(rest.relativeError).toBeGreaterThan(0);
      expect(rest.relativeError).toBeLessThan(0.001);
      expect(rest.errorBound).toBeLessThan(1 / 1000);
      const fused = fuse(series);
      const most = Array.from({ length: series.rows }, (_, r) => {
        const row = fused.subarray(r * series.columns, (r + 1) * series.columns);
        return Math.max(
          row.reduce((s, q) => s + Math.max(q, 0), 0),
          row.reduce((s, q) => s - Math.min(q, 0), 0),
        );
      });
      expect(2 ** (rest.accumulatorBits - 1)).toBeGreaterThan(Math.max(...most) * 65535);
      expect(rest.exactInInt32).toBe(rest.accumulatorBits <= 32);
    }
    expect(report.layers.map((l) => l.bytesBefore)).toEqual([4 * 432, 4 * 144, 4 * 384, 4 * 4096, 0]);
    expect(report.layers.at(-1)!.bytesAfter).toBe(0);
    expect(report.layers[3]!.bytesAfter).toBe(4 * 2048 + (4 + 2) * 64);
  });

  test("products of two activations run under the plan too", async () => {
    const model = await quantizeGraph(network(), { preset: "fast" });
    expect(model.layers.get("scores")).toEqual(layer(2));
    expect(model.layers.get("mix")).toEqual(layer(2));
    expect(model.weights.size).toBe(4);
    for (const name of model.weights.keys()) expect(model.graph.initializers.has(name)).toBe(false);
  });

  test.each<[Preset, number[]]>([
    ["float32", [0, 0, 0, 0, 0]],
    ["fast", [2, 2, 2, 2, 2]],
  ])("%s", async (preset, terms) => {
    const { bytes, report } = await quantize(onnx, { preset, check: false });
    expect(report.layers.map((l) => l.plan.weightTerms)).toEqual(terms);
    const model = readModel(bytes);
    expect(model.preset).toBe(preset);
    if (preset === "float32") expect([model.weights.size, model.layers.size]).toEqual([0, 0]);
  });

  test("fast: seven bits of weights beside eight of activations, more at the ends, and the bytes that follow", async () => {
    const { bytes, report } = await quantize(onnx, { preset: "fast", check: false });
    expect(report.layers.map((l) => [l.plan.weightBits, l.plan.activationBits ?? 4 * l.plan.activationTerms])).toEqual([
      [8, 12],
      [8, 12],
      [7, 8],
      [7, 8],
      [7, 8],
    ]);
    const dense = [...readModel(bytes).weights.values()].at(-1)!;
    expect(dense).toMatchObject({ bits: 4, terms: 2, lastBits: 3 });
    expect(dense.planes.map((plane) => plane.length)).toEqual([2048, 1536]);
    expect(report.layers[3]!.bytesAfter).toBe(2048 + 1536 + (4 + 1) * 64);
  });

  test("compact spends eight bits on small layers, and seven on the last", async () => {
    const { report } = await quantize(writeOnnx(ends()), { preset: "compact", check: false });
    const rows = report.layers.map((l) => [l.name, l.plan.weightBits, l.reason]);
    expect(rows).toEqual([
      ["first", 8, "first layer"],
      ["middle", 4, undefined],
      ["gate", 8, "only 0.62 % of the weights"],
      ["last", 7, "last layer"],
    ]);
  });

  test("the same input gives the same bytes, and the session's way gives the same model", async () => {
    for (const preset of ["faithful", "compact"] as const) {
      const { bytes } = await quantize(onnx, { preset, check: false });
      expect((await quantize(onnx, { preset, check: false })).bytes).toEqual(bytes);
      const { readOnnx } = await import("../../src/onnx/index.ts");
      expect(writeModel(await quantizeGraph(readOnnx(onnx), { preset }))).toEqual(bytes);
    }
  });

  test("a plan says everything, or overrides a preset", async () => {
    const plan: Plan = {
      version: 1,
      default: layer(1),
      layers: { pointwise: { ...layer(2, 1, 8), reason: "try" }, "dense.weight": layer(0) },
    };
    const alone = await quantize(onnx, { plan });
    expect(alone.report.layers.map((l) => [l.plan.bits, l.plan.weightTerms])).toEqual([
      [4, 1],
      [4, 1],
      [8, 2],
      [4, 0],
      [4, 0],
    ]);
    expect(alone.report.layers[2]!.reason).toBe("try");
    const beside = await quantize(onnx, { preset: "fast", plan, check: false });
    expect(beside.report.layers.map((l) => [l.plan.bits, l.plan.weightTerms])).toEqual([
      [4, 2],
      [4, 2],
      [8, 2],
      [4, 0],
      [4, 0],
    ]);
    expect(readModel(beside.bytes).plan.layers!["stem"]!.reason).toBe("first layer");
  });

  test("shared weights get one series with the most terms that a layer asks for", async () => {
    const plan: Plan = { version: 1, default: layer(2), layers: { dense2: layer(3, 2) } };
    const { report } = await quantize(onnx, { plan });
    expect(report.layers.slice(3).map((l) => l.plan.weightTerms)).toEqual([3, 3]);
    const mixed = await quantizeGraph(network(), { plan: { ...plan, layers: { dense2: layer(0) } } });
    expect(mixed.weights.has("dense.weight")).toBe(true);
    expect(mixed.graph.initializers.has("dense.weight")).toBe(true);
    expect(mixed.layers.has("dense2")).toBe(false);
  });

  test("plans that do not fit are refused", async () => {
    const bad = { version: 1, default: layer(2), layers: { stm: layer(1), densse: layer(1) } } as const;
    await expect(quantize(onnx, { plan: bad })).rejects.toThrow(
      /got "stm", "densse"; the network has "stem", "depthwise"/,
    );
    await expect(quantize(onnx, { plan: { version: 1, default: layer(9) } })).rejects.toThrow(
      '"plan.default.weightTerms" expected',
    );
    await expect(quantize(onnx, { preset: "best" as Preset })).rejects.toThrow('"preset" expected one of');
  });

  test("NaN weights name the tensor", async () => {
    const graph = network();
    (graph.initializers.get("pointwise.weight")!.data as Float32Array)[7] = Number.NaN;
    await expect(quantizeGraph(graph)).rejects.toThrow(
      /weights ".*pointwise.weight.*" \[24,1,1,16\] hold NaN at element 7/,
    );
    const broken = network();
    (broken.initializers.get("dense.weight")!.data as Float32Array)[1] = Number.POSITIVE_INFINITY;
    await expect(quantize(writeOnnx(broken))).rejects.toMatchObject({ code: "MODEL" });
  });

  test("progress runs to the end, and a signal stops it between layers", async () => {
    const seen: number[] = [];
    await quantize(onnx, {
      check: false,
      onProgress: ({ phase, loaded, total }) => {
        expect([phase, total]).toEqual(["quantize", 4 * (432 + 384 + 4096)]);
        seen.push(loaded);
      },
    });
    expect(seen.length).toBe(3);
    expect(seen.at(-1)).toBe(4 * (432 + 384 + 4096));
    const controller = new AbortController();
    let calls = 0;
    const aborted = quantize(onnx, {
      check: false,
      signal: controller.signal,
      onProgress: () => {
        calls++;
        controller.abort();
      },
    });
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    expect(calls).toBe(1);
    await expect(quantize(onnx, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
  });

  test("bytes that are no model", async () => {
    await expect(quantize(new Uint8Array(0))).rejects.toMatchObject({ code: "MODEL" });
    await expect(quantize(onnx.subarray(0, onnx.length - 9))).rejects.toMatchObject({ code: "MODEL" });
  });

  test("what no session runs: an operator that is not there, and shapes that fit no feeds", async () => {
    const graph = network();
    const last = graph.nodes.at(-1)!;
    const instead = (change: Partial<typeof last>): Uint8Array =>
      writeOnnx({
        ...graph,
        opsets: { ...graph.opsets, "com.example": 1 },
        nodes: [...graph.nodes.slice(0, -1), { ...last, ...change }],
      });
    await expect(quantize(instead({ op: "Frobnicate", domain: "com.example" }))).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringContaining("com.example.Frobnicate (opset 1)"),
    });
    await expect(
      quantize(instead({ op: "Transpose", inputs: [last.inputs[0]!], attributes: { perm: [0] } })),
    ).rejects.toMatchObject({
      code: "MODEL",
    });
  });
});

describe("inspect", () => {
  test("an ONNX model", async () => {
    const summary = await inspect(onnx);
    expect(summary).toMatchObject({
      format: "onnx",
      bytes: onnx.length,
      name: "network",
      parameters: 432 + 16 + 144 + 384 + 3 + 4096,
    });
    expect(summary.inputs).toEqual([{ name: "image", type: "float32", shape: ["N", 3, 8, 8] }]);
    expect(Object.entries(summary.operators)).toEqual([
      ["MatMul", 4],
      ["Conv", 3],
      ["Relu", 1],
      ["Reshape", 1],
      ["Sigmoid", 1],
      ["Transpose", 1],
    ]);
    expect(summary.unsupported).toEqual([]);
    expect(summary.layers).toBeUndefined();
  });

  test("counts the operators of bodies", async () => {
    const branch = (op: string): Graph => build({}, {}, [[op, ["x"], ["z"]]], ["z"]);
    const graph = build(
      { x: [2], b: { type: "bool", shape: [] } },
      {},
      [["If", ["b"], ["y"], { then_branch: branch("Relu"), else_branch: branch("Sigmoid") }]],
      ["y"],
    );
    expect((await inspect(writeOnnx(graph))).operators).toEqual({ If: 1, Relu: 1, Sigmoid: 1 });
  });

  test("a container", async () => {
    const { bytes, report } = await quantize(onnx, { preset: "fast", check: false });
    const summary = await inspect(bytes);
    expect(summary).toMatchObject({ format: "bitbasis", bytes: bytes.length, preset: "fast", terms: 2 });
    expect(summary.layers!.map((l) => l.name)).toEqual([
      "stem",
      "depthwise",
      "pointwise",
      "scores",
      "mix",
      "dense1",
      "dense2",
    ]);
    for (const { name, bytesAfter, shape } of report.layers) {
      expect(summary.layers!.find((l) => l.name === name)).toMatchObject({ bytes: bytesAfter, shape });
    }
    expect(summary.parameters).toBeGreaterThanOrEqual(432 + 16 + 144 + 384 + 4096);
  });

  test("a damaged container, and no model at all", async () => {
    const { bytes } = await quantize(onnx, { check: false });
    bytes[bytes.length - 1]! ^= 4;
    await expect(inspect(bytes)).rejects.toThrow(/section "term 4" does not match its digest/);
    await expect(inspect(new TextEncoder().encode("<html></html>"))).rejects.toMatchObject({ code: "MODEL" });
  });

  test("a tensor of strings is stored", async () => {
    const graph = network();
    const initializers = new Map(graph.initializers).set("names", new Tensor("string", ["a"]));
    const outputs = [...graph.outputs, { name: "names", type: "string" as const, shape: [1] }];
    const { bytes } = await quantize(writeOnnx({ ...graph, initializers, outputs }), { check: false });
    expect(readModel(bytes).graph.initializers.get("names")!.data).toEqual(["a"]);
  });
});
