// SQuant's flips: elements that are rounded to the other side, so that what a kernel and then a row miss sums to less than half a step. `wide` holds the integers, `residuals` what each misses.
/** Divides |residual| of 0…1 for the selection of flips; a power of 2. */
const BINS: i32 = 256;

/** Whether element `e` may be rounded to the other side, against a sum of sign `g`. */
@inline
function flippable(wide: usize, residuals: usize, e: i32, g: i32, steps: i32): bool {
  const q = load<i32>(wide + (<usize>e << 2)) - g;
  return load<f32>(residuals + (<usize>e << 2)) * <f32>g > 0 && <u32>q <= <u32>steps;
}

@inline
function flip(wide: usize, residuals: usize, e: i32, g: i32): void {
  const at = <usize>e << 2;
  store<i32>(wide + at, load<i32>(wide + at) - g);
  store<f32>(residuals + at, load<f32>(residuals + at) - <f32>g);
}

/** Flips of all kernels of a row; into `kept` of each the element that the row may still flip: the last one back, or the next one, −1 for none. */
export function flipKernels(wide: usize, residuals: usize, kept: usize, taps: i32, channels: i32, steps: i32): void {
  let c = 0;
  if (ASC_FEATURE_SIMD) {
    for (; c + 4 <= channels; c += 4) flipFour(wide, residuals, kept, taps, channels, c, steps);
  }
  for (; c < channels; c++) store<i32>(kept + (<usize>c << 2), flipKernel(wide, residuals, taps, channels, c, steps));
}

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

/** `flipKernel` of four channels from `c` on. */
function flipFour(wide: usize, residuals: usize, kept: usize, taps: i32, channels: i32, c: i32, steps: i32): void {
  const line = <usize>channels << 2;
  const from = <usize>c << 2;
  let sum = f32x4.splat(0);
  for (let t = 0, at = residuals + from; t < taps; t++, at += line) sum = f32x4.add(sum, v128.load(at));
  const size = f32x4.abs(sum);
  const negative = f32x4.lt(sum, f32x4.splat(0));
  // ± 1, as integers and as floats.
  const g = v128.or(negative, i32x4.splat(1));
  const sign = f32x4.convert_i32x4_s(g);
  const counts = f32x4.pmin(f32x4.nearest(size), f32x4.splat(<f32>taps));
  const over = f32x4.ge(counts, size);
  const limit = i32x4.splat(steps);
  let open = i32x4.splat(-1);
  let result = open;
  for (let n: f32 = 0; v128.any_true(open); n++) {
    let best = i32x4.splat(-1);
    let most = f32x4.splat(0);
    let element = i32x4.add(i32x4.splat(c), i32x4(0, 1, 2, 3));
    for (let t = 0, at = from; t < taps; t++, at += line) {
      // Above 0 where the sign is that of the sum: as large as the absolute value.
      const left = f32x4.mul(v128.load(residuals + at), sign);
      const q = i32x4.sub(v128.load(wide + at), g);
      const better = v128.and(f32x4.gt(left, most), i32x4.le_u(q, limit));
      most = v128.bitselect(left, most, better);
      best = v128.bitselect(element, best, better);
      element = i32x4.add(element, i32x4.splat(channels));
    }
    result = v128.bitselect(best, result, open);
    const flips = v128.and(v128.and(open, f32x4.lt(f32x4.splat(n), counts)), i32x4.ge_s(best, i32x4.splat(0)));
    if (i32x4.extract_lane(flips, 0)) flip(wide, residuals, i32x4.extract_lane(best, 0), i32x4.extract_lane(g, 0));
    if (i32x4.extract_lane(flips, 1)) flip(wide, residuals, i32x4.extract_lane(best, 1), i32x4.extract_lane(g, 1));
    if (i32x4.extract_lane(flips, 2)) flip(wide, residuals, i32x4.extract_lane(best, 2), i32x4.extract_lane(g, 2));
    if (i32x4.extract_lane(flips, 3)) flip(wide, residuals, i32x4.extract_lane(best, 3), i32x4.extract_lane(g, 3));
    // After the last flip of a sum that it has turned over, the element may be flipped back; else the next one is looked for.
    open = v128.andnot(flips, v128.and(over, f32x4.eq(f32x4.splat(n + 1), counts)));
  }
  v128.store(kept + from, result);
}

/** What cannot be flipped has bins of its own, one for each lane: one for all would wait for itself. */
const NO_BIN: i32 = BINS;

/** Flips of a row: of what its kernels have kept, or of all elements where there are no kernels. Keys and bins lie behind `kept`. */
export function flipRow(wide: usize, residuals: usize, kept: usize, columns: i32, taps: i32, channels: i32, steps: i32): void {
  let sum: f64 = 0;
  const pairs = columns & ~1;
  let c = 0;
  if (ASC_FEATURE_SIMD) {
    let sums = f64x2.splat(0);
    for (; c < pairs; c += 2) sums = f64x2.add(sums, f64x2.promote_low_f32x4(v128.load64_zero(residuals + (<usize>c << 2))));
    sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  } else {
    let odd: f64 = 0;
    for (; c < pairs; c += 2) {
      sum += <f64>load<f32>(residuals + (<usize>c << 2));
      odd += <f64>load<f32>(residuals + (<usize>c << 2), 4);
    }
    sum += odd;
  }
  if (c < columns) sum += <f64>load<f32>(residuals + (<usize>c << 2));
  const g = sum < 0 ? -1 : 1;
  let left = <i32>nearest(abs(sum));
  if (left == 0) return;
  const keys = kept + (<usize>channels << 2);
  const bins = keys + (<usize>channels << 2);
  memory.fill(bins, 0, <usize>(BINS + 4) << 2);
  const fours = ASC_FEATURE_SIMD && taps == 1 ? channels & ~3 : 0;
  if (ASC_FEATURE_SIMD) putKeys(wide, residuals, keys, fours, g, steps);
  for (c = fours; c < channels; c++) {
    const e = taps == 1 ? c : load<i32>(kept + (<usize>c << 2));
    const can = e >= 0 && flippable(wide, residuals, e, g, steps);
    store<i32>(keys + (<usize>c << 2), can ? <i32>min<f32>(abs<f32>(load<f32>(residuals + (<usize>e << 2))) * <f32>BINS, <f32>(BINS - 1)) : NO_BIN);
  }
  for (c = 0; c < channels; c++) {
    const bin = bins + (<usize>load<i32>(keys + (<usize>c << 2)) << 2);
    store<i32>(bin, load<i32>(bin) + 1);
  }
  // The bin in which the flips end, and how many of it are flipped.
  let edge = BINS - 1;
  for (; edge > 0 && load<i32>(bins + (<usize>edge << 2)) < left; edge--) left -= load<i32>(bins + (<usize>edge << 2));
  if (ASC_FEATURE_SIMD) flipAbove(wide, keys, fours, g, edge);
  for (c = fours; c < channels; c++) {
    const key = load<i32>(keys + (<usize>c << 2));
    if (key > edge && key < NO_BIN) flip(wide, residuals, taps == 1 ? c : load<i32>(kept + (<usize>c << 2)), g);
  }
  for (c = 0; left > 0 && c < channels; c++) {
    if (load<i32>(keys + (<usize>c << 2)) != edge) continue;
    left--;
    flip(wide, residuals, taps == 1 ? c : load<i32>(kept + (<usize>c << 2)), g);
  }
}

/** The bins of `count` elements, a multiple of four. */
function putKeys(wide: usize, residuals: usize, keys: usize, count: i32, g: i32, steps: i32): void {
  const change = i32x4.splat(g);
  const sign = f32x4.splat(<f32>g);
  const limit = i32x4.splat(steps);
  const none = i32x4(NO_BIN, NO_BIN + 1, NO_BIN + 2, NO_BIN + 3);
  for (let e: usize = 0, end = <usize>count << 2; e < end; e += 16) {
    const left = f32x4.mul(v128.load(residuals + e), sign);
    const can = v128.and(f32x4.gt(left, f32x4.splat(0)), i32x4.le_u(i32x4.sub(v128.load(wide + e), change), limit));
    const bin = f32x4.trunc(f32x4.pmin(f32x4.mul(left, f32x4.splat(<f32>BINS)), f32x4.splat(<f32>(BINS - 1))));
    // 2^23 more: the integer is what follows the exponent.
    const key = v128.and(f32x4.add(bin, f32x4.splat(8388608)), i32x4.splat(BINS - 1));
    v128.store(keys + e, v128.bitselect(key, none, can));
  }
}

/** Flips what lies in bins above `edge` of `count` elements, a multiple of four. */
function flipAbove(wide: usize, keys: usize, count: i32, g: i32, edge: i32): void {
  const change = i32x4.splat(g);
  for (let e: usize = 0, end = <usize>count << 2; e < end; e += 16) {
    const key = v128.load(keys + e);
    const above = v128.and(i32x4.gt_s(key, i32x4.splat(edge)), i32x4.lt_s(key, i32x4.splat(NO_BIN)));
    v128.store(wide + e, i32x4.sub(v128.load(wide + e), v128.and(above, change)));
  }
}
