// From weights to wide integers to digit planes. One implementation for all builds: a few nanoseconds per weight, once per model.
import { Digits } from "../../src/core/abi/series";

/**
 * Q = clamp(nearestEven(w/s) + zero, low, high) in f64, as i32 [rows][columns]; a row with s = 0 gives its zero point.
 * `zeros` is i32 [rows], or 0 for none. `errors` is f64 [rows][2]: Σ(w − s·(Q − zero))² and Σw², added in order.
 */
export function seriesQuantize(data: usize, scales: usize, zeros: usize, rows: i32, columns: i32, low: i32, high: i32, wide: usize, errors: usize): void {
  for (let r = 0; r < rows; r++, scales += 4, errors += 16) {
    const scale = <f64>load<f32>(scales);
    const zero: f64 = zeros ? <f64>load<i32>(zeros + (<usize>r << 2)) : 0;
    let error: f64 = 0;
    let energy: f64 = 0;
    for (let end = data + (<usize>columns << 2); data < end; data += 4, wide += 4) {
      const w = <f64>load<f32>(data);
      const q = scale > 0 ? min(max(nearest(w / scale) + zero, <f64>low), <f64>high) : zero;
      const miss = w - scale * (q - zero);
      error += miss * miss;
      energy += w * w;
      store<i32>(wide, <i32>q);
    }
    store<f64>(errors, error);
    store<f64>(errors, energy, 8);
  }
}

/**
 * Splits Q into digit planes, most significant first, `stride` bytes apart: digits of `bits` bits, two's complement, packed little-endian
 * without gaps; those of the last term have `last` bits. Consumes `wide`. `sums` is f64 [2]: over all rows and all prefixes P of the series, the largest Σ|P − zero|, and the
 * largest one-sided sum max(Σ(P − zero)⁺, Σ(P − zero)⁻).
 */
export function seriesSplit(wide: usize, zeros: usize, rows: i32, columns: i32, bits: i32, terms: i32, last: i32, digits: i32, planes: usize, stride: usize, sums: usize): void {
  store<f64>(sums, 0);
  store<f64>(sums, 0, 8);
  let weight = 1;
  for (let term = terms - 1; term >= 0; term--) {
    const own = term == terms - 1 ? last : bits;
    measure(wide, zeros, rows, columns, weight, sums);
    peel(wide, rows * columns, own, digits, term == 0, planes + <usize>term * stride);
    weight *= (1 << own) - i32(digits == Digits.Odd);
  }
}

/** Bytes of values of at most 20 bits whose sums stay within int32. */
const BLOCK: usize = 16384;

@inline function lanesOf(v: v128): i64 {
  return <i64>i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}

function measure(wide: usize, zeros: usize, rows: i32, columns: i32, weight: i32, sums: usize): void {
  let both = load<f64>(sums);
  let one = load<f64>(sums, 8);
  for (let r = 0; r < rows; r++) {
    const zero = zeros ? load<i32>(zeros + (<usize>r << 2)) : 0;
    let positive: i64 = 0;
    let negative: i64 = 0;
    const end = wide + (<usize>columns << 2);
    if (ASC_FEATURE_SIMD) {
      const factors = i32x4.splat(weight);
      const shifts = i32x4.splat(zero);
      const none = i32x4.splat(0);
      while (wide + 16 <= end) {
        let above = none;
        let below = none;
        for (const stop = min(end - 15, wide + BLOCK); wide < stop; wide += 16) {
          const value = i32x4.sub(i32x4.mul(v128.load(wide), factors), shifts);
          above = i32x4.add(above, i32x4.max_s(value, none));
          below = i32x4.add(below, i32x4.min_s(value, none));
        }
        positive += lanesOf(above);
        negative -= lanesOf(below);
      }
    }
    for (; wide < end; wide += 4) {
      const value = load<i32>(wide) * weight - zero;
      if (value > 0) positive += value;
      else negative -= value;
    }
    both = max(both, <f64>(positive + negative));
    one = max(one, <f64>max(positive, negative));
  }
  store<f64>(sums, both);
  store<f64>(sums, one, 8);
}

/** Takes the last digit off every value: packs it into `plane` and leaves the quotient. */
function peel(wide: usize, count: i32, bits: i32, digits: i32, top: bool, plane: usize): void {
  const radix = (1 << bits) - i32(digits == Digits.Odd);
  // The digits of the signed systems start at −shift; the top digit is whatever is left.
  const shift = digits == Digits.Signed ? radix >> 1 : digits == Digits.Odd ? (radix - 1) >> 1 : 0;
  const mask = (1 << bits) - 1;
  let buffer = 0;
  let filled = 0;
  const end = wide + (<usize>count << 2);
  if (ASC_FEATURE_SIMD) {
    if (bits == 4 && digits != Digits.Odd) {
      for (; wide + 32 <= end; wide += 32, plane += 4) v128.store_lane<i32>(plane, nibbles(wide, shift, top), 0);
    }
  }
  for (; wide < end; wide += 4) {
    const value = load<i32>(wide);
    let digit = value;
    if (!top && digits != Digits.Odd) {
      digit = ((value + shift) & mask) - shift;
      store<i32>(wide, (value - digit) >> bits);
    } else if (!top) {
      const modulus = (value + shift) % radix;
      digit = (modulus < 0 ? modulus + radix : modulus) - shift;
      store<i32>(wide, (value - digit) / radix);
    }
    buffer |= (digit & mask) << filled;
    filled += bits;
    while (filled >= 8) {
      store<u8>(plane++, <u8>buffer);
      buffer >>>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) store<u8>(plane, <u8>buffer);
}

/** Takes the last digit of four bits off eight values; the digits are the first 32 bits. */
@inline function nibbles(wide: usize, shift: i32, top: bool): v128 {
  let a = v128.load(wide);
  let b = v128.load(wide, 16);
  const fifteen = i32x4.splat(15);
  if (!top) {
    const half = i32x4.splat(shift);
    const low = i32x4.sub(v128.and(i32x4.add(a, half), fifteen), half);
    const high = i32x4.sub(v128.and(i32x4.add(b, half), fifteen), half);
    v128.store(wide, i32x4.shr_s(i32x4.sub(a, low), 4));
    v128.store(wide, i32x4.shr_s(i32x4.sub(b, high), 4), 16);
    a = low;
    b = high;
  }
  const words = i16x8.narrow_i32x4_u(v128.and(a, fifteen), v128.and(b, fifteen));
  const pairs = i8x16.narrow_i16x8_u(words, words);
  const bytes = v128.and(v128.or(pairs, i16x8.shr_u(pairs, 4)), i16x8.splat(255));
  return i8x16.narrow_i16x8_u(bytes, bytes);
}
