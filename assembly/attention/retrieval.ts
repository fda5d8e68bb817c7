// Which keys win: integer scores that the core's GEMM has made, and exact ties; float scores in f64; distances between keys.
import { COLUMNS } from "../layout";

/** Code rows (`stride` i16 each) as the right operand of ConvI16 (assembly/layout.ts), missing rows 0; stride is even. */
export function keyPanels(codes: usize, rows: i32, stride: i32, panels: usize): void {
  const pairs = stride >> 1;
  for (let base = 0; base < rows; base += COLUMNS) {
    const panel = panels + ((<usize>base * <usize>pairs) << 2);
    for (let k = 0; k < COLUMNS; k++) {
      const row = codes + ((<usize>(base + k) * <usize>stride) << 1);
      let to = panel + (<usize>k << 2);
      for (let p = 0; p < pairs; p++, to += COLUMNS << 2) store<i32>(to, base + k < rows ? load<i32>(row + (<usize>p << 2)) : 0);
    }
  }
}

/** Exact integer scores Σ a·b of row i of `a` with row i of `b` (`stride` i16 each, a multiple of 4), into i64. */
export function pairScores(a: usize, b: usize, rows: i32, stride: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const at = (<usize>r * <usize>stride) << 1;
    store<i64>(out + (<usize>r << 3), exactScore(a + at, b + at, stride));
  }
}

@inline
function exactScore(a: usize, b: usize, stride: i32): i64 {
  let sum: i64 = 0;
  for (let c = 0; c < stride; c++) sum += <i64>(<i32>load<i16>(a + (<usize>c << 1)) * <i32>load<i16>(b + (<usize>c << 1)));
  return sum;
}

/**
 * Looks through a block of scores f32[rows][columns], each the exact integer rounded to f32: does any key but the target score as much as the
 * target? Rounding is monotone, so that only equal f32 need the exact comparison. `targets` i32 (index of the key in the whole set), `exact` i64 the
 * target's score, `beaten` u8, `mass` f64 the sum of exp(scale·(score − target's)) over the keys so far, where it still matters: a beaten row or a mass
 * of 1 and more cannot have half of the softmax. Terms below exp(−44) < 2^-63 are left out. `mask` is 0 or u8[rows][maskStride], not 0 where the
 * query does not see the key; it begins at the block's first key.
 */
export function scanScores(
  scores: usize, rows: i32, columns: i32, firstKey: i32, targets: usize, exact: usize, beaten: usize, mass: usize, scale: f64,
  queries: usize, keys: usize, stride: i32, mask: usize, maskStride: i32,
): void {
  for (let r = 0; r < rows; r++) {
    if (load<u8>(beaten + r)) continue;
    const row = scores + ((<usize>r * <usize>columns) << 2);
    const target = load<i32>(targets + (<usize>r << 2)) - firstKey;
    const own = load<i64>(exact + (<usize>r << 3));
    const limit = <f32>own;
    const query = queries + ((<usize>r * <usize>stride) << 1);
    const near = limit - <f32>(44.0 / scale);
    let sum = load<f64>(mass + (<usize>r << 3));
    const body = columns & ~3;
    const near4 = f32x4.splat(near);
    for (let j = 0; j < columns; j++) {
      if ((j & 3) == 0 && j < body) {
        while (j < body && !v128.any_true(f32x4.ge(v128.load(row + (<usize>j << 2)), near4))) j += 4;
        if (j >= columns) break;
      }
      const score = load<f32>(row + (<usize>j << 2));
      if (score < near || j == target) continue;
      if (mask != 0 && load<u8>(mask + <usize>r * <usize>maskStride + <usize>j)) continue;
      if (score > limit || (score == limit && exactScore(query, keys + ((<usize>j * <usize>stride) << 1), stride) >= own)) {
        store<u8>(beaten + r, 1);
        break;
      }
      if (sum < 1) sum += expNonPositive(scale * (<f64>score - <f64>limit));
    }
    store<f64>(mass + (<usize>r << 3), sum);
  }
}

/** exp(x) for −44 ≤ x ≤ 0, relative error below 1e-13: 2^n·exp(r), |r| ≤ ln2/2, Taylor's series to r^11. Plain f64 mul and add. */
function expNonPositive(x: f64): f64 {
  const n = nearest(x * 1.4426950408889634); // 1/ln 2
  const r = x - n * 0.6931471805599453; // ln 2
  let sum: f64 = 1;
  for (let k = 11.0; k > 0; k--) sum = 1 + (r / k) * sum;
  return sum * reinterpret<f64>((<u64>(<i64>n + 1023)) << 52);
}

/** f32 rows as f64 panels [ceil(rows/4)][d][4], missing rows NaN, which never wins a comparison. */
export function floatPanels(keys: usize, rows: i32, d: i32, panels: usize): void {
  for (let base = 0; base < rows; base += 4) {
    for (let k = 0; k < 4; k++) {
      let to = panels + ((<usize>base * <usize>d + <usize>k) << 3);
      const row = keys + ((<usize>(base + k) * <usize>d) << 2);
      for (let c = 0; c < d; c++, to += 32) store<f64>(to, base + k < rows ? <f64>load<f32>(row + (<usize>c << 2)) : NaN);
    }
  }
}

/**
 * Scores q·k in f64, added in order of the elements, for every query and every key of a block: `own` f64 gets the target's, `best`, `second` f64 and
 * `bestIndex` i32 the two largest of the others (the first of equal ones). A target of −1 is none; `mask` is that of scanScores.
 */
export function floatMargins(
  queries: usize, rows: i32, panels: usize, columns: i32, d: i32, firstKey: i32, targets: usize, own: usize, best: usize, second: usize, bestIndex: usize,
  mask: usize, maskStride: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const query = queries + ((<usize>r * <usize>d) << 2);
    for (let base = 0; base < columns; base += 4) {
      let panel = panels + ((<usize>base * <usize>d) << 3);
      let low = f64x2.splat(0);
      let high = f64x2.splat(0);
      for (let c = 0; c < d; c++, panel += 32) {
        const q = f64x2.splat(<f64>load<f32>(query + (<usize>c << 2)));
        low = f64x2.add(low, f64x2.mul(q, v128.load(panel)));
        high = f64x2.add(high, f64x2.mul(q, v128.load(panel, 16)));
      }
      take(r, firstKey, base, f64x2.extract_lane(low, 0), targets, own, best, second, bestIndex, mask, maskStride);
      take(r, firstKey, base + 1, f64x2.extract_lane(low, 1), targets, own, best, second, bestIndex, mask, maskStride);
      take(r, firstKey, base + 2, f64x2.extract_lane(high, 0), targets, own, best, second, bestIndex, mask, maskStride);
      take(r, firstKey, base + 3, f64x2.extract_lane(high, 1), targets, own, best, second, bestIndex, mask, maskStride);
    }
  }
}

@inline
function take(
  r: i32, firstKey: i32, column: i32, score: f64, targets: usize, own: usize, best: usize, second: usize, bestIndex: usize, mask: usize, maskStride: i32,
): void {
  const at = <usize>r << 3;
  const key = firstKey + column;
  if (score != score) return;
  if (key == load<i32>(targets + (<usize>r << 2))) {
    store<f64>(own + at, score);
  } else if (mask != 0 && load<u8>(mask + <usize>r * <usize>maskStride + <usize>column)) {
    return;
  } else if (score > load<f64>(best + at)) {
    store<f64>(second + at, load<f64>(best + at));
    store<f64>(best + at, score);
    store<i32>(bestIndex + (<usize>r << 2), key);
  } else if (score > load<f64>(second + at)) {
    store<f64>(second + at, score);
  }
}

/**
 * The least L∞ distance between different rows, at most `best`: rows are sorted by element 0 and padded to `stride` f32 (a multiple of 4);
 * looks at the pairs (i, j) with from ≤ i < to, i < j. Differences are rounded to f32.
 */
export function keyDistance(keys: usize, rows: i32, stride: i32, from: i32, to: i32, best: f32): f32 {
  const bytes = <usize>stride << 2;
  for (let i = from; i < to; i++) {
    const a = keys + <usize>i * bytes;
    const start = load<f32>(a);
    for (let b = a + bytes, end = keys + <usize>rows * bytes; b < end && load<f32>(b) - start < best; b += bytes) {
      const far = f32x4.splat(best);
      let largest = f32x4.splat(0);
      let at: usize = 0;
      for (; at < bytes; at += 16) {
        const difference = f32x4.abs(f32x4.sub(v128.load(a + at), v128.load(b + at)));
        if (v128.any_true(f32x4.ge(difference, far))) break;
        largest = f32x4.max(largest, difference);
      }
      if (at < bytes) continue;
      const distance = max(
        max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
        max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
      );
      if (distance > 0) best = distance;
    }
  }
  return best;
}
