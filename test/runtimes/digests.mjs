// Runs the fixture networks with every preset in both builds and prints a digest of each output as JSON. Plain modules and node:fs only, so
// that every runtime can run it: `node test/runtimes/digests.mjs` after `npm run build`.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { InferenceSession } from "../../dist/entries/index.js";
import { randomTensor, uniformNumbers } from "../../dist/tensor/index.js";

const digests = {};
for (const name of ["fmnist_mobilenet", "fmnist_resnet", "fmnist_vit"]) {
  const onnx = new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
  const image = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026));
  for (const preset of ["float32", "faithful", "fast", "compact"]) {
    for (const build of ["scalar", "simd"]) {
      const session = await InferenceSession.create(onnx, { preset, build });
      const { logits } = await session.run({ image });
      const bytes = new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength);
      const digest = createHash("sha256").update(bytes).digest("hex");
      const key = `${name} ${preset}`;
      if (digests[key] !== undefined && digests[key] !== digest)
        throw new Error(`${key}: ${build} differs from scalar`);
      digests[key] = digest;
      await session.release();
    }
  }
}
console.log(JSON.stringify(digests, null, 2));
