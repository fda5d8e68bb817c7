// The fixture networks with every preset and build, as digests of their outputs: plain modules, which every runtime and bundler takes.
import { InferenceSession } from "../../dist/entries/index.js";
import { randomTensor, uniformNumbers } from "../../dist/tensor/index.js";

export const NETWORKS = ["fmnist_mobilenet", "fmnist_resnet", "fmnist_vit"];

/**
 * @param open - from the name of a network to what a session is created from
 * @param sha256 - of bytes, as hex
 * @returns digests by "network preset", which are those of both builds
 */
export async function digests(open, sha256) {
  const found = {};
  for (const name of NETWORKS) {
    const image = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026));
    for (const preset of ["float32", "faithful", "fast", "compact"]) {
      for (const build of ["scalar", "simd"]) {
        const session = await InferenceSession.create(await open(name), { preset, build });
        const { logits } = await session.run({ image });
        const digest = await sha256(new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
        const key = `${name} ${preset}`;
        if (found[key] !== undefined && found[key] !== digest) throw new Error(`${key}: ${build} differs from scalar`);
        found[key] = digest;
        await session.release();
      }
    }
  }
  return found;
}

/** SHA-256 where there is Web Crypto and no Node. */
export async function webSha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
