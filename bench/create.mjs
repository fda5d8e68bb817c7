// Cold creation from ONNX: create + first run of networks of 14 to 256 MB, each in a process of its own, against onnxruntime-web (FP32, one thread):
//
//   npm run build && (cd bench && npm ci --ignore-scripts) && node bench/create.mjs [--megabytes 14,64,256] [--presets float32,faithful] [--runs 3]
//
// The networks are generated: a chain of matrix products of 1024 × 1024 normally distributed weights with Relu between them. Bytes are in memory before the clock starts;
// medians. Plans are structural, as `create` makes them.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { writeOnnx } from "../dist/onnx/index.js";
import { Tensor } from "../dist/tensor/index.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RIVAL = "onnxruntime-web";
const WIDTH = 1024;

const { values: options } = parseArgs({
  options: {
    megabytes: { type: "string", default: "14,64,256" },
    presets: { type: "string", default: "float32,faithful" },
    runs: { type: "string", default: "3" },
    child: { type: "string" },
    file: { type: "string" },
  },
});

/** A chain of products of so many megabytes. */
function network(megabytes) {
  const layers = Math.max(1, Math.round((megabytes * 2 ** 20) / (4 * WIDTH * WIDTH)));
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const nodes = [];
  const initializers = new Map();
  for (let i = 0; i < layers; i++) {
    const weights = Float32Array.from({ length: WIDTH * WIDTH }, () => (uniform() + uniform() + uniform() - 1.5) / 16);
    initializers.set(`w${i}`, new Tensor("float32", weights, [WIDTH, WIDTH]));
    const attributes = {};
    nodes.push({
      name: `product${i}`,
      op: "MatMul",
      domain: "",
      inputs: [`x${i}`, `w${i}`],
      outputs: [`p${i}`],
      attributes,
    });
    nodes.push({ name: `relu${i}`, op: "Relu", domain: "", inputs: [`p${i}`], outputs: [`x${i + 1}`], attributes });
  }
  const inputs = [{ name: "x0", type: "float32", shape: [1, WIDTH] }];
  const outputs = [{ name: `x${layers}`, type: "float32", shape: [1, WIDTH] }];
  return writeOnnx({ name: "chain", opsets: { "": 17 }, inputs, outputs, nodes, initializers });
}

/** In a child process: create + first run, in milliseconds. */
async function cold(name, bytes) {
  const data = new Float32Array(WIDTH).fill(0.5);
  const feeds = (make) => ({ x0: new make("float32", data, [1, WIDTH]) });
  if (name === RIVAL) {
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = 1;
    const start = performance.now();
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    await session.run(feeds(ort.Tensor));
    return performance.now() - start;
  }
  const ours = await import("../dist/entries/index.js");
  const start = performance.now();
  const session = await ours.InferenceSession.create(bytes, { preset: name });
  await session.run(feeds(ours.Tensor));
  return performance.now() - start;
}

if (options.child !== undefined) {
  console.log(await cold(options.child, new Uint8Array(readFileSync(options.file))));
} else {
  const contestants = [RIVAL, ...options.presets.split(",")];
  for (const megabytes of options.megabytes.split(",").map(Number)) {
    const file = `${ROOT}build/create-${megabytes}.onnx`;
    writeFileSync(file, network(megabytes));
    const times = contestants.map(() => []);
    for (let i = 0; i < Number(options.runs); i++) {
      contestants.forEach((name, j) => {
        const child = [fileURLToPath(import.meta.url), "--child", name, "--file", file];
        times[j].push(Number(execFileSync(process.execPath, child, { encoding: "utf8" })));
      });
    }
    rmSync(file);
    const figures = contestants.map((name, j) => `${name} ${median(times[j]).toFixed(0)} ms`);
    console.log(`${megabytes} MB: ${figures.join(", ")}`);
  }
}
