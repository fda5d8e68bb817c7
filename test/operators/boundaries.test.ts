// Bounds and choices that a sample of planted faults went past.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { lowestOf, rangeOf } from "../../src/series/index.ts";
import { build, f32, i64 } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";
import { run, tensor } from "./one-node.ts";

describe("Pow of integers", () => {
  it.each(["int64", "int8", "uint8"] as const)(
    "has the type of its base, whatever that of the exponent: %s",
    async (type) => {
      const exponents = tensor(type, type === "int64" ? ([3n, 2n, 3n, 0n] as never) : [3, 2, 3, 0]);
      const [y] = await run("Pow", { a: tensor("int32", [2, 3, -2, 7]), b: exponents });
      expect([y!.type, ...(y!.data as Int32Array)]).toEqual(["int32", 8, 9, -8, 1]);
      const [wide] = await run("Pow", {
        a: tensor("int64", [2n, 3n, -2n, 7n] as never),
        b: tensor("int32", [3, 2, 3, 0]),
      });
      expect([...(wide!.data as BigInt64Array)]).toEqual([8n, 9n, -8n, 1n]);
    },
  );
});

describe("QuantizeLinear", () => {
  it("of blocks has a scale for each of them", async () => {
    const x = f32([2, 4], [1, 2, 30, 40, -1, -2, 5, 9]);
    const constants = { b: f32([2, 2], [0.5, 10, 1, 2]), c: new Tensor("uint8", [0, 1, 100, 0], [2, 2]) };
    const [y] = await run("QuantizeLinear", { a: x }, { constants, attributes: { axis: 1, block_size: 2 } });
    // 2.5 and 4.5 are ties, which go to even.
    expect([...(y!.data as Uint8Array)]).toEqual([2, 4, 4, 5, 99, 98, 2, 4]);
  });
});

describe("Resize of two axes", () => {
  it.each([
    ["larger ones, an axis after the other", [8, 8], [16, 16], 2],
    ["a little smaller ones, at once", [9, 9], [8, 8], 1],
    ["one smaller and one larger, at once", [9, 8], [3, 16], 1],
  ] as const)("of %s", async (_, from, to, steps) => {
    const sizes = { empty: f32([0]), sizes: i64(1, 1, ...to) };
    const node = ["Resize", ["x", "", "", "sizes"], ["y"], { mode: "linear" }] as const;
    const graph = build({ x: [1, 1, ...from] }, sizes, [[...node] as never], ["y"], 19);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const profile = await session.profile({ x: noise([1, 1, ...from]) });
    expect(profile.filter(({ kernel }) => kernel.startsWith("resize"))).toHaveLength(steps);
    await session.release();
  });
});

describe("MelWeightMatrix", () => {
  it("has 2^22 places at most", async () => {
    const created = async (length: number): Promise<void> => {
      const [bins, places, rate] = [1, length, 16000].map((value) => tensor("int32", [value], []));
      const constants = { a: bins!, b: places!, c: rate!, d: f32([], [0]), e: f32([], [8000]) };
      const node = ["MelWeightMatrix", Object.keys(constants), ["y"], {}] as const;
      const graph = build({}, constants, [[...node] as never], ["y"], 21);
      await (await InferenceSession.create(writeOnnx(graph), { preset: "float32", limits: { macs: 1000 } })).release();
    };
    await created(2 ** 22);
    await expect(created(2 ** 22 + 2)).rejects.toThrow("a length ≥ 0");
  });
});

describe("the least Q of a series", () => {
  it.each(["signed", "odd", "mixed", "unsigned"] as const)("is that of its digits: %s", (digits) => {
    for (const [bits, terms] of [
      [2, 1],
      [4, 2],
      [4, 4],
      [8, 2],
    ] as const) {
      expect(lowestOf({ bits, terms, digits })).toBe(rangeOf(bits, terms, digits)[0]);
    }
    expect(lowestOf({ bits: 4, terms: 2, lastBits: 3, digits: "signed" })).toBe(-(8 * 8 + 4));
  });
});
