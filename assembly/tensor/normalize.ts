// Softmax and LayerNorm over contiguous rows of f32; sums by 4 partials, k mod 4, joined as (0 + 2) + (1 + 3).
import { LayerNormStep, SoftmaxStep } from "../../src/core/abi/reduce";
import { decay } from "../math/exp";
import { add, atLeast, div, ifLess, k, mul, sqrt, sub } from "../math/lane";
import { log } from "../math/log";
import { lanes, loadUpTo, storeUpTo } from "./lanes";
import { address, argument, number, share } from "../step";

/** Four partials: one vector, or four floats that the scalar build keeps apart. */
@inline function joined(a: f32, b: f32, c: f32, d: f32): f32 {
  return (a + c) + (b + d);
}

/** The sum of ((x − mean) − rest)^power over a row, power 1 or 2. */
function sumOf(row: usize, extent: i32, mean: f32, rest: f32, power: i32): f32 {
  const end = row + (<usize>(extent & ~3) << 2);
  if (ASC_FEATURE_SIMD) {
    let sum = k<v128>(0);
    const m = k<v128>(mean);
    const r = k<v128>(rest);
    for (; row < end; row += 16) sum = f32x4.add(sum, terms(v128.load(row), m, r, power));
    return ended__simd(sum, row, extent, mean, rest, power);
  }
  let a: f32 = 0;
  let b: f32 = 0;
  let c: f32 = 0;
  let d: f32 = 0;
  for (; row < end; row += 16) {
    a += term(row, mean, rest, power);
    b += term(row + 4, mean, rest, power);
    c += term(row + 8, mean, rest, power);
    d += term(row + 12, mean, rest, power);
  }
  return ended(a, b, c, d, row, extent, mean, rest, power);
}

/** `sumOf` of four rows, `apart` bytes apart: additions of one row wait for each other (64 rows of 4000 295 → 235 µs). */
function sumsOf(row: usize, apart: usize, extent: i32, mean: v128, rest: v128, power: i32): v128 {
  let r0 = f32x4.splat(0);
  let r1 = r0;
  let r2 = r0;
  let r3 = r0;
  const m0 = f32x4.extract_lane(mean, 0);
  const m1 = f32x4.extract_lane(mean, 1);
  const m2 = f32x4.extract_lane(mean, 2);
  const m3 = f32x4.extract_lane(mean, 3);
  const s0 = f32x4.extract_lane(rest, 0);
  const s1 = f32x4.extract_lane(rest, 1);
  const s2 = f32x4.extract_lane(rest, 2);
  const s3 = f32x4.extract_lane(rest, 3);
  for (const end = row + (<usize>(extent & ~3) << 2); row < end; row += 16) {
    r0 = f32x4.add(r0, terms(v128.load(row), f32x4.splat(m0), f32x4.splat(s0), power));
    r1 = f32x4.add(r1, terms(v128.load(row + apart), f32x4.splat(m1), f32x4.splat(s1), power));
    r2 = f32x4.add(r2, terms(v128.load(row + 2 * apart), f32x4.splat(m2), f32x4.splat(s2), power));
    r3 = f32x4.add(r3, terms(v128.load(row + 3 * apart), f32x4.splat(m3), f32x4.splat(s3), power));
  }
  let sums = f32x4.splat(ended__simd(r0, row, extent, m0, s0, power));
  sums = f32x4.replace_lane(sums, 1, ended__simd(r1, (row += apart), extent, m1, s1, power));
  sums = f32x4.replace_lane(sums, 2, ended__simd(r2, (row += apart), extent, m2, s2, power));
  return f32x4.replace_lane(sums, 3, ended__simd(r3, row + apart, extent, m3, s3, power));
}

/** The sum of four partials and of the last elements of a row of `extent`, of which `at` is the first. */
@inline function ended(a: f32, b: f32, c: f32, d: f32, at: usize, extent: i32, mean: f32, rest: f32, power: i32): f32 {
  const left = extent & 3;
  if (left > 0) a += term(at, mean, rest, power);
  if (left > 1) b += term(at + 4, mean, rest, power);
  if (left > 2) c += term(at + 8, mean, rest, power);
  return joined(a, b, c, d);
}

function ended__simd(sum: v128, at: usize, extent: i32, mean: f32, rest: f32, power: i32): f32 {
  const a = f32x4.extract_lane(sum, 0);
  const b = f32x4.extract_lane(sum, 1);
  const c = f32x4.extract_lane(sum, 2);
  return ended(a, b, c, f32x4.extract_lane(sum, 3), at, extent, mean, rest, power);
}

@inline function terms(x: v128, mean: v128, rest: v128, power: i32): v128 {
  x = f32x4.sub(f32x4.sub(x, mean), rest);
  return power == 2 ? f32x4.mul(x, x) : x;
}

@inline function term(at: usize, mean: f32, rest: f32, power: i32): f32 {
  let x = load<f32>(at) - mean - rest;
  return power == 2 ? x * x : x;
}

/** The sums of four rows, or of one in all lanes. */
@inline function totals<T>(row: usize, rows: i32, extent: i32, mean: T, rest: T, power: i32): T {
  if (isVector<T>()) {
    if (rows == 4) return sumsOf(row, <usize>extent << 2, extent, mean, rest, power);
    return k<T>(sumOf(row, extent, f32x4.extract_lane(mean, 0), f32x4.extract_lane(rest, 0), power));
  }
  return sumOf(row, extent, mean, rest, power) as T;
}

/** The first lane, in all. */
@inline function first<T>(x: T): T {
  if (isVector<T>()) return f32x4.splat(f32x4.extract_lane(x, 0));
  return x;
}

/** The next lane first. */
@inline function turned<T>(x: T): T {
  if (isVector<T>()) return v128.shuffle<i32>(x, x, 1, 2, 3, 0);
  return x;
}

@inline function keep<T>(at: usize, x: T): void {
  if (isVector<T>()) v128.store_lane<i32>(at, x, 0);
  else store<f32>(at, x as f32);
}

/** The largest element that is a number: a NaN reaches the row through its own exponential. */
function largest(row: usize, extent: i32): f32 {
  let i = 0;
  let m: f32 = -Infinity;
  if (ASC_FEATURE_SIMD) {
    let v = k<v128>(m);
    for (; i + 4 <= extent; i += 4) v = atLeast<v128>(v, v128.load(row + (<usize>i << 2)));
    m = atLeast<f32>(
      atLeast<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
      atLeast<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
    );
  }
  for (; i < extent; i++) m = atLeast<f32>(m, load<f32>(row + (<usize>i << 2)));
  return m;
}

/**
 * out = e^(x − m), 0 below e^−87, and their sum. Eight that are masked are 0 at once, half of the elements under a causal mask. The sum is at least 1:
 * what is left out of it is below its last place.
 */
function exponentials(row: usize, output: usize, n: i32, m: f32): f32 {
  if (!ASC_FEATURE_SIMD) {
    for (let i = 0; i < n; i++) {
      const at = <usize>i << 2;
      store<f32>(output + at, decay<f32>(load<f32>(row + at) - m));
    }
    return sumOf(output, n, 0, 0, 1);
  }
  const most = f32x4.splat(m);
  const least = f32x4.splat(-87);
  let sum = f32x4.splat(0);
  for (; n >= 8; n -= 8, row += 32, output += 32) {
    const t0 = f32x4.sub(v128.load(row), most);
    const t1 = f32x4.sub(v128.load(row, 16), most);
    let e0 = f32x4.splat(0);
    let e1 = e0;
    if (!i32x4.all_true(v128.and(f32x4.lt(t0, least), f32x4.lt(t1, least)))) {
      e0 = decay<v128>(t0);
      e1 = decay<v128>(t1);
      sum = f32x4.add(f32x4.add(sum, e0), e1);
    }
    v128.store(output, e0);
    v128.store(output, e1, 16);
  }
  for (; n > 0; n -= 4, row += 16, output += 16) {
    let e = decay<v128>(f32x4.sub(loadUpTo<v128>(row, n), most));
    if (n < 4) e = v128.and(e, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(n)));
    sum = f32x4.add(sum, e);
    storeUpTo<v128>(output, e, n);
  }
  return joined(f32x4.extract_lane(sum, 0), f32x4.extract_lane(sum, 1), f32x4.extract_lane(sum, 2), f32x4.extract_lane(sum, 3));
}

/** out = x / s, 0 where that is below 2^−126, the least number that is not subnormal. */
@inline function shares<T>(output: usize, n: i32, s: T): void {
  const least = mul<T>(s, k<T>(1.1754943508222875e-38));
  for (; n > 0; n -= lanes<T>(), output += sizeof<T>()) {
    const x = loadUpTo<T>(output, n);
    storeUpTo<T>(output, div<T>(ifLess<T>(x, least, k<T>(0), x), s), n);
  }
}

/** out = (x − m) − s. */
@inline function logarithms<T>(row: usize, output: usize, n: i32, m: T, s: T): void {
  for (; n > 0; n -= lanes<T>(), row += sizeof<T>(), output += sizeof<T>())
    storeUpTo<T>(output, sub<T>(sub<T>(loadUpTo<T>(row, n), m), s), n);
}

export function softmax(step: usize, thread: i32, threads: i32): void {
  let extent = argument(step, SoftmaxStep.extent);
  let logarithm = argument(step, SoftmaxStep.log) != 0;
  let rows = argument(step, SoftmaxStep.rows);
  let end = share(rows, thread + 1, threads);
  for (let i = share(rows, thread, threads); i < end; i++) {
    let offset = <usize>i * <usize>extent << 2;
    let row = address(step, SoftmaxStep.input) + offset;
    let output = address(step, SoftmaxStep.output) + offset;
    let m = largest(row, extent);
    const sum = exponentials(row, output, extent, m);
    if (logarithm) {
      const s = log<f32>(sum);
      if (ASC_FEATURE_SIMD) logarithms<v128>(row, output, extent, k<v128>(m), k<v128>(s));
      else logarithms<f32>(row, output, extent, m, s);
    } else if (ASC_FEATURE_SIMD) shares<v128>(output, extent, k<v128>(sum));
    else shares<f32>(output, extent, sum);
  }
}

export function layerNorm(step: usize, thread: i32, threads: i32): void {
  if (ASC_FEATURE_SIMD) normalize<v128>(step, thread, threads);
  else normalize<f32>(step, thread, threads);
}

@inline function normalize<T>(step: usize, thread: i32, threads: i32): void {
  let extent = argument(step, LayerNormStep.extent);
  let all = argument(step, LayerNormStep.rows);
  let epsilon = number(step, LayerNormStep.epsilon);
  let rms = argument(step, LayerNormStep.rms) != 0;
  let scale = address(step, LayerNormStep.scale);
  let bias = address(step, LayerNormStep.bias);
  let means = address(step, LayerNormStep.mean);
  let inverses = address(step, LayerNormStep.inverse);
  let end = share(all, thread + 1, threads);
  const count = k<T>(<f32>extent);
  for (let i = share(all, thread, threads); i < end; ) {
    let offset = <usize>i * <usize>extent << 2;
    let row = address(step, LayerNormStep.input) + offset;
    let output = address(step, LayerNormStep.output) + offset;
    const rows = isVector<T>() && end - i >= 4 ? 4 : 1;
    let mean = k<T>(0);
    let rest = mean;
    if (!rms) {
      mean = div<T>(totals<T>(row, rows, extent, mean, rest, 1), count);
      rest = div<T>(totals<T>(row, rows, extent, mean, rest, 1), count);
    }
    const square = div<T>(totals<T>(row, rows, extent, mean, rest, 2), count);
    let inverse = div<T>(k<T>(1), sqrt<T>(add<T>(square, k<T>(epsilon))));
    for (const stop = i + rows; i < stop; i++) {
      if (means != 0) keep<T>(means + (<usize>i << 2), add<T>(mean, rest));
      if (inverses != 0) keep<T>(inverses + (<usize>i << 2), inverse);
      scaled<T>(row, output, extent, first<T>(mean), first<T>(rest), first<T>(inverse), scale, bias);
      mean = turned<T>(mean);
      rest = turned<T>(rest);
      inverse = turned<T>(inverse);
      row += <usize>extent << 2;
      output += <usize>extent << 2;
    }
  }
}

@inline function scaled<T>(
  row: usize, output: usize, n: i32, mean: T, rest: T, inverse: T, scale: usize, bias: usize,
): void {
  for (; n > 0; n -= lanes<T>()) {
    let x = mul<T>(sub<T>(sub<T>(loadUpTo<T>(row, n), mean), rest), inverse);
    if (scale != 0) {
      x = mul<T>(x, loadUpTo<T>(scale, n));
      scale += sizeof<T>();
    }
    if (bias != 0) {
      x = add<T>(x, loadUpTo<T>(bias, n));
      bias += sizeof<T>();
    }
    storeUpTo<T>(output, x, n);
    row += sizeof<T>();
    output += sizeof<T>();
  }
}
