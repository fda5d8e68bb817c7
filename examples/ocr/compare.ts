/** How far two outputs are apart. All sums in float64, in index order. */

/** Cosine of the angle between two vectors, −1…1; 1 when both are zero, 0 when one is, NaN when either holds a NaN. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  sameLength(a, b);
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa === 0 && bb === 0) return 1;
  if (aa === 0 || bb === 0) return 0;
  return dot / Math.sqrt(aa * bb);
}

/** max|a − b| / max|b|; NaN when either holds a NaN (a comparison with it is never "small enough"). */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  sameLength(a, b);
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(d)) return Number.NaN;
    if (d > difference) difference = d;
    const s = Math.abs(b[i]!);
    if (s > scale) scale = s;
  }
  return difference === 0 ? 0 : difference / scale;
}

/** Index of the greatest value in values[offset, offset + count), the first of equals. */
export function argmax(values: ArrayLike<number>, offset = 0, count = values.length - offset): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[offset + i]! > values[offset + best]!) best = i;
  return best;
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('"values" expected at least one number, got none');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function sameLength(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length) throw new RangeError(`expected two arrays of one length, got ${a.length} and ${b.length}`);
}
