// Linear steps, int16 against f32, one thread: node bench/gemm.mjs [build] [seconds per shape]. Needs `npm run build`.
// Outputs are compared with a plain computation before anything is timed; int16 runs 12 × 12 bits, in blocks where K needs them.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { median } from "../build/tools/examples/ocr/compare.js";
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

async function prepare(kind, height, width, channels, outChannels, extent, stride, pad) {
  const wasm = await core.Core.create(build);
  const depthwise = kind === "depthwise";
  const groups = depthwise ? channels : 1;
  const inner = depthwise ? 1 : channels;
  const taps = extent * extent;
  const depth = taps * inner;
  const outHeight = Math.floor((height + 2 * pad - extent) / stride) + 1;
  const outWidth = Math.floor((width + 2 * pad - extent) / stride) + 1;
  const pixels = outHeight * outWidth;
  const values = Float32Array.from({ length: height * width * channels }, () => random() * 3 - 1);
  const q = Int16Array.from({ length: outChannels * depth }, () => Math.round((random() * 2 - 1) * LARGEST));
  const input = wasm.place(values);
  const floats = wasm.place(Float32Array.from(q));
  const { exports } = wasm;
  const rows = outChannels / groups;
  const kernels = [BITS, 0].map((activationBits) =>
    core.chooseKernel({
      depthwise,
      weightBits: 16,
      activationBits,
      exactInInt32: false,
      rows,
      channels: inner,
      largestSum: Infinity,
    }),
  );
  const [layerI16, layerF32] = kernels.map((kernel) => [kernel, groups, rows, taps, inner]);
  const i16Bytes = exports.panelBytes(...layerI16);
  const panelsF32 = wasm.allocate(exports.panelBytes(...layerF32));
  const panelsI16 = wasm.allocate(i16Bytes);
  const sums = wasm.allocate(outChannels * 4);
  wasm.u8(panelsI16, i16Bytes).fill(0);
  wasm.i32(sums, outChannels).fill(0);
  const [batch, columns] = depthwise ? [1, groups] : [groups, rows];
  core.packFloats(wasm, { batch, rows: depth, columns, transposed: true }, floats, panelsF32);
  const low = Int8Array.from(q);
  const terms = [
    [Int8Array.from(q, (w, i) => (w - low[i]) / 256), 256],
    [low, 1],
  ].map(([digits, weight]) => ({ plane: new Uint8Array(digits.buffer), bits: 8, unsigned: false, weight }));
  core.lendTerms(wasm, terms, (at, count) => exports.addTerms(...layerI16, panelsI16, sums, at, count, 0));
  const pixelStride = exports.pixelStride(kernels[0], groups, inner);
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
    lineWidth: 0,
    outWidth: 0,
    outHeight: 0,
    padTop: 0,
    padLeft: 0,
    low: 0,
    high: 0,
  };
  const pairs = core.pairsPerBlock(LARGEST, 2 ** (BITS - 1));
  const output = wasm.allocate(pixels * outChannels * 4);
  const linear = (kernel) => {
    const integer = !core.isFloatKernel(kernel);
    const scratchBytes = exports.scratchBytes(kernel, groups, taps, inner, pixels);
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
      kernelHeight: extent,
      kernelWidth: extent,
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
      pixelStride: exports.pixelStride(kernel, groups, inner),
      groupStride: 0,
      outBatchStride: 0,
      outRowStride: 4 * outChannels * outWidth,
      outPixelStride: 4 * outChannels,
      weightsBatchStride: 0,
      scalesBatchStride: 0,
      exactInInt32: taps * Math.ceil(inner / 2) <= pairs ? 1 : 0,
      pairsPerBlock: pairs,
      turns: 0,
      activation: Activation.None,
      activationMin: 0,
      activationMax: 0,
      factor: core.f32Bits(1),
      shift: core.f32Bits(-0),
      addend: 0,
      addendMin: 0,
      addendMax: 0,
      handsOver: 0,
      scratch: wasm.allocate(scratchBytes),
      scratchBytes,
      slots: 1,
    };
  };
  const steps = [
    core.step(Opcode.Range, QuantizeStep, quantize),
    core.step(Opcode.Quantize, QuantizeStep, quantize),
    ...kernels.map((kernel) => core.step(kernel, ConvStep, linear(kernel))),
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
      const y = Math.floor(p / outWidth) * stride - pad + Math.floor(t / extent);
      const x = (p % outWidth) * stride - pad + (t % extent);
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
