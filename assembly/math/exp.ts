// exp, expm1, sigmoid, tanh in f32. Polynomials: minimax fits of our own (Lawson's iteration on 400 Chebyshev points), coefficients rounded to f32.
import { abs, add, atLeast, atMost, copysign, div, ifLess, k, mul, nearest, negativeAbs, power2, sub } from "./lane";

// Largest errors over 477,000 values of the whole f32 line (test/program/math.test.ts): exp 0.99 ulp, tanh 1.12, sigmoid 1.96, α(e^x − 1) by expm1 2.33.

/** +inf above 88.72284, 0 below −104; subnormal results are rounded twice. What is below −104 takes the way of 0: a product that underflows costs some 100 cycles. */
export function exp<T>(x: T): T {
  let t = ifLess<T>(x, k<T>(-104), k<T>(0), atMost<T>(x, k<T>(89)));
  let n = exponent<T>(t);
  let p = fraction<T>(t, n);
  // 2^n in two factors, so that neither leaves the normal range
  let half = nearest<T>(mul<T>(n, k<T>(0.5)));
  return ifLess<T>(x, k<T>(-104), k<T>(0), mul<T>(mul<T>(p, power2<T>(half)), power2<T>(sub<T>(n, half))));
}

/** The integer n of e^t = 2^n · fraction. */
@inline function exponent<T>(t: T): T {
  return nearest<T>(mul<T>(t, k<T>(1.4426950408889634)));
}

/** e^(t − n·ln 2). */
@inline function fraction<T>(t: T, n: T): T {
  // ln 2 in two parts, the first with 9 significant bits: n·0.693359375 is exact
  let r = sub<T>(sub<T>(t, mul<T>(n, k<T>(0.693359375))), mul<T>(n, k<T>(-2.12194440054690583e-4)));
  let p = add<T>(mul<T>(k<T>(0.0013951717410236597), r), k<T>(0.008369598537683487));
  p = add<T>(mul<T>(p, r), k<T>(0.0416661873459816));
  p = add<T>(mul<T>(p, r), k<T>(0.16666512191295624));
  p = add<T>(mul<T>(p, r), k<T>(0.5));
  return add<T>(add<T>(mul<T>(mul<T>(r, r), p), r), k<T>(1));
}

/** e^x for x ≤ 0, the bits of `exp`, but 0 below −87: no subnormal number ever appears, which costs some 100 cycles, and one power of two suffices. */
@inline export function decay<T>(x: T): T {
  let t = atLeast<T>(x, k<T>(-87));
  let n = exponent<T>(t);
  return ifLess<T>(x, k<T>(-87), k<T>(0), mul<T>(fraction<T>(t, n), power2<T>(n)));
}

/** The bits of `exp` where `isNear` says so. */
@inline export function expNear<T>(x: T): T {
  let n = exponent<T>(x);
  return mul<T>(fraction<T>(x, n), power2<T>(n));
}

/** Whether one power of two scales e^x and e^−x for all elements of both, and neither is subnormal; NaN may count as such. */
@inline export function isNear<T>(x: T, y: T): bool {
  if (isVector<T>()) {
    return !v128.any_true(f32x4.gt(f32x4.pmax(f32x4.abs(x), f32x4.abs(y)), f32x4.splat(87)));
  }
  return abs<T>(x) <= <f32>87 && abs<T>(y) <= <f32>87;
}

/** tanh, odd and monotonic at the seam 0.625; −0 stays −0. */
@inline export function tanh<T>(x: T): T {
  let a = abs<T>(x);
  let z = mul<T>(x, x);
  let p = add<T>(mul<T>(k<T>(-0.00566078582778573), z), k<T>(0.02060200460255146));
  p = add<T>(mul<T>(p, z), k<T>(-0.05372922867536545));
  p = add<T>(mul<T>(p, z), k<T>(0.13331328332424164));
  p = add<T>(mul<T>(p, z), k<T>(-0.33333277702331543));
  let small = add<T>(mul<T>(mul<T>(p, z), x), x);
  // It is 1 from 9.02 on: held below 10, e^2a needs one power of two instead of two (1.25 times as fast, the same bits).
  let t = atMost<T>(a, k<T>(10));
  t = add<T>(t, t);
  let n = exponent<T>(t);
  let e = mul<T>(fraction<T>(t, n), power2<T>(n));
  let large = copysign<T>(sub<T>(k<T>(1), div<T>(k<T>(2), add<T>(e, k<T>(1)))), x);
  // NaN: the comparison is false and `large` is NaN
  return ifLess<T>(a, k<T>(0.625), small, large);
}

/** e^x − 1 = 2t/(1 − t), t = tanh(x/2): no cancellation near 0. For x ≤ 0 (the use of Elu, Selu, Celu). */
@inline export function expm1<T>(x: T): T {
  let t = tanh<T>(mul<T>(x, k<T>(0.5)));
  return div<T>(add<T>(t, t), sub<T>(k<T>(1), t));
}

/** 1/(1 + e^−x), from e^−|x| so that small results keep their relative precision. */
export function sigmoid<T>(x: T): T {
  return sigmoidOf<T>(x, exp<T>(negativeAbs<T>(x)));
}

/** The same from e = e^−|x|. */
@inline export function sigmoidOf<T>(x: T, e: T): T {
  return div<T>(ifLess<T>(x, k<T>(0), e, k<T>(1)), add<T>(k<T>(1), e));
}
