// Drives the linear steps through Core, and a plain reference for them: sums in f64 (every one of them an integer below 2^53, so exact), each f32
// operation rounded by Math.fround.
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
  lowPairs,
  pairsPerBlock,
  type RelaxedDots,
  type Step,
  step,
} from "../../src/core/index.ts";
import { CheckedCore } from "../support/checked/core.ts";

export const BUILDS = ["scalar", "simd", "checked", "checked-simd"] as const;
/** Those that have ConvU7. */
export const RELAXED_BUILDS = ["scalar", "relaxed", "checked"] as const;
export type TestedBuild = (typeof BUILDS | typeof RELAXED_BUILDS)[number];

/** A core of its own; the checked builds are those of test/support/checked/core.ts. */
export function newCore(build: TestedBuild): Promise<Core> {
  if (build === "checked") return CheckedCore.checked("scalar");
  return build === "checked-simd" ? CheckedCore.checked("simd") : completed(() => Core.create(build))();
}

const f = Math.fround;
/** The words of a Quantize step without a border. */
export const NO_BORDER = { lineWidth: 0, outWidth: 0, outHeight: 0, padTop: 0, padLeft: 0 } as const;
/** Of a Quantize step whose range is that of the values. */
export const NO_RANGE = { low: 0, high: 0 } as const;

/** What ConvU7's panels hold beside Q of 7 bits. */
const QUAD_OFFSET = 64;
/** f32 values between two output pixels that nobody may touch. */
const GAP = 3;
const SENTINEL = 0x7f0dead0;

/** Mulberry32: numbers in [0, 1). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Shape {
  readonly batch: number;
  readonly inDepth: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly channels: number;
  readonly groups: number;
  readonly outChannels: number;
  readonly kernelDepth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideDepth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationDepth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** front, back. */
  readonly depthPads: readonly [number, number];
}

export interface Linear {
  readonly shape: Shape;
  readonly depthwise?: boolean;
  /** NHWC. */
  readonly input: Float32Array;
  /** Integers (ConvI16) or f32, OHWI; [channel][tap] for depthwise. */
  readonly weights: Float32Array;
  readonly scales: Float32Array;
  readonly bias?: Float32Array;
  readonly activation?: Activation;
  readonly low?: number;
  readonly high?: number;
  /** y·factor + shift in the end. */
  readonly factor?: number;
  readonly shift?: number;
  /** What is added then, dense, and bounds of the sum. */
  readonly addend?: Float32Array;
  readonly addendMin?: number;
  readonly addendMax?: number;
  /** n; 0 for f32. */
  readonly bits: number;
  /** One entry per row (pixel) instead of per sample. */
  readonly perRow?: boolean;
  /** Quantize writes the pads, which the linear step then has not; pictures whose pads do not crop. */
  readonly border?: boolean;
  readonly blocks?: boolean;
  /** Without it, blocks take their turns from the weights. */
  readonly pairsPerBlock?: number;
  /** Bits of every weight; default 16. */
  readonly weightBits?: number;
  /** What chooses ConvU7, whose panels hold weights of −64 … 63 and 64. */
  readonly dots?: RelaxedDots;
  /** Zero points of the rows: the digits hold Q = weights + zero. */
  readonly zeros?: Int32Array;
}

export const plain = (shape: Partial<Shape>): Shape => ({
  batch: 1,
  inDepth: 1,
  inHeight: 1,
  inWidth: 1,
  channels: 1,
  groups: 1,
  outChannels: 1,
  kernelDepth: 1,
  kernelHeight: 1,
  kernelWidth: 1,
  strideDepth: 1,
  strideHeight: 1,
  strideWidth: 1,
  dilationDepth: 1,
  dilationHeight: 1,
  dilationWidth: 1,
  pads: [0, 0, 0, 0],
  depthPads: [0, 0],
  ...shape,
});

/** Depth, height and width of the output. */
export function outSize(s: Shape): [number, number, number] {
  const d = s.inDepth + s.depthPads[0] + s.depthPads[1] - (s.kernelDepth - 1) * s.dilationDepth - 1;
  const h = s.inHeight + s.pads[0] + s.pads[2] - (s.kernelHeight - 1) * s.dilationHeight - 1;
  const w = s.inWidth + s.pads[1] + s.pads[3] - (s.kernelWidth - 1) * s.dilationWidth - 1;
  return [Math.floor(d / s.strideDepth) + 1, Math.floor(h / s.strideHeight) + 1, Math.floor(w / s.strideWidth) + 1];
}

/** A block of memory that holds neither zeros nor anything sensible: steps must not count on what they did not write. */
export function dirty(core: Core, bytes: number): number {
  const at = core.allocate(bytes);
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
}

/** Nearest integer, ties to even. */
export function nearestEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

export interface Quantized {
  readonly q: Float64Array;
  readonly scale: number;
  readonly zero: number;
  readonly nonFinite: boolean;
}

/** series.md, B1, activations. */
export function quantizeReference(values: Float32Array, bits: number): Quantized {
  let low = 0;
  let high = 0;
  for (const x of values) {
    if (Number.isFinite(x)) {
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
  }
  const steps = 2 ** bits - 1;
  // The f32 result of an f32 difference with an unbounded exponent: f64 has room for the exponent, and halving is exact there.
  const span = f(high / 2 - low / 2);
  const ratio = Number.isFinite(f(high - low)) ? f(f(high - low) / steps) : f(2 * f(span / steps));
  const scale = ratio < 2 ** -126 ? 0 : ratio;
  const half = 2 ** (bits - 1);
  const inverse = scale === 0 ? 0 : f(1 / scale);
  const zero = scale === 0 ? 0 : nearestEven(f(-low * inverse)) - half;
  const q = Float64Array.from(values, (x) => {
    if (scale === 0) return 0;
    if (!Number.isFinite(x)) return zero;
    return Math.max(-half, Math.min(half - 1, nearestEven(f(x * inverse)) + zero));
  });
  return { q, scale, zero, nonFinite: !values.every(Number.isFinite) };
}

function activate(y: number, l: Linear): number {
  // NaN and −0 stay.
  if (l.activation === Activation.Clip) {
    const bounded = y < (l.low ?? 0) ? (l.low ?? 0) : y;
    return bounded > (l.high ?? Infinity) ? (l.high ?? Infinity) : bounded;
  }
  if (l.activation === Activation.HardSwish) {
    return f(y * f(Math.min(Math.max(f(y + 3), 0), 6) * f(1 / 6)));
  }
  return y;
}

/** What comes after the activation of output `at`. */
function ended(y: number, { factor = 1, shift = -0, addend, ...l }: Linear, at: number): number {
  const scaled = f(f(y * f(factor)) + f(shift));
  if (addend === undefined) return scaled;
  return f(Math.min(Math.max(f(scaled + addend[at]!), l.addendMin ?? -Infinity), l.addendMax ?? Infinity));
}

/** Dense pixels, with the gap that the outputs have between theirs. */
function spread(pixels: Float32Array, total: number): Float32Array {
  const apart = new Float32Array((pixels.length / total) * (total + GAP));
  for (let at = 0; at < pixels.length; at += total)
    apart.set(pixels.subarray(at, at + total), (at / total) * (total + GAP));
  return apart;
}

/** The outputs, dense; NaN where a non-finite input is seen. */
export function reference(l: Linear): Float32Array {
  const s = l.shape;
  const [outDepth, outHeight, outWidth] = outSize(s);
  const width = s.channels * s.groups;
  const total = s.groups * s.outChannels;
  const out = new Float32Array(s.batch * outDepth * outHeight * outWidth * total);
  const samples = l.perRow ? s.batch * s.inDepth * s.inHeight * s.inWidth : s.batch;
  const size = l.input.length / samples;
  const quantized: Quantized[] = [];
  for (let i = 0; i < samples && l.bits > 0; i++) {
    quantized.push(quantizeReference(l.input.subarray(i * size, (i + 1) * size), l.bits));
  }
  let at = 0;
  for (let b = 0; b < s.batch; b++) {
    for (let row = 0; row < outDepth * outHeight; row++) {
      const [oz, oy] = [Math.floor(row / outHeight), row % outHeight];
      for (let ox = 0; ox < outWidth; ox++) {
        for (let o = 0; o < total; o++) {
          const group = Math.floor(o / s.outChannels);
          let sum = l.bits > 0 ? 0 : -0;
          let bad = false;
          let w = o * s.kernelDepth * s.kernelHeight * s.kernelWidth * s.channels;
          const entry = quantized[l.perRow ? (b * outDepth * outHeight + row) * outWidth + ox : b];
          for (let k = 0; k < s.kernelDepth * s.kernelHeight; k++) {
            const [h, i] = [Math.floor(k / s.kernelHeight), k % s.kernelHeight];
            for (let j = 0; j < s.kernelWidth; j++) {
              const y = oy * s.strideHeight - s.pads[0] + i * s.dilationHeight;
              const x = ox * s.strideWidth - s.pads[1] + j * s.dilationWidth;
              const z = oz * s.strideDepth - s.depthPads[0] + h * s.dilationDepth;
              const within = z >= 0 && z < s.inDepth && y >= 0 && y < s.inHeight;
              const inside = within && x >= 0 && x < s.inWidth;
              const from = (((b * s.inDepth + z) * s.inHeight + y) * s.inWidth + x) * width + group * s.channels;
              for (let c = 0; c < s.channels; c++, w++) {
                if (entry === undefined) {
                  sum = f(sum + f((inside ? l.input[from + c]! : 0) * l.weights[w]!));
                } else if (inside) {
                  bad ||= !Number.isFinite(l.input[from + c]);
                  sum += l.weights[w]! * (entry.q[(from + c) % entry.q.length]! - entry.zero);
                }
              }
            }
          }
          const scaled = entry === undefined ? sum : f(f(sum) * f(entry.scale * l.scales[o]!));
          const biased = l.bias === undefined ? scaled : f(scaled + l.bias[o]!);
          out[at] = bad ? Number.NaN : ended(f(activate(biased, l)), l, at);
          at++;
        }
      }
    }
  }
  return out;
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
  const fence = dirty(core, 4096);
  core.u8(fence, 4096).fill(0x5a);
  runAll(core, steps, threads, slices);
  if (!core.u8(fence, 4096).every((byte) => byte === 0x5a)) throw new Error("a step wrote behind its memory");
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
function placeWeights(core: Core, kernel: Kernel, l: Linear, columnSums: number): number {
  const { groups, outChannels: rows, channels, kernelDepth, kernelHeight, kernelWidth } = l.shape;
  const layer = layerOf({ kernel, groups, rows, taps: kernelDepth * kernelHeight * kernelWidth, channels });
  const bytes = core.exports.panelBytes(...layer);
  const at = dirty(core, bytes);
  if (l.bits === 0) {
    core.exports.pack(...layer, at, core.place(l.weights), 0);
    return at;
  }
  core.u8(at, bytes).fill(kernel === Opcode.ConvU7 ? QUAD_OFFSET : 0);
  const columns = l.weights.length / (groups * rows);
  const q = l.weights.map((w, i) => w + (l.zeros?.[Math.floor(i / columns)] ?? 0));
  const low = Int8Array.from(q);
  const high = Int8Array.from(q, (w, i) => (w - low[i]!) / 256);
  core.exports.addTerm(...layer, at, columnSums, core.place(high), 8, 0, 256);
  core.exports.addTerm(...layer, at, columnSums, core.place(low), 8, 0, 1);
  if (l.zeros !== undefined) core.exports.addZeroPoints(...layer, at, columnSums, core.place(l.zeros));
  return at;
}

/** Bits with every NaN as 7fc00000. */
export function canonical(values: Float32Array): Int32Array {
  return Int32Array.from(new Int32Array(values.buffer, values.byteOffset, values.length), (b, i) =>
    Number.isNaN(values[i]) ? 0x7fc00000 : b,
  );
}

export function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** A seeded linear layer of a shape. */
export function layer(
  shape: Shape,
  options: Omit<Partial<Linear>, "shape"> & { seed: number; bits: number; largest?: number; withBias?: boolean },
): Linear {
  const next = random(options.seed);
  const { batch, inDepth, inHeight, inWidth, channels, groups, outChannels } = shape;
  const taps = shape.kernelDepth * shape.kernelHeight * shape.kernelWidth;
  const { largest = 119, bits } = options;
  const normal = () => next() + next() + next() - 1.5;
  const total = groups * outChannels;
  const weights = Float32Array.from({ length: total * taps * channels }, () =>
    bits > 0 ? Math.round((2 * next() - 1) * largest) : normal(),
  );
  return {
    shape,
    input: Float32Array.from(
      { length: batch * inDepth * inHeight * inWidth * channels * groups },
      () => 4 * normal() + 0.7,
    ),
    weights,
    scales: Float32Array.from({ length: total }, () => 0.001 + next() * 0.01),
    ...(options.withBias === false ? {} : { bias: Float32Array.from({ length: total }, normal) }),
    ...options,
  };
}
