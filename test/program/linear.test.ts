import { describe, expect, it } from "vitest";
import type { SpecializedGraph } from "../../src/graph/graph.ts";
import { expandWeights } from "../../src/series/expansion.ts";
import { fuse, nearestEven, type WeightSeries } from "../../src/series/index.ts";
import { Tensor, uniformNumbers } from "../../src/tensor/index.ts";
import { coreOf, runGraph } from "./harness.ts";

const fround = Math.fround;

interface Case {
  readonly batch: number;
  readonly size: readonly [number, number];
  readonly channels: number;
  readonly outChannels: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly dilations?: readonly [number, number];
  readonly group?: number;
  readonly weightTerms: number;
  readonly activationTerms: number;
}

/** Normal numbers, so that scales and zero points differ between samples and channels. */
function floats(count: number, seed: number, shift = 0): Float32Array {
  const random = uniformNumbers(seed);
  return Float32Array.from({ length: count }, () => (random() + random() + random() - 1.5 + shift) * 2);
}

/** series.md B1, normative: s, z and q of one sample. */
function quantizeSample(x: Float32Array, bits: number): { scale: number; q: Float64Array } {
  const lo = Math.min(0, ...x);
  const hi = Math.max(0, ...x);
  const scale = fround(fround(hi - lo) / (2 ** bits - 1));
  const inverse = fround(1 / scale);
  const zero = nearestEven(fround(-lo * inverse)) - 2 ** (bits - 1);
  const limit = 2 ** (bits - 1);
  return {
    scale,
    q: Float64Array.from(
      x,
      (v) => Math.min(limit - 1, Math.max(-limit, nearestEven(fround(v * inverse)) + zero)) - zero,
    ),
  };
}

/** The convolution on integers, exact in f64, and its epilogue, one rounding per operation. */
function reference(c: Case, x: Float32Array, w: WeightSeries, bias: Float32Array): Float32Array {
  const {
    batch,
    size,
    channels,
    outChannels,
    kernel,
    strides = [1, 1],
    pads = [0, 0, 0, 0],
    dilations = [1, 1],
    group = 1,
  } = c;
  const fused = fuse(w);
  const out = [0, 1].map(
    (d) => Math.floor((size[d]! + pads[d]! + pads[d + 2]! - dilations[d]! * (kernel[d]! - 1) - 1) / strides[d]!) + 1,
  );
  const perGroup = channels / group;
  const result: number[] = [];
  for (let b = 0; b < batch; b++) {
    const pixels = size[0] * size[1] * channels;
    const { scale, q } = quantizeSample(x.subarray(b * pixels, (b + 1) * pixels), 4 * c.activationTerms);
    for (let oy = 0; oy < out[0]!; oy++) {
      for (let ox = 0; ox < out[1]!; ox++) {
        for (let o = 0; o < outChannels; o++) {
          const first = Math.floor(o / (outChannels / group)) * perGroup;
          let sum = 0;
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const y = oy * strides[0] - pads[0] + ky * dilations[0];
              const xx = ox * strides[1] - pads[1] + kx * dilations[1];
              if (y < 0 || xx < 0 || y >= size[0] || xx >= size[1]) continue;
              for (let i = 0; i < perGroup; i++) {
                sum +=
                  q[(y * size[1] + xx) * channels + first + i]! *
                  fused[((o * kernel[0] + ky) * kernel[1] + kx) * perGroup + i]!;
              }
            }
          }
          result.push(fround(fround(fround(sum) * fround(scale * w.scales[o]!)) + bias[o]!));
        }
      }
    }
  }
  return Float32Array.from(result);
}

async function run(c: Case, change: (w: WeightSeries) => WeightSeries = (w) => w): Promise<void> {
  const { batch, size, channels, outChannels, kernel, group = 1 } = c;
  const x = floats(batch * size[0] * size[1] * channels, 1, 0.2);
  const bias = floats(outChannels, 2);
  const shape = [outChannels, ...kernel, channels / group];
  const tensor = new Tensor(
    "float32",
    floats(
      shape.reduce((a, b) => a * b),
      3,
    ),
    shape,
  );
  const expansion = expandWeights(await coreOf("simd"), tensor, { name: "w", bits: 4, terms: c.weightTerms, axis: 0 });
  const series = change(expansion);
  const expected = reference(c, x, series, bias);
  const plan = { bits: 4, weightTerms: c.weightTerms, activationTerms: c.activationTerms };
  const biasTensor = new Tensor("float32", bias, [outChannels]);
  const spatial = expected.length / batch / outChannels;
  const attributes = {
    strides: c.strides ?? [1, 1],
    pads: c.pads ?? [0, 0, 0, 0],
    dilations: c.dilations ?? [1, 1],
    group,
  };
  const outWidth =
    Math.floor(
      (size[1] + attributes.pads[1]! + attributes.pads[3]! - attributes.dilations[1]! * (kernel[1] - 1) - 1) /
        attributes.strides[1]!,
    ) + 1;
  const graph: SpecializedGraph = {
    nodes: [{ name: "conv", op: "Conv", domain: "bitbasis", inputs: ["x", "w", "b"], outputs: ["y"], attributes }],
    values: new Map([
      ["x", { type: "float32", shape: [batch, ...size, channels] }],
      ["w", { type: "float32", shape }],
      ["b", { type: "float32", shape: [outChannels] }],
      ["y", { type: "float32", shape: [batch, spatial / outWidth, outWidth, outChannels] }],
    ]),
    constants: new Map([["b", biasTensor]]),
    opsets: { "": 17 },
  };
  const planned = { weights: new Map([["w", series]]), layers: new Map([["conv", plan]]) };
  for (const build of ["scalar", "simd"] as const) {
    for (const threads of [1, 3]) {
      const feeds = new Map([["x", new Tensor("float32", x, [batch, ...size, channels])]]);
      const y = (await runGraph(graph, feeds, ["y"], { build, threads, planned })).get("y")!;
      expect(y.data).toEqual(expected);
    }
  }
}

const BASE: Case = {
  batch: 2,
  size: [7, 6],
  channels: 5,
  outChannels: 11,
  kernel: [3, 3],
  pads: [1, 1, 1, 1],
  weightTerms: 3,
  activationTerms: 3,
};

/** What goes to WinogradI16. */
const TILED = { channels: 16, outChannels: 8, weightTerms: 2, activationTerms: 2 } as const;

describe("bitbasis/Conv under a plan is exactly the normative formulas of series.md", () => {
  it.each([
    ["12 by 12 bits", BASE],
    ["8 by 8 bits", { ...BASE, weightTerms: 2, activationTerms: 2 }],
    ["8 by 8 bits in tiles of 4 by 4", { ...BASE, ...TILED, channels: 17, outChannels: 16 }],
    ["such tiles without a border, of odd sizes", { ...BASE, ...TILED, pads: [0, 0, 0, 0], size: [7, 8] }],
    ["4 by 8 bits", { ...BASE, weightTerms: 1, activationTerms: 2 }],
    ["16 by 12 bits, in blocks", { ...BASE, channels: 96, weightTerms: 4 }],
    ["16 by 16 bits, pair by pair", { ...BASE, weightTerms: 4, activationTerms: 4 }],
    ["12 by 12 bits, in blocks", { ...BASE, size: [4, 4], channels: 300, outChannels: 3 }],
    [
      "strides, dilations and uneven pads",
      { ...BASE, size: [11, 9], strides: [2, 3], dilations: [2, 1], pads: [3, 0, 1, 2] },
    ],
    ["groups", { ...BASE, channels: 6, outChannels: 9, group: 3 }],
    ["depthwise", { ...BASE, channels: 13, outChannels: 13, group: 13, weightTerms: 4 }],
    [
      "depthwise that needs blocks",
      {
        ...BASE,
        channels: 3,
        outChannels: 3,
        group: 3,
        kernel: [7, 7],
        pads: [3, 3, 3, 3],
        weightTerms: 4,
        activationTerms: 4,
      },
    ],
    ["a point", { ...BASE, kernel: [1, 1], pads: [0, 0, 0, 0] }],
  ] satisfies [string, Case][])("%s", (_, c) => run(c));

  it("with a zero point per output channel", async () => {
    const zeros = Int32Array.from({ length: 13 }, (_, i) => (i - 6) * 17);
    const shifted = (w: WeightSeries): WeightSeries => ({ ...w, zeros: zeros.slice(0, w.rows), largestSum: 2 ** 30 });
    await run(BASE, shifted);
    const near = (w: WeightSeries): WeightSeries => ({
      ...w,
      zeros: zeros.slice(0, w.rows),
      largestSum: w.largestSum + 9 * 6 * 17,
    });
    await run({ ...BASE, channels: 13, outChannels: 13, group: 13 }, near);
  });

  it("with outliers on the lattice", async () => {
    const sparse = { indices: Uint32Array.from([0, 7, 46, 200]), values: Int16Array.from([4000, -9000, 12345, -1]) };
    await run(BASE, (w) => ({ ...w, sparse, largestSum: 2 ** 30 }));
    // Those that transformed weights have room for, and such as they have not.
    for (const value of [3000, 4000]) {
      const one = { indices: Uint32Array.of(46), values: Int16Array.of(value) };
      const more = (w: WeightSeries) => ({ largestL1: w.largestL1 + value, largestSum: w.largestSum + value });
      await run({ ...BASE, ...TILED }, (w) => ({ ...w, sparse: one, ...more(w) }));
    }
  });
});
