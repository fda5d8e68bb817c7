import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { allocate, type Sensitivity } from "../../src/quantize/allocate.ts";
import { quantize, quantizeGraph } from "../../src/quantize/index.ts";
import { plan } from "../../src/quantize/plan-model.ts";
import { activationWidth, weightWidth } from "../../src/series/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { smallFloatBits, Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { KINDS } from "../support/kinds/index.ts";
import { chooser, network, node, towers } from "./networks.ts";

describe("plans by measurement", () => {
  test("bits go where they are needed, the tolerance is kept, and the report says what was measured", async () => {
    const { bytes, report } = await quantize(writeOnnx(towers()), { preset: "fast" });
    const part = (name: string) => Number.parseFloat(report.layers.find((layer) => layer.name === name)!.reason!);
    expect(part("loud")).toBeGreaterThan(10 * part("quiet"));
    for (const { plan } of report.layers) expect(weightWidth(plan)).toBeLessThanOrEqual(8);
    expect(report.layers[0]!.reason).toMatch(/% of the squared error$/);
    expect(report.unchecked).toBeUndefined();
    const { tolerance, measured, inputs } = report.check!;
    expect(measured).toBeLessThanOrEqual(tolerance);
    expect(measured).toBeGreaterThan(tolerance / 5);
    expect(inputs).toBe("x [1x48]: tones and 1/f noise in -0.5…0.5 (guessed)");
    expect(readModel(bytes).plan.check).toEqual(report.check);
  });

  test("faithful keeps the structural plan where that is good, and escalates where it is not", async () => {
    const plain = await quantize(writeOnnx(towers()));
    const structural = await quantize(writeOnnx(towers()), { check: false });
    expect(plain.report.check!.measured).toBeLessThanOrEqual(7e-4);
    expect(plain.report.layers.map((layer) => layer.plan)).toEqual(structural.report.layers.map((layer) => layer.plan));
    // The difference of two nearly equal sums: what is left is a thousandth of them.
    const graph = towers();
    const w2 = (graph.initializers.get("w1")!.data as Float32Array).map((w, i) => -w + 1e-4 * Math.sin(i));
    const initializers = new Map([...graph.initializers, ["w2", new Tensor("float32", w2, [64, 32])]]);
    const nodes = graph.nodes.filter(({ name }) => name !== "small" && name !== "tanh");
    const difference = {
      ...graph,
      initializers,
      nodes: nodes.map((n) => (n.name === "sum" ? { ...n, inputs: ["c", "d"] } : n)),
    };
    const escalated = await quantize(writeOnnx(difference));
    expect(escalated.report.check!.measured).toBeLessThanOrEqual(7e-4);
    const float = escalated.report.layers.filter((layer) => layer.plan.weightTerms === 0);
    expect(float.map((layer) => layer.name)).toEqual(expect.arrayContaining(["loud", "quiet"]));
    expect(float[0]!.reason).toBe("float32: its error at 16 bits is too large");
  });

  test("the structural plan is taken where it errs less in as many bytes", async () => {
    const onnx = writeOnnx(KINDS.find(({ name }) => name === "tags by two directions")!.make());
    const structural = await quantize(onnx, { preset: "fast", check: false });
    const { bytes, report } = await quantize(onnx, { preset: "fast" });
    expect(report.check!.measured).toBeLessThan(report.check!.tolerance / 2);
    expect(bytes.length).toBeLessThan(1.02 * structural.bytes.length);
    expect(report.layers.map((layer) => layer.plan)).toEqual(structural.report.layers.map((layer) => layer.plan));
    // Fitted weights are what was asked for.
    const fitted = await quantize(onnx, { preset: "fast", synth: true });
    expect(fitted.report.layers.map((layer) => layer.plan.rounding)).toContain("fitted");
  });

  test("a layer whose inputs stay in float32 keeps the bits of the grid that its weights lie on", async () => {
    const grid = Float32Array.from({ length: 64 * 32 }, (_, i) => (((i * 37) % 255) - 127) / 128);
    const value = (name: string, shape: readonly number[]) => ({ name, type: "float32" as const, shape });
    const graph: Graph = {
      name: "steep",
      opsets: { "": 17 },
      inputs: [value("x", [1, 64])],
      outputs: [value("y", [1, 8])],
      nodes: [
        // Behind an activation: what is linear in inputs stays in float32 before a sine by structure.
        node("activation", "Relu", ["x"], "r"),
        node("steep", "MatMul", ["r", "w"], "a"),
        node("times", "Mul", ["a", "k"], "b"),
        node("sine", "Sin", ["b"], "c"),
        node("last", "MatMul", ["c", "v"], "y"),
      ],
      initializers: new Map([
        ["w", new Tensor("float32", grid, [64, 32])],
        ["k", new Tensor("float32", [1000], [])],
        ["v", new Tensor("float32", noise(32 * 8, 5), [32, 8])],
      ]),
    };
    const { report } = await quantize(writeOnnx(graph));
    const { plan: steep, reason } = report.layers.find(({ name }) => name === "steep")!;
    expect(steep).toMatchObject({ weightBits: 8, activationTerms: 0 });
    expect(reason).toBe("its error with activations of 16 bits is too large; the weights lie on a grid of 8 bits");
    expect(report.check!.measured).toBeLessThanOrEqual(7e-4);
  });

  test("faithful takes 14 bits beside depthwise layers where they are measured to be enough", async () => {
    const graph = network();
    const nodes = [...graph.nodes.slice(0, 5), node("dense", "MatMul", ["e", "dense.weight"], "out")];
    const onnx = writeOnnx({ ...graph, nodes });
    const widths = async (check: boolean) => {
      const { report } = await quantize(onnx, { check });
      return report.layers.map(({ name, plan }) => [name, plan.weightTerms === 0 ? 32 : weightWidth(plan)]);
    };
    const kept = [
      ["stem", 16],
      ["depthwise", 32],
      ["dense", 16],
    ];
    expect(await widths(false)).toEqual(expect.arrayContaining([...kept, ["pointwise", 16]]));
    expect(await widths(true)).toEqual(expect.arrayContaining([...kept, ["pointwise", 14]]));
    // What the caller gives stays.
    const layers = { pointwise: { bits: 4, weightTerms: 4, activationTerms: 4, zeroPoint: true } };
    const plan = { version: 2, default: layers.pointwise, layers } as const;
    const { report } = await quantize(onnx, { preset: "faithful", plan });
    expect(weightWidth(report.layers.find(({ name }) => name === "pointwise")!.plan)).toBe(16);
  });

  test("what faithful escalates to 16 bits, it does not make slower than float32", async () => {
    const graph = towers();
    const w2 = (graph.initializers.get("w1")!.data as Float32Array).map((w, i) => -w + 0.1 * Math.sin(i));
    const more = [["w2", new Tensor("float32", w2, [64, 32])] as const];
    const head = ["w3", new Tensor("float32", noise(32 * 16, 9), [32, 16])] as const;
    const nodes = graph.nodes.filter(({ name }) => name !== "small" && name !== "tanh" && name !== "sum");
    nodes.push(node("sum", "Add", ["c", "d"], "s"), node("head", "MatMul", ["s", "w3"], "y"));
    const initializers = new Map([...graph.initializers, ...more, head]);
    const { report } = await quantize(writeOnnx({ ...graph, initializers, nodes }));
    expect(report.check!.measured).toBeLessThanOrEqual(7e-4);
    const loud = report.layers.find(({ name }) => name === "loud")!;
    expect(weightWidth(loud.plan)).toBe(16);
    for (const { plan } of report.layers) expect(plan.activationTerms).toBe(0);
    expect(loud.reason).toMatch(/% of the squared error; activations not rounded/);
  });

  test("fast leaves activations that would need 16 bits in float32 where integers are slower", async () => {
    const graph = towers();
    const w2 = (graph.initializers.get("w1")!.data as Float32Array).map((w, i) => -w + 1e-3 * Math.sin(i));
    const initializers = new Map([...graph.initializers, ["w2", new Tensor("float32", w2, [64, 32])]]);
    const nodes = graph.nodes.filter(({ name }) => name !== "small" && name !== "tanh");
    const difference = nodes.map((n) => (n.name === "sum" ? { ...n, inputs: ["c", "d"] } : n));
    const { report } = await quantize(writeOnnx({ ...graph, initializers, nodes: difference }), { preset: "fast" });
    expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
    const left = report.layers.filter(({ plan }) => plan.activationTerms === 0);
    expect(left.map(({ name }) => name)).toEqual(expect.arrayContaining(["loud"]));
    for (const { plan, reason } of report.layers) {
      expect(activationWidth(plan)).toBeLessThan(16);
      if (plan.activationTerms === 0) expect(reason).toMatch(/activations not rounded/);
    }
  });

  test("activations of depthwise layers have 12 bits where fewer would be enough: they cost nothing, and can be handed over", async () => {
    const graph = network();
    const onnx = writeOnnx({ ...graph, nodes: [...graph.nodes.slice(0, 4), node("flat", "Flatten", ["d"], "out")] });
    for (const preset of ["fast", "compact"] as const) {
      const { report } = await quantize(onnx, { preset });
      const bits = (name: string) => activationWidth(report.layers.find((layer) => layer.name === name)!.plan);
      expect(bits("depthwise")).toBe(12);
      expect(bits("pointwise")).toBe(8);
    }
  });

  test("the same model gives the same plan, and sessions give it when they are asked", async () => {
    const one = await quantize(writeOnnx(towers()), { preset: "fast" });
    const two = await quantize(writeOnnx(towers()), { preset: "fast" });
    expect(two.bytes).toEqual(one.bytes);
    const model = await quantizeGraph(towers(), { preset: "fast", check: true });
    expect(model.plan.check).toEqual(one.report.check);
    await using session = await InferenceSession.create(writeOnnx(towers()), { preset: "fast", check: true });
    await using container = await InferenceSession.create(one.bytes);
    const feeds = { x: new Tensor("float32", noise(48, 5), [1, 48]) };
    expect(await session.run(feeds)).toEqual(await container.run(feeds));
  });

  test("restarting at a layer gives what a whole run with that layer quantized gives", async () => {
    const graph = network();
    const { report } = await quantize(writeOnnx(graph), { preset: "compact" });
    expect(report.check!.predicted).toBeGreaterThan(report.check!.measured! / 4);
    expect(report.check!.predicted).toBeLessThan(report.check!.measured! * 4);
  });

  test("layers of a plan beside the preset are left alone", async () => {
    const layer = { bits: 4, weightTerms: 2, activationTerms: 3 } as const;
    const plan = { version: 1, default: layer, layers: { loud: layer } } as const;
    const { report } = await quantize(writeOnnx(towers()), { preset: "compact", plan });
    expect(report.layers.find(({ name }) => name === "loud")!.plan).toEqual(layer);
    expect(report.check).toBeDefined();
  });

  test("the range of the inputs is taken by name or for all, and must be one", async () => {
    const onnx = writeOnnx(towers());
    const { report } = await quantize(onnx, { preset: "fast", inputRange: { x: [0, 4] } });
    expect(report.check!.inputs).toBe("x [1x48]: tones and 1/f noise in 0…4");
    await expect(quantize(onnx, { inputRange: [1, 1] })).rejects.toThrow('"inputRange" expected [least, largest]');
    await expect(quantize(onnx, { inputRange: { z: [0, 1] } })).rejects.toThrow('names of inputs ("x"), got "z"');
  });

  test.each(["float16", "bfloat16"] as const)(
    "a network whose weights and ends are %s is measured in the float32 that it runs in",
    async (type) => {
      const graph = towers();
      const half = ({ dims, data }: Tensor) =>
        new Tensor(
          type,
          Uint16Array.from(data as Float32Array, (v) => smallFloatBits(type, v)),
          dims,
        );
      const halves: Graph = {
        ...graph,
        inputs: [{ name: "x", type, shape: ["N", 48] }],
        outputs: [{ name: "y", type, shape: undefined }],
        initializers: new Map([...graph.initializers].map(([name, tensor]) => [name, half(tensor)] as const)),
      };
      const { report } = await quantize(writeOnnx(halves), { preset: "faithful" });
      expect(report.unchecked).toBeUndefined();
      const { tolerance, measured, inputs } = report.check!;
      expect(measured).toBeLessThanOrEqual(tolerance);
      expect(measured).toBeGreaterThan(1e-6);
      expect(inputs).toMatch(/^x \[1x48\]: tones and 1\/f noise/);
      const structural = await quantize(writeOnnx(halves), { check: false });
      expect(report.layers.map(({ plan }) => plan)).toEqual(structural.report.layers.map(({ plan }) => plan));
    },
  );

  test("an abort stops it", async () => {
    const controller = new AbortController();
    const running = quantize(writeOnnx(network()), {
      preset: "compact",
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === "measure") controller.abort(new Error("enough"));
      },
    });
    await expect(running).rejects.toThrow("enough");
  });

  test.each<[string, Partial<Graph>, RegExp]>([
    [
      "data decides shapes before most layers",
      chooser(["one", "two", "three", "four"]),
      /its NonZero is computed outside of the core/,
    ],
    [
      "outputs are integers",
      {
        nodes: [node("mat", "MatMul", ["x", "w0"], "a"), node("arg", "ArgMax", ["a"], "y")],
        outputs: [{ name: "y", type: "int64", shape: undefined }],
      },
      /^no output tells how far it is from float32: "y" is int64$/,
    ],
    [
      "outputs are empty",
      {
        nodes: [node("mat", "MatMul", ["x", "w0"], "a"), node("slice", "Slice", ["a", "none", "none"], "y")],
        initializers: new Map([...towers().initializers, ["none", new Tensor("int64", BigInt64Array.of(0n), [1])]]),
      },
      /"y" is empty$/,
    ],
    [
      "an input is of a type that is not made",
      {
        inputs: [...towers().inputs, { name: "s", type: "string", shape: [1] }],
        outputs: [...towers().outputs, { name: "t", type: "string", shape: [1] }],
        nodes: [...towers().nodes, node("same", "Identity", ["s"], "t")],
      },
      /^its input "s" is string$/,
    ],
    [
      "no sizes fit",
      {
        inputs: [...towers().inputs, { name: "z", type: "float32", shape: ["M", 7] }],
        nodes: [...towers().nodes.slice(0, -1), node("sum", "Add", ["c", "z"], "y")],
      },
      /^no sizes of its free dimensions were found that it takes: node "sum" \(Add, opset 17\): the shapes do not broadcast/,
    ],
    [
      "outputs are constant",
      { nodes: [node("mat", "MatMul", ["x", "w0"], "a"), node("sub", "Sub", ["a", "a"], "y")] },
      /"y" is constant$/,
    ],
    [
      "outputs are sure of everything",
      {
        nodes: [
          node("mat", "MatMul", ["x", "w0"], "a"),
          node("times", "Mul", ["a", "many"], "b"),
          node("soft", "Softmax", ["b"], "y"),
        ],
        initializers: new Map([...towers().initializers, ["many", new Tensor("float32", [1e9], [])]]),
      },
      /"y" is nothing but 0 and 1$/,
    ],
    [
      "outputs are NaN",
      {
        nodes: [
          node("mat", "MatMul", ["x", "w0"], "a"),
          node("sub", "Sub", ["a", "a"], "b"),
          node("div", "Div", ["b", "b"], "y"),
        ],
      },
      /"y" is not finite$/,
    ],
  ])("where %s the plan is the structural one, and the report says so", async (_, parts, message) => {
    const { report } = await quantize(writeOnnx({ ...towers(), ...parts }), { preset: "fast" });
    expect(report.unchecked).toMatch(message);
    expect(report.check).toBeUndefined();
    const structural = await quantize(writeOnnx({ ...towers(), ...parts }), { preset: "fast", check: false });
    expect(report.layers).toEqual(structural.report.layers);
  });
});

describe("where data decides shapes on the way", () => {
  test("values before that are measured in the place of outputs, and layers behind keep their plan by structure", async () => {
    const onnx = writeOnnx(chooser(["behind"]));
    const { report, bytes } = await quantize(onnx, { preset: "fast" });
    expect(report.unchecked).toBeUndefined();
    expect(report.check!.inputs).toMatch(/; values before NonZero "which" in the place of outputs, 3 of 4 layers$/);
    const { tolerance, measured } = report.check!;
    expect(measured).toBeLessThanOrEqual(tolerance);
    expect(measured).toBeGreaterThan(tolerance / 5);
    const structural = await quantize(onnx, { preset: "fast", check: false });
    const planOf = ({ report: { layers } }: typeof structural) => layers.find(({ name }) => name === "behind")!.plan;
    expect(planOf({ report, bytes })).toEqual(planOf(structural));
    await using exact = await InferenceSession.create(onnx, { preset: "float32" });
    await using own = await InferenceSession.create(bytes);
    const feeds = { x: new Tensor("float32", noise(6 * 48, 5), [6, 48]) };
    const [a, b] = [await exact.run(feeds), await own.run(feeds)].map(({ behind }) => behind!);
    expect(b!.dims).toEqual(a!.dims);
    const far = Math.max(...(a!.data as Float32Array).map((v, i) => Math.abs(v - Number(b!.data[i]))));
    expect(far).toBeLessThan(0.1 * Math.max(...(a!.data as Float32Array).map(Math.abs)));
  });

  test("weights before it are fitted, and those behind rounded as weights alone allow", async () => {
    const { report } = await quantize(writeOnnx(chooser(["behind"])), { preset: "compact", synth: true });
    const rounding = new Map(report.layers.map(({ name, plan }) => [name, plan.rounding]));
    expect(rounding.get("loud")).toBe("fitted");
    expect(rounding.get("behind")).toBe("squant");
  });

  test("a layer in a branch that these sizes do not take keeps its plan by structure, with targets too", async () => {
    const body = (weight: string): Graph => ({
      ...{ name: weight, opsets: { "": 17 }, inputs: [], initializers: new Map() },
      nodes: [node(`with ${weight}`, "MatMul", ["y", weight], `z ${weight}`)],
      outputs: [{ name: `z ${weight}`, type: "float32", shape: undefined }],
    });
    const graph = towers();
    const branching: Graph = {
      ...graph,
      outputs: [{ name: "z", type: "float32", shape: undefined }],
      nodes: [
        ...graph.nodes,
        node("sizes", "Shape", ["x"], "sizes", { start: 0, end: 1 }),
        node("one", "Squeeze", ["sizes"], "n"),
        node("few", "Less", ["n", "two"], "few"),
        node("if", "If", ["few"], "z", { then_branch: body("wa"), else_branch: body("wb") }),
      ],
      initializers: new Map<string, Tensor>([
        ...graph.initializers,
        ["two", new Tensor("int64", BigInt64Array.of(2n), [])],
        ["wa", new Tensor("float32", noise(32 * 32, 6), [32, 32])],
        ["wb", new Tensor("float32", noise(32 * 32, 7), [32, 32])],
      ]),
    };
    const onnx = writeOnnx(branching);
    const { report } = await quantize(onnx, { preset: "compact" });
    expect(report.check).toBeDefined();
    const structural = await quantize(onnx, { preset: "compact", check: false });
    const planIn = ({ layers }: typeof report, name: string) => layers.find((layer) => layer.name === name)!.plan;
    expect(planIn(report, "with wb")).toEqual(planIn(structural.report, "with wb"));
    expect(planIn(report, "with wa")).not.toEqual(planIn(structural.report, "with wa"));
    const { layers = {} } = await plan(onnx, { target: { error: 0.1 } });
    expect(weightWidth(layers["with wb"]!)).toBeGreaterThanOrEqual(13);
    expect(weightWidth(layers["with wa"]!)).toBeLessThan(13);
  });
});

describe("allocate", () => {
  const law = (error: number, size: number): Sensitivity => ({
    node: `${size}`,
    size,
    weights: new Map([4, 5, 6, 8].map((bits) => [bits, Float64Array.of(error * 4 ** (4 - bits))] as const)),
    activations: new Map([8, 12].map((bits) => [bits, Float64Array.of(error * 1e-3 * 4 ** (8 - bits))] as const)),
  });

  test("no plan of as few bits keeps the tolerance, among all there are", () => {
    const layers = [law(1e-2, 100), law(3e-3, 1000), law(1e-4, 300)];
    for (const tolerance of [0.2, 0.1, 0.05, 0.02]) {
      const { widths, predicted } = allocate(layers, tolerance);
      const chosen = layers.map(({ node: name }) => widths.get(name)!);
      const cost = (bits: readonly number[]) => bits.reduce((sum, b, i) => sum + b * layers[i]!.size, 0);
      const rest = chosen.reduce((sum, [, a], i) => sum + layers[i]!.activations.get(a)![0]!, 0);
      let least = Number.POSITIVE_INFINITY;
      for (const a of [4, 5, 6, 8]) {
        for (const b of [4, 5, 6, 8]) {
          for (const c of [4, 5, 6, 8]) {
            const error = [a, b, c].reduce((sum, bits, i) => sum + layers[i]!.weights.get(bits)![0]!, rest);
            if (error <= tolerance ** 2) least = Math.min(least, cost([a, b, c]));
          }
        }
      }
      expect(predicted).toBeLessThanOrEqual(tolerance);
      expect(cost(chosen.map(([w]) => w))).toBeLessThanOrEqual(least + 2 * 1000);
      expect(cost(chosen.map(([w]) => w))).toBeGreaterThanOrEqual(least);
    }
  });

  test("the last step, which may be that of the largest layer, leaves no layer more bits than the tolerance asks for", () => {
    // Both small layers are raised before the large one has to be; after that one of them may have less again.
    const layers = [law(1.1e-2, 10), law(1e-2, 12), law(0.4, 10_000)];
    const { widths, predicted } = allocate(layers, 0.3);
    expect(predicted).toBeLessThanOrEqual(0.3);
    for (const [node, [bits]] of widths) {
      const lower = [4, 5, 6, 8].filter((one) => one < bits);
      for (const less of lower) {
        const one = layers.find((layer) => layer.node === node)!;
        const more = one.weights.get(less)![0]! - one.weights.get(bits)![0]!;
        expect(predicted ** 2 + more).toBeGreaterThan(0.3 ** 2);
      }
    }
    expect([...widths.values()].filter(([bits]) => bits > 4).length).toBeLessThan(3);
  });

  test("the least bits on average are given where they remove most error; fewer are not given", () => {
    const layers = [law(1e-6, 1000), law(1e-3, 1001), law(1e-8, 1002)];
    const bits = (least: number) => allocate(layers, 1, { least }).bits / 3003;
    expect(bits(0)).toBe(4);
    expect(bits(5)).toBeGreaterThanOrEqual(5);
    expect(bits(5)).toBeLessThan(6.4);
    const { widths, predicted } = allocate(layers, 1, { least: 5 });
    expect(widths.get("1001")![0]).toBe(8);
    // Five everywhere costs as much and errs ten times as much.
    expect(predicted ** 2).toBeLessThan(0.1 * (1e-6 + 1e-3 + 1e-8) * 4 ** -1);
  });

  test("the part of the activations decides when they are widened", () => {
    const layers = [law(1e-2, 100)];
    const activations = (part: number) => allocate(layers, 0.01, { part }).widths.get("100")![1];
    expect(activations(0.5)).toBe(8);
    expect(activations(1 / 16)).toBe(12);
  });

  test("of several outputs the worst one decides, and what cannot be kept is said", () => {
    const one: Sensitivity = {
      node: "a",
      size: 10,
      weights: new Map([
        [4, Float64Array.of(1e-6, 1e-2)],
        [8, Float64Array.of(1e-8, 1e-4)],
      ] as const),
      activations: new Map([[8, Float64Array.of(0, 0)]]),
    };
    expect(allocate([one], 0.05)).toMatchObject({ predicted: 0.01 });
    expect(allocate([one], 1e-3)).toMatchObject({ predicted: 0.01 });
    expect(allocate([], 0.1)).toMatchObject({ predicted: 0 });
  });
});
