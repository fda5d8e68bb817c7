import { checkOptions } from "../core/index.ts";
import { activationEntry, activationName, type Entry, isMonotone } from "./activations.ts";
import { checkFormat, gcd, maximum } from "./arithmetic.ts";
import { separation } from "./separation.ts";
import { criterion } from "./sets.ts";

/** `binary`: universal even with weights ±1. The others say what fails: one bit too few for the scale, constant, gaps, inputs not told apart. */
export type MapVerdict = "binary" | "universal" | "scale" | "constant" | "gaps" | "inputs";

/** A stretch of scales with the same verdict. */
export interface MapRun {
  /** The first scale of the stretch, ≥ 1. */
  readonly from: number;
  /** The last scale of the stretch, included. */
  readonly to: number;
  /** Which holds for all of it. */
  readonly verdict: MapVerdict;
}

/** For which formats networks of one activation represent every function. */
export interface UniversalityMap {
  /** Its name, as `activationName` gives it. */
  readonly activation: string;
  /** p runs from 1 to here. */
  readonly maxP: number;
  /** s runs from 1 to here. */
  readonly maxS: number;
  /** `rows[p − 1]`: the scales 1 … maxS in runs. */
  readonly rows: readonly (readonly MapRun[])[];
}

const UNKNOWN = 0x7fffffff;

/**
 * The verdict of `analyze` for every p ≤ maxP and s ≤ maxS. Table entries are shared by all p and computed only as far as the verdict needs.
 *
 * @param activation a name or a function; a table belongs to one format only
 * @example
 * universalityMap("sigmoid", { maxP: 8, maxS: 256 }).rows[2]; // p = 3: [{ from: 1, to: 7, verdict: "binary" }, …]
 */
export function universalityMap(
  activation: string | ((x: number) => number),
  options: { maxP?: number; maxS?: number } = {},
): UniversalityMap {
  checkOptions(options);
  const { maxP = 12, maxS = 1024 } = options;
  checkFormat(maxP, maxS);
  const column: Column = {
    largest: maximum(maxP),
    raw: new Int32Array(2 ** (maxP + 1) - 1),
    entry: () => 0,
    monotone: isMonotone(activation),
  };
  const rows: MapRun[][] = Array.from({ length: maxP }, () => []);
  for (let s = 1; s <= maxS; s++) {
    column.entry = activationEntry(activation, s);
    column.raw.fill(UNKNOWN);
    for (let p = 1; p <= maxP; p++) {
      const verdict = verdictAt(column, p, s);
      const row = rows[p - 1]!;
      const last = row.at(-1);
      if (last?.verdict === verdict) row[row.length - 1] = { ...last, to: s };
      else row.push({ from: s, to: s, verdict });
    }
  }
  return { activation: activationName(activation), maxP, maxS, rows };
}

/** Entries of one scale, not saturated below the largest M, filled on demand. */
interface Column {
  readonly largest: number;
  readonly raw: Int32Array;
  entry: Entry;
  readonly monotone: boolean;
}

function at({ raw, largest, entry }: Column, k: number, m: number): number {
  let value = raw[k + largest]!;
  if (value === UNKNOWN) raw[k + largest] = value = entry(k, largest);
  return value > m ? m : value < -m ? -m : value;
}

function verdictAt(column: Column, p: number, s: number): MapVerdict {
  const m = maximum(p);
  if (s > 2 * m) return "scale";
  const first = at(column, 0, m);
  let g = 0;
  // From the middle outwards, where tables change; once g is 1 nothing can change it.
  for (const direction of [1, -1]) {
    const end = at(column, direction * m, m);
    let last = first;
    for (let k = 1; k <= m && g !== 1; k++) {
      const value = at(column, direction * k, m);
      if (value !== last) g = gcd(g, Math.abs(value - first));
      last = value;
      // What lies between equal values of a monotone activation equals them.
      if (column.monotone && value === end) break;
    }
  }
  if (g === 0) return "constant";
  if (!criterion(g, p, s).holds) return "gaps";
  if (s > m) {
    const table = Int32Array.from({ length: 2 * m + 1 }, (_, i) => at(column, i - m, m));
    return separation(table, p, s).separates ? "universal" : "inputs";
  }
  return g === 1 || p === 1 ? "binary" : "universal";
}
