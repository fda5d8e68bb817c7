// An application of onnxruntime-web, which is not changed: the same picture and answer as app.mjs.
import { InferenceSession, Tensor } from "onnxruntime-web";

export async function main(model, options = {}) {
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => (Math.imul(i, 2654435761) >>> 8) / 2 ** 24);
  const session = await InferenceSession.create(model, { executionProviders: ["wasm"], ...options });
  const { logits } = await session.run({ image: new Tensor("float32", picture, [1, 1, 28, 28]) });
  await session.release();
  return Array.from(new Uint32Array(logits.data.buffer), (bits) => bits.toString(16).padStart(8, "0")).join("");
}
