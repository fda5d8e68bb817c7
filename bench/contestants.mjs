// What benchmarks of whole networks share: the rival, and how outputs are compared.

/** onnxruntime-web (wasm, one thread) on a model: its session and the class of its tensors. */
export async function rivalSession(bytes) {
  const { InferenceSession, Tensor, env } = await import("onnxruntime-web");
  env.wasm.numThreads = 1;
  return { session: await InferenceSession.create(bytes, { executionProviders: ["wasm"] }), Tensor };
}

export function cosine(a, b) {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb);
}
