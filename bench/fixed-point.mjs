// The speed of verification and the tables of docs/fixed-point.md: node bench/fixed-point.mjs [verify|table]
// Needs npm run build.
import { createNetwork, evaluate, synthesize, universalityMap, verify } from "../dist/entries/fixed-point.js";

function randomIntegers(seed) {
  let x = seed | 1;
  return (low, high) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return low + ((x >>> 0) % (high - low + 1));
  };
}

const side = (p) => 2 ** (p + 1) - 1;
const randomTable = (p, d, random) => Int32Array.from({ length: side(p) ** d }, () => random(1 - 2 ** p, 2 ** p - 1));

/** Weight·input products per second of exhaustive verification, one core. */
async function speed() {
  for (const [p, d, width] of [
    [3, 4, 256],
    [6, 2, 512],
    [8, 2, 128],
    [8, 1, 2048],
  ]) {
    const random = randomIntegers(5);
    const m = 2 ** p - 1;
    const layer = (inputs, outputs) => ({
      inputs,
      outputs,
      weights: Array.from({ length: inputs * outputs }, () => random(-m, m)),
      biases: Array.from({ length: outputs }, () => random(-m, m)),
    });
    const last = { ...layer(width, 1), weights: new Int32Array(width), biases: [1] };
    const network = createNetwork({
      p,
      s: 1,
      activation: "relu",
      layers: [layer(d, width), layer(width, width), last],
    });
    if (evaluate(network, new Array(d).fill(0))[0] !== 1) throw new Error("wrong output");
    const products = side(p) ** d * (d * width + width * width + width);
    const times = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      const { ok } = await verify(network, () => 1);
      if (!ok) throw new Error("not equal");
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const rate = products / times[2] / 1e6;
    console.log(
      `p = ${p}, d = ${d}, width ${width}: ${(products / 1e9).toFixed(2)} G products, ${rate.toFixed(1)} G/s`,
    );
  }
}

/** Parameters for random and structured tables. */
async function table() {
  console.log("| p, d, s | entries | one box per input | ReLU | identity | GELU | sigmoid | ±1, ReLU |");
  console.log("|---|---|---|---|---|---|---|---|");
  for (const [p, d, s] of [
    [2, 2, 1],
    [3, 2, 1],
    [4, 2, 1],
    [3, 2, 4],
    [2, 3, 1],
    [8, 1, 1],
  ]) {
    const f = randomTable(p, d, randomIntegers(3));
    const cells = [];
    let naive = 0;
    for (const activation of ["relu", "identity", "gelu", "sigmoid"]) {
      const result = await synthesize(f, { d, activation, p, s });
      naive = result.naive;
      cells.push(result.parameters.toLocaleString("en"));
    }
    const binary =
      p < 4 ? (await synthesize(f, { d, activation: "relu", p, s, weights: "binary" })).parameters : undefined;
    cells.push(binary?.toLocaleString("en") ?? "–");
    console.log(`| ${p}, ${d}, ${s} | ${f.length} | ${naive.toLocaleString("en")} | ${cells.join(" | ")} |`);
  }
  const limit = (k, m) => Math.max(-m, Math.min(m, k));
  console.log("\n| table | p, d, s | ReLU | identity | construction (ReLU) |\n|---|---|---|---|---|");
  for (const [name, p, d, s, f] of [
    ["x + y ≥ 2", 4, 2, 1, (x, y) => (x + y >= 2 ? 1 : 0)],
    ["max(x, y)", 4, 2, 1, (x, y) => Math.max(x, y)],
    ["exclusive or of signs", 4, 2, 1, (x, y) => (x > 0 !== y > 0 ? 1 : 0)],
    ["parity of x + y", 4, 2, 1, (x, y) => (x + y) & 1],
    ["x·y, saturating", 4, 2, 1, (x, y) => limit(x * y, 15) + 0],
    ["3-bit × 3-bit multiplier", 6, 2, 1, (x, y) => (x >= 0 && y >= 0 && x < 8 && y < 8 ? x * y : 0)],
    ["indicator of an interval", 7, 1, 1, (x) => (x >= -20 && x <= 45 ? 1 : 0)],
    ["gamma 2.2, 8 bits", 8, 1, 1, (x) => Math.round(255 * (Math.max(x, 0) / 255) ** 2.2)],
    ["gamma 2.2, 8 bits, s = 16", 8, 1, 16, (x) => Math.round(255 * (Math.max(x, 0) / 255) ** 2.2)],
  ]) {
    const relu = await synthesize(f, { d, activation: "relu", p, s });
    const identity = await synthesize(f, { d, activation: "identity", p, s });
    console.log(`| ${name} | ${p}, ${d}, ${s} | ${relu.parameters} | ${identity.parameters} | ${relu.construction} |`);
  }
  for (const name of ["identity", "sigmoid", "mish", "step"]) {
    const start = performance.now();
    universalityMap(name);
    console.log(`map of ${name}, p ≤ 12, s ≤ 1024: ${(performance.now() - start).toFixed(0)} ms`);
  }
}

const tasks = { verify: speed, table };
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(tasks)) await tasks[name]();
