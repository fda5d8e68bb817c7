import { synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

/** Exponent bits of the floating-point format of a given width; the rest is sign and fraction (4 bits: E2M1, 8 bits: E4M3). */
const EXPONENT: Readonly<Record<number, number>> = { 3: 1, 4: 2, 5: 2, 6: 3, 7: 3, 8: 4 };

/** All values of a format without infinities and NaN, ascending: as many as integers −M … M of the same width. */
function floatValues(bits: number): number[] {
  const exponent = EXPONENT[bits]!;
  const fraction = bits - 1 - exponent;
  const bias = 2 ** (exponent - 1) - 1;
  const positive = Array.from({ length: 2 ** (bits - 1) }, (_, pattern) => {
    const e = pattern >> fraction;
    const f = (pattern & (2 ** fraction - 1)) / 2 ** fraction;
    return e === 0 ? f * 2 ** (1 - bias) : (1 + f) * 2 ** (e - bias);
  });
  return [
    ...positive
      .slice(1)
      .map((v) => -v)
      .reverse(),
    ...positive,
  ];
}

/** Rounds to the nearest value, ties to the even pattern, saturating. */
function rounder(values: readonly number[]): (x: number) => number {
  return (x) => {
    let low = 0;
    let high = values.length - 1;
    if (x <= values[0]!) return values[0]!;
    if (x >= values[high]!) return values[high]!;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (values[middle]! <= x) low = middle;
      else high = middle;
    }
    const [below, above] = [x - values[low]!, values[high]! - x];
    // The pattern of a value is its distance from zero, which lies in the middle of the list.
    const even = ((low - (values.length - 1) / 2) & 1) === 0 ? low : high;
    return values[below < above ? low : below > above ? high : even]!;
  };
}

interface FloatNetwork {
  readonly thresholds: number[];
  readonly weights: number[];
  readonly bias: number;
}

/**
 * One hidden layer of step units 1[x − θ ≥ 0] and a running sum that is rounded after every addition. Where one weight cannot carry the sum from one
 * value to the next, the first takes it to zero and a second to the value: both additions are exact.
 */
function memorize(f: readonly number[], values: readonly number[], round: (x: number) => number): FloatNetwork {
  const thresholds: number[] = [];
  const weights: number[] = [];
  for (let i = 1; i < f.length; i++) {
    if (f[i] === f[i - 1]) continue;
    const change = round(f[i]! - f[i - 1]!);
    const steps = round(f[i - 1]! + change) === f[i] ? [change] : [-f[i - 1]!, f[i]!];
    for (const step of steps) {
      thresholds.push(values[i]!);
      weights.push(step);
    }
  }
  return { thresholds, weights, bias: f[0]! };
}

function evaluateFloat({ thresholds, weights, bias }: FloatNetwork, x: number, round: (x: number) => number): number {
  let sum = bias;
  thresholds.forEach((threshold, i) => {
    const z = round(round(1 * x) + round(-threshold));
    sum = round(sum + round(weights[i]! * (z >= 0 ? 1 : 0)));
  });
  return sum;
}

/** The same tables, by rank of the numbers, in both arithmetics. */
export const floating: Experiment = {
  name: "fixed-point-floating",
  summary:
    "The same random tables Q → Q in fixed point and in floating point of equal width, rounding after every operation",
  async run({ seed = 1, signal } = {}) {
    const rows = [];
    for (const bits of [3, 4, 5, 6, 7, 8]) {
      const p = bits - 1;
      const table = randomTable(p, 1, seed);
      const values = floatValues(bits);
      const round = rounder(values);
      const wanted = Array.from(table, (k) => values[k + 2 ** p - 1]!);
      const float = memorize(wanted, values, round);
      const wrong = values.filter((x, i) => evaluateFloat(float, x, round) !== wanted[i]).length;
      const sizes: Record<string, number> = {};
      for (const activation of ["step", "relu", "identity"]) {
        const result = await synthesize(table, { d: 1, activation, p, s: 1, signal });
        if (result.network === undefined) throw new Error(result.reason);
        sizes[activation] = result.parameters;
      }
      const format = `E${EXPONENT[bits]}M${bits - 1 - EXPONENT[bits]!}`;
      rows.push({
        bits,
        format,
        inputs: table.length,
        float: 3 * float.weights.length + 1,
        floatWrong: wrong,
        ...sizes,
      });
    }
    const chart = rows.flatMap((row) =>
      (["float", "step", "relu", "identity"] as const).map((series) => ({
        bits: row.bits,
        series: series === "float" ? "floating point, step" : `fixed point, ${series}`,
        parameters: (row as unknown as Record<string, number>)[series]!,
      })),
    );
    const wrong = rows.reduce((sum, row) => sum + row.floatWrong, 0);
    const most = Math.max(...rows.map((row) => row.float / row.inputs));
    return {
      data: { seed, rows },
      findings: [
        finding("Floating-point networks compute the same tables", "0 wrong", `${wrong} wrong`, wrong === 0),
        finding(
          "with parameters in proportion to the entries",
          "a constant factor",
          `at most ${most.toFixed(1)} per entry`,
          most < 8,
        ),
      ],
      chart: [
        lineChart(
          "A random table in fixed point and in floating point of equal width",
          chart,
          { field: "bits", title: "bits of a number", type: "ordinal" },
          { field: "parameters", title: "parameters", log: true },
          { field: "series", title: "" },
        ),
      ],
    };
  },
};
