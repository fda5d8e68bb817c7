import { describe, expect, it } from "vitest";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { type Feeds, run, tensor } from "./one-node.ts";

describe("QuantizeLinear and DequantizeLinear", () => {
  it("rounds halves to even and saturates", async () => {
    const x = tensor("float32", [-1000, -1, 0.5, 1.5, 2.5, 253, 1000]);
    const [y] = await run(
      "QuantizeLinear",
      { a: x },
      { constants: { b: tensor("float32", [1], []), c: tensor("uint8", [2], []) } },
    );
    expect([...(y!.data as Uint8Array)]).toEqual([0, 1, 2, 4, 4, 255, 255]);
  });

  it("makes NaN the least value of its type, in vectors and beside them, computed and folded", async () => {
    const least = { int8: -128, uint8: 0, int16: -32768, uint16: 0 } as const;
    const x = tensor("float32", [NaN, 1, NaN, -1, 2, NaN, 3, 4, NaN, Infinity]);
    for (const [type, low] of Object.entries(least) as [keyof typeof least, number][]) {
      const constants = { b: tensor("float32", [1], []), c: tensor(type, [9], []) };
      const high = type.includes("int8") ? low + 255 : low + 65535;
      const expected = [low, 10, low, 8, 11, low, 12, 13, low, high];
      const [computed] = await run("QuantizeLinear", { a: x }, { constants });
      expect([...(computed!.data as Uint8Array)], type).toEqual(expected);
      const [folded] = await run("QuantizeLinear", {}, { constants: { a: x, ...constants } });
      expect([...(folded!.data as Uint8Array)], type).toEqual(expected);
    }
  });

  it("has a scale per axis and per block", async () => {
    const x = tensor("int8", [1, 2, 3, 4, 5, 6], [2, 3]);
    const [rows] = await run(
      "DequantizeLinear",
      { a: x },
      { constants: { b: tensor("float32", [2, 10]) }, attributes: { axis: 0 } },
    );
    expect([...(rows!.data as Float32Array)]).toEqual([2, 4, 6, 40, 50, 60]);
    const blocks = { b: tensor("float32", [1, 2, 3, 4], [2, 2]) };
    const [blocked] = await run(
      "DequantizeLinear",
      { a: x },
      { constants: blocks, attributes: { axis: 1, block_size: 2 } },
    );
    expect([...(blocked!.data as Float32Array)]).toEqual([1, 2, 6, 12, 15, 24]);
  });

  it("refuses scales that do not fit", async () => {
    const x = tensor("float32", [1, 2, 3]);
    await expect(
      run("QuantizeLinear", { a: x }, { constants: { b: tensor("float32", [1, 2]) }, attributes: { axis: 0 } }),
    ).rejects.toThrow("the scale expected shape [] or [3]");
  });
});

describe("DynamicQuantizeLinear", () => {
  it("spans the values and 0", async () => {
    const [y, scale, zero] = await run(
      "DynamicQuantizeLinear",
      { a: tensor("float32", [0, 2, -3, -2.5, 1.34, 0.5]) },
      { outputs: ["y", "s", "z"] },
    );
    expect((scale!.data as Float32Array)[0]).toBe(Math.fround(5 / 255));
    expect([...(zero!.data as Uint8Array)]).toEqual([153]);
    expect([...(y!.data as Uint8Array)]).toEqual([153, 255, 0, 26, 221, 179]);
  });
  it("is not undone by values that are all 0", async () => {
    const [y, scale] = await run(
      "DynamicQuantizeLinear",
      { a: tensor("float32", [0, 0]) },
      { outputs: ["y", "s", "z"] },
    );
    expect([...(y!.data as Uint8Array), ...(scale!.data as Float32Array)]).toEqual([0, 0, 1]);
  });
});

describe("integer products are exact", () => {
  const depth = 5000;
  const left = Array.from({ length: 2 * depth }, (_, i) => (i % 7 === 0 ? 255 : (i * 37) % 256));
  const right = Array.from({ length: 3 * depth }, (_, i) => (i % 5 === 0 ? -128 : ((i * 91) % 256) - 128));
  const expected = Array.from({ length: 6 }, (_, at) => {
    const [row, column] = [Math.floor(at / 3), at % 3];
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += (left[row * depth + k]! - 3) * (right[k * 3 + column]! - 5);
    return sum;
  });
  const operands = { a: tensor("uint8", left, [2, depth]), b: tensor("int8", right, [depth, 3]) };
  const zeros = { c: tensor("uint8", [3], []), d: tensor("int8", [5], []) };

  it("also where float32 sums would not be, with constant weights and computed ones, under any preset", async () => {
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(2 ** 24);
    for (const preset of ["float32", "compact"] as const) {
      const [constant] = await run(
        "MatMulInteger",
        { a: operands.a },
        { constants: { b: operands.b, ...zeros }, preset },
      );
      expect([...(constant!.data as Int32Array)]).toEqual(expected);
    }
    const [computed] = await run("MatMulInteger", operands, { constants: zeros });
    expect([...(computed!.data as Int32Array)]).toEqual(expected);
  });

  it("of so many products that only binary digits fit", async () => {
    const a = tensor("uint8", new Array(40_000).fill(255), [1, 40_000]);
    const [y] = await run(
      "MatMulInteger",
      { a },
      { constants: { b: tensor("int8", new Array(40_000).fill(127), [40_000, 1]) } },
    );
    expect([...(y!.data as Int32Array)]).toEqual([40_000 * 255 * 127]);
  });

  it("pads a convolution with the zero point", async () => {
    const x = tensor("uint8", [2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 1, 3, 3]);
    const w = tensor("uint8", [1, 1, 1, 1], [1, 1, 2, 2]);
    const point = tensor("uint8", [1], []);
    const either: Feeds[] = [{ b: w, c: point }, { c: point }];
    for (const constants of either) {
      const feeds: Feeds = "b" in constants ? { a: x } : { a: x, b: w };
      const [y] = await run("ConvInteger", feeds, { constants, attributes: { pads: [1, 1, 1, 1] } });
      expect(y!.dims).toEqual([1, 1, 4, 4]);
      expect([...(y!.data as Int32Array)]).toEqual([1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9]);
    }
  });

  it("stays out of the plan, and the report says so", async () => {
    const io = { a: { type: "uint8" as const, shape: [2, depth] } };
    const graph = build(io, { b: operands.b }, [["MatMulInteger", ["a", "b"], ["y"]]], ["y"], 21);
    const { report } = await quantize(writeOnnx(graph), { preset: "compact" });
    for (const layer of report.layers) expect(layer.plan.weightTerms, layer.name).toBe(0);
  });
});
