// A CommonJS module, and by the resolution that TypeScript has had before `exports`.
import { InferenceSession, type SessionOptions, Tensor } from "bitbasis";
import { advise } from "bitbasis/advise";
import { quantize } from "bitbasis/quantize";

export async function use(model: Uint8Array): Promise<Tensor> {
  const options: SessionOptions = { preset: "fast" };
  const { bytes } = await quantize(model, { preset: "compact" });
  const session = await InferenceSession.create(bytes, options);
  const { y } = await session.run({ x: new Tensor("float32", new Float32Array(3), [1, 3]) });
  console.log(advise);
  return y as Tensor;
}
