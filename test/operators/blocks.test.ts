import { describe, expect, it } from "vitest";
import { exportOnnx, quantize } from "../../src/entries/quantize.ts";
import type { Attribute, Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { prepare } from "../../src/quantize/quantize.ts";
import { InferenceSession } from "../../src/session/session.ts";
import type { ElementType, Tensor } from "../../src/tensor/index.ts";
import { build, operators } from "../graph/build.ts";
import { both, tensor } from "./one-node.ts";

/** Whole numbers below `count` that follow no pattern of 16. */
function numbers(count: number, below: number, seed: number): number[] {
  let state = seed + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % below;
  });
}

/** Numbers of `bits` bits, the lowest bits of a byte first; every row of `width` begins a byte. */
function packed(values: readonly number[], width: number, bits: number): number[] {
  const perByte = 8 / bits;
  const stride = Math.ceil(width / perByte);
  const bytes = new Array<number>((values.length / width) * stride).fill(0);
  values.forEach((value, i) => {
    const [row, at] = [Math.floor(i / width), i % width];
    bytes[row * stride + Math.floor(at / perByte)]! += value * 2 ** (bits * (at % perByte));
  });
  return bytes;
}

interface Matrix {
  readonly columns: number;
  readonly depth: number;
  readonly size: number;
  readonly bits: number;
  /** [columns, depth], padded with 5 to whole blocks in the bytes. */
  readonly q: readonly number[];
  /** [columns, blocks]: powers of two, so that every order of the sums gives the same. */
  readonly scales: readonly number[];
  readonly zeros: readonly number[];
  readonly bytes: Tensor;
}

function matrix(columns: number, depth: number, size: number, bits: number): Matrix {
  const blocks = Math.ceil(depth / size);
  const q = numbers(columns * depth, 2 ** bits, 1);
  const rows = Array.from({ length: columns }, (_, c) => [
    ...q.slice(c * depth, (c + 1) * depth),
    ...new Array<number>(blocks * size - depth).fill(2 ** bits - 1),
  ]).flat();
  return {
    ...{ columns, depth, size, bits, q },
    scales: numbers(columns * blocks, 4, 2).map((e) => 2 ** (e - 3)),
    zeros: numbers(columns * blocks, 2 ** bits, 3),
    bytes: tensor("uint8", packed(rows, blocks * size, bits), [columns, blocks, (size * bits) / 8]),
  };
}

/** x·w by the definition; `block(k)` of an input. */
function product(
  m: Matrix,
  x: Tensor,
  zeros: readonly number[],
  block = (k: number) => Math.floor(k / m.size),
  scales: ArrayLike<number> = m.scales,
): number[] {
  const values = x.data as Float32Array;
  const blocks = Math.ceil(m.depth / m.size);
  return Array.from({ length: (values.length / m.depth) * m.columns }, (_, at) => {
    const [row, c] = [Math.floor(at / m.columns), at % m.columns];
    let sum = 0;
    for (let k = 0; k < m.depth; k++) {
      const of = c * blocks + block(k);
      sum += values[row * m.depth + k]! * (m.q[c * m.depth + k]! - zeros[of]!) * scales[of]!;
    }
    return sum;
  });
}

function input(rows: number, depth: number): Tensor {
  const data = numbers(rows * depth, 17, rows).map((v) => v - 8);
  return tensor("float32", data, [rows, depth]);
}

function graphOf(
  m: Matrix,
  x: Tensor,
  constants: Record<string, Tensor>,
  attributes: Record<string, Attribute> = {},
): Graph {
  const inputs = ["x", "w", "s", "z", "g", "b"].map((name) => (name === "x" || name in constants ? name : ""));
  const all = { K: m.depth, N: m.columns, bits: m.bits, block_size: m.size, ...attributes };
  const graph = build({ x: x.dims }, constants, [["com.microsoft/MatMulNBits", inputs, ["y"], all]], ["y"], 21);
  return { ...graph, opsets: { "": 21, "com.microsoft": 1 } };
}

const plain = (t: Tensor | undefined): number[] => Array.from((t?.data ?? []) as Float32Array);

describe("products with weights in blocks", () => {
  for (const bits of [2, 4, 8]) {
    for (const [depth, size] of [
      [64, 32],
      [45, 16],
      [130, 128],
    ] as const) {
      it(`have the numbers of their definition: ${bits} bits, ${depth} inputs in blocks of ${size}`, async () => {
        const m = matrix(5, depth, size, bits);
        const blocks = Math.ceil(depth / size);
        const s = tensor("float32", m.scales, [5, blocks]);
        const middle = m.scales.map(() => 2 ** (bits - 1));
        const parts = m.scales.map((_, i) => i / 4 - 1);
        const points: readonly [readonly number[], Record<string, Tensor>][] = [
          [middle, {}],
          [m.zeros, { z: tensor("uint8", packed(m.zeros, blocks, bits)) }],
          [parts, { z: tensor("float32", parts, [5, blocks]) }],
        ];
        // 9 rows are two tiles of four and one of one.
        for (const rows of [1, 9]) {
          const x = input(rows, depth);
          for (const [zeros, given] of points) {
            const graph = graphOf(m, x, { w: m.bytes, s, ...given });
            const [y] = await both(graph, { x });
            expect(plain(y)).toEqual(product(m, x, zeros));
          }
        }
      });
    }
  }

  it.each([2, 4, 8])("keep 31 bits of their inputs under float32: %i bits", async (bits) => {
    // One weight of a column is 1 and the others 0, so that an output is an input: all of its bits are there if it is a multiple of 2^-29 of the power of two above the largest one.
    const [depth, size] = [64, 32];
    const q = Array.from({ length: depth * depth }, (_, i) => Number(i % depth === Math.floor(i / depth)) + 1);
    const w = tensor("uint8", packed(q, depth, bits), [depth, depth / size, (size * bits) / 8]);
    const s = tensor("float32", new Array<number>((depth * depth) / size).fill(1), [depth, depth / size]);
    const blocks = depth / size;
    const z = tensor("uint8", packed(new Array<number>(depth * blocks).fill(1), blocks, bits));
    const m: Matrix = { columns: depth, depth, size, bits, q, scales: [], zeros: [], bytes: w };
    for (const largest of [2 ** 24 - 1, 2 ** 23, 2 ** 23 + 1])
      for (const exponent of [-23, 0, 40, -100]) {
        const values = numbers(depth, 2 ** 24, exponent + 200).map((v, i) => (i === 0 ? largest : v * 2 ** -(i % 7)));
        const kept = values.map((v) => Math.round(v * 2 ** 6) * 2 ** -6 * 2 ** exponent * (v % 3 === 0 ? -1 : 1));
        const x = tensor("float32", kept, [1, depth]);
        const [y] = await both(graphOf(m, x, { w, s, z }), { x });
        expect(plain(y)).toEqual([...(x.data as Float32Array)]);
      }
  });

  it("have weights that no preset rounds again, and are the same in whatever rows they come, and in slices", async () => {
    const m = matrix(300, 1024, 32, 4);
    const s = tensor(
      "float32",
      m.scales.map((v, i) => v * (1 + i / 1000)),
    );
    const data = numbers(37 * 1024, 1000, 4).map((v) => Math.fround(v / 7 - 70));
    const x = tensor("float32", data, [37, 1024]);
    const bias = numbers(300, 9, 5);
    const onnx = writeOnnx(graphOf(m, x, { w: m.bytes, s, b: tensor("float32", bias) }));
    const exact = product(
      m,
      x,
      m.scales.map(() => 8),
      undefined,
      s.data as Float32Array,
    ).map((v, i) => v + bias[i % 300]!);
    const most = Math.max(...exact.map(Math.abs));
    const results = [];
    for (const preset of ["float32", "faithful", "fast", "compact"] as const) {
      const session = await InferenceSession.create(onnx, { preset });
      results.push(plain((await session.run({ x }))["y"]));
      const sliced = await session.run({ x }, { signal: new AbortController().signal });
      expect(plain(sliced["y"])).toEqual(results.at(-1));
      const error = Math.max(...results.at(-1)!.map((v, i) => Math.abs(v - exact[i]!) / most));
      // Inputs have 31 or 16 bits (measured: 4e-7, 2.6e-5); weights of 4 bits that are rounded again would be wrong by 1e-2 and more.
      expect(error).toBeLessThan(preset === "float32" ? 1e-6 : 4e-5);
      await session.release();
    }
    for (const result of results.slice(2)) expect(result).toEqual(results[1]);
    // The last row is alone in its tile, the fifth one of four.
    for (const row of [4, 36]) {
      const alone = tensor("float32", data.slice(row * 1024, (row + 1) * 1024), [1, 1024]);
      const [y] = await both(graphOf(m, alone, { w: m.bytes, s, b: tensor("float32", bias) }), {
        x: alone,
      });
      expect(plain(y)).toEqual(results[0]!.slice(row * 300, (row + 1) * 300));
    }
  });

  it("keep their weights as they are in memory", async () => {
    const m = matrix(1024, 1024, 32, 4);
    const x = input(1, 1024);
    const s = tensor("float32", m.scales);
    const session = await InferenceSession.create(writeOnnx(graphOf(m, x, { w: m.bytes, s })), { preset: "float32" });
    await session.run({ x });
    // 512 KiB of weights and 128 KiB of scales; as floats they would be 4 MiB.
    expect(session.memoryBytes).toBeLessThan(2 ** 20);
    await session.release();
  });

  it("take their inputs in the order of g_idx", async () => {
    const m = matrix(3, 64, 16, 4);
    const x = input(2, 64);
    const group = Array.from({ length: 64 }, (_, k) => k % 4);
    const given = {
      ...{ w: m.bytes, s: tensor("float32", m.scales), g: tensor("int32", group) },
      z: tensor("uint8", packed(m.zeros, 4, 4)),
    };
    const [y] = await both(graphOf(m, x, given), { x });
    expect(plain(y)).toEqual(product(m, x, m.zeros, (k) => group[k]!));
    const uneven = { ...given, g: tensor("int32", group.with(0, 1)) };
    await expect(both(graphOf(m, x, uneven), { x })).rejects.toThrow("g_idx expected 16 inputs in every block");
  });

  it("refuse what does not fit", async () => {
    const m = matrix(3, 64, 16, 4);
    const x = input(2, 64);
    const good = { w: m.bytes, s: tensor("float32", m.scales) };
    const refused = (constants: Record<string, Tensor>, attributes: Record<string, Attribute> = {}) =>
      expect(both(graphOf(m, x, constants, attributes), { x })).rejects;
    await refused({ ...good, w: tensor("uint8", numbers(95, 256, 1)) }).toThrow("expected 96 bytes of weights");
    await refused({ ...good, s: tensor("float32", [1, 2]) }).toThrow("expected 12 scales");
    await refused({ ...good, z: tensor("uint8", [1, 2]) }).toThrow("expected 6 zero points");
    await refused({ ...good, b: tensor("float32", [1]) }).toThrow("expected 3 values of the bias");
    await refused(good, { K: 48 }).toThrow("the input expected 48 columns");
    await refused(good, { bits: 3 }).toThrow('"bits" expected 2, 4 or 8, got 3');
    await refused(good, { block_size: 24 }).toThrow('"block_size" expected a multiple of 16, got 24');
    await refused(good, { weight_prepacked: 1 }).toThrow("packed for another device");
    await refused({ ...good, g: tensor("int32", [1]) }).toThrow("g_idx expected a constant of 64 int32 values");
  });

  it("come back as standard operators", async () => {
    for (const bits of [2, 4, 8]) {
      const m = matrix(5, 45, 16, bits);
      const x = input(3, 45);
      const given = {
        ...{ w: m.bytes, s: tensor("float32", m.scales), b: tensor("float32", [1, 2, 3, 4, 5]) },
        z: tensor("uint8", packed(m.zeros, 3, bits)),
      };
      const [expected] = await both(graphOf(m, x, given), { x });
      const { bytes } = await quantize(writeOnnx(graphOf(m, x, given)), { preset: "float32" });
      const session = await InferenceSession.create(exportOnnx(bytes), { preset: "float32" });
      expect(plain((await session.run({ x }))["y"])).toEqual(plain(expected));
      await session.release();
    }
  });
});

describe("DequantizeLinear in blocks before a product", () => {
  /** Numbers of a type, [depth, columns], and what they are without a sign. */
  const typed = (type: ElementType, values: readonly number[], dims: readonly number[]): Tensor => {
    const half = { int4: 8, int8: 128 }[type as string] ?? 0;
    return tensor(
      type,
      values.map((v) => v - half),
      dims,
    );
  };
  const turned = (values: readonly number[], rows: number, columns: number): number[] =>
    Array.from({ length: rows * columns }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);

  for (const type of ["uint4", "int4", "uint8", "int8"] as const) {
    it(`leaves ${type} as it is`, async () => {
      const bits = type.endsWith("4") ? 4 : 8;
      const m = matrix(6, 40, 16, bits);
      const x = input(3, 40);
      const middle = type.startsWith("u") ? 0 : 2 ** (bits - 1);
      for (const isTurned of [true, false]) {
        const lay = (values: readonly number[], width: number, of: ElementType): Tensor =>
          isTurned ? typed(of, values, [6, width]) : typed(of, turned(values, 6, width), [width, 6]);
        for (const zeros of [undefined, m.zeros]) {
          const constants = {
            ...{ q: lay(m.q, 40, type), s: lay(m.scales, 3, "float32"), c: tensor("float32", [1, 2, 3, 4, 5, 6]) },
            ...(zeros && { z: lay(zeros, 3, type) }),
          };
          const scaled = { axis: isTurned ? 1 : 0, block_size: 16 };
          const names = zeros === undefined ? ["q", "s"] : ["q", "s", "z"];
          const graph = build(
            { x: [3, 40] },
            constants,
            [
              ["DequantizeLinear", names, ["w"], scaled],
              ["Gemm", ["x", "w", "c"], ["y"], isTurned ? { transB: 1 } : {}],
            ],
            ["y"],
            21,
          );
          expect(operators(await prepare(graph))).toEqual(["bitbasis/MatMulBlocks", "Add"]);
          const expected = product(m, x, zeros ?? m.scales.map(() => middle)).map((v, i) => v + 1 + (i % 6));
          for (const preset of ["float32", "compact"] as const) {
            const [y] = await both(graph, { x }, preset);
            expect(plain(y)).toEqual(expected);
          }
        }
      }
    });
  }
});
