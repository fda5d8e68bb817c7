import { approximate, approximatePlane, STYLES, type Style, styleBound, toNumber } from "../../regimes/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { logSlope, walk } from "./functions.ts";

/** Cells up to 2^these; the composite needs many before its tables pay. */
const MOST_CELLS: Readonly<Partial<Record<Style, number>>> = { table: 12, composite: 13, interpolant: 12 };
const MOST = 10;
const LIPSCHITZ = { constant: 1, exponent: 1 };

/** Error against memory for every construction, against the entropy bound 1/(memory + 1). */
export const memory: Experiment = {
  name: "regimes-memory",
  summary:
    "Error against memory for every construction on a random 1-Lipschitz walk, against the entropy bound; one and two inputs.",
  async run({ seed = 1, signal, onProgress } = {}) {
    const samples = walk(seed, 13);
    const rows: { [key: string]: Json }[] = [];
    for (const [done, style] of STYLES.entries()) {
      for (let cells = 3; cells <= (MOST_CELLS[style] ?? MOST); cells++) {
        if (style === "composite" && cells < 5) continue;
        const bound = toNumber(styleBound(style, cells, LIPSCHITZ));
        const { measuredError, supError, size } = await approximate(samples, {
          lipschitz: 1,
          error: bound,
          style,
          signal,
        });
        const { denseMemory, sparseMemory, depth, width, a, b } = size;
        rows.push({
          style,
          cells,
          depth,
          width,
          a,
          b,
          denseMemory,
          sparseMemory,
          proved: supError,
          measured: measuredError,
          provedTimesMemory: supError * denseMemory,
        });
      }
      onProgress?.({ phase: style, loaded: done + 1, total: STYLES.length + 1 });
    }
    const slopes = Object.fromEntries(
      STYLES.map((style) => [
        style,
        logSlope(
          rows
            .filter((row) => row["style"] === style)
            .map((row) => [row["denseMemory"] as number, row["proved"] as number] as const),
        ),
      ]),
    );
    const plane: { [key: string]: Json }[] = [];
    for (let cells = 1; cells <= 5; cells++) {
      const { supError, measuredError, memoryBits, size } = await approximatePlane(ripple, {
        lipschitz: 1,
        error: (15 / 14 + 1e-9) * 2 ** -cells,
        signal,
      });
      plane.push({
        style: "plane",
        cells,
        memoryBits,
        bitsPerNode: memoryBits / 4 ** cells,
        proved: supError,
        measured: measuredError,
        depth: size.depth,
        width: size.width,
      });
    }
    onProgress?.({ phase: "plane", loaded: STYLES.length + 1, total: STYLES.length + 1 });
    const sizes = Array.from({ length: 14 }, (_, k) => 2 ** (k + 6));
    const lines = [
      ...rows.map((row) => ({ memory: row["denseMemory"]!, error: row["proved"]!, series: row["style"]! })),
      ...sizes.map((bits) => ({ memory: bits, error: 1 / (bits + 1), series: BOUND })),
    ];
    const chart = lineChart({
      title: "memory-optimality, one input: proved error against dense memory",
      rows: lines,
      x: "memory",
      y: "error",
      series: "series",
      xTitle: "memory in bits",
      yTitle: "sup error",
      logX: true,
      logY: true,
      dashed: [BOUND],
      order: [...STYLES, BOUND],
    });
    const below = rows.filter((row) => (row["proved"] as number) * ((row["denseMemory"] as number) + 1) < 1).length;
    const scan = rows.filter((row) => row["style"] === "scan").map((row) => row["provedTimesMemory"] as number);
    return {
      data: { rows, slopes, plane },
      findings: [
        finding("No construction is below the entropy bound", "0", `${below} of ${rows.length}`, below === 0),
        finding(
          "The error falls like 1/memory (scan)",
          "slope −1",
          `slope ${slopes["scan"]!.toFixed(2)}`,
          Math.abs(slopes["scan"]! + 1) < 0.15,
        ),
        finding(
          "The scan is optimal up to a constant",
          "error × memory bounded",
          `between ${Math.min(...scan).toFixed(1)} and ${Math.max(...scan).toFixed(1)}`,
          Math.max(...scan) < 25,
        ),
      ],
      chart: [chart],
    };
  },
};

const BOUND = "entropy bound";

/** 1-Lipschitz in the maximum norm. */
function ripple(x: number, y: number): number {
  return Math.abs(((x * 9) % 2) - 1) / 18 - Math.abs(((y * 7) % 2) - 1) / 14;
}
