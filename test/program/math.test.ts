import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { runOperator } from "./harness.ts";

// Units in the last place of our f32 functions against f64 references, over dense samples of the whole f32 line.
const bits = new Int32Array(1);
const asFloat = new Float32Array(bits.buffer);

/** Every `step`-th f32 bit pattern of both signs (about 2^33/step values), and the edges. */
function samples(step: number): Float32Array {
  const list: number[] = [0, -0, Infinity, -Infinity, NaN, 1, -1, 88.72283, 88.72284, -87.33655, -103.97208, -104];
  list.push(
    1e-45,
    -1e-45,
    1.1754942e-38,
    1.1754944e-38,
    3.4028234663852886e38,
    -3.4028234663852886e38,
    0.625,
    0.62499994,
  );
  for (let b = 0; b < 0x7f800000; b += step) {
    bits[0] = b;
    list.push(asFloat[0]!, -asFloat[0]!);
  }
  // where the functions bend
  for (let i = -24000; i <= 24000; i++) list.push(i / 1000);
  return Float32Array.from(list);
}

/** The distance of neighbours at |y| in f32, subnormals included. */
function ulp(y: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(y))), -126) - 23);
}

function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  let [term, sum] = [a, a];
  for (let n = 1; n < 200; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * sum * Math.exp(-a * a) * (2 / Math.sqrt(Math.PI));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Largest error in ulp that the test allows; measured figures in the third column. */
const FUNCTIONS: readonly (readonly [op: string, reference: (x: number) => number, allowed: number])[] = [
  ["Exp", Math.exp, 2],
  ["Log", Math.log, 2],
  ["Tanh", Math.tanh, 2],
  ["Sigmoid", sigmoid, 2],
  ["Erf", erf, 2],
  ["Softplus", softplus, 2],
  ["Sin", Math.sin, 1],
  ["Cos", Math.cos, 1],
  ["Sqrt", Math.sqrt, 0.5],
  ["Reciprocal", (x) => 1 / x, 0.5],
  ["Softsign", (x) => x / (1 + Math.abs(x)), 1.5],
  ["Elu", (x) => (x < 0 ? Math.expm1(x) : x), 4],
  // below −87 the exponential is subnormal: see assembly/math/functions.ts
  ["Mish", (x) => x * Math.tanh(softplus(x)), 4],
];

function worst(op: string, x: Float32Array, y: Float32Array, reference: (x: number) => number): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const expected = reference(x[i]!);
    const got = y[i]!;
    if (op === "Mish" && x[i]! <= -87 && x[i]! > -Infinity) {
      if (!(Math.abs(got) < 1e-35)) throw new Error(`Mish(${x[i]}) expected about 0, got ${got}`);
      continue;
    }
    if (Number.isNaN(expected)) {
      if (!Number.isNaN(got)) throw new Error(`${op}(${x[i]}) expected NaN, got ${got}`);
      continue;
    }
    const rounded = Math.fround(expected);
    if (Object.is(rounded, got)) continue;
    if (!Number.isFinite(rounded) || !Number.isFinite(got)) {
      // at the edge of overflow one of the two may be the largest finite number
      const edge = Math.min(Math.abs(rounded), Math.abs(got)) > 3.4e38;
      if (edge && Math.sign(rounded) === Math.sign(got)) continue;
      throw new Error(`${op}(${x[i]}) expected ${rounded}, got ${got}`);
    }
    const error = Math.abs(got - expected) / ulp(expected === 0 ? got : expected);
    if (!(error <= most)) most = error;
  }
  return most;
}

/** Functions of which the core does several elements at once, one way where none is far from 0, another where one is. */
const LONG: readonly { op: string; attributes?: Record<string, number | string> }[] = [
  { op: "Exp" },
  { op: "Tanh" },
  { op: "Sigmoid" },
  { op: "Swish", attributes: { alpha: 1.7 } },
  { op: "Gelu" },
  { op: "Gelu", attributes: { approximate: "tanh" } },
  { op: "Erf" },
];

describe("an element does not depend on those beside it", () => {
  const x = Float32Array.of(1, -2, 0.5, 88, -87.2, 3, NaN, -0, -104, 7, 0.3, -Infinity, 4, -88.5, 2e-40, 60, -60);
  const alone = async (op: string, attributes: Record<string, number | string>, values: Float32Array) => {
    const inputs = [new Tensor("float32", values)];
    const outputs = [{ type: "float32", shape: [values.length] }] as const;
    const domain = op === "Gelu" ? "bitbasis" : "";
    return (await runOperator({ op, domain, inputs, outputs, attributes }, { build: "simd" }))[0]!;
  };
  test.each(LONG)("$op $attributes", async ({ op, attributes = {} }) => {
    const each = await Promise.all(Array.from(x, (value) => alone(op, attributes, Float32Array.of(value))));
    const expected = Float32Array.from(each, ({ data }) => (data as Float32Array)[0]!);
    for (let first = 0; first < 4; first++)
      for (let end = first + 1; end <= x.length; end++) {
        const together = await alone(op, attributes, x.slice(first, end));
        expect(sameBits(together, new Tensor("float32", expected.slice(first, end)))).toBe(-1);
      }
  });
});

describe("functions of one f32", () => {
  const x = samples(9973);
  const input = new Tensor("float32", x);
  const outputs = [{ type: "float32", shape: [x.length] }] as const;
  test.each(FUNCTIONS)("%s", async (op, reference, allowed) => {
    const [simd] = await runOperator({ op, inputs: [input], outputs }, { build: "simd" });
    const [scalar] = await runOperator({ op, inputs: [input], outputs }, { build: "scalar", threads: 3 });
    const error = worst(op, x, simd!.data as Float32Array, reference);
    if (process.env["BITBASIS_ULP"]) console.log(`${op}: ${error.toFixed(3)} ulp over ${x.length} values`);
    expect(error).toBeLessThanOrEqual(allowed);
    expect(sameBits(simd!, scalar!)).toBe(-1);
  });

  test("Pow", async () => {
    const both = samples(1_999_993).filter((_, i) => i % 7 === 0);
    // Then those of four positive numbers beside each other, which the SIMD build computes together.
    const base = Float32Array.from([...both, ...both.map(Math.abs)]);
    const exponents = [
      0.1,
      0.5,
      -0.5,
      1.7,
      -2.3,
      3,
      4,
      5,
      -1,
      -3,
      2.5,
      10,
      0,
      1,
      1 / 3,
      2,
      100.25,
      Infinity,
      -Infinity,
      NaN,
    ];
    let most = 0;
    for (const y of exponents) {
      const inputs = [new Tensor("float32", base), new Tensor("float32", Float32Array.of(y))];
      const outputs = [{ type: "float32", shape: [base.length] }] as const;
      const [simd] = await runOperator({ op: "Pow", inputs, outputs }, { build: "simd" });
      const [scalar] = await runOperator({ op: "Pow", inputs, outputs }, { build: "scalar" });
      // JavaScript's 1 ** NaN and (±1) ** ±Infinity are NaN, those of IEEE 754 are 1
      const exact = Math.fround(y);
      const power = (a: number): number =>
        a === 1 || (Math.abs(a) === 1 && Math.abs(exact) === Infinity) ? 1 : a ** exact;
      most = Math.max(most, worst(`Pow ${y}`, base, simd!.data as Float32Array, power));
      expect(sameBits(simd!, scalar!)).toBe(-1);
    }
    if (process.env["BITBASIS_ULP"]) console.log(`Pow: ${most.toFixed(3)} ulp`);
    expect(most).toBeLessThanOrEqual(1.5);
    // Exponents that change from lane to lane, each of them in every lane.
    for (const chosen of [exponents, [0.3, 0.5, 1.7, -4, 0.5]]) {
      const each = base.map((_, i) => chosen[(i + Math.floor(i / chosen.length)) % chosen.length]!);
      const inputs = [new Tensor("float32", base), new Tensor("float32", each)];
      const outputs = [{ type: "float32", shape: [base.length] }] as const;
      const [simd] = await runOperator({ op: "Pow", inputs, outputs }, { build: "simd", threads: 3 });
      const [scalar] = await runOperator({ op: "Pow", inputs, outputs }, { build: "scalar" });
      expect(sameBits(simd!, scalar!)).toBe(-1);
    }
  });
});

/** Index of the first difference in bits, all NaN counting as one; −1 when there is none. */
function sameBits(a: Tensor, b: Tensor): number {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  return x.findIndex((v, i) => !Object.is(v, y[i]));
}
