import { expect, it } from "vitest";
import { foldConstants, folding } from "../../src/graph/index.ts";
import { build, f32, type NodeSpec } from "./build.ts";

it("folds in pieces of one node, and gives what it gives at once", () => {
  const chain = Array.from({ length: 4 }, (_, i): NodeSpec => ["Neg", [`c${i}`], [`c${i + 1}`]]);
  const graph = build({ x: [3] }, { c0: f32([3]) }, [...chain, ["Add", ["x", "c4"], ["y"]]], ["y"]);
  const work = folding(graph, []);
  let pieces = 0;
  for (;;) {
    const { done, value } = work.next();
    if (done !== true) pieces++;
    else {
      expect(value).toEqual(foldConstants(graph));
      expect(value.nodes.map(({ op }) => op)).toEqual(["Add"]);
      break;
    }
  }
  expect(pieces).toBe(4);
});
