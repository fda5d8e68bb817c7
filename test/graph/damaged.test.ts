import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, i64 } from "./build.ts";

it("tells the version of a domain that is named like a member of every object", async () => {
  const graph = build({ x: [2] }, {}, [["__proto__/Relu", ["x"], ["y"]]], ["y"]);
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(/__proto__\.Relu \(opset 0\)/);
});

it.each([
  ["none", ["Pad", [], ["y"], { pads: [0, 1, 0, 1] }], 9],
  ["no pads, neither as an attribute nor as an input", ["Pad", ["x"], ["y"], {}], 8],
  ["one operand", ["Add", ["x"], ["y"], {}], 17],
] as const)("refuses a node whose inputs are too few at create: %s", async (_, node, opset) => {
  const graph = build({ x: [2, 3, 4, 4] }, {}, [node], ["y"], opset);
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(/\(\w+, opset \d+\): input \d is missing/);
});

it("refuses an attribute of another kind at create, before a pass reads it", async () => {
  const sizes = { mode: "nearest", axes: "x" };
  const graph = build({ x: [1, 2, 4, 4] }, { s: i64(8, 8) }, [["Resize", ["x", "", "", "s"], ["y"], sizes]], ["y"], 19);
  const why = /node "Resize_0" \(Resize, opset 19\): "axes" expected integers, got "x"/;
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(why);
});
