// Linear steps, int16 against f32, one thread: node bench/gemm.mjs [build] [seconds per shape]. Needs `npm run build`.
// Outputs are compared with a plain computation before anything is timed; int16 runs 12 × 12 bits, in blocks where K needs them.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { Activation, ConvStep, QuantizeStep } from "../dist/core/abi/conv.js";
import { Opcode } from "../dist/core/abi/opcode.js";
import * as core from "../dist/core/index.js";

const build = process.argv[2] ?? "simd";
const budget = Number(process.argv[3] ?? 1) * 1000;
const BITS = 12;
const LARGEST = 1911;

let seed = 1;
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return (seed >>> 0) / 2 ** 32;
}

async function prepare(kind, height, width, channels, outChannels, kernel, stride, pad) {
  const wasm = await core.Core.create(build);
  const depthwise = kind === "depthwise";
  const groups = depthwise ? channels : 1;
  const inner = depthwise ? 1 : channels;
  const taps = kernel * kernel;
  const depth = taps * inner;
  const outHeight = Math.floor((height + 2 * pad - kernel) / stride) + 1;
  const outWidth = Math.floor((width + 2 * pad - kernel) / stride) + 1;
  const pixels = outHeight * outWidth;
  const pad8 = (n) => Math.ceil(n / 8) * 8;
  const values = Float32Array.from({ length: height * width * channels }, () => random() * 3 - 1);
  const q = Int16Array.from({ length: outChannels * depth }, () => Math.round((random() * 2 - 1) * LARGEST));
  const input = wasm.place(values);
  const floats = wasm.place(Float32Array.from(q));
  const f32Bytes = depthwise ? core.depthwiseBytesF32(channels, taps) : core.panelBytesF32(1, outChannels, taps, inner);
  const i16Bytes = depthwise ? core.depthwiseBytesI16(channels, taps) : core.panelBytesI16(1, outChannels, taps, inner);
  const panelsF32 = wasm.allocate(f32Bytes);
  const panelsI16 = wasm.allocate(i16Bytes);
  const sums = wasm.allocate(outChannels * 4);
  wasm.u8(panelsI16, i16Bytes).fill(0);
  wasm.i32(sums, outChannels).fill(0);
  if (depthwise) wasm.exports.packDepthwise(floats, channels, taps, panelsF32);
  else wasm.exports.packWeights(floats, 1, outChannels, taps, inner, panelsF32);
  const low = Int8Array.from(q);
  for (const [digits, weight] of [
    [Int8Array.from(q, (w, i) => (w - low[i]) / 256), 256],
    [low, 1],
  ]) {
    const plane = wasm.place(digits);
    if (depthwise) wasm.exports.addTermDepthwise(plane, 8, weight, channels, taps, panelsI16, sums);
    else wasm.exports.addTerm(plane, 8, weight, 1, outChannels, taps, inner, panelsI16, sums);
  }
  const pixelStride = depthwise ? 2 * pad8(channels) : 4 * core.pairsOf(channels);
  const quantized = wasm.allocate(height * width * pixelStride);
  const parameters = wasm.allocate(16);
  const quantize = {
    input,
    output: quantized,
    partials: wasm.allocate(16),
    parameters,
    samples: 1,
    rowsPerSample: height * width,
    channels,
    groups: 1,
    pixelStride,
    groupStride: 0,
    bits: BITS,
    mask: 0,
    maskChannels: 1,
    slots: 1,
  };
  const pairs = core.pairsPerBlock(LARGEST, 2 ** (BITS - 1));
  const output = wasm.allocate(pixels * outChannels * 4);
  const linear = (integer) => {
    const scratchBytes = core.convScratchBytes({
      depthwise,
      integer,
      taps,
      channels: inner,
      groups,
      groupStride: 0,
      pixels,
    });
    const stride4 = integer ? pixelStride : 4 * channels;
    return {
      input: integer ? quantized : input,
      output,
      weights: integer ? panelsI16 : panelsF32,
      bias: 0,
      scales: wasm.place(new Float32Array(outChannels).fill(1)),
      columnSums: sums,
      parameters,
      rowsPerParameter: pixels,
      mask: 0,
      batch: 1,
      ...core.FLAT,
      inHeight: height,
      inWidth: width,
      outHeight,
      outWidth,
      kernelHeight: kernel,
      kernelWidth: kernel,
      strideHeight: stride,
      strideWidth: stride,
      dilationHeight: 1,
      dilationWidth: 1,
      padTop: pad,
      padLeft: pad,
      groups,
      channels: inner,
      outChannels: depthwise ? 1 : outChannels,
      batchStride: 0,
      pixelStride: stride4,
      groupStride: 0,
      outBatchStride: 0,
      outPixelStride: 4 * outChannels,
      weightsBatchStride: 0,
      scalesBatchStride: 0,
      exactInInt32: taps * core.pairsOf(inner) <= pairs ? 1 : 0,
      pairsPerBlock: pairs,
      activation: Activation.None,
      activationMin: 0,
      activationMax: 0,
      scratch: wasm.allocate(scratchBytes),
      scratchBytes,
      slots: 1,
    };
  };
  const steps = [
    core.step(Opcode.Range, QuantizeStep, quantize),
    core.step(Opcode.Quantize, QuantizeStep, quantize),
    core.step(depthwise ? Opcode.DepthwiseI16 : Opcode.ConvI16, ConvStep, linear(true)),
    core.step(depthwise ? Opcode.DepthwiseF32 : Opcode.ConvF32, ConvStep, linear(false)),
  ];
  const at = wasm.write(steps);
  wasm.run(at, 0, 3);
  const integers = wasm.f32(output, pixels * outChannels).slice();
  wasm.run(at, 3, 1);
  const real = wasm.f32(output, pixels * outChannels).slice();
  for (let check = 0; check < 200; check++) {
    const p = Math.floor(random() * pixels);
    const o = Math.floor(random() * outChannels);
    let sum = 0;
    let size = 0;
    for (let t = 0; t < taps; t++) {
      const y = Math.floor(p / outWidth) * stride - pad + Math.floor(t / kernel);
      const x = (p % outWidth) * stride - pad + (t % kernel);
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      for (let c = 0; c < inner; c++) {
        const product = values[(y * width + x) * channels + (depthwise ? o : c)] * q[o * depth + t * inner + c];
        sum += product;
        size += Math.abs(q[o * depth + t * inner + c]);
      }
    }
    const at = p * outChannels + o;
    // f32: a few ulp of the absolute sum; int16: half a step of 3 / 4095 per weight.
    if (Math.abs(real[at] - sum) > size * 1e-5) throw new Error(`f32 output ${at}: ${real[at]}, expected ${sum}`);
    if (Math.abs(integers[at] - sum) > size * 5e-4)
      throw new Error(`int16 output ${at}: ${integers[at]}, expected ${sum}`);
  }
  return { macs: pixels * outChannels * depth, time: (first, count) => time(() => wasm.run(at, first, count)) };
}

function time(run) {
  const from = performance.now();
  run();
  return performance.now() - from;
}

function median(list) {
  return [...list].sort((a, b) => a - b)[list.length >> 1];
}

console.log(`${cpus()[0].model}, Node ${process.version}, ${build}; GMAC/s, median (best)`);
for (const line of readFileSync(new URL("shapes/linear.txt", import.meta.url), "utf8").split("\n")) {
  if (line === "" || line.startsWith("#")) continue;
  const [kind, ...sizes] = line.split(" ");
  const { macs, time: once } = await prepare(kind, ...sizes.map(Number));
  const times = { i16: [], f32: [], quantize: [] };
  for (const from = performance.now(); performance.now() - from < budget || times.i16.length < 5; ) {
    times.i16.push(once(2, 1));
    times.f32.push(once(3, 1));
    times.quantize.push(once(0, 2));
  }
  const rate = (list) => `${(macs / median(list) / 1e6).toFixed(1)} (${(macs / Math.min(...list) / 1e6).toFixed(1)})`;
  const ratio = median(times.f32) / median(times.i16);
  const share = (100 * median(times.quantize)) / median(times.i16);
  console.log(
    `${line.padEnd(36)} i16 ${rate(times.i16).padEnd(14)} f32 ${rate(times.f32).padEnd(14)} ratio ${ratio.toFixed(2)}  quantize ${share.toFixed(0)} %  ${median(times.i16).toFixed(3)} ms`,
  );
}
