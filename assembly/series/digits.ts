// From weights to wide integers to digit planes. Once per model.
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
  if (ASC_FEATURE_SIMD) {
    if (digits == Digits.Signed && bits <= 4 && bits * (terms - 1) + last <= 16) {
      splitSigned(wide, zeros, rows, columns, bits, terms, last, planes, stride, sums);
      return;
    }
  }
  let weight = 1;
  for (let term = terms - 1; term >= 0; term--) {
    const own = term == terms - 1 ? last : bits;
    measure(wide, zeros, rows, columns, weight, sums);
    peel(wide, rows * columns, own, digits, term == 0, planes + <usize>term * stride);
    weight *= (1 << own) - i32(digits == Digits.Odd);
  }
}

function measure(wide: usize, zeros: usize, rows: i32, columns: i32, weight: i32, sums: usize): void {
  for (let r = 0; r < rows; r++) {
    const zero = zeros ? load<i32>(zeros + (<usize>r << 2)) : 0;
    let positive: i64 = 0;
    let negative: i64 = 0;
    for (const end = wide + (<usize>columns << 2); wide < end; wide += 4) {
      const value = load<i32>(wide) * weight - zero;
      if (value > 0) positive += value;
      else negative -= value;
    }
    enlarge(sums, positive, negative);
  }
}

@inline
function enlarge(sums: usize, positive: i64, negative: i64): void {
  store<f64>(sums, max(load<f64>(sums), <f64>(positive + negative)));
  store<f64>(sums, max(load<f64>(sums, 8), <f64>max(positive, negative)), 8);
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

/**
 * The signed digits of values of at most 16 bits: U = Q − Σ of the least digits is at least 0, and its bits are those of the digits but for their signs.
 * `wide` holds U as u16 afterwards.
 */
function splitSigned(wide: usize, zeros: usize, rows: i32, columns: i32, bits: i32, terms: i32, last: i32, planes: usize, stride: usize, sums: usize): void {
  // The least sum of all digits; what the terms behind each one can take away at most has the same form.
  let lowest = -1 << (last - 1);
  for (let term = terms - 2, shift = last; term >= 0; term--, shift += bits) lowest -= 1 << (shift + bits - 1);
  narrowBy(lowest, wide, rows * columns);
  for (let term = terms - 1, shift = 0; term >= 0; term--) {
    const own = term == terms - 1 ? last : bits;
    packSigned(wide, rows * columns, own, shift, planes + <usize>term * stride);
    shift += own;
  }
  for (let r = 0; r < rows; r++, wide += <usize>columns << 1) {
    const zero = (zeros ? load<i32>(zeros + (<usize>r << 2)) : 0) - lowest;
    let tail = 0;
    for (let term = terms - 1, shift = 0; term >= 0; term--) {
      measureSigned(wide, columns, -1 << shift, zero - tail, bits * (terms - 1) + last < 16, sums);
      const own = term == terms - 1 ? last : bits;
      shift += own;
      tail += 1 << (shift - 1);
    }
  }
}

/** u16 of the values, in place. */
function narrowBy(lowest: i32, wide: usize, count: i32): void {
  const offset = i32x4.splat(lowest);
  let to = wide;
  const end = wide + (<usize>count << 2);
  for (; wide + 32 <= end; wide += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_u(i32x4.sub(v128.load(wide), offset), i32x4.sub(v128.load(wide, 16), offset)));
  }
  for (; wide < end; wide += 4, to += 2) store<u16>(to, <u16>(load<i32>(wide) - lowest));
}

/** The plane of the digits of `bits` bits that lie `shift` bits high in u16 values: eight of them are `bits` bytes. */
function packSigned(values: usize, count: i32, bits: i32, shift: i32, plane: usize): void {
  const mask = (1 << bits) - 1;
  const sign = 1 << (bits - 1);
  const masks = i16x8.splat(<i16>mask);
  const signs = i16x8.splat(<i16>sign);
  const inTwo: u64 = ((1 << (2 * bits)) - 1) * 0x0001000100010001;
  const inFour: u64 = ((1 << (4 * bits)) - 1) * 0x0000000100000001;
  let e = 0;
  if (bits == 4) {
    // Two digits are a byte by one product: 32 take a third of the time that four times eight do.
    for (; e + 32 <= count; e += 32, values += 64, plane += 16) {
      const low = i16x8.narrow_i32x4_s(bytesOf(values, shift, masks, signs), bytesOf(values + 16, shift, masks, signs));
      const high = i16x8.narrow_i32x4_s(bytesOf(values + 32, shift, masks, signs), bytesOf(values + 48, shift, masks, signs));
      v128.store(plane, i8x16.narrow_i16x8_u(low, high));
    }
  }
  if (bits == 1) {
    for (; e + 16 <= count; e += 16, values += 32, plane += 2) {
      const tops = i8x16.narrow_i16x8_s(i16x8.shl(v128.load(values), 15 - shift), i16x8.shl(v128.load(values, 16), 15 - shift));
      store<u16>(plane, <u16>~i8x16.bitmask(tops));
    }
  }
  for (; e + 8 <= count; e += 8, values += 16, plane += bits) {
    const digits = v128.xor(v128.and(i16x8.shr_u(v128.load(values), shift), masks), signs);
    let all = <u64>i64x2.extract_lane(i8x16.narrow_i16x8_u(digits, digits), 0);
    all = (all | (all >> (8 - bits))) & inTwo;
    all = (all | (all >> (16 - 2 * bits))) & inFour;
    all |= all >> (32 - 4 * bits);
    if (bits == 4) store<u32>(plane, <u32>all);
    else for (let i = 0; i < bits; i++) store<u8>(plane + i, <u8>(all >> (i << 3)));
  }
  let buffer = 0;
  let filled = 0;
  for (; e < count; e++, values += 2) {
    buffer |= (((<i32>load<u16>(values) >> shift) & mask) ^ sign) << filled;
    filled += bits;
  }
  for (; filled > 0; filled -= 8, buffer >>= 8) store<u8>(plane++, <u8>buffer);
}

/** Four bytes of eight digits of four bits, as integers. */
@inline
function bytesOf(values: usize, shift: i32, masks: v128, signs: v128): v128 {
  return i32x4.dot_i16x8_s(v128.xor(v128.and(i16x8.shr_u(v128.load(values), shift), masks), signs), i16x8(1, 16, 1, 16, 1, 16, 1, 16));
}

/** Vectors whose sums stay within u32 lanes. */
const BLOCK: i32 = 16384;

@inline
function lanesOf(v: v128): i64 {
  return <i64><u32>i32x4.extract_lane(v, 0) + <i64><u32>i32x4.extract_lane(v, 1) + <i64><u32>i32x4.extract_lane(v, 2) + <i64><u32>i32x4.extract_lane(v, 3);
}

/** The sums of a row of u16 values less `zero`, at most 65535, of whose bits those of some terms count. What is below 2^15 is added by a product, which is one instruction. */
function measureSigned(row: usize, columns: i32, mask: i32, zero: i32, isNarrow: bool, sums: usize): void {
  if (isNarrow && zero < 32768) measured(row, columns, mask, zero, true, sums);
  else measured(row, columns, mask, zero, false, sums);
}

/** The sum of pairs of u16, of ones below 2^15 where the compiler is told so. */
@inline
function pairSums(values: v128, isNarrow: bool): v128 {
  return isNarrow ? i32x4.dot_i16x8_s(values, i16x8.splat(1)) : i32x4.extadd_pairwise_i16x8_u(values);
}

/** The same of a width that the compiler knows. */
@inline
function measured(row: usize, columns: i32, mask: i32, zero: i32, isNarrow: bool, sums: usize): void {
  const masks = i16x8.splat(<i16>mask);
  const zeros = i16x8.splat(<i16>zero);
  let total: i64 = 0;
  let below: i64 = 0;
  let i = 0;
  while (i + 8 <= columns) {
    let all = i32x4.splat(0);
    let missing = i32x4.splat(0);
    for (const end = min((columns & ~7), i + 8 * BLOCK); i < end; i += 8, row += 16) {
      const value = v128.and(v128.load(row), masks);
      all = i32x4.add(all, pairSums(value, isNarrow));
      missing = i32x4.add(missing, pairSums(i16x8.sub_sat_u(zeros, value), isNarrow));
    }
    total += lanesOf(all);
    below += lanesOf(missing);
  }
  for (; i < columns; i++, row += 2) {
    const value = <i32>load<u16>(row) & mask;
    total += value;
    below += max(zero - value, 0);
  }
  if (zero < 0) below = 0;
  enlarge(sums, total - <i64>zero * columns + below, below);
}
