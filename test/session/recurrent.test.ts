import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import type { Attribute } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../model/models.ts";
import { close } from "../program/agree.ts";
import { recurrence } from "../program/recurrence.ts";

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;
const ACTIVATIONS = { RNN: ["Tanh"], GRU: ["Sigmoid", "Tanh"], LSTM: ["Sigmoid", "Tanh", "Tanh"] } as const;

interface Network {
  readonly kind: keyof typeof GATES;
  readonly direction: string;
  readonly batchFirst: boolean;
  readonly time: number;
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly bias: boolean;
  readonly state: boolean;
  readonly lengths: boolean;
  readonly extra: boolean;
  readonly resetLast: boolean;
  readonly seed: number;
}

function random(seed: number, ...dims: number[]): Tensor<"float32"> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    "float32",
    noise(size, seed).map((v) => v / 2),
    dims,
  );
}

/** The dims of a tensor that has its batch behind its directions or time, batch first. */
function first(n: Network, t: Tensor<"float32">): Tensor<"float32"> {
  if (!n.batchFirst) return t;
  const [a, b, c] = t.dims as [number, number, number];
  const data = t.data as Float32Array;
  const moved = Float32Array.from(data, (_, i) => {
    const [j, k, rest] = [Math.floor(i / a / c), Math.floor(i / c) % a, i % c];
    return data[(k * b + j) * c + rest]!;
  });
  return new Tensor("float32", moved, [b, a, c]);
}

function networkOf(n: Network) {
  const d = n.direction === "bidirectional" ? 2 : 1;
  const g = GATES[n.kind];
  const h = n.hidden;
  const x = random(n.seed, n.time, n.batch, n.inputs);
  const [w, r] = [random(n.seed + 1, d, g * h, n.inputs), random(n.seed + 2, d, g * h, h)];
  const b = random(n.seed + 3, d, 2 * g * h);
  const [state, cell] = [random(n.seed + 4, d, n.batch, h), random(n.seed + 5, d, n.batch, h)];
  const peepholes = random(n.seed + 6, d, 3 * h);
  const lengths = new Tensor(
    "int32",
    Int32Array.from({ length: n.batch }, (_, i) => (n.seed + i) % (n.time + 1)),
    [n.batch],
  );
  const lstm = n.kind === "LSTM";
  const inputs = ["x", "w", "r", n.bias ? "b" : "", n.lengths ? "lengths" : "", n.state ? "state" : ""];
  if (lstm) inputs.push(n.state ? "cell" : "", n.extra ? "peepholes" : "");
  const attributes: Record<string, Attribute> = {
    direction: n.direction,
    hidden_size: h,
    layout: n.batchFirst ? 1 : 0,
  };
  if (n.kind === "GRU" && n.resetLast) attributes["linear_before_reset"] = 1;
  const outputs = lstm ? ["y", "y_h", "y_c"] : ["y", "y_h"];
  const feeds = { x: first(n, x), ...(n.lengths && { lengths }), ...(n.state && { state: first(n, state) }) };
  const given = { ...feeds, ...(n.state && lstm && { cell: first(n, cell) }) };
  const described = Object.entries(given).map(([name, t]) => [name, { type: t.type, shape: t.dims }] as const);
  const weights = { w, r, ...(n.bias && { b }), ...(lstm && n.extra && { peepholes }) };
  const graph = build(Object.fromEntries(described), weights, [[n.kind, inputs, outputs, attributes]], outputs, 22);

  const expected = { y: [] as number[], states: [] as number[], cells: [] as number[] };
  const parts = Array.from({ length: d }, (_, at) => {
    const row = (t: Tensor, i: number, width: number): number[] =>
      Array.from((t.data as Float32Array).subarray(i * width, (i + 1) * width));
    const bias = n.bias ? row(b, at, 2 * g * h) : new Array<number>(2 * g * h).fill(0);
    const inner = n.kind === "GRU" && n.resetLast;
    const product = Array.from({ length: n.time * n.batch }, (_, p) =>
      Array.from({ length: g * h }, (_, j) => {
        const sum = row(x, p, n.inputs).reduce(
          (s, v, i) => s + v * (w.data as Float32Array)[(at * g * h + j) * n.inputs + i]!,
          0,
        );
        return sum + bias[j]! + (inner && j >= 2 * h ? 0 : bias[g * h + j]!);
      }),
    ).flat();
    return recurrence({
      ...{ kind: n.kind, time: n.time, batch: n.batch, hidden: h, coupled: false, resetFirst: !n.resetLast },
      ...{ reverse: n.direction === "reverse" || at === 1, x: product, r: row(r, at, g * h * h), clip: Infinity },
      activations: ACTIVATIONS[n.kind].map((name) => ({ name, alpha: 0, beta: 0 })),
      lengths: n.lengths ? [...(lengths.data as Int32Array)] : undefined,
      state: n.state ? row(state, at, n.batch * h) : undefined,
      cell: n.state ? row(cell, at, n.batch * h) : undefined,
      extra: lstm ? (n.extra ? row(peepholes, at, 3 * h) : undefined) : inner ? bias.slice(5 * h) : undefined,
    });
  });
  for (let i = 0; i < n.time * n.batch; i++) {
    const [p, q] = n.batchFirst ? [Math.floor(i / n.time), i % n.time] : [i % n.batch, Math.floor(i / n.batch)];
    if (n.batchFirst)
      for (const { outputs } of parts)
        expected.y.push(...outputs.slice((q * n.batch + p) * h, (q * n.batch + p + 1) * h));
  }
  if (!n.batchFirst) {
    for (let t = 0; t < n.time; t++)
      for (const { outputs } of parts) expected.y.push(...outputs.slice(t * n.batch * h, (t + 1) * n.batch * h));
  }
  const states = (of: (part: (typeof parts)[number]) => number[]): number[] => {
    const flat = new Tensor("float32", parts.flatMap(of), [d, n.batch, h]);
    return [...(first(n, flat).data as Float32Array)];
  };
  expected.states = states((part) => part.state);
  expected.cells = states((part) => part.cell);
  return { graph, feeds: given, expected };
}

const networks: fc.Arbitrary<Network> = fc.record({
  kind: fc.constantFrom("RNN", "GRU", "LSTM"),
  direction: fc.constantFrom("forward", "reverse", "bidirectional"),
  batchFirst: fc.boolean(),
  time: fc.constantFrom(1, 3, 6),
  batch: fc.constantFrom(1, 2, 5),
  inputs: fc.constantFrom(1, 3, 8),
  hidden: fc.constantFrom(1, 3, 4, 8),
  bias: fc.boolean(),
  state: fc.boolean(),
  lengths: fc.boolean(),
  extra: fc.boolean(),
  resetLast: fc.boolean(),
  seed: fc.nat(999),
});

describe("RNN, GRU and LSTM of ONNX", () => {
  test("in every direction and layout, with and without what is optional, float32 and quantized", async () => {
    await fc.assert(
      fc.asyncProperty(networks, async (n) => {
        const { graph, feeds, expected } = networkOf(n);
        const bytes = writeOnnx(graph);
        for (const preset of ["float32", "faithful"] as const) {
          const bits: string[] = [];
          for (const build of ["simd", "scalar"] as const) {
            const session = await InferenceSession.create(bytes, { preset, build });
            const results = await session.run(feeds);
            const tolerance = preset === "float32" ? 1e-5 : 5e-3;
            close(results["y"]!.data as Float32Array, expected.y, tolerance);
            close(results["y_h"]!.data as Float32Array, expected.states, tolerance);
            if (n.kind === "LSTM") close(results["y_c"]!.data as Float32Array, expected.cells, tolerance);
            bits.push(
              JSON.stringify(
                Object.values(results).map((t) => [
                  t.dims,
                  Buffer.from((t.data as Float32Array).buffer).toString("base64"),
                ]),
              ),
            );
            await session.release();
          }
          expect(bits[0]).toBe(bits[1]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("both weights of each direction become series", async () => {
    const base = { batchFirst: false, time: 4, batch: 1, inputs: 24, hidden: 16, bias: true, state: false } as const;
    for (const kind of ["RNN", "GRU", "LSTM"] as const) {
      const n = { ...base, kind, direction: "bidirectional", lengths: false, extra: false, resetLast: false, seed: 3 };
      const { graph } = networkOf(n);
      const { layers } = (await quantize(writeOnnx(graph))).report;
      expect(layers.map(({ op }) => op)).toEqual(["MatMul", kind, "MatMul", kind]);
      for (const { plan } of layers) expect(plan.weightBits).toBeGreaterThanOrEqual(12);
    }
  });

  test("what does not fit is refused, with the node in the message", async () => {
    const base = {
      kind: "LSTM",
      direction: "forward",
      batchFirst: false,
      time: 2,
      batch: 2,
      inputs: 3,
      hidden: 4,
    } as const;
    const n = { ...base, bias: true, state: true, lengths: true, extra: true, resetLast: false, seed: 1 };
    const { graph, feeds } = networkOf(n);
    const changed = async (
      attributes: Record<string, Attribute>,
      wrong: Record<string, Tensor> = {},
    ): Promise<void> => {
      const nodes = graph.nodes.map((node) => ({ ...node, attributes: { ...node.attributes, ...attributes } }));
      const initializers = new Map([...graph.initializers].map(([name, t]) => [name, wrong[name] ?? t]));
      const session = await InferenceSession.create(writeOnnx({ ...graph, nodes, initializers }), {
        preset: "float32",
      });
      await session.run(feeds);
    };
    await expect(changed({})).resolves.toBeUndefined();
    const model = { code: "MODEL", message: expect.stringContaining("LSTM_0") };
    await expect(changed({ hidden_size: 5 })).rejects.toMatchObject(model);
    await expect(changed({ direction: "sideways" })).rejects.toMatchObject(model);
    await expect(changed({ activations: ["Tanh"] })).rejects.toMatchObject(model);
    await expect(changed({ activations: ["Tanh", "Tanh", "toString"] })).rejects.toMatchObject(model);
    await expect(changed({ activation_alpha: "1" })).rejects.toMatchObject(model);
    await expect(changed({}, { r: random(1, 1, 16, 5) })).rejects.toMatchObject(model);
    await expect(changed({}, { peepholes: random(1, 1, 11) })).rejects.toMatchObject(model);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "faithful" });
    const good = await session.run(feeds);
    await expect(session.run({ ...feeds, lengths: new Tensor("int32", [1, 3], [2]) })).rejects.toThrow(RangeError);
    expect(await session.run(feeds)).toEqual(good);
  });

  // What such plans need beside the product has no place in the step, which has read beyond its words for it.
  test.each([
    { bits: 4, weightTerms: 3, activationTerms: 3, pairs: { upTo: 4 } },
    { bits: 4, weightTerms: 0, activationTerms: 3 },
    { bits: 4, weightTerms: 3, activationTerms: 0 },
  ])("runs under plans that leave pairs, weights or activations out: %j", async (plan) => {
    for (const kind of ["RNN", "GRU", "LSTM"] as const) {
      const n = { kind, direction: "forward", batchFirst: false, time: 4, batch: 6, inputs: 20, hidden: 5 } as const;
      const rest = { bias: true, state: true, lengths: false, extra: false, resetLast: false, seed: 3 };
      const { graph, feeds } = networkOf({ ...n, ...rest });
      const onnx = writeOnnx(graph);
      const [exact, series] = [
        await InferenceSession.create(onnx, { preset: "float32" }),
        await InferenceSession.create(onnx, { plan: { version: 1, default: plan } }),
      ];
      const [want, got] = [await exact.run(feeds), await series.run(feeds)];
      for (const [name, { data }] of Object.entries(want)) {
        const [a, b] = [data as Float32Array, got[name]!.data as Float32Array];
        const largest = a.reduce((all, v) => Math.max(all, Math.abs(v)), 0);
        const miss = a.reduce((all, v, i) => Math.max(all, Math.abs(v - b[i]!)), 0);
        expect(miss / largest, `${kind} ${name}`).toBeLessThan(0.05);
      }
    }
  });
});
