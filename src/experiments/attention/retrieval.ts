import { equalitySensitivity, type Score } from "../../attention/index.ts";
import { type Experiment, type ExperimentResult, finding, type Json } from "../experiment.ts";
import { clusteredKeys, randomKeys } from "./keys.ts";

const N = 1000;
const D = 64;
const BITS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

interface Row extends Readonly<Record<"bits" | "lost" | "retrieval" | "softmax" | "certified", number>> {
  readonly [key: string]: Json;
  readonly keys: string;
  readonly score: Score;
}

/** Does a query equal to a stored key find it? Three kinds of keys, with q·k and with q·k − |k|²/2. */
export const retrieval: Experiment = {
  name: "attention-retrieval",
  summary: `Retrieval rate against bits for ${N} random, clustered and near-duplicate unit keys of dimension ${D}, with and without the nearest-key correction.`,
  run: async (options = {}): Promise<ExperimentResult> => {
    const { seed = 1, signal } = options;
    const sets = {
      random: randomKeys(N, D, seed),
      clustered: clusteredKeys(N, D, 50, 0.3, seed),
      "near-duplicate": clusteredKeys(N, D, N / 2, 0.02, seed),
    };
    const rows: Row[] = [];
    const about = [];
    let done = 0;
    for (const [keys, data] of Object.entries(sets)) {
      for (const score of ["dot", "nearest"] as Score[]) {
        options.onProgress?.({ phase: "retrieval", loaded: done++, total: 6 });
        const s = await equalitySensitivity(data, [N, D], { bits: BITS, score, ...(signal && { signal }) });
        if (score === "dot") {
          about.push({
            keys,
            smallestGap: s.smallestGap!,
            safeBits: s.safeBits ?? null,
            provedBits: s.provedBits ?? null,
          });
        }
        for (const { bits, lost, retrieval: rate, softmax, certified } of s.rows) {
          rows.push({ keys, score, bits, lost, retrieval: rate!, softmax: softmax!, certified: certified! });
        }
      }
    }
    const line = { mark: { type: "line", point: true } };
    const x = { field: "bits", type: "ordinal", axis: { labelAngle: 0 } };
    const distinct = rows.filter((row) => row.lost === 0);
    const found = (score: string) => distinct.filter((row) => row.score === score);
    const least = (list: readonly Row[]) => Math.min(...list.map((row) => row.retrieval));
    const near = found("dot").filter((row) => row.keys === "near-duplicate");
    const overProved = rows.filter((row) => row.certified > row.retrieval).length;
    return {
      data: { n: N, d: D, seed, sets: about, rows },
      findings: [
        finding(
          "With q·k − |k|²/2 every query finds its key as soon as keys are distinct",
          "100 %",
          `${(100 * least(found("nearest"))).toFixed(1)} % at the worst of ${found("nearest").length} widths without a collision`,
          least(found("nearest")) === 1,
        ),
        finding(
          "With q·k distinct near-duplicates are missed",
          "well below 100 % where they are distinct",
          `${(100 * least(near)).toFixed(1)} % at ${near[0]!.bits} bits, ${(100 * near.at(-1)!.retrieval).toFixed(1)} % at ${near.at(-1)!.bits}`,
          least(near) < 0.9,
        ),
        finding("No more is certified than is retrieved", "0 rows", `${overProved} rows`, overProved === 0),
      ],
      chart: [
        {
          title: "Queries that find their key (strict argmax of integer scores)",
          data: { values: rows },
          facet: { column: { field: "keys", type: "nominal", title: null } },
          spec: {
            ...line,
            encoding: {
              x,
              y: { field: "retrieval", type: "quantitative", axis: { format: "%" }, title: "queries" },
              color: { field: "score", type: "nominal" },
            },
          },
        },
        {
          title: "Pairs of different keys with equal codes",
          width: 420,
          data: { values: rows.filter((row) => row.score === "dot" && row.lost > 0) },
          ...line,
          encoding: {
            x,
            y: {
              field: "lost",
              type: "quantitative",
              title: "pairs lost (none where there is no point)",
              scale: { type: "log" },
              axis: { tickCount: 4 },
            },
            color: { field: "keys", type: "nominal" },
          },
        },
      ],
    };
  },
};
