import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ElementType, sizeOf, stridesOf, Tensor } from "../../src/tensor/index.ts";
import { agreed, EXTENTS, tensor } from "./agree.ts";
import { runOperator } from "./harness.ts";

const TYPES = ["uint8", "int16", "float32", "int64"] as const;
const shapes = fc.array(fc.constantFrom(...EXTENTS), { minLength: 1, maxLength: 4 }).filter((s) => sizeOf(s) <= 1500);
const typed = fc.constantFrom<(typeof TYPES)[number]>(...TYPES);

/** 0, 1, 2, … so that every element tells where it came from. */
function counting(type: ElementType, shape: readonly number[]): Tensor {
  const n = sizeOf(shape);
  const list = Array.from({ length: n }, (_, i) => (type === "uint8" ? i % 256 : i));
  return new Tensor(type, list, shape);
}

/** The tensor whose element at coordinates c is that of x at `from(c)`, or `fallback` where it is undefined. */
function picked(
  x: Tensor,
  shape: readonly number[],
  from: (c: number[]) => number[] | undefined,
  fallback = 0,
): unknown[] {
  const [strides, own] = [stridesOf(shape), stridesOf(x.dims)];
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const c = from(shape.map((e, d) => Math.floor(i / strides[d]!) % e));
    const at = c?.reduce((sum, v, d) => sum + v * own[d]!, 0);
    return Number(at === undefined ? fallback : (x.data as ArrayLike<number | bigint>)[at]);
  });
}

const list = (t: Tensor): number[] => Array.from(t.data as ArrayLike<number | bigint>, Number);
const ints = (values: readonly number[]): Tensor => new Tensor("int64", BigInt64Array.from(values, BigInt));

describe("movement", () => {
  test("Transpose of any permutation and element size", async () => {
    const cases = fc.tuple(shapes, typed, fc.nat(23)).map(([shape, type, n]) => {
      const rest = shape.map((_, i) => i);
      const perm: number[] = [];
      for (let left = n; rest.length > 0; left = Math.floor(left / 4)) perm.push(...rest.splice(left % rest.length, 1));
      return { shape, type, perm };
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ shape, type, perm }) => {
        const x = counting(type, shape);
        const out = perm.map((p) => shape[p]!);
        const [y] = await agreed({
          op: "Transpose",
          attributes: { perm },
          inputs: [x],
          outputs: [{ type, shape: out }],
        });
        const from = (c: number[]): number[] => shape.map((_, i) => c[perm.indexOf(i)]!);
        expect(list(y!)).toEqual(picked(x, out, from));
      }),
      { numRuns: 80 },
    );
  });

  test("Slice with any start and step", async () => {
    const axis = fc.record({
      start: fc.integer({ min: -20, max: 20 }),
      end: fc.integer({ min: -20, max: 20 }),
      step: fc.constantFrom(1, 2, 3, -1, -2),
    });
    await fc.assert(
      fc.asyncProperty(shapes, typed, fc.array(axis, { minLength: 4, maxLength: 4 }), async (shape, type, axes) => {
        const used = axes.slice(0, shape.length);
        // Python's rule
        const indices = used.map(({ start, end, step }, d) => {
          const n = shape[d]!;
          const clamp = (v: number, low: number, high: number): number =>
            Math.min(Math.max(v < 0 ? v + n : v, low), high);
          const [a, b] =
            step > 0 ? [clamp(start, 0, n), clamp(end, 0, n)] : [clamp(start, 0, n - 1), clamp(end, -1, n - 1)];
          const result: number[] = [];
          for (let i = a; step > 0 ? i < b : i > b; i += step) result.push(i);
          return result;
        });
        const out = indices.map((i) => i.length);
        const x = counting(type, shape);
        const inputs = [
          x,
          ints(used.map((u) => u.start)),
          ints(used.map((u) => u.end)),
          ints(used.map((_, i) => i)),
          ints(used.map((u) => u.step)),
        ];
        const [y] = await agreed({ op: "Slice", inputs, constants: [1, 2, 3, 4], outputs: [{ type, shape: out }] });
        expect(list(y!)).toEqual(picked(x, out, (c) => c.map((v, d) => indices[d]![v]!)));
      }),
      { numRuns: 80 },
    );
  });

  test.each(["constant", "edge", "reflect", "wrap"] as const)("Pad, %s", async (mode) => {
    // reflect and wrap go on for as many periods as they are asked for
    const pads = fc.array(fc.tuple(fc.integer({ min: -1, max: 9 }), fc.integer({ min: -1, max: 9 })), {
      minLength: 3,
      maxLength: 3,
    });
    const modulo = (i: number, n: number): number => ((i % n) + n) % n;
    const reflected = (i: number, n: number): number => {
      const at = n === 1 ? 0 : modulo(i, 2 * (n - 1));
      return at < n ? at : 2 * (n - 1) - at;
    };
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(fc.constantFrom(1, 2, 5), fc.constantFrom(3, 7), fc.constantFrom(2, 9)),
        typed,
        pads,
        async (shape, type, p) => {
          const core = shape.map((e, d) => e + Math.min(0, p[d]![0]) + Math.min(0, p[d]![1]));
          if (core.some((e) => e < 1)) return;
          const out = shape.map((e, d) => e + p[d]![0] + p[d]![1]);
          const x = counting(type, shape);
          const inputs = [x, ints([...p.map((q) => q[0]), ...p.map((q) => q[1])]), new Tensor(type, [9], [])];
          const [y] = await agreed({
            op: "Pad",
            attributes: { mode },
            inputs,
            constants: [1, 2],
            outputs: [{ type, shape: out }],
          });
          const from = (c: number[]): number[] | undefined => {
            const at = c.map((v, d) => {
              const n = core[d]!;
              const i = v - Math.max(0, p[d]![0]);
              const inside = i >= 0 && i < n;
              const j = inside
                ? i
                : mode === "edge"
                  ? Math.min(Math.max(i, 0), n - 1)
                  : mode === "wrap"
                    ? modulo(i, n)
                    : reflected(i, n);
              return !inside && mode === "constant" ? -1 : j + Math.max(0, -p[d]![0]);
            });
            return at.includes(-1) ? undefined : at;
          };
          expect(list(y!)).toEqual(picked(x, out, from, 9));
        },
      ),
      { numRuns: 30 },
    );
  });

  test("Concat and Split undo each other", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, typed, fc.nat(3), fc.constantFrom(1, 2, 5), async (shape, type, a, extra) => {
        const axis = a % shape.length;
        const second = shape.map((e, i) => (i === axis ? extra : e));
        const [x, y] = [counting(type, shape), counting(type, second)];
        const joined = shape.map((e, i) => (i === axis ? e + extra : e));
        const [z] = await agreed({
          op: "Concat",
          attributes: { axis },
          inputs: [x, y],
          outputs: [{ type, shape: joined }],
        });
        const outputs = [
          { type, shape },
          { type, shape: second },
        ] as const;
        const [first, last] = await agreed({ op: "Split", attributes: { axis }, inputs: [z!], outputs });
        expect(list(first!)).toEqual(list(x));
        expect(list(last!)).toEqual(list(y));
        expect(list(z!)).toEqual(picked(z!, joined, (c) => c));
      }),
      { numRuns: 40 },
    );
  });

  test("Gather over any axis, negative indices included; Expand and Tile", async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        typed,
        fc.nat(3),
        fc.array(fc.nat(99), { minLength: 1, maxLength: 5 }),
        async (shape, type, a, raw) => {
          const axis = a % shape.length;
          const n = shape[axis]!;
          const indices = raw.map((v) => (v % (2 * n)) - n);
          const out = [...shape.slice(0, axis), indices.length, ...shape.slice(axis + 1)];
          const x = counting(type, shape);
          const [y] = await agreed({
            op: "Gather",
            attributes: { axis },
            inputs: [x, ints(indices)],
            outputs: [{ type, shape: out }],
          });
          const from = (c: number[]): number[] => c.map((v, d) => (d === axis ? (indices[v]! + n) % n : v));
          expect(list(y!)).toEqual(picked(x, out, from));
          const big = shape.map((e) => e * 2);
          const [tiled] = await agreed({ op: "Tile", inputs: [x], outputs: [{ type, shape: big }] });
          expect(list(tiled!)).toEqual(picked(x, big, (c) => c.map((v, d) => v % shape[d]!)));
          const more = [3, ...shape.map((e) => (e === 1 ? 4 : e))];
          const [expanded] = await agreed({ op: "Expand", inputs: [x], outputs: [{ type, shape: more }] });
          expect(list(expanded!)).toEqual(picked(x, more, (c) => c.slice(1).map((v, d) => (shape[d] === 1 ? 0 : v))));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("rows of any length are moved whole and nothing beside them", async () => {
    for (const length of [...Array.from({ length: 40 }, (_, i) => i + 1), 63, 64, 65, 255, 256, 257, 300]) {
      const x = counting("uint8", [3, length]);
      const indices = [2, 0, -1, 1];
      const outputs = [{ type: "uint8", shape: [4, length] }] as const;
      const [y] = await agreed({ op: "Gather", attributes: { axis: 0 }, inputs: [x, ints(indices)], outputs });
      expect(list(y!)).toEqual(picked(x, [4, length], ([row, c]) => [(indices[row!]! + 3) % 3, c!]));
      const joined = [{ type: "uint8", shape: [3, 2 * length] }] as const;
      const [z] = await agreed({ op: "Concat", attributes: { axis: 1 }, inputs: [x, x], outputs: joined });
      expect(list(z!)).toEqual(picked(x, [3, 2 * length], ([row, c]) => [row!, c! % length]));
    }
  });

  test("Trilu keeps either triangle of any type from any diagonal on", async () => {
    const matrix = fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(...EXTENTS), fc.constantFrom(...EXTENTS, 70));
    await fc.assert(
      fc.asyncProperty(
        matrix,
        typed,
        fc.constantFrom(-99, -2, -1, 0, 1, 5, 99),
        fc.nat(1),
        async (shape, type, k, upper) => {
          const x = counting(type, shape);
          const inputs = [x, new Tensor("int64", [BigInt(k)], [])];
          const [y] = await agreed({
            op: "Trilu",
            attributes: { upper },
            inputs,
            constants: [1],
            outputs: [{ type, shape }],
          });
          const keeps = (row: number, column: number): boolean => (upper === 1 ? column - row >= k : column - row <= k);
          expect(list(y!)).toEqual(picked(x, shape, (c) => (keeps(c[1]!, c[2]!) ? c : undefined)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("Gather of one slice that is known copies it, whatever the axis", async () => {
    const x = counting("float32", [3, 4, 2]);
    for (const [axis, index] of [
      [0, 2],
      [1, -4],
      [-1, 1],
    ] as const) {
      const at = (axis + 3) % 3;
      const wanted = index < 0 ? index + x.dims[at]! : index;
      for (const dims of [[], [1], [1, 1]]) {
        const shape = x.dims.flatMap((d, i) => (i === at ? dims : [d]));
        const inputs = [x, new Tensor("int64", [BigInt(index)], dims)];
        const [y] = await agreed({
          ...{ op: "Gather", attributes: { axis }, inputs, constants: [1] },
          outputs: [{ type: "float32", shape }],
        });
        const from = (c: number[]): number[] => [...c.slice(0, at), wanted, ...c.slice(at + dims.length)];
        expect(list(y!)).toEqual(picked(x, shape, from));
      }
    }
    const outside = [x, new Tensor("int64", [4n], [])];
    const outputs = [{ type: "float32", shape: [3, 2] }] as const;
    const run = runOperator({ op: "Gather", attributes: { axis: 1 }, inputs: outside, constants: [1], outputs });
    await expect(run).rejects.toThrow(RangeError);
  });

  test.each(["GatherElements", "GatherND"])("%s refuses an index outside", async (op) => {
    const indices = new Tensor("int64", [0n, -4n], [2, 1]);
    const shape = op === "GatherND" ? [2, 2] : [2, 1];
    const run = runOperator({ op, inputs: [tensor(1, [3, 2]), indices], outputs: [{ type: "float32", shape }] });
    await expect(run).rejects.toThrow(RangeError);
  });

  test("ScatterND: the last of two updates wins, reductions take both, on any number of threads", async () => {
    const inputs = [
      new Tensor("float32", [1, 2, 3, 4], [4]),
      new Tensor("int64", [1n, 1n, -1n], [3, 1]),
      new Tensor("float32", [10, 20, 30], [3]),
    ];
    const outputs = [{ type: "float32", shape: [4] }] as const;
    const [replaced] = await agreed({ op: "ScatterND", inputs, outputs });
    expect(list(replaced!)).toEqual([1, 20, 3, 30]);
    const [added] = await agreed({ op: "ScatterND", attributes: { reduction: "add" }, inputs, outputs });
    expect(list(added!)).toEqual([1, 32, 3, 34]);
  });
});
