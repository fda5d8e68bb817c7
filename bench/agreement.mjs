// How far the presets are from the network's own float32, and how small their containers are, against the goals of the project. Each preset by structure alone ("structural", what a
// session makes of an ONNX file) and by measurement on procedural inputs in the range that test/support/networks.ts has ("measured", what `quantize` makes); "synth" has fitted weights. Bits are those of the
// linear layers' weights with scales and zero points, tables not counted:
//
//   npm run agreement -- [study]… [--lines 200] [--seed 1] [--roundings] [--json FILE]
//
// With --roundings, the bits of the measured plans of `fast` and `compact` with every way to round: the nearest of symmetric steps, the scale and zero point that err least, SQuant's flips, fitted.
//
// Pictures come from the folder that BITBASIS_DATA names (cifar10_1000, photos, fashion_mnist_1000), networks from BITBASIS_MODELS, from
// the fixtures and from npm; the lines of text are rendered from a seed. A study without its network or pictures is reported as skipped.
// Exit 1 when a goal is missed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { argmax, cosine, maxDifference } from "../build/tools/examples/ocr/compare.js";
import { decode, parseDictionary } from "../build/tools/examples/ocr/ctc.js";
import { dictionaryPath } from "../build/tools/examples/ocr/models.js";
import { readPicture } from "../build/tools/examples/ocr/picture.js";
import { prepareLine, scaleInto } from "../build/tools/examples/ocr/prepare.js";
import { renderLines } from "../build/tools/test/ocr/render.js";
import { locate, NETWORKS } from "../build/tools/test/support/networks.js";
import { InferenceSession, Tensor } from "../dist/entries/index.js";
import { inspect, quantize } from "../dist/entries/quantize.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PLANS = [
  { preset: "faithful", how: "structural", check: false },
  { preset: "faithful", how: "measured" },
  { preset: "fast", how: "structural", check: false },
  { preset: "fast", how: "measured" },
  { preset: "compact", how: "structural", check: false },
  { preset: "compact", how: "measured" },
  { preset: "compact", how: "measured, synth", synth: true },
];
/** What must be at least as large as its goal; everything else at most. */
const SHARES = new Set(["same", "overlap", "cosine"]);

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lines: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    roundings: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const LINES = Number(options.lines);
const SEED = Number(options.seed);

/** Path of a set of pictures, or undefined when it is not there. */
function data(name) {
  const folder = process.env["BITBASIS_DATA"];
  const path = folder === undefined ? undefined : join(folder, name);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** Pictures of height × width × channels bytes in one file, as [channels, height, width] floats, (x / 255 − mean) / deviation. */
function pictures(path, [channels, height, width], mean, deviation) {
  const bytes = readFileSync(path);
  const plane = height * width;
  const size = channels * plane;
  return Array.from({ length: bytes.length / size }, (_, n) => {
    const values = new Float32Array(size);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) {
        values[c * plane + i] = (bytes[n * size + i * channels + c] / 255 - mean[c]) / deviation[c];
      }
    }
    return { values, dims: [channels, height, width] };
  });
}

/** A batch of at most `size` samples of one shape. */
function* batches(samples, size) {
  for (let from = 0; from < samples.length; from += size) {
    const part = samples.slice(from, from + size);
    const values = new Float32Array(part.reduce((sum, s) => sum + s.values.length, 0));
    let at = 0;
    for (const sample of part) {
      values.set(sample.values, at);
      at += sample.values.length;
    }
    yield { values, dims: [part.length, ...part[0].dims] };
  }
}

/**
 * Studies: samples, what counts as the same answer, goals by plan: least share of the same answers, largest max|a − b|/max|b|, KL divergence and bits of a weight.
 */
const STUDIES = [
  {
    name: "resnet20",
    goals: {
      "faithful measured": { difference: 1e-3, bits: 14 },
      "fast structural": { kl: 0.001, bits: 7.6 },
      "compact measured": { kl: 0.016, bits: 4.75 },
    },
    needs: "cifar10_1000",
    batch: 50,
    samples: (folder) =>
      pictures(join(folder, "images_u8_nhwc.bin"), [3, 32, 32], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    labels: (folder) => readFileSync(join(folder, "labels_u8.bin")),
  },
  {
    name: "mobilenet_v2",
    more: [{ target: { bytes: 2_460_000 }, how: "2.46 MB synth", synth: true }],
    goals: {
      "faithful measured": { difference: 2e-3 },
      "fast structural": { kl: 0.001, bits: 8.6 },
      "compact measured": { same: 1, bits: 6.5 },
      "2.46 MB synth": { same: 1, bits: 5.5 },
    },
    needs: "photos",
    batch: 1,
    samples: (folder) =>
      [
        ...["bird.bmp", "cat_720p.jpg", "dragonfly.bmp", "grace_hopper.bmp"],
        ...["hot_dog.jpg", "owl.jpg", "parrot.jpg", "sunflower.bmp"],
      ].flatMap((file) => {
        const grey = [127 / 255, 127 / 255, 127 / 255];
        return pictures(join(folder, `${file}.224.u8`), [3, 224, 224], grey, [0.5, 0.5, 0.5]);
      }),
  },
  ...["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"].map((name) => ({
    name,
    goals: {
      "faithful measured": { difference: 1e-3, bits: name === "fmnist_mobilenet" ? 17 : 14 },
      ...(name === "fmnist_vit" && { "compact measured": { kl: 0.001, bits: 4.5 } }),
    },
    needs: "fashion_mnist_1000",
    batch: 50,
    samples: (folder) => pictures(join(folder, "images_u8.bin"), [1, 28, 28], [0.286], [0.353]),
    labels: (folder) => readFileSync(join(folder, "labels_u8.bin")),
  })),
  {
    name: "ppocr_rec",
    goals: {
      "faithful measured": { same: 1 },
      "fast structural": { same: 1 },
      "compact measured": { same: 0.98, bits: 7.5 },
    },
    batch: 1,
    samples: () =>
      [...renderLines(SEED, LINES)].map(({ text, picture }) => {
        const line = prepareLine(picture);
        return { values: line.data, dims: line.dims.slice(1), truth: withoutSpaces(text) };
      }),
    answer: (output) => {
      const { text, margin } = decode(output.data, output.dims[1], dictionary());
      return { answer: withoutSpaces(text), margin };
    },
  },
  {
    name: "ppocr_cls",
    goals: { "faithful measured": { difference: 2e-3 } },
    batch: 1,
    samples: () =>
      [...renderLines(SEED, Math.min(LINES, 60))].map(({ picture }, i) => {
        const used = Math.min(192, Math.round((picture.width * 48) / picture.height));
        const values = new Float32Array(3 * 48 * 192);
        const half = [0.5, 0.5, 0.5];
        const scaling = { used, height: 48, width: 192, mean: half, deviation: half };
        scaleInto(values, i % 2 === 0 ? picture : turned(picture), scaling);
        return { values, dims: [3, 48, 192], truth: i % 2 };
      }),
  },
  {
    name: "ppocr_det",
    // Same answer: the pixels above PaddleOCR's threshold 0.3 overlap by so much (intersection over union).
    goals: { "faithful measured": { difference: 4e-3, overlap: 0.98 } },
    batch: 1,
    samples: async () => {
      const page = await readPicture(join(ROOT, "examples/ocr/page.png"));
      const [height, width] = [page.height, page.width].map((side) => Math.round(side / 2 / 32) * 32);
      const values = new Float32Array(3 * height * width);
      const [mean, deviation] = [
        [0.406, 0.456, 0.485],
        [0.225, 0.224, 0.229],
      ];
      scaleInto(values, page, { used: width, height, width, mean, deviation });
      return [{ values, dims: [3, height, width] }];
    },
    answer: (output) => ({ mask: Uint8Array.from(output.data, (p) => (p > 0.3 ? 1 : 0)) }),
  },
];

let characters;
function dictionary() {
  characters ??= parseDictionary(readFileSync(dictionaryPath, "utf8"));
  return characters;
}

function withoutSpaces(text) {
  return text.replace(/\s/g, "");
}

/** Upside down. */
function turned({ width, height, data: rgba }) {
  const words = new Uint32Array(Uint8Array.from(rgba).buffer).reverse();
  return { width, height, data: new Uint8ClampedArray(words.buffer) };
}

/** The place of the largest element, with how far it is above the second. */
function largest(output) {
  const answer = argmax(output.data);
  let second = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < output.data.length; i++) if (i !== answer) second = Math.max(second, output.data[i]);
  return { answer, margin: output.data[answer] - second };
}

function overlap(a, b) {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += a[i] & b[i];
    either += a[i] | b[i];
  }
  return either === 0 ? 1 : both / either;
}

/** One output per sample. */
async function outputs(session, input, samples, batch) {
  const all = [];
  for (const { values, dims } of batches(samples, batch)) {
    const output = (await session.run({ [input]: new Tensor("float32", values, dims) }))[session.outputNames[0]];
    const size = output.data.length / dims[0];
    for (let i = 0; i < dims[0]; i++) {
      all.push({ data: output.data.subarray(i * size, (i + 1) * size), dims: [1, ...output.dims.slice(1)] });
    }
  }
  return all;
}

const ROUNDINGS = {
  plain: (layer) => {
    const { weightBits: w, activationTerms } = layer;
    const a = layer.activationBits ?? layer.bits * activationTerms;
    const bits = w <= 8 ? w : Math.ceil(w / 2);
    const terms = { bits, weightTerms: Math.ceil(w / bits), activationTerms: Math.ceil(a / bits) };
    return activationTerms === 0 ? terms : { ...terms, activationBits: a };
  },
  "scale and zero point": ({ rounding: _, ...layer }) => layer,
  flips: (layer) => layer,
  fitted: (layer) => ({ ...layer, rounding: "fitted" }),
};

/** The measured plan of a preset, rounded in every way. */
async function roundedPlans(onnx, inputRange) {
  const plans = [];
  for (const preset of ["fast", "compact"]) {
    const { plan } = await inspect((await quantize(onnx, { preset, inputRange })).bytes);
    for (const [name, change] of Object.entries(ROUNDINGS)) {
      const layers = Object.fromEntries(
        Object.entries(plan.layers).map(([node, { reason: _, ...layer }]) => {
          return [node, layer.weightBits === undefined ? layer : change(layer)];
        }),
      );
      plans.push({ how: `${preset}: ${name}`, plan: { ...plan, check: undefined, layers } });
    }
  }
  return plans;
}

/** Bits of a weight of the linear layers, with scales and zero points. */
function bitsOf({ layers }) {
  const linear = layers.filter(({ op, bytesBefore }) => op !== "Gather" && bytesBefore > 0);
  const sum = (part) => linear.reduce((all, layer) => all + layer[part], 0);
  return (32 * sum("bytesAfter")) / sum("bytesBefore");
}

/** Mean Kullback-Leibler divergence of the answers along the last axis: of probabilities, or of the softmax of logits. */
function divergence(got, expected) {
  let [sum, count] = [0, 0];
  for (const [n, { data: exact, dims }] of expected.entries()) {
    const length = dims.at(-1);
    for (let at = 0; at < exact.length; at += length) {
      const [p, q] = [exact, got[n].data].map((data) => distribution(data.subarray(at, at + length)));
      for (let i = 0; i < length; i++) if (p[i] > 0) sum += p[i] * Math.log(p[i] / Math.max(q[i], 1e-30));
      count++;
    }
  }
  return sum / count;
}

function distribution(values) {
  const total = values.reduce((sum, v) => sum + v, 0);
  if (Math.abs(total - 1) < 1e-3 && values.every((v) => v >= 0)) return values;
  const most = values.reduce((all, v) => Math.max(all, v));
  const powers = Float64Array.from(values, (v) => Math.exp(v - most));
  const sum = powers.reduce((all, v) => all + v, 0);
  return powers.map((v) => v / sum);
}

async function study({ name, goals, needs, batch, more = [], samples: load, labels, answer = largest }, network, path) {
  const onnx = new Uint8Array(readFileSync(path));
  const folder = needs === undefined ? undefined : data(needs);
  const samples = await load(folder);
  const truth = labels === undefined ? samples.map((s) => s.truth) : [...labels(folder)];
  const right = (answers) => {
    if (truth[0] === undefined) return undefined;
    return answers.filter((a, i) => a.answer === truth[i]).length / answers.length;
  };
  const reference = await InferenceSession.create(onnx, { preset: "float32" });
  const expected = await outputs(reference, network.input, samples, batch);
  await reference.release();
  const answers = expected.map(answer);
  const rows = [{ network: name, plan: "float32", samples: samples.length, right: right(answers), goals: [] }];
  const differing = [];
  const plans = options.roundings ? await roundedPlans(onnx, network.inputRange) : [...PLANS, ...more];
  for (const { how, ...about } of plans) {
    const plan = about.preset === undefined ? how : `${about.preset} ${how}`;
    const { bytes, report } = await quantize(onnx, {
      ...about,
      ...(about.check !== false && { inputRange: network.inputRange }),
    });
    const session = await InferenceSession.create(bytes);
    const got = await outputs(session, network.input, samples, batch);
    await session.release();
    const found = got.map(answer);
    const row = {
      ...{ network: name, plan, samples: samples.length, bits: bitsOf(report), kl: divergence(got, expected) },
      cosine: Math.min(...got.map(({ data }, i) => cosine(data, expected[i].data))),
      difference: Math.max(...got.map(({ data }, i) => maxDifference(data, expected[i].data))),
      ...{ bytes: bytes.length, size: bytes.length / onnx.length, right: right(found) },
    };
    if (answers[0].mask !== undefined) row.overlap = Math.min(...found.map((f, i) => overlap(f.mask, answers[i].mask)));
    else row.same = found.filter((f, i) => f.answer === answers[i].answer).length / found.length;
    for (const [i, { answer: ours }] of found.entries()) {
      const { answer: theirs, margin } = answers[i];
      if (ours !== theirs) differing.push({ network: name, plan, sample: i, float32: theirs, margin, got: ours });
    }
    // A container is never larger than the network, whatever the plan.
    row.goals = Object.entries({ size: 1, ...goals[plan] }).map(([what, bound]) => {
      return { what, bound, value: row[what], met: SHARES.has(what) ? row[what] >= bound : row[what] <= bound };
    });
    rows.push(row);
  }
  return { rows, differing };
}

function percent(share) {
  return share === undefined ? "" : `${(100 * share).toFixed(1)} %`;
}

function print(rows) {
  const columns = [
    ["network", (r) => r.network],
    ["plan", (r) => r.plan],
    ["samples", (r) => r.samples],
    ["same answer", (r) => percent(r.same ?? r.overlap)],
    ["right", (r) => percent(r.right)],
    ["least cosine", (r) => r.cosine?.toFixed(6) ?? ""],
    ["max difference", (r) => r.difference?.toExponential(1) ?? ""],
    ["KL", (r) => r.kl?.toExponential(1) ?? ""],
    ["bits", (r) => r.bits?.toFixed(2) ?? ""],
    ["bytes", (r) => r.bytes ?? ""],
    ["÷ ONNX", (r) => r.size?.toFixed(4) ?? ""],
    ["goals", (r) => r.goals.map((g) => `${g.what} ${g.bound}${g.met ? "" : " MISSED"}`).join(", ")],
  ];
  const cells = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, show]) => String(show(row))))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const left = (i) => i < 2 || i === columns.length - 1;
  for (const row of cells) {
    console.log(
      row
        .map((cell, i) => (left(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join("  ")
        .trimEnd(),
    );
  }
}

const unknown = positionals.find((name) => !STUDIES.some((s) => s.name === name));
if (unknown !== undefined) {
  throw new RangeError(`"study" expected one of ${STUDIES.map((s) => s.name).join(", ")}, got "${unknown}"`);
}
const result = { seed: SEED, rows: [], differing: [], skipped: [] };
for (const one of STUDIES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  const network = NETWORKS.find(({ name }) => name === one.name);
  const place = locate(network, ROOT);
  const missing =
    place.missing ??
    (one.needs !== undefined && data(one.needs) === undefined
      ? `set BITBASIS_DATA to a folder with ${one.needs}`
      : undefined);
  if (missing !== undefined) {
    result.skipped.push({ network: one.name, reason: missing });
    continue;
  }
  console.error(`${one.name} …`);
  const { rows, differing } = await study(one, network, place.path);
  result.rows.push(...rows);
  result.differing.push(...differing);
}
print(result.rows);
for (const { network, plan, sample, float32, margin, got } of result.differing) {
  if (plan.startsWith("faithful") || network === "ppocr_rec") {
    const [theirs, ours] = [float32, got].map((value) => JSON.stringify(value));
    console.log(`${network} ${plan}, sample ${sample}: float32 ${theirs} (margin ${margin.toFixed(4)}), got ${ours}`);
  }
}
for (const { network, reason } of result.skipped) console.log(`${network} skipped: ${reason}`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
const missed = result.rows.flatMap(({ network, plan, goals }) =>
  goals.filter((g) => !g.met).map((g) => `${network} ${plan}: ${g.what} ${g.value.toFixed(4)}, goal ${g.bound}`),
);
for (const line of missed) console.error(`missed: ${line}`);
process.exitCode = missed.length > 0 ? 1 : 0;
