// Key rows as b-bit codes, and which rows share one. Pointers are 16-aligned; a matrix of f32 has rows of d elements, densely.
// Codes: i16 rows of `stride` elements (a multiple of 4, zero beyond d),
//   code = sign(x)·min(floor(|x|·m/A + 1/2), m), A the largest magnitude of the element's column, m = 2^(b−1) − 1, b ≤ 16.
// In f64 this is the exact nearest integer, ties away from zero: |x|·m is exact (24 + 15 bits), and a quotient that is not a half-integer
// differs from one by at least 2^-25 of itself, far more than the 2^-52 that division and addition may lose. A = 0 gives 0.

/** Joins the magnitudes of `rows` rows into `maxima`, f32[d]; returns the first row with NaN or infinity, or −1. */
export function keyRange(keys: usize, rows: i32, d: i32, maxima: usize): i32 {
  const body = d & ~3;
  for (let r = 0; r < rows; r++) {
    const row = keys + ((<usize>r * <usize>d) << 2);
    let bad = i32x4.splat(0);
    for (let c = 0; c < body; c += 4) {
      const at = <usize>c << 2;
      const x = v128.load(row + at);
      bad = v128.or(bad, f32x4.ne(f32x4.sub(x, x), f32x4.splat(0)));
      v128.store(maxima + at, f32x4.max(v128.load(maxima + at), f32x4.abs(x)));
    }
    let tail = false;
    for (let c = body; c < d; c++) {
      const at = <usize>c << 2;
      const x = load<f32>(row + at);
      if (x - x != 0) tail = true;
      store<f32>(maxima + at, max(load<f32>(maxima + at), abs(x)));
    }
    if (tail || v128.any_true(bad)) return r;
  }
  return -1;
}

/** Codes of `rows` rows; `maxima` is f64[d + 3], the last three any positive number. */
export function keyCodes(keys: usize, rows: i32, d: i32, maxima: usize, m: f64, codes: usize, stride: i32): void {
  const top = f64x2.splat(m);
  const body = d & ~3;
  for (let r = 0; r < rows; r++) {
    const row = keys + ((<usize>r * <usize>d) << 2);
    const out = codes + ((<usize>r * <usize>stride) << 1);
    for (let c = 0; c < body; c += 4) {
      v128.store64_lane(out + (<usize>c << 1), codes4(v128.load(row + (<usize>c << 2)), maxima + (<usize>c << 3), top), 0);
    }
    if (body < d) {
      let x = f32x4.splat(0);
      x = f32x4.replace_lane(x, 0, load<f32>(row + (<usize>body << 2)));
      if (body + 1 < d) x = f32x4.replace_lane(x, 1, load<f32>(row + (<usize>(body + 1) << 2)));
      if (body + 2 < d) x = f32x4.replace_lane(x, 2, load<f32>(row + (<usize>(body + 2) << 2)));
      v128.store64_lane(out + (<usize>body << 1), codes4(x, maxima + (<usize>body << 3), top), 0);
    }
    for (let c = (d + 3) & ~3; c < stride; c++) store<i16>(out + (<usize>c << 1), 0);
  }
}

/** Four codes as i16 in the low half. */
@inline
function codes4(x: v128, maxima: usize, top: v128): v128 {
  const size = f32x4.abs(x);
  const low = magnitude(f64x2.promote_low_f32x4(size), v128.load(maxima), top);
  const high = magnitude(f64x2.promote_low_f32x4(i8x16.shuffle(size, size, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)), v128.load(maxima, 16), top);
  const all = i8x16.shuffle(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const sign = i32x4.shr_s(x, 31);
  const signed = i32x4.sub(v128.xor(all, sign), sign);
  return i16x8.narrow_i32x4_s(signed, signed);
}

@inline
function magnitude(size: v128, maxima: v128, top: v128): v128 {
  const q = f64x2.floor(f64x2.add(f64x2.div(f64x2.mul(size, top), maxima), f64x2.splat(0.5)));
  return i32x4.trunc_sat_f64x2_s_zero(f64x2.min(q, top));
}

/** Rows as they are, padded with zeros to `stride` bytes (a multiple of 8), −0 as +0: equal rows have equal bytes. */
export function keyNormalize(keys: usize, rows: i32, d: i32, out: usize, stride: i32): void {
  for (let r = 0; r < rows; r++) {
    const row = keys + ((<usize>r * <usize>d) << 2);
    const to = out + <usize>r * <usize>stride;
    for (let c = 0; c < d; c++) store<f32>(to + (<usize>c << 2), load<f32>(row + (<usize>c << 2)) + 0);
    for (let at = d << 2; at < stride; at += 4) store<i32>(to + at, 0);
  }
}

/**
 * A 64-bit fingerprint of each row of `words` 8-byte words, into u64[rows]. Different fingerprints mean different rows; the converse must be checked.
 * Two multiplications with a rotation between them: after one alone, rows that differ in the signs of neighbouring words collide under every seed.
 */
export function keyFingerprints(data: usize, rows: i32, words: i32, seed: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    let h: u64 = <u64>seed * 0x9e3779b97f4a7c15 + 1;
    let at = data + ((<usize>r * <usize>words) << 3);
    for (let w = 0; w < words; w++, at += 8) {
      h = rotl<u64>((h ^ load<u64>(at)) * 0xff51afd7ed558ccd, 31) * 0xc4ceb9fe1a85ec53;
    }
    store<u64>(out + (<usize>r << 3), h);
  }
}

/** Class of each of `count` fingerprints: the index of the first equal one. `table` is i32[mask + 1], zero, a power of two above 2·count. */
export function keyClasses(fingerprints: usize, count: i32, table: usize, mask: i32, classes: usize): void {
  for (let i = 0; i < count; i++) {
    const h = load<u64>(fingerprints + (<usize>i << 3));
    let slot = <i32>(h >> 20) & mask;
    let first = i;
    while (true) {
      const entry = load<i32>(table + (<usize>slot << 2));
      if (entry == 0) {
        store<i32>(table + (<usize>slot << 2), i + 1);
        break;
      }
      if (load<u64>(fingerprints + (<usize>(entry - 1) << 3)) == h) {
        first = entry - 1;
        break;
      }
      slot = (slot + 1) & mask;
    }
    store<i32>(classes + (<usize>i << 2), first);
  }
}

/** Σ|code| of each row of `stride` i16, into i32. */
export function codeNorms(codes: usize, rows: i32, stride: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const row = codes + ((<usize>r * <usize>stride) << 1);
    let sum = 0;
    for (let c = 0; c < stride; c++) sum += abs(<i32>load<i16>(row + (<usize>c << 1)));
    store<i32>(out + (<usize>r << 2), sum);
  }
}

/**
 * Makes 2·q·k − |k|² a plain product: `queries` are doubled (m ≤ 2^14 − 1) and get −1, −2^14, −2^14, … from element d on; `keys` get
 * N mod 2^14 and N >> 14 split over the other `columns` − 1 elements, where N = |k|².
 */
export function correctQueries(codes: usize, rows: i32, stride: i32, d: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    const row = codes + ((<usize>r * <usize>stride) << 1);
    for (let c = 0; c < d; c++) store<i16>(row + (<usize>c << 1), load<i16>(row + (<usize>c << 1)) << 1);
    for (let c = 0; c < columns; c++) store<i16>(row + (<usize>(d + c) << 1), c == 0 ? -1 : -16384);
  }
}

export function correctKeys(codes: usize, rows: i32, stride: i32, d: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    const row = codes + ((<usize>r * <usize>stride) << 1);
    let n: i64 = 0;
    for (let c = 0; c < d; c++) {
      const k = <i64>load<i16>(row + (<usize>c << 1));
      n += k * k;
    }
    store<i16>(row + (<usize>d << 1), <i16>(n & 16383));
    let rest = n >> 14;
    for (let c = 1; c < columns; c++) {
      const part = min<i64>(rest, 32767);
      store<i16>(row + (<usize>(d + c) << 1), <i16>part);
      rest -= part;
    }
  }
}
