// Convolutions whose inputs have no rank before a run, as files without shapes have them where a network makes its own weights.
import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

const open = { type: "float32", shape: undefined } as const;
const attributes = { group: 2, auto_pad: "SAME_UPPER" };
const graph = (shape: undefined | "known", rank = 3) => {
  const input = (name: string) =>
    shape === undefined
      ? open
      : { type: "float32" as const, shape: Array.from({ length: rank }, (_, i) => `${name}${i}`) };
  return writeOnnx(
    build({ x: input("x"), w: input("w") }, { b: f32([4]) }, [["Conv", ["x", "w", "b"], ["y"], attributes]], ["y"]),
  );
};

describe("a convolution of inputs without a rank", () => {
  it.each([
    [
      [2, 4, 9],
      [4, 2, 3],
    ],
    [
      [1, 4, 5, 6],
      [4, 2, 3, 2],
    ],
    [
      [1, 4, 3, 4, 5],
      [4, 2, 1, 2, 3],
    ],
  ])("%j by %j gives what it gives with one", async (x, w) => {
    const results = [];
    for (const model of [graph(undefined), graph("known", x.length)]) {
      const session = await InferenceSession.create(model, { preset: "float32" });
      results.push((await session.run({ x: f32(x), w: f32(w) }))["y"]!);
      await session.release();
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]!.dims).toEqual([x[0], 4, ...x.slice(2)]);
  });

  it("refuses ranks that differ and ranks without a kernel in sentences, and runs on", async () => {
    const session = await InferenceSession.create(graph(undefined), { preset: "float32" });
    const run = (x: number[], w: number[]) => session.run({ x: f32(x), w: f32(w) });
    await expect(run([1, 4, 5], [4, 2, 3, 3])).rejects.toMatchObject({
      code: "MODEL",
      message: expect.stringMatching(/expected the same rank/),
    });
    await expect(run([1, 4], [4, 2])).rejects.toThrow(/at least three dimensions/);
    await expect(run([1, 4, 1, 1, 1, 1], [4, 2, 1, 1, 1, 1])).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect((await run([1, 4, 5], [4, 2, 3]))["y"]!.dims).toEqual([1, 4, 5]);
    await session.release();
  });
});
