// Writes test/fixtures/references/NETWORK.json: what onnxruntime-node computes in FP32 for inputs from a seed.
//
//   npm run build:tools && node bench/references.mjs [network]…      BITBASIS_MODELS: see test/support/networks.ts
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { locate, NETWORKS, randomPicture } from "../build/tools/test/support/networks.js";
import { summarize } from "../build/tools/test/support/references.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = `${ROOT}test/fixtures/references/`;
const wanted = process.argv.slice(2);

mkdirSync(FOLDER, { recursive: true });
for (const network of NETWORKS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const place = locate(network, ROOT);
  if ("missing" in place) {
    console.log(`${network.name} skipped: ${place.missing}`);
    continue;
  }
  const session = await InferenceSession.create(place.path, { intraOpNumThreads: 1 });
  const cases = [];
  for (const [i, shape] of network.shapes.entries()) {
    const seed = i + 1;
    const data = randomPicture(seed, shape, network);
    const outputs = await session.run({ [network.input]: new Tensor("float32", data, shape) });
    const kept = Object.entries(outputs).map(([name, tensor]) => [name, summarize(tensor.data, tensor.dims)]);
    cases.push({ seed, shape, outputs: Object.fromEntries(kept) });
    for (const [name, { dims, largest }] of kept)
      console.log(`${network.name} ${shape.join("x")}: ${name} ${dims.join("x")}, largest ${largest}`);
  }
  const text = JSON.stringify({ network: network.name, by: "onnxruntime-node 1.30.0, CPU", cases });
  writeFileSync(`${FOLDER}${network.name}.json`, `${text.replaceAll('"outputs":', '\n"outputs":')}\n`);
}
