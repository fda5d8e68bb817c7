// Threads against one thread, on whole networks, in one process:
//
//   npm run build && npm run build:tools && node bench/threads.mjs [network]… [--threads 2] [--preset fast] [--shape 1,3,640,480] [--seconds 5]
//
// The sessions run in turn (A B A B), after their outputs have been compared bit for bit. The median of a machine that does other work says little:
// beside it stands the ratio of the least times, and the median of the ratios of neighbouring runs.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { locate, NETWORKS, randomPicture } from "../build/tools/test/support/networks.js";
import { InferenceSession, Tensor } from "../dist/entries/index.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    preset: { type: "string", default: "fast" },
    shape: { type: "string" },
    seconds: { type: "string", default: "5" },
  },
});
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const counts = [1, ...options.threads.split(",").map(Number)];
const names = positionals.length > 0 ? positionals : ["mobilenet_v2", "ppocr_det", "ppocr_rec", "resnet20"];

console.log(
  `${cpus()[0].model}, ${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}, preset ${options.preset}`,
);
for (const name of names) {
  const network = NETWORKS.find((one) => one.name === name);
  if (network === undefined)
    throw new Error(`no network "${name}"; there are ${NETWORKS.map((one) => one.name).join(", ")}`);
  const { path, missing } = locate(network, ROOT);
  if (path === undefined) {
    console.log(`${name}: skipped: ${missing}`);
    continue;
  }
  const shape = options.shape?.split(",").map(Number) ?? network.shapes[0];
  const feeds = { [network.input]: new Tensor("float32", randomPicture(1, shape, network), shape) };
  const onnx = new Uint8Array(readFileSync(path));
  const sessions = [];
  for (const numThreads of counts)
    sessions.push(await InferenceSession.create(onnx, { preset: options.preset, numThreads }));
  const run = async (session) => (await session.run(feeds))[session.outputNames[0]].data;
  const digests = [];
  for (const session of sessions) {
    for (let i = 0; i < 3; i++) await run(session);
    digests.push(
      createHash("sha256")
        .update(new Uint8Array((await run(session)).buffer))
        .digest("hex"),
    );
  }
  if (new Set(digests).size > 1) throw new Error(`${name}: the bits differ: ${digests.join(" ")}`);
  const times = sessions.map(() => []);
  const end = performance.now() + 1000 * Number(options.seconds);
  while (performance.now() < end || times[0].length < 5) {
    for (const [i, session] of sessions.entries()) {
      const start = performance.now();
      await run(session);
      times[i].push(performance.now() - start);
    }
  }
  console.log(
    `${name} [${shape.join("×")}]: 1 thread ${median(times[0]).toFixed(2)} ms, least ${Math.min(...times[0]).toFixed(2)}`,
  );
  for (let i = 1; i < sessions.length; i++) {
    const [ms, least] = [median(times[i]), Math.min(...times[i])];
    const ratio = median(times[i].map((t, j) => times[0][j] / t));
    console.log(
      `  ${sessions[i].numThreads} threads ${ms.toFixed(2)} ms, least ${least.toFixed(2)}: ${(median(times[0]) / ms).toFixed(2)}× by medians, ${(Math.min(...times[0]) / least).toFixed(2)}× by least times, ${ratio.toFixed(2)}× run by run; the same bits`,
    );
  }
  for (const session of sessions) await session.release();
}
