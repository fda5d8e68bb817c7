// A program for onnxruntime-web with the import replaced, and nothing else.
import runtime, * as ort from "bitbasis/ort";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export async function classify(model: ArrayBuffer, picture: Float32Array): Promise<ort.Tensor> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
    freeDimensionOverrides: { N: 1 },
    extra: { bitbasis: { preset: "faithful" } },
  };
  const session: ort.InferenceSession = await ort.InferenceSession.create(model, 0, model.byteLength, options);
  const feeds: Record<string, ort.Tensor> = {};
  feeds[session.inputNames[0]!] = new ort.Tensor("float32", picture, [1, 1, 28, 28]);
  const results: ort.InferenceSession.OnnxValueMapType = await session.run(feeds);
  const logits = results[session.outputNames[0]!] as ort.TypedTensor<"float32">;
  const best: number = logits.data.indexOf(Math.max(...logits.data));
  console.log(best, logits.dims, runtime.env.versions.common, session.inputMetadata[0]!.name);
  await session.release();
  return logits;
}
