import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Build, Core, completed } from "../../src/core/index.ts";
import {
  dequantize,
  fuse,
  gridWidth,
  type RoundOptions,
  roundingRows,
  roundRows,
  widthOf,
} from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { asExpansion } from "./series.ts";

const cores = new Map<Build, Promise<Core>>();
function coreOf(build: Build): Promise<Core> {
  if (!cores.has(build)) cores.set(build, completed(() => Core.create(build))());
  return cores.get(build)!;
}

const BASE: RoundOptions = { name: "w", axis: 0, bits: 4, width: 7, zeroPoint: true, flips: true, taps: 1, power: 3 };
const tensor = (rows: number, taps: number, channels: number, data: Float32Array): Tensor<"float32"> =>
  new Tensor("float32", data, [rows, taps, channels]);

/** Of every row: w/s and the integers q − z. */
function rowsOf(series: ReturnType<typeof roundRows>): { x: number[]; q: number[] }[] {
  const fused = fuse(series);
  return Array.from(series.scales, (s, r) => {
    const at = r * series.columns;
    const row = Array.from(fused.subarray(at, at + series.columns));
    return { x: row.map((_, e) => series.source.data[at + e]! / s), q: row };
  });
}

describe("rows", () => {
  test("a large weight is rounded in pieces, each row as if it were alone", async () => {
    const core = await coreOf("simd");
    const [rows, columns] = [5, 2 ** 17];
    const data = noise(rows * columns, 3);
    const work = roundingRows(core, tensor(rows, 1, columns, data), BASE);
    let [turns, step] = [0, work.next()];
    for (; step.done !== true; step = work.next()) turns++;
    // Two rows at a time, their scales and their integers, and what is done to all of them.
    expect(turns).toBeGreaterThanOrEqual(6);
    const whole = step.value;
    const fused = fuse(whole);
    for (let r = 0; r < rows; r++) {
      const part = data.slice(r * columns, (r + 1) * columns);
      const one = roundRows(core, tensor(1, 1, columns, part), BASE);
      expect(one.scales[0]).toBe(whole.scales[r]);
      expect(
        Buffer.compare(Buffer.from(fuse(one).buffer), Buffer.from(fused.slice(r * columns, (r + 1) * columns).buffer)),
      ).toBe(0);
    }
  });

  test.each(["scalar", "simd"] as const)(
    "are gathered from any axis, whole and from one to another: %s",
    async (build) => {
      const core = await coreOf(build);
      for (const outer of [1, 2, 4, 7])
        for (const rows of [1, 15, 16, 37, 48])
          for (const inner of [1, 3]) {
            const count = outer * rows * inner;
            const data = noise(count, count);
            const from = core.place(data);
            const to = core.allocate(4 * count);
            for (const [first, end] of [
              [0, rows],
              [Math.min(5, rows), rows],
              [0, Math.max(0, rows - 1)],
            ] as const) {
              core.f32(to, count).fill(-1);
              core.series.seriesRows(from, to, outer, rows, inner, first, end);
              const expected = new Float32Array(count).fill(-1);
              for (let r = first; r < end; r++)
                for (let o = 0; o < outer; o++)
                  for (let i = 0; i < inner; i++)
                    expected[(r * outer + o) * inner + i] = data[(o * rows + r) * inner + i]!;
              expect(core.f32(to, count).slice()).toEqual(expected);
            }
            for (const at of [from, to]) core.release(at);
          }
    },
  );

  test("the scalar build makes the same bits as the SIMD build, at every width, shape and power", async () => {
    const [scalar, simd] = [await coreOf("scalar"), await coreOf("simd")];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 3, max: 16 }),
        fc.record({ zeroPoint: fc.boolean(), flips: fc.boolean(), power: fc.constantFrom<2 | 3>(2, 3) }),
        fc.integer({ min: 1, max: 1e6 }),
        (rows, taps, channels, width, how, seed) => {
          const weights = tensor(rows, taps, channels, noise(rows * taps * channels, seed));
          const options = { ...BASE, ...how, taps, width };
          const [a, b] = [roundRows(scalar, weights, options), roundRows(simd, weights, options)];
          expect({ ...a }).toEqual({ ...b });
          expect(widthOf(a)).toBe(width);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("nothing but the errors changes where nobody asks for them", async () => {
    for (const build of ["scalar", "simd"] as const) {
      const core = await coreOf(build);
      for (const [channels, flips] of [
        [37, true],
        [64, false],
      ] as const) {
        const weights = tensor(5, 3, channels, noise(15 * channels, channels));
        const options = { ...BASE, width: 13, taps: 3, flips };
        const [told, untold] = [
          roundRows(core, weights, options),
          roundRows(core, weights, { ...options, isUnmeasured: true }),
        ];
        for (const key of ["scales", "zeros", "planes", "largestL1", "largestSum"] as const)
          expect(untold[key]).toEqual(told[key]);
        expect([untold.relativeError, untold.bound()]).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
        expect(told.relativeError).toBeGreaterThan(0);
      }
    }
  });

  test("rows along any axis are those of the tensor with that axis first, and so are their grids", async () => {
    const dims = fc.tuple(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 6 }),
    );
    for (const build of ["simd", "scalar"] as const) {
      const core = await coreOf(build);
      fc.assert(
        fc.property(
          dims,
          fc.constantFrom(1, 2),
          fc.integer({ min: 1, max: 1e6 }),
          fc.boolean(),
          (shape, axis, seed, gridded) => {
            const [a, b, c] = shape;
            const data = noise(a * b * c, seed).map((v) => (gridded ? Math.fround(Math.round(50 * v) / 64) : v));
            const moved = axis === 1 ? [b, a, c] : [c, a, b];
            const first = new Float32Array(data.length);
            data.forEach((v, e) => {
              const [i, j, k] = [Math.floor(e / c / b), Math.floor(e / c) % b, e % c];
              first[axis === 1 ? (j * a + i) * c + k : (k * a + i) * b + j] = v;
            });
            const [given, turned] = [new Tensor("float32", data, shape), new Tensor("float32", first, moved)];
            const [one, other] = [roundRows(core, given, { ...BASE, axis }), roundRows(core, turned, BASE)];
            expect(one.scales).toEqual(other.scales);
            expect(one.planes).toEqual(other.planes);
            expect(gridWidth(core, given, axis)).toBe(gridWidth(core, turned, 0));
          },
        ),
        { numRuns: 30 },
      );
    }
  });

  test("no weight is off by more than the bound, nor by more than a step where nothing is clipped", async () => {
    const core = await coreOf("simd");
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 16 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 1e6 }),
        (width, flips, seed) => {
          const weights = tensor(
            3,
            9,
            20,
            noise(540, seed).map((w) => w + 0.3),
          );
          const series = roundRows(core, weights, { ...BASE, width, flips, taps: 9 });
          const values = dequantize(series);
          for (const [e, w] of weights.data.entries()) {
            expect(Math.abs(w - values[e]!)).toBeLessThanOrEqual(series.bound() * (1 + 1e-6) + 1e-6);
            // The quotient w / s and the product q · s are rounded to float32: |q| < 2^(width−1) times 2^−24 each, in steps.
            const rounding = 2 ** (width - 24);
            if (width >= 8)
              expect(Math.abs(w - values[e]!)).toBeLessThanOrEqual(
                series.scales[Math.floor(e / 180)]! * ((flips ? 1 : 0.5) + rounding),
              );
          }
          for (const q of fuse(series)) expect(Math.abs(q)).toBeLessThanOrEqual(32767);
          // A prefix is a coarser network.
          for (let n = 1; n < series.terms; n++) {
            const coarse = asExpansion(series).reconstruct(n).data;
            for (const [e, w] of weights.data.entries())
              expect(Math.abs(w - coarse[e]!)).toBeLessThanOrEqual(series.bound(n) * (1 + 1e-6) + 1e-6);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("flips bring the errors of kernels below one step and of rows to half a step", async () => {
    const core = await coreOf("simd");
    for (const [taps, channels] of [
      [9, 32],
      [1, 300],
      [25, 1],
    ] as const) {
      const weights = tensor(
        8,
        taps,
        channels,
        noise(8 * taps * channels, 5).map((w) => w * w * w),
      );
      const sums = (flips: boolean) =>
        rowsOf(roundRows(core, weights, { ...BASE, width: 8, flips, taps })).map(({ x, q }) => {
          const r = q.map((v, e) => v - x[e]!);
          const kernels = Array.from({ length: channels }, (_, c) =>
            Math.abs(r.reduce((sum, v, e) => (e % channels === c ? sum + v : sum), 0)),
          );
          return {
            row: Math.abs(r.reduce((sum, v) => sum + v, 0)),
            kernel: Math.max(...kernels),
            each: Math.max(...r.map(Math.abs)),
          };
        });
      for (const { row, kernel, each } of sums(true)) {
        expect(row).toBeLessThanOrEqual(0.51);
        if (taps > 1) expect(kernel).toBeLessThan(1.01);
        expect(each).toBeLessThan(1.01);
      }
      if (channels > 1) expect(Math.max(...sums(false).map(({ row }) => row))).toBeGreaterThan(1);
    }
  });

  /** What SQuant makes of a row from −1 to 1 on a lattice of 255 steps, flip by flip. */
  function flippedOneByOne(weights: Float32Array, scale: number, taps: number, channels: number): number[] {
    const f = Math.fround;
    const even = (v: number): number => {
      const low = Math.floor(v);
      return v - low === 0.5 ? low + (low & 1) : Math.round(v);
    };
    const x = Array.from(weights, (w) => w * (1 / scale));
    const low = -even(1 / scale);
    const q = x.map((v) => Math.min(low + 255, Math.max(low, even(v))));
    const left = q.map((v, e) => f(v - x[e]!));
    const flippable = (e: number, g: number): boolean => left[e]! * g > 0 && q[e]! - g >= low && q[e]! - g <= low + 255;
    const flip = (e: number, g: number): void => {
      q[e]! -= g;
      left[e] = f(left[e]! - g);
    };
    const largest = (among: number[], g: number, size: (e: number) => number): number =>
      among.reduce((best, e) => (flippable(e, g) && (best < 0 || size(e) > size(best)) ? e : best), -1);
    const kept = Array.from({ length: channels }, (_, c) => {
      const kernel = Array.from({ length: taps }, (_, t) => t * channels + c);
      const sum = kernel.reduce((sum, e) => f(sum + left[e]!), 0);
      const g = sum < 0 ? -1 : 1;
      const count = Math.min(even(Math.abs(sum)), taps);
      const next = (): number => largest(kernel, g, (e) => Math.abs(left[e]!));
      let last = -1;
      for (let n = 0; n < count; n++) {
        last = next();
        if (last < 0) return last;
        flip(last, g);
      }
      return count > 0 && count >= Math.abs(sum) ? last : next();
    });
    const sum = left.reduce((sum, r) => sum + r, 0);
    const g = sum < 0 ? -1 : 1;
    const bin = (e: number): number => Math.min(255, Math.floor(f(Math.abs(left[e]!) * 256)));
    const chosen = new Set<number>();
    for (let n = even(Math.abs(sum)); n > 0; n--) {
      const e = largest(
        kept.filter((e) => e >= 0 && !chosen.has(e)),
        g,
        bin,
      );
      if (e >= 0) chosen.add(e);
    }
    for (const e of chosen) flip(e, g);
    return q;
  }

  test.each([
    ["more taps than are looked at once for each flip", 5000, 1, 0],
    ["and kernels of a row", 4096, 7, 0],
    ["of which many miss as much as others", 4500, 5, 64],
    ["and none, where few may be flipped", 4097, 2, 2],
    ["fewer taps", 300, 6, 0],
  ])("flips are those of the largest errors, the first of equals: %s", async (_, taps, channels, lattice) => {
    const weights = noise(taps * channels, taps).map((w, e) => {
      const v = Math.abs(w % 1) ** 2;
      // The ends of the lattice, so that a step is 1/127.5; else multiples of a part of it, above the middle of it.
      if (e < 2) return e === 0 ? 1 : -1;
      return lattice === 0
        ? v
        : (Math.floor(v * 60) + Math.floor(v * lattice * 997) / (4 * lattice * 1000) + 0.2) / 127.5;
    });
    for (const build of ["scalar", "simd"] as const) {
      const core = await coreOf(build);
      const how = { ...BASE, width: 8, zeroPoint: false, taps };
      const series = roundRows(core, tensor(1, taps, channels, weights), how);
      const expected = flippedOneByOne(weights, series.scales[0]!, taps, channels);
      expect([...fuse(series)].map((q, e) => q - expected[e]!).filter((d) => d !== 0)).toEqual([]);
      // They are not those of rounding alone.
      expect(fuse(roundRows(core, tensor(1, taps, channels, weights), { ...how, flips: false }))).not.toEqual(
        fuse(series),
      );
    }
  });

  test("at few bits the searched scale errs less than the whole range, and a zero point less than none", async () => {
    const core = await coreOf("simd");
    const weights = tensor(
      4,
      1,
      512,
      noise(2048, 9).map((w) => w ** 5 + 0.02),
    );
    const error = (how: Partial<RoundOptions>) =>
      roundRows(core, weights, { ...BASE, flips: false, power: 2, ...how }).relativeError;
    const whole = (width: number) => {
      let [missed, energy] = [0, 0];
      for (let r = 0; r < 4; r++) {
        const row = weights.data.subarray(r * 512, (r + 1) * 512);
        const [low, high] = [Math.min(0, ...row), Math.max(0, ...row)];
        const s = (high - low) / (2 ** width - 1);
        const z = Math.round(-low / s);
        for (const w of row) {
          missed += (w - s * (Math.min(Math.max(Math.round(w / s) + z, 0), 2 ** width - 1) - z)) ** 2;
          energy += w * w;
        }
      }
      return Math.sqrt(missed / energy);
    };
    for (const width of [3, 4, 5]) expect(error({ width })).toBeLessThan(whole(width));
    const shifted = tensor(
      4,
      1,
      512,
      noise(2048, 9).map((w) => w + 0.9),
    );
    const shiftedError = (zeroPoint: boolean) =>
      roundRows(core, shifted, { ...BASE, width: 5, zeroPoint, flips: false }).relativeError;
    expect(shiftedError(true)).toBeLessThan(0.7 * shiftedError(false));
  });

  test.each([
    ["int8", -127, 127, 8],
    ["int8 with −128", -128, 127, 8],
    ["uint8 with a zero point", -3, 252, 8],
    ["int4", -8, 7, 4],
    ["ternary", -1, 1, 3],
  ])("weights on a grid keep it: %s", async (_, low, high, bits) => {
    const core = await coreOf("simd");
    const scales = [0.0123, 3e-7, 41.7];
    const numbers = noise(3 * 64, 4);
    const data = Float32Array.from(numbers, (w, i) => {
      const k = i % 64 === 0 ? low : i % 64 === 1 ? high : Math.round(((w + 1) / 2) * (high - low)) + low;
      return Math.fround(scales[Math.floor(i / 64)]!) * Math.min(Math.max(k, low), high);
    });
    const weights = tensor(3, 1, 64, data);
    expect(gridWidth(core, weights, 0)).toBe(bits);
    for (const width of [bits, 12, 16]) {
      const series = roundRows(core, weights, { ...BASE, width });
      expect(series.relativeError).toBeLessThan(1e-6);
      // The first digits say as much as they can.
      if (series.terms > 1) expect(series.bound(1)).toBeLessThanOrEqual(41.7 * 18.5);
    }
  });

  test("other weights lie on no grid, and rows of zeros or one number on any", async () => {
    const core = await coreOf("simd");
    expect(gridWidth(core, tensor(2, 1, 40, noise(80, 3)), 0)).toBeUndefined();
    const flat = tensor(2, 1, 4, Float32Array.of(0, 0, 0, 0, 0.7, 0.7, 0.7, 0.7));
    expect(gridWidth(core, flat, 0)).toBe(3);
    expect(Array.from(dequantize(roundRows(core, flat, BASE)))).toEqual(Array.from(flat.data));
  });

  test("NaN is refused with its place", async () => {
    const core = await coreOf("simd");
    const weights = tensor(1, 1, 3, Float32Array.of(1, Number.NaN, 2));
    expect(() => roundRows(core, weights, BASE)).toThrow(/weights "w" \[1,1,3\] hold NaN at element 1/);
  });
});
