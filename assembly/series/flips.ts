// SQuant's flips: elements that are rounded to the other side, so that what a kernel and then a row miss sums to less than half a step. `wide` holds the integers, `residuals` what each misses.
/** Divides |residual| of 0…1 for the selection of flips; a power of 2. */
const BINS: i32 = 256;

/** Whether element `e` may be rounded to the other side, against a sum of sign `g`. */
function flippable(wide: usize, residuals: usize, e: i32, g: i32, steps: i32): bool {
  const q = load<i32>(wide + (<usize>e << 2)) - g;
  return load<f32>(residuals + (<usize>e << 2)) * <f32>g > 0 && <u32>q <= <u32>steps;
}

function flip(wide: usize, residuals: usize, e: i32, g: i32): void {
  const at = <usize>e << 2;
  store<i32>(wide + at, load<i32>(wide + at) - g);
  store<f32>(residuals + at, load<f32>(residuals + at) - <f32>g);
}

/** From so many taps on, what a kernel flips is chosen at once: the time of a pass for each flip grows with √taps³. */
const MANY: i32 = 4096;

/** Flips of all kernels of a row; into `kept` of each the element that the row may still flip: the last one back, or the next one, −1 for none. Bins lie behind, as those of `flipRow`. */
export function flipKernels(wide: usize, residuals: usize, kept: usize, taps: i32, channels: i32, steps: i32): void {
  const bins = kept + (<usize>channels << 3);
  let c = 0;
  if (ASC_FEATURE_SIMD && taps < MANY) {
    for (; c + 4 <= channels; c += 4) flipFour(wide, residuals, kept, taps, channels, c, steps);
  }
  for (; c < channels; c++) store<i32>(kept + (<usize>c << 2), flipKernel(wide, residuals, bins, taps, channels, c, steps));
}

function flipKernel(wide: usize, residuals: usize, bins: usize, taps: i32, channels: i32, c: i32, steps: i32): i32 {
  let sum: f32 = 0;
  for (let t = 0; t < taps; t++) sum += load<f32>(residuals + (<usize>(t * channels + c) << 2));
  const g = sum < 0 ? -1 : 1;
  const count = min(<i32>nearest<f32>(abs<f32>(sum)), taps);
  let best = -1;
  for (let n = taps < MANY ? 0 : flipMost(wide, residuals, bins, taps, channels, c, g, steps, count); n <= count; n++) {
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

/** Does all flips of a kernel but the last one, or all that there are, and counts them: the bits of the error that the last one has are found eight at a time. */
function flipMost(wide: usize, residuals: usize, bins: usize, taps: i32, channels: i32, c: i32, g: i32, steps: i32, count: i32): i32 {
  let least: u32 = 0;
  // Flips of errors that begin with the bits of `least`.
  let left = count;
  for (let shift = 24; shift >= 0; shift -= 8) {
    memory.fill(bins, 0, <usize>BINS << 2);
    for (let t = 0; t < taps; t++) {
      const e = t * channels + c;
      const rest = sizeBits(residuals, e) ^ least;
      if (<u64>rest >> (shift + 8) != 0 || !flippable(wide, residuals, e, g, steps)) continue;
      const bin = bins + (<usize>(rest >> shift) << 2);
      store<i32>(bin, load<i32>(bin) + 1);
    }
    let bin = BINS - 1;
    for (; bin > 0 && load<i32>(bins + (<usize>bin << 2)) < left; bin--) left -= load<i32>(bins + (<usize>bin << 2));
    least |= <u32>bin << shift;
  }
  let flipped = 0;
  for (let t = 0; t < taps; t++) {
    const e = t * channels + c;
    const bits = sizeBits(residuals, e);
    if (bits < least || !flippable(wide, residuals, e, g, steps) || (bits == least && --left <= 0)) continue;
    flip(wide, residuals, e, g);
    flipped++;
  }
  return flipped;
}

/** The bits of an error without its sign, which are in the order of its size. */
@inline
function sizeBits(residuals: usize, e: i32): u32 {
  return load<u32>(residuals + (<usize>e << 2)) & 0x7fffffff;
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

/** Of errors that are spread evenly, so many times as many as will be flipped are looked at: three times as many take 6 % longer, and fewer are too few now and then. */
const SPARE: i32 = 2;

/** The sum of what a row misses, over even and odd elements apart: the order of all builds. */
export function sumOf(residuals: usize, columns: i32): f64 {
  let even: f64 = 0;
  let odd: f64 = 0;
  const end = residuals + (<usize>columns << 2);
  for (; residuals + 8 <= end; residuals += 8) {
    even += <f64>load<f32>(residuals);
    odd += <f64>load<f32>(residuals, 4);
  }
  return residuals < end ? even + odd + <f64>load<f32>(residuals) : even + odd;
}

/** Flips of a row that misses `sum`: of what its kernels have kept, or of all elements where there are no kernels. Candidates and bins lie behind `kept`. */
export function flipRow(wide: usize, residuals: usize, kept: usize, sum: f64, taps: i32, channels: i32, steps: i32): void {
  const g = sum < 0 ? -1 : 1;
  const flips = <i32>nearest(abs(sum));
  if (flips == 0) return;
  const found = kept + (<usize>channels << 2);
  const bins = found + (<usize>channels << 2);
  // Few of many elements are flipped, and all that are have larger errors than nearly all others: half a step and less.
  let least = taps > 1 ? 0 : max(0, BINS / 2 - 1 - <i32>(<i64>SPARE * flips * BINS / channels));
  let count = candidates(wide, residuals, kept, found, bins, taps, channels, g, steps, least);
  if (count < flips && least > 0) {
    least = 0;
    count = candidates(wide, residuals, kept, found, bins, taps, channels, g, steps, 0);
  }
  // The bin in which the flips end, and how many of it are flipped.
  let left = flips;
  let edge = BINS - 1;
  for (; edge > 0 && load<i32>(bins + (<usize>edge << 2)) < left; edge--) left -= load<i32>(bins + (<usize>edge << 2));
  for (let c = 0; c < count; c++) {
    const e = load<i32>(found + (<usize>c << 2));
    const key = keyOf(residuals, e);
    if (key < edge || (key == edge && left-- <= 0)) continue;
    flip(wide, residuals, e, g);
  }
}

/** The bin of what an element misses. */
@inline
function keyOf(residuals: usize, e: i32): i32 {
  return <i32>min<f32>(abs<f32>(load<f32>(residuals + (<usize>e << 2))) * <f32>BINS, <f32>(BINS - 1));
}

/** Puts elements that may be flipped and whose bin is `least` or above into `found`, in order, and counts them in their bins. */
function candidates(
  wide: usize, residuals: usize, kept: usize, found: usize, bins: usize, taps: i32, channels: i32, g: i32, steps: i32, least: i32,
): i32 {
  memory.fill(bins, 0, <usize>BINS << 2);
  let count = 0;
  let c = 0;
  if (ASC_FEATURE_SIMD && taps == 1) {
    // Sixteen at once: nearly always there is one at most, and seldom two.
    const bound = f32x4.splat(<f32>least / <f32>BINS);
    const sign = f32x4.splat(<f32>g);
    for (; c + 16 <= channels; c += 16) {
      const at = residuals + (<usize>c << 2);
      const first = i16x8.narrow_i32x4_s(isLarge(at, sign, bound), isLarge(at + 16, sign, bound));
      const second = i16x8.narrow_i32x4_s(isLarge(at + 32, sign, bound), isLarge(at + 48, sign, bound));
      for (let large = i8x16.bitmask(i8x16.narrow_i16x8_s(first, second)); large != 0; large &= large - 1) {
        count += addCandidate(wide, residuals, found, bins, count, c + ctz(large), g, steps, least);
      }
    }
  }
  for (; c < channels; c++) {
    const e = taps == 1 ? c : load<i32>(kept + (<usize>c << 2));
    if (e >= 0) count += addCandidate(wide, residuals, found, bins, count, e, g, steps, least);
  }
  return count;
}

@inline
function isLarge(residuals: usize, sign: v128, bound: v128): v128 {
  return f32x4.ge(f32x4.mul(v128.load(residuals), sign), bound);
}

/** 1 if it is one. */
function addCandidate(wide: usize, residuals: usize, found: usize, bins: usize, count: i32, e: i32, g: i32, steps: i32, least: i32): i32 {
  const key = keyOf(residuals, e);
  if (key < least || !flippable(wide, residuals, e, g, steps)) return 0;
  store<i32>(found + (<usize>count << 2), e);
  const bin = bins + (<usize>key << 2);
  store<i32>(bin, load<i32>(bin) + 1);
  return 1;
}
