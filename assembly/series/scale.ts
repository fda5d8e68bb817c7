// The scale of a row: the least squared error among s = f32(absmax/q), q = qMax, qMax − 1, …, qMax − window; the first of equals wins.
//
// Rows are f32, contiguous, finite. Errors are Σ(w − s·nearest(w·(1/s)))² in f64: lane j of eight adds the elements ≡ j mod 8 of the whole
// eights, the lanes are joined as ((0+2)+(4+6)) + ((1+3)+(5+7)), the rest follows in order. Both builds do the same operations in the same
// order, so that they choose the same scale. A candidate is abandoned at the first block whose partial error is not below the best.

/** Smallest normal f32: a smaller scale has too few bits to hold absmax/q. */
export const LEAST_SCALE: f32 = reinterpret<f32>(0x00800000); // 1.17549435e-38
/** Elements between two looks at the partial error; a multiple of 8. */
const BLOCK: i32 = 64;

/** Largest |w| of each row into `largest`, f32 [rows]; NaN if the row holds one. */
export function seriesLargest(data: usize, rows: i32, columns: i32, largest: usize): void {
  for (let r = 0; r < rows; r++) {
    let most: f32 = 0;
    const end = data + (<usize>columns << 2);
    if (ASC_FEATURE_SIMD) {
      let all = f32x4.splat(0);
      for (; data + 16 <= end; data += 16) all = f32x4.max(all, f32x4.abs(v128.load(data)));
      most = max(max(f32x4.extract_lane(all, 0), f32x4.extract_lane(all, 1)), max(f32x4.extract_lane(all, 2), f32x4.extract_lane(all, 3)));
    }
    for (; data < end; data += 4) most = max<f32>(most, abs<f32>(load<f32>(data)));
    store<f32>(largest + (<usize>r << 2), most);
  }
}

/** The scale of each row into `scales`, f32 [rows]; 0 where `largest` is 0. */
export function seriesScales(data: usize, rows: i32, columns: i32, largest: usize, qMax: i32, window: i32, scales: usize): void {
  for (let r = 0; r < rows; r++) {
    store<f32>(
      scales + (<usize>r << 2),
      leastErrorScale(data + (<usize>r * <usize>columns << 2), columns, load<f32>(largest + (<usize>r << 2)), qMax, window),
    );
  }
}

function leastErrorScale(row: usize, columns: i32, largest: f32, qMax: i32, window: i32): f32 {
  if (largest == 0) return 0;
  let best: f32 = 0;
  let least = f64.MAX_VALUE;
  for (let q = qMax; q >= qMax - window; q--) {
    const scale = max<f32>(<f32>(<f64>largest / <f64>q), LEAST_SCALE);
    const error = squaredError(row, columns, <f64>scale, 1.0 / <f64>scale, least);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  // Errors beyond f64, which only weights near 1e154 and above could have, cannot occur: f32 ends at 3.4e38.
  return best;
}

/** The squared error of a row, or some number ≥ `limit` once it is known not to stay below. */
function squaredError(row: usize, columns: i32, scale: f64, inverse: f64, limit: f64): f64 {
  const eights = columns & ~7;
  let i = 0;
  let sum: f64 = 0;
  if (ASC_FEATURE_SIMD) {
    const s = f64x2.splat(scale);
    const v = f64x2.splat(inverse);
    let e0 = f64x2.splat(0);
    let e2 = e0;
    let e4 = e0;
    let e6 = e0;
    while (i < eights) {
      for (const end = min(i + BLOCK, eights); i < end; i += 8, row += 32) {
        e0 = f64x2.add(e0, squaredMiss2(row, s, v));
        e2 = f64x2.add(e2, squaredMiss2(row + 8, s, v));
        e4 = f64x2.add(e4, squaredMiss2(row + 16, s, v));
        e6 = f64x2.add(e6, squaredMiss2(row + 24, s, v));
      }
      const e = f64x2.add(f64x2.add(e0, e2), f64x2.add(e4, e6));
      sum = f64x2.extract_lane(e, 0) + f64x2.extract_lane(e, 1);
      if (sum >= limit) return sum;
    }
  } else {
    let e0: f64 = 0;
    let e1: f64 = 0;
    let e2: f64 = 0;
    let e3: f64 = 0;
    let e4: f64 = 0;
    let e5: f64 = 0;
    let e6: f64 = 0;
    let e7: f64 = 0;
    while (i < eights) {
      for (const end = min(i + BLOCK, eights); i < end; i += 8, row += 32) {
        e0 += squaredMiss(row, scale, inverse);
        e1 += squaredMiss(row + 4, scale, inverse);
        e2 += squaredMiss(row + 8, scale, inverse);
        e3 += squaredMiss(row + 12, scale, inverse);
        e4 += squaredMiss(row + 16, scale, inverse);
        e5 += squaredMiss(row + 20, scale, inverse);
        e6 += squaredMiss(row + 24, scale, inverse);
        e7 += squaredMiss(row + 28, scale, inverse);
      }
      sum = e0 + e2 + (e4 + e6) + (e1 + e3 + (e5 + e7));
      if (sum >= limit) return sum;
    }
  }
  for (; i < columns; i++, row += 4) sum += squaredMiss(row, scale, inverse);
  return sum;
}

@inline
function squaredMiss(at: usize, scale: f64, inverse: f64): f64 {
  const w = <f64>load<f32>(at);
  const miss = w - scale * nearest<f64>(w * inverse);
  return miss * miss;
}

@inline
function squaredMiss2(at: usize, scale: v128, inverse: v128): v128 {
  const w = f64x2.promote_low_f32x4(v128.load64_zero(at));
  const miss = f64x2.sub(w, f64x2.mul(scale, f64x2.nearest(f64x2.mul(w, inverse))));
  return f64x2.mul(miss, miss);
}
