import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Activation, ConvStep, PackRightStep, QuantizeStep } from "../../src/core/abi/conv.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import {
  FLAT,
  type FloatMatrices,
  f32Bits,
  layerOf,
  lendTerms,
  packFloats,
  pairsPerBlock,
  type Step,
  step,
} from "../../src/core/index.ts";
import { BUILDS, dirty, NO_BORDER, NO_RANGE, newCore, runAll } from "./harness.ts";
import { bitsOf, canonical, random } from "./layer.ts";
import { quantizeReference } from "./reference.ts";

const f = Math.fround;

/** [batch, M, K] × [batch, K, N] of two activations; the right one transposed in memory when asked for. */
async function matmul(
  build: (typeof BUILDS)[number],
  threads: number,
  left: Float32Array,
  right: Float32Array,
  [batch, m, k, n]: readonly [number, number, number, number],
  bits: number,
  transposed: boolean,
  slices = 1,
): Promise<Float32Array> {
  const core = await newCore(build);
  const rows = batch * m;
  const wide = Math.ceil(n / 8) * 8;
  const input = core.place(left);
  const kernel = bits > 0 ? Opcode.ConvI16 : Opcode.ConvF32;
  const pixelStride = core.exports.pixelStride(kernel, 1, k);
  const steps: Step[] = [];
  let source = input;
  let parameters = 0;
  const scales = dirty(core, batch * wide * 4);
  const columnSums = dirty(core, batch * wide * 4);
  const panelBytes = core.exports.panelBytes(kernel, 1, n, 1, k);
  const panels = dirty(core, batch * panelBytes);
  const pack = {
    input: core.place(right),
    output: panels,
    scales,
    columnSums,
    partials: 0,
    batch,
    rows: k,
    columns: n,
    transposed: transposed ? 1 : 0,
    slots: threads,
    bits,
  };
  if (bits > 0) {
    source = dirty(core, rows * pixelStride);
    parameters = dirty(core, rows * 16);
    const common = {
      input,
      output: source,
      partials: dirty(core, threads * rows * 16),
      parameters,
      samples: rows,
      rowsPerSample: 1,
      channels: k,
      groups: 1,
      pixelStride,
      groupStride: 0,
      bits,
      mask: 0,
      maskChannels: k,
      slots: threads,
      ...NO_BORDER,
      ...NO_RANGE,
    };
    const partials = dirty(core, threads * batch * 16);
    steps.push(
      step(Opcode.Range, QuantizeStep, common),
      step(Opcode.Quantize, QuantizeStep, common),
      step(Opcode.Range, QuantizeStep, {
        ...common,
        input: pack.input,
        partials,
        samples: batch,
        rowsPerSample: k,
        channels: n,
      }),
      step(Opcode.PackRight, PackRightStep, { ...pack, partials }),
    );
  } else {
    steps.push(step(Opcode.PackF32, PackRightStep, pack));
  }
  const scratchBytes = core.exports.scratchBytes(kernel, 1, 1, k, m);
  const output = dirty(core, rows * n * 4);
  steps.push(
    step(kernel, ConvStep, {
      input: source,
      output,
      weights: panels,
      bias: 0,
      scales,
      columnSums,
      parameters,
      rowsPerParameter: 1,
      mask: 0,
      batch,
      ...FLAT,
      inHeight: 1,
      inWidth: m,
      outHeight: 1,
      outWidth: m,
      kernelHeight: 1,
      kernelWidth: 1,
      strideHeight: 1,
      strideWidth: 1,
      dilationHeight: 1,
      dilationWidth: 1,
      padTop: 0,
      padLeft: 0,
      groups: 1,
      channels: k,
      outChannels: n,
      batchStride: m * pixelStride,
      pixelStride,
      groupStride: 0,
      outBatchStride: m * n * 4,
      outRowStride: m * n * 4,
      outPixelStride: n * 4,
      weightsBatchStride: panelBytes,
      scalesBatchStride: wide,
      panelStride: 0,
      exactInInt32: 0,
      pairsPerBlock: pairsPerBlock(2 ** bits - 1, 2 ** (bits - 1)),
      turns: 0,
      activation: Activation.None,
      activationMin: f32Bits(0),
      activationMax: f32Bits(0),
      factor: f32Bits(1),
      shift: f32Bits(-0),
      addend: 0,
      addendMin: 0,
      addendMax: 0,
      handsOver: 0,
      scratch: dirty(core, scratchBytes * threads),
      scratchBytes,
      slots: threads,
    }),
  );
  runAll(core, steps, threads, slices);
  return core.f32(output, rows * n).slice();
}

function expected(
  left: Float32Array,
  right: Float32Array,
  [batch, m, k, n]: readonly [number, number, number, number],
  bits: number,
  transposed: boolean,
): Float32Array {
  const out = new Float32Array(batch * m * n);
  for (let b = 0; b < batch; b++) {
    const matrix = right.subarray(b * k * n, (b + 1) * k * n);
    const r = quantizeReference(matrix, Math.max(bits, 2));
    for (let i = 0; i < m; i++) {
      const row = left.subarray((b * m + i) * k, (b * m + i + 1) * k);
      const l = quantizeReference(row, Math.max(bits, 2));
      for (let j = 0; j < n; j++) {
        let sum = bits > 0 ? 0 : -0;
        let bad = l.nonFinite;
        for (let c = 0; c < k; c++) {
          const at = transposed ? j * k + c : c * n + j;
          bad ||= !Number.isFinite(matrix[at]);
          if (bits > 0) sum += (l.q[c]! - l.zero) * (r.q[at]! - r.zero);
          else sum = f(sum + f(row[c]! * matrix[at]!));
        }
        const scaled = f(f(sum) * f(l.scale * r.scale));
        out[(b * m + i) * n + j] = bits === 0 ? sum : bad ? Number.NaN : scaled;
      }
    }
  }
  return out;
}

describe("MatMul of two activations", () => {
  it("PackRight and PackF32 with either order equal the reference", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: 40 }),
          fc.integer({ min: 1, max: 40 }),
        ),
        fc.constantFrom(0, 2, 8, 12, 15),
        fc.boolean(),
        fc.integer(),
        fc.boolean(),
        async (sizes, bits, transposed, seed, broken) => {
          const [batch, m, k, n] = sizes;
          const next = random(seed);
          const left = Float32Array.from({ length: batch * m * k }, () => next() * 4 - 1);
          const right = Float32Array.from({ length: batch * k * n }, () => next() * 3 - 2);
          if (broken) right[Math.floor(next() * right.length)] = Number.NaN;
          const want = canonical(expected(left, right, sizes, bits, transposed));
          for (const build of BUILDS) {
            for (const threads of [1, 3]) {
              const got = await matmul(build, threads, left, right, sizes, bits, transposed);
              expect(bits > 0 ? bitsOf(got) : canonical(got)).toEqual(want);
            }
            const sliced = await matmul(build, 1, left, right, sizes, bits, transposed, 7);
            expect(bits > 0 ? bitsOf(sliced) : canonical(sliced)).toEqual(want);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is 0 where the right matrix is constant zero", async () => {
    const got = await matmul("simd", 1, Float32Array.of(1, 2, 3, 4), new Float32Array(6), [1, 2, 2, 3], 12, false);
    expect([...got]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

/** Packs digits of `bits` bits little-endian within bytes. */
function packDigits(digits: readonly number[], bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((digits.length * bits) / 8));
  digits.forEach((d, i) => {
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      if ((d >> bit) & 1) bytes[at >> 3]! |= 1 << (at & 7);
    }
  });
  return bytes;
}

/** Where element `e` of row `row` is looked for by the integer kernels, in i16 units: the layout, written down a second time. */
function placeOf(
  depthwise: boolean,
  [rows, taps, channels]: readonly [number, number, number],
  row: number,
  e: number,
): number {
  if (depthwise) return (((row >> 3) * Math.ceil(taps / 2) + (e >> 1)) * 8 + (row & 7)) * 2 + (e & 1);
  const [group, r, t, c] = [Math.floor(row / rows), row % rows, Math.floor(e / channels), e % channels];
  const panel = group * Math.ceil(rows / 8) + (r >> 3);
  return (((panel * taps + t) * Math.ceil(channels / 2) + (c >> 1)) * 8 + (r & 7)) * 2 + (c & 1);
}

describe("fused weights", () => {
  it("sums planes of any width, zero points and outliers into panels and column sums", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 18 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        fc.boolean(),
        fc.integer(),
        async (bits, groups, rows, taps, channels, unsigned, depthwise, seed) => {
          if (depthwise) [groups, rows, channels] = [groups * rows, 1, 1];
          const next = random(seed);
          const low = unsigned ? 0 : -(2 ** (bits - 1));
          const [total, columns] = [groups * rows, taps * channels];
          const count = total * columns;
          const planes = [64, 1].map(() => Array.from({ length: count }, () => low + Math.floor(next() * 2 ** bits)));
          const zeros = Int32Array.from({ length: total }, () => Math.floor(next() * 300) - 150);
          const indices = Uint32Array.from({ length: count }, (_, i) => i).filter(() => next() < 0.1);
          const values = Int16Array.from(indices, () => Math.floor(next() * 9000) - 4500);
          const kernel = depthwise ? Opcode.DepthwiseI16 : Opcode.ConvI16;
          const layer = layerOf({ kernel, groups, rows, taps, channels });
          const integers = Int16Array.from({ length: count }, (_, i) => 64 * planes[0]![i]! + planes[1]![i]!);
          for (let i = 0; i < count; i++) integers[i] = integers[i]! - zeros[Math.floor(i / columns)]!;
          indices.forEach((at, i) => {
            integers[at] = integers[at]! + values[i]!;
          });
          for (const build of BUILDS) {
            const core = await newCore(build);
            const { exports } = core;
            const bytes = exports.panelBytes(...layer);
            const panels = dirty(core, bytes);
            const sums = dirty(core, total * 4);
            core.u8(panels, bytes).fill(0);
            core.i32(sums, total).fill(0);
            const fence = core.place(new Uint8Array(64).fill(9));
            const target = [...layer, panels, sums] as const;
            const terms = planes.map((digits, i) => ({
              ...{ plane: packDigits(digits, bits), bits, unsigned, weight: i === 0 ? 64 : 1 },
            }));
            // All at once, or one after the other.
            const parts = seed & 1 ? [terms] : terms.map((term) => [term]);
            parts.forEach((part, i) => {
              const zero = i === 0 ? core.place(zeros) : 0;
              lendTerms(core, part, (at, of) => exports.addTerms(...target, at, of, zero));
            });
            exports.addOutliers(...target, core.place(indices), core.place(values), indices.length);
            const want = new Int16Array(bytes / 2);
            const totals = new Int32Array(total);
            integers.forEach((value, i) => {
              const row = Math.floor(i / columns);
              want[placeOf(depthwise, [rows, taps, channels], row, i % columns)] = value;
              totals[row] = totals[row]! + value;
            });
            expect(core.i16(panels, bytes / 2).slice()).toEqual(want);
            expect(core.i32(sums, total).slice()).toEqual(totals);
            expect(core.u8(fence, 64).every((b) => b === 9)).toBe(true);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});

describe("load-time packing of f32 weights", () => {
  it("lays out OHWI, [K, N] and depthwise weights", async () => {
    for (const build of BUILDS) {
      const core = await newCore(build);
      const pack = (
        layer: ReturnType<typeof layerOf>,
        matrices: FloatMatrices,
        weights: Float32Array,
      ): Float32Array => {
        const bytes = core.exports.panelBytes(...layer);
        const [at, from] = [dirty(core, bytes), core.place(weights)];
        packFloats(core, matrices, from, at);
        const whole = core.f32(at, bytes / 4).slice();
        // As in pieces, in any number of them.
        for (const parts of [2, 3, 7]) {
          core.u8(at, bytes).fill(0xa5);
          for (let part = 0; part < parts; part++) packFloats(core, matrices, from, at, part, parts);
          expect(core.f32(at, bytes / 4)).toEqual(whole);
        }
        return whole;
      };
      const conv = { kernel: Opcode.ConvF32, groups: 2, rows: 9, taps: 2, channels: 3 } as const;
      const ohwi = Float32Array.from({ length: 2 * 9 * 2 * 3 }, (_, i) => i + 1);
      const packed = pack(layerOf(conv), { batch: 2, rows: 6, columns: 9, transposed: true }, ohwi);
      expect(packed.length).toBe(2 * 16 * 6);
      for (let row = 0; row < 2 * 16; row++) {
        for (let k = 0; k < 6; k++) {
          const [g, r] = [row >> 4, row & 15];
          expect(packed[((g * 2 + (r >> 3)) * 6 + k) * 8 + (r & 7)]).toBe(r < 9 ? ohwi[(g * 9 + r) * 6 + k] : 0);
        }
      }
      const matrix = Float32Array.from({ length: 5 * 11 }, (_, i) => i + 1);
      const product = { kernel: Opcode.ConvF32, groups: 1, rows: 11, taps: 1, channels: 5 } as const;
      const columns = pack(layerOf(product), { batch: 1, rows: 5, columns: 11, transposed: false }, matrix);
      for (let n = 0; n < 16; n++) {
        for (let k = 0; k < 5; k++)
          expect(columns[((n >> 3) * 5 + k) * 8 + (n & 7)]).toBe(n < 11 ? matrix[k * 11 + n] : 0);
      }
      const taps = Float32Array.from({ length: 9 * 4 }, (_, i) => i + 1);
      const wide = { kernel: Opcode.DepthwiseF32, groups: 9, rows: 1, taps: 4, channels: 1 } as const;
      const depthwise = pack(layerOf(wide), { batch: 1, rows: 4, columns: 9, transposed: true }, taps);
      for (let c = 0; c < 16; c++) {
        for (let t = 0; t < 4; t++)
          expect(depthwise[((c >> 3) * 4 + t) * 8 + (c & 7)]).toBe(c < 9 ? taps[c * 4 + t] : 0);
      }
    }
  });

  it("puts into panels of int8 what panels of int16 hold, and says whether it fits", async () => {
    for (const build of BUILDS) {
      const core = await newCore(build);
      for (const [bits, channels] of [3, 4].flatMap((bits) =>
        [8, 11, 24].map((channels) => [bits, channels] as const),
      )) {
        for (const zero of [0, 5, 90]) {
          const next = random(bits * channels + zero);
          const digits = Array.from(
            { length: 9 * 2 * channels },
            () => Math.floor(next() * 2 ** bits) - 2 ** (bits - 1),
          );
          const terms = [{ plane: packDigits(digits, bits), bits, unsigned: false, weight: 8 }];
          const zeros = core.place(new Int32Array(9).fill(zero));
          const panels = ([Opcode.ConvI8, Opcode.ConvI16] as const).map((kernel) => {
            const layer = layerOf({ kernel, groups: 1, rows: 9, taps: 2, channels });
            const bytes = core.exports.panelBytes(...layer);
            const [at, sums] = [core.place(new Uint8Array(bytes)), core.place(new Int32Array(16))];
            let fits: number | undefined;
            lendTerms(core, terms, (of, count) => {
              fits = core.exports.addTerms(...layer, at, sums, of, count, zeros);
            });
            const values =
              kernel === Opcode.ConvI8 ? new Int8Array(core.memory.buffer, at, bytes) : core.i16(at, bytes / 2);
            return { fits, values: [...values], sums: [...core.i32(sums, 16)] };
          });
          const [narrow, wide] = panels;
          const fits = wide!.values.every((v) => v >= -128 && v <= 127);
          expect(narrow!.fits).toBe(fits ? 1 : 0);
          expect(narrow!.sums).toEqual(wide!.sums);
          if (fits) expect(narrow!.values).toEqual(wide!.values);
          expect(fits).toBe(zero < 90 || bits < 4);
        }
      }
    }
  });
});
