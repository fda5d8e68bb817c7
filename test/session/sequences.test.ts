import { describe, expect, it } from "vitest";
import { InferenceSession, type Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64, type NodeSpec } from "../graph/build.ts";
import { BOOL, INT, int, numbers, refused, run, vector } from "../support/control-flow.ts";

describe("sequences and optionals", () => {
  it("are made, changed and read without being tensors", async () => {
    const nodes: NodeSpec[] = [
      ["SequenceConstruct", ["a", "b"], ["s0"]],
      ["SequenceInsert", ["s0", "b", "back"], ["s1"]],
      ["SequenceInsert", ["s1", "a"], ["s2"]],
      ["SequenceErase", ["s2", "zero"], ["s3"]],
      ["SequenceLength", ["s3"], ["length"]],
      ["SequenceAt", ["s3", "back"], ["last"]],
      ["ConcatFromSequence", ["s3"], ["all"], { axis: 0 }],
      ["SequenceEmpty", [], ["e0"]],
      ["SequenceInsert", ["e0", "a"], ["e1"]],
      ["ConcatFromSequence", ["e1"], ["stacked"], { axis: 1, new_axis: 1 }],
    ];
    const graph = build({ a: ["n"], b: ["m"] }, { back: int(-1), zero: int(0) }, nodes, [
      "length",
      "last",
      "all",
      "stacked",
    ]);
    const { length, last, all, stacked } = await run(graph, { a: vector(1, 2), b: vector(3) });
    // [a, b] → [a, b, b] (before the last) → [a, b, b, a] → [b, b, a]
    expect(numbers(length)).toEqual([3]);
    expect(numbers(last)).toEqual([1, 2]);
    expect(numbers(all)).toEqual([3, 3, 1, 2]);
    expect(stacked!.dims).toEqual([2, 1]);
  });

  it("come out of a Loop", async () => {
    const body = build(
      { i: INT, go: BOOL, list: ["?"] },
      { axes: i64(0) },
      [
        ["Unsqueeze", ["i", "axes"], ["n"]],
        ["ConstantOfShape", ["n"], ["zeros"]],
        ["SequenceInsert", ["list", "zeros"], ["longer"]],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "longer"],
    );
    const graph = build(
      { m: INT },
      {},
      [
        ["SequenceEmpty", [], ["empty"]],
        ["Loop", ["m", "", "empty"], ["list"], { body }],
        ["Identity", ["list"], ["same"]],
        ["ConcatFromSequence", ["same"], ["y"], { axis: 0 }],
      ],
      ["y"],
    );
    expect((await run(graph, { m: int(5) }))["y"]!.dims).toEqual([0 + 1 + 2 + 3 + 4]);
  });

  it("are split from a tensor", async () => {
    const graph = (attributes: Record<string, number>, split: Record<string, Tensor>): Graph =>
      build(
        { x: [2, 5] },
        { one: int(1), ...split },
        [
          ["SplitToSequence", ["x", ...Object.keys(split)], ["s"], { axis: 1, ...attributes }],
          ["SequenceLength", ["s"], ["length"]],
          ["SequenceAt", ["s", "one"], ["y"]],
        ],
        ["length", "y"],
      );
    const x = f32([2, 5], [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    const chunks = await run(graph({}, { split: int(3) }), { x });
    expect([numbers(chunks["length"]), chunks["y"]!.dims, numbers(chunks["y"])]).toEqual([[2], [2, 2], [3, 4, 13, 14]]);
    const sizes = await run(graph({}, { split: i64(1, 0, 4) }), { x });
    expect([numbers(sizes["length"]), sizes["y"]!.dims]).toEqual([[3], [2, 0]]);
    const kept = await run(graph({}, {}), { x });
    expect([numbers(kept["length"]), kept["y"]!.dims, numbers(kept["y"])]).toEqual([[5], [2, 1], [1, 11]]);
    const dropped = await run(graph({ keepdims: 0 }, {}), { x });
    expect(dropped["y"]!.dims).toEqual([2]);
    expect(await refused(graph({}, { split: i64(1, 3) }), { x })).toMatchObject({ code: "MODEL" });
  });

  it("are mapped by a body", async () => {
    const body = build({ part: ["n"], by: ["m"] }, {}, [["Mul", ["part", "by"], ["r"]]], ["r"]);
    const graph = build(
      { x: [4], k: [1] },
      { split: i64(1, 3) },
      [
        ["SplitToSequence", ["x", "split"], ["s"]],
        ["SequenceMap", ["s", "k"], ["t"], { body }],
        ["ConcatFromSequence", ["t"], ["y"], { axis: 0 }],
      ],
      ["y"],
    );
    expect(numbers((await run(graph, { x: vector(1, 2, 3, 4), k: vector(10) }))["y"])).toEqual([10, 20, 30, 40]);
  });

  it("hold something or nothing", async () => {
    const graph = build(
      { x: ["n"] },
      {},
      [
        ["Optional", ["x"], ["some"]],
        ["OptionalHasElement", ["some"], ["yes"]],
        ["OptionalGetElement", ["some"], ["y"]],
        ["Optional", [], ["none"]],
        ["OptionalHasElement", ["none"], ["no"]],
      ],
      ["yes", "y", "no"],
      18,
    );
    const { yes, y, no } = await run(graph, { x: vector(1, 2) });
    expect([numbers(yes), numbers(y), numbers(no)]).toEqual([[1], [1, 2], [0]]);
  });

  it("are fed and given as arrays, and null where an optional holds nothing", async () => {
    const graph = build(
      { s: ["n"], o: ["n"], k: [1] },
      {},
      [
        ["SequenceInsert", ["s", "k"], ["t"]],
        ["OptionalHasElement", ["o"], ["has"]],
        ["Identity", ["o"], ["same"]],
      ],
      ["t", "has", "same"],
      18,
    );
    const holders = { s: "sequence", o: "optional" } as const;
    const inputs = graph.inputs.map((input) => {
      const holder = holders[input.name as keyof typeof holders];
      return holder === undefined ? input : { ...input, holder };
    });
    const session = await InferenceSession.create(writeOnnx({ ...graph, inputs }));
    expect(session.inputMetadata.map(({ isTensor }) => isTensor)).toEqual([false, false, true]);
    const [a, k] = [vector(1, 2), vector(3)];
    const empty = await session.run({ s: [a, vector(4)], o: null, k });
    expect(empty).toMatchObject({ t: [a, vector(4), k], same: null });
    expect(numbers(empty["has"])).toEqual([0]);
    const full = await session.run({ s: [], o: a, k });
    expect(full).toMatchObject({ t: [k], same: a });
    expect(numbers(full["has"])).toEqual([1]);
    await expect(session.run({ s: a, o: null, k })).rejects.toThrow(
      'input "s" expected an array for a sequence of float32 [n], got',
    );
    await expect(session.run({ s: [i64(1)], o: null, k })).rejects.toThrow(
      'input "s[0]" expected float32 [n], got int64 [1]',
    );
    await session.release();
  });

  it("refuse tensors, and places that they do not have", async () => {
    const graph = (spec: NodeSpec): Graph =>
      build({ x: ["n"], i: INT }, {}, [["SequenceConstruct", ["x", "x"], ["s"]], spec], ["y"]);
    const feeds = { x: vector(1), i: int(2) };
    const outside = await refused(graph(["SequenceAt", ["s", "i"], ["y"]]), feeds);
    expect(outside).toBeInstanceOf(RangeError);
    expect(outside.message).toContain(
      'node "SequenceAt_1" (SequenceAt, opset 17): position 2 expected an integer in -2..1',
    );
    expect(await refused(graph(["SequenceAt", ["x", "i"], ["y"]]), feeds)).toMatchObject({ code: "MODEL" });
    expect(await refused(graph(["Neg", ["s"], ["y"]]), feeds)).toMatchObject({ code: "MODEL" });
  });
});
