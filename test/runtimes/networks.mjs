// Networks with every preset and build, as digests of their outputs or as times: plain modules, which every runtime and bundler takes.
import { InferenceSession } from "../../dist/entries/index.js";
import { writeOnnx } from "../../dist/onnx/index.js";
import { randomTensor, Tensor, uniformNumbers } from "../../dist/tensor/index.js";

/** Files of test/fixtures/models/. */
export const FILES = ["fmnist_mobilenet", "fmnist_resnet", "fmnist_vit"];
export const PRESETS = ["float32", "faithful", "fast", "compact"];
export const BUILDS = ["scalar", "simd"];
/** Those of sessions; not every runtime has the last. */
export const SESSION_BUILDS = [...BUILDS, "relaxed"];

/** Networks that are made here, in the runtime itself. */
export const MADE = { recurrent };
export const NETWORKS = [...FILES, ...Object.keys(MADE)];

/** What every network is given. */
export const FEED = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026));

/** The rows of a picture through a GRU, and functions that no host's Math may compute: what the files have nothing of. */
function recurrent() {
  const hidden = 24;
  const random = uniformNumbers(11);
  const weights = (...dims) => {
    const tensor = randomTensor("float32", dims, random);
    return new Tensor(
      "float32",
      tensor.data.map((v) => v / 4),
      dims,
    );
  };
  const nodes = [
    ["Reshape", ["image", "rows"], ["sequence"]],
    ["Transpose", ["sequence"], ["x"], { perm: [1, 0, 2] }],
    ["GRU", ["x", "w", "r", "b"], ["", "last"], { hidden_size: hidden }],
    ["Reshape", ["last", "flat"], ["h"]],
    ["Erf", ["h"], ["e"]],
    ["Sin", ["h"], ["s"]],
    ["Exp", ["e"], ["grown"]],
    ["Mul", ["grown", "s"], ["m"]],
    ["MatMul", ["m", "out"], ["scores"]],
    ["Softmax", ["scores"], ["logits"], { axis: -1 }],
  ];
  return writeOnnx({
    name: "recurrent",
    opsets: { "": 17 },
    inputs: [{ name: "image", type: "float32", shape: ["batch", 1, 28, 28] }],
    outputs: [{ name: "logits", type: "float32", shape: ["batch", 10] }],
    nodes: nodes.map(([op, inputs, outputs, attributes = {}], i) => ({
      ...{ name: `${op}_${i}`, op, domain: "" },
      ...{ inputs, outputs, attributes },
    })),
    initializers: new Map(
      Object.entries({
        rows: new Tensor("int64", [-1n, 28n, 28n]),
        flat: new Tensor("int64", [-1n, BigInt(hidden)]),
        ...{ w: weights(1, 3 * hidden, 28), r: weights(1, 3 * hidden, hidden), b: weights(1, 6 * hidden) },
        out: weights(hidden, 10),
      }),
    ),
  });
}

/** A session of the network: `open` gives what one of the files is created from. */
async function create(open, name, options) {
  return InferenceSession.create(name in MADE ? MADE[name]() : await open(name), options);
}

/**
 * @param open - from the name of a file to what a session is created from
 * @param sha256 - of bytes, as hex
 * @returns by build, digests by "network preset", without the relaxed build where the runtime has none
 */
export async function digests(open, sha256) {
  const relaxed = await InferenceSession.create(recurrent(), { build: "relaxed" }).catch(({ code }) => code);
  const builds = relaxed === "BUILD" ? BUILDS : SESSION_BUILDS;
  const found = Object.fromEntries(builds.map((build) => [build, {}]));
  for (const name of NETWORKS) {
    for (const preset of PRESETS) {
      for (const build of builds) {
        const session = await create(open, name, { preset, build });
        const { logits } = await session.run({ image: FEED });
        found[build][`${name} ${preset}`] = await sha256(bytesOf(logits));
        await session.release();
      }
    }
  }
  return found;
}

/** Least time of one repetition, so that clocks of whole milliseconds do. */
const LEAST_MS = 100;

/**
 * @param open - as in `digests`
 * @returns by "network preset", milliseconds of creating a session and of one run of the build that the runtime takes: the least of three repetitions
 */
export async function times(open) {
  const found = {};
  for (const name of NETWORKS) {
    for (const preset of ["float32", "fast"]) {
      const model = name in MADE ? MADE[name]() : await bytesFrom(await open(name));
      let session = await InferenceSession.create(model, { preset });
      const run = () => session.run({ image: FEED });
      await run();
      const createMs = await least(async () => {
        await session.release();
        session = await InferenceSession.create(model, { preset });
      });
      const runMs = await least(run);
      await session.release();
      found[`${name} ${preset}`] = { createMs, runMs };
    }
  }
  return found;
}

async function bytesFrom(source) {
  return source instanceof Response ? new Uint8Array(await source.arrayBuffer()) : source;
}

/** workerd's clock stands still but while it waits for something. */
async function now() {
  await new Promise((resolve) => setTimeout(resolve, 0));
  return performance.now();
}

async function least(task) {
  let [count, best] = [1, Number.POSITIVE_INFINITY];
  for (let repetition = 0; repetition < 3; ) {
    const start = await now();
    for (let i = 0; i < count; i++) await task();
    const took = (await now()) - start;
    if (took < LEAST_MS && count < 4096) {
      count *= 2;
      continue;
    }
    best = Math.min(best, took / count);
    repetition++;
  }
  return best;
}

export function bytesOf({ data }) {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** SHA-256 where there is Web Crypto and no Node. */
export async function webSha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
