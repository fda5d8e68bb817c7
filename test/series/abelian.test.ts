import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Core, completed } from "../../src/core/index.ts";
import {
  Accumulator,
  abelianAdd,
  abelianMul,
  accumulatorBits,
  type BasisLayer,
  BasisModel,
  expandWeights,
  fuse,
  pairs,
  productBits,
  Rational,
  scalesOf,
  splitDigits,
  type WeightSeries,
} from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

interface AbelianVector {
  X: number;
  k: number;
  t: number;
  QW: number[][];
  QA: number[][];
  W_digits: number[][][];
  A_digits: number[][][];
  pairs: Record<string, { shift: number; acc: number[][] }>;
  fused: number[][];
  l1_acc_bound: number[];
}

/** A model of one layer with these integers. */
function single(weights: readonly (readonly number[])[], bias?: Float32Array): BasisModel {
  const rows = weights.length;
  const layer: BasisLayer = {
    rows,
    columns: weights[0]!.length,
    weights: Int32Array.from(weights.flat()),
    scales: new Float32Array(rows).fill(1),
    ...(bias === undefined ? {} : { bias }),
  };
  return new BasisModel(new Map([["layer", layer]]));
}

const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length });

describe("abelian vectors", () => {
  test.each(vectors<AbelianVector[]>("abelian").map((v) => [`X=${v.X} k=${v.k} t=${v.t}`, v] as const))(
    "%s",
    (_, v) => {
      expect(v.QW.map((row) => row.map((q) => splitDigits(q, v.X, v.k, "signed")))).toEqual(v.W_digits);
      expect(v.QA.map((row) => row.map((q) => splitDigits(q, v.X, v.t, "signed")))).toEqual(v.A_digits);
      const term = (digits: number[][][], i: number) => digits.map((row) => row.map((d) => d[i]!));
      const listed = pairs({ weightTerms: v.k, activationTerms: v.t, bits: v.X });
      expect(listed.length).toBe(Object.keys(v.pairs).length);
      const parts = listed.map(({ weightTerm: i, activationTerm: j, shift }) => {
        const expected = v.pairs[`${i - 1},${j - 1}`]!;
        expect(shift).toBe(expected.shift);
        const activations = Int32Array.from(term(v.A_digits, j - 1).flat());
        const product = single(term(v.W_digits, i - 1)).accumulate("layer", activations);
        expect(Array.from(product.data)).toEqual(expected.acc.flat());
        return product.shift(shift);
      });
      const fused = single(v.QW).accumulate("layer", Int32Array.from(v.QA.flat()));
      expect(Array.from(fused.data)).toEqual(v.fused.flat());
      fc.assert(
        fc.property(shuffled(parts), (order) => {
          const sum = order.reduce((a, b) => a.add(b), Accumulator.zero(fused.shape));
          expect(sum.equals(fused)).toBe(true);
        }),
      );
      v.fused.forEach((row, r) => {
        for (const value of row) expect(Math.abs(value)).toBeLessThanOrEqual(v.l1_acc_bound[r]!);
      });
    },
  );
});

describe("accumulators", () => {
  const any = fc
    .array(fc.integer(), { minLength: 6, maxLength: 6 })
    .map((v) => new Accumulator([2, 3], Int32Array.from(v)));

  test("are an Abelian group under wrapping addition", () => {
    const zero = Accumulator.zero([2, 3]);
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        expect(
          a
            .add(b)
            .add(c)
            .equals(a.add(b.add(c))),
        ).toBe(true);
        expect(a.add(b).equals(b.add(a))).toBe(true);
        expect(a.add(zero).equals(a)).toBe(true);
        expect(a.add(a.negate()).equals(zero)).toBe(true);
      }),
    );
    const edge = new Accumulator([1], Int32Array.of(-(2 ** 31)));
    expect(edge.negate().equals(edge)).toBe(true);
    expect(edge.shift(32).equals(Accumulator.zero([1]))).toBe(true);
    expect(a0.equals(new Accumulator([3, 2], a0.data))).toBe(false);
    expect(() => zero.add(edge)).toThrow('"other" expected shape [2,3], got [1]');
    expect(() => new Accumulator([2], new Int32Array(3))).toThrow('"data" expected 2 integers');
  });
  const a0 = Accumulator.zero([2, 3]);

  test("any partition of the sum, any order, wrapping in between: the same integers", () => {
    const operand = fc.integer({ min: -32768, max: 32767 });
    fc.assert(
      fc.property(fc.array(fc.tuple(operand, operand, fc.nat(3)), { minLength: 1, maxLength: 30 }), (products) => {
        const whole = products.reduce((sum, [w, a]) => (sum + Math.imul(w, a)) | 0, 0);
        const workers = [0, 1, 2, 3].map((worker) => {
          const mine = products.filter(([, , owner]) => owner === worker);
          if (mine.length === 0) return Accumulator.zero([1, 1]);
          return single([mine.map(([w]) => w)]).accumulate(
            "layer",
            Int32Array.from(mine, ([, a]) => a),
          );
        });
        const orders = [workers, [...workers].reverse()];
        for (const order of orders) expect(order.reduce((x, y) => x.add(y)).data[0]).toBe(whole);
        const exact = products.reduce((sum, [w, a]) => sum + w * a, 0);
        if (Math.abs(exact) < 2 ** 31) expect(whole).toBe(exact + 0);
      }),
    );
  });

  test("float sums depend on the order, where ours do not", () => {
    const { float_order: f } = vectors<{ float_order: { a: number; b: number; c: number } }>("counterexamples");
    const add = (x: number, y: number) => Math.fround(x + y);
    expect(add(add(f.a, f.b), f.c)).toBe(16777216);
    expect(add(f.a, add(f.b, f.c))).toBe(16777218);
  });
});

describe("accumulatorBits", () => {
  test("holds every input, and one bit less does not hold the worst", () => {
    const largest = (bits: number) => 2 ** (bits - 1) - 1;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 33 }),
        fc.integer({ min: 2, max: 16 }),
        (largestSum, activationWidth) => {
          const worst = largestSum * (2 ** activationWidth - 1);
          const bits = accumulatorBits({ weights: { largestSum }, activationWidth });
          expect(largest(bits)).toBeGreaterThanOrEqual(worst);
          if (bits > 1) expect(largest(bits - 1)).toBeLessThan(worst);
        },
      ),
    );
    expect(productBits(511, 8)).toBe(26);
  });

  test("is proved for any zero point: the worst input meets it", async () => {
    const core = await Core.create("scalar");
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 0, max: 255 }),
        (w, z) => {
          const tensor = new Tensor("float32", Float32Array.from(w), [1, w.length]);
          const series = expandWeights(core, tensor, { name: "w", axis: 0, bits: 4, terms: 2 });
          const worst = fuse(series).reduce((sum, q) => sum + (q > 0 ? q * (255 - z) : -q * z), 0);
          expect(worst).toBeLessThanOrEqual(series.largestSum * 255);
        },
      ),
    );
  });
});

describe("basis models", () => {
  let first: WeightSeries;
  let second: WeightSeries;
  const bias = Float32Array.of(0.5, -1, 2);
  beforeAll(async () => {
    const core = await completed(() => Core.create("simd"))();
    const tensor = (seed: number) =>
      new Tensor(
        "float32",
        Float32Array.from({ length: 12 }, (_, i) => Math.sin(seed + i * i)),
        [3, 4],
      );
    first = expandWeights(core, tensor(1), { name: "a", axis: 0, bits: 4, terms: 3, outliers: 0.1 });
    second = expandWeights(core, tensor(2), { name: "b", axis: 0, bits: 4, terms: 2 });
  });
  const models = () =>
    BasisModel.terms(
      new Map([
        ["a", { series: first, bias }],
        ["b", { series: second }],
      ]),
    );

  test("⊎ of all terms is the fused model, in any order; biases have one owner", () => {
    expect(models().length).toBe(3);
    fc.assert(
      fc.property(shuffled([0, 1, 2]), (order) => {
        const parts = models();
        const whole = order.map((i) => parts[i]!).reduce(abelianAdd);
        expect(Array.from(whole.layers.get("a")!.weights)).toEqual(Array.from(fuse(first)));
        expect(Array.from(whole.layers.get("b")!.weights)).toEqual(Array.from(fuse(second)));
        expect(whole.layers.get("a")!.bias).toBe(bias);
      }),
    );
  });

  test("adding accumulators is accumulating the sum, then bias and scale once", () => {
    const activations = Int32Array.from({ length: 8 }, (_, i) => 100 * i - 300);
    const parts = models();
    const reduced = parts.map((m) => m.accumulate("a", activations)).reduce((x, y) => x.add(y));
    const whole = parts.reduce(abelianAdd);
    expect(reduced.equals(whole.accumulate("a", activations))).toBe(true);
    const output = whole.output("a", reduced, 0.25);
    const exact = (r: number, n: number) =>
      [0, 1, 2, 3].reduce((sum, c) => sum + fuse(first)[r * 4 + c]! * activations[c * 2 + n]!, 0) *
        0.25 *
        first.scales[r]! +
      bias[r]!;
    for (const [i, v] of output.entries()) expect(v).toBeCloseTo(exact(Math.floor(i / 2), i % 2), 4);
  });

  test("^* scales rows, and acts after the sum", () => {
    const factors = new Map([["b", Float32Array.of(2, 0.5, 1)]]);
    const whole = models().reduce(abelianAdd);
    const scaled = abelianMul(whole, factors);
    expect(Array.from(scalesOf(scaled.layers.get("b")!))).toEqual([
      second.scales[0]! * 2,
      second.scales[1]! / 2,
      second.scales[2]!,
    ]);
    const sum = whole.accumulate("b", Int32Array.of(1, 2, 3, 4));
    const plain = whole.output("b", sum, 1);
    expect(Array.from(scaled.output("b", sum, 1))).toEqual([plain[0]! * 2, plain[1]! / 2, plain[2]!]);
    expect(() => abelianMul(whole, new Map([["c", Float32Array.of(1)]]))).toThrow('names the layer "c"');
    expect(() => abelianMul(whole, new Map([["b", Float32Array.of(1, 0, 1)]]))).toThrow("expected 3 positive numbers");
  });

  test("the order of factors does not matter, and a factor and its inverse leave the scales as they were", () => {
    const float = fc.float({ min: Math.fround(0.001), max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 4, maxLength: 4 }), shuffled([0, 1, 2, 3]), (factors, order) => {
        const whole = single([[1]]);
        const times = (model: BasisModel, f: number | Rational) => abelianMul(model, new Map([["layer", [f]]]));
        const scale = (model: BasisModel) => scalesOf(model.layers.get("layer")!)[0];
        const ordered = factors.reduce(times, whole);
        expect(scale(order.map((i) => factors[i]!).reduce(times, whole))).toBe(scale(ordered));
        const back = factors.map((f) => Rational.of(f).inverse()).reduce(times, ordered);
        expect(scale(back)).toBe(1);
        expect(back.layers.get("layer")!.factors![0]!.equals(Rational.one)).toBe(true);
      }),
    );
    // What float32 scales would do: this order matters.
    const f = Math.fround;
    const random = lcg(3);
    let dependent = 0;
    for (let n = 0; n < 1000; n++) {
      const [a, b, c, d] = [0, 0, 0, 0].map(() => f(0.5 + random())) as [number, number, number, number];
      const orders = [
        [a, b, c, d],
        [d, c, b, a],
        [b, d, a, c],
        [c, a, d, b],
      ];
      dependent += new Set(orders.map((o) => o.reduce((x, y) => f(x * y)))).size > 1 ? 1 : 0;
    }
    expect(dependent).toBeGreaterThan(500);
  });

  test("f ˆ* (m₁ ⊎ m₂) = (f ˆ* m₁) ⊎ (f ˆ* m₂); sums need the same factors", () => {
    const factors = new Map([["a", [Rational.of(3).inverse(), 5, 7]]]);
    const parts = models();
    const sum = abelianMul(parts.reduce(abelianAdd), factors);
    const summed = parts.map((m) => abelianMul(m, factors)).reduce(abelianAdd);
    expect(scalesOf(summed.layers.get("a")!)).toEqual(scalesOf(sum.layers.get("a")!));
    expect(summed.layers.get("a")!.weights).toEqual(sum.layers.get("a")!.weights);
    expect(() => abelianAdd(parts[0]!, abelianMul(parts[1]!, factors))).toThrow("one lattice");
    const tiny = abelianMul(parts[0]!, new Map([["b", [1e-30, 1, 1]]]));
    expect(() => scalesOf(abelianMul(tiny, new Map([["b", [1e-30, 1, 1]]])).layers.get("b")!)).toThrow(
      "normal float32",
    );
  });

  test("rationals round to float32 once, ties to even", () => {
    const positive = fc.float({ min: Math.fround(2 ** -60), max: Math.fround(2 ** 60), noNaN: true });
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        expect(Rational.of(a).toFloat32()).toBe(a);
        // Exact in f64: 48 bits.
        expect(Rational.of(a).times(Rational.of(b)).toFloat32()).toBe(Math.fround(a * b));
        // A quotient of float32 numbers rounds to float32 the same with f64 in between.
        expect(Rational.of(a).times(Rational.of(b).inverse()).toFloat32()).toBe(Math.fround(a / b));
      }),
    );
    expect(Rational.of(2 ** 24 + 1).toFloat32()).toBe(2 ** 24);
    expect(Rational.of(2 ** 24 + 3).toFloat32()).toBe(2 ** 24 + 4);
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => Rational.of(bad)).toThrow("number > 0");
  });

  test("models that do not fit are refused", () => {
    const [a, b] = models() as [BasisModel, BasisModel];
    expect(() => abelianAdd(a, a)).toThrow("expected one owner, got two");
    expect(() => abelianAdd(a, single([[1]]))).toThrow("as many layers");
    expect(() =>
      abelianAdd(
        a,
        new BasisModel(
          new Map([
            ["a", b.layers.get("a")!],
            ["c", b.layers.get("b")!],
          ]),
        ),
      ),
    ).toThrow('only one has "b"');
    expect(() => abelianAdd(single([[1]]), single([[1, 2]]))).toThrow("expected [1,1] in both models, got [1,2]");
    expect(() => abelianAdd(single([[2 ** 31 - 1]]), single([[1]]))).toThrow("leaves int32");
    expect(() =>
      abelianAdd(single([[1]]), abelianMul(single([[1]]), new Map([["layer", Float32Array.of(2)]]))),
    ).toThrow("one lattice");
    expect(() => a.accumulate("x", new Int32Array(4))).toThrow('"name" expected one of a, b');
    expect(() => a.accumulate("a", new Int32Array(5))).toThrow("expected a multiple of 4 values, got 5");
  });

  test("what is not true: sums of whole models, and biases counted twice", () => {
    const { model_sum: sums } = vectors<{
      model_sum: {
        W1: number;
        W2: number;
        V1: number;
        V2: number;
        x: number;
        sum_of_models: number;
        model_of_sum: number;
      }[];
    }>("counterexamples");
    const [relus, , biases, linear] = sums as [(typeof sums)[0], (typeof sums)[0], (typeof sums)[0], (typeof sums)[0]];
    const run = (model: BasisModel, x: number) =>
      model.output("layer", model.accumulate("layer", Int32Array.of(x)), 1)[0]!;
    const [one, two] = [single([[relus.W1]]), single([[relus.W2]])];
    const relu = (x: number) => Math.max(x, 0);
    expect(relu(run(one, relus.x)) + relu(run(two, relus.x))).toBe(relus.sum_of_models);
    expect(relu(run(abelianAdd(one, two), relus.x))).toBe(relus.model_of_sum);

    const owned = single([[biases.W1]], Float32Array.of(1));
    expect(2 * run(owned, biases.x)).toBe(biases.sum_of_models);
    expect(run(abelianAdd(owned, single([[biases.W2]])), biases.x)).toBe(biases.model_of_sum);

    const { V1, V2, W1, W2, x } = linear;
    expect(V1 * W1 * x + V2 * W2 * x).toBe(linear.sum_of_models);
    expect((V1 + V2) * (W1 + W2) * x).toBe(linear.model_of_sum);
  });
});

describe("pairs", () => {
  test("triangular sets, most significant first", () => {
    expect(
      pairs({ weightTerms: 3, activationTerms: 3, order: 4 }).map((p) => [p.weightTerm, p.activationTerm, p.shift]),
    ).toEqual([
      [1, 1, 16],
      [1, 2, 12],
      [2, 1, 12],
      [1, 3, 8],
      [2, 2, 8],
      [3, 1, 8],
    ]);
    expect(pairs({ weightTerms: 2, activationTerms: 2 }).length).toBe(4);
    expect(pairs({ weightTerms: 1, activationTerms: 2, bits: 4, activationBits: 8 })[0]!.shift).toBe(8);
  });

  test.each([
    [{ weightTerms: 0, activationTerms: 1 }, '"weightTerms" expected integer in 1..8, got 0'],
    [{ weightTerms: 1, activationTerms: 9 }, '"activationTerms" expected integer in 1..8, got 9'],
    [{ weightTerms: 1, activationTerms: 1, order: 1 }, '"order" expected integer ≥ 2, got 1'],
  ])("%j is refused", (options, message) => {
    expect(() => pairs(options)).toThrow(message);
  });

  // Measured on a random product; our own draw must be within a factor of 1.6 of the published figures.
  test("triangular sets cost what is published", () => {
    const published = vectors<{ X: number; mode: string; set: string; err: number }[]>("pairs");
    const random = lcg(5);
    const K = 512;
    const rows = 8;
    const columns = 8;
    const W = Float64Array.from({ length: rows * K }, () => laplace(random));
    const A = Float64Array.from({ length: K * columns }, () => Math.max(0, gauss(random)));
    for (const [X, terms] of [
      [4, 3],
      [3, 3],
    ] as const) {
      const most = { 3: 219, 4: 1911 }[X];
      const split = (x: number, s: number) => splitDigits(Math.round(x / s) + 0, X, terms, "signed");
      const scaleW = Array.from(
        { length: rows },
        (_, r) => W.subarray(r * K, (r + 1) * K).reduce((m, w) => Math.max(m, Math.abs(w)), 0) / most,
      );
      const scaleA = A.reduce((m, a) => Math.max(m, a), 0) / most;
      const digitsW = Array.from(W, (w, e) => split(w, scaleW[Math.floor(e / K)]!));
      const digitsA = Array.from(A, (a) => split(a, scaleA));
      for (const order of [2, 4, 2 * terms]) {
        const kept = pairs({ weightTerms: terms, activationTerms: terms, order, bits: X });
        let missed = 0;
        let energy = 0;
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < columns; c++) {
            let exact = 0;
            let sum = 0;
            for (let k = 0; k < K; k++) {
              const [w, a] = [digitsW[r * K + k]!, digitsA[k * columns + c]!];
              exact += W[r * K + k]! * A[k * columns + c]!;
              for (const p of kept) sum += w[p.weightTerm - 1]! * a[p.activationTerm - 1]! * 2 ** p.shift;
            }
            missed += (sum * scaleW[r]! * scaleA - exact) ** 2;
            energy += exact ** 2;
          }
        }
        const { err } = published.find(
          (row) => row.X === X && row.mode === "balanced" && row.set === `tri T=${order}`,
        )!;
        expect(Math.sqrt(missed / energy)).toBeGreaterThan(err / 1.6);
        expect(Math.sqrt(missed / energy)).toBeLessThan(err * 1.6);
      }
    }
  });
});

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

function laplace(random: () => number): number {
  const u = random() - 0.5;
  return -Math.sign(u) * Math.log(1 - 2 * Math.abs(u));
}

function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}
