/** Sums T (in units of 1/s²) that round to a value: lo ≤ T ≤ hi, half-lines at ±M. */
export interface Cell {
  readonly lo: number;
  readonly hi: number;
}

/** The cell of k in −M … M, from "nearest, ties away from zero, saturate". */
export function cellOf(k: number, m: number, s: number): Cell {
  if (k < 0) {
    const { lo, hi } = cellOf(-k, m, s);
    return { lo: -hi, hi: 0 - lo };
  }
  const hi = k === m ? Number.POSITIVE_INFINITY : Math.ceil((2 * s * k + s) / 2) - 1;
  return { lo: k === 0 ? -Math.ceil(s / 2) + 1 : Math.ceil((2 * s * k - s) / 2), hi };
}

/** The integer v of least size with lo ≤ v·delta ≤ hi, if there is one; delta ≠ 0. */
export function multiplier(delta: number, lo: number, hi: number): number | undefined {
  if (lo <= 0 && hi >= 0) return 0;
  const v = lo > 0 ? Math.ceil(lo / Math.abs(delta)) : -Math.ceil(-hi / Math.abs(delta));
  const product = v * Math.abs(delta);
  return product >= lo && product <= hi ? v * Math.sign(delta) : undefined;
}
