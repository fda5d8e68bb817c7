// Drives the linear steps through Core.
import { Activation, ConvStep, QuantizeStep } from "../../src/core/abi/conv.ts";
import { NarrowStep } from "../../src/core/abi/narrow.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import {
  Core,
  chooseKernel,
  completed,
  f32Bits,
  type Kernel,
  type Layer,
  layerOf,
  lendTerms,
  lowPairs,
  packFloats,
  pairsPerBlock,
  type Step,
  step,
  tapsBehind,
} from "../../src/core/index.ts";
import { CheckedCore } from "../support/checked/core.ts";
import { Fences } from "../support/fences.ts";
import { type Linear, outSize } from "./layer.ts";

export const BUILDS = ["scalar", "simd", "checked", "checked-simd"] as const;
/** Those that have ConvU7. */
export const RELAXED_BUILDS = ["scalar", "relaxed", "checked"] as const;
export type TestedBuild = (typeof BUILDS | typeof RELAXED_BUILDS)[number];

/** A core of its own; the checked builds are those of test/support/checked/core.ts. */
export function newCore(build: TestedBuild): Promise<Core> {
  if (build === "checked") return CheckedCore.checked("scalar");
  return build === "checked-simd" ? CheckedCore.checked("simd") : completed(() => Core.create(build))();
}

/** The words of a Quantize step without a border. */
export const NO_BORDER = { lineWidth: 0, outWidth: 0, outHeight: 0, padTop: 0, padLeft: 0 } as const;
/** Of a Quantize step whose range is that of the values. */
export const NO_RANGE = { low: 0, high: 0 } as const;

/** What ConvU7's panels hold beside Q of 7 bits. */
const QUAD_OFFSET = 64;
/** f32 values between two output pixels that nobody may touch. */
const GAP = 3;
const SENTINEL = 0x7f0dead0;

const fencesOf = new WeakMap<Core, Fences>();

/** A block of memory that holds neither zeros nor anything sensible: steps must not count on what they did not write. Around it nobody may write; checked cores look themselves. */
export function dirty(core: Core, bytes: number): number {
  let fences = fencesOf.get(core);
  if (fences === undefined) {
    fences = new Fences(core);
    fencesOf.set(core, fences);
  }
  const at = core instanceof CheckedCore ? core.allocate(bytes) : fences.allocate(bytes);
  // not by u8(): a checked core takes what is viewed for written
  new Uint8Array(core.memory.buffer, at, bytes).fill(0x77);
  return at;
}

/** Runs each step once per thread, as a barrier between steps would; `slices` stand for one thread and so run in order. */
export function runAll(core: Core, steps: readonly Step[], threads = 1, slices = 1): void {
  const at = core.write(steps);
  steps.forEach((_, i) => {
    if (slices > 1) for (let t = 0; t < slices; t++) core.run(at, i, 1, t, slices);
    else for (let t = threads - 1; t >= 0; t--) core.run(at, i, 1, t, threads);
  });
  core.release(at);
  fencesOf.get(core)?.check();
}

/** Dense pixels, with the gap that the outputs have between theirs. */
function spread(pixels: Float32Array, total: number): Float32Array {
  const apart = new Float32Array((pixels.length / total) * (total + GAP));
  for (let at = 0; at < pixels.length; at += total)
    apart.set(pixels.subarray(at, at + total), (at / total) * (total + GAP));
  return apart;
}

/** Runs Range, Quantize and ConvI16, or ConvF32 (or their depthwise twins), and returns the outputs, dense. */
export async function run(build: TestedBuild, l: Linear, threads = 1, slices = 1): Promise<Float32Array> {
  const core = await newCore(build);
  const s = l.shape;
  const [outDepth, outHeight, outWidth] = outSize(s);
  const pixels = outDepth * outHeight * outWidth;
  const [padTop, padLeft, padBottom, padRight] = l.border ? s.pads : [0, 0, 0, 0];
  const [inHeight, inWidth] = [s.inHeight + padTop + padBottom, s.inWidth + padLeft + padRight];
  const inPixels = s.inDepth * inHeight * inWidth;
  const taps = s.kernelDepth * s.kernelHeight * s.kernelWidth;
  const total = s.groups * s.outChannels;
  const integer = l.bits > 0;
  const depthwise = l.depthwise ?? false;
  const width = s.channels * s.groups;
  const input = core.place(l.input);
  const chosen = chooseKernel({
    depthwise,
    weightBits: l.weightBits ?? 16,
    activationBits: l.bits,
    exactInInt32: !l.blocks,
    rows: s.outChannels,
    channels: s.channels,
    largestSum: 0,
    isTiled: l.isTiled,
  });
  const kernel = l.dots === undefined ? chosen : Opcode.ConvU7;
  const groupStride = core.exports.groupStride(kernel, s.channels);
  const pixelStride = core.exports.pixelStride(kernel, s.groups, s.channels);
  const quads = kernel === Opcode.ConvU7;
  const written = quads ? Opcode.ConvI8 : kernel;
  const inBytes = core.exports.groupStride(written, s.channels);
  const steps: Step[] = [];
  let source = input;
  let parameters = 0;
  let mask = 0;
  if (integer) {
    const samples = l.perRow ? s.batch * inPixels : s.batch;
    const rows = s.batch * inPixels;
    const given = s.batch * s.inDepth * s.inHeight * s.inWidth;
    source = dirty(core, rows * core.exports.pixelStride(written, s.groups, s.channels));
    parameters = dirty(core, samples * 16);
    mask = l.perRow ? 0 : dirty(core, rows * s.groups);
    if (mask > 0) core.u8(mask, rows * s.groups).fill(255);
    const common = {
      input,
      output: source,
      partials: dirty(core, threads * samples * 16),
      parameters,
      samples,
      rowsPerSample: given / samples,
      channels: depthwise ? width : s.channels,
      groups: depthwise ? 1 : s.groups,
      pixelStride: core.exports.pixelStride(written, s.groups, s.channels),
      groupStride: inBytes,
      bits: l.bits,
      mask,
      maskChannels: depthwise ? 1 : s.channels,
      slots: threads,
      ...NO_RANGE,
      ...(l.border ? { lineWidth: s.inWidth, outWidth: inWidth, outHeight: inHeight, padTop, padLeft } : NO_BORDER),
    };
    steps.push(step(Opcode.Range, QuantizeStep, common), step(Opcode.Quantize, QuantizeStep, common));
    if (quads) {
      const output = dirty(core, rows * pixelStride);
      const units = rows * s.groups;
      steps.push(step(Opcode.Narrow, NarrowStep, { input: source, output, units, inBytes, outBytes: groupStride }));
      source = output;
    }
  }
  const entries = quads ? 2 * core.exports.paddedRows(kernel, total) : total;
  const columnSums = dirty(core, entries * 4);
  core.i32(columnSums, entries).fill(0);
  if (quads) core.i32(columnSums, entries).fill(QUAD_OFFSET, entries / 2);
  const weights = placeWeights(core, kernel, l, columnSums);
  const layer = { kernel, groups: s.groups, rows: s.outChannels, taps, channels: s.channels };
  const scratchBytes = core.exports.scratchBytes(kernel, s.groups, taps, s.channels, pixels);
  const outPixelStride = 4 * (total + GAP);
  const count = s.batch * pixels * (total + GAP);
  const output = dirty(core, count * 4);
  core.i32(output, count).fill(SENTINEL);
  const scratch = dirty(core, scratchBytes * threads);
  const largest = l.weights.reduce((m, w) => Math.max(m, Math.abs(w)), 0);
  steps.push(
    step(kernel, ConvStep, {
      input: source,
      output,
      weights,
      bias: l.bias === undefined ? 0 : core.place(l.bias),
      scales: integer ? core.place(l.scales) : 0,
      columnSums: integer ? columnSums : 0,
      parameters,
      rowsPerParameter: l.perRow ? 1 : pixels,
      mask,
      batch: s.batch,
      inDepth: s.inDepth,
      inHeight,
      inWidth,
      outDepth,
      outHeight,
      outWidth,
      kernelDepth: s.kernelDepth,
      kernelHeight: s.kernelHeight,
      kernelWidth: s.kernelWidth,
      strideDepth: s.strideDepth,
      strideHeight: s.strideHeight,
      strideWidth: s.strideWidth,
      dilationDepth: s.dilationDepth,
      dilationHeight: s.dilationHeight,
      dilationWidth: s.dilationWidth,
      padFront: s.depthPads[0],
      padTop: s.pads[0] - padTop,
      padLeft: s.pads[1] - padLeft,
      groups: s.groups,
      channels: s.channels,
      outChannels: s.outChannels,
      batchStride: inPixels * pixelStride,
      pixelStride,
      groupStride,
      outBatchStride: pixels * outPixelStride,
      outRowStride: outWidth * outPixelStride,
      outPixelStride,
      weightsBatchStride: 0,
      scalesBatchStride: 0,
      panelStride: 0,
      exactInInt32: l.blocks ? 0 : 1,
      pairsPerBlock:
        l.pairsPerBlock ?? (kernel === Opcode.ConvI4 ? lowPairs(l.bits) : pairsPerBlock(largest, 2 ** (l.bits - 1))),
      turns:
        (l.blocks && !l.pairsPerBlock && kernel === Opcode.ConvI16) || (quads && !l.dots?.sums32)
          ? turnsOf(core, layer, weights)
          : 0,
      activation: l.activation ?? Activation.None,
      activationMin: f32Bits(l.low ?? 0),
      activationMax: f32Bits(l.high ?? Infinity),
      factor: f32Bits(l.factor ?? 1),
      shift: f32Bits(l.shift ?? -0),
      addend: l.addend === undefined ? 0 : core.place(spread(l.addend, total)),
      addendMin: f32Bits(l.addendMin ?? -Infinity),
      addendMax: f32Bits(l.addendMax ?? Infinity),
      handsOver: 0,
      scratch,
      scratchBytes,
      slots: threads,
    }),
  );
  runAll(core, steps, threads, slices);
  const bits = core.i32(output, count);
  const dense = new Int32Array(s.batch * pixels * total);
  for (let p = 0; p < s.batch * pixels; p++) {
    dense.set(bits.subarray(p * (total + GAP), p * (total + GAP) + total), p * total);
    for (let g = 0; g < GAP; g++) {
      if (bits[p * (total + GAP) + total + g] !== SENTINEL) throw new Error(`pixel ${p} wrote into the gap`);
    }
  }
  return new Float32Array(dense.buffer);
}

/** What the weights of a layer's panels allow. */
export function turnsOf(core: Core, layer: Layer, weights: number): number {
  const { panelBytes, turns } = core.exports;
  const at = dirty(core, panelBytes(...layerOf(layer)) / panelBytes(layer.kernel, 1, 1, 1, 2));
  turns(...layerOf(layer), weights, at);
  return at;
}

/** Weights as the step wants them; integers as two planes of 8-bit digits. */
function placeWeights(core: Core, kernel: Kernel, l: Linear, columnSums: number, given?: number): number {
  const { groups, outChannels: rows, channels, kernelDepth, kernelHeight, kernelWidth } = l.shape;
  const layer = layerOf({ kernel, groups, rows, taps: kernelDepth * kernelHeight * kernelWidth, channels });
  const bytes = core.exports.panelBytes(...layer);
  const at = given ?? dirty(core, bytes);
  if (kernel === Opcode.WinogradI16 || kernel === Opcode.WinogradF32) {
    const { offset, ...taps } = tapsBehind(core, { kernel, groups, rows, taps: 9, channels });
    placeWeights(core, taps.kernel, l, columnSums, at + offset);
    if (core.exports.transformWeights(kernel, rows, channels, at) !== 1) throw new Error("weights do not fit");
    return at;
  }
  if (l.bits === 0) {
    const [batch, columns] = kernel === Opcode.DepthwiseF32 ? [1, groups] : [groups, rows];
    const depth = l.weights.length / (batch * columns);
    packFloats(core, { batch, rows: depth, columns, transposed: true }, core.place(l.weights), at);
    return at;
  }
  core.u8(at, bytes).fill(kernel === Opcode.ConvU7 ? QUAD_OFFSET : 0);
  const columns = l.weights.length / (groups * rows);
  const q = l.weights.map((w, i) => w + (l.zeros?.[Math.floor(i / columns)] ?? 0));
  const low = Int8Array.from(q);
  const high = Int8Array.from(q, (w, i) => (w - low[i]!) / 256);
  const zeros = l.zeros === undefined ? 0 : core.place(l.zeros);
  const terms = [high, low].map((digits, i) => ({
    ...{ plane: new Uint8Array(digits.buffer), bits: 8, unsigned: false, weight: i === 0 ? 256 : 1 },
  }));
  lendTerms(core, terms, (of, count) => core.exports.addTerms(...layer, at, columnSums, of, count, zeros));
  return at;
}
