import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { agreed } from "./agree.ts";

// Our f64 functions against the engine's, whose own errors are below 1 ulp, over the whole line; and the f32 functions that are computed by
// them, against the same references rounded once. BITBASIS_ULP=1 prints the largest distances.
const word = new DataView(new ArrayBuffer(8));

/** Bit patterns of both signs in steps of about 2^63/n, small multiples of 1/1000, and the edges. */
function samples(n: number): Float64Array {
  const list = [
    0,
    1,
    Infinity,
    NaN,
    5e-324,
    2.2250738585072014e-308,
    Number.MAX_VALUE,
    709.782712893384,
    745.2,
    0.5,
    22,
  ];
  list.push(Math.PI / 2, Math.PI, 1e22, 2 ** 53 + 2, 2 ** 1000, 0.7853981633974483, 1 + 2 ** -52, 1 - 2 ** -53, 6, 3);
  const step = 0x7ff0_0000_0000_0000n / BigInt(n);
  for (let b = 12345n; b < 0x7ff0_0000_0000_0000n; b += step) {
    word.setBigUint64(0, b);
    list.push(word.getFloat64(0));
  }
  for (let i = 1; i < n; i++) list.push((i * 20) / n + 1e-9 * i, 1 - i / n, (i * 800) / n);
  return Float64Array.from(list.flatMap((x) => [x, -x]));
}

/** Distance in units of the last place of `expected`. */
function ulps(got: number, expected: number, bits: number, least: number): number {
  if (Object.is(got, expected) || (Number.isNaN(got) && Number.isNaN(expected))) return 0;
  const unit = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(expected))), least) - bits);
  return Number.isFinite(got - expected) ? Math.abs(got - expected) / unit : Infinity;
}

/** Below 2 the series of the kernel, its terms added from the smallest to the largest; above, 1 − erfc by more terms of its continued fraction. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a > 6) return Number.isNaN(x) ? x : Math.sign(x);
  if (a > 2) {
    let fraction = a;
    for (let n = 400; n > 0; n--) fraction = a + n / 2 / fraction;
    return Math.sign(x) * (1 - Math.exp(-a * a) / fraction / Math.sqrt(Math.PI));
  }
  const terms = [a];
  for (let n = 1; n < 200; n++) terms.push((terms[n - 1]! * 2 * a * a) / (2 * n + 1));
  const sum = terms.reduceRight((total, term) => total + term, 0);
  // the square of h is exact
  const h = Math.fround(a);
  const power = Math.exp(-h * h) * Math.exp(-(a - h) * (a + h));
  return (x < 0 || Object.is(x, -0) ? -1 : 1) * sum * power * (2 / Math.sqrt(Math.PI));
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Largest distance that is allowed in f64; what was measured stands in assembly/math/double/. */
const FUNCTIONS: readonly (readonly [op: string, reference: (x: number) => number, allowed: number])[] = [
  ["Exp", Math.exp, 1],
  ["Log", Math.log, 1],
  ["Sinh", Math.sinh, 2],
  ["Cosh", Math.cosh, 2],
  ["Tanh", Math.tanh, 3],
  ["Asinh", Math.asinh, 3],
  ["Acosh", Math.acosh, 3],
  ["Atanh", Math.atanh, 3],
  ["Sin", Math.sin, 1],
  ["Cos", Math.cos, 1],
  ["Tan", Math.tan, 2],
  ["Asin", Math.asin, 3],
  ["Acos", Math.acos, 3],
  ["Atan", Math.atan, 2],
  ["Sigmoid", (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))), 3],
  ["Softplus", softplus, 2],
  ["Sqrt", Math.sqrt, 0],
  ["Reciprocal", (x) => 1 / x, 0],
  ["Erf", erf, 7],
];
/** Those that f32 has no polynomial of its own for. */
const SINGLE = new Set("Sinh Cosh Asinh Acosh Atanh Tan Asin Acos Atan".split(" "));

describe("functions of one f64", () => {
  const x = samples(1000);
  test.each(FUNCTIONS)("%s", async (op, reference, allowed) => {
    const input = new Tensor("float64", x);
    const [y] = await agreed({ op, inputs: [input], outputs: [{ type: "float64", shape: [x.length] }] });
    let [worst, where] = [0, 0];
    (y!.data as Float64Array).forEach((got, i) => {
      const distance = ulps(got, reference(x[i]!), 52, -1022);
      if (distance > worst) [worst, where] = [distance, i];
    });
    if (process.env["BITBASIS_ULP"]) console.log(`${op}: ${worst.toFixed(2)} ulp at ${x[where]} of ${x.length} values`);
    expect(worst, `${op}(${x[where]}) = ${(y!.data as Float64Array)[where]}`).toBeLessThanOrEqual(allowed);
  });

  test.each(FUNCTIONS.filter(([op]) => SINGLE.has(op)))(
    "%s in f32 is the f64 function rounded once",
    async (op, reference) => {
      const single = Float32Array.from(x);
      const input = new Tensor("float32", single);
      const [y] = await agreed({ op, inputs: [input], outputs: [{ type: "float32", shape: [x.length] }] });
      let worst = 0;
      (y!.data as Float32Array).forEach((got, i) => {
        worst = Math.max(worst, ulps(got, Math.fround(reference(single[i]!)), 23, -126));
      });
      // two neighbours where the f64 value is a tie to within its own error
      expect(worst).toBeLessThanOrEqual(1);
    },
  );
});

test("Pow of float64", async () => {
  const base = samples(80);
  const exponents = Float64Array.of(
    0.1,
    -0.5,
    3,
    -2,
    17,
    0,
    1,
    0.3333333333333333,
    1e-300,
    -7.25,
    100.5,
    1e300,
    NaN,
    Infinity,
  );
  const shape = [exponents.length, base.length];
  const inputs = [new Tensor("float64", base), new Tensor("float64", exponents, [exponents.length, 1])];
  const [y] = await agreed({ op: "Pow", inputs, outputs: [{ type: "float64", shape }] });
  let [worst, where] = [0, ""];
  (y!.data as Float64Array).forEach((got, i) => {
    const [a, e] = [base[i % base.length]!, exponents[Math.floor(i / base.length)]!];
    // JavaScript's 1 ** NaN and (±1) ** ±Infinity are NaN, those of IEEE 754 are 1
    const one = a === 1 || (Math.abs(a) === 1 && Math.abs(e) === Infinity);
    const distance = ulps(got, one ? 1 : a ** e, 52, -1022);
    if (distance > worst) [worst, where] = [distance, `${a} ** ${e}: ${got} instead of ${a ** e}`];
  });
  if (process.env["BITBASIS_ULP"]) console.log(`Pow: ${worst.toFixed(2)} ulp, ${where}`);
  expect(worst, where).toBeLessThanOrEqual(2);
});
