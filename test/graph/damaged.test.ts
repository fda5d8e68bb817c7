import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "./build.ts";

it("tells the version of a domain that is named like a member of every object", async () => {
  const graph = build({ x: [2] }, {}, [["__proto__/Relu", ["x"], ["y"]]], ["y"]);
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(/__proto__\.Relu \(opset 0\)/);
});

it("refuses a node with fewer inputs than its rewriting reads", async () => {
  const graph = build({ x: [2, 2] }, { p: f32([2]) }, [["Pad", [], ["y"], { pads: [0, 1, 0, 1] }]], ["y"], 9);
  await expect(InferenceSession.create(writeOnnx(graph))).rejects.toThrow(/node "Pad_0" \(Pad, opset 9\): 0 inputs/);
});
