// Every entry's types, as an application without Node's types and without skipLibCheck reads them.
import { type BitbasisError, InferenceSession, type SessionOptions, Tensor } from "bitbasis";
import { gamma } from "bitbasis/attention";
import { analyze } from "bitbasis/fixed-point";
import { InferenceSession as Inline } from "bitbasis/inline";
import { quantize } from "bitbasis/quantize";
import { regime } from "bitbasis/regimes";
import { expand } from "bitbasis/series";
import simd from "bitbasis/simd.wasm";
import "bitbasis/transformers";
import { InferenceSession as Edge } from "bitbasis/workerd";

export async function use(model: Uint8Array): Promise<Float32Array> {
  const options: SessionOptions = { preset: "fast", wasm: simd };
  await using session = await InferenceSession.create(model, options);
  const { y } = await session.run({ x: new Tensor("float32", new Float32Array(3), [1, 3]) });
  const { bytes } = await quantize(model, { preset: "compact" });
  await (await Edge.create(bytes)).release();
  await (await Inline.create(bytes)).release();
  console.log(analyze, gamma, regime, expand);
  return y!.data as Float32Array;
}

export const isOurs = (error: unknown): error is BitbasisError => (error as BitbasisError).name === "BitbasisError";
