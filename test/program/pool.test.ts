import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { agreed, close, tensor } from "./agree.ts";

const window = fc
  .record({
    extents: fc.array(fc.constantFrom(1, 3, 5, 8), { minLength: 1, maxLength: 3 }),
    channels: fc.constantFrom(1, 3, 4, 9),
    kernel: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2)),
    strides: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
    dilations: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 1), fc.constantFrom(1, 2)),
    before: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)),
    after: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)),
    ceil: fc.boolean(),
    seed: fc.nat(999),
  })
  .map((w) => {
    const rank = w.extents.length;
    const cut = (list: readonly number[]): number[] => list.slice(0, rank);
    const [kernel, strides, dilations] = [cut(w.kernel), cut(w.strides), cut(w.dilations)];
    const [before, after] = [cut(w.before), cut(w.after)];
    const out = w.extents.map((e, i) => {
      const room = e + before[i]! + after[i]! - (kernel[i]! - 1) * dilations[i]! - 1;
      const n = Math.floor(room / strides[i]!) + 1;
      // a window that would start in the right padding is left out
      return w.ceil && room % strides[i]! !== 0 && n * strides[i]! < e + before[i]! ? n + 1 : n;
    });
    return { ...w, kernel, strides, dilations, before, after, out };
  })
  // pads are less than the kernel
  .filter((w) => w.out.every((n, i) => n > 0 && Math.max(w.before[i]!, w.after[i]!) < w.kernel[i]!));

/** Lengths along the axes of space. */
type Window = Readonly<Record<"extents" | "kernel" | "strides" | "dilations" | "before" | "after" | "out", number[]>>;

/** Coordinates of element `i` of a dense shape. */
function coordinates(i: number, shape: readonly number[]): number[] {
  return shape.map((extent, axis) => Math.floor(i / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % extent);
}

/** Of output pixel `pixel`: the input pixels under its taps, and how many taps lie in the input or its padding. */
function under(w: Window, pixel: number): { inside: number[]; counted: number } {
  const at = coordinates(pixel, w.out);
  const inside: number[] = [];
  let counted = 0;
  for (let tap = 0; tap < w.kernel.reduce((a, b) => a * b, 1); tap++) {
    const k = coordinates(tap, w.kernel);
    const x = at.map((o, i) => o * w.strides[i]! - w.before[i]! + k[i]! * w.dilations[i]!);
    if (x.every((v, i) => v < w.extents[i]! + w.after[i]!)) counted++;
    if (x.every((v, i) => v >= 0 && v < w.extents[i]!))
      inside.push(x.reduce((sum, v, i) => sum * w.extents[i]! + v, 0));
  }
  return { inside, counted };
}

function attributesOf(w: Window): Record<string, number | readonly number[]> {
  return { kernel_shape: w.kernel, strides: w.strides, dilations: w.dilations, pads: [...w.before, ...w.after] };
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

describe("pooling, channels last", () => {
  test("MaxPool, AveragePool and LpPool over one to three axes against their definitions", async () => {
    await fc.assert(
      fc.asyncProperty(window, fc.nat(1), fc.constantFrom(1, 2, 3), async (w, include, p) => {
        const x = tensor(w.seed, [2, ...w.extents, w.channels], false);
        const outputs = [{ type: "float32", shape: [2, ...w.out, w.channels] }] as const;
        const expected = { max: [] as number[], average: [] as number[], norm: [] as number[] };
        for (let i = 0; i < size(outputs[0].shape); i++) {
          const pixels = size(w.out);
          const [sample, pixel, c] = coordinates(i, [2, pixels, w.channels]) as [number, number, number];
          const { inside, counted } = under(w, pixel);
          const values = inside.map((at) => Number(x.data[(sample * size(w.extents) + at) * w.channels + c]));
          expected.max.push(Math.max(...values));
          expected.average.push(values.reduce((s, v) => s + v, 0) / (include ? counted : values.length));
          expected.norm.push(values.reduce((s, v) => s + Math.abs(v) ** p, 0) ** (1 / p));
        }
        const c = { domain: "bitbasis", inputs: [x], outputs } as const;
        const attributes = attributesOf(w);
        const [max] = await agreed({ ...c, op: "MaxPool", attributes });
        expect([...(max!.data as Float32Array)]).toEqual(expected.max);
        const [average] = await agreed({
          ...c,
          op: "AveragePool",
          attributes: { ...attributes, count_include_pad: include },
        });
        close(average!.data as Float32Array, expected.average, 1e-5);
        const [norm] = await agreed({ ...c, op: "LpPool", attributes: { ...attributes, p } });
        close(norm!.data as Float32Array, expected.norm, 1e-5);
      }),
      { numRuns: 40 },
    );
  });

  const LEAST = { float32: -Infinity, float64: -Infinity, int8: -128, uint8: 0 } as const;

  test("MaxPool of any type, with the places of the maxima in either order, the first of equals", async () => {
    const types = fc.constantFrom("float32" as const, "float64" as const, "int8" as const, "uint8" as const);
    await fc.assert(
      fc.asyncProperty(window, types, fc.nat(1), async (w, type, order) => {
        const count = 2 * w.channels * size(w.extents);
        const values = Array.from({ length: count }, (_, i) => ((i * (w.seed + 7)) % 23) - (type === "uint8" ? 0 : 11));
        const x = new Tensor(type, values, [2, w.channels, ...w.extents]);
        const shape = [2, w.channels, ...w.out];
        const maxima: number[] = [];
        const places: bigint[] = [];
        for (let i = 0; i < size(shape); i++) {
          const map = Math.floor(i / size(w.out));
          const { inside } = under(w, i % size(w.out));
          const at = (pixel: number): number => values[map * size(w.extents) + pixel]!;
          // a dilated window may have all of its taps in the padding
          const place = inside.reduce((best, pixel) => (at(pixel) > at(best) ? pixel : best), inside[0] ?? 0);
          maxima.push(inside.length > 0 ? at(place) : LEAST[type]);
          const axes = coordinates(place, w.extents);
          const column = axes.reduceRight((sum, v, axis) => sum * w.extents[axis]! + v, 0);
          places.push(BigInt(map * size(w.extents) + (order === 1 ? column : place)));
        }
        const outputs = [
          { type, shape },
          { type: "int64", shape },
        ] as const;
        const attributes = { ...attributesOf(w), storage_order: order };
        const [max, indices] = await agreed({ op: "MaxPool", attributes, inputs: [x], outputs });
        expect([...(max!.data as Float32Array)]).toEqual(maxima);
        expect([...(indices!.data as BigInt64Array)]).toEqual(places);
      }),
      { numRuns: 40 },
    );
  });

  test("windows that lie in the padding alone: no maximum, and place 0", async () => {
    const x = new Tensor("float32", [1, NaN, 3], [1, 1, 3]);
    const outputs = [
      { type: "float32", shape: [1, 1, 7] },
      { type: "int64", shape: [1, 1, 7] },
    ] as const;
    const attributes = { kernel_shape: [1], strides: [1], dilations: [1], pads: [2, 2] };
    const [max, indices] = await agreed({ op: "MaxPool", attributes, inputs: [x], outputs });
    expect([...(max!.data as Float32Array)]).toEqual([-Infinity, -Infinity, 1, NaN, 3, -Infinity, -Infinity]);
    expect([...(indices!.data as BigInt64Array)]).toEqual([0n, 0n, 0n, 1n, 2n, 0n, 0n]);
    const c = { inputs: [x], outputs: [outputs[0]], attributes } as const;
    const [sum] = await agreed({ ...c, op: "LpPool" });
    expect([...(sum!.data as Float32Array)]).toEqual([0, 0, 1, NaN, 3, 0, 0]);
  });

  test("the largest of either zero, infinities and NaN in vectors of any width is that of Math.max", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(4, 8, 11, 16, 24, 29),
        fc.nat(999),
        fc.boolean(),
        async (channels, seed, zeros) => {
          const x = tensor(seed, [1, 6, 5, channels]);
          const values = x.data as Float32Array;
          // Nothing above 0, and zeros of both signs.
          if (zeros) for (const [i, v] of values.entries()) values[i] = v > 0 ? 0 : v > -2 ? -0 : v;
          const wanted = Array.from({ length: 9 * channels }, (_, i) => {
            const [row, column, c] = coordinates(i, [3, 3, channels]) as [number, number, number];
            const under = [0, 1].flatMap((a) => [0, 1].map((b) => [2 * row + a, 2 * column + b - 1] as const));
            const inside = under.filter(([, at]) => at >= 0 && at < 5);
            return Math.max(...inside.map(([a, b]) => values[(a * 5 + b) * channels + c]!));
          });
          const attributes = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 1, 0, 0] };
          const outputs = [{ type: "float32", shape: [1, 3, 3, channels] }] as const;
          const [max] = await agreed({ op: "MaxPool", domain: "bitbasis", attributes, inputs: [x], outputs });
          expect([...(max!.data as Float32Array)]).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a wide window is the largest of its rows, then of these: the bits of one pass, NaN and zeros too", async () => {
    const wide = fc
      .record({
        extents: fc.tuple(fc.constantFrom(1, 4, 9), fc.constantFrom(5, 8, 11), fc.constantFrom(3, 7, 10)),
        kernel: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(5, 6, 7), fc.constantFrom(5, 9)),
        strides: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 1, 2), fc.constantFrom(1, 3)),
        dilations: fc.tuple(fc.constant(1), fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
        before: fc.tuple(fc.constant(0), fc.nat(4), fc.nat(4)),
        after: fc.tuple(fc.constant(0), fc.nat(4), fc.nat(4)),
        channels: fc.constantFrom(1, 8, 11),
        seed: fc.nat(999),
      })
      .map((w) => ({
        ...w,
        ceil: false,
        out: w.extents.map((e, i) => {
          const room = e + w.before[i]! + w.after[i]! - (w.kernel[i]! - 1) * w.dilations[i]! - 1;
          return Math.floor(room / w.strides[i]!) + 1;
        }),
      }))
      .filter(({ out }) => out.every((n) => n > 0));
    await fc.assert(
      fc.asyncProperty(wide, fc.boolean(), async (w, zeros) => {
        const x = tensor(w.seed, [1, ...w.extents, w.channels]);
        const values = x.data as Float32Array;
        if (zeros) for (const [i, v] of values.entries()) values[i] = v > 0 ? 0 : v > -2 ? -0 : v;
        const wanted = Array.from({ length: size(w.out) * w.channels }, (_, i) => {
          const pixels = under(w, Math.floor(i / w.channels)).inside;
          return Math.max(...pixels.map((at) => values[at * w.channels + (i % w.channels)]!));
        });
        const outputs = [{ type: "float32", shape: [1, ...w.out, w.channels] }] as const;
        const [max] = await agreed({
          ...{ op: "MaxPool", domain: "bitbasis", attributes: attributesOf(w) },
          ...{ inputs: [x], outputs },
        });
        expect([...(max!.data as Float32Array)]).toEqual(wanted);
      }),
      { numRuns: 30 },
    );
  });

  test("a window goes in two steps where these read less than half as much", async () => {
    const steps = async (kernel: readonly number[], pad: number): Promise<number> => {
      const pads = [pad, pad, pad, pad];
      const onnx = writeOnnx({
        ...{ name: "pool", opsets: { "": 17 }, initializers: new Map() },
        inputs: [{ name: "x", type: "float32", shape: [1, 4, 12, 12] }],
        outputs: [{ name: "y", type: "float32", shape: undefined }],
        nodes: [
          {
            ...{ name: "pool", op: "MaxPool", domain: "", inputs: ["x"], outputs: ["y"] },
            attributes: { kernel_shape: kernel, pads },
          },
        ],
      });
      await using session = await InferenceSession.create(onnx, { preset: "float32" });
      const x = new Tensor("float32", new Float32Array(576), [1, 4, 12, 12]);
      return (await session.profile({ x })).filter(({ kernel: name }) => name === "pool_max").length;
    };
    expect(await steps([5, 5], 2)).toBe(2);
    expect(await steps([3, 3], 1)).toBe(1);
    expect(await steps([1, 9], 0)).toBe(1);
    // The rows would be more than the input and the output.
    expect(await steps([12, 5], 4)).toBe(1);
  });

  test("Resize to the nearest in blocks of any width, each row once, twice or more often", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 3, 5, 17, 65),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(999),
        async (channels, factor, seed) => {
          const x = tensor(seed, [2, 3, 4, channels], false);
          const shape = [2, 3 * factor, 8, channels];
          const attributes = { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
          const inputs = [x, "", new Tensor("float32", [1, factor, 2, 1])] as const;
          const outputs = [{ type: "float32", shape }] as const;
          const c = { op: "Resize", domain: "bitbasis", attributes, inputs, constants: [2], outputs };
          const [y] = await agreed(c);
          const wanted = Array.from({ length: size(shape) }, (_, i) => {
            const [n, row, column, k] = coordinates(i, shape) as [number, number, number, number];
            const at = (n * 3 + Math.floor(row / factor)) * 4 + Math.floor(column / 2);
            return (x.data as Float32Array)[at * channels + k];
          });
          expect([...(y!.data as Float32Array)]).toEqual(wanted);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("global pools, both layouts", async () => {
    const x = tensor(3, [2, 3, 5, 7], false);
    const first = [{ type: "float32", shape: [2, 3, 1, 1] }] as const;
    const [y] = await agreed({ op: "GlobalAveragePool", inputs: [x], outputs: first });
    const expected = Array.from(
      { length: 6 },
      (_, i) => (x.data as Float32Array).subarray(35 * i, 35 * i + 35).reduce((s, v) => s + v, 0) / 35,
    );
    close(y!.data as Float32Array, expected, 1e-5);
    const perm = [0, 2, 3, 1];
    const [last] = await agreed({
      op: "Transpose",
      attributes: { perm },
      inputs: [x],
      outputs: [{ type: "float32", shape: [2, 5, 7, 3] }],
    });
    const outputs = [{ type: "float32", shape: [2, 1, 1, 3] }] as const;
    const [z] = await agreed({ op: "GlobalAveragePool", domain: "bitbasis", inputs: [last!], outputs });
    close(z!.data as Float32Array, expected, 1e-5);
  });

  test("Resize: nearest doubles pixels, linear passes through halves, channels last and first alike", async () => {
    const x = new Tensor("float32", [1, 2, 3, 4], [1, 2, 2, 1]);
    const scales = new Tensor("float32", [1, 2, 2, 1]);
    const run = async (attributes: Record<string, string>): Promise<number[]> => {
      const inputs = [x, "", scales] as const;
      const c = {
        op: "Resize",
        domain: "bitbasis",
        attributes,
        inputs,
        constants: [2],
        outputs: [{ type: "float32", shape: [1, 4, 4, 1] }],
      } as const;
      const [y] = await agreed(c);
      return [...(y!.data as Float32Array)];
    };
    expect(await run({ mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" })).toEqual(
      [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4],
    );
    expect((await run({ mode: "linear" })).slice(0, 8)).toEqual([1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5]);
  });
});
