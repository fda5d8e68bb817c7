// Ways through rewrites and folding that few files take: each was one where a changed operator in the source went unnoticed.
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { type NumericType, Tensor } from "../../src/tensor/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { runNode } from "../support/run-node.ts";
import { both } from "./one-node.ts";

const numbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

describe("AffineGrid", () => {
  it.each([0, 1])("of three axes of different extents, one of them 1: align_corners %i", async (align_corners) => {
    const [depth, height, width] = [2, 1, 3];
    const rows = [2, 0.5, 0, 0.25, 0, 3, 1, -0.5, 0.125, 0, 4, 0];
    const theta = [...rows, ...rows.map((v) => -2 * v)];
    const [grid] = await runNode({
      op: "AffineGrid",
      opset: 20,
      inputs: [f32([2, 3, 4], theta), i64(2, 1, depth, height, width)],
      constants: [1],
      attributes: { align_corners },
    });
    const place = (i: number, length: number): number => {
      if (align_corners === 0) return (2 * i + 1 - length) / length;
      return length === 1 ? 0 : (2 * i) / (length - 1) - 1;
    };
    const expected: number[] = [];
    for (const n of [0, 1])
      for (let z = 0; z < depth; z++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const at = [place(x, width), place(y, height), place(z, depth), 1];
            for (let row = 0; row < 3; row++)
              expected.push(at.reduce((sum, v, i) => sum + v * theta[12 * n + 4 * row + i]!, 0));
          }
    expect(grid!.dims).toEqual([2, depth, height, width, 3]);
    for (const [i, v] of numbers(grid!).entries()) expect(v).toBeCloseTo(expected[i]!, 4);
  });
});

describe("AffineGrid is refused", () => {
  it.each([
    ["of one axis", [1, 1, 2], [1, 1, 5]],
    ["of four axes", [1, 4, 5], [1, 1, 2, 2, 2, 2]],
    ["of fewer than no places", [1, 2, 3], [1, 1, -2, 3]],
    ["of another batch", [2, 2, 3], [1, 1, 2, 3]],
    ["of rows for another number of axes", [1, 2, 4], [1, 1, 2, 3]],
  ])("%s", async (_, theta, size) => {
    const wrong = runNode({ op: "AffineGrid", opset: 20, inputs: [f32(theta), i64(...size)], constants: [1] });
    await expect(wrong).rejects.toThrow(`theta expected shape [${[size[0], size.length - 2, size.length - 1]}]`);
  });
});

describe("LayerNormalization over two axes, by parameters that are spread over them", () => {
  const x = f32(
    [2, 3, 4],
    Array.from({ length: 24 }, (_, i) => (i * i) % 17),
  );
  const [column, row, one] = [f32([3, 1], [2, -1, 0.5]), f32([4], [1, 2, -3, 4]), f32([1], [3])];
  const whole = f32([3, 4]);
  it.each<[string, Tensor, Tensor | undefined]>([
    ["a row", row, undefined],
    ["a column", column, undefined],
    ["one number", one, undefined],
    ["a row, and as a bias a column", row, column],
    ["a column, and a bias for each", column, whole],
    ["one for each, and one bias", whole, one],
  ])("%s", async (_, scale, bias) => {
    const inputs = [x, scale, ...(bias ? [bias] : [])];
    const [y] = await runNode({ op: "LayerNormalization", opset: 17, inputs, attributes: { axis: 1 } });
    const at = (of: Tensor, i: number): number => Number(of.data[of === column ? Math.floor(i / 4) : i % of.size]);
    const expected = numbers(x).map((v, i, all) => {
      const sample = all.slice(i - (i % 12), i - (i % 12) + 12);
      const mean = sample.reduce((a, b) => a + b) / 12;
      const variance = sample.reduce((a, b) => a + (b - mean) ** 2, 0) / 12;
      return ((v - mean) / Math.sqrt(variance + 1e-5)) * at(scale, i % 12) + (bias ? at(bias, i % 12) : 0);
    });
    for (const [i, v] of numbers(y!).entries()) expect(v).toBeCloseTo(expected[i]!, 4);
  });
});

describe("Pad of opset 2", () => {
  it.each([0, -2.5])("puts %d around", async (value) => {
    const attributes = { pads: [1, 2], value };
    const [y] = await runNode({ op: "Pad", opset: 10, inputs: [f32([2], [7, 8])], attributes });
    expect(numbers(y!)).toEqual([value, 7, 8, value, value]);
    const [absent] = await runNode({ op: "Pad", opset: 10, inputs: [f32([2], [7, 8])], attributes: { pads: [1, 2] } });
    expect(numbers(absent!)).toEqual([0, 7, 8, 0, 0]);
  });
});

describe("NegativeLogLikelihoodLoss", () => {
  const scores = f32(
    [2, 3, 2],
    Array.from({ length: 12 }, (_, i) => -1 - ((i * 5) % 7)),
  );
  const targets = new Tensor("int64", [0n, 2n, 1n, 2n], [2, 2]);
  const weights = f32([3], [0.5, 2, 4]);
  it.each<[string, number | undefined, boolean]>([
    ["none", undefined, false],
    ["none", 2, true],
    ["sum", undefined, true],
    ["sum", 2, false],
    ["mean", undefined, false],
    ["mean", 2, true],
  ])("%s, ignoring %s, weighed: %s", async (reduction, ignored, weighed) => {
    const attributes = { reduction, ...(ignored !== undefined && { ignore_index: ignored }) };
    const inputs = [scores, targets, ...(weighed ? [weights] : [])];
    const [loss] = await runNode({ op: "NegativeLogLikelihoodLoss", opset: 13, inputs, attributes });
    const each = numbers(targets).map((target, i) => {
      const weight = target === ignored ? 0 : weighed ? Number(weights.data[target]) : 1;
      return { weight, loss: -weight * Number(scores.data[6 * Math.floor(i / 2) + 2 * target + (i % 2)]) };
    });
    const sum = (of: "weight" | "loss"): number => each.reduce((all, one) => all + one[of], 0);
    const expected = {
      none: each.map((one) => one.loss),
      sum: [sum("loss")],
      mean: [sum("loss") / sum("weight")],
    }[reduction]!;
    expect(loss!.dims).toEqual(reduction === "none" ? [2, 2] : []);
    for (const [i, v] of numbers(loss!).entries()) expect(v).toBeCloseTo(expected[i]!, 5);
  });
});

describe("a Pad before a Conv, which become one", () => {
  const paddedConv = (pads: readonly number[], around: readonly number[]): Graph => {
    const constants = {
      w: f32([1, 1, 2, 2], [1, 2, 3, 4]),
      p: i64(0, 0, ...around.slice(0, 2), 0, 0, ...around.slice(2)),
    };
    const nodes: NodeSpec[] = [
      ["Pad", ["x", "p"], ["z"]],
      ["Conv", ["z", "w"], ["y"], { pads }],
    ];
    return build({ x: [1, 1, 2, 3] }, constants, nodes, ["y"]);
  };
  it.each([[[-1, 0, 0, 0]], [[0, 0, 0, -1]], [[-1, -1, -1, -1]], [[0, 0]], [[0, 0, 0, 0, 0, 0]]])(
    "%j is refused as before",
    async (pads) => {
      const opening = InferenceSession.create(writeOnnx(paddedConv(pads, [1, 1, 1, 1])), { preset: "float32" });
      await expect(opening).rejects.toThrow(`"pads" expected 4 integers ≥ 0, got [${pads}]`);
    },
  );

  it("adds up", async () => {
    const x = f32([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]);
    const [y] = await both(paddedConv([0, 1, 0, 0], [1, 0, 0, 2]), { x });
    expect(y!.dims).toEqual([1, 1, 2, 5]);
    expect(numbers(y!)).toEqual([4, 11, 18, 9, 0, 18, 37, 47, 21, 0]);
  });
});

describe("Range", () => {
  it.each<[NumericType, number, number, number, number[]]>([
    ["int64", 1, 12, 4, [1, 5, 9]],
    ["int64", 10, 1, -3, [10, 7, 4]],
    ["int64", 2, -5, -3, [2, -1, -4]],
    ["int64", 2 ** 31 - 1, 2 ** 33, 2 ** 32 + 1, [2 ** 31 - 1, 3 * 2 ** 31]],
    ["int64", 1 - 2 ** 32, 2, 2 ** 32 - 1, [1 - 2 ** 32, 0]],
    ["int64", -(2 ** 52), 2 ** 52, 2 ** 52 + 2 ** 40 - 3, [-(2 ** 52), 2 ** 40 - 3]],
    ["int32", 3, 3, 2, []],
    ["float32", 0, 1, 0.25, [0, 0.25, 0.5, 0.75]],
    ["float32", 1, -0.75, -0.5, [1, 0.5, 0, -0.5]],
    ["float64", 0, 7, 3, [0, 3, 6]],
  ])("of %s from %d to %d by %d", async (type, start, limit, delta, expected) => {
    const one = (value: number): Tensor => new Tensor(type, [type === "int64" ? BigInt(value) : value] as never, []);
    const [fed] = await runNode({ op: "Range", opset: 11, inputs: [one(start), one(limit), one(delta)] });
    expect(fed!.type).toBe(type);
    expect(numbers(fed!)).toEqual(expected);
  });
});

describe("QGemm", () => {
  const [M, K, N] = [2, 3, 4];
  const a = Array.from({ length: M * K }, (_, i) => (37 * i + 11) % 251);
  const b = Array.from({ length: K * N }, (_, i) => ((53 * i + 7) % 251) - 125);
  const c = Array.from({ length: N }, (_, i) => 100 * i - 150);
  const turned = (list: readonly number[], rows: number, columns: number): number[] =>
    Array.from({ length: list.length }, (_, i) => list[(i % rows) * columns + Math.floor(i / rows)]!);

  it.each(
    [0, 1].flatMap((transA) => [0, 1].flatMap((transB) => [1, 0.5].map((alpha) => [transA, transB, alpha] as const))),
  )("is the product of its operands: transA %i, transB %i, alpha %f", async (transA, transB, alpha) => {
    const A = new Tensor("uint8", transA ? turned(a, M, K) : a, transA ? [K, M] : [M, K]);
    const B = new Tensor("int8", transB ? turned(b, K, N) : b, transB ? [N, K] : [K, N]);
    const number = (value: number): Tensor => f32([], [value]);
    const point = (type: "uint8" | "int8", value: number): Tensor => new Tensor(type, [value], []);
    const product = (bias: boolean): number[] =>
      Array.from({ length: M * N }, (_, at) => {
        const [i, j] = [Math.floor(at / N), at % N];
        let sum = bias ? c[j]! : 0;
        for (let k = 0; k < K; k++) sum += (a[i * K + k]! - 100) * (b[k * N + j]! - 3);
        return 0.5 * 0.25 * alpha * sum;
      });
    for (const constants of [
      [1, 2, 4, 5],
      [1, 2, 3, 4, 5, 6],
    ]) {
      const run = (...more: (Tensor | "")[]): Promise<Tensor[]> =>
        runNode({
          op: "QGemm",
          domain: "com.microsoft",
          inputs: [A, number(0.5), point("uint8", 100), B, number(0.25), point("int8", 3), ...more],
          constants,
          attributes: { transA, transB, alpha },
        });
      expect(numbers((await run())[0]!)).toEqual(product(false));
      const bias = new Tensor("int32", c, [N]);
      expect(numbers((await run(bias))[0]!)).toEqual(product(true));
      const rounded = (v: number): number => {
        const low = Math.floor(v / 64);
        const rest = v / 64 - low;
        return Math.max(0, Math.min(255, 128 + low + (rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? 1 : 0)));
      };
      const [y] = await run(bias, number(64), point("uint8", 128));
      expect(y!.type).toBe("uint8");
      expect(numbers(y!)).toEqual(product(true).map(rounded));
    }
  });
});

describe("constants are folded to what the core computes", () => {
  const integers: readonly NumericType[] = ["int8", "int32", "int64", "uint8", "uint64"];
  const of = (type: NumericType, list: readonly number[], dims: number[]): Tensor =>
    new Tensor(type, type.endsWith("64") ? (list.map(BigInt) as never) : (list as never), dims);

  it.each(integers.flatMap((type) => ["Add", "Sub", "Mul", "Div", "Mod", "fmod"].map((op) => [op, type] as const)))(
    "%s of %s",
    async (name, type) => {
      const unsigned = type.startsWith("u");
      const x = of(type, unsigned ? [7, 0, 9, 3, 12, 5] : [7, -7, 0, -9, 5, 120], [3, 2]);
      const op = name === "fmod" ? "Mod" : name;
      const attributes: Record<string, number> = name === "fmod" ? { fmod: 1 } : {};
      // No number is divided by 0 at create: that the network may never do.
      const divisors =
        op === "Div" || op === "Mod"
          ? [[3, 2]]
          : [
              [3, 2],
              [0, 1],
            ];
      for (const list of [...divisors, ...(unsigned ? [] : [[-3, 4]])]) {
        const inputs = [x, of(type, list, [2])];
        const fed = await runNode({ op, attributes, inputs });
        const folded = await runNode({ op, attributes, inputs, constants: [0, 1] });
        expect(folded[0]!.data).toEqual(fed[0]!.data);
        expect(folded[0]!.dims).toEqual([3, 2]);
      }
    },
  );

  it.each(["Div", "Mod"])("%s by 0 is left to the run", async (op) => {
    const divisors = [
      [0, 4],
      [0, 0],
    ];
    for (const [type, list] of (["int32", "int64"] as const).flatMap((t) => divisors.map((d) => [t, d] as const))) {
      const inputs = [of(type, [5, 6], [2]), of(type, list, [2])];
      const said = (constants: number[]): Promise<string> =>
        runNode({ op, inputs, constants }).then(
          ([y]) => numbers(y!).join(),
          (error: Error) => error.message,
        );
      expect(await said([0, 1])).toBe(await said([]));
    }
  });

  it("Pow by 2, 1 and a half", async () => {
    const x = f32([5], [-0, Number.NEGATIVE_INFINITY, 4, -3, Number.POSITIVE_INFINITY]);
    for (const exponent of [2, 1, 0.5]) {
      const inputs = [x, f32([], [exponent])];
      const [fed] = await runNode({ op: "Pow", inputs });
      const [folded] = await runNode({ op: "Pow", inputs, constants: [0, 1] });
      expect(folded!.data).toEqual(fed!.data);
    }
  });
});
