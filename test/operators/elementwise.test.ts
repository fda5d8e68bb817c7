import { describe, expect, it } from "vitest";
import { f32, modelOf, runModel } from "../support/run-node.ts";

describe("PRelu before opset 7", () => {
  const slope = f32([3], [0.5, 0.25, 2]);

  it.each([[[2, 3]], [[2, 3, 4]], [[1, 3, 2, 2]], [[1, 3, 1, 2, 3]]])("has a slope per channel of %j", async (dims) => {
    const count = dims.reduce((product, n) => product * n, 1);
    const x = f32(
      dims,
      Array.from({ length: count }, (_, i) => (i % 3) - 1),
    );
    const inner = dims.slice(2).reduce((product, n) => product * n, 1);
    for (const constants of [[], [1]]) {
      const { graph, feeds } = modelOf({ op: "PRelu", opset: 6, inputs: [x, slope], constants });
      const { y0 } = await runModel(graph, feeds);
      const expected = Array.from(x.data as Float32Array, (v, i) =>
        v < 0 ? v * [0.5, 0.25, 2][Math.floor(i / inner) % 3]! : v,
      );
      expect([...(y0!.data as Float32Array)]).toEqual(expected);
    }
  });
});
