// A BERT-like encoder (6 layers of 384) as onnxruntime's `quantize_dynamic` writes it, against the same network in float32 and onnxruntime-web with both, in
// one process, in turn (A B A B):
//
//   npm run build && npm run build:tools && (cd bench && npm ci --ignore-scripts) && node bench/dynamic.mjs [--tokens 64] [--rounds 5] [--steps]
//
// CPU time of the process, so that other work on the machine counts less. Outputs are compared before anything is timed.
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { InferenceSession, Tensor } from "../build/tools/src/entries/index.js";
import { writeOnnx } from "../build/tools/src/onnx/index.js";
import { encoder } from "../build/tools/test/support/encoder.js";
import { Random } from "../build/tools/test/support/random.js";
import { cosine, rivalSession } from "./contestants.mjs";

const { values: options } = parseArgs({
  options: {
    tokens: { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
    // What the steps of the quantized network take, by kernel.
    steps: { type: "boolean", default: false },
  },
});
const [tokens, rounds] = [Number(options.tokens), Number(options.rounds)];
const SIZES = { layers: 6, width: 384, heads: 12, hidden: 1536 };

const random = new Random(3);
const values = Float32Array.from({ length: tokens * SIZES.width }, () => random.uniform(-1, 1));
const feedOf = (Class) => ({ x: new Class("float32", values, [1, tokens, SIZES.width]) });

const [float, dynamic] = ["float", "dynamic"].map((form) => writeOnnx(encoder({ form, ...SIZES })));
const contestants = new Map();
for (const [name, bytes, preset] of [
  ["quantized", dynamic, "faithful"],
  ["float32", float, "float32"],
  ["faithful", float, "faithful"],
]) {
  const session = await InferenceSession.create(bytes, { preset });
  contestants.set(name, { session, feed: feedOf(Tensor) });
}
for (const [name, bytes] of [
  ["onnxruntime-web, quantized", dynamic],
  ["onnxruntime-web, float32", float],
]) {
  const { session, Tensor: Rival } = await rivalSession(bytes);
  contestants.set(name, { session, feed: feedOf(Rival) });
}

const run = async ({ session, feed }) => (await session.run(feed)).y.data;
const likeness = (a, b) => Promise.all([a, b].map((name) => run(contestants.get(name)))).then(([x, y]) => cosine(x, y));
for (const [a, b] of [
  ["quantized", "onnxruntime-web, quantized"],
  ["float32", "onnxruntime-web, float32"],
]) {
  const cos = await likeness(a, b);
  if (!(cos > 0.999)) throw new Error(`cosine ${cos} of "${a}" to "${b}"`);
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const times = new Map([...contestants.keys()].map((name) => [name, []]));
for (const one of contestants.values()) await run(one);
for (let i = 0; i < rounds; i++) {
  for (const [name, one] of contestants) {
    const from = cpu();
    await run(one);
    times.get(name).push(cpu() - from);
  }
}
const own = median(times.get("quantized"));
for (const [name, all] of times)
  console.log(`${name}: ${median(all).toFixed(1)} ms CPU, ${(median(all) / own).toFixed(2)} × quantized`);

if (options.steps) {
  const { session, feed } = contestants.get("quantized");
  const sums = new Map();
  for (const { kernel, milliseconds } of await session.profile(feed))
    sums.set(kernel, (sums.get(kernel) ?? 0) + milliseconds);
  for (const [kernel, ms] of [...sums].sort((a, b) => b[1] - a[1]))
    console.log(`${ms.toFixed(2).padStart(9)} ms  ${kernel}`);
}
