import type { Workbench } from "./kernels.ts";
import type { KeySet, Pace } from "./keys.ts";

/** Scores of the given numbers, before any quantization; f64. */
export interface Margins {
  /** The key that each query seeks. */
  readonly targets: Int32Array;
  /** Score of the target minus the largest score of another key; Infinity when there is no other. */
  readonly margins: Float64Array;
}

/** Queries at a time. */
const ROWS = 64;

/**
 * Goes through all scores q·k once.
 *
 * @param targets by query; undefined: the key with the largest score, the first of equal ones
 * @param mask m × n, not 0 where the query does not see the key
 */
export async function floatMargins(
  bench: Workbench,
  keys: KeySet,
  queries: Float32Array,
  targets: Int32Array | undefined,
  mask: Uint8Array | undefined,
  pace: Pace,
): Promise<Margins> {
  const { core, kernels } = bench;
  const { d, n } = keys;
  const m = queries.length / d;
  const none = Number.NEGATIVE_INFINITY;
  const placed = core.place(queries);
  const block = core.allocate(4 * keys.blockRows * d);
  const panels = core.allocate(8 * d * (keys.blockRows + 3));
  const sought = core.place(targets ?? new Int32Array(m).fill(-1));
  const own = core.place(new Float64Array(m));
  const best = core.place(new Float64Array(m).fill(none));
  const second = core.place(new Float64Array(m).fill(none));
  const bestIndex = core.place(new Int32Array(m));
  const unseen = mask === undefined ? undefined : core.place(mask);
  try {
    for await (const { first, rows, data } of keys.blocks()) {
      core.f32(block, data.length).set(data);
      kernels.floatPanels(block, rows, d, panels);
      for (let q = 0; q < m; q += ROWS) {
        const count = Math.min(ROWS, m - q);
        kernels.floatMargins(
          placed + 4 * q * d,
          count,
          panels,
          rows,
          d,
          first,
          sought + 4 * q,
          own + 8 * q,
          best + 8 * q,
          second + 8 * q,
          bestIndex + 4 * q,
          unseen === undefined ? 0 : unseen + q * n + first,
          n,
        );
        await pace.step("margins", first * m + rows * (q + count), n * m);
      }
    }
    const other = targets === undefined ? core.f64(second, m) : core.f64(best, m);
    const reached = targets === undefined ? core.f64(best, m) : core.f64(own, m);
    return {
      targets: targets ?? core.i32(bestIndex, m).slice(),
      margins: reached.map((score, i) => score - other[i]!),
    };
  } finally {
    for (const at of [placed, block, panels, sought, own, best, second, bestIndex]) core.release(at);
    if (unseen !== undefined) core.release(unseen);
  }
}

/**
 * The least L∞ distance between two different rows, each column divided by `divisors[c]`; Infinity when all rows are alike. Exact up to a
 * relative error of 2^-22 (the division and the difference are rounded to float32).
 */
export async function smallestDistance(
  bench: Workbench,
  keys: Float32Array,
  n: number,
  d: number,
  divisors: Float64Array | undefined,
  pace: Pace,
): Promise<number> {
  const { core, kernels } = bench;
  const pivot = widestColumn(keys, n, d, divisors);
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (i, j) => keys[i * d + pivot]! - keys[j * d + pivot]! || i - j,
  );
  const stride = Math.ceil(d / 4) * 4;
  const rows = core.allocate(4 * n * stride);
  const view = core.f32(rows, n * stride).fill(0);
  order.forEach((i, at) => {
    for (let c = 0; c < d; c++) {
      // The pivot comes first.
      const to = c === pivot ? 0 : c === 0 ? pivot : c;
      const a = divisors?.[c] ?? 1;
      view[at * stride + to] = a === 0 ? 0 : keys[i * d + c]! / a;
    }
  });
  try {
    let best = Number.POSITIVE_INFINITY;
    for (let from = 0; from < n; from += 64) {
      best = kernels.keyDistance(rows, n, stride, from, Math.min(n, from + 64), best);
      await pace.step("smallest distance", Math.min(n, from + 64), n);
    }
    return best;
  } finally {
    core.release(rows);
  }
}

/** The column of the largest variance: it leaves the fewest pairs to look at. */
function widestColumn(keys: Float32Array, n: number, d: number, divisors: Float64Array | undefined): number {
  let best = 0;
  let most = -1;
  for (let c = 0; c < d; c++) {
    const a = divisors?.[c] ?? 1;
    if (a === 0) continue;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const x = keys[i * d + c]! / a;
      sum += x;
      squares += x * x;
    }
    const variance = squares - (sum * sum) / n;
    if (variance > most) {
      most = variance;
      best = c;
    }
  }
  return best;
}
