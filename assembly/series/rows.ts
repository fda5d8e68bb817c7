// Rows of weights on integer lattices with a zero point: w ≈ s·(q − z), 0 ≤ q ≤ steps. Rows are f32, contiguous, finite. Once per model.
import { flipKernels, flipRow, sumOf } from "./flips";
import { LEAST_SCALE } from "./scale";

/** Elements between two looks at the error of a candidate; a multiple of 4. */
const BLOCK: i32 = 256;
/** Scales that are tried for a row, 4 · 8 by the order in which they are tried. */
const CANDIDATES: i32 = 32;

/** f32 [outer][rows][inner] as rows, [rows][outer][inner]: those from `first` to before `end`. */
export function seriesRows(from: usize, to: usize, outer: i32, rows: i32, inner: i32, first: i32, end: i32): void {
  const line = <usize>(rows * inner) << 2;
  const long = <usize>(outer * inner) << 2;
  const bytes = <usize>inner << 2;
  let r = first;
  if (ASC_FEATURE_SIMD) {
    if (inner == 1) {
      // 16 rows at once: a line of the cache is met once.
      for (; r + 16 <= end; r += 16) {
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
  for (; r < end; r++) {
    for (let o = 0; o < outer; o++) memory.copy(to + <usize>r * long + <usize>o * bytes, from + <usize>o * line + <usize>r * bytes, bytes);
  }
}

// f32x4.pmin and pmax are one instruction, min and max many: on finite numbers they differ in the sign of a 0 only, which nothing here sees.

/** Least value of a row, at most 0. */
function leastOf(row: usize, columns: i32): f32 {
  let low: f32 = 0;
  const end = row + (<usize>columns << 2);
  if (ASC_FEATURE_SIMD) {
    let least = f32x4.splat(0);
    for (; row + 16 <= end; row += 16) least = f32x4.pmin(least, v128.load(row));
    low = min(min(f32x4.extract_lane(least, 0), f32x4.extract_lane(least, 1)), min(f32x4.extract_lane(least, 2), f32x4.extract_lane(least, 3)));
  }
  for (; row < end; row += 4) low = min<f32>(low, load<f32>(row));
  return low;
}

/** Largest value of a row, at least 0. */
function mostOf(row: usize, columns: i32): f32 {
  let high: f32 = 0;
  const end = row + (<usize>columns << 2);
  if (ASC_FEATURE_SIMD) {
    let most = f32x4.splat(0);
    for (; row + 16 <= end; row += 16) most = f32x4.pmax(most, v128.load(row));
    high = max(max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)), max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)));
  }
  for (; row < end; row += 4) high = max<f32>(high, load<f32>(row));
  return high;
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
    const low = leastOf(data, columns);
    const high = mostOf(data, columns);
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
  const candidates = least == 1.0 ? 1 : CANDIDATES;
  for (let r = 0; r < rows; r++, data += <usize>columns << 2) {
    const low = leastOf(data, columns);
    const high = mostOf(data, columns);
    const most = <f64>max<f32>(-low, high);
    const span = symmetric ? 2 * most : <f64>high - <f64>low;
    const bottom = symmetric ? most : -<f64>low;
    let best: f32 = 0;
    let zero = 0;
    let error = Infinity;
    let first = CANDIDATES;
    for (let k = 0; k < candidates && most > 0; k++) {
      // Every fourth one first: the others are given up the earlier, the better one that is known.
      const n = ((k & 7) << 2) + (k >> 3);
      const f = 1.0 - (1.0 - least) * <f64>n / <f64>(CANDIDATES - 1);
      const scale = max<f32>(<f32>max(f * span / <f64>steps, most / <f64>largest), LEAST_SCALE);
      const z = min(<i32>nearest(f * bottom / <f64>scale), steps);
      const weight = power == 3 ? f * f * f : f * f;
      const missed = candidates == 1 ? 0 : missedBy(data, columns, <f32>(1.0 / <f64>scale), <f32>-z, <f32>(steps - z), power, weight, error);
      if (missed < error || (missed == error && n < first)) {
        error = missed;
        best = scale;
        zero = z;
        first = n;
      }
    }
    store<f32>(scales + (<usize>r << 2), best);
    store<i32>(zeros + (<usize>r << 2), zero);
  }
}

/** weight · Σ|q − w/s|^power, or some number > `limit` once it is known to exceed it. */
function missedBy(row: usize, columns: i32, inverse: f32, low: f32, high: f32, power: i32, weight: f64, limit: f64): f64 {
  return power == 3 ? errorOf(row, columns, inverse, low, high, true, weight, limit) : errorOf(row, columns, inverse, low, high, false, weight, limit);
}

/** The same of a power that the compiler knows. */
@inline
function errorOf(row: usize, columns: i32, inverse: f32, low: f32, high: f32, cubes: bool, weight: f64, limit: f64): f64 {
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
        const d = f32x4.sub(f32x4.pmin(f32x4.pmax(f32x4.nearest(x), least), most), x);
        const square = f32x4.mul(d, d);
        e = f32x4.add(e, cubes ? f32x4.mul(square, f32x4.abs(d)) : square);
      }
      part = f32x4.extract_lane(e, 0) + f32x4.extract_lane(e, 2) + (f32x4.extract_lane(e, 1) + f32x4.extract_lane(e, 3));
    } else {
      let e0: f32 = 0;
      let e1: f32 = 0;
      let e2: f32 = 0;
      let e3: f32 = 0;
      for (; i < end; i += 4, row += 16) {
        e0 += miss(load<f32>(row), inverse, low, high, cubes);
        e1 += miss(load<f32>(row, 4), inverse, low, high, cubes);
        e2 += miss(load<f32>(row, 8), inverse, low, high, cubes);
        e3 += miss(load<f32>(row, 12), inverse, low, high, cubes);
      }
      part = e0 + e2 + (e1 + e3);
    }
    sum += <f64>part;
    if (sum * weight > limit) break;
  }
  if (sum * weight <= limit) for (let i = fours; i < columns; i++, row += 4) sum += <f64>miss(load<f32>(row), inverse, low, high, cubes);
  return sum * weight;
}

@inline
function miss(w: f32, inverse: f32, low: f32, high: f32, cubes: bool): f32 {
  const x = w * inverse;
  const d = min<f32>(max<f32>(nearest<f32>(x), low), high) - x;
  const square = d * d;
  return cubes ? square * abs<f32>(d) : square;
}

/**
 * Rounds rows [taps][channels] to q, stores q + `offset` as i32 in `wide`. With `flips`, SQuant (Guo et al., ICLR 2022): where rounding errors of a kernel, then of
 * the whole row, do not add up to 0, the largest of them with the sign of the sum are rounded to the other side, until the sum is below half a step. Inputs with a mean, as those behind a Relu,
 * then see no bias. Errors of a row are told apart by 256ths of a step; among equals the first are flipped.
 *
 * `scratch`: 4·(taps·channels + 2·channels + 256) bytes. `errors`: 0, or f64 [rows][3], Σ(w − ŵ)², Σw², largest |w − ŵ|; sums of the even and the odd elements of whole
 * pairs, added, then the rest: the same in both builds.
 */
export function seriesRound(
  data: usize, scales: usize, zeros: usize, rows: i32, taps: i32, channels: i32, steps: i32, flips: bool, offset: i32, wide: usize, scratch: usize, errors: usize,
): void {
  const columns = taps * channels;
  const kept = scratch + (<usize>columns << 2);
  for (let r = 0; r < rows; r++, data += <usize>columns << 2, wide += <usize>columns << 2) {
    const scale = <f64>load<f32>(scales + (<usize>r << 2));
    const zero = load<i32>(zeros + (<usize>r << 2));
    let sum = roundRow(data, scale > 0 ? 1.0 / scale : 0, zero, columns, steps, wide, scratch);
    if (flips && scale > 0) {
      if (taps > 1) {
        flipKernels(wide, scratch, kept, taps, channels, steps);
        sum = sumOf(scratch, columns);
      }
      flipRow(wide, scratch, kept, sum, taps, channels, steps);
    }
    if (errors) finishRow(data, scale, zero, columns, offset, wide, errors + <usize>r * 24);
    else shiftRow(wide, columns, offset);
  }
}

/** What is added to an f64 below 2^31 for its integer to be the lower word. */
const INTEGER: f64 = 6755399441055744; // 1.5 · 2^52

/** q of a row into `wide`, q − w/s into `residuals`; `sumOf` of these, which costs nothing while the row is rounded. */
@inline
function roundRow(data: usize, inverse: f64, zero: i32, columns: i32, steps: i32, wide: usize, residuals: usize): f64 {
  let e: usize = 0;
  const end = <usize>columns << 2;
  let even: f64 = 0;
  let odd: f64 = 0;
  if (ASC_FEATURE_SIMD) {
    const factor = f64x2.splat(inverse);
    const least = f64x2.splat(-<f64>zero);
    const most = f64x2.splat(<f64>(steps - zero));
    const shift = i32x4.splat(zero);
    const integer = f64x2.splat(INTEGER);
    let sums = f64x2.splat(0);
    for (; e + 16 <= end; e += 16) {
      const x = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(data + e)), factor);
      const y = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(data + e, 8)), factor);
      const p = f64x2.pmin(f64x2.pmax(f64x2.nearest(x), least), most);
      const q = f64x2.pmin(f64x2.pmax(f64x2.nearest(y), least), most);
      const words = v128.shuffle<i32>(f64x2.add(p, integer), f64x2.add(q, integer), 0, 2, 4, 6);
      v128.store(wide + e, i32x4.add(words, shift));
      const first = f32x4.demote_f64x2_zero(f64x2.sub(p, x));
      const second = f32x4.demote_f64x2_zero(f64x2.sub(q, y));
      sums = f64x2.add(f64x2.add(sums, f64x2.promote_low_f32x4(first)), f64x2.promote_low_f32x4(second));
      v128.store(residuals + e, v128.shuffle<i64>(first, second, 0, 2));
    }
    even = f64x2.extract_lane(sums, 0);
    odd = f64x2.extract_lane(sums, 1);
  }
  for (; e + 8 <= end; e += 8) {
    even += <f64>roundOne(data + e, inverse, zero, steps, wide + e, residuals + e);
    odd += <f64>roundOne(data + e + 4, inverse, zero, steps, wide + e + 4, residuals + e + 4);
  }
  return e < end ? even + odd + <f64>roundOne(data + e, inverse, zero, steps, wide + e, residuals + e) : even + odd;
}

function roundOne(data: usize, inverse: f64, zero: i32, steps: i32, wide: usize, residual: usize): f32 {
  const x = <f64>load<f32>(data) * inverse;
  const q = min(max(nearest(x), -<f64>zero), <f64>(steps - zero));
  const left = <f32>(q - x);
  store<i32>(wide, <i32>q + zero);
  store<f32>(residual, left);
  return left;
}

/** Adds the offset. */
function shiftRow(wide: usize, columns: i32, offset: i32): void {
  const end = wide + (<usize>columns << 2);
  if (ASC_FEATURE_SIMD) {
    const shift = i32x4.splat(offset);
    for (; wide + 16 <= end; wide += 16) v128.store(wide, i32x4.add(v128.load(wide), shift));
  }
  for (; wide < end; wide += 4) store<i32>(wide, load<i32>(wide) + offset);
}

/** Notes the errors of a row, and adds the offset. */
@inline
function finishRow(data: usize, scale: f64, zero: i32, columns: i32, offset: i32, wide: usize, errors: usize): void {
  let missed: f64 = 0;
  let energy: f64 = 0;
  let largest: f64 = 0;
  let e: usize = 0;
  const end = <usize>columns << 2;
  const pairs = <usize>(columns & ~1) << 2;
  if (ASC_FEATURE_SIMD) {
    const factor = f64x2.splat(scale);
    const shift = i32x4.splat(zero);
    const shifted = i32x4.splat(offset);
    let misses = f64x2.splat(0);
    let energies = f64x2.splat(0);
    let most = f64x2.splat(0);
    for (; e < pairs; e += 8) {
      const w = f64x2.promote_low_f32x4(v128.load64_zero(data + e));
      const q = v128.load64_zero(wide + e);
      const d = f64x2.sub(w, f64x2.mul(factor, f64x2.convert_low_i32x4_s(i32x4.sub(q, shift))));
      misses = f64x2.add(misses, f64x2.mul(d, d));
      energies = f64x2.add(energies, f64x2.mul(w, w));
      most = f64x2.pmax(most, f64x2.abs(d));
      v128.store_lane<i64>(wide + e, i32x4.add(q, shifted), 0);
    }
    missed = f64x2.extract_lane(misses, 0) + f64x2.extract_lane(misses, 1);
    energy = f64x2.extract_lane(energies, 0) + f64x2.extract_lane(energies, 1);
    largest = max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  } else {
    let odd: f64 = 0;
    let oddEnergy: f64 = 0;
    for (; e < pairs; e += 8) {
      const w = <f64>load<f32>(data + e);
      const v = <f64>load<f32>(data + e, 4);
      const d = w - scale * <f64>(load<i32>(wide + e) - zero);
      const c = v - scale * <f64>(load<i32>(wide + e, 4) - zero);
      missed += d * d;
      odd += c * c;
      energy += w * w;
      oddEnergy += v * v;
      largest = max(largest, max(abs(d), abs(c)));
      store<i32>(wide + e, load<i32>(wide + e) + offset);
      store<i32>(wide + e, load<i32>(wide + e, 4) + offset, 4);
    }
    missed += odd;
    energy += oddEnergy;
  }
  if (e < end) {
    const w = <f64>load<f32>(data + e);
    const d = w - scale * <f64>(load<i32>(wide + e) - zero);
    missed += d * d;
    energy += w * w;
    largest = max(largest, abs(d));
    store<i32>(wide + e, load<i32>(wide + e) + offset);
  }
  store<f64>(errors, missed);
  store<f64>(errors, energy, 8);
  store<f64>(errors, largest, 16);
}
