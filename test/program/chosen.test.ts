// "bitbasis/chosen" as a package of its own modules: nothing that another entry has made known is there.
import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

type Chosen = typeof import("../../src/entries/chosen.ts");
type Known = typeof import("../../src/program/operators/index.ts");

const load = <Module>(path: string): Promise<Module> =>
  import(/* @vite-ignore */ new URL(`../../dist/${path}`, import.meta.url).href);

const CLASSIFIER = writeOnnx(
  build(
    { x: ["N", 3, 8, 8] },
    { w: f32([4, 3, 3, 3]), b: f32([4]), v: f32([4, 5]) },
    [
      ["Conv", ["x", "w", "b"], ["c"], { pads: [1, 1, 1, 1] }],
      ["Relu", ["c"], ["r"]],
      ["GlobalAveragePool", ["r"], ["p"]],
      ["Flatten", ["p"], ["f"]],
      ["Gemm", ["f", "v"], ["g"]],
      ["Softmax", ["g"], ["y"]],
    ],
    ["y"],
  ),
);
const REDUCED = writeOnnx(build({ x: [2, 3] }, {}, [["ReduceMax", ["x"], ["y"]]], ["y"]));

async function bits(session: { run: InferenceSession["run"] }, feeds: Parameters<InferenceSession["run"]>[0]) {
  const { data } = (await session.run(feeds))["y"]!;
  return [...new Uint32Array((data as Float32Array).slice().buffer)];
}

describe("a bundle of chosen operators", () => {
  it("runs what it knows with the bits of the whole package, and loads the rest when it is named", async () => {
    const { basics, convolution, normalization, pooling, products, use, ...entry } =
      await load<Chosen>("entries/chosen.js");
    const { loweringOf } = await load<Known>("program/operators/index.js");
    const knows = (op: string): boolean => loweringOf({ domain: "", op }) !== undefined;
    expect(knows("Relu")).toBe(false);
    for (const none of [5, null, {}, [basics]])
      expect(() => use(basics, none as never)).toThrow(/"families" expected families of operators/);
    expect(knows("Relu")).toBe(false);
    use(basics, convolution, pooling, products, normalization);
    expect(knows("Relu")).toBe(true);

    const { bytes } = await quantize(CLASSIFIER, { check: false });
    const feeds = { x: f32([2, 3, 8, 8]) };
    const expected = await bits(await InferenceSession.create(bytes), feeds);
    expect(new Set(expected).size).toBeGreaterThan(2);
    expect(await bits(await entry.InferenceSession.create(bytes), feeds)).toEqual(expected);
    expect(knows("ReduceMax")).toBe(false);

    const reduced = (await quantize(REDUCED, { check: false })).bytes;
    expect(await bits(await entry.InferenceSession.create(reduced), { x: f32([2, 3]) })).toEqual(
      await bits(await InferenceSession.create(reduced), { x: f32([2, 3]) }),
    );
    expect(knows("ReduceMax")).toBe(true);
  });

  it("reads ONNX files with operators that its passes make of others", async () => {
    const { InferenceSession: Session } = await load<Chosen>("entries/chosen.js");
    const feeds = { x: f32([2, 3, 8, 8]) };
    expect(await bits(await Session.create(CLASSIFIER), feeds)).toEqual(
      await bits(await InferenceSession.create(CLASSIFIER), feeds),
    );
  });
});
