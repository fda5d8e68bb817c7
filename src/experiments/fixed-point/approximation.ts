import { synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

const PRECISIONS = [2, 3, 4, 5, 6, 7] as const;
/** Where the error of a real-valued network is looked for: multiples of 1/2048 in [-1, 1], on which every piece begins and ends. */
const STEPS = 2 ** 12;
/** A real parameter is a float32. */
const REAL_BITS = 32;

/** Functions [-1, 1] → [-1, 1] by + − × ÷ alone, the same on every machine. */
const SMOOTH: Readonly<Record<string, (x: number) => number>> = {
  "2x² − 1": (x) => 2 * x * x - 1,
  "(5x³ − 3x)/2": (x) => (5 * x * x * x - 3 * x) / 2,
  "2/(1 + 25x²) − 1": (x) => 2 / (1 + 25 * x * x) - 1,
};
const RANDOM = "a random table";

type Row = {
  readonly f: string;
  readonly p: number;
  readonly entries: number;
  /** Of a network with one hidden ReLU layer and real weights, within half a step everywhere. */
  readonly real: number;
  readonly realBits: number;
  /** Of the network of integers that gives the rounded function at every input, exactly. */
  readonly exact: number;
  readonly exactBits: number;
};

/** What approximation by real numbers takes, beside exactness in the format, for the same functions at the same resolution. */
export const approximation: Experiment = {
  name: "fixed-point-approximation",
  summary:
    "Smooth functions and a random one at p = 2 … 7: parameters of a real ReLU network within half a step, and of the network of integers that is exact on every input",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: Row[] = [];
    const names = [...Object.keys(SMOOTH), RANDOM];
    for (const [done, f] of names.entries()) {
      for (const p of PRECISIONS) {
        const m = 2 ** p - 1;
        const table = tableOf(f, p, seed);
        const made = await synthesize(table, { d: 1, activation: "relu", p, s: 1, signal });
        if (made.network === undefined) throw new Error(made.reason);
        // c + Σ a·ReLU(x − x_i): a neuron per piece.
        const real = 3 * pieces(valuesOf(f, table, m), 1 / (2 * m)) + 1;
        const exact = made.nonZero;
        rows.push({ f, p, entries: table.length, real, realBits: REAL_BITS * real, exact, exactBits: (p + 1) * exact });
      }
      onProgress?.({ phase: "functions", loaded: done + 1, total: names.length });
    }
    const smooth = Object.keys(SMOOTH);
    const growth = (f: string, of: "real" | "exact"): number => {
      const at = (p: number): number => rows.find((row) => row.f === f && row.p === p)![of];
      return Math.sqrt(at(7) / at(5));
    };
    const growths = (fs: readonly string[], of: "real" | "exact"): string =>
      fs.map((f) => growth(f, of).toFixed(2)).join(", ");
    const cheaper = rows.filter((row) => smooth.includes(row.f) && row.exactBits < row.realBits);
    return {
      data: { seed, rows },
      findings: [
        finding(
          "Real networks approximate smooth functions with about ε^(−1/2) parameters",
          "√2 = 1.41 times a bit",
          `${growths(smooth, "real")} times a bit from p = 5 to 7`,
          smooth.every((f) => Math.abs(growth(f, "real") - Math.SQRT2) < 0.15),
        ),
        {
          claim: "The network of integers that is exact grows alike",
          expected: "√2 times a bit",
          found: `${growths(smooth, "exact")} times a bit: every rounded value is its own corner; smoothness is lost below one step`,
          verdict: smooth.every((f) => growth(f, "exact") < 1.6) ? "confirmed" : "corrected",
        },
        finding(
          "Without smoothness both need a parameter or more for every entry",
          "2 times a bit",
          `real ${growths([RANDOM], "real")}, exact ${growths([RANDOM], "exact")} times a bit`,
          growth(RANDOM, "real") > 1.8 && growth(RANDOM, "exact") > 1.8,
        ),
        {
          claim: "In bits, exactness in the format is no luxury",
          expected: "not predicted",
          found: `fewer bits than float32 parameters for ${cheaper.length} of ${3 * PRECISIONS.length} smooth functions and precisions${cheaper.length > 0 ? `, up to p = ${Math.max(...cheaper.map(({ p }) => p))}` : ""}`,
          verdict: "open",
        },
      ],
      tables: [
        {
          header: ["f", "p", "entries", "real, within half a step", "bits", "exact in integers", "bits"],
          rows: rows.map((row) => [row.f, row.p, row.entries, row.real, row.realBits, row.exact, row.exactBits]),
        },
      ],
      chart: names.map((f) =>
        lineChart(
          f,
          rows
            .filter((row) => row.f === f)
            .flatMap(({ p, entries, real, exact }) => [
              { p, parameters: real, series: "real weights, within half a step" },
              { p, parameters: exact, series: "integers, exact" },
              { p, parameters: entries, series: "entries of the table" },
            ]),
          { field: "p", title: "p", type: "ordinal" },
          { field: "parameters", title: "parameters", log: true },
          { field: "series", title: "" },
        ),
      ),
    };
  },
};

/** f at k/M in steps of 1/M, k = −M … M. */
function tableOf(f: string, p: number, seed: number): Int32Array {
  const smooth = SMOOTH[f];
  if (smooth === undefined) return randomTable(p, 1, seed);
  const m = 2 ** p - 1;
  return Int32Array.from({ length: 2 * m + 1 }, (_, i) => Math.round(m * smooth((i - m) / m)));
}

/** The function in real numbers where pieces may begin and end: the random one is straight between its entries. */
function valuesOf(f: string, table: Int32Array, m: number): Float64Array {
  const smooth = SMOOTH[f];
  if (smooth === undefined) return Float64Array.from(table, (k) => k / m);
  return Float64Array.from({ length: STEPS + 1 }, (_, i) => smooth((2 * i) / STEPS - 1));
}

/** Straight pieces between these values that stay within `tolerance` of them, each as long as it may be. */
function pieces(values: Float64Array, tolerance: number): number {
  const fits = (from: number, to: number): boolean => {
    const slope = (values[to]! - values[from]!) / (to - from);
    for (let i = from + 1; i < to; i++)
      if (Math.abs(values[from]! + slope * (i - from) - values[i]!) > tolerance) return false;
    return true;
  };
  let count = 0;
  for (let from = 0; from < values.length - 1; count++) {
    let to = from + 1;
    while (to < values.length - 1 && fits(from, to + 1)) to++;
    from = to;
  }
  return count;
}
