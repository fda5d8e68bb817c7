import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { proceduralInputs } from "../../src/quantize/procedural.ts";
import { shapesOf } from "../../src/quantize/shapes.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { Net } from "../support/kinds/net.ts";
import { node, towers } from "./networks.ts";

describe("procedural inputs", () => {
  const graph = (
    shape: readonly (number | string)[],
    type: "float32" | "int64" | "bool" | "uint8" = "float32",
  ): Graph => ({
    ...towers(),
    inputs: [{ name: "x", type, shape }],
    nodes: type === "int64" ? [node("g", "Gather", ["w0", "x"], "y")] : [],
  });
  const made = (g: Graph) => proceduralInputs(g, { shapes: shapesOf(g) }).feeds.map((feeds) => feeds.get("x")!);

  test("pictures lie in their range, with flat areas and edges; tones are loud and quiet", () => {
    for (const shape of [
      [1, 3, 40, 56],
      [2, 40, 56, 4],
    ]) {
      const [leaves, pink] = made(graph(shape)) as [Tensor<"float32">, Tensor<"float32">];
      for (const { data } of [leaves, pink]) {
        expect(Math.min(...data)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...data)).toBeLessThanOrEqual(1);
        expect(Math.max(...data) - Math.min(...data)).toBeGreaterThan(0.4);
      }
      const step = shape[1] === 3 ? 1 : 4;
      const flat = leaves.data.reduce(
        (n, v, i) => n + Number(i >= step && Math.abs(v - leaves.data[i - step]!) < 0.05),
        0,
      );
      expect(flat / leaves.data.length).toBeGreaterThan(0.6);
    }
    const [tones] = made(graph([1, 16000])) as [Tensor<"float32">];
    const energy = (from: number) => tones.data.slice(from, from + 500).reduce((sum, v) => sum + v * v, 0);
    const levels = Array.from({ length: 32 }, (_, i) => energy(500 * i));
    expect(Math.max(...levels) / Math.min(...levels)).toBeGreaterThan(2);
  });

  test("a picture may come without a batch, or in bytes, and then from 0 to 255", () => {
    for (const [shape, type] of [
      [[3, 40, 56], "float32"],
      [[40, 56, 3], "uint8"],
      [[1, 40, 56, 3], "uint8"],
    ] as const) {
      const g = graph(shape, type);
      const { feeds, names } = proceduralInputs(g, { shapes: shapesOf(g), inputRange: [-1, 1] });
      const [low, high] = type === "uint8" ? [0, 255] : [-1, 1];
      expect(names).toBe(`x [${shape.join("x")}]: dead leaves and 1/f noise in ${low}…${high}`);
      for (const feed of feeds) {
        const data = Array.from(feed.get("x")!.data as Float32Array | Uint8Array);
        const [least, most] = [Math.min(...data), Math.max(...data)];
        expect(least).toBeGreaterThanOrEqual(low!);
        expect(most).toBeLessThanOrEqual(high!);
        expect(most - least).toBeGreaterThan(0.4 * (high! - low!));
      }
      const free = shape.map((d) => (d > 3 ? `${d}` : d));
      const side = (d: number | string) => (typeof d === "string" ? 224 : d);
      expect(shapesOf(graph(free, type)).get("x")).toEqual(free.map(side));
    }
    // Three of something, and one channel of sound, are no pictures.
    for (const shape of [
      [3, 8, 64],
      [1, 43844, 1],
      [2, 1, 128],
    ]) {
      const g = graph(shape);
      expect(proceduralInputs(g, { shapes: shapesOf(g) }).names).toMatch(/tones/);
    }
  });

  test("ids are rows of the table, rare ones too; switches are on", () => {
    const [uniform, zipf] = made(graph([1, 400], "int64")) as [Tensor<"int64">, Tensor<"int64">];
    for (const { data } of [uniform, zipf]) for (const id of data) expect(id >= 0n && id < 48n).toBe(true);
    const zeros = (t: Tensor<"int64">) => t.data.filter((id) => id === 0n).length;
    expect(zeros(zipf)).toBeGreaterThan(3 * zeros(uniform));
    expect(Array.from(made(graph([3], "bool"))[0]!.data as Uint8Array)).toEqual([1, 1, 1]);
  });

  test("masks leave something to see, whatever true means in them", () => {
    const masks = made(graph([2, 5], "bool")).map(({ data }) => Array.from(data as Uint8Array));
    expect(masks).toEqual([
      [1, 1, 1, 0, 0, 1, 1, 1, 0, 0],
      [0, 0, 0, 1, 1, 0, 0, 0, 1, 1],
    ]);
  });

  test.each([true, false])("an encoder is measured whose mask is true for padding: %s", async (isPadding) => {
    const net = new Net("masked encoder", 40);
    const [x, mask] = [net.input("x", [1, 8, 16]), net.input("mask", [1, 8], "bool")];
    const hidden = isPadding ? mask : net.op("Not", [mask]);
    const bias = net.op("Where", [net.op("Unsqueeze", [hidden, net.ints(1, 2)]), net.one(-Infinity), net.one(0)]);
    const { report } = await quantize(writeOnnx(net.done([net.attention(x, 16, 2, x, bias)])), { preset: "fast" });
    expect(report.unchecked).toBeUndefined();
    expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
  });
});
