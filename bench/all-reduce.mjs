// What it would cost to run the basis models of a series on several machines: each machine has some terms of every linear layer, and after each layer the integer
// accumulators (4 bytes per output element) are summed over all machines, by a ring: 2 (M − 1) messages one after the other, 2 (M − 1) / M of the bytes through each link.
// The time of a layer on one machine is its share of the multiply-accumulates of the whole run, whose CPU time is measured here.
//
//     node bench/all-reduce.mjs [MODEL.onnx [NAME=1,3,224,224]]
import { readFileSync } from "node:fs";
import { InferenceSession } from "../dist/entries/index.js";
import { readOnnx, writeOnnx } from "../dist/onnx/index.js";
import { Tensor } from "../dist/tensor/index.js";

const [path = new URL("../test/fixtures/models/fmnist_mobilenet.onnx", import.meta.url), shape] = process.argv.slice(2);
const LINKS = [
  { name: "one rack, 100 Gb/s", seconds: 5e-6, bytes: 12.5e9 },
  { name: "data centre, 10 Gb/s", seconds: 50e-6, bytes: 1.25e9 },
  { name: "office, 1 Gb/s", seconds: 300e-6, bytes: 125e6 },
  { name: "internet, 100 Mb/s", seconds: 20e-3, bytes: 12.5e6 },
];

const bytes = new Uint8Array(readFileSync(path));
const session = await InferenceSession.create(bytes);
const feeds = feedsOf(session);
await session.run(feeds);
const steps = await session.profile(feeds);
const macs = steps.reduce((sum, step) => sum + step.macs, 0);
let cpu = Number.POSITIVE_INFINITY;
for (let i = 0; i < 10; i++) {
  const before = process.cpuUsage();
  await session.run(feeds);
  const { user, system } = process.cpuUsage(before);
  cpu = Math.min(cpu, (user + system) / 1e6);
}
await session.release();

const outputs = await outputsOfLayers(bytes, feeds);
const reduced = 4 * outputs.reduce((sum, size) => sum + size, 0);
console.log(
  `${outputs.length} linear layers, ${(macs / 1e6).toFixed(1)} million multiply-accumulates in ${(1000 * cpu).toFixed(2)} ms of CPU, ${(reduced / 1e6).toFixed(2)} MB of accumulators`,
);
console.log(
  "\nmilliseconds of one run, where one machine takes the figure above (all of it counts as linear layers, which favours sharding)\n",
);
console.log(`${"".padEnd(22)}${[2, 4, 8].map((m) => `${m} machines`.padStart(13)).join("")}   2 machines pay from`);
for (const link of LINKS) {
  const network = (m) => outputs.length * 2 * (m - 1) * link.seconds + (((2 * (m - 1)) / m) * reduced) / link.bytes;
  const row = [2, 4, 8].map((m) => (1000 * (cpu / m + network(m))).toFixed(2).padStart(13));
  // t / 2 + network < t
  console.log(`${link.name.padEnd(22)}${row.join("")}   ${(2000 * network(2)).toFixed(2)} ms`);
}

function feedsOf({ inputMetadata }) {
  const [name, text] = shape?.split("=") ?? [];
  return Object.fromEntries(
    inputMetadata.map((input) => {
      const dims =
        input.name === name ? text.split(",").map(Number) : input.shape.map((d) => (typeof d === "number" ? d : 1));
      const size = dims.reduce((a, b) => a * b, 1);
      return [
        input.name,
        new Tensor(
          input.type,
          Array.from({ length: size }, (_, i) => ((i * 37) % 255) / 255),
          dims,
        ),
      ];
    }),
  );
}

/** Elements that each linear layer gives: the model is run with the values of these layers as its outputs. */
async function outputsOfLayers(onnx, given) {
  const graph = readOnnx(onnx);
  const names = graph.nodes
    .filter(({ op }) => ["Conv", "Gemm", "MatMul"].includes(op))
    .map(({ outputs: [name] }) => name);
  const values = names.map((name) => ({ name, type: "float32", shape: undefined }));
  const probe = await InferenceSession.create(writeOnnx({ ...graph, outputs: values }), { preset: "float32" });
  const made = await probe.run(given);
  await probe.release();
  return names.map((name) => made[name].size);
}
