// Whole networks against onnxruntime-web (FP32, wasm, one thread), in one process:
//
//   npm run build && (cd bench && npm ci --ignore-scripts) && npm run bench:models -- [network]… [--presets fast,faithful]
//     [--seconds 5] [--cold] [--json FILE]
//
// Outputs are compared before anything is timed. Warm: after a warm-up the contestants run in turn (A B A C, A being onnxruntime-web, so
// that every figure of ours stands beside a figure of A from the same moment); medians. Cold (--cold): one child process per contestant,
// median of three, with the bytes already in memory: import, create + first run, and the growth of the process's resident memory.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { locate, NETWORKS, randomPicture } from "../build/tools/test/support/networks.js";
import { cosine, rivalSession } from "./contestants.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RIVAL = "onnxruntime-web";
const PRESETS = ["float32", "faithful", "fast", "compact"];
/** Below this cosine to the rival's output a preset is not working, and its time says nothing. */
const LEAST_COSINE = { float32: 0.999999, faithful: 0.999, fast: 0.9, compact: 0.7 };
/** All, not the flattering ones. */
const DEFAULT = NETWORKS.map(({ name }) => name);

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    presets: { type: "string", default: PRESETS.join(",") },
    seconds: { type: "string", default: "5" },
    cold: { type: "boolean", default: false },
    json: { type: "string" },
    child: { type: "string" },
  },
});

/** Loads a contestant: a function that runs the network once and resolves to the first output's data. */
async function contestant(name, bytes, network) {
  const { input, shapes } = network;
  const data = randomPicture(1, shapes[0], network);
  const imported = performance.now();
  if (name === RIVAL) {
    await import("onnxruntime-web");
    const start = performance.now();
    const { session, Tensor } = await rivalSession(bytes);
    const run = async () =>
      (await session.run({ [input]: new Tensor("float32", data, shapes[0]) }))[session.outputNames[0]].data;
    return { run, release: () => session.release(), importing: start - imported, start };
  }
  const { InferenceSession, Tensor } = await import("../dist/entries/index.js");
  const start = performance.now();
  const session = await InferenceSession.create(bytes, name === "float32" ? { preset: name } : {});
  const run = async () =>
    (await session.run({ [input]: new Tensor("float32", data, shapes[0]) }))[session.outputNames[0]].data;
  return {
    run,
    release: () => session.release(),
    importing: start - imported,
    start,
    memory: () => session.memoryBytes,
  };
}

/** What a contestant is given: the presets their container, planned as bench/agreement.mjs plans it, float32 and the rival the ONNX file. */
async function source(name, onnx, { inputRange }) {
  if (name === RIVAL || name === "float32") return onnx;
  const { quantize } = await import("../dist/entries/quantize.js");
  return (await quantize(onnx, { preset: name, inputRange })).bytes;
}

async function warm(network, onnx, presets) {
  const rival = await contestant(RIVAL, onnx, network);
  const expected = Float32Array.from(await rival.run());
  const ours = [];
  for (const preset of presets) {
    const bytes = await source(preset, onnx, network);
    const one = await contestant(preset, bytes, network);
    const agreement = cosine(await one.run(), expected);
    if (!(agreement >= LEAST_COSINE[preset])) {
      throw new Error(
        `${network.name} ${preset}: cosine ${agreement} to ${RIVAL}, expected at least ${LEAST_COSINE[preset]}`,
      );
    }
    ours.push({ preset, bytes: bytes.length, agreement, times: [], beside: [], ...one });
  }
  const once = async ({ run }) => {
    const from = performance.now();
    await run();
    return performance.now() - from;
  };
  // V8 compiles WASM with a baseline compiler first: three runs bring the optimizing one's code in.
  for (let i = 0; i < 3; i++) for (const one of [rival, ...ours]) await once(one);
  const budget = Number(options.seconds) * 1000;
  for (const from = performance.now(); performance.now() - from < budget || ours[0].times.length < 5; ) {
    for (const one of ours) {
      one.beside.push(await once(rival));
      one.times.push(await once(one));
    }
  }
  const rows = ours.map(({ preset, bytes, agreement, times, beside, memory }) => ({
    network: network.name,
    shape: network.shapes[0].join("x"),
    preset,
    cosine: agreement,
    milliseconds: median(times),
    rivalMilliseconds: median(beside),
    ratio: median(beside) / median(times),
    runs: times.length,
    bytes,
    onnxBytes: onnx.length,
    wasmMemory: memory(),
  }));
  for (const one of [rival, ...ours]) await one.release();
  return rows;
}

/** In a child process: how long until the first answer, and what the process has grown by. */
async function cold(network, name, path) {
  const bytes = new Uint8Array(readFileSync(path));
  const resident = () => process.memoryUsage().rss;
  const before = resident();
  const { run, importing, start } = await contestant(name, bytes, network);
  const created = performance.now();
  await run();
  const first = performance.now();
  return { import: importing, create: created - start, firstRun: first - created, residentGrowth: resident() - before };
}

async function coldRows(network, onnx, presets) {
  const rows = [];
  for (const name of [RIVAL, ...presets]) {
    const path = `${ROOT}build/cold.bin`;
    writeFileSync(path, await source(name, onnx, network));
    const child = [fileURLToPath(import.meta.url), network.name, "--child", name];
    const runs = [1, 2, 3].map(() =>
      JSON.parse(execFileSync(process.execPath, child, { encoding: "utf8", stdio: "pipe" })),
    );
    const middle = (key) => median(runs.map((run) => run[key]));
    const keys = ["import", "create", "firstRun", "residentGrowth"];
    rows.push({
      network: network.name,
      contestant: name,
      ...Object.fromEntries(keys.map((key) => [key, middle(key)])),
    });
  }
  return rows;
}

function print(title, columns, rows) {
  const cells = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, show]) => String(show(row))))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  console.log(`\n${title}`);
  for (const row of cells) {
    console.log(row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "));
  }
}

const mega = (bytes) => (bytes / 2 ** 20).toFixed(1);
const names = positionals.length > 0 ? positionals : DEFAULT;
const networks = names.map((name) => {
  const network = NETWORKS.find((n) => n.name === name);
  if (network === undefined)
    throw new RangeError(`"network" expected one of ${NETWORKS.map((n) => n.name).join(", ")}, got "${name}"`);
  return network;
});
const presets = options.presets.split(",");

if (options.child !== undefined) {
  console.log(JSON.stringify(await cold(networks[0], options.child, `${ROOT}build/cold.bin`)));
} else {
  const result = {
    cpu: cpus()[0].model,
    node: process.version,
    v8: process.versions.v8,
    warm: [],
    cold: [],
    skipped: [],
  };
  console.log(`${result.cpu}, Node ${result.node}, ${RIVAL} 1.30.0 FP32 on one thread`);
  for (const network of networks) {
    const place = locate(network, ROOT);
    if ("missing" in place) {
      result.skipped.push({ network: network.name, reason: place.missing });
      console.log(`${network.name} skipped: ${place.missing}`);
      continue;
    }
    const onnx = new Uint8Array(readFileSync(place.path));
    result.warm.push(...(await warm(network, onnx, presets)));
    if (options.cold) result.cold.push(...(await coldRows(network, onnx, presets)));
  }
  print(
    "warm: median time of a run; ratio above 1: faster than the rival",
    [
      ["network", (r) => `${r.network} ${r.shape}`],
      ["preset", (r) => r.preset],
      ["ms", (r) => r.milliseconds.toFixed(2)],
      ["rival ms", (r) => r.rivalMilliseconds.toFixed(2)],
      ["ratio", (r) => r.ratio.toFixed(2)],
      ["runs", (r) => r.runs],
      ["cosine", (r) => r.cosine.toFixed(6)],
      ["file MB", (r) => mega(r.bytes)],
      ["WASM memory MB", (r) => mega(r.wasmMemory)],
    ],
    result.warm,
  );
  if (options.cold) {
    print(
      "cold: a process of its own, median of three",
      [
        ["network", (r) => r.network],
        ["contestant", (r) => r.contestant],
        ["import ms", (r) => r.import.toFixed(0)],
        ["create ms", (r) => r.create.toFixed(0)],
        ["first run ms", (r) => r.firstRun.toFixed(0)],
        ["create + first ms", (r) => (r.create + r.firstRun).toFixed(0)],
        ["resident growth MB", (r) => mega(r.residentGrowth)],
      ],
      result.cold,
    );
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
