import { maximum } from "./arithmetic.ts";
import { criterion, type Gcds } from "./sets.ts";

/**
 * The conditions as the paper states them, beside the exact answer, so that a reader sees where they say nothing and where they are wrong.
 * Each `verdict` is what the condition concludes; `agrees` is false where that contradicts the exact answer.
 */
export interface Published {
  /** Some bias b has N_b = Q; if not, networks cannot represent everything. */
  readonly necessary: Condition;
  /** Condition 1 and some bias b with S_b = Q; if so, networks represent everything. */
  readonly sufficient: Condition & {
    /** Whether Condition 1 holds, in our reading: see `condition1`. */
    readonly condition1: boolean;
  };
  /** 1/s is a gap of the activation (g = 1 follows), with Condition 1. */
  readonly unitGap: Condition;
  /** "If r ≥ 3 divides every s·a(x) and s·r is in Q, then N_b ≠ Q for every b", taken literally; `r` is such a divisor where one exists. */
  readonly divisibility: Condition & {
    /** The least such divisor. */
    readonly r?: number;
  };
}

/** One published condition, and what it concludes. */
export interface Condition {
  /** Whether this activation and format meet it. */
  readonly holds: boolean;
  /** What the paper concludes from that; `silent`: nothing. */
  readonly verdict: "universal" | "not universal" | "silent";
  /** False where the verdict contradicts the exact answer; silence contradicts nothing. */
  readonly agrees: boolean;
}

/**
 * Condition 1 in our reading: some threshold splits the table into values that are all smaller on one side than on the other. Monotone tables that
 * are not constant have one.
 */
export function condition1(table: Int32Array): boolean {
  return splits(table) || splits(table.map((value) => -value));
}

function splits(table: Int32Array): boolean {
  const least = new Int32Array(table.length);
  least[table.length - 1] = table.at(-1)!;
  for (let i = table.length - 2; i >= 0; i--) least[i] = Math.min(table[i]!, least[i + 1]!);
  let most = table[0]!;
  for (let i = 0; i + 1 < table.length; i++) {
    most = Math.max(most, table[i]!);
    if (most < least[i + 1]!) return true;
  }
  return false;
}

export function publishedConditions(
  table: Int32Array,
  { g, h }: Gcds,
  p: number,
  s: number,
  universal: boolean,
): Published {
  const condition = (holds: boolean, verdict: Condition["verdict"]): Condition => ({
    holds,
    verdict,
    agrees: verdict === "silent" || (verdict === "universal") === universal,
  });
  const split = condition1(table);
  const necessary = h === 0 ? false : criterion(h, p, s).holds;
  const sufficient = split && criterion(g, p, s).holds;
  const unit = split && hasGap(table, 1);
  const r = divisor(h, p, s);
  return {
    necessary: condition(necessary, necessary ? "silent" : "not universal"),
    sufficient: { ...condition(sufficient, sufficient ? "universal" : "silent"), condition1: split },
    unitGap: condition(unit, unit ? "universal" : "silent"),
    divisibility: {
      ...condition(r !== undefined, r === undefined ? "silent" : "not universal"),
      ...(r === undefined ? {} : { r }),
    },
  };
}

function hasGap(table: Int32Array, gap: number): boolean {
  const seen = new Set(table);
  for (const value of seen) if (seen.has(value + gap)) return true;
  return false;
}

/** The least r ≥ 3 with r | h (h ≠ 0; a table of zeros is divisible by all) and r·s ≤ M/s in units of one, that is r·s² ≤ M. */
function divisor(h: number, p: number, s: number): number | undefined {
  for (let r = 3; r * s * s <= maximum(p); r++) if (h % r === 0) return r;
  return undefined;
}
