// Rows of weights on integer lattices with a zero point: w ≈ s·(q − z), 0 ≤ q ≤ steps. Rows are f32, contiguous, finite. Once per model.
import { LEAST_SCALE } from "./scale";

/** Elements between two looks at the error of a candidate; a multiple of 4. */
const BLOCK: i32 = 256;
/** Scales that are tried for a row. */
const CANDIDATES: i32 = 32;
/** Divides |residual| of 0…1 for the selection of flips. */
const BINS: i32 = 256;

/** f32 [outer][rows][inner] as rows, [rows][outer][inner]. */
export function seriesRows(from: usize, to: usize, outer: i32, rows: i32, inner: i32): void {
  const line = <usize>(rows * inner) << 2;
  const long = <usize>(outer * inner) << 2;
  const bytes = <usize>inner << 2;
  let r = 0;
  if (ASC_FEATURE_SIMD) {
    if (inner == 1) {
      // 16 rows at once: a line of the cache is met once.
      for (; r + 16 <= rows; r += 16) {
        let o = 0;
        for (; o + 4 <= outer; o += 4) {
          for (let j = 0; j < 16; j += 4) transpose(from + <usize>o * line + (<usize>(r + j) << 2), line, to + <usize>(r + j) * long + (<usize>o << 2), long);
        }
        for (; o < outer; o++) {
          for (let j = r; j < r + 16; j++) store<f32>(to + <usize>j * long + (<usize>o << 2), load<f32>(from + <usize>o * line + (<usize>j << 2)));
        }
      }
    }
  }
  for (; r < rows; r++) {
    for (let o = 0; o < outer; o++) memory.copy(to + <usize>r * long + <usize>o * bytes, from + <usize>o * line + <usize>r * bytes, bytes);
  }
}

/** 4 × 4. */
@inline
function transpose(from: usize, line: usize, to: usize, long: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + line);
  const c = v128.load(from + 2 * line);
  const d = v128.load(from + 3 * line);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ba = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const dc = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to + long, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(to + 2 * long, v128.shuffle<i64>(ba, dc, 0, 2));
  v128.store(to + 3 * long, v128.shuffle<i64>(ba, dc, 1, 3));
}

/**
 * Whether every row lies on a grid of at most `steps` steps from its least to its largest value (0 included), as weights do that have been quantized before:
 * then `scales` and `zeros` are those grids. Tried are all steps absmax/m, m = 1…steps; the coarsest wins. A weight may be off by 2^-12 of a step,
 * which is what rounding a product of scale and integer to f32, and once more behind a folded factor, can amount to.
 *
 * @returns the most steps that a row needs, −1 when a row lies on no grid
 */
export function seriesGrid(data: usize, rows: i32, columns: i32, steps: i32, scales: usize, zeros: usize): i32 {
  let most = 0;
  for (let r = 0; r < rows; r++, data += <usize>columns << 2) {
    let low: f32 = 0;
    let high: f32 = 0;
    for (let i = 0; i < columns; i++) {
      low = min<f32>(low, load<f32>(data + (<usize>i << 2)));
      high = max<f32>(high, load<f32>(data + (<usize>i << 2)));
    }
    const largest = max<f32>(-low, high);
    let scale: f32 = 0;
    for (let m = 1; m <= steps && scale == 0 && largest > 0; m++) {
      const step = max<f32>(<f32>(<f64>largest / <f64>m), LEAST_SCALE);
      if (fits(data, columns, 1.0 / <f64>step)) scale = step;
    }
    if (scale == 0 && largest > 0) return -1;
    const below = largest > 0 ? <i32>nearest(-<f64>low / <f64>scale) : 0;
    const above = largest > 0 ? <i32>nearest(<f64>high / <f64>scale) : 0;
    if (below + above > steps) return -1;
    most = max(most, below + above);
    store<f32>(scales + (<usize>r << 2), scale);
    store<i32>(zeros + (<usize>r << 2), below);
  }
  return most;
}

function fits(row: usize, columns: i32, inverse: f64): bool {
  for (let end = row + (<usize>columns << 2); row < end; row += 4) {
    const x = <f64>load<f32>(row) * inverse;
    if (abs(x - nearest(x)) > 0.000244140625) return false;
  }
  return true;
}

/**
 * Scale and zero point of each row: s = f·(hi − lo)/steps, z = nearest(−f·lo/s), where f in 1…`least` has the least Σ|w − ŵ|^power (2 or 3); the larger f wins
 * a tie, and `least` = 1 tries nothing; |q − z| stays at most `largest`. lo = min(0, min), hi = max(0, max), or ∓absmax when `symmetric`.
 *
 * Errors are counted in steps, f32, four lanes joined as (0+2)+(1+3) every 256 elements, then in f64: the same in both builds.
 */
export function seriesRange(
  data: usize, rows: i32, columns: i32, steps: i32, power: i32, least: f64, largest: i32, symmetric: bool, scales: usize, zeros: usize,
): void {
  for (let r = 0; r < rows; r++, data += <usize>columns << 2) {
    let low: f32 = 0;
    let high: f32 = 0;
    for (let i = 0; i < columns; i++) {
      low = min<f32>(low, load<f32>(data + (<usize>i << 2)));
      high = max<f32>(high, load<f32>(data + (<usize>i << 2)));
    }
    const most = <f64>max<f32>(-low, high);
    const span = symmetric ? 2 * most : <f64>high - <f64>low;
    const bottom = symmetric ? most : -<f64>low;
    let best: f32 = 0;
    let zero = 0;
    let error = Infinity;
    for (let n = 0; n < CANDIDATES && most > 0; n++) {
      const f = 1.0 - (1.0 - least) * <f64>n / <f64>(CANDIDATES - 1);
      if (n > 0 && f == 1.0) break;
      const scale = max<f32>(<f32>max(f * span / <f64>steps, most / <f64>largest), LEAST_SCALE);
      const z = min(<i32>nearest(f * bottom / <f64>scale), steps);
      const weight = power == 3 ? f * f * f : f * f;
      const missed = n == 0 && least == 1.0 ? 0 : errorOf(data, columns, <f32>(1.0 / <f64>scale), <f32>-z, <f32>(steps - z), power, weight, error);
      if (missed < error) {
        error = missed;
        best = scale;
        zero = z;
      }
    }
    store<f32>(scales + (<usize>r << 2), best);
    store<i32>(zeros + (<usize>r << 2), zero);
  }
}

/** weight · Σ|q − w/s|^power, or some number ≥ `limit` once it is known not to stay below. */
function errorOf(row: usize, columns: i32, inverse: f32, low: f32, high: f32, power: i32, weight: f64, limit: f64): f64 {
  const fours = columns & ~3;
  let sum: f64 = 0;
  for (let i = 0; i < fours; ) {
    const end = min(i + BLOCK, fours);
    let part: f32;
    if (ASC_FEATURE_SIMD) {
      const scale = f32x4.splat(inverse);
      const least = f32x4.splat(low);
      const most = f32x4.splat(high);
      let e = f32x4.splat(0);
      for (; i < end; i += 4, row += 16) {
        const x = f32x4.mul(v128.load(row), scale);
        const d = f32x4.sub(f32x4.min(f32x4.max(f32x4.nearest(x), least), most), x);
        const square = f32x4.mul(d, d);
        e = f32x4.add(e, power == 3 ? f32x4.mul(square, f32x4.abs(d)) : square);
      }
      part = f32x4.extract_lane(e, 0) + f32x4.extract_lane(e, 2) + (f32x4.extract_lane(e, 1) + f32x4.extract_lane(e, 3));
    } else {
      let e0: f32 = 0;
      let e1: f32 = 0;
      let e2: f32 = 0;
      let e3: f32 = 0;
      for (; i < end; i += 4, row += 16) {
        e0 += miss(load<f32>(row), inverse, low, high, power);
        e1 += miss(load<f32>(row, 4), inverse, low, high, power);
        e2 += miss(load<f32>(row, 8), inverse, low, high, power);
        e3 += miss(load<f32>(row, 12), inverse, low, high, power);
      }
      part = e0 + e2 + (e1 + e3);
    }
    sum += <f64>part;
    if (sum * weight >= limit) return sum * weight;
  }
  for (let i = fours; i < columns; i++, row += 4) sum += <f64>miss(load<f32>(row), inverse, low, high, power);
  return sum * weight;
}

@inline
function miss(w: f32, inverse: f32, low: f32, high: f32, power: i32): f32 {
  const x = w * inverse;
  const d = min<f32>(max<f32>(nearest<f32>(x), low), high) - x;
  const square = d * d;
  return power == 3 ? square * abs<f32>(d) : square;
}

/**
 * Rounds rows [taps][channels] to q, stores q + `offset` as i32 in `wide`. With `flips`, SQuant (Guo et al., ICLR 2022): where rounding errors of a kernel, then of
 * the whole row, do not add up to 0, the largest of them with the sign of the sum are rounded to the other side, until the sum is below half a step. Inputs with a mean, as those behind a Relu,
 * then see no bias. Errors of a row are told apart by 256ths of a step; among equals the first are flipped.
 *
 * `scratch`: 4·(taps·channels + channels + 256) bytes. `errors`: f64 [rows][3], Σ(w − ŵ)², Σw², largest |w − ŵ|.
 */
export function seriesRound(
  data: usize, scales: usize, zeros: usize, rows: i32, taps: i32, channels: i32, steps: i32, flips: bool, offset: i32, wide: usize, scratch: usize, errors: usize,
): void {
  const columns = taps * channels;
  const kept = scratch + (<usize>columns << 2);
  const bins = kept + (<usize>channels << 2);
  for (let r = 0; r < rows; r++, data += <usize>columns << 2, wide += <usize>columns << 2, errors += 24) {
    const scale = <f64>load<f32>(scales + (<usize>r << 2));
    const zero = load<i32>(zeros + (<usize>r << 2));
    const inverse = scale > 0 ? 1.0 / scale : 0;
    let e: usize = 0;
    const end = <usize>columns << 2;
    if (ASC_FEATURE_SIMD) {
      const factor = f64x2.splat(inverse);
      const least = f64x2.splat(-<f64>zero);
      const most = f64x2.splat(<f64>(steps - zero));
      const shift = i32x4.splat(zero);
      for (; e + 8 <= end; e += 8) {
        const x = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(data + e)), factor);
        const q = f64x2.pmin(f64x2.pmax(f64x2.nearest(x), least), most);
        v128.store_lane<i64>(wide + e, i32x4.add(i32x4.trunc_sat_f64x2_s_zero(q), shift), 0);
        v128.store_lane<i64>(scratch + e, f32x4.demote_f64x2_zero(f64x2.sub(q, x)), 0);
      }
    }
    for (; e < end; e += 4) {
      const x = <f64>load<f32>(data + e) * inverse;
      const q = min(max(nearest(x), -<f64>zero), <f64>(steps - zero));
      store<i32>(wide + e, <i32>q + zero);
      store<f32>(scratch + e, <f32>(q - x));
    }
    if (flips && scale > 0) {
      for (let c = 0; c < channels; c++) store<i32>(kept + (<usize>c << 2), taps == 1 ? c : flipKernel(wide, scratch, taps, channels, c, steps));
      flipRow(wide, scratch, kept, bins, columns, channels, steps);
    }
    let missed: f64 = 0;
    let energy: f64 = 0;
    let largest: f64 = 0;
    for (let e: usize = 0, end = <usize>columns << 2; e < end; e += 4) {
      const w = <f64>load<f32>(data + e);
      const q = load<i32>(wide + e);
      const d = w - scale * <f64>(q - zero);
      missed += d * d;
      energy += w * w;
      largest = max(largest, abs(d));
      store<i32>(wide + e, q + offset);
    }
    store<f64>(errors, missed);
    store<f64>(errors, energy, 8);
    store<f64>(errors, largest, 16);
  }
}

/** Whether element `e` may be rounded to the other side, against a sum of sign `g`. */
@inline
function flippable(wide: usize, residuals: usize, e: i32, g: i32, steps: i32): bool {
  const q = load<i32>(wide + (<usize>e << 2)) - g;
  return load<f32>(residuals + (<usize>e << 2)) * <f32>g > 0 && q >= 0 && q <= steps;
}

@inline
function flip(wide: usize, residuals: usize, e: i32, g: i32): void {
  const at = <usize>e << 2;
  store<i32>(wide + at, load<i32>(wide + at) - g);
  store<f32>(residuals + at, load<f32>(residuals + at) - <f32>g);
}

/** Flips of one kernel; returns the element that the row may still flip: the last one back, or the next one, −1 for none. */
function flipKernel(wide: usize, residuals: usize, taps: i32, channels: i32, c: i32, steps: i32): i32 {
  let sum: f32 = 0;
  for (let t = 0; t < taps; t++) sum += load<f32>(residuals + (<usize>(t * channels + c) << 2));
  const g = sum < 0 ? -1 : 1;
  const count = min(<i32>nearest<f32>(abs<f32>(sum)), taps);
  let best = -1;
  for (let n = 0; n <= count; n++) {
    best = -1;
    let most: f32 = 0;
    for (let t = 0; t < taps; t++) {
      const e = t * channels + c;
      const size = abs<f32>(load<f32>(residuals + (<usize>e << 2)));
      if (size > most && flippable(wide, residuals, e, g, steps)) {
        most = size;
        best = e;
      }
    }
    if (best < 0 || n == count) return best;
    flip(wide, residuals, best, g);
    if (n + 1 == count && <f32>count >= abs<f32>(sum)) break;
  }
  return best;
}

function flipRow(wide: usize, residuals: usize, kept: usize, bins: usize, columns: i32, channels: i32, steps: i32): void {
  let sum: f64 = 0;
  for (let e = 0; e < columns; e++) sum += <f64>load<f32>(residuals + (<usize>e << 2));
  const g = sum < 0 ? -1 : 1;
  let left = <i32>nearest(abs(sum));
  if (left == 0) return;
  memory.fill(bins, 0, <usize>BINS << 2);
  for (let c = 0; c < channels; c++) {
    const e = load<i32>(kept + (<usize>c << 2));
    if (e < 0 || !flippable(wide, residuals, e, g, steps)) continue;
    const bin = binOf(residuals, e, bins);
    store<i32>(bin, load<i32>(bin) + 1);
  }
  // The bin in which the flips end, and how many of it are flipped.
  let edge = BINS - 1;
  for (; edge > 0 && load<i32>(bins + (<usize>edge << 2)) < left; edge--) left -= load<i32>(bins + (<usize>edge << 2));
  const last = bins + (<usize>edge << 2);
  for (let c = 0; c < channels; c++) {
    const e = load<i32>(kept + (<usize>c << 2));
    if (e < 0 || !flippable(wide, residuals, e, g, steps)) continue;
    const bin = binOf(residuals, e, bins);
    if (bin < last || (bin == last && left-- <= 0)) continue;
    flip(wide, residuals, e, g);
  }
}

@inline
function binOf(residuals: usize, e: i32, bins: usize): usize {
  return bins + (<usize>min(<i32>(abs<f32>(load<f32>(residuals + (<usize>e << 2))) * <f32>BINS), BINS - 1) << 2);
}
