// 3×3 convolutions in tiles of 2 × 2 outputs: when a session takes them, and that refining, builds and threads give the same bits. The sums themselves: test/gemm/conv.test.ts.
import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { randomTensor, type Tensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32 } from "../graph/build.ts";

const TILED = "winograd_i16_i16_4x8";

/** Two layers behind each other; the second one adds its input. */
function model(attributes: Record<string, number[]> = {}): { onnx: Uint8Array; feeds: { x: Tensor } } {
  const random = uniformNumbers(3);
  const weights = () => f32([24, 24, 3, 3], [...(randomTensor("float32", [24 * 24 * 9], random).data as Float32Array)]);
  const layer = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], ...attributes };
  const graph = build(
    { x: [1, 24, 7, 10] },
    {
      v: weights(),
      w: weights(),
      b: f32(
        [24],
        Array.from({ length: 24 }, (_, i) => i / 7 - 1),
      ),
    },
    [
      ["Conv", ["x", "v", "b"], ["t"], layer],
      ["Relu", ["t"], ["r"]],
      ["Conv", ["r", "w"], ["s"], layer],
      ["Add", ["s", "r"], ["y"]],
    ],
    ["y"],
  );
  return { onnx: writeOnnx(graph), feeds: { x: randomTensor("float32", [1, 24, 7, 10], random) } };
}

async function outcome(
  source: Uint8Array,
  feeds: { x: Tensor },
  options: Parameters<typeof InferenceSession.create>[1],
) {
  const session = await InferenceSession.create(source, options);
  const kernels = (await session.profile(feeds)).map(({ kernel }) => kernel);
  const { y } = await session.run(feeds);
  await session.release();
  return { data: y!.data as Float32Array, kernels };
}

it.each(["fast", "compact"] as const)(
  "%s: every build, threads and a session that refines have the same bits",
  async (preset) => {
    const { onnx, feeds } = model();
    const { bytes } = await quantize(onnx, { preset });
    const { data, kernels } = await outcome(bytes, feeds, {});
    expect(kernels.filter((kernel) => kernel === TILED)).toHaveLength(2);
    expect((await outcome(bytes, feeds, { build: "scalar" })).data).toEqual(data);
    expect((await outcome(bytes, feeds, { numThreads: 2 })).data).toEqual(data);
    const session = await InferenceSession.create(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(), {
      progressive: true,
    });
    await session.run(feeds);
    while (await session.refine()) await session.run(feeds);
    const { y } = await session.run(feeds);
    await session.release();
    expect(y!.data).toEqual(data);
  },
);

it("is not for dilations or activations of 16 bits", async () => {
  const dilated = model({ dilations: [2, 2], pads: [2, 2, 2, 2] });
  expect((await outcome(dilated.onnx, dilated.feeds, { preset: "fast" })).kernels).not.toContain(TILED);
  const { onnx, feeds } = model();
  expect((await outcome(onnx, feeds, { preset: "faithful" })).kernels).not.toContain(TILED);
});
