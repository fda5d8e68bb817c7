// Writes docs/compare.md and its chart from docs/bench/models.json, which `npm run bench:models -- --json docs/bench/models.json` writes.
// Needs dist/ and the optional packages vega and vega-lite.
import { readFileSync, writeFileSync } from "node:fs";
import { plot } from "../dist/experiments/plot.js";

const ROOT = new URL("../", import.meta.url);
const { cpu, node, warm, cold } = JSON.parse(readFileSync(new URL("docs/bench/models.json", ROOT), "utf8"));

const PRESETS = ["float32", "faithful", "fast", "compact"];
const networks = [...new Set(warm.map(({ network }) => network))];
const of = (network, preset) => warm.find((row) => row.network === network && row.preset === preset);

function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const speed = networks.map((network) => {
  const rows = PRESETS.map((preset) => of(network, preset));
  const rival = rows[0].rivalMilliseconds.toFixed(2);
  const cells = rows.map(({ milliseconds, ratio }) => `${milliseconds.toFixed(2)} (${ratio.toFixed(2)}×)`);
  return `| ${network} ${rows[0].shape} | ${rival} | ${cells.join(" | ")} |`;
});
const means = PRESETS.map(
  (preset) => `**${geometricMean(networks.map((network) => of(network, preset).ratio)).toFixed(2)}×**`,
);
const size = networks.map((network) => {
  const rows = PRESETS.slice(1).map((preset) => of(network, preset));
  const cells = rows.map(({ bytes, onnxBytes, cosine }) => `${(bytes / onnxBytes).toFixed(2)} · ${cosine.toFixed(6)}`);
  return `| ${network} | ${(rows[0].onnxBytes / 1e6).toFixed(2)} | ${cells.join(" | ")} |`;
});
const start = (cold ?? []).map(
  ({ network, contestant, create, firstRun, residentGrowth }) =>
    `| ${network} | ${contestant} | ${(create + firstRun).toFixed(0)} | ${(residentGrowth / 2 ** 20).toFixed(0)} |`,
);

const text = `# How it compares

Written by \`node scripts/comparison.mjs\` from docs/bench/models.json. ${cpu}, Node ${node}, one thread; every time of ours stands beside one of onnxruntime-web 1.30 (FP32) of the same moment, medians, outputs compared first. Ratios above 1: faster than it.

![Speed against onnxruntime-web, by network and preset](bench/speed.svg)

## Speed, milliseconds of a run

| network | onnxruntime-web | ${PRESETS.join(" | ")} |
|---|---:|---:|---:|---:|---:|
${speed.join("\n")}
| geometric mean | | ${means.join(" | ")} |

\`faithful\`, \`fast\` and \`compact\` are containers planned by measurement (\`quantize\`). All networks that the benchmark has are in the table. Beside LiteRT.js and tfjs-wasm, in Chromium: [rivals](bench/rivals.md).

## Size: container ÷ ONNX file, and the cosine of the output to onnxruntime's

| network | ONNX MB | ${PRESETS.slice(1).join(" | ")} |
|---|---:|---:|---:|---:|
${size.join("\n")}
${
  start.length === 0
    ? ""
    : `
## Cold start: create and first run in a fresh process, and what the process grows by

| network | | ms | MB |
|---|---|---:|---:|
${start.join("\n")}
`
}
## Point by point

| | bitbasis | onnxruntime-web 1.30 | LiteRT.js 2.5 | tfjs-wasm 4.22 | transformers.js 4 |
|---|---|---|---|---|---|
| runs ONNX files | yes | yes | no (.tflite) | no (its own) | yes, by onnxruntime-web |
| quantizes without data | while loading, weights and activations | offline, in Python | offline, in Python | weights only | takes quantized files |
| the same bits in every runtime and build | yes, tested by digests | no | no | no | no |
| answers while it downloads | yes, term by term | no | no | no | no |
| download, brotli | 0.15 MB, one file | 2.3 MB (default entry 3.9) | 2.0 MB | 0.2 MB | that of onnxruntime-web, and its own |
| GPU | no | WebGPU, WebNN | WebGPU | WebGL, WebGPU in packages of their own | WebGPU |
| hosts without JavaScript | program images, C | other packages of onnxruntime | other packages of LiteRT | no | no |
| tokenizers, pictures, pipelines | no; transformers.js runs on it | no | no | some | yes |
| operators of ONNX 1.23's node suite that pass | [measured.md](measured.md) | 1,370 of 1,884 | – | – | – |

Take another one if you need a GPU, or training, or if a calibration set and static int8 with AVX-VNNI is what you have: on such processors LiteRT's calibrated int8 is the fastest there is.
`;
writeFileSync(new URL("docs/compare.md", ROOT), text);

const values = warm.map(({ network, preset, ratio }) => ({ network, preset, ratio }));
const chart = {
  data: { values },
  width: 60 * networks.length,
  height: 280,
  title: `Speed against onnxruntime-web FP32 = 1 (${cpu}, Node ${node}, one thread)`,
  layer: [
    {
      mark: "bar",
      encoding: {
        x: { field: "network", type: "nominal", sort: networks, axis: { title: null, labelAngle: -30 } },
        xOffset: { field: "preset", sort: PRESETS },
        y: { field: "ratio", type: "quantitative", title: "times as fast" },
        color: { field: "preset", type: "nominal", sort: PRESETS, title: "preset" },
      },
    },
    { mark: { type: "rule", strokeDash: [4, 3] }, encoding: { y: { datum: 1 } } },
  ],
};
writeFileSync(new URL("docs/bench/speed.svg", ROOT), await plot([chart]));
