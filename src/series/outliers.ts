import { log2 } from "./log2.ts";

/** What one outlier costs: an index of 32 bits and a value of 16. */
export const OUTLIER_BITS = 48;
/** Gain below which the sparse part stays empty, in bits per weight. */
const LEAST_GAIN = 0.25;
/** The distribution-free rule looks no further than this part of a row: beyond it a further term is the better answer. */
const LARGEST_SHARE = 0.01;

/** Weights of a row that are worth keeping beside the digits. */
export interface OutlierChoice {
  /** Magnitudes above it are outliers; Infinity when there are none. */
  readonly threshold: number;
  /** Weights of the row above the threshold. */
  readonly count: number;
  /** log2(absmax/threshold) − 48·count/N: bits per weight that a smaller scale is worth, less what the outliers cost; 0 when there are none. */
  readonly gain: number;
  /** How the threshold was found; `none`: the row has no outliers. */
  readonly rule: "none" | "distribution-free" | "laplace";
}

const NONE: OutlierChoice = { threshold: Number.POSITIVE_INFINITY, count: 0, gain: 0, rule: "none" };

/**
 * The outliers of a row by their cost: an outlier takes 48 bits, and a threshold α instead of absmax makes every weight log2(absmax/α) bits
 * finer at equal size. Two rules are tried and the better gain wins:
 *
 * - distribution-free: the count in 0 … ⌊N/100⌋ of largest gain. Exact for this cost, whatever the distribution.
 * - Laplace: with b = mean|w|, α = b·ln(48·r·ln 2) = 5.17·b. One pass; it alone may go beyond 1 %, which happens for tails heavier than those
 *   of Student's t with 3 degrees of freedom.
 *
 * @param row - finite weights
 * @param largestRatio - largest absmax/α: an outlier must fit the int16 operand on the lattice of its row; see `largestOutlierRatio`
 * @example
 * chooseOutliers(Float32Array.of(...new Array(999).fill(1), 1e6)).count; // 1
 */
export function chooseOutliers(row: Float32Array, largestRatio = Number.POSITIVE_INFINITY): OutlierChoice {
  const sizes = row.map(Math.abs).sort();
  const total = sizes.length;
  const largest = sizes[total - 1] ?? 0;
  if (largest === 0) return NONE;
  const choice = (count: number, threshold: number, rule: OutlierChoice["rule"]): OutlierChoice => {
    const gain = log2(largest / threshold) - (OUTLIER_BITS * count) / total;
    return { threshold, count, gain, rule };
  };
  let best = NONE;
  const consider = (one: OutlierChoice): void => {
    if (one.gain >= LEAST_GAIN && one.gain > best.gain && one.threshold * largestRatio >= largest) best = one;
  };
  for (let count = 1; count <= Math.floor(total * LARGEST_SHARE); count++) {
    const threshold = sizes[total - 1 - count]!;
    if (threshold > 0 && threshold < sizes[total - count]!) consider(choice(count, threshold, "distribution-free"));
  }
  const alpha = LAPLACE_RATIO * (sizes.reduce((sum, v) => sum + v, 0) / total);
  const kept = sizes.findIndex((v) => v > alpha);
  if (kept > 0) consider(choice(total - kept, sizes[kept - 1]!, "laplace"));
  return best;
}

/** r = ln(48·r·ln 2): where one more outlier of a Laplace distribution costs what it gains. */
const LAPLACE_RATIO = 5.17;

/**
 * Largest absmax/α of a lattice of ±q: Q of an outlier must fit an int16.
 *
 * @example
 * largestOutlierRatio(7); // 4681, one INT4 term
 */
export function largestOutlierRatio(q: number): number {
  return 32767 / q;
}
