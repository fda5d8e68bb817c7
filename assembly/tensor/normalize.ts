// Softmax and LayerNorm over contiguous rows of f32; sums by 4 partials, k mod 4, joined as (0 + 2) + (1 + 3).
import { LayerNormStep, SoftmaxStep } from "../../src/core/abi/reduce";
import { decay } from "../math/exp";
import { add, atLeast, div, ifLess, k, mul, sub } from "../math/lane";
import { log } from "../math/log";
import { lanes, loadUpTo, storeUpTo } from "./lanes";
import { address, argument, number, share } from "../step";

/** Four partials: one vector, or four floats that the scalar build keeps apart. */
@inline function joined(a: f32, b: f32, c: f32, d: f32): f32 {
  return (a + c) + (b + d);
}

/** The sum of ((x − mean) − rest)^power over a row, power 1 or 2. */
function sumOf(row: usize, extent: i32, mean: f32, rest: f32, power: i32): f32 {
  let i = 0;
  let a: f32 = 0;
  let b: f32 = 0;
  let c: f32 = 0;
  let d: f32 = 0;
  if (ASC_FEATURE_SIMD) {
    let sum = k<v128>(0);
    let m = k<v128>(mean);
    let r = k<v128>(rest);
    for (; i + 4 <= extent; i += 4) {
      let x = sub<v128>(sub<v128>(v128.load(row + (<usize>i << 2)), m), r);
      sum = add<v128>(sum, power == 2 ? mul<v128>(x, x) : x);
    }
    a = f32x4.extract_lane(sum, 0);
    b = f32x4.extract_lane(sum, 1);
    c = f32x4.extract_lane(sum, 2);
    d = f32x4.extract_lane(sum, 3);
  } else {
    for (; i + 4 <= extent; i += 4) {
      let at = row + (<usize>i << 2);
      a += term(at, mean, rest, power);
      b += term(at + 4, mean, rest, power);
      c += term(at + 8, mean, rest, power);
      d += term(at + 12, mean, rest, power);
    }
  }
  let at = row + (<usize>i << 2);
  if (i < extent) a += term(at, mean, rest, power);
  if (i + 1 < extent) b += term(at + 4, mean, rest, power);
  if (i + 2 < extent) c += term(at + 8, mean, rest, power);
  return joined(a, b, c, d);
}

@inline function term(at: usize, mean: f32, rest: f32, power: i32): f32 {
  let x = load<f32>(at) - mean - rest;
  return power == 2 ? x * x : x;
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
  let extent = argument(step, LayerNormStep.extent);
  let rows = argument(step, LayerNormStep.rows);
  let epsilon = number(step, LayerNormStep.epsilon);
  let rms = argument(step, LayerNormStep.rms) != 0;
  let scale = address(step, LayerNormStep.scale);
  let bias = address(step, LayerNormStep.bias);
  let means = address(step, LayerNormStep.mean);
  let inverses = address(step, LayerNormStep.inverse);
  let end = share(rows, thread + 1, threads);
  for (let i = share(rows, thread, threads); i < end; i++) {
    let offset = <usize>i * <usize>extent << 2;
    let row = address(step, LayerNormStep.input) + offset;
    let output = address(step, LayerNormStep.output) + offset;
    let mean: f32 = 0;
    let rest: f32 = 0;
    if (!rms) {
      mean = sumOf(row, extent, 0, 0, 1) / <f32>extent;
      rest = sumOf(row, extent, mean, 0, 1) / <f32>extent;
    }
    let inverse: f32 = 1 / f32.sqrt(sumOf(row, extent, mean, rest, 2) / <f32>extent + epsilon);
    if (means != 0) store<f32>(means + (<usize>i << 2), mean + rest);
    if (inverses != 0) store<f32>(inverses + (<usize>i << 2), inverse);
    if (ASC_FEATURE_SIMD) scaled<v128>(row, output, extent, k<v128>(mean), k<v128>(rest), k<v128>(inverse), scale, bias);
    else scaled<f32>(row, output, extent, mean, rest, inverse, scale, bias);
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
