import { lowerPrecision, sliceNetwork } from "../../regimes/index.ts";
import type { Experiment, Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomMlp } from "./mlp.ts";

const PRECISIONS = [2, 3, 4, 6, 7, 8, 11, 15, 19, 23];
const WIDTHS = [4, 8, 16, 32, 64, 96];
const RECODINGS = ["magnitude", "signed"] as const;

/** What exact conversion to {0, ±1/2, ±1} and to 4 fractional bits costs as precision and size grow. */
export const cost: Experiment = {
  name: "regimes-cost",
  summary:
    "Cost of exact lowering as the original's precision and width grow: depth, non-zeros and memory, deeper network and digit slices.",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: { [key: string]: Json }[] = [];
    const cases = [
      ...PRECISIONS.map((b) => ({ study: "precision", width: 32, b })),
      ...WIDTHS.map((width) => ({ study: "width", width, b: 7 })),
    ];
    for (const [done, { study, width, b }] of cases.entries()) {
      const network = randomMlp([4, width, width, width, 3], b, seed);
      for (const bits of [1, 4]) {
        if (bits >= b) continue;
        for (const recoding of RECODINGS) {
          signal?.throwIfAborted();
          const { depth, width: wide, ratio, nonZero, original } = await lowerPrecision(network, bits, { recoding });
          const slices = sliceNetwork(network, bits, recoding);
          rows.push({
            study,
            width,
            b,
            bits,
            recoding,
            depth,
            loweredWidth: wide,
            nonZero,
            sparse: ratio.sparse,
            dense: ratio.dense,
            slicesSparse: slices.sparseMemory / original.sparseMemory,
            slicesDense: slices.denseMemory / original.denseMemory,
            shifts: slices.shifts,
          });
        }
      }
      onProgress?.({ phase: study, loaded: done + 1, total: cases.length });
    }
    const chart = [
      costChart(rows, "precision", "b", "fractional bits of the original (4-32-32-32-3)", false),
      costChart(rows, "width", "width", "width of the original's hidden layers (b = 7)", true),
    ];
    const ratios = (form: "sparse" | "dense") =>
      rows
        .filter((row) => row["study"] === "precision" && row["bits"] === 1 && row["recoding"] === "signed")
        .map((row) => row[form] as number);
    const span = (values: readonly number[]) =>
      `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
    const [sparse, dense] = [ratios("sparse"), ratios("dense")];
    return {
      data: rows,
      findings: [
        {
          claim: "Conversion to {0, ±1/2, ±1} keeps memory within a constant factor at every precision",
          expected: "a constant factor",
          found: `${span(sparse)} with zeros not stored, ${span(dense)} with zeros stored (b = ${PRECISIONS[0]} to ${PRECISIONS.at(-1)})`,
          verdict: Math.max(...sparse) < 2 ? "corrected" : "refuted",
        },
      ],
      chart,
    };
  },
};

const FORMS = {
  deep: "deeper network",
  signed: "deeper, signed digits",
  slices: "digit slices, signed",
  four: "deeper, 4 fractional bits",
};

function costChart(
  rows: readonly { readonly [key: string]: Json }[],
  study: string,
  x: string,
  xTitle: string,
  logX: boolean,
) {
  const own = rows.filter((row) => row["study"] === study);
  const lines = own.flatMap((row) => {
    const at = row[x]!;
    if (row["bits"] === 4)
      return row["recoding"] === "magnitude" ? [{ x: at, ratio: row["sparse"]!, form: FORMS.four }] : [];
    if (row["recoding"] === "magnitude") return [{ x: at, ratio: row["sparse"]!, form: FORMS.deep }];
    return [
      { x: at, ratio: row["sparse"]!, form: FORMS.signed },
      { x: at, ratio: row["slicesSparse"]!, form: FORMS.slices },
    ];
  });
  return lineChart({
    title: `sparse memory after exact lowering to {0, ±1/2, ±1}, by ${study}`,
    rows: lines,
    x: "x",
    y: "ratio",
    series: "form",
    xTitle,
    yTitle: "memory of the original = 1",
    logX,
    whole: !logX,
    order: Object.values(FORMS),
  });
}
