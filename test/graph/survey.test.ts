// What the survey of a graph knows of its values, for all feeds: it is told by which nodes that read them are taken.
import { describe, expect, it } from "vitest";
import { bool } from "../support/control-flow.ts";
import { f32, type NodeSpec } from "./build.ts";
import {
  anything,
  asked,
  branches,
  type Constants,
  free,
  type Inputs,
  inner,
  known,
  loop,
  numbers,
  relu,
  scan,
  sizes,
  x,
} from "./surveyed.ts";

const rows: [string, Inputs, Constants, NodeSpec[], string, number?][] = [
  ["an input", x, {}, [["Identity", ["x"], ["v"]]], "float32 [?,3]"],
  ["an input of no shape", anything, {}, [["Identity", ["x"], ["v"]]], "float32 …"],
  ["a constant", x, { w: f32([2, 5]) }, [["Identity", ["w"], ["v"]]], "float32 [2,5]"],
  ["what an operator makes", x, {}, [["Relu", ["x"], ["v"]]], "float32 [?,3]"],
  ["a Transpose", { x: ["N", 3, 5] }, {}, [["Transpose", ["x"], ["v"], { perm: [2, 0, 1] }]], "float32 [5,?,3]"],
  ["a Transpose of no order", { x: ["N", 3, 5] }, {}, [["Transpose", ["x"], ["v"]]], "float32 [5,3,?]"],
  ["a Shape, whose elements are guesses", x, {}, [["Shape", ["x"], ["v"]]], "int64 [?]"],
  ["a Shape of any rank", anything, {}, [["Shape", ["x"], ["v"]]], "int64 [?]"],
  [
    "a guess like a constant before",
    anything,
    { k: f32([]) },
    [
      ["Shape", ["k"], ["h"]],
      ["Shape", ["x"], ["v"]],
    ],
    "int64 [?]",
  ],
  [
    "a guess like a constant behind",
    anything,
    { k: f32([]) },
    [
      ["Shape", ["x"], ["v"]],
      ["Shape", ["k"], ["h"]],
    ],
    "int64 …",
  ],
  ["a Shape of what is known", { x: [2, 3] }, {}, [["Shape", ["x"], ["v"]]], "int64 [2]"],
  ["a Reshape to what is fed", { ...x, m: { type: "int64", shape: [3] } }, {}, [["Reshape", ["x", "m"], ["v"]]], "?"],
  [
    "an Expand to what is fed",
    { ...x, m: { type: "int64", shape: [3] } },
    {},
    [["Expand", ["x", "m"], ["v"]]],
    "float32 [?,?,?]",
  ],
  [
    "an Expand to as many as are fed",
    { ...x, m: { type: "int64", shape: ["K"] } },
    {},
    [["Expand", ["x", "m"], ["v"]]],
    "float32 …",
  ],
  [
    "an Expand to more than are guessed",
    { ...x, m: { type: "int64", shape: [257] } },
    {},
    [["Expand", ["x", "m"], ["v"]]],
    "?",
  ],
  [
    "a Transpose of any rank",
    sizes(2),
    numbers,
    [
      ["Expand", ["ones", "m"], ["h"]],
      ["Transpose", ["h"], ["v"], { perm: [1, 0] }],
    ],
    "float32 [?,?]",
  ],
  [
    "ConstantOfShape of 256 sizes",
    sizes(256),
    {},
    [["ConstantOfShape", ["m"], ["v"]]],
    "float32 of more than four axes",
  ],
  ["ConstantOfShape of 257 sizes", sizes(257), {}, [["ConstantOfShape", ["m"], ["v"]]], "?"],
  ["Range in steps that are fed", asked, numbers, [["Range", ["zero", "two", "n"], ["v"]]], "int64 [?]"],
  ["a state that a Scan carries", x, { s: f32([3]) }, [scan(["s", "x"], 1, [["Shape", ["b1"], ["o"]]], ["o"])], "?"],
  [
    "a SequenceMap",
    x,
    numbers,
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["SequenceMap", ["h"], ["v"], { body: inner([free("s")], [["Relu", ["s"], ["o"]]], ["o"]) }],
    ],
    "?",
  ],
  ["NonZero", x, {}, [["NonZero", ["x"], ["v"]]], "int64 [?,?]"],
  [
    "what reads NonZero",
    x,
    numbers,
    [
      ["NonZero", ["x"], ["h"]],
      ["Unsqueeze", ["h", "axis"], ["v"]],
    ],
    "int64 [?,?,?]",
  ],
  ["Range to what is fed", asked, numbers, [["Range", ["zero", "n", "two"], ["v"]]], "int64 [?]"],
  ["If", asked, {}, [["If", ["c"], ["v"], branches(relu, relu)]], "float32 …"],
  ["If, one branch other", asked, {}, [["If", ["c"], ["v"], branches(relu, ["Shape", ["x"], []])]], "?"],
  [
    "If, decided",
    asked,
    { k: bool(true) },
    [["If", ["k"], ["v"], branches(relu, ["Shape", ["x"], []])]],
    "float32 [?,3]",
  ],
  [
    "If, decided otherwise",
    asked,
    { k: bool(false) },
    [["If", ["k"], ["v"], branches(relu, ["Transpose", ["x"], [], { perm: [1, 0] }])]],
    "float32 [3,?]",
  ],
  [
    "If of sequences",
    asked,
    {},
    [["If", ["c"], ["v"], branches(["SequenceEmpty", [], []], ["SequenceConstruct", ["x", "x"], []])]],
    "list",
  ],
  ["If of a sequence and a tensor", asked, {}, [["If", ["c"], ["v"], branches(["SequenceEmpty", [], []], relu)]], "?"],
  ["a Loop", asked, {}, [loop("n", "", [["Relu", ["s"], ["o"]]], ["o"])], "float32 …"],
  ["a Loop that changes types", asked, {}, [loop("n", "", [["Shape", ["s"], ["o"]]], ["o"])], "?"],
  [
    "what a Loop collects",
    asked,
    {},
    [
      [
        ...loop(
          "n",
          "",
          [
            ["Identity", ["s"], ["o"]],
            ["Shape", ["s"], ["k"]],
          ],
          ["o", "k"],
        ).slice(0, 2),
        ["o0", "v"],
        loop(
          "n",
          "",
          [
            ["Identity", ["s"], ["o"]],
            ["Shape", ["s"], ["k"]],
          ],
          ["o", "k"],
        )[3],
      ] as never,
    ],
    "int64 …",
  ],
  ["a Scan", x, { s: f32([3]) }, [scan(["s", "x"], 1, [["Add", ["b0", "b1"], ["o"]]], ["o"])], "float32 …"],
  ["what a Scan collects", x, {}, [scan(["x"], 0, [["Shape", ["b0"], ["o"]]], ["o"])], "int64 …"],
  ["SequenceEmpty", x, {}, [["SequenceEmpty", [], ["v"]]], "list"],
  ["SequenceConstruct", x, {}, [["SequenceConstruct", ["x", "x"], ["v"]]], "list"],
  [
    "SequenceInsert",
    x,
    {},
    [
      ["SequenceEmpty", [], ["h"]],
      ["SequenceInsert", ["h", "x"], ["v"]],
    ],
    "list",
  ],
  [
    "SequenceErase",
    x,
    {},
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["SequenceErase", ["h"], ["v"]],
    ],
    "list",
  ],
  [
    "SequenceAt",
    x,
    numbers,
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["SequenceAt", ["h", "zero"], ["v"]],
    ],
    "?",
  ],
  [
    "SequenceLength",
    x,
    numbers,
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["SequenceLength", ["h"], ["v"]],
    ],
    "int64 []",
  ],
  [
    "ConcatFromSequence",
    x,
    numbers,
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["ConcatFromSequence", ["h"], ["v"], { axis: 0 }],
    ],
    "?",
  ],
  ["SplitToSequence", x, {}, [["SplitToSequence", ["x"], ["v"]]], "list"],
  ["Optional", x, {}, [["Optional", ["x"], ["v"]]], "?"],
  [
    "what reads an unknown value",
    x,
    numbers,
    [
      ["SequenceConstruct", ["x", "x"], ["h"]],
      ["SequenceAt", ["h", "zero"], ["k"]],
      ["Relu", ["k"], ["v"]],
    ],
    "?",
  ],
];

describe("what is known of", () => {
  it.each(rows)("%s", (_, inputs, constants, nodes, expected, opset) => {
    expect(known(inputs, constants, nodes, opset)).toBe(expected);
  });
});
