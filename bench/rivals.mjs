// The engines of browsers against ours, in Chromium, one thread: onnxruntime-web, tfjs-wasm, LiteRT.js in float32, with weights of eight bits, and wholly in eight bits with calibrated
// scales. Networks that these formats know, each written in the format of its engine from the same weights; outputs are compared with onnxruntime-web's before anything is timed.
//
//   npm run build && npm run build:tools && (cd bench && npm ci --ignore-scripts) && (cd bench/rivals && npm ci --ignore-scripts) &&
//     node bench/rivals.mjs [network]… [--seconds 10] [--cold] [--json FILE] [--markdown FILE]
//
// mobilenet_v2 and resnet20 come from the folder that BITBASIS_MODELS names; what is not there is said. Ratios are medians of those to onnxruntime-web in the same round. Scales of "int8"
// come from the very picture that is timed: the best case. Cold (--cold): a new browser for each engine, median of three, from asking for its code to the first output, with
// the network's bytes in memory already.
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { locate, NETWORKS, randomPicture } from "../build/tools/test/support/networks.js";
import { InferenceSession, Tensor } from "../dist/entries/index.js";
import { exportOnnx, quantize } from "../dist/entries/quantize.js";
import { readOnnx, writeOnnx } from "../dist/onnx/index.js";
import { installedBrowsers, serve, visit } from "../test/hosts/browsers.mjs";
import { layersOf, transposed } from "./rivals/layers.mjs";
import { squeezenet } from "./rivals/squeezenet.mjs";
import { writeTflite } from "./rivals/tflite.mjs";

const HERE = fileURLToPath(new URL("rivals/", import.meta.url));
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NAMES = ["mobilenet_v2", "resnet20", "fmnist_resnet", "fmnist_mobilenet", "squeezenet"];
/** Least cosine to onnxruntime-web's output: below it an engine does something else, and its time says nothing. */
const TOLERANCE = {
  other: 0.9999,
  "bitbasis fast": 0.9,
  "bitbasis fast, container": 0.9,
  "LiteRT 8-bit weights": 0.9,
  "LiteRT int8, calibrated": 0.7,
};
/** The engines come from everywhere on this server, compile at run time and use what they like. */
const POLICY = "default-src * data: blob: 'unsafe-inline' 'unsafe-eval'";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    cold: { type: "boolean", default: false },
    json: { type: "string" },
    markdown: { type: "string" },
  },
});
const chromium = installedBrowsers().chromium;
if (chromium === undefined) throw new Error("this machine has no Chromium");

const networks = {};
for (const name of NAMES.filter((one) => positionals.length === 0 || positionals.includes(one))) {
  console.error(`${name} …`);
  networks[name] = await measure(name);
}
const found = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0].model.trim()}, one thread`,
  networks,
};
const text = markdown(found);
if (options.json) writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`);
if (options.markdown) writeFileSync(options.markdown, text);
console.log(text);
if (Object.values(networks).some(({ results = {} }) => Object.values(results).some(({ error }) => error)))
  process.exitCode = 1;

/** The ONNX bytes of a network, the shape of its picture and its range; or why this machine does not have it. */
function given(name) {
  if (name === "squeezenet")
    return { onnx: writeOnnx(squeezenet(1)), shape: [1, 3, 224, 224], network: { range: [-2, 2] } };
  const network = NETWORKS.find((one) => one.name === name);
  const { path, missing } = locate(network, ROOT);
  return path === undefined ? { missing } : { onnx: readFileSync(path), shape: network.shapes[0], network };
}

async function measure(name) {
  const { onnx, shape, network, missing } = given(name);
  if (missing !== undefined) return { missing };
  const [, channels, height, width] = shape;
  const picture = randomPicture(1, shape, network);
  const { bytes } = await quantize(onnx, { preset: "float32" });
  const folded = await readOnnx(await exportOnnx(bytes, { as: "float32" }));
  const layers = layersOf(folded, shape);
  const ranges = await rangesOf(folded, layers, new Tensor("float32", picture, shape));

  const folder = mkdtempSync(join(tmpdir(), "bitbasis-rivals-"));
  writeFileSync(join(folder, "model.onnx"), onnx);
  writeFileSync(join(folder, "model.container"), (await quantize(onnx, { preset: "fast", check: false })).bytes);
  for (const form of ["float32", "weights", "int8"])
    writeFileSync(join(folder, `model.${form}`), writeTflite(layers, form, ranges));
  writeFileSync(join(folder, "first.bin"), picture);
  writeFileSync(join(folder, "last.bin"), transposed(picture, channels, height * width));
  writeFileSync(join(folder, "job.json"), JSON.stringify(job(layers, shape, folder)));
  engineFiles(folder);
  const server = await serve(folder, POLICY);
  try {
    const { results } = await ask(server);
    if (options.cold)
      for (const [engine, result] of Object.entries(results)) result.coldMs = await cold(server, engine);
    return { results };
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** What a page of a new browser found. */
async function ask(server, query = "") {
  const said = await visit(["chromium", chromium], `${server.origin}/${query}`, server.report("found"));
  const { error, ...found } = JSON.parse(said);
  if (error) throw new Error(error);
  return found;
}

async function cold(server, engine) {
  const times = [];
  for (let i = 0; i < 3; i++) {
    const { results } = await ask(server, `?only=${encodeURIComponent(engine)}`);
    times.push(results[engine].firstMs);
  }
  return median(times);
}

/** The layers with names of files in the place of their weights. */
function job(network, shape, folder) {
  mkdirSync(join(folder, "weights"));
  const layers = network.layers.map((layer, i) => {
    if (layer.weights === undefined) return layer;
    writeFileSync(join(folder, "weights", `${i}w.bin`), layer.weights);
    writeFileSync(join(folder, "weights", `${i}b.bin`), layer.bias);
    return { ...layer, weights: `${i}w`, bias: `${i}b` };
  });
  return { seconds: Number(options.seconds), shape, tolerance: TOLERANCE, network: { ...network, layers } };
}

/** Least and largest value of the input and of each layer's output on a picture. */
async function rangesOf(graph, { input, layers }, picture) {
  const outputs = layers.map(({ value }) => ({ name: value, type: "float32", shape: undefined }));
  const session = await InferenceSession.create(writeOnnx({ ...graph, outputs }), { preset: "float32" });
  const found = await session.run({ [input.name]: picture });
  await session.release();
  const range = (values) =>
    values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  return new Map([
    [input.name, range(picture.data)],
    ...layers.map(({ output, value }) => [output, range(found[value].data)]),
  ]);
}

/** The page, and the files that the engines load. */
function engineFiles(folder) {
  const modules = join(HERE, "node_modules");
  if (!existsSync(modules)) throw new Error("(cd bench/rivals && npm ci --ignore-scripts) has not been run");
  cpSync(join(modules, "@litertjs/core/dist"), join(folder, "litert/dist"), { recursive: true });
  cpSync(join(modules, "@litertjs/core/wasm"), join(folder, "litert/wasm"), { recursive: true });
  cpSync(join(modules, "@litertjs/wasm-utils/dist"), join(folder, "litert-utils"), { recursive: true });
  mkdirSync(join(folder, "tfjs"));
  copyFileSync(join(modules, "@tensorflow/tfjs-core/dist/tf-core.min.js"), join(folder, "tfjs/core.js"));
  for (const file of [
    "tf-backend-wasm.min.js",
    "tfjs-backend-wasm.wasm",
    "tfjs-backend-wasm-simd.wasm",
    "tfjs-backend-wasm-threaded-simd.wasm",
  ])
    copyFileSync(join(modules, "@tensorflow/tfjs-backend-wasm/dist", file), join(folder, "tfjs", file));
  mkdirSync(join(folder, "ort"));
  for (const file of ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"])
    copyFileSync(join(ROOT, "bench/node_modules/onnxruntime-web/dist", file), join(folder, "ort", file));
  copyFileSync(join(ROOT, "build/tools/examples/ocr/compare.js"), join(folder, "compare.js"));
  cpSync(join(ROOT, "dist/web"), join(folder, "bitbasis"), { recursive: true });
  for (const file of ["index.html", "page.mjs", "engines.mjs", "layers.mjs"])
    copyFileSync(join(HERE, file), join(folder, file));
}

function markdown({ machine, date, networks: all }) {
  const rows = Object.entries(all).filter(([, { results }]) => results !== undefined);
  const engines = Object.keys(rows[0]?.[1].results ?? {});
  const cell = ({ error, runMs, ratio } = {}) => (error ? "–" : `${runMs.toFixed(2)} (${ratio.toFixed(2)})`);
  const first = ({ coldMs } = {}) => coldMs?.toFixed(0) ?? "–";
  const table = (text) => [
    ...[`| engine | ${rows.map(([name]) => name).join(" | ")} |`, `|---|${"---|".repeat(rows.length)}`],
    ...engines.map((engine) => `| ${engine} | ${rows.map(([, { results }]) => text(results[engine])).join(" | ")} |`),
  ];
  const missing = Object.entries(all)
    .filter(([, one]) => one.missing)
    .map(([name, one]) => `- Not measured: ${name}: ${one.missing}`);
  const wrong = rows.flatMap(([name, { results }]) =>
    Object.entries(results)
      .filter(([, { error }]) => error)
      .map(([engine, { error }]) => `- ${name}, ${engine}: ${error}`),
  );
  return [
    "# Engines of browsers",
    "",
    `Milliseconds of one run in Chromium, in brackets how many times as fast as onnxruntime-web in the same round (medians): ${machine}, ${date}. \`node bench/rivals.mjs\` writes this.`,
    "",
    ...table(cell),
    ...(options.cold
      ? [
          "",
          "Milliseconds to the first output in a browser that has just been started, from asking for the engine's code, with the network in memory:",
          "",
          ...table(first),
        ]
      : []),
    "",
    ...[...missing, ...wrong].flatMap((line) => [line, ""]),
  ].join("\n");
}
