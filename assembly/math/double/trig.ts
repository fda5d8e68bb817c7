// sin, cos, tan and their inverses in f64. Above π/4 the fraction of x·2/π comes from an integer product with the bits of 2/π (Payne and Hanek 1983), so
// that no argument is too large. Largest distance to V8's Math over 32,000 values (test/program/double.test.ts): sin, cos and atan 1 ulp, tan,
// asin and acos 2.

export function sin(x: f64): f64 {
  return x == 0 ? x : quadrant(x, 0);
}

export function cos(x: f64): f64 {
  return quadrant(x, 1);
}

export function tan(x: f64): f64 {
  return x == 0 ? x : quadrant(x, 2);
}

/** The high word of a product of two u64. */
function upper(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const cross = al * bh + ((al * bl) >> 32);
  const other = ah * bl + (cross & 0xffffffff);
  return ah * bh + (cross >> 32) + (other >> 32);
}

/** 0: sine, 1: cosine, 2: tangent. */
function quadrant(x: f64, what: i32): f64 {
  let r = f64.abs(x);
  if (!(r < Infinity)) return NaN;
  let low: f64 = 0;
  let n = 0;
  if (r > 0.7853981633974483) {
    // x = m·2^e. Bits of 2/π above position e − 2 give whole turns: leave them out, and the product of m with the next 192 bits
    // has the quarter turns in its upper two bits
    const word = reinterpret<u64>(r);
    const m = (word & 0x000fffffffffffff) | 0x0010000000000000;
    const position = <i32>(word >> 52) - 1077;
    const middle = m * window(position + 64);
    const carried = middle + upper(m, window(position + 128));
    const high = m * window(position) + upper(m, window(position + 64)) + <u64>(carried < middle);
    n = <i32>(high >> 62);
    const turn = <i64>((high << 2) | (carried >> 62));
    if (turn < 0) n++;
    // the fraction of a quarter turn as a sum of two f64, then times π/2
    const a = <f64>turn;
    // a may round up to 2^63, which is no int64
    const left = a >= 9223372036854775807 ? <f64>(turn - i64.MAX_VALUE) - 1 : <f64>(turn - <i64>a);
    const b = left + <f64>(carried << 2) * 5.421010862427522e-20; // 2^−64
    const f = (a + b) * 5.421010862427522e-20;
    const g = (a - (a + b) + b) * 5.421010862427522e-20;
    r = f * 1.5707963267948966;
    low = error(f, r) + f * 6.123233995736766e-17 + g * 1.5707963267948966;
  }
  const z = r * r;
  let s: f64 = 0;
  for (let k: f64 = 19; k > 1; k -= 2) s = (-z / (k * (k - 1))) * (1 + s);
  const sine = r + (s * r + low * (1 - 0.5 * z));
  let c: f64 = 0;
  for (let k: f64 = 18; k > 2; k -= 2) c = (-z / (k * (k - 1))) * (1 + c);
  // 1 − z/2 with the rounding of the difference kept
  const half = 0.5 * z;
  const near = 1 - half;
  const cosine = near + (1 - near - half - half * c - r * low);
  let y: f64;
  if (what == 2) y = n & 1 ? -cosine / sine : sine / cosine;
  else {
    n += what;
    y = n & 1 ? cosine : sine;
    if (n & 2) y = -y;
  }
  return what != 1 && x < 0 ? -y : y;
}

/** f·π/2 − r, r the rounded product: Dekker's splitting. */
function error(f: f64, r: f64): f64 {
  const c = 134217729 * f;
  const h = c - (c - f);
  const l = f - h;
  // the upper 26 bits of π/2 and the rest
  return h * 1.5707963109016418 - r + h * 1.5893254712295857e-8 + l * 1.5707963109016418 + l * 1.5893254712295857e-8;
}

/** 64 bits of 2/π after the first `position` bits behind the point; in front of the point there are zeros. */
export function window(position: i32): u64 {
  const at = position + 64;
  const shift = <u64>(at & 63);
  const high = word(at >> 6);
  return shift == 0 ? high : (high << shift) | (word((at >> 6) + 1) >> (64 - shift));
}

function word(i: i32): u64 {
  switch (i) {
    case 0: return 0;
    case 1: return 0xa2f9836e4e441529;
    case 2: return 0xfc2757d1f534ddc0;
    case 3: return 0xdb6295993c439041;
    case 4: return 0xfe5163abdebbc561;
    case 5: return 0xb7246e3a424dd2e0;
    case 6: return 0x06492eea09d1921c;
    case 7: return 0xfe1deb1cb129a73e;
    case 8: return 0xe88235f52ebb4484;
    case 9: return 0xe99c7026b45f7e41;
    case 10: return 0x3991d639835339f4;
    case 11: return 0x9c845f8bbdf9283b;
    case 12: return 0x1ff897ffde05980f;
    case 13: return 0xef2f118b5a0a6d1f;
    case 14: return 0x6d367ecf27cb09b7;
    case 15: return 0x4f463f669e5fea2d;
    case 16: return 0x7527bac7ebe5f17b;
    case 17: return 0x3d0739f78a5292ea;
    case 18: return 0x6bfb5fb11f8d5d08;
    default: return 0x56033046fc7b6bab;
  }
}

export function atan(x: f64): f64 {
  const a = f64.abs(x);
  if (x != x || a < 1e-9) return x;
  // atan a = base + atan t, |t| ≤ 7/16
  let base: f64 = 0;
  let low: f64 = 0;
  let t = a;
  if (a > 2.4375) {
    base = 1.5707963267948966;
    low = 6.123233995736766e-17;
    t = -1 / a;
  } else if (a > 1.1875) {
    base = 0.982793723247329;
    low = 1.3903311031230998e-17;
    t = (a - 1.5) / (1 + 1.5 * a);
  } else if (a > 0.6875) {
    base = 0.7853981633974483;
    low = 3.061616997868383e-17;
    t = (a - 1) / (a + 1);
  } else if (a > 0.4375) {
    base = 0.4636476090008061;
    low = 2.2698777452961687e-17;
    t = (2 * a - 1) / (2 + a);
  }
  const z = t * t;
  let p: f64 = 0;
  for (let k: f64 = 45; k > 1; k -= 2) p = z * (1 / k - p);
  return f64.copysign(base + (t + (low - t * p)), x);
}

/** NaN beyond ±1. */
export function asin(x: f64): f64 {
  return f64.abs(x) < 1e-9 ? x : atan(x / f64.sqrt((1 - x) * (1 + x)));
}

/** NaN beyond ±1. */
export function acos(x: f64): f64 {
  return 2 * atan(f64.sqrt((1 - x) / (1 + x)));
}
