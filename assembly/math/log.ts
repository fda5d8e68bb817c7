// log, log1p, softplus in f32. Largest errors (see exp.ts): log 0.73 ulp, softplus 1.73.
import { add, atLeast, div, exponentField, ifEqual, ifLess, k, mantissa, mul, negativeAbs, sub } from "./lane";
import { exp } from "./exp";

/** −inf at ±0, NaN below 0, +inf at +inf; subnormals are scaled first. */
export function log<T>(x: T): T {
  let tiny = k<T>(1.1754943508222875e-38);
  let s = ifLess<T>(x, tiny, mul<T>(x, k<T>(33554432)), x);
  let e = sub<T>(exponentField<T>(s), ifLess<T>(x, tiny, k<T>(151), k<T>(126)));
  let m = mantissa<T>(s);
  // m in [√½, √2)
  let low = ifLess<T>(m, k<T>(0.7071067811865476), k<T>(1), k<T>(0));
  let f = sub<T>(ifEqual<T>(low, k<T>(1), add<T>(m, m), m), k<T>(1));
  e = sub<T>(e, low);
  let z = mul<T>(f, f);
  let p = add<T>(mul<T>(k<T>(0.06915362924337387), f), k<T>(-0.11789806187152863));
  p = add<T>(mul<T>(p, f), k<T>(0.11872977763414383));
  p = add<T>(mul<T>(p, f), k<T>(-0.1238434910774231));
  p = add<T>(mul<T>(p, f), k<T>(0.14218658208847046));
  p = add<T>(mul<T>(p, f), k<T>(-0.16669251024723053));
  p = add<T>(mul<T>(p, f), k<T>(0.20002226531505585));
  p = add<T>(mul<T>(p, f), k<T>(-0.24999986588954926));
  p = add<T>(mul<T>(p, f), k<T>(0.3333331048488617));
  // ln 2 in two parts, the first with 9 significant bits: e·0.693359375 is exact
  let y = add<T>(mul<T>(mul<T>(p, z), f), mul<T>(e, k<T>(-2.12194440054690583e-4)));
  y = add<T>(sub<T>(y, mul<T>(z, k<T>(0.5))), f);
  y = add<T>(y, mul<T>(e, k<T>(0.693359375)));
  y = ifLess<T>(x, k<T>(Infinity), y, x); // +inf and NaN pass through
  y = ifEqual<T>(x, k<T>(0), k<T>(-Infinity), y);
  return ifLess<T>(x, k<T>(0), k<T>(NaN), y);
}

/** ln(1 + x) for x in [0, 1]: log(1 + x) with the rounding of 1 + x made good to first order. */
@inline export function log1p<T>(x: T): T {
  let u = add<T>(k<T>(1), x);
  return add<T>(log<T>(u), div<T>(sub<T>(x, sub<T>(u, k<T>(1))), u));
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|). */
@inline export function softplus<T>(x: T): T {
  return add<T>(atLeast<T>(x, k<T>(0)), log1p<T>(exp<T>(negativeAbs<T>(x))));
}
