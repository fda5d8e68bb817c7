import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LONG_ROW } from "../../src/program/operators/reduce.ts";
import { sizeOf, stridesOf, Tensor } from "../../src/tensor/index.ts";
import { agreed, close, EXTENTS, tensor } from "./agree.ts";
import { type OperatorCase, runOperator } from "./harness.ts";

const shapes = fc
  .array(fc.constantFrom(...EXTENTS, 33), { minLength: 1, maxLength: 4 })
  .filter((s) => sizeOf(s) <= 5000);

/** The elements that meet in each output element, as f64. */
function groups(x: Tensor, axes: readonly number[]): number[][] {
  const kept = x.dims.map((e, d) => (axes.includes(d) ? 1 : e));
  const [strides, own] = [stridesOf(x.dims), stridesOf(kept)];
  const result: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  (x.data as Float32Array).forEach((v, i) => {
    const at = x.dims.reduce(
      (sum, e, d) => sum + (axes.includes(d) ? 0 : Math.floor(i / strides[d]!) % e) * own[d]!,
      0,
    );
    result[at]!.push(v);
  });
  return result;
}

const sum = (v: number[]): number => v.reduce((a, b) => a + b, 0);
const REDUCTIONS: readonly (readonly [string, (v: number[]) => number])[] = [
  ["ReduceSum", sum],
  ["ReduceMean", (v) => sum(v) / v.length],
  ["ReduceMax", (v) => v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)],
  ["ReduceMin", (v) => v.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)],
  ["ReduceL1", (v) => sum(v.map(Math.abs))],
  ["ReduceL2", (v) => Math.sqrt(sum(v.map((a) => a * a)))],
  ["ReduceSumSquare", (v) => sum(v.map((a) => a * a))],
  ["ReduceLogSumExp", (v) => Math.log(sum(v.map(Math.exp)))],
];

describe("reductions", () => {
  test.each(REDUCTIONS)("%s over any axes", async (op, reference) => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 15 }), fc.nat(999), async (shape, mask, seed) => {
        const axes = shape.map((_, i) => i).filter((i) => (mask >> i) & 1);
        if (axes.length === 0) axes.push(0);
        const x = tensor(seed, shape, false);
        const out = shape.map((e, i) => (axes.includes(i) ? 1 : e));
        const inputs = [x, new Tensor("int64", BigInt64Array.from(axes, BigInt))];
        const [y] = await agreed({ op, opset: 18, inputs, constants: [1], outputs: [{ type: "float32", shape: out }] });
        const expected = groups(x, axes).map(reference);
        close(y!.data as Float32Array, expected, 1e-4);
      }),
      { numRuns: 30 },
    );
  });

  test("CumSum and CumProd along any axis, from either end, with and without the element", async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.nat(3),
        fc.nat(1),
        fc.nat(1),
        fc.nat(99),
        async (shape, a, exclusive, reverse, seed) => {
          const axis = a % shape.length;
          const x = tensor(seed, shape, false);
          const values = x.data as Float32Array;
          const stride = stridesOf(shape)[axis]!;
          const extent = shape[axis]!;
          for (const op of ["CumSum", "CumProd"]) {
            const wanted = new Float32Array(values.length);
            for (let e = 0; e < values.length; e++) {
              if (Math.floor(e / stride) % extent !== 0) continue;
              let sofar = op === "CumSum" ? 0 : 1;
              for (let i = 0; i < extent; i++) {
                const at = e + (reverse === 1 ? extent - 1 - i : i) * stride;
                const next = Math.fround(op === "CumSum" ? sofar + values[at]! : sofar * values[at]!);
                wanted[at] = exclusive === 1 ? sofar : next;
                sofar = next;
              }
            }
            const inputs = [x, new Tensor("int64", [BigInt(axis)], [])];
            const outputs = [{ type: "float32", shape }] as const;
            const [y] = await agreed({ op, attributes: { exclusive, reverse }, inputs, constants: [1], outputs });
            expect(y!.data).toEqual(wanted);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test("ReduceLogSumExp of infinities", async () => {
    const x = new Tensor("float32", [-Infinity, -Infinity, Infinity, 0, 200, 200], [3, 2]);
    const axes = new Tensor("int64", [1n]);
    const [y] = await agreed({
      op: "ReduceLogSumExp",
      inputs: [x, axes],
      constants: [1],
      outputs: [{ type: "float32", shape: [3, 1] }],
    });
    expect([...(y!.data as Float32Array)]).toEqual([-Infinity, Infinity, Math.fround(200 + Math.LN2)]);
  });

  test("ArgMax and ArgMin: first and last of equals, NaN wins", async () => {
    const x = new Tensor("float32", [3, 1, 3, NaN, 2, NaN, 1, 1, 1], [3, 3]);
    const run = async (op: string, last: number): Promise<bigint[]> => {
      const attributes = { axis: 1, keepdims: 0, select_last_index: last };
      const [y] = await agreed({ op, attributes, inputs: [x], outputs: [{ type: "int64", shape: [3] }] });
      return [...(y!.data as BigInt64Array)];
    };
    expect(await run("ArgMax", 0)).toEqual([0n, 0n, 0n]);
    expect(await run("ArgMax", 1)).toEqual([2n, 2n, 2n]);
    expect(await run("ArgMin", 0)).toEqual([1n, 0n, 0n]);
  });

  test.each([
    [[11, 7], 1],
    [[4, 1], 1],
    [[3, 5, 6], 1],
    [[17, 2], 0],
  ])(
    "ArgMax and ArgMin of %o over axis %i: rows and columns by fours, and what is left of them",
    async (shape, axis) => {
      const x = tensor(3, shape);
      // Few values, so that the best of many rows is there twice.
      (x.data as Float32Array).forEach((v, i, all) => {
        if (Number.isFinite(v)) all[i] = Math.round(v / 2);
      });
      const rows = groups(x, [axis]);
      for (const op of ["ArgMax", "ArgMin"] as const) {
        const above = (a: number, b: number): boolean =>
          Number.isNaN(a) ? !Number.isNaN(b) : op === "ArgMax" ? a > b : a < b;
        for (const last of [0, 1]) {
          const attributes = { axis, keepdims: 0, select_last_index: last };
          const kept = shape.filter((_, i) => i !== axis);
          const [y] = await agreed({ op, attributes, inputs: [x], outputs: [{ type: "int64", shape: kept }] });
          const expected = rows.map((row) => {
            const best = row.filter((v) => !row.some((w) => above(w, v)))[0]!;
            const same = (v: number): boolean => v === best || (Number.isNaN(v) && Number.isNaN(best));
            return BigInt(last === 1 ? row.findLastIndex(same) : row.findIndex(same));
          });
          expect([...(y!.data as BigInt64Array)]).toEqual(expected);
        }
      }
    },
  );

  test("TopK keeps the order of equal values", async () => {
    const x = new Tensor("float32", [1, 5, 5, 2, NaN, 0], [2, 3]);
    const inputs = [x, new Tensor("int64", [2n])];
    const outputs = [
      { type: "float32", shape: [2, 2] },
      { type: "int64", shape: [2, 2] },
    ] as const;
    const [values, indices] = await agreed({ op: "TopK", inputs, constants: [1], outputs });
    expect([...(values!.data as Float32Array)]).toEqual([5, 5, NaN, 2]);
    expect([...(indices!.data as BigInt64Array)]).toEqual([1n, 2n, 1n, 0n]);
  });
});

describe("normalization", () => {
  test("Softmax and LogSoftmax over any axis", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(3), fc.nat(999), async (shape, a, seed) => {
        const axis = a % shape.length;
        const x = tensor(seed, shape, false);
        const outputs = [{ type: "float32", shape }] as const;
        const [soft] = await agreed({ op: "Softmax", attributes: { axis }, inputs: [x], outputs });
        const [log] = await agreed({ op: "LogSoftmax", attributes: { axis }, inputs: [x], outputs });
        const expected = groups(x, [axis]).map((v) => Math.log(sum(v.map(Math.exp))));
        const inner = sizeOf(shape.slice(axis + 1));
        const logs = Array.from(
          x.data as Float32Array,
          (v, i) => v - expected[Math.floor(i / inner / shape[axis]!) * inner + (i % inner)]!,
        );
        close(log!.data as Float32Array, logs, 2e-6);
        close(soft!.data as Float32Array, logs.map(Math.exp), 2e-6);
      }),
      { numRuns: 40 },
    );
  });

  test("LayerNormalization and InstanceNormalization", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...EXTENTS),
        fc.constantFrom(1, 3, 6, 16, 33),
        fc.nat(999),
        async (rows, n, seed) => {
          const [x, scale, bias] = [
            tensor(seed, [rows, n], false),
            tensor(seed + 1, [n], false),
            tensor(seed + 2, [n], false),
          ];
          const statistic = { type: "float32", shape: [rows, 1] } as const;
          const outputs = [{ type: "float32", shape: [rows, n] }, statistic, statistic] as const;
          const [y, means] = await agreed({ op: "LayerNormalization", inputs: [x, scale, bias], outputs });
          close(
            means!.data as Float32Array,
            groups(x, [1]).map((v) => sum(v) / n),
            1e-5,
          );
          const expected = groups(x, [1]).flatMap((v) => {
            const mean = sum(v) / n;
            const inverse = 1 / Math.sqrt(sum(v.map((e) => (e - mean) ** 2)) / n + 1e-5);
            return v.map((e, i) => (e - mean) * inverse * Number(scale.data[i]) + Number(bias.data[i]));
          });
          close(y!.data as Float32Array, expected, 1e-4);
          const picture = new Tensor("float32", x.data as Float32Array, [1, rows, n]);
          const [s, b] = [tensor(seed + 3, [rows], false), tensor(seed + 4, [rows], false)];
          const [z] = await agreed({
            op: "InstanceNormalization",
            inputs: [picture, s, b],
            outputs: [{ type: "float32", shape: [1, rows, n] }],
          });
          const instances = groups(x, [1]).flatMap((v, r) => {
            const mean = sum(v) / n;
            const inverse = 1 / Math.sqrt(sum(v.map((e) => (e - mean) ** 2)) / n + 1e-5);
            return v.map((e) => (e - mean) * inverse * Number(s.data[r]) + Number(b.data[r]));
          });
          close(z!.data as Float32Array, instances, 1e-4);
          const turned = Float32Array.from({ length: n * rows }, (_, i) =>
            Number(x.data[(i % rows) * n + Math.floor(i / rows)]),
          );
          const shape = [1, n, rows];
          const inputs = [new Tensor("float32", turned, shape), s, b];
          const twin = {
            op: "InstanceNormalization",
            domain: "bitbasis",
            inputs,
            outputs: [{ type: "float32", shape }],
          } as const;
          const [last] = await agreed(twin);
          const back = Float32Array.from(turned, (_, i) => Number(last!.data[(i % n) * rows + Math.floor(i / n)]));
          expect(back).toEqual(z!.data);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("BatchNormalization, channels first and last", async () => {
    const [c, n] = [5, 7];
    const parameters = [1, 2, 3].map((seed) => tensor(seed, [c], false));
    const variance = new Tensor("float32", [0.5, 1, 2, 3, 0], [c]);
    const x = tensor(9, [2, c, n], false);
    const inputs = [x, ...parameters, variance];
    const [y] = await agreed({ op: "BatchNormalization", inputs, outputs: [{ type: "float32", shape: x.dims }] });
    const p = (i: number, channel: number): number => Number(inputs[i]!.data[channel]);
    const expected = Array.from(x.data as Float32Array, (v, i) => {
      const k = Math.floor(i / n) % c;
      return ((v - p(3, k)) / Math.sqrt(p(4, k) + 1e-5)) * p(1, k) + p(2, k);
    });
    close(y!.data as Float32Array, expected, 1e-4);
  });
});

test("Softmax of a row with NaN is NaN, of a row with one −∞ is not, of all −∞ is NaN", async () => {
  const x = new Tensor("float32", [1, NaN, 2, 0, -Infinity, 0, -Infinity, -Infinity, -Infinity], [3, 3]);
  const [y] = await agreed({ op: "Softmax", inputs: [x], outputs: [{ type: "float32", shape: [3, 3] }] });
  expect([...(y!.data as Float32Array)]).toEqual([NaN, NaN, NaN, 0.5, 0, 0.5, NaN, NaN, NaN]);
});

test("Softmax gives no subnormal numbers: what is below 2^−126 is 0, and the sum keeps its bits", async () => {
  const least = 2 ** -126;
  // e^−86.9 is not subnormal, its third part is.
  const rows = [
    [0, -86.9, -87.1, -95, -104, -200, Number.NEGATIVE_INFINITY, -86.9, -3],
    [0, 0, 0, -86.9, -86, -90, -87.3, -50, 0],
    [-90, -90, -90, -90, -90, -90, -90, -90, -90],
  ];
  const x = new Tensor("float32", rows.flat(), [3, 9]);
  const [y] = await agreed({ op: "Softmax", inputs: [x], outputs: [{ type: "float32", shape: [3, 9] }] });
  rows.forEach((row, r) => {
    const most = Math.max(...row);
    const powers = row.map((v) => Math.exp(Math.fround(v) - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, i) => {
      const got = (y!.data as Float32Array)[9 * r + i]!;
      const expected = power / sum;
      if (Math.fround(row[i]!) - most < -87 || expected < least) expect(got, `${r}, ${i}`).toBe(0);
      else expect(Math.abs(got / expected - 1), `${r}, ${i}`).toBeLessThan(3e-7);
    });
  });
});

describe("rows that are summed in blocks", () => {
  const extent = 2 * LONG_ROW + 5;
  const values = Array.from({ length: extent }, (_, i) => ((i * 37) % 101) / 101 - 0.4);
  values[LONG_ROW + 7] = 3;
  const row = Float32Array.from(values);
  const exact = Array.from(row);
  const whole = (of: (x: number) => number): number => exact.reduce((sum, x) => sum + of(x), 0);
  const axes = new Tensor("int64", [1n], [1]);

  /** On both builds and in parts, all to the bit. */
  async function inParts(c: OperatorCase): Promise<Float32Array> {
    const [y] = await runOperator(c, { build: "simd" });
    for (const options of [{ build: "scalar" }, { build: "simd", slices: 7 }] as const) {
      const [other] = await runOperator(c, options);
      const [a, b] = [y!, other!].map(({ data }) => Buffer.from((data as Float32Array).buffer));
      expect(a!.equals(b!)).toBe(true);
    }
    return y!.data as Float32Array;
  }

  test.each([
    ["ReduceSum", whole((x) => x)],
    ["ReduceMean", whole((x) => x) / extent],
    ["ReduceMax", 3],
    ["ReduceL1", whole(Math.abs)],
    ["ReduceL2", Math.sqrt(whole((x) => x * x))],
    ["ReduceSumSquare", whole((x) => x * x)],
  ])("%s, of two rows, and of two columns", async (op, expected) => {
    const twice = new Float32Array(2 * extent);
    twice.set(row);
    for (let i = 0; i < extent; i++) twice[extent + i] = row[extent - 1 - i]!;
    const rows = { op, opset: 18, inputs: [new Tensor("float32", twice, [2, extent]), axes], constants: [1] };
    close(await inParts({ ...rows, outputs: [{ type: "float32", shape: [2, 1] }] }), [expected, expected], 1e-4);
    const columns = { ...rows, inputs: [new Tensor("float32", twice, [1, extent, 2]), axes] };
    const y = await inParts({ ...columns, outputs: [{ type: "float32", shape: [1, 1, 2] }] });
    if (op === "ReduceSum") close([y[0]! + y[1]!], [2 * expected], 1e-4);
    if (op === "ReduceMax") expect(Math.max(...y)).toBe(3);
  });

  const x = new Tensor("float32", row, [1, extent]);
  const outputs = [{ type: "float32", shape: [1, extent] }] as const;
  test("Softmax and LogSoftmax", async () => {
    const sum = whole((x) => Math.exp(x - 3));
    const y = await inParts({ op: "Softmax", inputs: [x], outputs });
    for (const at of [0, LONG_ROW + 7, extent - 1])
      close([y[at]! * 1e6], [(Math.exp(exact[at]! - 3) / sum) * 1e6], 1e-4);
    const z = await inParts({ op: "LogSoftmax", inputs: [x], outputs });
    for (const at of [0, LONG_ROW + 7, extent - 1]) close([z[at]!], [exact[at]! - 3 - Math.log(sum)], 1e-4);
  });

  test("LayerNormalization, far from 0 too", async () => {
    const mean = whole((x) => x) / extent;
    const deviation = Math.sqrt(whole((x) => (x - mean) ** 2) / extent + 1e-5);
    const scale = new Tensor("float32", new Float32Array(extent).fill(2), [extent]);
    const y = await inParts({ op: "LayerNormalization", inputs: [x, scale], outputs });
    for (const at of [0, LONG_ROW + 7, extent - 1]) close([y[at]!], [(2 * (exact[at]! - mean)) / deviation], 1e-4);
    const far = new Tensor(
      "float32",
      row.map((v) => Math.fround(v * 64) + 8192),
      [1, extent],
    );
    const z = await inParts({ op: "LayerNormalization", inputs: [far, scale], outputs });
    for (const at of [0, LONG_ROW + 7, extent - 1]) close([z[at]!], [(2 * (exact[at]! - mean)) / deviation], 1e-3);
  });
});
