import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { encoder } from "../support/encoder.ts";
import { Random } from "../support/random.ts";

const SIZES = { layers: 1, width: 16, heads: 2, hidden: 24 } as const;

function feeds(tokens: number): { x: Tensor } {
  const random = new Random(5);
  const values = Float32Array.from({ length: tokens * SIZES.width }, () => random.uniform(-1, 1));
  return { x: new Tensor("float32", values, [1, tokens, SIZES.width]) };
}

describe("an encoder that was quantized dynamically", () => {
  it.each(["float32", "faithful"] as const)("multiplies bytes on the integer kernels under %s", async (preset) => {
    const session = await InferenceSession.create(writeOnnx(encoder({ form: "dynamic", ...SIZES })), { preset });
    for (const tokens of [1, 5]) {
      const kernels = (await session.profile(feeds(tokens))).map(({ kernel }) => kernel);
      // Q, K, V, the output, and both layers behind it; the scores and what they mix are no constants.
      expect(kernels.filter((kernel) => kernel.startsWith("gemm_i8_i16"))).toHaveLength(6);
      // Of both scales only, which Q, K and V share: the kernels scale their sums.
      expect(kernels.filter((kernel) => kernel.startsWith("binary_mul"))).toHaveLength(4);
    }
    await session.release();
  });

  it("gives what it gives in float32 but for the bytes", async () => {
    const [quantized, float] = await Promise.all(
      (["dynamic", "float"] as const).map(async (form) => {
        const session = await InferenceSession.create(writeOnnx(encoder({ form, ...SIZES })), { preset: "float32" });
        return (await session.run(feeds(3)))["y"]!.data as Float32Array;
      }),
    );
    const largest = Math.max(...quantized!.map((y, i) => Math.abs(y - float![i]!)));
    // A quantum of inputs and weights is 1/127 of their ranges, and rows come out with a deviation of 1.
    expect(largest).toBeLessThan(0.03);
    expect(largest).toBeGreaterThan(0);
  });
});
