/**
 * ONNX's own tests (Debian's package libonnx-testdata, ONNX 1.12: 932 node cases and 140 networks of one or a few nodes) through InferenceSession with preset float32, in both builds.
 *
 *     npm run conformance [-- --filter=RegExp] [--verbose] [--checked]
 *
 * The package is installed when apt-get can; elsewhere the script says that it is skipped. BITBASIS_CONFORMANCE names a folder of cases instead.
 * Floats pass within rtol 1e-3 and atol 1e-7, the tolerances of ONNX's own runner; float16 within one part in 2^10 more; integers and booleans exactly.
 * --checked, after `npm run build:tools`: on the checked build of the core, see test/support/checked/core.ts.
 * Exit 1 on a wrong answer, on an error that is not UNSUPPORTED, and when the builds differ in a bit.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const RTOL = 1e-3;
const ATOL = 1e-7;
const HALF_EPSILON = 2 ** -10;
/** As the runner of ONNX 1.23. */
const BRAIN_RTOL = 2 ** -6;

/** Cases that we answer otherwise on purpose, and why; they are listed with what they gave. */
const DEVIATIONS = [
  [
    /^test_resize_downsample_scales_(cubic|linear)_align_corners$/,
    "as onnxruntime and PyTorch, corners are those of the resized tensor, not of length × scale before rounding",
  ],
  [/^test_bernoulli/, "the numbers are random: shape and type are those of the case"],
  [
    /^test_training_dropout(_default)?(_mask)?$/,
    "which elements are dropped is random: the others are those of the case, scaled",
  ],
  [/^test_dft_inverse(_opset19)?$/, "the result is 0, where the case expects the rounding error of its reference"],
  [/^test_castlike_(BFLOAT16_to_FLOAT|FLOAT_to_BFLOAT16)/, "the case declares shape [3, 4] and feeds [1]"],
];

const args = process.argv.slice(2);
/** The checked core needs its own copy of everything: npm run build:tools makes it. */
const checked = args.includes("--checked");
const module = (path) => import(new URL(`../../${checked ? "build/tools/src" : "dist"}/${path}`, import.meta.url));
const { InferenceSession, Tensor } = await module("entries/index.js");
const { readOnnx } = await module("onnx/index.js");
const { readTensorProto } = await module("onnx/schema.js");
const { readTensor } = await module("onnx/tensors.js");
const { StrictReader } = await module("onnx/wire.js");
const { halfToFloat } = await module("tensor/index.js");
if (checked) (await import("../../build/tools/test/support/checked/core.js")).checkSessions();
const filter = new RegExp(args.find((a) => a.startsWith("--filter="))?.slice(9) ?? "");
const verbose = args.includes("--verbose");

const folders = findCases();
if (folders.length === 0) {
  console.log("skipped: libonnx-testdata is not installed and apt-get could not install it");
  process.exit(0);
}

const results = [];
for (const folder of folders) {
  for (const name of readdirSync(folder).sort()) {
    if (filter.test(name) && existsSync(join(folder, name, "model.onnx")))
      results.push(withDeviation(await runCase(name, join(folder, name))));
  }
}
process.exitCode = report(results);

/** Folders of cases; none when there is nothing to be had. */
function findCases() {
  const own = process.env.BITBASIS_CONFORMANCE;
  if (own !== undefined) return [own];
  const installed = "/usr/share/libonnx-testdata/data";
  if (!existsSync(installed)) spawnSync("apt-get", ["install", "-y", "libonnx-testdata"], { stdio: "ignore" });
  // The folder "real" has no networks, only their addresses.
  const parts = ["node", "simple", "pytorch-converted", "pytorch-operator"];
  return parts.map((part) => join(installed, part)).filter((part) => existsSync(part));
}

/** { name, op, outcome: passed | unsupported | wrong | error, why } */
async function runCase(name, path) {
  const bytes = readFileSync(join(path, "model.onnx"));
  try {
    const digests = [];
    const graph = readOnnx(bytes);
    for (const build of ["scalar", "simd"]) {
      const session = await InferenceSession.create(bytes, { preset: "float32", build });
      for (const set of dataSets(path)) {
        const why = await runSet(session, graph, set, digests);
        if (why !== undefined) return { name, path, outcome: "wrong", why: `${build}: ${why}` };
      }
      await session.release();
    }
    const half = digests.length / 2;
    for (let i = 0; i < half; i++) {
      if (digests[i] !== digests[i + half]) return { name, path, outcome: "wrong", why: "scalar and simd differ" };
    }
    return { name, path, outcome: "passed", why: "" };
  } catch (error) {
    const why = String(error.message).replaceAll(/\s+/g, " ");
    return {
      name,
      path,
      outcome: error.code === "UNSUPPORTED" ? "unsupported" : "error",
      why: `${error.name}: ${why}`,
    };
  }
}

function withDeviation(result) {
  const known = DEVIATIONS.find(([names]) => names.test(result.name));
  if (known === undefined || !["wrong", "error"].includes(result.outcome)) return result;
  return { ...result, outcome: "deviation", why: `${known[1]} (${result.why})` };
}

function dataSets(path) {
  return readdirSync(path)
    .filter((set) => set.startsWith("test_data_set_"))
    .map((set) => join(path, set));
}

/** Runs one set of feeds; what is wrong with the answer, or undefined. */
async function runSet(session, { inputs, outputs }, set, digests) {
  const feeds = Object.fromEntries(inputs.map((input, i) => [input.name, load(join(set, `input_${i}.pb`), input)]));
  const results = await session.run(feeds);
  for (const [i, output] of outputs.entries()) {
    const expected = load(join(set, `output_${i}.pb`), output);
    const got = results[output.name];
    digests.push(digestOf(got));
    const why = differs(got, expected);
    if (why !== undefined) return `"${output.name}" ${why}`;
  }
  return undefined;
}

/** What two builds must have in common, of a tensor or a sequence. */
function digestOf(value) {
  if (value === null || Array.isArray(value)) return JSON.stringify(value?.map(digestOf) ?? null);
  if (value.type === "string") return JSON.stringify(value.data);
  return Buffer.from(value.data.buffer, value.data.byteOffset, value.data.byteLength).toString("base64");
}

/** A tensor, an array of tensors for a sequence, null for an optional that holds nothing. */
function load(path, { type, holder }) {
  const bytes = new Uint8Array(readFileSync(path));
  const pbf = new StrictReader(bytes);
  if (holder === "optional")
    return readFields(pbf, bytes.length, 3, (end) => readElement(pbf, end, path, type))[0] ?? null;
  if (holder === "sequence") return readSequence(pbf, bytes.length, path, type);
  if (holder === "optional sequence")
    return readFields(pbf, bytes.length, 5, (end) => readSequence(pbf, end, path, type))[0] ?? null;
  return readElement(pbf, bytes.length, path, type);
}

/** `tensor_values` of a SequenceProto; an OptionalProto has `tensor_value` under the same number and `sequence_value` under 5. */
function readSequence(pbf, end, path, type) {
  return readFields(pbf, end, 3, (last) => readElement(pbf, last, path, type));
}

/** All messages of one field. */
function readFields(pbf, end, wanted, read) {
  const all = [];
  const visit = (field) => {
    if (field === wanted) all.push(read(pbf.readVarint() + pbf.pos));
  };
  pbf.readFields(visit, undefined, end);
  return all;
}

function readElement(pbf, end, path, type) {
  const tensor = readTensor(readTensorProto(pbf, end), path);
  // files of before 1.17 keep the bits of bfloat16 as uint16
  const brain = type === "bfloat16" && tensor.type === "uint16";
  return brain ? new Tensor("bfloat16", tensor.data, tensor.dims) : tensor;
}

function differs(got, expected) {
  if (got === null || expected === null) return got === expected ? undefined : `expected ${expected}, got ${got}`;
  if (Array.isArray(got) !== Array.isArray(expected))
    return "is a tensor where a sequence is expected, or the other way round";
  if (Array.isArray(expected)) {
    if (got.length !== expected.length) return `expected ${expected.length} tensors, got ${got.length}`;
    const wrong = expected.map((one, i) => differs(got[i], one)).find((why) => why !== undefined);
    return wrong && `in a sequence: ${wrong}`;
  }
  if (got.type !== expected.type) return `expected type ${expected.type}, got ${got.type}`;
  if (got.dims.join() !== expected.dims.join()) return `expected shape [${expected.dims}], got [${got.dims}]`;
  const float = got.type.startsWith("float") || got.type === "bfloat16";
  const rtol = got.type === "float16" ? RTOL + HALF_EPSILON : got.type === "bfloat16" ? BRAIN_RTOL : RTOL;
  const [a, b] = [values(got), values(expected)];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i], b[i]];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (!float || !(Math.abs(x - y) <= ATOL + rtol * Math.abs(y))) return `expected ${y} at ${i}, got ${x}`;
  }
  return undefined;
}

function values({ type, data }) {
  if (type === "bfloat16") return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
  // Three bit patterns of a sign are NaN.
  if (type === "float8e5m2") return Array.from(data, (bits) => ((bits & 0x7f) > 0x7c ? Number.NaN : bits));
  if (type !== "float16") return data;
  return Array.from(new Uint16Array(data.buffer, data.byteOffset, data.length), halfToFloat);
}

function report(cases) {
  const operators = new Map();
  for (const { name, path, outcome } of cases) {
    const op = operatorOf(name, path);
    const row = operators.get(op) ?? { passed: 0, wrong: 0, error: 0, unsupported: 0, deviation: 0 };
    row[outcome]++;
    operators.set(op, row);
  }
  console.log(`${"operator".padEnd(32)} passed  wrong  error  unsupported  deviation`);
  for (const [op, row] of [...operators].sort()) {
    const numbers = [row.passed, row.wrong, row.error, row.unsupported, row.deviation].map((n, i) =>
      String(n).padStart([7, 7, 7, 13, 11][i]),
    );
    console.log(op.padEnd(31) + numbers.join(""));
  }
  const of = (outcome) => cases.filter((c) => c.outcome === outcome);
  for (const outcome of verbose ? ["unsupported", "deviation", "error", "wrong"] : ["deviation", "error", "wrong"]) {
    for (const { name, why } of of(outcome)) console.log(`${outcome}: ${name}: ${why}`);
  }
  console.log(
    `${cases.length} cases: ${of("passed").length} passed, ${cases.length - of("passed").length} failed: ${of("unsupported").length} unsupported, ${of("deviation").length} deviations, ${of("wrong").length} wrong, ${of("error").length} errors`,
  );
  return of("wrong").length + of("error").length > 0 ? 1 : 0;
}

/** The operator that a case is about: that of its last node. */
function operatorOf(name, path) {
  const text = readFileSync(join(path, "model.onnx")).toString("latin1");
  return /"[\s\S]([A-Z][A-Za-z0-9]+)/.exec(text)?.[1] ?? name;
}
