import { equalitySensitivity } from "../../attention/index.ts";
import { normalNumbers, uniformNumbers } from "../../tensor/index.ts";
import { type Experiment, type ExperimentResult, finding } from "../experiment.ts";
import { randomKeys } from "./keys.ts";

const N = 1000;
const D = 64;
const BITS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
/** Euclidean distances of a probe to the item that it imitates. */
const DISTANCES = [0.3, 0.1, 0.03, 0.01];

/**
 * Is x among these n items? A nearest-key head answers yes when the best 2·q·k − |k|² reaches |q|², that is, when x's code is an item's; no
 * head that sees the codes can do better, since equal codes are equal inputs. Items are always found. An impostor at a distance from an item
 * passes when every coordinate rounds to the same code: for items that lie anywhere within a grid cell the chance is Π max(0, 1 − |δ_c|/Δ).
 * At 2 bits nearly all coordinates round to 0, so that "anywhere" does not hold and more impostors pass than predicted.
 */
export const membership: Experiment = {
  name: "attention-membership",
  summary: `Is x among these ${N} items of dimension ${D}? Impostors that pass, against bits and their distance: predicted and measured.`,
  run: async (options = {}): Promise<ExperimentResult> => {
    const { seed = 1, signal } = options;
    const items = randomKeys(N, D, seed);
    const rows: { distance: number; bits: number; predicted: number; measured: number }[] = [];
    for (const [index, distance] of DISTANCES.entries()) {
      options.onProgress?.({ phase: "membership", loaded: index, total: DISTANCES.length });
      const offsets = impostorOffsets(distance, seed + 1 + index);
      const keys = new Float32Array(2 * N * D);
      keys.set(items);
      offsets.forEach((offset, i) => {
        keys[N * D + i] = items[i]! + offset;
      });
      // An impostor that also sees itself finds itself, strictly, exactly when no item has its code: the head's own scores tell.
      const s = await equalitySensitivity(keys, [2 * N, D], {
        queries: keys.subarray(N * D),
        targets: Array.from({ length: N }, (_, i) => N + i),
        mask: Uint8Array.from({ length: 2 * N * N }, (_, at) => hidden(Math.floor(at / (2 * N)), at % (2 * N))),
        score: "nearest",
        bits: BITS,
        ...(signal && { signal }),
      });
      for (const { bits, step, retrieval } of s.rows) {
        rows.push({ distance, bits, predicted: predict(offsets, step), measured: 1 - retrieval! });
      }
    }
    // Of a share p among N impostors, plus one impostor for the granularity of a count.
    const off = (row: (typeof rows)[number]) =>
      Math.abs(row.measured - row.predicted) / (Math.sqrt((row.predicted * (1 - row.predicted)) / N) + 1 / N);
    const worst = Math.max(...rows.filter((row) => row.bits > 2).map(off));
    const coarse = rows.filter((row) => row.bits === 2);
    const more = coarse.filter((row) => row.measured >= row.predicted).length;
    return {
      data: { n: N, d: D, seed, rows },
      findings: [
        finding(
          "An impostor passes with the chance Π max(0, 1 − |δ|/Δ), from 3 bits on",
          "within 4 standard deviations",
          `at most ${worst.toFixed(1)} standard deviations off`,
          worst < 4,
        ),
        {
          claim: "The same at 2 bits, where most coordinates round to 0",
          expected: "the same chance",
          found: `as many or more pass at ${more} of ${coarse.length} distances: items do not lie anywhere in their cells`,
          verdict: more === coarse.length ? "corrected" : "open",
        },
      ],
      chart: [
        {
          width: 420,
          title: "Impostors that pass for an item: measured (points), predicted (lines)",
          data: { values: rows },
          encoding: {
            x: { field: "bits", type: "ordinal", axis: { labelAngle: 0 } },
            color: { field: "distance", type: "nominal" },
          },
          layer: [
            {
              mark: "line",
              encoding: {
                y: { field: "predicted", type: "quantitative", axis: { format: "%" }, title: "impostors that pass" },
              },
            },
            { mark: "point", encoding: { y: { field: "measured", type: "quantitative" } } },
          ],
        },
      ],
    };
  },
};

/** Query i sees the items and itself, no other impostor. */
function hidden(query: number, key: number): number {
  return key < N || key === N + query ? 0 : 1;
}

/** One offset per item, in a random direction, of the given length. */
function impostorOffsets(length: number, seed: number): Float32Array {
  const next = normalNumbers(uniformNumbers(seed));
  const offsets = Float32Array.from({ length: N * D }, next);
  for (let at = 0; at < offsets.length; at += D) {
    const row = offsets.subarray(at, at + D);
    const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    for (let c = 0; c < D; c++) row[c] = (row[c]! * length) / norm;
  }
  return offsets;
}

function predict(offsets: Float32Array, step: number): number {
  let sum = 0;
  for (let at = 0; at < offsets.length; at += D) {
    let chance = 1;
    for (let c = 0; c < D; c++) chance *= Math.max(0, 1 - Math.abs(offsets[at + c]!) / step);
    sum += chance;
  }
  return sum / (offsets.length / D);
}
