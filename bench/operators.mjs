// Single operators against onnxruntime-web (FP32, wasm, one thread), in one process:
//
//   (cd bench && npm ci --ignore-scripts) && node bench/operators.mjs [--only 'MaxPool|Conv'] [--from NAME] [--rounds 200] [--seconds 10] [--preset float32]
//
// The cost of an operator is that of a graph with it less that of the same graph without: what comes before and after (a cheap 1×1 convolution, so that pictures are
// as they lie inside of a network, and a Slice of one element) is in both. Products are whole runs. Least times of all rounds, in turns; outputs are compared first.
import { parseArgs } from "node:util";
import "../test/support/typescript.mjs";
import { cosine, rivalSession } from "./contestants.mjs";

const { InferenceSession, Tensor } = await import("../src/entries/index.ts");
const { writeOnnx } = await import("../src/onnx/index.ts");
const { CASES } = await import("./operator-cases.mjs");

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    from: { type: "string", default: "" },
    rounds: { type: "string", default: "200" },
    seconds: { type: "string", default: "10" },
    preset: { type: "string", default: "float32" },
  },
});
const rounds = Number(options.rounds);
async function contestant(make, graph, feed) {
  const { session, Tensor: Own } = await make(writeOnnx(graph));
  const feeds = { x: new Own(feed.type, feed.data, [...feed.dims]) };
  return { run: () => session.run(feeds), release: () => session.release() };
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

const ours = async (bytes) => ({ session: await InferenceSession.create(bytes, { preset: options.preset }), Tensor });

async function measure(name, one) {
  const outputs = [];
  for (const way of [ours, rivalSession]) {
    const whole = await contestant(way, one.whole, one.feed);
    outputs.push(Object.values(await whole.run())[0].data);
    await whole.release();
  }
  const likeness = cosine(...outputs);
  if (!(likeness > 0.98)) throw new Error(`${name}: cosine ${likeness} to onnxruntime-web`);
  const graphs = [one.with, ...(one.without ? [one.without] : [])];
  const contestants = [];
  for (const graph of graphs)
    for (const way of [ours, rivalSession]) contestants.push(await contestant(way, graph, one.feed));
  const least = contestants.map(() => Number.POSITIVE_INFINITY);
  const until = performance.now() + 1000 * Number(options.seconds);
  for (let round = -20; round < rounds && (round < 10 || performance.now() < until); round++) {
    for (const [i, { run }] of contestants.entries()) {
      const time = await timed(run);
      if (round >= 0) least[i] = Math.min(least[i], time);
    }
  }
  const [a, b, c = 0, d = 0] = least;
  const rate =
    one.macs === undefined
      ? ""
      : `, ${(one.macs / a / 1e6).toFixed(1)} against ${(one.macs / b / 1e6).toFixed(1)} GMAC/s`;
  console.log(
    `${name.padEnd(34)} ${(1000 * (a - c)).toFixed(0).padStart(6)} µs, onnxruntime-web ${(1000 * (b - d)).toFixed(0).padStart(6)} µs, ratio ${((b - d) / (a - c)).toFixed(2)}${rate}`,
  );
  for (const { release } of contestants) await release();
}

const names = Object.keys(CASES);
const begin = Math.max(0, names.indexOf(options.from));
for (const name of names.slice(begin)) {
  if (!options.only.split("|").some((part) => name.includes(part))) continue;
  try {
    await measure(name, CASES[name]());
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
