import { describe, expect, test } from "vitest";
import type { Node, ValueInfo } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { historiesOf, shapesOf } from "../../src/quantize/shapes.ts";
import type { ElementType } from "../../src/tensor/index.ts";
import { decoder } from "../support/decoder.ts";

type Io = readonly [name: string, type: ElementType, shape: readonly (number | string)[]];

const infos = (list: readonly Io[]): ValueInfo[] => list.map(([name, type, shape]) => ({ name, type, shape }));
const ends = (inputs: readonly Io[], outputs: readonly Io[] = [], nodes: readonly Node[] = []) => ({
  inputs: infos(inputs),
  outputs: infos(outputs),
  nodes,
});

const PRESENT: Io = ["present.0.key", "float32", ["batch", 4, "past + sequence", 16]];
const PAST: Io = ["past.0.key", "float32", ["batch", 4, "past", 16]];

describe("free sizes", () => {
  test("a decoder that reads text has no past, one that reads a token has some; masks are as long as both", () => {
    const text = ends(
      [["mask", "int64", ["batch", "past + sequence"]], ["ids", "int64", ["batch", "sequence"]], PAST],
      [PRESENT],
    );
    expect(historiesOf(text)).toEqual(new Map([["past.0.key", 2]]));
    expect(Object.fromEntries(shapesOf(text))).toEqual({ mask: [1, 32], ids: [1, 32], "past.0.key": [1, 4, 0, 16] });
    const token = ends(
      [["ids", "int64", ["batch", 1]], ["mask", "int64", ["batch", "past + 1"]], PAST],
      [["present.0.key", "float32", ["batch", 4, "past + 1", 16]]],
    );
    const { mask, "past.0.key": past } = Object.fromEntries(shapesOf(token)) as Record<string, number[]>;
    expect(past![2]).toBeGreaterThan(0);
    expect(mask).toEqual([1, past![2]! + 1]);
    // A sum of what has no size is a size of its own.
    expect(shapesOf(ends([["x", "int64", [1, "a + b"]]])).get("x")).toEqual([1, 32]);
  });

  test("a recurrent state whose batch has another name in outputs is no past", () => {
    const joint = ends(
      [
        ["tokens", "int64", ["batch", "u"]],
        ["h", "float32", [2, "batch", 32]],
      ],
      [["next", "float32", [2, "batch of next", 32]]],
    );
    expect(historiesOf(joint).size).toBe(0);
    expect(shapesOf(joint).get("h")).toEqual([2, 1, 32]);
  });

  test("one or two channels of sound are a second of it, more are frames of features", () => {
    const shape = (dims: readonly (number | string)[]) => shapesOf(ends([["x", "float32", dims]])).get("x");
    for (const channels of [1, 2]) expect(shape(["batch", channels, "samples"])).toEqual([1, channels, 16000]);
    expect(shape(["batch", 40, "frames"])).toEqual([1, 40, 64]);
    expect(shape(["batch", "frames", 1])).toEqual([1, 64, 1]);
  });

  test("an output that grows is a history only beside integers, and only along one free axis", () => {
    expect(historiesOf(ends([PAST], [PRESENT])).size).toBe(0);
    const ids: Io = ["ids", "int64", ["batch", "sequence"]];
    expect(historiesOf(ends([ids, PAST], [["y", "float32", ["batch", 4, "past", 16]]])).size).toBe(0);
    expect(historiesOf(ends([ids, PAST], [["y", "float32", ["batch", 4, "more", 17]]])).size).toBe(0);
    expect(historiesOf(ends([ids, PAST], [["y", "float16", PRESENT[2]]])).size).toBe(0);
    expect(historiesOf(ends([ids, ["h", "float32", ["n", 8, 16]]], [["y", "float32", ["m", 8, 16]]])).size).toBe(0);
  });

  test("an input that an output begins with is a history, whatever names exporters give the sizes of outputs", () => {
    const inputs: Io[] = [["ids", "int64", ["batch", "sequence"]], ["mask", "int64", ["batch", "total"]], PAST];
    const present: Io = ["present.0.key", "float32", ["Concat_dim_0", 4, "Concat_dim_2", 16]];
    const join = (axis: number, output: string): Node => {
      return { name: "", op: "Concat", domain: "", inputs: [PAST[0], "key"], outputs: [output], attributes: { axis } };
    };
    const cast: Io = ["past.0.cast", ...(PAST.slice(1) as [ElementType, (number | string)[]])];
    const found = ends([cast, ...inputs], [present], [join(-2, present[0])]);
    expect(historiesOf(found)).toEqual(new Map([["past.0.key", 2]]));
    const sizes = { mask: [1, 32], "past.0.key": [1, 4, 0, 16], "past.0.cast": [1, 4, 0, 16] };
    expect(Object.fromEntries(shapesOf(found))).toMatchObject(sizes);
    expect(historiesOf(ends(inputs, [present], [join(-2, "between")])).size).toBe(0);
    expect(historiesOf(ends(inputs, [present], [join(1, present[0])])).size).toBe(0);
  });

  test("recurrent states have a batch of 1, pictures of three rows are pictures", () => {
    expect(shapesOf(ends([["h", "float32", [2, "", 64]]])).get("h")).toEqual([2, 1, 64]);
    expect(shapesOf(ends([["x", "float32", [1, "time", 64]]])).get("x")).toEqual([1, 64, 64]);
    expect(shapesOf(ends([["x", "float32", [3, "h", "w"]]])).get("x")).toEqual([3, 224, 224]);
  });

  test("other guesses spare the batch and what has no history", () => {
    const guess = shapesOf(
      ends([["ids", "int64", ["batch", "sequence"]], PAST, ["h", "float32", [2, "", 64]]], [PRESENT]),
      (usual) => 2 * usual,
    );
    expect(Object.fromEntries(guess)).toEqual({ ids: [1, 64], "past.0.key": [1, 4, 0, 16], h: [2, 1, 64] });
  });
});

test.each(["plain", "grouped"] as const)("a decoder with a cache (%s) is measured on its own keys", async (form) => {
  const options = { form, layers: 1, width: 16, heads: 2, hidden: 32, vocabulary: 48, tokens: 64 } as const;
  const { report } = await quantize(writeOnnx(decoder(options)), { preset: "fast" });
  expect(report.check!.inputs).toBe("input_ids [1x32]: ids; 2 without elements (guessed)");
  expect(report.check!.measured).toBeLessThanOrEqual(report.check!.tolerance);
});
