// The advice for real networks, held against what was measured on samples that it did not see, and against the same bits everywhere:
//
//   npm run build && BITBASIS_MODELS=… BITBASIS_DATA=… node bench/advise.mjs [network]… [--target error=1e-2] [--markdown FILE] [--svg FILE] [--json FILE]
//
// BITBASIS_MODELS holds NAME/model.onnx, BITBASIS_DATA pictures and texts (see bench/agreement.mjs). The first samples are given to the adviser, the others are held
// out. Exit 1 when an advised plan misses its target on the samples that were given or on the others, or does not have fewer bytes than the same bits everywhere that reach it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { advise } from "../dist/entries/advise.js";
import { InferenceSession, Tensor } from "../dist/entries/index.js";
import { quantize } from "../dist/entries/quantize.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: "string", default: "error=1e-2" },
    markdown: { type: "string" },
    svg: { type: "string" },
    json: { type: "string" },
  },
});
const [goal, value] = options.target.split("=");
const target = { [goal]: Number(value) };
const MODELS = process.env.BITBASIS_MODELS ?? "";
const DATA = process.env.BITBASIS_DATA ?? "";

/** Pictures of height × width × channels bytes in one file, as records of one picture each, (x − mean) / deviation, from one of them on. */
function pictures(input, file, [channels, height, width], mean, deviation, count, from = 0) {
  const bytes = readFileSync(join(DATA, file));
  const plane = height * width;
  return Array.from({ length: count }, (_, n) => {
    const data = new Float32Array(channels * plane);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < plane; i++)
        data[c * plane + i] = (bytes[((from + n) * plane + i) * channels + c] - mean[c]) / deviation[c];
    return { [input]: new Tensor("float32", data, [1, channels, height, width]) };
  });
}

const grey = (x) => [x, x, x];
// The margin of the adviser was chosen on pictures 0 to 71 and 500 to 571 of either set.
const [COUNT, FROM] = [72, 200];
const fashion = () =>
  pictures("image", "fashion_mnist_1000/images_u8.bin", [1, 28, 28], [72.93], [90.015], COUNT, FROM);
const cifar = () =>
  pictures(
    "image",
    "cifar10_1000/images_u8_nhwc.bin",
    [3, 32, 32],
    [123.7, 116.3, 103.5],
    [58.4, 57.1, 57.4],
    COUNT,
    FROM,
  );
const PHOTOS = [
  "bird.bmp",
  "grace_hopper.bmp",
  "hot_dog.jpg",
  "sunflower.bmp",
  "cat_720p.jpg",
  "dragonfly.bmp",
  "owl.jpg",
  "parrot.jpg",
];

/** Samples, of which the first `given` are shown to the adviser. */
const NETWORKS = [
  {
    name: "resnet20",
    file: "resnet20_cifar10",
    given: 8,
    samples: cifar,
  },
  { name: "fmnist_resnet", file: "fmnist_resnet", given: 8, samples: fashion },
  { name: "fmnist_mobilenet", file: "fmnist_mobilenet", given: 8, samples: fashion },
  { name: "fmnist_vit", file: "fmnist_vit", given: 8, samples: fashion },
  {
    name: "stories260k",
    file: "stories260k",
    given: 2,
    samples: () => {
      const { ids } = JSON.parse(readFileSync(join(DATA, "tinystories/stories.json"), "utf8"));
      return ids
        .flatMap((all) => [0, 64].map((from) => all.slice(from, from + 64)))
        .map((part) => ({
          ids: new Tensor("int64", BigInt64Array.from(part, BigInt), [1, part.length]),
        }));
    },
  },
  {
    name: "magika",
    file: "magika_v3_3",
    given: 3,
    samples: () => {
      const { rows } = JSON.parse(readFileSync(join(DATA, "magika_files/features.json"), "utf8"));
      return rows
        .filter((_, i) => i % 9 === 0)
        .map(({ ids }) => ({
          bytes: new Tensor("int32", Int32Array.from(ids), [1, ids.length]),
        }));
    },
  },
  {
    name: "yunet",
    file: "yunet_n_dynamic",
    given: 1,
    samples: () =>
      ["grace_hopper.bmp", "cat_720p.jpg", "owl.jpg"].flatMap((file) =>
        pictures("input", `photos/${file}.224.u8`, [3, 224, 224], grey(0), grey(1), 1),
      ),
  },
  {
    name: "mobilenet_v2",
    file: "mobilenet_v2_1.0_224",
    given: 2,
    samples: () =>
      PHOTOS.flatMap((file) => pictures("image", `photos/${file}.224.u8`, [3, 224, 224], grey(127), grey(127.5), 1)),
  },
];

/** Largest max|a − b|/max|b| of an output, and the part of the vectors with the same largest element. */
async function compare(onnx, plan, samples) {
  const { bytes } = await quantize(onnx, { plan });
  const [exact, session] = [
    await InferenceSession.create(onnx, { preset: "float32" }),
    await InferenceSession.create(bytes),
  ];
  let [error, same, vectors] = [0, 0, 0];
  for (const feeds of samples) {
    const [a, b] = [await session.run(feeds), await exact.run(feeds)];
    for (const name of exact.outputNames) {
      const [x, y] = [a[name].data, b[name].data];
      let [most, top] = [0, 0];
      for (let i = 0; i < y.length; i++) {
        most = Math.max(most, Math.abs(x[i] - y[i]));
        top = Math.max(top, Math.abs(y[i]));
      }
      error = Math.max(error, top > 0 ? most / top : most);
      const last = b[name].dims.at(-1);
      for (let at = 0; at + last <= y.length; at += last) {
        const best = (v) => v.subarray(at, at + last).reduce((k, one, i, all) => (one > all[k] ? i : k), 0);
        vectors++;
        if (best(x) === best(y)) same++;
      }
    }
  }
  await exact.release();
  await session.release();
  return { bytes: bytes.length, error, same: same / vectors };
}

const rows = [];
for (const { name, file, given, samples: load } of NETWORKS) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const path = join(MODELS, file, "model.onnx");
  if (!existsSync(path) || !existsSync(DATA)) {
    console.error(`${name} skipped: set BITBASIS_MODELS and BITBASIS_DATA`);
    continue;
  }
  const onnx = new Uint8Array(readFileSync(path));
  const samples = load();
  const advice = await advise(onnx, { target, samples: samples.slice(0, given) });
  const [seen, unseen] = [
    await compare(onnx, advice.plan, samples.slice(0, given)),
    await compare(onnx, advice.plan, samples.slice(given)),
  ];
  const weights = advice.layers.filter(({ shape }) => shape !== undefined);
  const size = ({ shape }) => shape.reduce((a, b) => a * b, 1);
  const bitsOf = ({ plan }) => (plan.weightTerms === 0 ? 32 : (plan.weightBits ?? plan.bits * plan.weightTerms));
  const bits =
    weights.reduce((sum, layer) => sum + bitsOf(layer) * size(layer), 0) /
    weights.reduce((sum, layer) => sum + size(layer), 0);
  const reached =
    goal === "error"
      ? Math.max(seen.error, unseen.error) <= target.error
      : goal === "bytes"
        ? seen.bytes <= target.bytes
        : Math.min(seen.same, unseen.same) >= target.agreement;
  const smaller = advice.uniform === undefined || seen.bytes < advice.uniform.bytes;
  const row = {
    name,
    ...advice,
    onnx: onnx.length,
    given,
    held: samples.length - given,
    bits,
    seen,
    unseen,
    reached,
    smaller,
  };
  rows.push(row);
  console.log(`${name}: ${advice.summary}`);
  console.log(
    `  ${bits.toFixed(2)} bits; given ${given}: ${seen.error.toExponential(2)}; held out ${row.held}: ${unseen.error.toExponential(2)}, same ${(100 * unseen.same).toFixed(1)} %`,
  );
}

const percent = (share) => (share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const markdown = [
  `| network | ONNX, bytes | advised | bits per weight | the same bits everywhere | error on the samples given | on others | same answer there | regime: starved below, no gain beyond |`,
  "|---|---|---|---|---|---|---|---|---|",
  ...rows.map((row) => {
    const even = row.uniform === undefined ? "none" : `${row.uniform.bits} bits, ${row.uniform.bytes}`;
    const regime = typeof row.regime === "string" ? "none" : `${row.regime.bitsUnder}, ${row.regime.bitsOver} bits`;
    return `| ${row.name} | ${row.onnx} | ${row.seen.bytes} | ${row.bits.toFixed(2)} | ${even} | ${row.seen.error.toExponential(1)} (${row.given}) | ${row.unseen.error.toExponential(1)} (${row.held}) | ${percent(row.unseen.same)} | ${regime} |`;
  }),
].join("\n");
console.log(markdown);
if (options.markdown !== undefined) writeFileSync(options.markdown, `${markdown}\n`);
if (options.svg !== undefined) {
  const { plot } = await import("../dist/experiments/plot.js");
  const values = rows
    .filter(({ regime }) => typeof regime === "object")
    .map(({ name, bits, regime }) => ({ name, bits, under: regime.bitsUnder }));
  const axis = (field, title) => ({ field, title, type: "quantitative", scale: { domain: [0, 12] } });
  const [x, y] = [
    axis("under", "bits below which the class of the shape is starved"),
    axis("bits", `bits per weight that ${options.target} takes`),
  ];
  const title = "Does the regime predict the bits that a network needs?";
  const line = { data: { values: [{ at: 0 }, { at: 12 }] }, mark: { type: "line", color: "#bbb", strokeDash: [4, 4] } };
  const diagonal = { ...line, encoding: { x: { ...x, field: "at" }, y: { ...y, field: "at" } } };
  const names = { mark: { type: "text", dx: 6, align: "left" }, encoding: { x, y, text: { field: "name" } } };
  const points = { mark: { type: "point", filled: true, size: 60 }, encoding: { x, y } };
  writeFileSync(
    options.svg,
    await plot([{ title, width: 360, height: 300, data: { values }, layer: [diagonal, points, names] }]),
  );
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
for (const { name, reached, smaller } of rows) {
  if (!reached) console.error(`${name}: the advised plan misses ${options.target}`);
  if (!smaller) console.error(`${name}: the same bits everywhere take as few bytes`);
}
process.exitCode = rows.every(({ reached, smaller }) => reached && smaller) ? 0 : 1;
