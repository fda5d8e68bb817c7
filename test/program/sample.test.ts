import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { agreed, close, tensor } from "./agree.ts";
import { runOperator } from "./harness.ts";

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Element of a dense tensor. */
function at(t: Tensor, ...index: readonly number[]): number {
  return Number(t.data[index.reduce((sum, v, axis) => sum * t.dims[axis]! + v, 0)]);
}

function coordinates(i: number, shape: readonly number[]): number[] {
  return shape.map((extent, axis) => Math.floor(i / size(shape.slice(axis + 1))) % extent);
}

/** A whole coordinate under a padding mode; −1: nothing is there. */
function padded(v: number, extent: number, mode: string, aligned: boolean): number {
  if (mode === "zeros") return v >= 0 && v < extent ? v : -1;
  if (mode === "border") return Math.min(Math.max(v, 0), extent - 1);
  if (aligned && extent === 1) return 0;
  const period = aligned ? 2 * (extent - 1) : 2 * extent;
  const place = ((v % period) + period) % period;
  return place < extent ? place : aligned ? period - place : period - 1 - place;
}

function weights(mode: string, x: number): [number, number][] {
  const first = Math.floor(x);
  const t = x - first;
  // halves go to the even neighbour
  if (mode === "nearest") return [[t === 0.5 ? first + (first % 2 === 0 ? 0 : 1) : Math.round(x), 1]];
  if (mode === "linear") return [[first, 1 - t], [first + 1, t]]; // biome-ignore format: a table
  const keys = (d: number): number => (d <= 1 ? (1.25 * d - 2.25) * d * d + 1 : ((-0.75 * d + 3.75) * d - 6) * d + 3);
  return [-1, 0, 1, 2].map((j) => [first + j, keys(Math.abs(t - j))]);
}

/** Σ of weights times pixels of one channel around a place, one coordinate per axis. */
function sampled(pixel: (index: number[]) => number, taps: [number, number][][]): number {
  const walk = (index: number[], axis: number): number => {
    if (axis === taps.length) return pixel(index);
    return taps[axis]!.reduce((sum, [i, w]) => (i < 0 ? sum : sum + w * walk([...index, i], axis + 1)), 0);
  };
  return walk([], 0);
}

describe("sampling at computed places", () => {
  test("GridSample over two and three axes, every mode and padding, far outside too", async () => {
    const cases = fc.record({
      extents: fc.array(fc.constantFrom(1, 2, 3, 5), { minLength: 2, maxLength: 3 }),
      channels: fc.constantFrom(1, 3, 4, 9),
      mode: fc.constantFrom("nearest", "linear", "cubic"),
      padding: fc.constantFrom("zeros", "border", "reflection"),
      aligned: fc.boolean(),
      seed: fc.nat(999),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ extents, channels, padding, aligned, seed, ...c }) => {
        const mode = c.mode === "cubic" && extents.length === 3 ? "linear" : c.mode;
        const x = tensor(seed, [2, channels, ...extents], false);
        const points = extents.map(() => 3);
        // eighths, so that float32 has the coordinates exactly
        const grid = tensor(seed + 1, [2, ...points, extents.length], false);
        const coarse = Float32Array.from(grid.data as Float32Array, (v) => Math.round(v * 4) / 8);
        const places = new Tensor("float32", coarse, grid.dims);
        const shape = [2, channels, ...points];
        const expected = Array.from({ length: size(shape) }, (_, i) => {
          const [n, channel, ...point] = coordinates(i, shape) as [number, number, ...number[]];
          const taps = extents.map((extent, axis) => {
            const g = at(places, n, ...point, extents.length - 1 - axis);
            const v = aligned ? ((g + 1) * (extent - 1)) / 2 : ((g + 1) * extent - 1) / 2;
            return weights(mode, v).map(([j, w]): [number, number] => [padded(j, extent, padding, aligned), w]);
          });
          return sampled((index) => at(x, n, channel, ...index), taps);
        });
        const attributes = { mode, padding_mode: padding, align_corners: aligned ? 1 : 0 };
        const outputs = [{ type: "float32", shape }] as const;
        const [y] = await agreed({ op: "GridSample", attributes, inputs: [x, places], outputs });
        close(y!.data as Float32Array, expected, 1e-4);
      }),
      { numRuns: 30 },
    );
  });

  test("GridSample where the grid is no number: nothing under zeros, and nothing outside is read", async () => {
    const x = tensor(1, [1, 1, 2, 2], false);
    const grid = new Tensor("float32", [NaN, 0, 3e38, -3e38, Infinity, 0, 0, 0], [1, 1, 4, 2]);
    const outputs = [{ type: "float32", shape: [1, 1, 1, 4] }] as const;
    for (const padding_mode of ["zeros", "border", "reflection"]) {
      const [y] = await agreed({ op: "GridSample", attributes: { padding_mode }, inputs: [x, grid], outputs });
      const mean = (x.data as Float32Array).reduce((s, v) => s + v / 4, 0);
      close([y!.data[3] as number], [mean], 1e-6);
      if (padding_mode === "zeros") expect([...(y!.data as Float32Array)].slice(0, 3)).toEqual([0, 0, 0]);
    }
  });

  test("RoiAlign: averages of bilinear points, and regions of any size end", async () => {
    const x = tensor(3, [2, 5, 6, 7], false);
    const regions = new Tensor("float32", [1, 1, 5, 4, 0.3, 2.2, 3.9, 2.9, -8, -9, 20, 30, 4, 4, 1, 1], [4, 4]);
    const indices = new Tensor("int64", [0, 1, 1, 0].map(BigInt), [4]);
    const outputs = [{ type: "float32", shape: [4, 5, 2, 3] }] as const;
    const common = { op: "RoiAlign", inputs: [x, regions, indices], outputs } as const;
    for (const sampling_ratio of [0, 2]) {
      const expected = Array.from({ length: size(outputs[0].shape) }, (_, i) => {
        const [r, c, by, bx] = coordinates(i, outputs[0].shape) as [number, number, number, number];
        const [left, top, right, bottom] = [0, 1, 2, 3].map((j) => at(regions, r, j) - 0.5) as [
          number,
          number,
          number,
          number,
        ];
        const [h, w] = [(bottom - top) / 2, (right - left) / 3];
        const [rows, columns] = sampling_ratio > 0 ? [2, 2] : [Math.ceil(h), Math.ceil(w)];
        let sum = 0;
        for (let j = 0; j < rows; j++) {
          for (let k = 0; k < columns; k++) {
            const [y, z] = [top + by * h + ((j + 0.5) * h) / rows, left + bx * w + ((k + 0.5) * w) / columns];
            if (y < -1 || y > 6 || z < -1 || z > 7) continue;
            const place = (v: number, extent: number): [number, number][] =>
              weights("linear", Math.min(Math.max(v, 0), extent - 1)).map(([t, q]) => [Math.min(t, extent - 1), q]);
            sum += sampled((index) => at(x, Number(indices.data[r]), c, ...index), [place(y, 6), place(z, 7)]);
          }
        }
        return sum / Math.max(rows * columns, 1);
      });
      const [y] = await agreed({ ...common, attributes: { output_height: 2, output_width: 3, sampling_ratio } });
      close(y!.data as Float32Array, expected, 1e-4);
    }
    const attributes = {
      output_height: 2,
      output_width: 3,
      coordinate_transformation_mode: "output_half_pixel",
      mode: "max",
    };
    const huge = new Tensor(
      "float32",
      [-3e38, -1e30, 3e38, 1e30, NaN, 0, Infinity, 1, 0, 0, 1e9, 1e9, 0, 0, 5, 5],
      [4, 4],
    );
    const [y] = await agreed({ ...common, inputs: [x, huge, indices], attributes });
    expect(y!.size).toBe(120);
    const wrong = new Tensor("int64", [0n, 2n, 0n, 0n], [4]);
    await expect(runOperator({ ...common, inputs: [x, regions, wrong], attributes })).rejects.toThrow(RangeError);
  });

  test("MaxRoiPool: the largest pixel of every bin, 0 where a bin is empty", async () => {
    const x = tensor(4, [1, 3, 6, 6], false);
    const regions = new Tensor("float32", [0, 1, 1, 4, 5, 0, 9, 9, 12, 12], [2, 5]);
    const outputs = [{ type: "float32", shape: [2, 3, 2, 2] }] as const;
    const expected = Array.from({ length: 24 }, (_, i) => {
      const [r, c, by, bx] = coordinates(i, [2, 3, 2, 2]) as [number, number, number, number];
      if (r === 1) return 0;
      // 5 rows and 4 columns in two bins each, which overlap where a half is cut
      let largest = -Infinity;
      for (let y = by === 0 ? 1 : 3; y < (by === 0 ? 4 : 6); y++) {
        for (let z = bx === 0 ? 1 : 3; z < (bx === 0 ? 3 : 5); z++) largest = Math.max(largest, at(x, 0, c, y, z));
      }
      return largest;
    });
    const common = { op: "MaxRoiPool", attributes: { pooled_shape: [2, 2] }, outputs } as const;
    const [y] = await agreed({ ...common, inputs: [x, regions] });
    expect([...(y!.data as Float32Array)]).toEqual(expected);
    for (const index of [-1, 1, NaN]) {
      const wrong = new Tensor("float32", Float32Array.from(regions.data as Float32Array).with(0, index), [2, 5]);
      await expect(runOperator({ ...common, inputs: [x, wrong] })).rejects.toThrow(RangeError);
    }
  });

  test("DeformConv: groups, groups of offsets, mask and bias", async () => {
    const [x, w] = [tensor(5, [2, 4, 5, 4], false), tensor(6, [6, 2, 2, 3], false)];
    const out = [3, 3] as const;
    const offsets = tensor(7, [2, 2 * 4 * 6, ...out], false);
    const [bias, mask] = [tensor(8, [6], false), tensor(9, [2, 4 * 6, ...out], false)];
    const shape = [2, 6, ...out];
    const attributes = { group: 2, offset_group: 4, strides: [2, 1], dilations: [1, 1], pads: [1, 1, 1, 0] };
    const expected = Array.from({ length: size(shape) }, (_, i) => {
      const [n, o, oy, ox] = coordinates(i, shape) as [number, number, number, number];
      let sum = at(bias, o);
      for (let c = 0; c < 2; c++) {
        const channel = Math.floor(o / 3) * 2 + c;
        for (let tap = 0; tap < 6; tap++) {
          const row = channel * 6 + tap;
          const y = oy * 2 - 1 + Math.floor(tap / 3) + at(offsets, n, 2 * row, oy, ox);
          const z = ox - 1 + (tap % 3) + at(offsets, n, 2 * row + 1, oy, ox);
          const taps = [weights("linear", y).map(([j, q]) => [padded(j, 5, "zeros", false), q] as [number, number])];
          taps.push(weights("linear", z).map(([j, q]) => [padded(j, 4, "zeros", false), q]));
          const value = sampled((index) => at(x, n, channel, ...index), taps) * at(mask, n, row, oy, ox);
          sum += value * at(w, o, c, Math.floor(tap / 3), tap % 3);
        }
      }
      return sum;
    });
    const outputs = [{ type: "float32", shape }] as const;
    const [y] = await agreed({ op: "DeformConv", attributes, inputs: [x, w, offsets, bias, mask], outputs });
    close(y!.data as Float32Array, expected, 1e-4);
  });

  test("Col2Im adds up what overlaps, over three axes", async () => {
    const image = [3, 4, 5];
    const block = [2, 3, 2];
    const [strides, dilations, pads] = [
      [1, 2, 1],
      [1, 1, 2],
      [0, 1, 1, 1, 0, 1],
    ];
    const counts = image.map(
      (d, i) => Math.floor((d + pads[i]! + pads[i + 3]! - dilations[i]! * (block[i]! - 1) - 1) / strides[i]!) + 1,
    );
    const x = tensor(10, [2, 3 * size(block), size(counts)], false);
    const expected = new Array<number>(2 * 3 * size(image)).fill(0);
    for (let map = 0; map < 6; map++) {
      for (let tap = 0; tap < size(block); tap++) {
        for (let b = 0; b < size(counts); b++) {
          const [k, o] = [coordinates(tap, block), coordinates(b, counts)];
          const place = image.map((_, i) => o[i]! * strides[i]! - pads[i]! + k[i]! * dilations[i]!);
          if (place.some((v, i) => v < 0 || v >= image[i]!)) continue;
          const to = place.reduce((sum, v, i) => sum * image[i]! + v, map);
          expected[to] = expected[to]! + Number(x.data[(map * size(block) + tap) * size(counts) + b]);
        }
      }
    }
    const sizes = [image, block].map((list) => new Tensor("int64", list.map(BigInt), [3]));
    const outputs = [{ type: "float32", shape: [2, 3, ...image] }] as const;
    const inputs = [x, ...sizes];
    const [y] = await agreed({
      op: "Col2Im",
      attributes: { strides, dilations, pads },
      inputs,
      constants: [1, 2],
      outputs,
    });
    close(y!.data as Float32Array, expected, 1e-5);
  });

  test("Det: any size, singular matrices, and the empty one", async () => {
    const minors = (m: number[][]): number =>
      m.length === 0
        ? 1
        : m[0]!.reduce(
            (sum, v, j) => sum + (j % 2 === 0 ? v : -v) * minors(m.slice(1).map((row) => row.toSpliced(j, 1))),
            0,
          );
    for (const n of [0, 1, 2, 5]) {
      const x = tensor(n + 11, [3, n, n], false);
      const data = x.data as Float32Array;
      // two equal rows
      if (n === 5) data.copyWithin(5, 0, 5);
      const expected = [0, 1, 2].map((i) => {
        const rows = Array.from({ length: n }, (_, r) => [...data.subarray((i * n + r) * n, (i * n + r + 1) * n)]);
        return minors(rows);
      });
      const [y] = await agreed({ op: "Det", inputs: [x], outputs: [{ type: "float32", shape: [3] }] });
      close(y!.data as Float32Array, expected, 1e-5);
    }
  });
});
