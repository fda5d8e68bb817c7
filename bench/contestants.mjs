// What benchmarks of whole networks share: the rival, and how outputs are compared.
export { cosine } from "../build/tools/examples/ocr/compare.js";

/** onnxruntime-web (wasm, one thread) on a model: its session and the class of its tensors. */
export async function rivalSession(bytes) {
  const { InferenceSession, Tensor, env } = await import("onnxruntime-web");
  env.wasm.numThreads = 1;
  return { session: await InferenceSession.create(bytes, { executionProviders: ["wasm"] }), Tensor };
}
