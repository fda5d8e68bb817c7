// The application that every bundler, browser and framework builds and runs: one network, one picture, the bits of the answer.
import { InferenceSession, Tensor } from "bitbasis";

export async function main(model, options = {}) {
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => (Math.imul(i, 2654435761) >>> 8) / 2 ** 24);
  const session = await InferenceSession.create(model, { preset: "fast", ...options });
  const { logits } = await session.run({ image: new Tensor("float32", picture, [1, 1, 28, 28]) });
  await session.release();
  return Array.from(new Uint32Array(logits.data.buffer), (bits) => bits.toString(16).padStart(8, "0")).join("");
}
