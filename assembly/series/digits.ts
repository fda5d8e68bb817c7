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

function measure(wide: usize, zeros: usize, rows: i32, columns: i32, weight: i32, sums: usize): void {
  let both = load<f64>(sums);
  let one = load<f64>(sums, 8);
  for (let r = 0; r < rows; r++) {
    const zero = zeros ? load<i32>(zeros + (<usize>r << 2)) : 0;
    let positive: i64 = 0;
    let negative: i64 = 0;
    for (let end = wide + (<usize>columns << 2); wide < end; wide += 4) {
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
  for (let end = wide + (<usize>count << 2); wide < end; wide += 4) {
    const value = load<i32>(wide);
    let digit = value;
    if (!top) {
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
