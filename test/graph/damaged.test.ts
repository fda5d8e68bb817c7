import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "./build.ts";

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
