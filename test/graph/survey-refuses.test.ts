// What the survey refuses because no feeds mend it; and where it goes on with a guess, which no error may rest on.
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { survey } from "../../src/graph/survey.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { BOOL, bool, INT, int } from "../support/control-flow.ts";
import { build, f32, i64, type NodeSpec } from "./build.ts";
import { type Constants, free, type Inputs, inner, LOOP, relu, said, scan } from "./surveyed.ts";

describe("is refused, if no feeds mend it:", () => {
  const constants = {
    ...{
      w: f32([5, 7]),
      d: new Tensor("float64", [1]),
      three: f32([3]),
      four: f32([4]),
      one: f32([1]),
      nothing: f32([0, 2]),
      flat: f32([2, 0]),
    },
    ...{ none: int(0), less: int(-1), some: int(2), on: bool(true), off: bool(false), pair: i64(1, 1), zero: i64(0) },
  };
  const inputs: Inputs = {
    x: [2, 3],
    f: ["N", 3],
    n: INT,
    c: BOOL,
    t: { type: "float32", shape: [] },
    two: { type: "int64", shape: [2] },
  };
  const misfit: NodeSpec = ["MatMul", ["x", "w"], ["y"]];
  const wrong: NodeSpec = ["Add", ["x", "d"], ["y"]];
  const extents = /MatMul.*the matrices do not fit/;
  const types = /got float64/;
  const either = (one: NodeSpec) => ({ then_branch: inner([], [relu], ["p"]), else_branch: inner([], [one], ["y"]) });
  const counted = (
    count: string,
    goes: string,
    nodes: readonly NodeSpec[],
    output = "y",
    own: Constants = {},
  ): NodeSpec => [
    "Loop",
    [count, goes, "x"],
    [output],
    { body: inner([...LOOP, free("s")], [["Identity", ["go"], ["on"]], ...nodes], ["on", "o"], own) },
  ];
  const product = (a = "s"): NodeSpec[] => [["MatMul", [a, "w"], ["o"]]];
  const slabs = (from: string, addend: string, axes?: number[], op = "Add"): NodeSpec[] => [
    scan([from], 0, [[op, ["b0", addend], ["o"]]], ["o"], axes === undefined ? {} : { scan_input_axes: axes }),
    ["Identity", ["v"], ["y"]],
  ];
  const turned = (name: string, perm = [0, 1]): NodeSpec[] => [["Transpose", [name], ["o"], { perm }]];
  const sequence: NodeSpec = ["SequenceConstruct", ["x", "x"], ["q"]];
  type Case = [what: string, nodes: readonly NodeSpec[], message: RegExp | undefined];

  it.each<Case>([
    ["extents", [misfit], extents],
    ["extents behind what depends on elements of the same value", [["NonZero", ["x"], ["h"]], misfit], extents],
    [
      "extents behind what is unknown",
      [sequence, ["SequenceAt", ["q", "n"], ["h"]], ["Relu", ["h"], ["k"]], misfit],
      extents,
    ],
    ["an extent beside one that is free", [["MatMul", ["f", "w"], ["y"]]], extents],
    [
      "extents that are guessed: not",
      [
        ["NonZero", ["x"], ["h"]],
        ["Add", ["h", "pair"], ["y"]],
      ],
      undefined,
    ],
    [
      "a list without elements, of which there is nothing to guess: not",
      [
        ["TopK", ["three", "zero"], ["k", "h"]],
        ["Expand", ["k", "h"], ["y"]],
      ],
      undefined,
    ],
    [
      "extents that come of guesses: not",
      [
        ["NonZero", ["x"], ["h"]],
        ["Squeeze", ["h"], ["k"]],
        ["Add", ["k", "pair"], ["y"]],
      ],
      undefined,
    ],
    [
      "elements that are guessed: not",
      [
        ["Expand", ["t", "two"], ["h"]],
        ["MatMul", ["h", "w"], ["y"]],
      ],
      undefined,
    ],
    [
      "types of what is guessed",
      [
        ["Expand", ["t", "two"], ["h"]],
        ["Add", ["h", "d"], ["y"]],
      ],
      types,
    ],
    ["types", [["NonZero", ["x"], ["h"]], wrong], types],
    ["an If: types", [["If", ["c"], ["y"], either(wrong)]], types],
    ["an If: no extents", [["If", ["c"], ["y"], either(misfit)]], undefined],
    ["an If that is decided: extents", [["If", ["off"], ["y"], either(misfit)]], extents],
    ["an If that is decided, the other branch: not", [["If", ["on"], ["y"], either(misfit)]], undefined],
    ["an If that is decided, the other branch: not even types", [["If", ["on"], ["y"], either(wrong)]], undefined],
    [
      "an If by a guess: no extents",
      [
        ["ReduceMax", ["two"], ["h"], { keepdims: 0 }],
        ["Cast", ["h"], ["k"], { to: 9 }],
        ["If", ["k"], ["y"], either(misfit)],
      ],
      undefined,
    ],
    [
      "an If by the extents of an input: no extents",
      [
        ["Shape", ["f"], ["h"]],
        ["ReduceMax", ["h"], ["k"], { keepdims: 0 }],
        ["Cast", ["k"], ["m"], { to: 9 }],
        ["If", ["m"], ["y"], either(misfit)],
      ],
      undefined,
    ],
    ["a Loop that runs", [counted("some", "", product())], extents],
    ["a Loop that runs while it likes", [counted("", "on", product())], extents],
    ["a Loop without end", [counted("", "", product())], extents],
    ["a Loop of no steps: not", [counted("none", "", product())], undefined],
    ["a Loop of less than none: not", [counted("less", "on", product())], undefined],
    ["a Loop that never goes on: not", [counted("some", "off", product())], undefined],
    ["a Loop as often as is fed: no extents", [counted("n", "", product())], undefined],
    ["a Loop if it is fed: no extents", [counted("some", "c", product())], undefined],
    [
      "a Loop as often as is fed: ranks",
      [counted("n", "", [["Transpose", ["s"], ["o"], { perm: [0, 1, 2] }]])],
      /perm/,
    ],
    ["a Loop as often as is fed: types", [counted("n", "", [["Add", ["s", "d"], ["o"]]])], types],
    [
      "a Loop as often as is fed: its own constants",
      [counted("n", "", product("e"), "y", { e: f32([2, 3]) })],
      extents,
    ],
    ["a Loop as often as is fed: constants from outside", [counted("n", "", product("w"))], extents],
    ["a Loop as often as is fed: no values from outside", [counted("n", "", product("x"))], undefined],
    ["a Loop that runs: values from outside", [counted("some", "", product("x"))], extents],
    ["a Loop that runs: what is made in it", [counted("some", "", [["Relu", ["s"], ["h"]], ...product("h")])], extents],
    [
      "what comes out of a Loop: no extents",
      [counted("some", "", [["Relu", ["s"], ["o"]]], "h"), ["MatMul", ["h", "w"], ["y"]]],
      undefined,
    ],
    [
      "what comes out of a Loop: types",
      [counted("some", "", [["Relu", ["s"], ["o"]]], "h"), ["Add", ["h", "d"], ["y"]]],
      types,
    ],
    ["slabs of a Scan", slabs("x", "four"), /do not broadcast/],
    ["ranks of slabs", [scan(["x"], 0, turned("b0"), ["o"])], /perm/],
    ["ranks of slabs, as many as are fed", [scan(["f"], 0, turned("b0"), ["o"])], /perm/],
    ["ranks of slabs, one element each", [scan(["one"], 0, turned("b0", [0]), ["o"])], /perm/],
    [
      "slabs beside a state, along the last axis",
      [scan(["three", "x"], 1, [["Add", ["b0", "b1"], ["o"]]], ["o"], { scan_input_axes: [1] })],
      /do not broadcast/,
    ],
    [
      "slabs beside a state, along the first axis: not",
      [scan(["three", "x"], 1, [["Add", ["b0", "b1"], ["o"]]], ["o"], { scan_input_axes: [0] })],
      undefined,
    ],
    [
      "slabs of who knows: not",
      [sequence, ["SequenceAt", ["q", "n"], ["h"]], scan(["h"], 0, turned("b0"), ["o"])],
      undefined,
    ],
    [
      "a sequence as the state of a Scan",
      [sequence, scan(["q", "x"], 1, [["SequenceInsert", ["b0", "b0"], ["o"]]], ["o"])],
      /input 1 expected a tensor, got a sequence/,
    ],
    [
      "a sequence that a Loop carries",
      [
        sequence,
        [
          "Loop",
          ["some", "", "q"],
          ["y"],
          {
            body: inner(
              [...LOOP, free("s")],
              [
                ["Identity", ["go"], ["on"]],
                ["SequenceInsert", ["s", "s"], ["o"]],
              ],
              ["on", "o"],
            ),
          },
        ],
      ],
      /input 1 expected a tensor, got a sequence/,
    ],
    [
      "what a SequenceMap takes",
      [["SequenceMap", ["x"], ["y"], { body: inner([free("s")], [["Relu", ["s"], ["o"]]], ["o"]) }]],
      /input 0 expected a sequence, got a tensor/,
    ],
    [
      "types beside the parts of a SequenceMap",
      [
        sequence,
        [
          "SequenceMap",
          ["q", "d"],
          ["y"],
          { body: inner([free("s"), free("e")], [["Add", ["e", "w"], ["o"]]], ["o"]) },
        ],
      ],
      /expected type float64 as input 0, got float32/,
    ],
    ["slabs of a Scan that fit: not", slabs("x", "three"), undefined],
    ["slabs along the last axis", slabs("x", "three", [1]), /do not broadcast/],
    ["slabs along the last axis, from the end", slabs("x", "three", [-1]), /do not broadcast/],
    ["slabs along the first axis, from the end", slabs("x", "four", [-2]), /do not broadcast/],
    ["no slabs: not", slabs("nothing", "three"), undefined],
    ["empty slabs", slabs("flat", "three"), /do not broadcast/],
    ["no slabs along the last axis: not", slabs("flat", "three", [1]), undefined],
    ["slabs, as many as are fed: no extents", slabs("f", "four"), undefined],
    ["slabs, as many as are fed: types", slabs("f", "d"), types],
    [
      "a sequence for a tensor",
      [sequence, ["SequenceInsert", ["q", "q"], ["y"]]],
      /input 1 expected a tensor, got a sequence/,
    ],
    [
      "a tensor for a sequence, inserted",
      [["SequenceInsert", ["x", "x"], ["y"]]],
      /input 0 expected a sequence, got a tensor/,
    ],
    ["a tensor for a sequence, erased", [["SequenceErase", ["x"], ["y"]]], /input 0 expected a sequence, got a tensor/],
    ["a tensor for a sequence, at", [["SequenceAt", ["x", "n"], ["y"]]], /input 0 expected a sequence, got a tensor/],
    [
      "a tensor for a sequence, counted",
      [["SequenceLength", ["x"], ["y"]]],
      /input 0 expected a sequence, got a tensor/,
    ],
    [
      "a tensor for a sequence, joined",
      [["ConcatFromSequence", ["x"], ["y"], { axis: 0 }]],
      /input 0 expected a sequence, got a tensor/,
    ],
    [
      "a sequence that is split",
      [sequence, ["SplitToSequence", ["q"], ["y"]]],
      /input 0 expected a tensor, got a sequence/,
    ],
    [
      "places of two",
      [sequence, ["SequenceAt", ["q", "two"], ["y"]]],
      /a position expected int32 or int64 \[\], got int64 \[2\]/,
    ],
    ["places in floats", [sequence, ["SequenceErase", ["q", "t"], ["y"]]], /a position expected int32 or int64/],
    [
      "places of insertion in floats",
      [sequence, ["SequenceInsert", ["q", "x", "t"], ["y"]]],
      /a position expected int32 or int64/,
    ],
    ["parts in floats", [["SplitToSequence", ["x", "t"], ["y"]]], /"split" expected int32 or int64/],
    ["parts of two: not", [["SplitToSequence", ["x", "two"], ["y"]]], undefined],
    ["a count in floats", [counted("t", "", product())], /the trip count expected int64 \[\], got float32/],
    ["a condition in integers", [counted("", "n", product())], /the condition expected bool \[\], got int64/],
    ["an If in integers", [["If", ["n"], ["y"], either(relu)]], /the condition expected bool \[\], got int64/],
  ])("%s", (_, nodes, message) => {
    const found = said(build(inputs, constants, nodes, [nodes.at(-1)![2][0]!]));
    if (message === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(message);
  });
});

describe("a Scan of opset 8, whose values begin with a batch", () => {
  const w = { w: f32([5, 7]), d: new Tensor("float64", [1, 1]), four: f32([4]) };
  const refusal = (reader: NodeSpec, states = 1, opset = 8): string | undefined => {
    const names = ["", "x", "z"].slice(opset < 9 ? 0 : 1);
    const body = inner([free("b0"), free("b1")], [reader], ["o"]);
    const node: NodeSpec = ["Scan", names, ["v"], { body, num_scan_inputs: 2 - states }];
    return said(build({ x: [2, 3, 4], z: [2, 3, 4] }, w, [node], ["v"], opset));
  };

  it("knows types of states and slabs", () => {
    for (const name of ["b0", "b1"]) {
      expect(refusal(["Add", [name, "d"], ["o"]])).toMatch(/got float64/);
      expect(refusal(["Add", [name, "four"], ["o"]])).toBeUndefined();
    }
  });

  it("knows no ranks and no extents, which one of opset 9 knows", () => {
    for (const states of [0, 1]) {
      expect(refusal(["MatMul", ["b1", "w"], ["o"]], states)).toBeUndefined();
      expect(refusal(["Transpose", ["b0"], ["o"], { perm: [0, 1, 2, 3] }], states)).toBeUndefined();
      expect(refusal(["MatMul", ["b1", "w"], ["o"]], states, 9)).toMatch(/the matrices do not fit/);
      expect(refusal(["Transpose", ["b0"], ["o"], { perm: [0, 1, 2, 3] }], states, 9)).toMatch(/perm/);
    }
  });
});

it("knows weights that are series by their shapes, in bodies too", () => {
  const weights = new Map([["w", { type: "float32" as const, shape: [5, 7] }]]);
  const product: NodeSpec = ["MatMul", ["x", "w"], ["y"]];
  const branch = { then_branch: inner([], [product], ["y"]), else_branch: inner([], [relu], ["p"]) };
  const graph = (nodes: NodeSpec[], columns: number): Graph =>
    normalize(build({ x: ["N", columns] }, { on: bool(true) }, nodes, ["y"]));
  for (const nodes of [[product], [["If", ["on"], ["y"], branch]]] as NodeSpec[][]) {
    expect(() => survey(graph(nodes, 5), weights)).not.toThrow();
    expect(() => survey(graph(nodes, 4), weights)).toThrow(/the matrices do not fit/);
  }
  const body = inner(
    [...LOOP, free("s")],
    [
      ["Identity", ["go"], ["on"]],
      ["MatMul", ["s", "w"], ["o"]],
    ],
    ["on", "o"],
  );
  const looped = normalize(
    build({ x: [2, 4] }, { some: int(2) }, [["Loop", ["some", "", "x"], ["y"], { body }]], ["y"]),
  );
  expect(() => survey(looped, weights)).toThrow(/the matrices do not fit/);
});
